"""Fakes of our own ports, and a stage on which a flow test plays as a transcript.

    visitor ──▶ GET /page | Accept: text/html          a request; a host other than shop.test is written out: GET http://other.test/
    origin  ◀── GET /page | -If-None-Match             what the origin is asked, in order; a field with a minus must be missing
    origin  ──▶ 200 | Cache-Control: max-age=60 | «hello»
    visitor ◀── 200 | Age: 0 | Cache-Status: fwd=uri-miss; stored | «hello»
    +30 s                                              the only way for time to pass

Anyone may visit (`anna ──▶`), and exchanges with the origin can be told apart (`origin 2 ◀──`, `origin 2 ──▶`). Further:

    origin  ──▶ 200 | «first» …                        more will come: origin ──▶ «more» …   and at last   origin ──▶ «the end»
    origin  ──▶ refused                                or reset, timeout, unavailable; in the middle of a body: broken
    visitor ◀── 200 | «first» …                        what is here so far; `visitor ◀── cut «first»`: it broke off
    visitor leaves
    purge hard tag news ──▶ 2                          soft or hard; tag, url, prefix, route, all; how many entries it hit
    {+60}                                              in a field: the HTTP-date of that many seconds from now

A transcript is complete: an exchange, an answer or an end of content that it does not mention is a failure.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, NamedTuple, TypeVar

from gateway.cache.collapse import Uncacheable
from gateway.cache.freshness import CachePolicy
from gateway.cache.key import QueryRule
from gateway.cache.memory_store import MemoryStore
from gateway.cache.purges import Ledger
from gateway.errors import (
    UpstreamError,
    UpstreamRefused,
    UpstreamReset,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnavailable,
)
from gateway.flow.forward import Forwarder
from gateway.flow.page import STEERING, Page
from gateway.flow.purging import Purger
from gateway.flow.recognise import Identity
from gateway.flow.response import Response
from gateway.flow.routes import Compression, Route, Routes
from gateway.listener.head import Head
from gateway.live.memory_bus import MemoryBus
from gateway.semantics.dates import format_date
from gateway.semantics.message import Fields, Request, first, values
from gateway.upstream.origin import OriginRequest, OriginResponse

__all__ = [
    "COMPRESSION",
    "NOON",
    "NO_COMPRESSION",
    "Answer",
    "Exchange",
    "FakeBody",
    "FakeOrigin",
    "HandClock",
    "HandLoop",
    "Line",
    "Stage",
    "check_fields",
    "parse_line",
    "purge_target",
    "read",
    "request",
    "with_dates",
]

T = TypeVar("T")

NOON = 1_800_000_000.0
"""Where every hand-turned clock starts: Fri, 15 Jan 2027 08:00:00 GMT."""

NO_COMPRESSION = Compression((), {}, (), 0)
COMPRESSION = Compression((b"zstd", b"br", b"gzip"), {b"gzip": 6, b"br": 5, b"zstd": 3}, ("text/*", "application/json"), 200)

_FAILURES: dict[str, Callable[[], UpstreamError]] = {
    "refused": lambda: UpstreamRefused("nobody listens"),
    "reset": lambda: UpstreamReset("the connection broke"),
    "timeout": lambda: UpstreamTimeout("no answer in time"),
    "unavailable": lambda: UpstreamUnavailable("the breaker is open"),
}

# ── Lines ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Line(NamedTuple):
    """One side of a transcript's line: its first words, fields, names that must be missing, content, and whether more content follows."""

    start: str
    fields: Fields
    absent: list[str]
    body: bytes | None
    more: bool


def parse_line(text: str) -> Line:
    """`200 | Name: value | -Missing | «content» …`."""
    more = text.endswith("…")
    body = None
    if found := re.search(r"«(.*)»", text, re.DOTALL):
        body = found[1].encode("latin-1")
        text = text[: found.start()]
    start, *parts = [part.strip() for part in text.rstrip("… |").split(" | ")]
    fields: Fields = []
    absent: list[str] = []
    for part in filter(None, parts):
        if part.startswith("-"):
            absent.append(part[1:].lower())
        else:
            name, _, value = part.partition(":")
            fields.append((name.strip().lower().encode(), value.strip().encode("latin-1")))
    return Line(start, fields, absent, body, more)


def with_dates(text: str, now: float) -> str:
    """text with `{+60}` and the like as HTTP-dates that many seconds from now."""
    return re.sub(r"\{([+-]\d+)\}", lambda found: format_date(now + int(found[1])).decode(), text)


# ── Time ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


class HandClock:
    """Epoch seconds, turned by hand."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def turn(self, seconds: float) -> None:
        self.now += seconds


class HandLoop(asyncio.SelectorEventLoop):
    """An event loop whose timers run by the same hand-turned clock. Nothing here may wait for a timer: it would wait for ever."""

    def __init__(self, clock: HandClock) -> None:
        self._hand = clock
        super().__init__()

    def time(self) -> float:
        return self._hand.now


# ── The origin ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────


class FakeBody:
    """OriginBody, fed by hand."""

    def __init__(self) -> None:
        self.trailers: Fields = []
        self.closed = False
        self.ended = False
        self._chunks: deque[bytes] = deque()
        self._error: UpstreamError | None = None
        self._more = asyncio.Event()

    def feed(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._more.set()

    def finish(self, error: UpstreamError | None = None) -> None:
        self.ended = True
        self._error = error
        self._more.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            while self._chunks:
                yield self._chunks.popleft()
            if self.ended:
                if self._error is not None:
                    raise self._error
                return
            self._more.clear()
            await self._more.wait()

    async def aclose(self) -> None:
        self.closed = True


class Answer:
    """A whole response of an origin. Content-Length and Date are added where they are missing; length False: nobody says how long it is."""

    def __init__(
        self, status: int = 200, fields: Fields = (), body: bytes = b"", *, length: bool = True, date: bool = True
    ) -> None:  # type: ignore[assignment]
        self.status = status
        self.fields = list(fields)
        self.body = body
        self.length = length
        self.date = date


class Exchange:
    """One question to the origin, and its answer."""

    def __init__(self, asked: OriginRequest, clock: Callable[[], float]) -> None:
        self.asked = asked
        self.clock = clock
        self.began = clock()
        self.body: FakeBody | None = None
        self.content = b""  # of the request, once it has been read
        self.answered: asyncio.Future[OriginResponse] = asyncio.get_running_loop().create_future()

    def answer(self, answer: Answer, *, more: bool = False) -> None:
        """Send head and content; with more, the content goes on by `self.body`."""
        now = self.clock()
        fields = [(name.lower(), value) for name, value in answer.fields]
        if answer.date and first(fields, b"date") is None:
            fields.append((b"date", format_date(now)))
        no_content = self.asked.method == b"HEAD" or answer.status in (204, 304)
        declared = first(fields, b"content-length")
        length = int(declared) if declared is not None else None
        if answer.length and length is None and not more and not no_content:
            length = len(answer.body)
            fields.append((b"content-length", b"%d" % length))
        if not no_content:
            self.body = FakeBody()
            if answer.body:
                self.body.feed(answer.body)
            if not more:
                self.body.finish()
        self.answered.set_result(
            OriginResponse(
                answer.status,
                fields,
                body=self.body,
                length=None if no_content else length,
                request_time=self.began,
                response_time=now,
            )
        )

    def fail(self, error: UpstreamError) -> None:
        """No response head."""
        self.answered.set_exception(error)

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be expected of it."""
        return self.answered.done() and (self.answered.cancelled() or self.body is None or self.body.ended or self.body.closed)


class FakeOrigin:
    """The Origin port. Each exchange waits until somebody answers it, or goes to `respond`, where that is set."""

    def __init__(self, clock: Callable[[], float], respond: Callable[[OriginRequest], Answer] | None = None) -> None:
        self.clock = clock
        self.respond = respond
        self.exchanges: list[Exchange] = []

    async def exchange(self, request: OriginRequest) -> OriginResponse:
        exchange = Exchange(request, self.clock)
        self.exchanges.append(exchange)
        if request.body is not None:
            exchange.content = b"".join([chunk async for chunk in request.body])
        if self.respond is not None:
            exchange.answer(self.respond(request))
        return await exchange.answered

    async def aclose(self) -> None:
        return


# ── Requests ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def request(
    method: str = "GET",
    url: str = "/",
    fields: Fields = (),  # type: ignore[assignment]
    body: bytes | None = None,
    *,
    client: str = "192.0.2.7",
) -> Request:
    """A request as the listener makes it. url: a path, or http://host/path."""
    scheme, host, target = b"http", b"shop.test", url
    if "://" in url:
        start, _, rest = url.partition("://")
        name, slash, path = rest.partition("/")
        scheme, host, target = start.encode(), name.encode(), slash + path or "/"
    own = [(name.lower(), value) for name, value in fields]
    if first(own, b"host") is None:
        own.insert(0, (b"host", host))
    if body is not None:
        own.append((b"content-length", b"%d" % len(body)))
    return Request(
        method.encode(),
        target.encode("latin-1"),
        host,
        own,
        scheme=scheme,
        client=client,
        has_body=bool(body),
        body=_once(body) if body else None,
        length=len(body) if body is not None else None,
    )


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


# ── The stage ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Visitor:
    """Somebody who has asked for something."""

    def __init__(self, stage: Stage, asked: Request) -> None:
        self.asked = asked
        self.response: Response | None = None
        self.received = b""
        self.error: UpstreamError | None = None
        self.heard = False  # the transcript has seen the end of the answer
        self.task = asyncio.get_running_loop().create_task(self._visit(stage))

    async def _visit(self, stage: Stage) -> None:
        response = await stage.answer(self.asked)
        body = response.body
        self.response = response
        if body is None or isinstance(body, bytes):
            self.received = body or b""
            return
        try:
            async for chunk in body:
                self.received += chunk
        except UpstreamError as error:
            self.error = error
        finally:
            await body.aclose()


class Stage:
    """The real flow and the real store between visitors and an origin that are played.

    hot_lane: each request first tries `answer_now`, as the listener does; otherwise everything goes through `answer`.
    """

    def __init__(
        self,
        *,
        hot_lane: bool = True,
        policy: CachePolicy | None = None,
        compression: Compression = NO_COMPRESSION,
        query: QueryRule | None = None,
        languages: tuple[str, ...] = (),
        max_bytes: int = 64 << 20,
        respond: Callable[[OriginRequest], Answer] | None = None,
        routes: Callable[[FakeOrigin], list[Route]] | None = None,
        bypass: bool = False,
        host_header: str = "",
        uncacheable_ttl: float = 120.0,
    ) -> None:
        self.hot_lane = hot_lane
        self.clock = HandClock()
        self.origin = FakeOrigin(self.clock, respond)
        self.store = MemoryStore(max_bytes)
        self.ledger = Ledger()
        identity = Identity()
        self.forwarder = Forwarder(self.store, self.ledger, Uncacheable(), identity, self.clock)
        made = routes(self.origin) if routes is not None else None
        self.routes = Routes(
            made
            or [
                Route(
                    "default",
                    self.origin,
                    policy or CachePolicy(stale_if_error=0.0, uncacheable_ttl=uncacheable_ttl),
                    compression,
                    query=query,
                    languages=languages,
                    bypass=bypass,
                    host_header=host_header,
                )
            ]
        )
        ids = (f"id-{number}" for number in itertools.count(1))
        self.page = Page(self.routes, self.store, self.ledger, self.forwarder, identity, self.clock, _error_page, ids)
        self.purger = Purger(MemoryBus(), self.ledger, self.store, self.routes)
        self.visitors: dict[str, Visitor] = {}
        self._claimed: dict[str, Exchange] = {}
        self._unclaimed = 0
        self._runner = asyncio.Runner(loop_factory=lambda: HandLoop(self.clock))

    def close(self) -> None:
        """End whatever is left."""
        self._runner.run(self.forwarder.aclose())
        self._runner.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """For tests that are programs rather than transcripts."""
        return self._runner.run(work)

    async def answer(self, asked: Request) -> Response:
        """As the listener does it."""
        now = self.clock()
        if self.hot_lane and not asked.has_body:
            head = Head(asked, STEERING, keep_alive=True)
            response = (
                self.page.ready_now(asked.scheme, asked.host, asked.target, head.accept, now)
                if self._is_plain(asked, head)
                else None
            )
            if response is None:
                response = self.page.answer_now(asked, now)
            if response is None and self.page.admission.is_full:
                response = self.page.shedding.answer_now(asked, now)
            if response is not None:
                return response
        return await self.page.answer(asked)

    def _is_plain(self, asked: Request, head: Head) -> bool:
        """Whether the listener would take the hot lane once it has seen the header section."""
        return asked.method == b"GET" and head.is_plain and first(asked.fields, b"upgrade") is None

    async def ask(
        self, method: str = "GET", url: str = "/", fields: Fields = (), body: bytes | None = None
    ) -> tuple[Response, bytes]:  # type: ignore[assignment]
        """Ask and read to the end. Raises UpstreamError where the content breaks off."""
        response = await self.answer(request(method, url, fields, body))
        return response, await read(response)

    def play(self, transcript: str) -> None:
        """Play it, line by line; raise AssertionError at the first line that is not what happens."""
        self._runner.run(self._play(transcript))

    async def _play(self, transcript: str) -> None:
        lines = [line.strip() for line in transcript.splitlines()]
        for line in lines:
            if line and not line.startswith("#"):
                await self._settle()
                try:
                    await self._step(line)
                except AssertionError as error:
                    raise AssertionError(f"{line}\n    {error}") from None
        await self._settle()
        self._check_complete()

    async def _settle(self) -> None:
        """Let everything happen that can happen without anybody's doing."""
        ready = asyncio.get_running_loop()._ready  # CPython's own list of what can run
        quiet = 0
        while quiet < 3:  # a timer that is due shows one turn later
            await asyncio.sleep(0)
            quiet = 0 if ready else quiet + 1

    async def _step(self, line: str) -> None:
        if found := re.fullmatch(r"\+([\d.]+) s", line):
            self.clock.turn(float(found[1]))
        elif found := re.fullmatch(r"(\w+) leaves", line):
            await self._leave(found[1])
        elif line.startswith("purge "):
            await self._purge(line)
        elif found := re.fullmatch(r"(origin(?: \w+)?) +◀── (.*)", line):
            self._origin_asked(found[1], found[2])
        elif found := re.fullmatch(r"(origin(?: \w+)?) +──▶ (.*)", line):
            self._origin_answers(found[1], found[2])
        elif found := re.fullmatch(r"(\w+) +──▶ (.*)", line):
            self._visit(found[1], found[2])
        elif found := re.fullmatch(r"(\w+) +◀── (.*)", line):
            self._visitor_gets(found[1], found[2])
        else:
            raise AssertionError("no line of a transcript")

    # ---------------------------------------------------------------- what can stand in a line

    def _visit(self, name: str, text: str) -> None:
        start, fields, _, body, _ = self._parse(text)
        method, url = start.split(" ")
        assert name not in self.visitors or self.visitors[name].heard, f"{name} still waits"
        self.visitors[name] = Visitor(self, request(method, url, fields, body))

    def _visitor_gets(self, name: str, text: str) -> None:
        start, fields, absent, body, more = self._parse(text)
        visitor = self.visitors[name]
        if visitor.task.done() and not visitor.task.cancelled() and (error := visitor.task.exception()) is not None:
            raise error
        response = visitor.response
        assert response is not None, f"no answer for {name}; the origin was asked {self._asked_targets()}"
        if start and start != "cut":
            assert response.status == int(start), f"got {response.status} {response.fields()} {visitor.received!r}"
        check_fields(response.fields(), fields, absent)
        if start == "cut":
            assert visitor.error is not None, f"it did not break off: {visitor.received!r}"
        elif more:
            assert not visitor.task.done(), f"the content is at its end: {visitor.received!r}"
        else:
            assert visitor.error is None, f"the content broke off: {visitor.error}"
            assert visitor.task.done(), f"the content has not ended: {visitor.received!r}"
        visitor.heard = not more
        if body is not None:
            assert visitor.received == body, f"got {visitor.received!r}"

    async def _leave(self, name: str) -> None:
        task = self.visitors.pop(name).task
        task.cancel()
        await asyncio.wait([task])

    def _origin_asked(self, label: str, text: str) -> None:
        start, fields, absent, body, _ = self._parse(text)
        method, target = start.split(" ")
        assert self._unclaimed < len(self.origin.exchanges), "the origin was not asked"
        exchange = self.origin.exchanges[self._unclaimed]
        self._unclaimed += 1
        self._claimed[label] = exchange
        asked = exchange.asked
        assert (asked.method, asked.target) == (method.encode(), target.encode("latin-1")), (
            f"got {asked.method!r} {asked.target!r}"
        )
        check_fields(asked.fields, fields, absent)
        if body is not None:
            assert exchange.content == body, f"got {exchange.content!r}"

    def _origin_answers(self, label: str, text: str) -> None:
        start, fields, absent, body, more = self._parse(text)
        exchange = self._claimed[label]
        if start in _FAILURES:
            exchange.fail(_FAILURES[start]())
        elif start == "broken":
            assert exchange.body is not None, "no content to break off"
            exchange.body.finish(UpstreamTruncated("the body ended early"))
        elif start:
            answer = Answer(int(start), fields, body or b"", date="date" not in absent, length="content-length" not in absent)
            exchange.answer(answer, more=more)
        else:
            assert exchange.body is not None, "no content goes on"
            exchange.body.feed(body or b"")
            if not more:
                exchange.body.finish()

    async def _purge(self, line: str) -> None:
        found = re.fullmatch(r"purge (soft|hard) (tag|url|prefix|route|all)(?: (\S+))?(?: ──▶ (\d+))?", line)
        assert found is not None, "no purge"
        kind, value = found[2], found[3]
        count = (await self.purger.purge(purge_target(self.purger, kind, value), hard=found[1] == "hard")).entries
        assert found[4] is None or count == int(found[4]), f"it hit {count}"

    def _check_complete(self) -> None:
        assert self._unclaimed == len(self.origin.exchanges), (
            f"the origin was asked more: {self._asked_targets()[self._unclaimed :]}"
        )
        waiting = [name for name, visitor in self.visitors.items() if not visitor.heard]
        assert not waiting, f"the transcript does not say what {', '.join(waiting)} got"

    def _asked_targets(self) -> list[str]:
        return [
            f"{exchange.asked.method.decode()} {exchange.asked.target.decode('latin-1')}" for exchange in self.origin.exchanges
        ]

    def _parse(self, text: str) -> Line:
        return parse_line(self.dated(text))

    def dated(self, text: str) -> str:
        return with_dates(text, self.clock())


def purge_target(purger: Purger, kind: str, value: str | None) -> Any:
    """What Purger.purge takes, from words."""
    if kind == "all":
        return ("all", None)
    assert value is not None
    if kind == "tag":
        return ("tag", value.encode())
    if kind == "route":
        return ("route", value)
    scheme, host, target = b"http", b"shop.test", value.encode()
    if "://" in value:
        start, _, rest = value.partition("://")
        name, slash, path = rest.partition("/")
        scheme, host, target = start.encode(), name.encode(), (slash + path).encode()
    return ("prefix", (scheme, host, target)) if kind == "prefix" else ("url", purger.key_of(scheme, host, target))


async def read(response: Response) -> bytes:
    """The content of a response. Raises UpstreamError where it breaks off."""
    body = response.body
    if body is None or isinstance(body, bytes):
        return body or b""
    try:
        return b"".join([chunk async for chunk in body])
    finally:
        await body.aclose()


def check_fields(got: Fields, wanted: Fields, absent: list[str]) -> None:
    for name in {name for name, _ in wanted}:
        expected, found = values(wanted, name), values(got, name)
        if name == b"cache-status":
            words = {word.strip() for value in found[-1:] for word in value.split(b";")}
            missing = {word.strip() for value in expected for word in value.split(b";")} - words
            assert not missing, f"Cache-Status is {found}"
        else:
            assert found == expected, f"{name.decode()} is {found}"
    for name in absent:
        assert first(got, name.encode()) is None, f"{name} is {values(got, name.encode())}"


def _error_page(status: int, reason: str, request_id: str, accept: bytes | None) -> tuple[bytes, bytes]:
    return b"text/plain", b"error %d %s" % (status, reason.encode())
