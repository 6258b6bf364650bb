"""The live page: what the cache does, as it does it, with buttons to make it do something.

It is handed callables and knows nothing of the flow. Whoever mounts it (under `/_weft/demo/`) decides that it may be seen at all:
the page shows recent targets and holds a token that may purge, so it belongs to demonstrations and not to the open Internet.

Guards: every POST must come from this very page (Sec-Fetch-Site or Origin) and carry the token that this start put into it.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from jinja2 import Environment, PackageLoader, StrictUndefined
from sse_starlette.sse import EventSourceResponse
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.demo.answers import PRIVATE, cacheable
from gateway.demo.posted import PostError, is_same_site, read_posted
from gateway.demo.visitors import Burst, Visit, run_burst

__all__ = ["TOKEN_HEADER", "Command", "Observatory", "commands_to_try", "create_console"]

TOKEN_HEADER = "x-weft-demo-token"  # noqa: S105  the name of a field, not a secret
MAX_WATCHERS = 16
"""Streams at once: each costs a few tasks, and one person needs one."""
MAX_NAME = 2048
"""Characters of a tag or URL to purge."""

Trace = Callable[[str], Awaitable[str]]
"""Ask for one path and give the id of its trace. Raises LookupError when there is none."""

Command = tuple[str, str]
"""What it shows, and the shell command; `{base}` in it becomes the address the page was asked at."""

_OUTCOMES = {
    "src": "includes as asked for",
    "alt": "from their alt",
    "fallback": "their own body instead",
    "nothing": "left out",
    "failed": "failed the page",
    "dropped": "not wanted any more",
}

_FILES = {"console.css": "text/css", "console.js": "text/javascript", "mark.svg": "image/svg+xml"}


class Observatory(Protocol):
    """What the gateway lets us see and do."""

    def snapshot(self) -> dict[str, Any]:
        """Figures since the start, as JSON can hold them. Called once a second for each watcher, so it must be cheap.

        requests hits misses stale revalidated collapsed bypass errors entries bytes max_bytes origin_requests     whole numbers
        uptime                                  seconds
        latency_hit_us, latency_miss_us         {"p50": …, "p99": …} in microseconds
        tags                                    [{"tag": …, "entries": …}], at most 40, the largest first
        recent                                  [{"time": epoch, "method", "target", "outcome", "status", "us", "bytes"}], newest first, at most 60
        woven                                   pages and fragments put together from pieces
        includes                                {outcome: count}: src alt fallback nothing failed dropped
        traces                                  [{"id", "url", "includes", "without", "ms"}], newest first, at most 8
        """

    async def purge(
        self, *, tag: str | None = None, url: str | None = None, everything: bool = False, hard: bool = False
    ) -> dict[str, Any]:
        """Invalidate what one of the first three names; soft unless hard. Answers {"purged": n}."""


def commands_to_try(*, purge_token: str, admin_token: str, debug_token: str = "", slug: str = "aino-desk-lamp") -> list[Command]:
    """A short story for the terminal: fetch, fetch again, change the price, see the old one, purge the tag, see the new one."""
    page = f"{{base}}/p/{slug}"
    pieces = (
        "What the page is made of, and where its trace is",
        f"curl -sD- -o /dev/null {page} -H 'Weft-Debug: {debug_token}' | grep -i ^weft-",
    )
    return [
        (
            "Ask twice: the second answer comes from the cache, and says so",
            f"curl -sD- -o /dev/null {page} | grep -i -e cache-status -e ^age",
        ),
        (
            "Not modified: a validator instead of a picture",
            f"curl -sD- -o /dev/null -H 'If-None-Match: *' {{base}}/pictures/{slug}.svg | head -1",
        ),
        *([pieces] if debug_token else []),
        (
            "Change a price at the shop; the cache still has the old page",
            f"curl -s {{base}}/admin/products/{slug} -H 'Authorization: Bearer {admin_token}' -d price=49",
        ),
        (
            "Purge its tag, and every page that shows it is made anew",
            f"curl -s -X POST {{base}}/_weft/purge -H 'Authorization: Bearer {purge_token}' -H 'Surrogate-Key: product-{slug}'",
        ),
        ("The same figures as on this page, for scripts", "curl -s {base}/_weft/demo/snapshot"),
    ]


def create_console(
    observatory: Observatory,
    visit: Visit,
    *,
    paths: Sequence[str],
    commands: Sequence[Command] = (),
    burst: Burst | None = None,
    interval: float = 1.0,
    is_closing: Callable[[], bool] = lambda: False,
    token: str | None = None,
    trace: Trace | None = None,
) -> list[BaseRoute]:
    """Routes to mount: `Mount("/_weft/demo", routes=create_console(…))`. The page is at the mount's root.

    visit           asks the gateway for one path, as a visitor would
    paths           what the crowd visits, most popular first (`visitors.popular_paths`)
    commands        to show under "Try it" (`commands_to_try`)
    interval        seconds between two events of a stream
    is_closing      when it turns true, streams end at their next event, so that a drain need not wait for watchers
    token           what a POST must carry; made up when left out
    trace           asks for one path and gives the id of its trace; the page links to `trace/<id>`, which somebody else must mount
    """
    console = _Console(
        observatory,
        visit,
        paths=paths,
        commands=commands,
        burst=burst or Burst(),
        interval=interval,
        is_closing=is_closing,
        token=token or secrets.token_urlsafe(24),
        trace=trace,
    )
    return [
        Route("/", console.page),
        Route("/events", console.events),
        Route("/snapshot", console.snapshot),
        Route("/purge", console.purge, methods=["POST"]),
        Route("/visitors", console.visitors, methods=["POST"]),
        *([Route("/traces", console.traces, methods=["POST"])] if trace else []),
        *(Route(f"/{name}", console.file) for name in _FILES),
    ]


class _Console:
    """The handlers. State: how many watch, and whether a crowd is under way."""

    def __init__(
        self,
        observatory: Observatory,
        visit: Visit,
        *,
        paths: Sequence[str],
        commands: Sequence[Command],
        burst: Burst,
        interval: float,
        is_closing: Callable[[], bool],
        token: str,
        trace: Trace | None,
    ) -> None:
        self.observatory = observatory
        self.visit = visit
        self.paths = paths
        self.commands = commands
        self.burst = burst
        self.interval = interval
        self.is_closing = is_closing
        self.token = token
        self.trace = trace
        self.watchers = 0
        self.crowded = False
        folder = Path(__file__).parent / "static"
        self.files = {name: (folder / name).read_bytes() for name in _FILES}
        templates = Environment(
            loader=PackageLoader("gateway.demo"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self.template = templates.get_template("console.html")

    async def page(self, request: Request) -> Response:
        nonce = secrets.token_urlsafe(16)
        base = f"{request.url.scheme}://{request.url.netloc}"
        body = self.template.render(
            root=request.scope.get("root_path", ""),
            nonce=nonce,
            token=self.token,
            burst=self.burst,
            traces=self.trace is not None,
            outcomes=_OUTCOMES.items(),
            commands=[(title, command.replace("{base}", base)) for title, command in self.commands],
        )
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; img-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        fields = {
            "cache-control": PRIVATE,
            "content-security-policy": policy,
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
        }
        return Response(body, headers=fields, media_type="text/html")

    async def file(self, request: Request) -> Response:
        name = request.url.path.rpartition("/")[2]
        return cacheable(request, self.files[name], _FILES[name], "no-cache")

    async def snapshot(self, _request: Request) -> Response:
        return JSONResponse(self.observatory.snapshot(), headers={"cache-control": PRIVATE})

    async def events(self, _request: Request) -> Response:
        if self.watchers >= MAX_WATCHERS:
            return _say("too many watch already", 503)
        return EventSourceResponse(self.stream(), ping=30, headers={"cache-control": PRIVATE, "x-accel-buffering": "no"})

    async def stream(self) -> AsyncIterator[dict[str, Any]]:
        """A snapshot at once and then one each interval; whoever reconnects simply gets the next."""
        self.watchers += 1
        try:
            while not self.is_closing():
                yield {"data": json.dumps(self.observatory.snapshot(), separators=(",", ":")), "retry": 2000}
                await asyncio.sleep(self.interval)
        finally:
            self.watchers -= 1

    async def purge(self, request: Request) -> Response:
        if not self.is_ours(request):
            return _say("not from this page", 403)
        try:
            asked = await read_posted(request)
        except PostError as error:
            return _say(str(error), error.status)
        tag, url, everything = asked.get("tag"), asked.get("url"), asked.get("everything") == "true"
        if [tag is not None, url is not None, everything].count(True) != 1:
            return _say("give exactly one of tag, url, everything", 400)
        if not 0 < len(tag or url or "*") <= MAX_NAME or tag == "" or url == "":
            return _say(f"expected 1 to {MAX_NAME} characters", 400)
        found = await self.observatory.purge(tag=tag, url=url, everything=everything, hard=asked.get("hard") == "true")
        return JSONResponse(found, headers={"cache-control": PRIVATE})

    async def visitors(self, request: Request) -> Response:
        if not self.is_ours(request):
            return _say("not from this page", 403)
        if self.crowded:
            return _say("a crowd is here already", 409)
        content = {"visits": self.burst.visits, "seconds": self.burst.seconds}
        # A background task of this response: it ends with the server, and there is no loose task to look after.
        return JSONResponse(content, 202, {"cache-control": PRIVATE}, background=BackgroundTask(self.crowd))

    async def traces(self, request: Request) -> Response:
        if not self.is_ours(request) or self.trace is None:
            return _say("not from this page", 403)
        try:
            path = (await read_posted(request)).get("path", "")
        except PostError as error:
            return _say(str(error), error.status)
        if not path.startswith("/") or path.startswith(("//", "/_weft/")) or len(path) > MAX_NAME or not path.isprintable():
            return _say("expected the path of a page", 400)
        try:
            return JSONResponse({"trace": await self.trace(path)}, headers={"cache-control": PRIVATE})
        except LookupError as error:
            return _say(f"no trace: {error}", 502)

    async def crowd(self) -> None:
        if self.crowded:  # two buttons pressed in the same moment
            return
        self.crowded = True
        try:
            await run_burst(self.visit, self.paths, self.burst)
        finally:
            self.crowded = False

    def is_ours(self, request: Request) -> bool:
        given = request.headers.get(TOKEN_HEADER, "")
        return is_same_site(request) and hmac.compare_digest(given.encode(), self.token.encode())


def _say(message: str, status: int) -> Response:
    return JSONResponse({"error": message}, status, {"cache-control": PRIVATE})
