"""One page under way: it finds in memory what is there, has the rest fetched all at once, and gives what is ready in document order.

An include of ours is filled whole before anybody sees it: nothing with a wrong length, an error status or too late is ever spliced in.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import random
from secrets import token_hex
from time import monotonic
from typing import TYPE_CHECKING, Any

from fragments.assembly import Assembler, Fragment, Hole, Output
from fragments.catalogue import SlotFailed
from fragments.esi.compiler import Compiler, context_of
from fragments.esi.environment import Environment
from fragments.esi.errors import EsiLimit
from fragments.esi.parser import Parser
from fragments.esi.program import Static
from fragments.esi.values import Context
from gateway.cache.entry import Entry
from gateway.errors import UpstreamError, UpstreamTruncated
from gateway.flow.assembly.asking import Asking
from gateway.flow.assembly.composite import UNKNOWN
from gateway.flow.assembly.inclusion import NotIncluded, carried_fields
from gateway.flow.assembly.late_patch import LatePatch, may_patch
from gateway.flow.assembly.sharing import make_nonce, prepare
from gateway.flow.assembly.template import Template
from gateway.flow.assembly.woven import (
    Loose,
    Outlet,
    choose_gzip,
    head_block,
    link_fields,
    octets_of,
    piece_of_fragment,
    piece_of_response,
    whole_response,
)
from gateway.flow.recognise import Visit
from gateway.flow.response import Facts, Response
from gateway.semantics.message import Fields, first

if TYPE_CHECKING:
    from gateway.flow.assembly.weaver import Weaver

__all__ = ["Weaving"]

_BUFFERED = 1 << 20
"""Octets of a page that may wait behind an include before no more of the page is read."""


class Weaving:
    """One page under way."""

    def __init__(self, weaver: Weaver, visit: Visit, template: Template, now: float) -> None:
        rules = visit.route.esi
        request = visit.request
        self.weaver = weaver
        self.visit = visit
        self.template = template
        self.rules = rules
        content_type = (first(template.fields, b"content-type") or b"").decode("latin-1")
        self.context = context_of(content_type)
        if visit.inclusion is not None and self.context is Context.TEXT:
            self.context = visit.inclusion.context  # where it will stand
        self.nonce = make_nonce(visit)
        prepare(visit)
        environment = Environment(
            request.method.decode("latin-1"),
            request.host.decode("latin-1"),
            request.target.decode("latin-1"),
            request.fields,
            now=now,
            random=random,
            address=request.client,
            cookies=rules.cookies,
            csrf_token=visit.csrf.token if visit.csrf is not None else "",
        )
        self.assembler = Assembler(environment, lenient=rules.lenient, context=self.context, budget=rules.budget)
        self.asking = Asking(weaver, visit, self.assembler, self.context)
        self.outputs: list[Output] = []
        self.octets = 0  # drained so far, where that is of interest
        self._counts = visit.inclusion is not None or bool(rules.cookies_from)
        self._tasks: dict[asyncio.Task[Any], Hole | None] = {}
        self._waiting: list[Hole] = []
        self._reader: AsyncIterator[bytes] | None = None
        self._parser: Parser | None = None
        self._compiler: Compiler | None = None
        self._buffered = 0
        self._outlet: Outlet | None = None
        self._patch: LatePatch | None = None
        self._late_names: dict[int, bytes] = {}
        self._blocked: tuple[Hole, float] | None = None
        self._is_traced = visit.trace is not None
        self._has_asked = False  # for a fragment: what memory has all of need not be foreseen
        self._told = False
        if visit.foreseen is not None:
            visit.foreseen.adopted = True
        self.broken = ""  # why the template itself ended early

    # ---------------------------------------------------------------- the template

    def begin(self) -> None:
        """Run what is there of the page."""
        if self.template.program is not None:
            self.assembler.run(self.template.program)
            return
        self.asking.streams = True
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
        if self.template.markup:
            nodes = self._parser.feed(chunk) if chunk is not None else self._parser.close()
            steps = self._compiler.compile(nodes)
        else:
            steps = (Static(chunk),) if chunk else ()
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
        return any(octets_of(output) for output in self.outputs)

    @property
    def waits_for_cookies(self) -> bool:
        """An include whose Set-Cookie belongs into the head is still open, or may still come."""
        prefixes = self.rules.cookies_from
        if not prefixes or self.octets > _BUFFERED:
            return False  # a page that long goes out without them
        return self._reader is not None or any(hole.is_open and self.asking.may_set_cookie(hole) for hole in self.assembler.holes)

    def _drain(self) -> None:
        ready = self.assembler.drain()
        if ready:
            self.outputs += ready
            if self._counts:
                self.octets += sum([len(octets_of(output)) for output in ready])
        if self.assembler.is_drained:
            self._buffered = 0  # tags and what they held were counted too

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
        fetch, page = hole.fetch, self.template.entry
        if page is not None and fetch.src.constant is not None and fetch.is_plain and hole.stage == "src" and not self._is_traced:
            limit = self.rules.max_fragment_bytes
            found = self.weaver.stored(page, hole.url, now, authorized=self.visit.ask.authorized, limit=limit)
            tally = self.visit.tally
            if found is not None and tally is not None and tally.left > 0:
                tally.left -= 1
                fragment = found.fragment
                if fragment is None:
                    fragment = found.fragment = Fragment(found.body, found)
                return fragment  # type: ignore[no-any-return]
        if (slot := self._from_slot(hole, now)) is not None:
            return slot
        if fetch.method != "GET" or fetch.no_store or fetch.entity is not None:
            return None
        try:
            visit = self.asking.visit_for(hole)
        except (UpstreamError, EsiLimit):
            return None  # said where it is asked for
        entry = self.weaver.kitchen.fresh(visit, now)
        if entry is None:
            return None
        if entry.esi or fetch.esi:
            return self._nested_from_memory(hole, visit, entry, now)
        if len(entry.body) > self.rules.max_fragment_bytes:
            return None
        fragment = entry.fragment
        if not isinstance(fragment, Fragment):
            fragment = entry.fragment = Fragment(entry.body, entry)
        self._note(hole, "memory", 200, len(entry.body))
        return fragment

    def _nested_from_memory(self, hole: Hole, visit: Visit, entry: Entry, now: float) -> Fragment | None:
        if entry.program is None or (entry.program.is_text and hole.fetch.esi) or self.asking.depth + 1 > self.rules.max_depth:
            return None
        trace = self.visit.trace
        if trace is not None:
            visit.trace = trace.apart(hole.url, hole.stage, hole.label)
        facts = Facts(visit.route.name, "hit")
        tally = self.visit.tally
        left = tally.left if tally is not None else 0
        response = self.weaver.now(visit, entry, now, facts, b"")
        if response is None and tally is not None:
            tally.left = left  # it will be asked for, and count then
        if response is None or response.status != 200 or not isinstance(response.body, bytes):
            return None
        if trace is not None and visit.trace is not None:
            hole.note = visit.trace
            hole.note.end("memory", 200, len(response.body))
            trace.children.append(hole.note)
        return Fragment(response.body, Loose(piece_of_response(response, now)))

    def _from_slot(self, hole: Hole, now: float) -> Fragment | None:
        """What a slot of our own brings, at once; None where the include leads elsewhere."""
        place, slots = self.weaver.slot_at(self.visit, hole.url), self.weaver.slots
        if place is None or slots is None:
            return None
        try:
            self._admit_slot(hole)
            fields = carried_fields(self.visit.request.fields, self.rules, guest=False, same_host=True)
            entry = slots.answer(place, fields, now, anew=hole.fetch.no_store)
        except (NotIncluded, SlotFailed) as error:
            self.assembler.problems.append(f"{hole.label}: {error}")
            fragment = Fragment.failed(error.reason)
        else:
            fragment = entry.fragment or Fragment(entry.body, entry)
            entry.fragment = fragment
            if len(entry.body) > self.rules.max_fragment_bytes:
                fragment = Fragment.failed("fragment_too_large")
        self._note(hole, "memory", 0 if fragment.reason else 200, len(fragment.body), fragment.reason)
        return fragment

    def _admit_slot(self, hole: Hole) -> None:
        """Raises NotIncluded where the page may not have a slot in this place."""
        fetch, tally = hole.fetch, self.visit.tally
        if self.asking.depth + 1 > self.rules.max_depth:
            raise NotIncluded(f"more than {self.rules.max_depth} includes inside each other", "too_deep")
        if hole.stage == "src" and tally is not None:
            tally.take(1)
        special = fetch.method != "GET" or fetch.entity or fetch.set_fields or fetch.add_fields or fetch.drop_fields
        if special or fetch.esi or hole.waits:  # it may hold what a visitor sent: never run
            raise NotIncluded("a slot takes no request of the page's own making, and is not processed", "no_such_fragment")

    def _note(self, hole: Hole, cache: str, status: int, octets: int, reason: str = "") -> None:
        if self.visit.trace is not None:
            hole.note = self.visit.trace.child(hole.url, hole.stage, hole.label)
            hole.note.end(cache if status else "", status, octets, reason)

    def start_fetches(self) -> None:
        """Ask for everything that is open and was not asked for yet."""
        while holes := self.assembler.needs():
            for hole in holes:
                slot = self._from_slot(hole, self.weaver.clock())
                if slot is None:
                    self._waiting.append(hole)
                else:
                    self.assembler.supply(hole, slot)
        for hole in self._waiting:
            if hole.is_open:
                trace = self.visit.trace
                hole.note = None if trace is None else trace.child(hole.url, hole.stage, hole.label)
                self._tasks[asyncio.ensure_future(self.asking.fetch(hole))] = hole
                self._has_asked = True
        self._waiting.clear()
        self._read_more()

    async def step(self) -> None:
        """Wait for one thing at least: more of the page, or a fragment."""
        self._read_more()
        if not self._tasks:
            if not self.assembler.settled and not self.failure:
                self.broken = "assembly_stalled"  # a defect of ours; better said than waited for
            return
        done, _ = await asyncio.wait(self._tasks, timeout=self._patience(), return_when=asyncio.FIRST_COMPLETED)
        if not done:
            self._pass_by()
            return
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

    def _patience(self) -> float | None:
        """Seconds for which the include that keeps the page waiting may still do so; None where the page can't go on without it."""
        if self._patch is None:
            return None
        hole = self.assembler.stands_in_the_way()
        if hole is None:
            self._blocked = None
            return None
        if self._blocked is None or self._blocked[0] is not hole:
            self._blocked = (hole, monotonic())
        return max(0.0, self._blocked[1] + self.rules.late_after - monotonic())

    def _pass_by(self) -> None:
        """On with the page; what is missing follows at its end."""
        hole = self.assembler.stands_in_the_way()
        if hole is None or self._patch is None:
            return
        own = hole.fetch.fallback or ()
        meanwhile = (
            b"".join([step.data for step in own if isinstance(step, Static)])
            if all(isinstance(step, Static) for step in own)
            else b""
        )
        name, place = self._patch.open(meanwhile)
        self._late_names[id(hole)] = name
        if hole.note is not None:
            hole.note.is_late = True
        self.assembler.defer(hole, place)
        self._blocked = None

    def _cancel_dropped(self) -> None:
        if self.assembler.dropped:
            dropped = set(map(id, self.assembler.dropped))
            self.assembler.dropped.clear()
            for task, hole in list(self._tasks.items()):
                if hole is not None and id(hole) in dropped:
                    del self._tasks[task]
                    task.cancel()

    # ---------------------------------------------------------------- the answer

    def whole(self, facts: Facts, member: bytes, now: float) -> Response:
        """The page, which is finished."""
        self.weaver.loom.pages += 1
        self._drain()
        self.tell(facts)
        outputs, used = self.outputs, self.assembler.environment.used
        if "csrf" in used and self.visit.csrf is not None:
            self.visit.csrf.is_used = True
        holes = self.assembler.holes
        pieces = [piece_of_fragment(hole.fragment, now) for hole in holes if hole.fragment is not None]
        if any(hole.outcome != "src" for hole in holes):
            pieces.append(UNKNOWN)  # something is missing, or stands in for it: not for keeps
        return whole_response(
            self.visit,
            self.template,
            outputs,
            pieces,
            used,
            facts,
            member,
            now,
            extra=self._set_cookies(streams=False) if self.visit.inclusion is None else [],
            dynamic=not self._is_plain(),
            nonce=self.nonce,
            grow=self.weaver.grow,
        )

    def _is_plain(self) -> bool:
        """Its content is known by the versions of template and fragments, in this order: so whoever assembles it gives it the same entity tag."""
        program = self.template.program
        return program is not None and program.flat is not None and all(hole.outcome == "src" for hole in self.assembler.holes)

    def streamed(self, facts: Facts, member: bytes, now: float) -> Response:
        """The page from its first octets on. Nothing is known yet of what comes, so nobody may keep it."""
        self.weaver.loom.pages += 1
        rules, request = self.rules, self.visit.request
        ready = [piece_of_fragment(hole.fragment, now) for hole in self.assembler.holes if hole.fragment is not None]
        extra = [*self._set_cookies(streams=True), *link_fields(ready)]
        block = head_block(self.template, b"private, no-store", frozenset(), extra, now, rules.nonce, self.nonce)
        block += b"cache-status: %s\r\n" % member
        coding = choose_gzip(self.visit, self.template, 1 << 30)
        if coding:
            block += b"content-encoding: gzip\r\n"
        if request.method == b"HEAD":
            self.tell(facts)
            return Response(self.template.status, block, None, facts)
        level = self.visit.route.compression.levels.get(b"gzip", 6)
        self._outlet = Outlet(
            gzip=coding is not None,
            level=level,
            mark=rules.nonce,
            nonce=self.nonce,
            page=self.template.entry,
            grow=self.weaver.grow,
        )
        if rules.late and self.context is Context.HTML and (how := may_patch(request, self.template.fields, self.nonce)):
            self._patch = LatePatch(how, token_hex(4).encode("ascii"), self.nonce)
        return Response(self.template.status, block, _WovenBody(self, facts), facts)

    def _set_cookies(self, *, streams: bool) -> Fields:
        """Those of includes that may set some, and that of a CSRF token which is in the page, or may still come to be."""
        fields = [(b"set-cookie", cookie) for cookie in self.asking.cookies]
        csrf = self.visit.csrf
        if csrf is not None and csrf.is_new and (csrf.is_used or streams):
            secure = "; Secure" if self.visit.request.scheme == b"https" else ""
            cookie = f"{self.rules.csrf_cookie}={csrf.token}; Path=/; SameSite=Lax{secure}"
            fields.append((b"set-cookie", cookie.encode("ascii")))
        return fields

    def take(self) -> bytes:
        """What can be sent now."""
        assert self._outlet is not None
        self._drain()
        outputs, self.outputs = self.outputs, []
        if self._patch is not None:
            for hole, content in self.assembler.late():
                name = self._late_names.pop(id(hole))
                outputs += [self._patch.begin(name), *content, self._patch.end(name)]
        if not outputs:
            return b""
        self._buffered = max(0, self._buffered - sum(len(output.data) for output in outputs if isinstance(output, Static)))
        return self._outlet.encode(outputs)

    def tail(self) -> bytes:
        """What stands after the last octets of the page."""
        assert self._outlet is not None
        return self._outlet.finish()

    def tell(self, facts: Facts) -> None:
        """The includes in facts and counters, once."""
        if self._told:
            return
        self._told = True
        if self.visit.foreseen is not None:
            self.visit.foreseen.cancel()
        holes = self.assembler.holes
        if self.assembler.settled and (self._has_asked or self.visit.foreseen is not None):
            urls = dict.fromkeys(hole.url for hole in holes if hole.fetch.is_plain and hole.fetch.src.constant == hole.url)
            self.weaver.loom.manifest.remember(self.visit.key, tuple(urls))
        facts.includes = len(holes)
        facts.includes_failed = sum(1 for hole in holes if hole.outcome in ("nothing", "failed", "fallback"))
        for hole in holes:
            self.weaver.loom.count(hole.outcome or "dropped")
            if hole.note is not None:
                hole.note.outcome = hole.outcome
        if self.visit.trace is not None:
            self.visit.trace.problems += self.assembler.problems
            program = self.template.program
            if program is None and self._compiler is not None:
                program = self._compiler.finish(())
            if program is not None:
                self.visit.trace.problems += [f"line {problem.line}: {problem.message}" for problem in program.problems]
        for _ in self.assembler.problems:
            self.weaver.loom.count_problem("run")
        if self._compiler is not None and self.template.piece is UNKNOWN:  # else counted where it is stored
            for problem in self._compiler.finish(()).problems:
                self.weaver.loom.count_problem(problem.code)

    async def aclose(self) -> None:
        """Nobody wants the rest."""
        if self.visit.foreseen is not None:
            self.visit.foreseen.cancel()
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

    __slots__ = ("_ended", "_facts", "_weaving", "trailers")

    def __init__(self, weaving: Weaving, facts: Facts) -> None:
        self._weaving = weaving
        self._facts = facts
        self._ended = False
        self.trailers: Fields = []

    def __aiter__(self) -> _WovenBody:
        return self

    async def __anext__(self) -> bytes:
        """Raises UpstreamTruncated when the page can't go on: the client must see that it is not whole."""
        weaving = self._weaving
        while not self._ended:
            if ready := weaving.take():
                return ready
            if weaving.failure:
                raise UpstreamTruncated(f"include: {weaving.failure}")
            if weaving.finished and not weaving.outputs:
                self._ended = True
                if tail := weaving.tail():
                    return tail
                break
            await weaving.step()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Give up what is under way."""
        self._weaving.tell(self._facts)
        await self._weaving.aclose()
