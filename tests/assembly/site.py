"""A site as a table behind the real flow: what is at each URL, who asks for what, what comes. Time is turned by hand.

A case's steps, one after the other:

    "GET /page | Cookie: a=1"          somebody asks; a host other than shop.test is written out
    "200 | Vary: accept | «text»"      what has come: status, fields, -Missing, content; `cut «text»`: it broke off
    "asked /a 2"                       how often the site was asked for that since the last such line
    "told /a | X: 1 | -Cookie"         what it was asked with at last
    "+30 s"                            time passes
    "purge soft tag x"
    {"/a": "200 | «new»"}              the site changes

`{etag}` is the entity tag of the first answer that was expected to have one.

What a URL brings: a line as above; `refused`, `reset`, `timeout`, `unavailable`; `hangs`; `broken` before a line: it breaks off behind its content;
`slow` before a line: the content behind its first half comes when time passes. Or an Answer, or a function from what is asked to one of these.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.cache.freshness import CachePolicy
from gateway.errors import UpstreamRefused, UpstreamReset, UpstreamTimeout, UpstreamTruncated, UpstreamUnavailable
from gateway.flow.assembly.guest_routes import GuestRoutes
from gateway.flow.assembly.rules import EsiRules
from gateway.flow.routes import Compression, Route
from gateway.semantics.message import Fields, first
from gateway.upstream.guests import NotAllowed
from gateway.upstream.origin import OriginRequest, OriginResponse
from tests.support.fakes import NO_COMPRESSION, Answer, Exchange, FakeOrigin, Stage, Visitor, check_fields, request

__all__ = ["GUEST", "Brings", "Site", "Table", "play_steps"]

Brings = str | Answer | Callable[[OriginRequest], "str | Answer"]
Table = Mapping[str, Brings]

GUEST = "widgets.test"
"""The one foreign host that the site lists."""

_EAGER = Compression((b"gzip",), {b"gzip": 6}, ("text/*", "application/json"), 1)

_ERRORS = {
    "refused": UpstreamRefused,
    "reset": UpstreamReset,
    "timeout": UpstreamTimeout,
    "unavailable": UpstreamUnavailable,
}
_PAUSE = 0.5


class SiteOrigin(FakeOrigin):
    """Origin over a table. name: put before its paths, "" for the site's own."""

    def __init__(self, site: Site, name: str = "") -> None:
        super().__init__(site.clock)
        self._site = site
        self._name = name

    async def exchange(self, request: OriginRequest) -> OriginResponse:
        exchange = Exchange(request, self.clock)
        if request.body is not None:
            exchange.content = b"".join([chunk async for chunk in request.body])
        self.exchanges.append(exchange)
        place = self._name + request.target.decode("latin-1")
        self._site.note(place, exchange)
        brings: Any = self._site.brings(place)
        if callable(brings):
            brings = brings(request)
        if isinstance(brings, str):
            word, _, rest = brings.partition(" ")
            if word in _ERRORS:
                raise _ERRORS[word](word)
            if word == "hangs":
                return await exchange.answered
            if word in ("broken", "slow"):
                return self._answer_in_pieces(exchange, self._answer(rest), breaks=word == "broken")
            brings = self._answer(brings)
        exchange.answer(brings)
        return exchange.answered.result()

    def _answer(self, text: str) -> Answer:
        line = self._site.stage.parse(text)
        return Answer(int(line.start), line.fields, line.body or b"", date="date" not in line.absent)

    def _answer_in_pieces(self, exchange: Exchange, answer: Answer, *, breaks: bool) -> OriginResponse:
        whole, middle = answer.body, len(answer.body) // 2
        answer.body = whole if breaks else whole[:middle]
        exchange.answer(answer, more=True)
        body = exchange.body
        if body is None:  # to HEAD
            return exchange.answered.result()
        if breaks:
            body.finish(UpstreamTruncated("the body ended early"))
        else:

            def go_on() -> None:
                body.feed(whole[middle:])
                body.finish()

            asyncio.get_running_loop().call_later(_PAUSE, go_on)
        return exchange.answered.result()


class PageStage(Stage):
    """The real flow, with guests."""

    parse = Stage._parse

    def settle(self) -> None:
        """Let everything happen that can."""
        self.run(self._settle())


class _GuestOrigins:
    def __init__(self, site: Site) -> None:
        self._site = site

    def origin_for(self, scheme: bytes, authority: bytes) -> SiteOrigin:
        if authority.decode() != GUEST:
            raise NotAllowed("not listed")
        return SiteOrigin(self._site, f"{scheme.decode()}://{GUEST}")


class Site:
    """A stage with a table for its origin. gzip: visitors ask for that, and get it; what is judged is the content, decoded, and no fields."""

    def __init__(
        self,
        table: Table,
        *,
        hot_lane: bool = True,
        esi: Mapping[str, Any] | None = None,
        policy: CachePolicy | None = None,
        gzip: bool = False,
        **settings: Any,
    ) -> None:
        self.table: dict[str, Brings] = dict(table)
        self.asked: Counter[str] = Counter()
        self.told: dict[str, Exchange] = {}
        self.gzip = gzip
        self.compressed = 0
        self.etag: bytes | None = None
        rules = EsiRules(**(esi or {}))
        policy = policy or CachePolicy(stale_if_error=0.0)
        self.stage = PageStage(
            hot_lane=hot_lane,
            routes=lambda _: [
                Route("shop", SiteOrigin(self), policy, _EAGER if gzip else NO_COMPRESSION, host=host, esi=rules, **settings)
                for host in ("shop.test", "other.test")
            ],
        )
        self.stage.page.weaver.guests = GuestRoutes(_GuestOrigins(self), policy, rules)  # type: ignore[arg-type]

    def clock(self) -> float:
        return self.stage.clock()

    def close(self) -> None:
        self.stage.close()

    def note(self, place: str, exchange: Exchange) -> None:
        self.asked[place] += 1
        self.told[place] = exchange

    def brings(self, place: str) -> Brings:
        found = self.table.get(place)
        if found is None:
            found = self.table.get(
                place.partition("?")[0], "404 | Content-Type: text/html | Cache-Control: no-store | «not found»"
            )
        return found

    async def ask(self, method: str, url: str, fields: Fields, body: bytes | None = None) -> Visitor:
        """Somebody who has asked; the answer may still be on its way."""
        if self.gzip and first(fields, b"accept-encoding") is None:
            fields = [*fields, (b"accept-encoding", b"gzip")]
        visitor = Visitor(self.stage, request(method, url, fields, body))
        await self.stage._settle()
        return visitor


def play_steps(site: Site, steps: Sequence[str | Table]) -> list[tuple[int, Fields, bytes]]:
    """Play them; what each visitor got. Raises AssertionError at the first that is not what happens."""
    seen: list[tuple[int, Fields, bytes]] = []

    async def play() -> None:
        visitor: Visitor | None = None
        for step in steps:
            if isinstance(step, str) and site.etag is not None:
                step = step.replace("{etag}", site.etag.decode())  # noqa: PLW2901
            try:
                if isinstance(step, str) and step[:1].isupper():
                    await finish(visitor)
                    line = site.stage.parse(step)
                    method, url = line.start.split(" ")
                    visitor = await site.ask(method, url, line.fields, line.body)
                else:
                    await _do(site, step, visitor, seen)
            except AssertionError as error:
                raise AssertionError(f"{step}\n    {error}") from None
        await finish(visitor)

    async def finish(visitor: Visitor | None) -> None:
        if visitor is not None and not visitor.task.done():
            visitor.task.cancel()
            await asyncio.wait([visitor.task])

    site.stage.run(play())
    return seen


async def _do(site: Site, step: str | Table, visitor: Visitor | None, seen: list[tuple[int, Fields, bytes]]) -> None:
    stage = site.stage
    if not isinstance(step, str):
        site.table.update(step)
    elif step.startswith("+"):
        stage.clock.turn(float(step[1:-2]))
        await stage._settle()
    elif step.startswith("purge "):
        await stage._purge(step)
    elif step.startswith("asked "):
        _, place, count = step.split(" ")
        got, site.asked[place] = site.asked[place], 0
        assert got == int(count), f"{got} times, and of all {dict(site.asked)}"
    elif step.startswith("told "):
        line = stage.parse(step)
        exchange = site.told[line.start.removeprefix("told ")]
        check_fields(exchange.asked.fields, line.fields, line.absent)
        if line.body is not None:
            assert exchange.content == line.body, exchange.content
    else:
        assert visitor is not None
        _check(site, step, visitor)
        response = visitor.response
        assert response is not None
        seen.append((response.status, response.fields(), visitor.received))


def _check(site: Site, step: str, visitor: Visitor) -> None:
    if visitor.response is not None and "{etag}" in step:
        site.etag = first(visitor.response.fields(), b"etag")
        assert site.etag is not None, "no ETag"
        assert site.etag.startswith(b'"'), f"{site.etag!r} is no strong entity tag"
        step = step.replace("{etag}", site.etag.decode())
    line = site.stage.parse(step)
    if visitor.task.done() and (error := visitor.task.exception()) is not None:
        raise error
    response = visitor.response
    assert response is not None, f"there is no answer yet; asked was {dict(site.asked)}"
    cut = line.start.startswith("cut")
    status = line.start.removeprefix("cut").strip()
    if status:
        assert response.status == int(status), f"status {response.status} {response.fields()} {visitor.received!r}"
    coding = first(response.fields(), b"content-encoding")
    received = visitor.received
    if not site.gzip:
        check_fields(response.fields(), line.fields, line.absent)
    elif coding == b"gzip" and response.status == 200 and first(visitor.asked.fields, b"accept-encoding") == b"gzip":
        received = _decoded(received)
        site.compressed += 1
    if cut:
        assert visitor.error is not None, f"it did not break off: {visitor.received!r}"
    elif line.more:
        assert not visitor.task.done(), f"the content is at its end: {visitor.received!r}"
    else:
        assert visitor.error is None, f"the content broke off: {visitor.error} {visitor.received!r}"
        assert visitor.task.done(), f"the content has not ended: {visitor.received!r}"
    declared = first(response.fields(), b"content-length")
    if declared is not None and visitor.asked.method == b"GET" and not cut and not line.more:
        assert int(declared) == len(visitor.received), "Content-Length"
    if line.body is not None:
        assert received == line.body, f"got {received!r}"


def _decoded(octets: bytes) -> bytes:
    """What a browser has of it so far."""
    return zlib.decompressobj(31).decompress(octets)
