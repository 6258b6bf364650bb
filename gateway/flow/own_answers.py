"""Answers that are nobody's but ours: errors, and requests that go no further than here."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from gateway.cache.entry import encode_block
from gateway.cache.plan import ForwardReason
from gateway.cache.status import encode_member
from gateway.errors import GatewayError, Overloaded, UpstreamUnavailable
from gateway.flow.rate_limits import RateLimited
from gateway.flow.response import Facts, Response
from gateway.semantics.dates import format_date
from gateway.semantics.message import Fields, Request, first

__all__ = ["SERVER", "ErrorPage", "OwnAnswers"]

SERVER = b"Weft"
"""Our name in Cache-Status and Proxy-Status."""

_ID = "the-id-of-the-request"
_KEPT_PAGES = 256
_ACCEPT = 1_024
"""Octets of Accept that are looked at: the client writes them, and pages are kept by them."""

ErrorPage = Callable[[int, str, str, bytes | None], tuple[bytes, bytes]]
"""(status, reason, request id, Accept) → (media type, content)."""


class OwnAnswers:
    """clock: epoch seconds. request_id_field: where the request's id is told."""

    def __init__(self, error_page: ErrorPage, clock: Callable[[], float], request_id_field: bytes) -> None:
        self._error_page = lru_cache(maxsize=_KEPT_PAGES)(error_page)  # under load a refusal must cost little
        self._clock = clock
        self._request_id_field = request_id_field

    def error(self, request: Request, error: GatewayError, facts: Facts) -> Response:
        """An error, as the page or the data that the client would rather have."""
        media, template = self._error_page(error.status, error.reason, _ID, (first(request.fields, b"accept") or b"")[:_ACCEPT])
        content = template.replace(_ID.encode("ascii"), facts.request_id.encode("ascii"))
        fields: Fields = [
            (b"date", format_date(self._clock())),
            (b"content-type", media),
            (b"cache-control", b"no-store"),
            (self._request_id_field, facts.request_id.encode("ascii")),
        ]
        if error.fault == "upstream":
            fields.append((b"proxy-status", b"%s; error=%s" % (SERVER, error.reason.encode("ascii"))))  # RFC 9209 §2
        if isinstance(error, (UpstreamUnavailable, Overloaded, RateLimited)):
            fields.append((b"retry-after", b"%d" % max(1, round(error.retry_after))))
        if isinstance(error, RateLimited):
            fields += [(b"ratelimit-policy", error.policy), (b"ratelimit", error.state)]
        fields.append(
            (
                b"cache-status",
                encode_member(
                    SERVER, "bypass" if error.fault == "downstream" else "uri-miss", detail=error.reason.replace("_", "-")
                ),
            )
        )
        body = None if request.method == b"HEAD" else content
        return Response(error.status, encode_block(fields), body, facts, length=len(content))

    def last_recipient(self, request: Request, route: str, request_id: str) -> Response:
        """OPTIONS or TRACE that may go no further than here. RFC 9110 §7.6.2. TRACE is not echoed: it would show what proxies before us added."""
        options = request.method == b"OPTIONS"
        fields = [(b"date", format_date(self._clock())), (b"allow", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")]
        fields.append((b"cache-status", encode_member(SERVER, ForwardReason.METHOD.value, detail="max-forwards")))
        facts = Facts(route, "refused" if not options else "bypass", detail="max-forwards", request_id=request_id)
        return Response(204 if options else 405, encode_block(fields), b"" if not options else None, facts)
