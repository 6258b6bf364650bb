"""Pages with holes: the shell around fragments.assembly. It finds fragments in memory, fetches the others all at once, and sends what is ready.

    now     everything in memory: the page as one answer, no await anywhere
    weave   otherwise. A head goes out with the first octets that are ready; an include of ours is filled whole before anybody sees it

What a page says of itself is composite.py's; which request an include becomes, inclusion.py's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from hashlib import blake2b
from random import random
from time import monotonic
from typing import Any, Protocol

from fragments.assembly import Assembler, Budget, Fragment, Hole, Output
from fragments.esi.compiler import Compiler, compile_page, context_of
from fragments.esi.environment import Environment
from fragments.esi.errors import EsiLimit
from fragments.esi.parser import Parser
from fragments.esi.program import Program, Static
from gateway.cache.entry import Entry, encode_block
from gateway.cache.key import Key
from gateway.errors import GatewayError, UpstreamError, UpstreamTruncated
from gateway.flow.composite import UNKNOWN, Piece, compose, entity_tag, piece_of, piece_of_filling, piece_of_page
from gateway.flow.inclusion import Inclusion, NotIncluded, carried_fields, find_destination
from gateway.flow.landing import Filling
from gateway.flow.recognise import Visit
from gateway.flow.response import Facts, Response
from gateway.flow.routes import Route, Routes
from gateway.semantics.conditional import is_weak_match, may_use_range
from gateway.semantics.dates import format_date
from gateway.semantics.message import Fields, Request, first, joined, values
from gateway.semantics.negotiation import preferred_coding
from gateway.semantics.ranges import parse_range, resolve
from gateway.semantics.stitching import Piece as Packed
from gateway.semantics.stitching import Stitcher, make_piece, make_stored

__all__ = ["FragmentFailed", "Guests", "Kitchen", "Template", "Weaver", "compile_body", "template_of"]

_BUFFERED = 1 << 20
"""Octets of a page that may wait behind an include before no more of the page is read."""
_NOT_OF_THE_WHOLE = frozenset(
    {
        b"etag", b"last-modified", b"expires", b"cache-control", b"age", b"date", b"accept-ranges", b"content-md5", b"content-digest",
        b"repr-digest", b"digest", b"vary", b"content-encoding", b"pragma", b"cdn-cache-control", b"cache-status",
    }
)  # fmt: skip
"""Fields of the template that say nothing true of the page."""
_OURS = b"/_weft/"
_GZIP = (b"gzip",)
_SMALL = 256
"""Octets up to which what was made for this request is not worth compressing."""
_GOOD = frozenset({200, 203, 204})


class FragmentFailed(UpstreamError):
    """A page that can't be without something that could not be had. Nothing of it was sent."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.status = 504 if reason == "deadline" else 502


class Guests(Protocol):
    """Origins of foreign hosts."""

    def route_for(self, scheme: bytes, authority: bytes) -> Route:
        """Raises UpstreamError for a host that is not listed."""


class Kitchen(Protocol):
    """What the weaver asks of the flow (page.Page is it)."""

    def fresh(self, visit: Visit, now: float) -> Entry | None:
        """A stored, whole, fresh 200 that answers visit; no await."""

    def is_wanted(self, entry: Entry, now: float) -> bool:
        """Whether purges since the last look have left it alone."""

    async def attend(self, visit: Visit) -> Response:
        """The answer to visit, whatever it takes."""

    def failed(self, visit: Visit, error: GatewayError, reason: str) -> Response:
        """The answer that says that there is none."""


class Template:
    """A page to be assembled: an entry's program, or octets as they come.

    fields      its header section, as it would go to the client
    piece       what it says of itself
    program     compiled; None while chunks come
    transform   it may be compressed
    """

    __slots__ = ("chunks", "entry", "fields", "piece", "program", "status", "transform")

    def __init__(
        self,
        status: int,
        fields: Fields,
        piece: Piece,
        *,
        program: Program | None = None,
        chunks: Any = None,
        transform: bool,
        entry: Entry | None = None,
    ) -> None:
        self.status = status
        self.fields = fields
        self.piece = piece
        self.program = program
        self.chunks = chunks
        self.transform = transform
        self.entry = entry


class _Loose:
    """A fragment that is stored nowhere: what it says, its cookies, its compressed form."""

    __slots__ = ("packed", "piece")

    def __init__(self, piece: Piece) -> None:
        self.piece = piece
        self.packed: Packed | None = None


def compile_body(body: bytes, content_type: bytes | None) -> Program:
    """A page at hand, compiled for its media type."""
    return compile_page(body, context_of((content_type or b"").decode("latin-1")))


class Weaver:
    """Assembles. One for the process.

    routes, shelf, sequence: where fragments are found without asking; clock: epoch seconds; guests: None where no foreign host may be included.
    """

    def __init__(
        self,
        kitchen: Kitchen,
        routes: Routes,
        shelf: Callable[[Key], Any],
        ledger: Any,
        clock: Callable[[], float],
        *,
        server: bytes,
        guests: Guests | None = None,
        grow: Callable[[Entry, int], None] | None = None,
    ) -> None:
        self.kitchen = kitchen
        self.routes = routes
        self.clock = clock
        self.server = server
        self.guests = guests
        self.own_hosts = frozenset(route.host for route in routes.all if route.host and not route.host.startswith(b"*"))
        self.outcomes: dict[str, int] = {}
        self.pages = 0
        self.problems: dict[str, int] = {}
        self._shelf = shelf
        self._ledger = ledger
        self._grow = grow

    # ---------------------------------------------------------------- from memory

    def now(self, visit: Visit, entry: Entry, now: float, facts: Facts, member: bytes) -> Response | None:
        """The page, when all of it is in memory and fresh; None otherwise. entry: the template, compiled."""
        program = entry.program
        assert isinstance(program, Program)
        if program.flat is not None:
            found = self._flat(visit, entry, program, now)
            if found is not None:
                outputs, pieces, entries = found
                return self._whole(visit, template_of(entry, now), outputs, pieces, (), facts, member, now, guards=entries)
            return None
        weaving = _Weaving(self, visit, template_of(entry, now), now)
        weaving.begin()
        if not weaving.fill_from_memory(now):
            return None
        return weaving.whole(facts, member, now)

    def _flat(
        self, visit: Visit, entry: Entry, program: Program, now: float
    ) -> tuple[list[Output], list[Piece], tuple[Entry, ...]] | None:
        assert program.flat is not None
        texts, fetches = program.flat
        keys = entry.holes
        if keys is None:
            keys = entry.holes = self._keys(entry, [fetch.src.constant or "" for fetch in fetches])
        if keys is _NOWHERE or len(keys) > visit.route.esi.max_includes:
            return None
        authorized, sequence = visit.ask.authorized, self._ledger.sequence
        outputs: list[Output] = [texts[0]]
        entries = []
        for text, key in zip(texts[1:], keys, strict=True):
            shelf = self._shelf(key)
            found = shelf.sole if shelf is not None else None
            if (
                found is None
                or found.status != 200
                or found.esi
                or found.parts is not None
                or now >= found.fresh_until
                or (authorized and not found.shared)
                or (found.checked != sequence and not self.kitchen.is_wanted(found, now))
            ):
                return None
            if found.frequency < 3:
                found.frequency += 1
            entries.append(found)
            fragment = found.fragment
            if fragment is None:
                fragment = found.fragment = Fragment(found.body, found)
            outputs.append(fragment)
            outputs.append(text)
        return outputs, [piece_of(found, now) for found in entries], tuple(entries)

    def _keys(self, entry: Entry, urls: Sequence[str]) -> tuple[Key, ...]:
        """The primary keys of includes at fixed addresses of our own site; _NOWHERE when one is not such."""
        scheme, host, target = entry.key
        keys = []
        for url in urls:
            try:
                place = find_destination(url, scheme, host, target, self.own_hosts)
            except NotIncluded:
                return _NOWHERE
            route = self.routes.find(place.host, place.target)
            if place.guest or route is None or route.bypass or place.target.startswith(_OURS):
                return _NOWHERE
            keys.append((place.scheme, place.host, route.query.apply(place.target) if route.query.changes else place.target))
        return tuple(keys)

    # ---------------------------------------------------------------- by asking

    async def weave(self, visit: Visit, template: Template, facts: Facts, member: bytes) -> Response:
        """The page. Its body streams unless everything was at hand before its first octets were."""
        now = self.clock()
        weaving = _Weaving(self, visit, template, now)
        try:
            weaving.begin()
            weaving.fill_from_memory(now)
            weaving.start_fetches()
            whole = visit.inclusion is not None  # nobody sees half a fragment
            while not (weaving.failure or weaving.finished):
                if not whole and weaving.has_output and not weaving.waits_for_cookies:
                    break
                await weaving.step()
        except BaseException:
            await weaving.aclose()
            raise
        if weaving.failure:
            await weaving.aclose()
            return self.kitchen.failed(visit, FragmentFailed(weaving.failure, weaving.failure), facts.outcome)
        if weaving.finished:
            await weaving.aclose()
            return weaving.whole(facts, member, self.clock())
        if visit.request.method == b"HEAD":
            await weaving.aclose()
        return weaving.streamed(facts, member, self.clock())

    def head_only(self, template: Template, facts: Facts, member: bytes) -> Response:
        """The answer to HEAD for a page that is not in memory: what can be said without it."""
        block = _block(template, b"private, no-store", frozenset(), [], self.clock()) + b"cache-status: %s\r\n" % member
        return Response(template.status, block, None, facts)

    def visit_of(self, parent: Visit, url: str, inclusion: Inclusion, *, fields: Fields = ()) -> Visit:  # type: ignore[assignment]
        """The visit that an include of url becomes. fields: the page's own request fields. Raises UpstreamError when it may not be asked for."""
        scheme, host, target = parent.key
        place = find_destination(url, scheme, host, target, self.own_hosts)
        if place.guest:
            if self.guests is None:
                raise NotIncluded("the host is not among esi.hosts", "host_not_allowed")
            route: Route | None = self.guests.route_for(place.scheme, place.host)
        else:
            route = self.routes.find(place.host, place.target)
            if place.target.startswith(_OURS):
                raise NotIncluded("the gateway has no such fragment", "no_such_fragment")
        if route is None:
            raise NotIncluded("no route takes this host and path", "no_route")
        named = {name for name, _ in fields}
        carried = [
            field for field in carried_fields(parent.request.fields, parent.route.esi, guest=place.guest) if field[0] not in named
        ]
        request = Request(
            b"GET", place.target, place.host, [*carried, *fields], scheme=place.scheme, client=parent.request.client
        )
        target = route.query.apply(place.target) if route.query.changes else place.target
        visit = Visit(request, route, target, parent.started, parent.request_id)
        visit.inclusion = inclusion
        return visit

    def count(self, outcome: str) -> None:
        """One include, by what it came to."""
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1

    def count_problem(self, code: str) -> None:
        """One fault of a page's markup, by its code."""
        self.problems[code] = self.problems.get(code, 0) + 1

    # ---------------------------------------------------------------- the answer

    def _whole(
        self,
        visit: Visit,
        template: Template,
        outputs: Sequence[Output],
        pieces: Sequence[Piece],
        used: Sequence[str] | set[str],
        facts: Facts,
        member: bytes,
        now: float,
        *,
        guards: tuple[Entry, ...] = (),
        extra: Fields = (),  # type: ignore[assignment]
        dynamic: bool = False,
    ) -> Response:
        """Everything is at hand. guards: what it consists of, when it is the same for all who may share the template."""
        self.pages += 1
        request = visit.request
        control, vary, left = compose([template.piece, *pieces], used)
        if extra:
            control, left = b"private, no-store", None
        body = b"".join([_octets(output) for output in outputs])
        block = _block(template, control, vary, extra, now) + b"cache-status: %s\r\n" % member
        if visit.inclusion is not None:
            version = blake2b(body, digest_size=12).digest() if left is not None else b""
            response = Response(template.status, block, body, facts)
            response.source = piece_of_page([template.piece, *pieces], control, vary, version, now)
            return response
        coding = self._coding(visit, template, len(body))
        if left is not None and template.status == 200:
            etag = entity_tag([template.piece.version, *[piece.version for piece in pieces]] if not dynamic else [body])
            block += b"etag: %s%s\r\n" % (b"W/" if coding else b"", etag)
            special = _conditional(request, block, body, etag, facts, ranges=not coding)
            if special is not None:
                return special
        if coding:
            block += b"content-encoding: gzip\r\n"
            body = b"".join(_stitched(outputs, visit, self._grow))
        if request.method == b"HEAD":
            return Response(template.status, block, None, facts, length=len(body))
        response = Response(template.status, block, body, facts)
        if template.status == 200:
            response.guards = guards
        return response

    def _coding(self, visit: Visit, template: Template, length: int) -> bytes | None:
        compression = visit.route.compression
        if not template.transform or length < compression.min_bytes or b"gzip" not in compression.codings:
            return None
        if visit.inclusion is not None or first(visit.request.fields, b"range") is not None:
            return None
        return preferred_coding(joined(visit.request.fields, b"accept-encoding"), _GZIP)


class _Weaving:
    """One page under way."""

    def __init__(self, weaver: Weaver, visit: Visit, template: Template, now: float) -> None:
        rules = visit.route.esi
        request = visit.request
        self.weaver = weaver
        self.visit = visit
        self.template = template
        self.rules = rules
        self.depth = visit.inclusion.depth if visit.inclusion is not None else 0
        self.deadline = visit.inclusion.deadline if visit.inclusion is not None else monotonic() + rules.deadline
        content_type = (first(template.fields, b"content-type") or b"").decode("latin-1")
        self.context = context_of(content_type)
        environment = Environment(
            request.method.decode("latin-1"),
            request.host.decode("latin-1"),
            request.target.decode("latin-1"),
            request.fields,
            now=now,
            random=random,
            address=request.client,
            cookies=rules.cookies,
        )
        self.assembler = Assembler(
            environment, lenient=rules.lenient, context=self.context, budget=Budget(holes=rules.max_includes)
        )
        self.outputs: list[Output] = []
        self.cookies: list[bytes] = []
        self._tasks: dict[asyncio.Task[Any], Hole | None] = {}
        self._waiting: list[Hole] = []
        self._gate: asyncio.Semaphore | None = None
        self._reader: AsyncIterator[bytes] | None = None
        self._parser: Parser | None = None
        self._compiler: Compiler | None = None
        self._buffered = 0
        self._packer: Stitcher | None = None
        self._told = False
        self.broken = ""  # why the template itself ended early

    # ---------------------------------------------------------------- the template

    def begin(self) -> None:
        """Run what is there of the page."""
        if self.template.program is not None:
            self.assembler.run(self.template.program)
            return
        self._parser = Parser()
        self._compiler = Compiler(self._parser, self.context)
        self._reader = self.template.chunks.__aiter__()

    def _read_more(self) -> None:
        """Have the next octets of the page read, unless enough of them wait already."""
        if self._reader is not None and self._buffered < _BUFFERED and None not in self._tasks.values():
            self._tasks[asyncio.ensure_future(anext(self._reader, None))] = None

    def _take_in(self, chunk: bytes | None) -> None:
        assert self._parser is not None
        assert self._compiler is not None
        nodes = self._parser.feed(chunk) if chunk is not None else self._parser.close()
        steps = self._compiler.compile(nodes)
        self.assembler.functions.update(self._compiler.functions)
        self.assembler.inlines.update(self._compiler.inlines)
        if chunk is not None:
            self._buffered += len(chunk)
        self.assembler.extend(steps)
        if chunk is None:
            self._reader = None
            self.assembler.close()

    # ---------------------------------------------------------------- filling

    @property
    def failure(self) -> str:
        """Why there is no page, or no more of it; "" while there is."""
        return self.broken or self.assembler.failure

    @property
    def finished(self) -> bool:
        """All of it has been drained."""
        self._drain()
        return self.assembler.finished

    @property
    def has_output(self) -> bool:
        """Something could be sent."""
        self._drain()
        return any(_octets(output) for output in self.outputs)

    @property
    def waits_for_cookies(self) -> bool:
        """An include whose Set-Cookie belongs into the head is still open, or may still come."""
        prefixes = self.rules.cookies_from
        if not prefixes:
            return False
        return self._reader is not None or any(hole.is_open and self._may_set_cookie(hole) for hole in self.assembler.holes)

    def _may_set_cookie(self, hole: Hole) -> bool:
        return hole.url.encode("utf-8", "replace").startswith(self.rules.cookies_from)

    def _drain(self) -> None:
        self.outputs += self.assembler.drain()

    def fill_from_memory(self, now: float) -> bool:
        """Answer what memory can answer, as long as that leads to more; True when the page is complete."""
        while holes := self.assembler.needs():
            for hole in holes:
                fragment = self._from_memory(hole, now)
                if fragment is None:
                    self._waiting.append(hole)
                else:
                    self.assembler.supply(hole, fragment)
        return not self._waiting and not self.failure and self.finished

    def _from_memory(self, hole: Hole, now: float) -> Fragment | None:
        fetch = hole.fetch
        if fetch.method != "GET" or fetch.no_store or fetch.entity is not None:
            return None
        try:
            visit = self._visit(hole)
        except (UpstreamError, EsiLimit):
            return None  # said where it is asked for
        entry = self.weaver.kitchen.fresh(visit, now)
        if entry is None:
            return None
        if entry.esi or fetch.esi:
            return self._nested_from_memory(visit, entry, now)
        if len(entry.body) > self.rules.max_fragment_bytes:
            return None
        fragment = entry.fragment
        if not isinstance(fragment, Fragment):
            fragment = entry.fragment = Fragment(entry.body, entry)
        return fragment

    def _nested_from_memory(self, visit: Visit, entry: Entry, now: float) -> Fragment | None:
        if entry.program is None or self.depth + 1 > self.rules.max_depth:
            return None
        facts = Facts(visit.route.name, "hit")
        response = self.weaver.now(visit, entry, now, facts, b"")
        if response is None or response.status != 200 or not isinstance(response.body, bytes):
            return None
        return Fragment(response.body, _Loose(_piece_of_response(response, now)))

    def start_fetches(self) -> None:
        """Ask for everything that is open and was not asked for yet."""
        for hole in self.assembler.needs():
            self._waiting.append(hole)
        for hole in self._waiting:
            if hole.is_open:
                if self._gate is None:
                    self._gate = asyncio.Semaphore(self.rules.max_parallel)
                self._tasks[asyncio.ensure_future(self._fetch(hole))] = hole
        self._waiting.clear()
        self._read_more()

    async def step(self) -> None:
        """Wait for one thing at least: more of the page, or a fragment."""
        self._read_more()
        if not self._tasks:
            if not self.assembler.settled and not self.failure:
                self.broken = "assembly_stalled"  # a defect of ours; better said than waited for
            return
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            hole = self._tasks.pop(task)
            if hole is None:
                try:
                    self._take_in(task.result())
                except UpstreamError as error:
                    self.broken = error.reason
                    return
            else:
                self.assembler.supply(hole, task.result())
        self._cancel_dropped()
        self.start_fetches()

    def _cancel_dropped(self) -> None:
        if self.assembler.dropped:
            dropped = set(map(id, self.assembler.dropped))
            self.assembler.dropped.clear()
            for task, hole in list(self._tasks.items()):
                if hole is not None and id(hole) in dropped:
                    del self._tasks[task]
                    task.cancel()

    def _visit(self, hole: Hole) -> Visit:
        fetch = hole.fetch
        if self.depth + 1 > self.rules.max_depth:
            raise NotIncluded(f"more than {self.rules.max_depth} includes inside each other", "too_deep")
        deadline = self.deadline if fetch.maxwait is None else min(self.deadline, monotonic() + fetch.maxwait)
        inclusion = Inclusion(self.depth + 1, deadline, esi=fetch.esi, ttl=fetch.ttl, no_store=fetch.no_store)
        if not (fetch.set_fields or fetch.add_fields or fetch.drop_fields or fetch.method != "GET"):
            return self.weaver.visit_of(self.visit, hole.url, inclusion)
        return self._particular_visit(hole, inclusion)

    def _particular_visit(self, hole: Hole, inclusion: Inclusion) -> Visit:
        """With request fields of the page's own, or a POST."""
        fetch = hole.fetch
        fields: Fields = []
        for name, text in (*fetch.set_fields, *fetch.add_fields):
            value = self.assembler.plain_text(text, hole).encode("utf-8", "surrogateescape")
            fields.append((name.encode("ascii"), bytes(octet for octet in value if octet >= 0x20 and octet != 0x7F).strip()))
        visit = self.weaver.visit_of(self.visit, hole.url, inclusion, fields=fields)
        request = visit.request
        if fetch.drop_fields:
            dropped = {name.encode("ascii") for name in fetch.drop_fields}
            request.fields = [field for field in request.fields if field[0] not in dropped]
        if fetch.method == "POST":
            entity = self.assembler.plain_text(fetch.entity, hole) if fetch.entity is not None else ""
            content = entity.encode("utf-8", "surrogateescape")
            request.method, request.has_body, request.length, request.body = b"POST", True, len(content), _one(content)
            if first(request.fields, b"content-type") is None:
                request.fields.append((b"content-type", b"application/x-www-form-urlencoded"))
        return visit

    async def _fetch(self, hole: Hole) -> Fragment:
        """One include, whole, or why not. Raises nothing but CancelledError."""
        started = monotonic()
        assert self._gate is not None
        facts: Facts | None = None
        try:
            visit = self._visit(hole)
            assert visit.inclusion is not None
            async with self._gate, asyncio.timeout(max(0.0, visit.inclusion.deadline - started)):
                response = await self.weaver.kitchen.attend(visit)
                facts = response.facts
                fragment = await self._collect(hole, response)
        except TimeoutError:
            fragment = Fragment.failed("deadline")
        except UpstreamError as error:
            fragment = Fragment.failed(error.reason)
        except EsiLimit:
            fragment = Fragment.failed("budget_spent")
        hole.note = (facts, monotonic() - started, fragment.reason)
        return fragment

    async def _collect(self, hole: Hole, response: Response) -> Fragment:
        body = response.body
        if body is None or isinstance(body, bytes):
            content = body or b""
        else:
            chunks, octets = [], 0
            try:
                if response.status in _GOOD:
                    async for chunk in body:
                        octets += len(chunk)
                        if octets > self.rules.max_fragment_bytes:
                            return Fragment.failed("fragment_too_large")
                        chunks.append(chunk)
            finally:
                await body.aclose()
            content = b"".join(chunks)
        if response.tunnel is not None:
            await response.tunnel.aclose()
        if response.status not in _GOOD:
            return Fragment.failed(response.facts.detail if response.facts.outcome == "error" else f"status_{response.status}")
        if len(content) > self.rules.max_fragment_bytes:
            return Fragment.failed("fragment_too_large")
        if self.rules.cookies_from and self._may_set_cookie(hole):
            self.cookies += values(response.fields(), b"set-cookie")
        source = response.source
        if isinstance(source, Entry) and source.body is content:
            return Fragment(content, source)
        return Fragment(content, _Loose(_piece_of_response(response, self.weaver.clock())))

    # ---------------------------------------------------------------- the answer

    def whole(self, facts: Facts, member: bytes, now: float) -> Response:
        """The page, which is finished."""
        self._drain()
        self._tell(facts)
        if self._parser is not None:
            self._count_problems()
        outputs, used = self.outputs, self.assembler.environment.used
        pieces = [_piece_of_fragment(output, now) for output in outputs if isinstance(output, Fragment)]
        cookies = [(b"set-cookie", cookie) for cookie in self.cookies]
        return self.weaver._whole(  # noqa: SLF001 - its other half
            self.visit, self.template, outputs, pieces, used, facts, member, now, extra=cookies, dynamic=True
        )

    def streamed(self, facts: Facts, member: bytes, now: float) -> Response:
        """The page from its first octets on. Nothing is known yet of what comes, so nobody may keep it."""
        self.weaver.pages += 1
        cookies = [(b"set-cookie", cookie) for cookie in self.cookies]
        block = _block(self.template, b"private, no-store", frozenset(), cookies, now)
        block += b"cache-status: %s\r\n" % member
        coding = self.weaver._coding(self.visit, self.template, 1 << 30)  # noqa: SLF001
        if coding:
            block += b"content-encoding: gzip\r\n"
            self._packer = Stitcher()
        if self.visit.request.method == b"HEAD":
            self._tell(facts)
            return Response(self.template.status, block, None, facts)
        return Response(self.template.status, block, _WovenBody(self, facts), facts)

    def take(self) -> bytes:
        """What can be sent now."""
        self._drain()
        outputs, self.outputs = self.outputs, []
        if not outputs:
            return b""
        self._buffered = max(0, self._buffered - sum(len(output.data) for output in outputs if isinstance(output, Static)))
        if self._packer is None:
            return b"".join([_octets(output) for output in outputs])
        add, level = self._packer.add, self.visit.route.compression.levels.get(b"gzip", 6)
        return b"".join([add(_packed(output, level, None)) for output in outputs])

    def tail(self) -> bytes:
        """What stands after the last octets of the page."""
        return self._packer.finish() if self._packer is not None else b""

    def head(self) -> bytes:
        """What stands before the first."""
        return self._packer.start() if self._packer is not None else b""

    def _tell(self, facts: Facts) -> None:
        """The includes in facts and counters, once."""
        if self._told:
            return
        self._told = True
        holes = self.assembler.holes
        facts.includes = len(holes)
        facts.includes_failed = sum(1 for hole in holes if hole.outcome in ("nothing", "failed", "fallback"))
        facts.tree = holes
        for hole in holes:
            self.weaver.count(hole.outcome or "dropped")
        for _ in self.assembler.problems:
            self.weaver.count_problem("run")

    def _count_problems(self) -> None:
        assert self._parser is not None
        for problem in self._parser.problems:
            self.weaver.count_problem(problem.code)

    def tell(self, facts: Facts) -> None:
        """The page is over, to its end or not."""
        self._tell(facts)

    async def aclose(self) -> None:
        """Nobody wants the rest."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
            for task in self._tasks:
                if not task.cancelled():
                    task.exception()  # noted: nobody asks any more
        self._tasks.clear()
        if self.template.chunks is not None:
            await self.template.chunks.aclose()


class _WovenBody:
    """The page as it gets ready; the OriginBody of a streamed response."""

    __slots__ = ("_ended", "_facts", "_started", "_weaving", "trailers")

    def __init__(self, weaving: _Weaving, facts: Facts) -> None:
        self._weaving = weaving
        self._facts = facts
        self._started = False
        self._ended = False
        self.trailers: Fields = []

    def __aiter__(self) -> _WovenBody:
        return self

    async def __anext__(self) -> bytes:
        """Raises UpstreamTruncated when the page can't go on: the client must see that it is not whole."""
        weaving = self._weaving
        while not self._ended:
            ready = weaving.take()
            if ready:
                if not self._started:
                    self._started = True
                    ready = weaving.head() + ready
                return ready
            if weaving.failure:
                weaving.tell(self._facts)
                raise UpstreamTruncated(f"include: {weaving.failure}")
            if weaving.finished and not weaving.outputs:
                self._ended = True
                weaving.tell(self._facts)
                if tail := weaving.tail():
                    return tail if self._started else weaving.head() + tail
                break
            await weaving.step()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Give up what is under way."""
        self._weaving.tell(self._facts)
        await self._weaving.aclose()


def template_of(entry: Entry, now: float) -> Template:
    """A stored page as a template. now: epoch seconds."""
    return Template(
        entry.status, entry.fields(), piece_of(entry, now), program=entry.program, transform=entry.transform, entry=entry
    )


def _block(template: Template, control: bytes, vary: frozenset[bytes], extra: Fields, now: float) -> bytes:
    """The header section of the page, less Cache-Status and validators."""
    entry = template.entry
    base = entry.woven if entry is not None else None
    if base is None:
        base = encode_block([field for field in template.fields if field[0] not in _NOT_OF_THE_WHOLE])
        if entry is not None:
            entry.woven = base
    names = set(vary)
    if template.transform:
        names.add(b"accept-encoding")
    lines = b"date: %s\r\ncache-control: %s\r\n" % (format_date(now), control)
    if names:
        lines += b"vary: %s\r\n" % b", ".join(sorted(names))
    return base + lines + encode_block(extra)


def _conditional(request: Request, block: bytes, body: bytes, etag: bytes, facts: Facts, *, ranges: bool) -> Response | None:
    """304, 206 or 416, where the request asks for one of them. RFC 9110 §13.2.2, §14.2; a page made of pieces has no Last-Modified."""
    condition = joined(request.fields, b"if-none-match")
    if condition is not None and is_weak_match(condition, etag):
        return Response(304, _without_content(block), None, facts)
    wanted = parse_range(first(request.fields, b"range")) if ranges and request.method == b"GET" else None
    if wanted is None or not may_use_range(first(request.fields, b"if-range"), etag, None, 0.0):
        return None
    span = resolve(wanted, len(body))
    if span is None:
        return Response(416, _without_content(block) + b"content-range: bytes */%d\r\n" % len(body), b"", facts)
    lines = block + b"content-range: bytes %d-%d/%d\r\n" % (span[0], span[1] - 1, len(body))
    return Response(206, lines, body[span[0] : span[1]], facts)


def _without_content(block: bytes) -> bytes:
    """Less what describes content. RFC 9110 §15.4.5."""
    return b"".join([line + b"\r\n" for line in block.split(b"\r\n") if line and not line.startswith(b"content-")])


def _octets(output: Output) -> bytes:
    if isinstance(output, bytes):
        return output
    return output.data if isinstance(output, Static) else output.body


def _stitched(outputs: Sequence[Output], visit: Visit, grow: Callable[[Entry, int], None] | None) -> list[bytes]:
    level = visit.route.compression.levels.get(b"gzip", 6)
    stitcher = Stitcher()
    parts = [stitcher.start()]
    parts += [stitcher.add(_packed(output, level, grow)) for output in outputs]
    parts.append(stitcher.finish())
    return parts


def _packed(output: Output, level: int, grow: Callable[[Entry, int], None] | None) -> Packed:
    """A piece of the page as deflate blocks: made once, for what is the same each time."""
    if isinstance(output, bytes):
        return make_stored(output) if len(output) <= _SMALL else make_piece(output, 1)
    holder = output if isinstance(output, Static) else output.source
    packed: Packed | None = getattr(holder, "packed", None)
    if packed is None:
        packed = make_piece(_octets(output), level)
        if holder is not None:
            holder.packed = packed
            if grow is not None and isinstance(holder, Entry):
                grow(holder, len(packed.deflate))
    return packed


def _piece_of_fragment(fragment: Fragment, now: float) -> Piece:
    source = fragment.source
    return piece_of(source, now) if isinstance(source, Entry) else source.piece


def _piece_of_response(response: Response, now: float) -> Piece:
    """What a fragment says that is not itself a stored response: a page, one that is being stored, or nothing, which is private."""
    match response.source:
        case Entry() as entry:
            return piece_of(entry, now)
        case Piece() as piece:
            return piece
        case Filling() as filling:
            return piece_of_filling(filling, now)
    return UNKNOWN


async def _one(content: bytes) -> AsyncIterator[bytes]:
    yield content


_NOWHERE: tuple[Key, ...] = ((b"", b"", b""),)
"""In the place of keys: an include that is not of our own site, or not of a fixed address."""
