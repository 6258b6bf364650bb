"""A request's way from question to answer. Read this first; it is the picture in docs/flow.md, in code.

    recognise ─▶ key ─▶ lookup ─▶ plan ─▶ act ─▶ deliver
                                          │
                       Reuse ─────────────┤   answer_now: no await anywhere, so the hot lane may call it
                       Forward ───────────┤   answer: collapsed fetch, or relay for one client
                       Refuse ────────────┘

`answer` calls the same steps as `answer_now`; it is what happens when they do not suffice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from gateway.cache.collapse import SpoolReader
from gateway.cache.entry import Entry
from gateway.cache.memory_store import MAX_FREQUENCY
from gateway.cache.plan import Forward, ForwardReason, Plan, Refuse, Reuse, plan
from gateway.cache.policy import Reason
from gateway.cache.purges import Ledger
from gateway.cache.status import encode_hit, encode_member
from gateway.cache.store import Shelf, Store
from gateway.errors import BadRequest, GatewayError, UpstreamError
from gateway.flow.admission import Admission, Shed
from gateway.flow.arriving import pass_arriving
from gateway.flow.assembly.composite import piece_of_filling
from gateway.flow.assembly.kitchen import Guests
from gateway.flow.assembly.loom import Loom
from gateway.flow.assembly.template import Template, is_page, template_of
from gateway.flow.assembly.weaver import Weaver
from gateway.flow.deliver import deliver, wants_part_of
from gateway.flow.forward import Forwarder
from gateway.flow.joining import may_share, suits
from gateway.flow.landing import Filling, Flight, Landing
from gateway.flow.lookup import Lookup
from gateway.flow.own_answers import SERVER, ErrorPage, OwnAnswers
from gateway.flow.packing import Packing
from gateway.flow.passing import pass_on, passed_fields, passing_template
from gateway.flow.recognise import Identity, Visit, has_looped, wants_upgrade
from gateway.flow.rendered import Rendered
from gateway.flow.response import Facts, Response, allows_content
from gateway.flow.routes import Route, Routes
from gateway.flow.shedding import Shedding
from gateway.semantics.conditional import CONDITIONAL
from gateway.semantics.message import Request, Section, first
from gateway.telemetry.trace import TraceNode
from gateway.upstream.origin import OriginResponse

__all__ = ["STEERING", "Page"]

STEERING = frozenset(CONDITIONAL) | {b"cache-control", b"pragma", b"authorization", b"range", b"weft-debug"}
"""Request fields that make an answer from memory anything but the plain one."""

_ROUNDS = 4
"""How often a request looks again after somebody else's fetch did not suit it, before it asks for itself."""


class Page:
    """The flow, by the rules of one version of the settings; every collaborator is handed in.

    server: our name in Cache-Status and Via. clock: epoch seconds that never go back. soft_grace: seconds. loom: what the page before it has learned of assembly.
    """

    def __init__(
        self,
        routes: Routes,
        store: Store,
        ledger: Ledger,
        forwarder: Forwarder,
        identity: Identity,
        clock: Callable[[], float],
        error_page: ErrorPage,
        request_ids: Iterator[str],
        *,
        soft_grace: float = 60.0,
        server_timing: bool = False,
        guests: Guests | None = None,
        admission: Admission | None = None,
        loom: Loom | None = None,
    ) -> None:
        self.routes = routes
        self.store = store
        self.ledger = ledger
        self.forwarder = forwarder
        self.identity = identity
        self.clock = clock
        self.own = OwnAnswers(error_page, clock, identity.request_id_field)
        self.request_ids = request_ids
        self.server_timing = server_timing
        self.server = SERVER
        self.lookup = Lookup(store, ledger, soft_grace)
        self.packing = Packing(store)
        self.admission = admission or Admission()
        self.shedding = Shedding(self, self.admission)
        self._rendered = Rendered()
        self._shelf = store.shelf
        self.weaver = Weaver(self, routes, store.shelf, ledger, clock, loom or Loom(), guests=guests, grow=store.grow)
        forwarder.on_page = self.weaver.loom.note_page

    # ------------------------------------------------------------------------------------------------ everything is in memory

    def ready_now(self, scheme: bytes, host: bytes, target: bytes, accept: bytes | None, now: float) -> Response | None:
        """The plain hit: an answer rendered earlier in this second for all who get the same; None when there is none.

        For a GET without any field of STEERING. accept: its Accept-Encoding. now: epoch seconds of `clock`.
        """
        route = self.routes.sole or self.routes.find(host, target)
        if route is None:
            return None
        if route.query.changes:
            target = route.query.apply(target)
        shelf = self._shelf((scheme, host, target))
        if shelf is None:
            return None
        entry = shelf.sole
        if entry is None or entry.ready_second != int(now) or entry.checked != self.ledger.sequence or now >= entry.fresh_until:
            return None
        ready: Response | None = entry.ready.get(accept if entry.transform else None)
        if ready is not None and ready.guards and not self._are_there(ready.guards, now):
            return None
        if ready is not None and entry.frequency < MAX_FREQUENCY:
            entry.frequency += 1
        return ready

    def _are_there(self, entries: tuple[Entry, ...], now: float) -> bool:
        """All that a rendered page consists of is still stored, fresh, and left alone by purges."""
        sequence = self.ledger.sequence
        for entry in entries:
            if entry.queue is None or now >= entry.fresh_until or entry.checked != sequence:
                return False
            if entry.frequency < MAX_FREQUENCY:
                entry.frequency += 1
        self.weaver.loom.count_page(len(entries))
        return True

    def answer_now(self, request: Request, now: float) -> Response | None:
        """The answer, when it needs nothing but this process's memory; None otherwise. Never awaits, never raises for what a client sends.

        now: epoch seconds of `clock`.
        """
        if request.has_body or request.method != b"GET":
            return None
        route = self.routes.sole or self.routes.find(request.host, request.target)
        if route is None or route.bypass:
            return None
        accept = None
        for name, value in request.fields:
            if name == b"accept-encoding":
                accept = value if accept is None else accept + b", " + value
            elif name in STEERING or name == b"upgrade":
                break
        else:
            ready = self.ready_now(request.scheme, request.host, request.target, accept, now)
            if ready is not None:
                return ready
        target = route.query.apply(request.target) if route.query.changes else request.target
        shelf = self._shelf((request.scheme, request.host, target))
        return None if shelf is None else self._hit_now(request, route, target, shelf, now)

    def _hit_now(self, request: Request, route: Route, target: bytes, shelf: Shelf, now: float) -> Response | None:
        if first(request.fields, b"weft-debug") is not None or wants_upgrade(request):
            return None
        visit = Visit(request, route, target, now, "")
        entry = self.lookup.select(shelf, visit, now)
        decision = plan(entry, visit.ask, now)
        if not isinstance(decision, Reuse) or decision.refresh:
            return None
        return self.serve_now(visit, decision, now)

    def serve_now(self, visit: Visit, decision: Reuse, now: float) -> Response | None:
        """The answer to a GET from a stored response; None when that takes an await."""
        entry = decision.entry
        if entry.esi:
            return self._woven_now(visit, decision, now)
        if not wants_part_of(entry, visit.request, now) or self.packing.lacks_large_copy(entry, visit) is not None:
            return None
        return self._from_cache(visit, decision, now)

    def _woven_now(self, visit: Visit, decision: Reuse, now: float) -> Response | None:
        """A page whose template is in memory; None unless all of it is."""
        entry = decision.entry
        if entry.program is None:
            return None  # large, and not compiled yet
        facts, member = self._hit(visit, decision, now)
        response = self.weaver.now(visit, entry, now, facts, member)
        if response is not None:
            if entry.frequency < MAX_FREQUENCY:
                entry.frequency += 1
            if self.server_timing:
                response.add(b"server-timing", b"cache;desc=hit")
            if response.guards and not decision.stale and not any(name in STEERING for name, _ in visit.request.fields):
                self._rendered.remember(entry, visit, response, now)
        return response

    def _hit(self, visit: Visit, decision: Reuse, now: float) -> tuple[Facts, bytes]:
        """What is told of an answer from a stored response, and our member of Cache-Status."""
        facts = Facts(visit.route.name, "hit", request_id=visit.request_id)
        facts.stale = decision.stale
        facts.ttl = ttl = int(decision.entry.fresh_until - now)
        if decision.stale:
            facts.detail = "stale-while-revalidate" if decision.refresh else "overloaded" if visit.spare else "stale"
            if visit.spare:
                self.admission.count(Shed.STALE)
        elif visit.raised:
            facts.detail = "level-2"
        return facts, encode_hit(self.server, ttl, facts.detail.encode("ascii"))

    def _from_cache(self, visit: Visit, decision: Reuse, now: float) -> Response | None:
        entry, request = decision.entry, visit.request
        if entry.frequency < MAX_FREQUENCY:
            entry.frequency += 1
        facts, member = self._hit(visit, decision, now)
        response = self._delivered(visit, entry, now, facts, member)
        if response is not None and self.server_timing:
            response.add(b"server-timing", b"cache;desc=hit")
        if (
            response is not None
            and not decision.stale
            and not visit.raised
            and request.method == b"GET"
            and not any(name in STEERING for name, _ in request.fields)
        ):
            self._rendered.remember(entry, visit, response, now)
        return response

    def retire(self) -> None:
        """Other rules hold from now on: whoever asked before still gets an answer by these, and nothing that was made by them is kept for others."""
        self._rendered.retire()
        if self.weaver.slots is not None:
            self.weaver.slots.retired = True

    def recognise(self, request: Request) -> Visit:
        """Route, key and wishes of a request. Raises BadRequest."""
        route = self.routes.find(request.host, request.target)
        if route is None:
            raise BadRequest("no route takes this host and path", 404, "no_route")
        if has_looped(request, self.identity):
            raise BadRequest("the request has come through here five times already", 508, "loop_detected")
        target = route.query.apply(request.target) if route.query.changes else request.target
        return Visit(request, route, target, self.clock(), next(self.request_ids))

    # ------------------------------------------------------------------------------------------------ the rest of the world is needed

    async def answer(self, request: Request, trace: TraceNode | None = None) -> Response:
        """The answer, whatever it takes. Never raises GatewayError: an error is an answer too. trace: where to note how it came to be."""
        try:
            visit = self.recognise(request)
        except BadRequest as error:
            return self.refuse(request, error)
        visit.trace = trace
        visit.spare = self.admission.is_full
        if visit.spare or request.has_body:  # content may take its time, which says nothing of what there is to do
            return await self.attend(visit)
        self.admission.in_flight += 1
        try:
            return await self.attend(visit)
        finally:
            self.admission.in_flight -= 1

    async def attend(self, visit: Visit) -> Response:
        """The answer to a request that has its route: a client's, or that of a page that includes it."""
        request = visit.request
        method = request.method
        if method not in (b"GET", b"HEAD"):
            if method in (b"OPTIONS", b"TRACE") and first(request.fields, b"max-forwards") == b"0":
                return self.own.last_recipient(request, visit.route.name, visit.request_id)
            return await self._relayed(visit, ForwardReason.METHOD)
        if visit.route.bypass:
            return await self._relayed(visit, ForwardReason.BYPASS, detail=Reason.ROUTE_BYPASS.value)
        if request.has_body or wants_upgrade(request):
            return await self._relayed(visit, ForwardReason.BYPASS)
        if visit.inclusion is not None and visit.inclusion.no_store:
            return await self._relayed(visit, ForwardReason.REQUEST, detail=Reason.REQUEST_NO_STORE.value)
        try:
            return await self._look_and_ask(visit)
        finally:
            if visit.foreseen is not None and not visit.foreseen.adopted:
                visit.foreseen.cancel()

    async def _look_and_ask(self, visit: Visit) -> Response:
        """A GET or HEAD that the cache may answer: look, ask, and look again when somebody else's fetch did not suit."""
        request, method = visit.request, visit.request.method
        for _ in range(_ROUNDS):
            now = self.clock()
            decision = self.look(visit, now)
            if isinstance(decision, Reuse) and wants_part_of(decision.entry, request, now):
                if decision.refresh and self.shedding.may_refresh(len(self.forwarder.flights)):
                    self.forwarder.refresh(visit, decision.entry)
                if is_page(visit, decision.entry):
                    facts, member = self._hit(visit, decision, now)
                    return await self._woven(visit, decision.entry, facts, member)
                await self.packing.pack(decision.entry, visit)
                response = self._from_cache(visit, decision, now)
                if response is not None:
                    return response
            if isinstance(decision, Refuse):
                return self._error(
                    visit, BadRequest("only-if-cached, and nothing stored suits", 504, "only_if_cached"), "refused"
                )
            reason = decision.reason if isinstance(decision, Forward) else ForwardReason.PARTIAL
            stored = decision.entry
            if method == b"HEAD":
                return await self._relayed(visit, reason, stored)
            if visit.spare and not self.is_under_way(visit):
                return self.shedding.refuse(visit)
            if visit.foreseen is None:
                visit.foreseen = self.weaver.foresee(visit)
            if stored is None and self.forwarder.uncacheable.knows(visit.crowd, now):
                return await self._relayed(visit, reason, detail="uncacheable")
            response = await self._fetched(visit, stored, reason)
            if response is not None:
                return response
        return await self._relayed(visit, ForwardReason.URI_MISS, detail="not-shared")

    def look(self, visit: Visit, now: float) -> Plan:
        """What to do about visit, given what is stored."""
        _, decision = self.lookup.look(visit, now)
        return self.shedding.lower(decision, now) if visit.spare else decision

    def route_of_missing(self, scheme: bytes, host: bytes, target: bytes) -> Route | None:
        """The route of what is neither stored nor being fetched; None for anything else. For a GET without any field of STEERING."""
        route = self.routes.sole or self.routes.find(host, target)
        if route is None:
            return None
        key = (scheme, host, route.query.apply(target) if route.query.changes else target)
        return None if self._shelf(key) is not None or (key, None, ()) in self.forwarder.flights else route

    def is_under_way(self, visit: Visit) -> bool:
        """Whether somebody is fetching just what visit asks for."""
        return self.forwarder.is_under_way(visit)

    async def _fetched(self, visit: Visit, entry: Entry | None, reason: ForwardReason) -> Response | None:
        """One collapsed fetch; None when it was somebody else's and what came does not suit this request."""
        flight, own = self.forwarder.flight_for(visit, entry)
        landing = await self._landing(visit, flight, entry, own=own)
        if landing is None:
            if entry is not None and self._may_stand_in(entry):
                return await self._stand_in(visit, entry, reason, "slow-origin", 0)
            return await self._relayed(visit, reason, detail="collapse-timeout")
        if landing.error is not None:
            return self._error(visit, landing.error, reason.value)
        if landing.raised:  # it is in memory now: look there again
            visit.raised = True
            return None
        if landing.entry is not None:
            if not own and not suits(visit, landing.entry, self.ledger, flight.stamp):
                return None
            return await self._from_landing(visit, landing.entry, landing, reason, own=own)
        if landing.filling is not None:
            filling = landing.filling
            broken = filling.spool.error
            if entry is not None and isinstance(broken, UpstreamError) and self._is_spare(visit, entry):
                if own:
                    filling.spool.expect_nobody()
                return await self._stand_in(
                    visit, entry, reason, self.forwarder.fall_back(entry, broken, 0).stale, landing.fwd_status
                )
            if not own and not (filling.spool.kept and may_share(visit, filling, self.ledger, flight.stamp, self.clock())):
                return None
            return await self._from_filling(visit, filling, landing, reason, own=own)
        if not own:
            return None  # it was for somebody else alone
        assert landing.response is not None
        detail = landing.reason.value if landing.reason else ""
        return await self._passed_on(visit, landing.response, reason.value, detail)

    async def _landing(self, visit: Visit, flight: Flight, entry: Entry | None, *, own: bool) -> Landing | None:
        """What the flight came to; None when it takes too long.

        Too long is: longer than the route waits for a renewal when entry may stand in for a failing origin, or than it waits for somebody else.
        A renewal is there when its content is: once a head has gone out, nothing can stand in any more.
        """
        is_spare = self._is_spare(visit, entry)
        patience = None if own else visit.route.collapse_timeout
        if is_spare:  # of all who wait for it: who comes later has less to wait
            patience = max(0.0, flight.begun + visit.route.stale_wait - self.clock())
        try:
            if patience is None:
                return await flight.landed()
            async with asyncio.timeout(patience):
                landing = await flight.landed()
                if is_spare and landing.filling is not None:
                    await landing.filling.spool.settled()
                return landing
        except (TimeoutError, asyncio.CancelledError) as left:
            if own:  # nobody else may have what comes; its connection must not stay behind
                flight.dispose()
            if isinstance(left, TimeoutError):
                return None
            raise

    def _is_spare(self, visit: Visit, entry: Entry | None) -> bool:
        """Whether entry stands in for this visit, should its renewal fail."""
        return entry is not None and self._may_stand_in(entry) and not visit.ask.no_cache

    def _may_stand_in(self, entry: Entry) -> bool:
        """Whether entry may be served though the origin does not confirm it. RFC 5861 §4."""
        return entry.parts is None and self.clock() < entry.stale_error_until

    async def _from_landing(
        self, visit: Visit, entry: Entry, landing: Landing, reason: ForwardReason, *, own: bool
    ) -> Response | None:
        """Deliver a stored response that the origin was asked about."""
        if landing.stale:
            return await self._stand_in(visit, entry, reason, landing.stale, landing.fwd_status)
        now = self.clock()
        facts = self._facts(visit, reason.value, landing)
        facts.collapsed = not own
        facts.stored = entry.queue is not None
        facts.ttl = int(entry.fresh_until - now)
        member = encode_member(
            self.server,
            reason.value,
            fwd_status=landing.fwd_status or None,
            ttl=int(entry.fresh_until - now),
            stored=facts.stored,
            collapsed=not own,
        )
        if is_page(visit, entry):
            return await self._woven(visit, entry, facts, member)
        await self.packing.pack(entry, visit)
        return self._delivered(visit, entry, now, facts, member)

    def _delivered(self, visit: Visit, entry: Entry, now: float, facts: Facts, member: bytes) -> Response | None:
        response = deliver(
            entry,
            visit.request,
            visit.route.compression,
            now,
            server=self.server,
            facts=facts,
            member=member,
            grow=self.store.grow,
        )
        if response is not None and visit.inclusion is not None:
            response.source = entry
        return response

    async def _stand_in(self, visit: Visit, entry: Entry, reason: ForwardReason, why: str, fwd_status: int) -> Response | None:
        """A stale response in the place of one that the origin could not give."""
        now = self.clock()
        facts = Facts(visit.route.name, "hit", detail=why, request_id=visit.request_id)
        facts.stale = True
        facts.fwd_status = fwd_status
        facts.origin = visit.route.origin_name
        member = encode_member(
            self.server,
            reason.value,
            fwd_status=fwd_status or None,
            ttl=int(entry.fresh_until - now),
            detail=why.replace("_", "-"),
        )
        if is_page(visit, entry):
            return await self._woven(visit, entry, facts, member)
        return self._delivered(visit, entry, now, facts, member)

    # ------------------------------------------------------------------------------------------------ pages with holes

    def fresh(self, visit: Visit, now: float) -> Entry | None:
        """A stored, whole, fresh 200 that answers visit, for a page that includes it."""
        if visit.route.bypass or visit.request.has_body:
            return None
        decision = plan(self.lookup.select(self._shelf(visit.key), visit, now), visit.ask, now)
        if not isinstance(decision, Reuse) or decision.stale:
            return None
        entry = decision.entry
        if entry.status != 200 or entry.parts is not None or entry.coded:
            return None
        if entry.frequency < MAX_FREQUENCY:
            entry.frequency += 1
        return entry

    def failed(self, visit: Visit, error: GatewayError, reason: str) -> Response:
        """The answer for a page that could not be assembled."""
        return self._error(visit, error, reason)

    def is_wanted(self, entry: Entry, now: float) -> bool:
        """Whether purges since the last look have left it alone."""
        return self.lookup.is_wanted(entry, now)

    async def _woven(self, visit: Visit, entry: Entry, facts: Facts, member: bytes) -> Response:
        program = await self.weaver.program_of(entry, forced=visit.inclusion is not None and visit.inclusion.esi)
        template = template_of(entry, self.clock())
        template.program = program
        return await self.weaver.weave(visit, template, facts, member)

    # ------------------------------------------------------------------------------------------------ from the origin

    async def _from_filling(
        self, visit: Visit, filling: Filling, landing: Landing, reason: ForwardReason, *, own: bool
    ) -> Response | None:
        """Deliver a response that is being stored: from the entry when its body is whole already, else as it comes."""
        request, now = visit.request, self.clock()
        facts = self._facts(visit, reason.value, landing)
        facts.collapsed = not own
        ttl = facts.ttl = int(filling.terms.born + filling.terms.lifetime - now)
        facts.stored = not filling.purged
        facts.detail = Reason.PURGED_MEANWHILE.value if filling.purged else ""
        member = encode_member(self.server, reason.value, ttl=ttl, stored=facts.stored, collapsed=not own, detail=facts.detail)
        reader = filling.spool.read() if allows_content(filling.status) and not filling.is_stored else None
        if reader is not None and b"range" in request.section and filling.extent is None:
            try:
                await filling.spool.settled()  # a part of a whole that is on its way
            except asyncio.CancelledError:
                await reader.aclose()
                raise
            if isinstance(filling.spool.error, UpstreamError):
                await reader.aclose()
                return self._error(visit, filling.spool.error, reason.value)
        forced = visit.inclusion is not None and visit.inclusion.esi
        if filling.esi or (forced and visit.route.esi.applies(filling.status, Section(filling.fields), forced=True)):
            return await self._woven_of_filling(visit, filling, facts, member, reader, now)
        response = self._of_filling(visit, filling, facts, member, reader, now, own=own)
        if own:
            for name, value in filling.withheld:
                response.add(name, value)
        if reader is not None and response.body is not reader:
            await reader.aclose()
        return response

    async def _woven_of_filling(
        self, visit: Visit, filling: Filling, facts: Facts, member: bytes, reader: SpoolReader | None, now: float
    ) -> Response:
        """The page from its first octets on, while it is being stored."""
        if filling.entry is not None and filling.spool.done:
            if reader is not None:
                await reader.aclose()
            facts.stored = filling.entry.queue is not None
            return await self._woven(visit, filling.entry, facts, member)
        markup = filling.markup or (visit.inclusion is not None and visit.inclusion.esi)
        template = Template(
            filling.status,
            filling.fields,
            piece_of_filling(filling, now),
            chunks=reader,
            transform=filling.terms.transform,
            markup=markup,
        )
        return await self.weaver.weave(visit, template, facts, member)

    def _of_filling(
        self, visit: Visit, filling: Filling, facts: Facts, member: bytes, reader: SpoolReader | None, now: float, *, own: bool
    ) -> Response:
        entry = filling.entry
        as_sent = own and filling.extent is not None  # the part that this client asked the origin for
        if entry is not None and filling.spool.done and not as_sent:
            facts.stored = entry.queue is not None
            response = self._delivered(visit, entry, now, facts, member)
            if response is not None:
                return response
        return pass_arriving(filling, visit.request, reader, facts, member, now)

    async def _relayed(self, visit: Visit, reason: ForwardReason, entry: Entry | None = None, *, detail: str = "") -> Response:
        """The response for this client alone."""
        if visit.spare:
            return self.shedding.refuse(visit)
        try:
            response = await self.forwarder.relay(visit, entry)
        except UpstreamError as error:
            return self._error(visit, error, reason.value)
        if visit.request.method == b"POST" and not visit.route.bypass:
            filling = await self.forwarder.store_post(visit, response)
            if filling is not None:
                made = await self._from_filling(visit, filling, Landing(response=response), reason, own=True)
                assert made is not None
                return made
        return await self._passed_on(visit, response, reason.value, detail)

    async def _passed_on(self, visit: Visit, response: OriginResponse, reason: str, detail: str) -> Response:
        facts = Facts(visit.route.name, reason, detail=detail, request_id=visit.request_id)
        facts.origin = visit.route.origin_name
        facts.origin_time = response.response_time - response.request_time
        facts.fwd_status = response.status
        fields = passed_fields(response, visit.route.policy.tag_fields)
        member = encode_member(self.server, reason, detail=detail)
        inclusion = visit.inclusion
        if not visit.route.esi.applies(response.status, response.section, forced=inclusion is not None and inclusion.esi):
            return pass_on(visit.request, response, [*visit.route.esi.conceal(fields), (b"cache-status", member)], facts)
        template = passing_template(response, fields, visit.route.compression)
        template.markup = visit.route.esi.has_markup(response.section, forced=inclusion is not None and inclusion.esi)
        if response.body is None:
            return self.weaver.head_only(visit, template, facts, member)
        return await self.weaver.weave(visit, template, facts, member)

    # ------------------------------------------------------------------------------------------------ what they share

    def refuse(self, request: Request, error: GatewayError) -> Response:
        """The answer to a request that does not get as far as a route."""
        facts = Facts("", "error" if error.status >= 500 else "refused", detail=error.reason, request_id=next(self.request_ids))
        return self.own.error(request, error, facts)

    def _error(self, visit: Visit, error: GatewayError, reason: str) -> Response:
        facts = Facts(
            visit.route.name, "refused" if reason == "refused" else "error", detail=error.reason, request_id=visit.request_id
        )
        facts.origin = visit.route.origin_name
        return self.own.error(visit.request, error, facts)

    def _facts(self, visit: Visit, outcome: str, landing: Landing) -> Facts:
        facts = Facts(visit.route.name, outcome, request_id=visit.request_id)
        facts.origin = visit.route.origin_name
        facts.origin_time = landing.origin_time
        facts.fwd_status = landing.fwd_status
        return facts
