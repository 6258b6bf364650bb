"""Purging over HTTP: `POST /_weft/purge` (JSON, or Fastly's `Surrogate-Key` header), and the PURGE method on any URL.

    POST /_weft/purge                     {"tags": [...], "urls": [...], "prefixes": [...], "routes": [...], "everything": true, "hard": false}
    POST /_weft/purge   Surrogate-Key: news article-7        Fastly-Soft-Purge: 1 | 0
    PURGE /some/page    Fastly-Soft-Purge / Weft-Purge: hard

200: everywhere; 202, and "pending": done here, and on its way to processes that were not heard from yet (`fleet` says how many).
Soft by default: what is purged is stale at once and may be served while one request renews it. `hard` removes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from gateway.endpoints.bearer import refuse
from gateway.errors import BadRequest
from gateway.flow.purge_target import Target
from gateway.flow.purging import Purger
from gateway.listener.head import host_of

__all__ = ["PurgeEndpoint"]

_MAX_BODY = 1 << 20
_MAX_TARGETS = 10_000
_MEMBERS = {"tags": "tag", "urls": "url", "prefixes": "prefix", "routes": "route"}


class PurgeEndpoint:
    """may_purge: whether a bearer token is one of the configured; None while there are none: purging is off."""

    def __init__(self, purger: Purger, may_purge: Callable[[str], bool] | None) -> None:
        self.purger = purger
        self.may_purge = may_purge

    async def post(self, request: Request) -> Response:
        """POST /_weft/purge."""
        if (refused := self._refuse(request)) is not None:
            return refused
        try:
            targets, hard = await self._wishes(request)
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        return await self._purge(targets, hard=hard)

    async def method(self, request: Request) -> Response:
        """PURGE on any URL: that URL, or the tags that a Surrogate-Key header names."""
        if (refused := self._refuse(request)) is not None:
            return refused
        keys = request.headers.get("surrogate-key", "").split()
        try:
            targets: list[Target] = [("tag", key.encode("latin-1")) for key in keys] or [self._url(_own_url(request))]
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        return await self._purge(targets, hard=_is_hard(request))

    def _refuse(self, request: Request) -> Response | None:
        return refuse(request, self.may_purge, "purge.tokens", "weft-purge-token", "purging is off")

    async def _wishes(self, request: Request) -> tuple[list[Target], bool]:
        """What to purge. Raises ValueError that names what was expected."""
        hard = _is_hard(request)
        if keys := request.headers.get("surrogate-key", "").split():
            return [("tag", key.encode("latin-1")) for key in keys], hard
        body = await _read(request)
        try:
            wishes = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise ValueError(f"expected a JSON object or a Surrogate-Key header: {error}") from None
        if not isinstance(wishes, dict):
            raise ValueError("expected a JSON object with tags, urls, prefixes, routes or everything")
        unknown = sorted(wishes.keys() - {*_MEMBERS, "everything", "hard"})
        if unknown:
            raise ValueError(f"unknown member {unknown[0]!r}: expected tags, urls, prefixes, routes, everything, hard")
        for name in ("everything", "hard"):
            if not isinstance(wishes.get(name, False), bool):
                raise ValueError(f"{name}: expected true or false")
        targets: list[Target] = [("all", None)] if wishes.get("everything") else []
        for member, kind in _MEMBERS.items():
            targets += [self._target(kind, member, value) for value in _strings(wishes, member)]
        if not targets:
            raise ValueError("nothing to purge: expected at least one of tags, urls, prefixes, routes, everything")
        return targets, bool(wishes.get("hard", hard))

    def _target(self, kind: str, member: str, value: str) -> Target:
        if kind == "tag":
            return ("tag", value.encode("utf-8"))
        if kind == "route":
            if value not in {route.name for route in self.purger.routes.all}:
                raise ValueError(f"{member}: no route is called {value!r}")
            return ("route", value)
        return self._url(value, prefix=kind == "prefix")

    def _url(self, url: str, *, prefix: bool = False) -> Target:
        """A URL with scheme and host; for a prefix both may be missing: then it holds for every host."""
        parts = urlsplit(url)
        if prefix and not parts.scheme and url.startswith("/"):
            return ("prefix", (b"", b"", url.encode("utf-8")))
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError(f"expected http://HOST/PATH, got {url[:200]!r}")
        scheme = parts.scheme.encode("ascii")
        try:
            host = host_of(parts.netloc.encode("utf-8"), scheme)
        except BadRequest:
            raise ValueError(f"expected a host in {url[:200]!r}") from None
        target = (parts.path or "/").encode("utf-8") + (b"?" + parts.query.encode("utf-8") if parts.query else b"")
        return ("prefix", (scheme, host, target)) if prefix else ("url", self.purger.key_of(scheme, host, target))

    async def _purge(self, targets: Sequence[Target], *, hard: bool) -> Response:
        purged = await self.purger.purge(*targets, hard=hard)
        delivery = purged.delivery
        told: dict[str, object] = {
            "status": "ok" if delivery.is_complete else "pending",
            "purged": purged.entries,
            "hard": hard,
            "sequence": self.purger.ledger.sequence,
        }
        if delivery.shared:
            told["fleet"] = {"sent": delivery.sent, "processes": delivery.processes, "reached": delivery.reached}
        return JSONResponse(told, 200 if delivery.is_complete else 202)


def _strings(wishes: dict[str, object], member: str) -> list[str]:
    values = wishes.get(member, [])
    if not isinstance(values, list) or not all(isinstance(value, str) and value for value in values):
        raise ValueError(f"{member}: expected a list of non-empty strings")
    if len(values) > _MAX_TARGETS:
        raise ValueError(f"{member}: expected at most {_MAX_TARGETS}, got {len(values)}")
    return values


def _is_hard(request: Request) -> bool:
    if request.headers.get("weft-purge", "").lower() == "hard":
        return True
    return request.headers.get("fastly-soft-purge") == "0"


def _own_url(request: Request) -> str:
    scope = request.scope
    target = (scope.get("raw_path") or b"/").decode("latin-1") + (
        "?" + scope["query_string"].decode("latin-1") if scope["query_string"] else ""
    )
    return f"{scope['scheme']}://{request.headers.get('host', '')}{target}"


async def _read(request: Request) -> bytes:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MAX_BODY:
                raise ValueError(f"expected at most {_MAX_BODY} bytes")
    except ClientDisconnect:
        raise ValueError("the content did not come whole") from None
    return bytes(body)
