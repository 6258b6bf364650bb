"""Pages with holes, the way in.

now     everything in memory: the page as one answer, no await anywhere
weave   otherwise. A head goes out with the first octets that are ready
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from time import monotonic
from typing import Any

from fragments.assembly import Fragment, Output
from fragments.esi.program import Program
from gateway.cache.entry import Entry
from gateway.cache.key import Key
from gateway.cache.memory_store import MAX_FREQUENCY
from gateway.errors import UpstreamError
from gateway.flow.assembly.composite import Piece, piece_of
from gateway.flow.assembly.fetching import Foreseen, fetch_fragment
from gateway.flow.assembly.inclusion import GUEST, Destination, Inclusion, NotIncluded, carried_fields, find_destination
from gateway.flow.assembly.kitchen import FragmentFailed, Guests, Kitchen
from gateway.flow.assembly.loom import Loom
from gateway.flow.assembly.sharing import make_nonce, prepare
from gateway.flow.assembly.slots import SLOTS, Slots
from gateway.flow.assembly.template import COMPILED_AT_ONCE, Template, compile_body, template_of
from gateway.flow.assembly.weaving import Weaving
from gateway.flow.assembly.woven import head_block, whole_response
from gateway.flow.recognise import Visit
from gateway.flow.response import Facts, Response
from gateway.flow.routes import Route, Routes
from gateway.semantics.message import Fields, Request, first

__all__ = ["Weaver"]

_OURS = b"/_weft/"
_GUEST = GUEST.encode("ascii")
_SLOTS = SLOTS.decode("ascii")

_NOWHERE: Key = (b"", b"", b"")
"""In the place of a key: an include that is not of our own site, or not of a fixed address."""


class _Places(dict[str, Key]):
    """Primary keys of what a page includes, by URL. made_by: the weaver by whose routes they hold; an object of its own, so that no entry keeps one alive."""

    __slots__ = ("made_by",)

    def __init__(self, made_by: object) -> None:
        super().__init__()
        self.made_by = made_by


class Weaver:
    """Assembles, by the rules of one version of the settings. loom: what it has in common with those before it.

    routes, shelf, sequence: where fragments are found without asking; clock: epoch seconds; guests: None where no foreign host may be included.
    """

    def __init__(
        self,
        kitchen: Kitchen,
        routes: Routes,
        shelf: Callable[[Key], Any],
        ledger: Any,
        clock: Callable[[], float],
        loom: Loom,
        *,
        guests: Guests | None = None,
        grow: Callable[[Entry, int], None] | None = None,
    ) -> None:
        self.kitchen = kitchen
        self.routes = routes
        self.clock = clock
        self.guests = guests
        self.own_hosts = frozenset(
            host for host in (route.scope.host for route in routes.all) if host and not host.startswith(b"*")
        )
        self._origins = frozenset(route.authority for route in routes.all if route.authority)
        self.loom = loom
        self._shelf = shelf
        self._ledger = ledger
        self.grow = grow
        self._mark = object()
        self._compiling: dict[Entry, asyncio.Task[Program]] = {}  # by the entry itself, which an id would not keep alive
        self.slots: Slots | None = None  # fragments of our own

    # ---------------------------------------------------------------- from memory

    def now(self, visit: Visit, entry: Entry, now: float, facts: Facts, member: bytes) -> Response | None:
        """The page, when all of it is in memory and fresh; None otherwise. entry: the template, compiled."""
        program = entry.program
        assert isinstance(program, Program)
        found = self._flat(visit, entry, program, now) if program.flat is not None and visit.trace is None else None
        if found is not None:
            outputs, pieces, entries = found
            if visit.tally is not None:
                visit.tally.take(len(entries))
            self.loom.count_page(len(entries))
            facts.includes = len(entries)
            return whole_response(
                visit,
                template_of(entry, now),
                outputs,
                pieces,
                (),
                facts,
                member,
                now,
                guards=entries,
                grow=self.grow,
                nonce=make_nonce(visit),
            )
        weaving = Weaving(self, visit, template_of(entry, now), now)
        weaving.begin()
        if not weaving.fill_from_memory(now):
            return None
        return weaving.whole(facts, member, now)

    def _flat(
        self, visit: Visit, entry: Entry, program: Program, now: float
    ) -> tuple[list[Output], list[Piece], tuple[Entry, ...]] | None:
        assert program.flat is not None
        texts, fetches = program.flat
        left = visit.tally.left if visit.tally is not None else visit.route.esi.max_includes
        if len(fetches) > left:
            return None
        authorized, limit = visit.ask.authorized, visit.route.esi.max_fragment_bytes
        outputs: list[Output] = [texts[0]]
        entries = []
        for text, fetch in zip(texts[1:], fetches, strict=True):
            found = self.stored(entry, fetch.src.constant or "", now, authorized=authorized, limit=limit)
            if found is None:
                return None
            entries.append(found)
            fragment = found.fragment
            if fragment is None:
                fragment = found.fragment = Fragment(found.body, found)
            outputs.append(fragment)
            outputs.append(text)
        return outputs, [piece_of(found, now) for found in entries], tuple(entries)

    def stored(self, page: Entry, url: str, now: float, *, authorized: bool, limit: int) -> Entry | None:
        """What answers an include at a fixed address of page for everybody, fresh and in memory; None when that takes a closer look.

        limit: octets that a fragment may have.
        """
        places = page.places
        if places is None or places.made_by is not self._mark:
            places = page.places = _Places(self._mark)
        key = places.get(url)
        if key is None:
            key = places[url] = self._key_of(page, url)
        shelf = self._shelf(key)
        found: Entry | None = shelf.sole if shelf is not None else None
        if (
            found is None
            or (found.checked != self._ledger.sequence and not self.kitchen.is_wanted(found, now))
            or found.status != 200
            or found.esi
            or found.parts is not None
            or found.coded
            or len(found.body) > limit
            or now >= found.fresh_until
            or (authorized and not found.shared)
        ):
            return None
        if found.frequency < MAX_FREQUENCY:
            found.frequency += 1
        return found

    def _key_of(self, page: Entry, url: str) -> Key:
        """The primary key of an include at a fixed address of our own site; _NOWHERE when it is not such."""
        try:
            place = self._destination(page.key, url)
        except NotIncluded:
            return _NOWHERE
        if self.slots is not None and not place.guest and place.target.startswith(SLOTS):
            return self.slots.key_for_all(place) or _NOWHERE
        route = self.routes.find(place.host, place.target)
        if place.guest or route is None or route.bypass or place.target.startswith(_OURS):
            return _NOWHERE
        return place.scheme, place.host, route.query.apply(place.target) if route.query.changes else place.target

    # ---------------------------------------------------------------- by asking

    async def program_of(self, entry: Entry, *, forced: bool) -> Program:
        """The page, compiled. forced: by an include that says dca="esi", of a page that nobody else runs. A long one is compiled by a thread, once."""
        program: Program | None = entry.program
        if program is not None and not (forced and program.is_text):
            return program
        content_type = first(entry.fields(), b"content-type")
        if len(entry.body) <= COMPILED_AT_ONCE:
            made = compile_body(entry.body, content_type)
        else:
            task = self._compiling.get(entry)
            if task is None:
                task = self._compiling[entry] = asyncio.ensure_future(asyncio.to_thread(compile_body, entry.body, content_type))
                task.add_done_callback(lambda _: self._compiling.pop(entry))
            made = await asyncio.shield(task)
        if program is None and entry.program is None:
            entry.program = made
            self.loom.note_page(made, 0)
            if self.grow is not None:
                self.grow(entry, made.size)
        return made

    async def weave(self, visit: Visit, template: Template, facts: Facts, member: bytes) -> Response:
        """The page. Its body streams unless everything was at hand before its first octets were."""
        now = self.clock()
        weaving = Weaving(self, visit, template, now)
        try:
            weaving.begin()
            weaving.fill_from_memory(now)
            weaving.start_fetches()
            whole = visit.inclusion is not None  # nobody sees half a fragment
            while not (weaving.failure or weaving.finished):
                if not whole and weaving.has_output and not weaving.waits_for_cookies:
                    break
                if whole and weaving.octets > visit.route.esi.max_fragment_bytes:
                    weaving.broken = "fragment_too_large"
                    break
                await weaving.step()
        except BaseException:
            await weaving.aclose()
            raise
        if weaving.failure:
            await weaving.aclose()
            weaving.tell(facts)
            response = self.kitchen.failed(visit, FragmentFailed(weaving.failure, weaving.failure), facts.outcome)
            response.facts.includes, response.facts.includes_failed = facts.includes, facts.includes_failed
            return response
        if weaving.finished:
            await weaving.aclose()
            return weaving.whole(facts, member, self.clock())
        if visit.request.method == b"HEAD":
            await weaving.aclose()
        return weaving.streamed(facts, member, self.clock())

    def head_only(self, visit: Visit, template: Template, facts: Facts, member: bytes) -> Response:
        """The answer to HEAD for a page that is not in memory: what can be said without it."""
        mark, nonce = visit.route.esi.nonce, make_nonce(visit)
        block = head_block(template, b"private, no-store", frozenset(), [], self.clock(), mark, nonce)
        return Response(template.status, block + b"cache-status: %s\r\n" % member, None, facts)

    def foresee(self, visit: Visit) -> Foreseen | None:
        """Ask for what the page led to last time, while it is asked for itself; None when nothing is known."""
        urls = self.loom.manifest.of(visit.key)
        depth = visit.inclusion.depth if visit.inclusion is not None else 0
        rules = visit.route.esi
        if not urls or rules.mode == "off" or depth >= rules.max_depth:
            return None
        prepare(visit)
        deadline = visit.inclusion.deadline if visit.inclusion is not None else monotonic() + rules.deadline
        gate, tasks = asyncio.Semaphore(rules.max_parallel), {}
        for url in urls:
            with suppress(UpstreamError):  # said where the page asks for it
                foreseen = self.visit_of(visit, url, Inclusion(depth + 1, deadline))
                assert visit.tally is not None
                visit.tally.take(1)
                foreseen.trace = (
                    None if visit.trace is None else visit.trace.apart(url, "src")
                )  # joins the tree when the page wants it
                tasks[url] = asyncio.ensure_future(fetch_fragment(self.kitchen, foreseen, rules, gate))
        return Foreseen(tasks)

    def visit_of(
        self, parent: Visit, url: str, inclusion: Inclusion, *, fields: Fields | None = None, instead: Collection[str] = ()
    ) -> Visit:
        """The visit that an include of url becomes. fields: the page's own request fields; instead: those of the client's that they replace. Raises UpstreamError when it may not be asked for."""
        place = self.destination_of(parent, url)
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
        parents, rules = parent.request, parent.route.esi
        carried = carried_fields(parents.fields, rules, guest=place.guest, same_host=place.host == parents.host)
        carried = [field for field in carried if field[0].decode("latin-1") not in instead]
        request = Request(
            b"GET",
            place.target,
            place.host,
            [*carried, *(fields or [])],
            scheme=place.scheme,
            client="" if place.guest else parent.request.client,
        )
        target = route.query.apply(place.target) if route.query.changes else place.target
        visit = Visit(request, route, target, parent.started, parent.request_id)
        visit.inclusion = inclusion
        visit.tally = parent.tally
        visit.spare = parent.spare
        if place.guest:  # a key that no request of a client's can have, and nothing that a guest could learn of the visitor
            visit.key = (place.scheme, _GUEST + place.host, target)
        else:
            visit.csrf = parent.csrf
            visit.set_cookies = parent.set_cookies
        return visit

    def destination_of(self, parent: Visit, url: str) -> Destination:
        """Where an include of url leads. Raises NotIncluded."""
        return self._destination(parent.key, url)

    def _destination(self, key: Key, url: str) -> Destination:
        scheme, host, target = key
        is_guest = host.startswith(_GUEST)
        place = find_destination(url, scheme, host.removeprefix(_GUEST), target, self.own_hosts, is_guest=is_guest)
        if place.guest and not is_guest and place.host in self._origins:
            return self._at_origin(place, scheme, host)
        return place

    def _at_origin(self, place: Destination, scheme: bytes, host: bytes) -> Destination:
        """The site's own origin, by the address that we have it at: the same as the page's own host, where requests for it go there anyway."""
        route = self.routes.find(host, place.target)
        if route is None or route.authority != place.host:
            raise NotIncluded("requests for this path go to another origin than the one that the URL names", "no_route")
        return Destination(scheme, host, place.target, guest=False)

    def slot_at(self, parent: Visit, url: str) -> Destination | None:
        """Where an include of url leads, when that is among our slots. Never raises."""
        if self.slots is None or _SLOTS not in url:
            return None
        try:
            place = self.destination_of(parent, url)
        except NotIncluded:
            return None
        return place if not place.guest and place.target.startswith(SLOTS) else None
