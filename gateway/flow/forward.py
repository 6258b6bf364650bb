"""Asking the origin: conditionally where something is stored, once for all who wait, and storing what comes back.

fetch   a response that may be shared: normalised request, judged, spooled, stored
relay   a response for one client: streamed through, both ways
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from fragments.esi.program import Program
from gateway.cache.collapse import Uncacheable
from gateway.cache.entry import Entry, stored_fields
from gateway.cache.key import Key
from gateway.cache.parts import combine, settle_extent
from gateway.cache.policy import Case, Judgement, NotStored, Reason, Stored, decide
from gateway.cache.purges import Ledger, Verdict
from gateway.cache.store import Store
from gateway.cache.variant import NominatedValues, nominated_values
from gateway.errors import UpstreamError, UpstreamTruncated, UpstreamUnavailable
from gateway.flow.assembly.inline_fragments import inline_entries
from gateway.flow.assembly.raw_markup import count_markup, strip_markup
from gateway.flow.assembly.readable import make_readable, with_lifetime
from gateway.flow.assembly.template import COMPILED_AT_ONCE, compile_body
from gateway.flow.deliver import may_compress, vary_on_encoding
from gateway.flow.freshening import freshen
from gateway.flow.invalidation import invalidated_by
from gateway.flow.landing import Filling, Flight, Landing
from gateway.flow.purge_target import Target, apply_target
from gateway.flow.questions import conditions_of, confirms, discard, is_about_template, is_part_of_page, tags_of
from gateway.flow.recognise import Identity, Visit, origin_fields, selecting_values, wants_upgrade
from gateway.flow.second_level import SecondLevel
from gateway.semantics.conditional import is_strong
from gateway.semantics.dates import format_date
from gateway.semantics.fields import end_to_end
from gateway.semantics.message import Fields, Section, first
from gateway.semantics.ranges import parse_content_range
from gateway.semantics.trace_context import with_trace
from gateway.telemetry.trace import Exchange
from gateway.upstream.inflow import ArrivedBody
from gateway.upstream.origin import OriginRequest, OriginResponse

__all__ = ["Forwarder"]

logger = logging.getLogger(__name__)

SAFE = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE"})  # RFC 9110 §9.2.1
_FAILURES = frozenset({500, 502, 503, 504})  # what stale-if-error calls an error. RFC 5861 §4
_FAILURE_REMEMBERED = 2.0
"""Seconds for which a URL that brought a server error counts as uncacheable."""
_RETRY_AFTER_FAILURE = 1.0
"""Seconds for which a stale response is served without asking an origin again that has just failed."""
_ABOUT_THE_CLIENT = frozenset({Reason.REQUEST_NO_STORE, Reason.AUTHORIZATION, Reason.SET_COOKIE, Reason.COOKIE})
"""Reasons not to store one client's answer that say nothing against what is stored for all."""

FlightName = tuple[Key, bytes | None, tuple[NominatedValues, ...]]
"""Who can be served by one fetch, as far as it can be told before: the same key, the same Range, and the same values of what stored responses vary on."""


class Forwarder:
    """Everything that leads to an origin. One for the process; belongs to its event loop.

    clock: epoch seconds that never go back. on_page: told of each page that is compiled to be stored, or of ESI tags in one that is not assembled.
    level2: what is shared with other processes; None when there is nothing. announce: tells all processes that something is not to be used any more.
    """

    def __init__(
        self, store: Store, ledger: Ledger, uncacheable: Uncacheable, identity: Identity, clock: Callable[[], float]
    ) -> None:
        self.store = store
        self.ledger = ledger
        self.uncacheable = uncacheable
        self.identity = identity
        self.clock = clock
        self.flights: dict[FlightName, Flight] = {}
        self.origin_requests = 0
        self.collapsed = 0
        self.on_page: Callable[[Program | None, int], None] = lambda _program, _raw: None
        self.level2: SecondLevel | None = None
        self.announce: Callable[[Target], None] = lambda target: apply_target(self.ledger, target, Verdict.HARD)
        self._tasks: set[asyncio.Task[None]] = set()

    # ---------------------------------------------------------------- fetches that may be shared

    def flight_for(self, visit: Visit, entry: Entry | None) -> tuple[Flight, bool]:
        """The fetch under way that can serve visit too, or a new one. True: it is new, and visit's own."""
        name = self._flight_name(visit)
        flight = self.flights.get(name)
        if flight is not None and not self._is_overtaken(visit, flight):
            self.collapsed += 1
            return flight, False
        flight = Flight(self.ledger.sequence, self.clock())
        self.flights[name] = flight
        flight.task = self._start(self._fly(flight, name, visit, entry))
        return flight, True

    def refresh(self, visit: Visit, entry: Entry) -> None:
        """Renew entry in the background, unless that is under way already. RFC 5861 §3."""
        visit = _without_client(visit)
        name = self._flight_name(visit)
        flight = self.flights.get(name)
        if flight is None or self._is_overtaken(visit, flight):
            flight = Flight(self.ledger.sequence, self.clock())
            self.flights[name] = flight
            flight.task = self._start(self._renew(flight, name, visit, entry))

    def is_under_way(self, visit: Visit) -> bool:
        """Whether a fetch is under way that visit can join."""
        flight = self.flights.get(self._flight_name(visit))
        return flight is not None and not self._is_overtaken(visit, flight)

    def _is_overtaken(self, visit: Visit, flight: Flight) -> bool:
        """A purge has hit what it brings."""
        return self.ledger.is_hit(visit.key, visit.route.name, flight.tags, flight.stamp)

    def _flight_name(self, visit: Visit) -> FlightName:
        shelf = self.store.shelf(visit.key)
        variant = tuple([selecting_values(names, visit.request, visit.route) for names in shelf.groups if names]) if shelf else ()
        return visit.key, visit.request.section.get(b"range"), variant

    async def aclose(self) -> None:
        """Give up whatever is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _fly(self, flight: Flight, name: FlightName, visit: Visit, entry: Entry | None, *, awaited: bool = True) -> None:
        landing = None
        try:
            if self.level2 is None:
                landing = await self._fetch(visit, entry, flight.stamp)
            else:
                ask_origin = partial(self._fetch, visit, stamp=flight.stamp)
                landing = await self.level2.obtain(visit, flight, entry, ask_origin, awaited=awaited)
                if self.level2.is_too_large(landing):
                    self.level2.settle(visit, flight, landing)
            shareable = landing.filling
            if shareable is None:
                self._forget(name, flight)
            else:
                flight.tags = shareable.tags
                if not awaited:
                    shareable.spool.expect_nobody()
            flight.land(landing)
            if shareable is not None and not shareable.spool.done:
                await self._fill(visit, shareable, landing.response, flight.stamp)
        except asyncio.CancelledError as stop:
            flight.crash(stop)
            raise
        except Exception as error:
            logger.exception("fetch failed", extra={"route": visit.route.name})
            flight.crash(error)
        finally:
            self._forget(name, flight)
            if self.level2 is not None:
                self.level2.settle(visit, flight, landing)

    async def _renew(self, flight: Flight, name: FlightName, visit: Visit, entry: Entry) -> None:
        """A flight that no client waits for."""
        await self._fly(flight, name, visit, entry, awaited=False)
        landing = flight.landing
        if landing is None:
            return  # logged where it happened
        if landing.filling is None and landing.response is not None:  # what came can't be stored: what is stored has had its time
            await discard(landing.response)
            entry.stale_until = self.clock()

    def _forget(self, name: FlightName, flight: Flight) -> None:
        if self.flights.get(name) is flight:
            del self.flights[name]

    async def _fetch(self, visit: Visit, entry: Entry | None, stamp: int) -> Landing:
        """One exchange with the origin, up to the response head."""
        conditions = conditions_of(visit, entry)
        sent = origin_fields(visit, self.identity, shared=True, conditions=conditions)
        request = OriginRequest(b"GET", visit.key[2], sent, interim=visit.interim)
        try:
            response = await self._exchange(visit, request)
        except UpstreamError as error:
            return self.fall_back(entry, error, 0)
        took = response.response_time - response.request_time
        if response.status == 304 and entry is not None and conditions:
            if not confirms(response, entry):
                self._drop(entry)
                return await self._fetch(visit, None, stamp)
            renewed = self._freshen(visit, entry, sent, response, stamp)
            return Landing(entry=renewed, fwd_status=304, origin_time=took)
        if response.status in _FAILURES and entry is not None and self._may_stand_in(entry):
            await discard(response)
            return self.fall_back(entry, None, response.status)
        if response.status == 206 and is_part_of_page(visit, response):
            await discard(response)
            visit.whole = True
            return await self._fetch(visit, None, stamp)
        if response.status == 206 and b"range" not in visit.request.section:
            return await self._complete(visit, entry, sent, response, stamp)
        judgement = self._judge(visit, response)
        if isinstance(judgement, NotStored):
            self._note_uncacheable(visit, response.status)
            if (
                entry is not None
                and response.status < 500
                and judgement.reason not in _ABOUT_THE_CLIENT
                and entry.fresh_until <= self.clock()
            ):
                self._drop(entry)  # a full response: what is stored is not suitable any more. §4.3.3
            return Landing(response=response, reason=judgement.reason, fwd_status=response.status, origin_time=took)
        self.uncacheable.forget(visit.crowd)
        filling = self._begin(visit, sent, response, judgement)
        self._take_at_hand(visit, filling, response, stamp)
        return Landing(filling=filling, response=response, fwd_status=response.status, origin_time=took)

    async def _exchange(self, visit: Visit, request: OriginRequest) -> OriginResponse:
        noted = _note(visit, request)
        try:
            response = await visit.route.origin.exchange(request)
        except UpstreamError as error:
            if not isinstance(error, UpstreamUnavailable):  # then it was not asked
                self.origin_requests += 1
            if noted is not None:
                noted.end(0, error.reason)
            raise
        if noted is not None:
            noted.end(response.status)
        self.origin_requests += 1
        inclusion, esi = visit.inclusion, visit.route.esi
        if esi.applies(response.status, response.section, forced=inclusion is not None and inclusion.esi):
            try:
                make_readable(response, esi)
            except UpstreamError:
                await discard(response)
                raise
        elif esi.strip and esi.suits(response.section.get(b"content-type")):
            strip_markup(response, lambda raw: self.on_page(None, raw))
        if inclusion is not None and inclusion.ttl is not None and response.status in (200, 203, 204):
            personal = any(name in (b"cookie", b"authorization") for name, _ in request.fields)
            response.fields = with_lifetime(response.fields, inclusion.ttl, visit.route.policy, personal=personal)
        skew = self.clock() - response.response_time  # one clock for everything that is compared with everything
        response.response_time += skew
        response.request_time += skew
        return response

    def case_of(self, visit: Visit, response: OriginResponse, method: bytes = b"GET") -> Case:
        """What is judged when response answers a fetch of visit."""
        return Case(
            method,
            visit.key,
            visit.request.section,
            response.status,
            response.section,
            visit.route.policy,
            request_time=response.request_time,
            response_time=response.response_time,
            has_body=visit.request.has_body,
            no_store=visit.ask.no_store,
            length=response.length,
        )

    def _judge(self, visit: Visit, response: OriginResponse, method: bytes = b"GET") -> Judgement:
        return decide(self.case_of(visit, response, method))

    def _begin(self, visit: Visit, sent: Fields, response: OriginResponse, terms: Stored) -> Filling:
        policy, esi, said = visit.route.policy, visit.route.esi, response.section
        fields = stored_fields(response.fields, terms, policy.tag_fields, format_date(response.response_time))
        is_page = esi.applies(response.status, said)
        if not is_page:
            fields = esi.conceal(fields)
        extent = parse_content_range(first(fields, b"content-range")) if response.status == 206 else None
        if extent is not None:
            fields = [field for field in fields if field[0] != b"content-range"]
        kept = Section(fields)
        terms.transform = may_compress(response.status, kept, response.length, visit.route.compression, transform=terms.transform)
        if terms.transform:
            fields = vary_on_encoding(kept)
        nominated = nominated_values(terms.vary, sent) if terms.vary else ()
        tags = tags_of(said, policy.tag_fields)
        filling = Filling(
            response.status,
            fields,
            terms,
            nominated=nominated,
            tags=tags,
            length=response.length,
            extent=extent,
            kept=kept,
            withheld=[field for field in end_to_end(response.fields) if field[0] in terms.omit] if terms.omit else [],
        )
        filling.esi = is_page
        filling.markup = is_page and esi.has_markup(said)
        return filling

    def _take_at_hand(self, visit: Visit, filling: Filling, response: OriginResponse, stamp: int) -> None:
        """Store it here and now when there is nothing to wait for: no content, or one that was there as soon as its head, as that of most pages is."""
        body, spool = response.body, filling.spool
        if isinstance(body, ArrivedBody):
            if response.length is None and body.size > visit.route.policy.max_object_bytes:
                return  # longer than it may be, and nobody has said so: _fill knows what to do
            if content := body.take():
                spool.feed(content)
        elif body is not None:
            return
        spool.finish()
        self._shelve(visit, filling, stamp)

    async def _fill(self, visit: Visit, filling: Filling, response: OriginResponse | None, stamp: int) -> None:
        """Take the body in, for all readers and for the store."""
        assert response is not None
        body, spool = response.body, filling.spool
        assert body is not None
        limit = visit.route.policy.max_object_bytes
        try:
            async for chunk in body:
                spool.feed(chunk)
                if spool.kept and spool.size > limit:
                    spool.let_go()
                    self.flights = {name: flight for name, flight in self.flights.items() if name[0] != visit.key}
                    self.uncacheable.remember(visit.crowd, self.clock(), visit.route.policy.uncacheable_ttl)
                if not spool.is_read and (not spool.kept or (spool.was_read and response.length is None)):
                    raise UpstreamTruncated("every reader has left")
                if not spool.kept:
                    await spool.room()
        except UpstreamError as error:
            spool.finish(error)
        except asyncio.CancelledError:
            spool.finish(UpstreamTruncated("the gateway is stopping"))
            raise
        else:
            if spool.kept:
                self._shelve(visit, filling, stamp)
            spool.finish()
        finally:
            if not spool.done:  # storing it failed, which is no fault of those who read
                spool.finish()
            await body.aclose()

    def _shelve(self, visit: Visit, filling: Filling, stamp: int) -> None:
        """The body is whole: make the entry and store it, unless a purge came in between."""
        fields, body, terms = filling.fields, filling.spool.body(), filling.terms
        parts = None
        status, length = filling.status, len(body)
        if filling.extent is not None:
            start, stop, complete = filling.extent
            settled = settle_extent(start, stop, complete, body)
            if settled is None:
                return
            start, total = settled
            parts = self._join_held(visit, filling, start, body)
            whole = len(parts) == 1 and parts[0][0] == 0 and len(parts[0][1]) == total
            status, body, parts = (200, parts[0][1], None) if whole else (206, b"", parts)
            length = total  # type: ignore[assignment]
        elif len(body) < visit.route.compression.min_bytes and not filling.esi:
            terms.transform = False
        entry = Entry(
            visit.key,
            visit.route.name,
            status,
            fields,
            body,
            terms,
            nominated=filling.nominated,
            tags=filling.tags,
            stamp=stamp,
            parts=parts,
            length=length,
            said=filling.kept,
        )
        if filling.esi:
            entry.esi = True
            if len(body) <= COMPILED_AT_ONCE or not filling.markup:
                entry.program = compile_body(body, first(fields, b"content-type"), markup=filling.markup)
                entry.cost += entry.program.size
                self.on_page(entry.program, 0)
        elif visit.route.esi.suits(first(fields, b"content-type")) and (raw := count_markup(body)):
            self.on_page(None, raw)
        filling.entry = entry
        filling.purged = self.ledger.is_hit(entry.key, entry.route, entry.tags, stamp)
        if not filling.purged:
            self._keep(entry)
            if entry.program is not None and entry.program.inlines:
                for fragment in inline_entries(entry, terms, visit.route, stamp):
                    if self.store.shelf(fragment.key) is None:  # what the origin itself says of that URL goes first
                        self.store.put(fragment)

    def _join_held(self, visit: Visit, filling: Filling, start: int, octets: bytes) -> tuple[tuple[int, bytes], ...]:
        """The parts held already, when they are surely of the same representation, and the new one. RFC 9111 §3.4."""
        shelf = self.store.shelf(visit.key)
        held = shelf.groups.get(filling.terms.vary, {}).get(filling.nominated) if shelf else None
        etag = first(filling.fields, b"etag")
        if held is None or held.parts is None or not is_strong(etag) or etag != held.etag:
            return ((start, octets),)
        return combine(held.parts, start, octets)

    async def _complete(self, visit: Visit, entry: Entry | None, sent: Fields, response: OriginResponse, stamp: int) -> Landing:
        """The client wants the whole, we held a part and asked for the rest. What can't be joined is fetched anew."""
        judgement = self._judge(visit, response)
        if entry is not None and isinstance(judgement, Stored) and response.body is not None:
            filling = self._begin(visit, sent, response, judgement)
            await self._fill(visit, filling, response, stamp)
            if filling.entry is not None and filling.entry.parts is None:
                return Landing(entry=filling.entry, fwd_status=206)
        else:
            await discard(response)
        if entry is not None:
            self._drop(entry)
        elif not conditions_of(visit, None):
            return Landing(error=UpstreamTruncated("a part came where the whole was asked for"))
        return await self._fetch(visit, None, stamp)

    def _freshen(self, visit: Visit, entry: Entry, sent: Fields, response: OriginResponse, stamp: int) -> Entry:
        """The stored response, confirmed and updated, and stored so where that is allowed."""
        freshened = freshen(visit, entry, sent, response, stamp)
        fresh = freshened.entry
        if not freshened.keeps:
            self._drop(entry)
        elif not self.ledger.is_hit(fresh.key, fresh.route, fresh.tags, stamp):
            if freshened.moved:
                self._drop(entry)
            self._keep(fresh)
        return fresh

    def _keep(self, entry: Entry) -> None:
        """Into memory, and to where other processes look."""
        self.store.put(entry)
        if self.level2 is not None:
            self.level2.keep(entry)

    def _drop(self, entry: Entry) -> None:
        """It is not what the origin has any more."""
        self.store.drop(entry)
        if self.level2 is not None:
            self.level2.forget(entry)

    def _may_stand_in(self, entry: Entry) -> bool:
        return entry.parts is None and self.clock() < entry.stale_error_until

    def fall_back(self, entry: Entry | None, error: UpstreamError | None, status: int) -> Landing:
        """The origin failed: the stale response, where that is allowed; else the error. RFC 5861 §4, RFC 9111 §4.2.4."""
        if entry is not None and self._may_stand_in(entry):
            entry.retry_at = self.clock() + _RETRY_AFTER_FAILURE
            return Landing(entry=entry, stale="stale-if-error" if status else error.reason if error else "", fwd_status=status)
        return Landing(error=error)

    # ---------------------------------------------------------------- responses for one client

    async def relay(self, visit: Visit, entry: Entry | None = None) -> OriginResponse:
        """Pass the request on as it is and the response back as it comes. entry: what is stored, for a HEAD to update.

        Raises UpstreamError.
        """
        request, key = visit.request, visit.key
        sent = origin_fields(visit, self.identity, shared=False)
        stamp = self.ledger.sequence
        upgrade = first(request.fields, b"upgrade") if wants_upgrade(request) else None
        response = await self._exchange(
            visit,
            OriginRequest(
                request.method,
                key[2],
                sent,
                body=request.body,
                length=request.length,
                upgrade=upgrade,
                interim=visit.interim,
                trailers=request.trailers,
            ),
        )
        if request.method == b"GET" and response.status == 206 and is_part_of_page(visit, response):
            await discard(response)
            visit.whole = True
            return await self.relay(visit, entry)
        if request.method == b"GET" and response.status == 304 and is_about_template(visit, response):
            visit.whole = True  # the client's condition was about the template, or about the page before it was one
            return await self.relay(visit, entry)
        if request.method not in SAFE and 200 <= response.status < 400:
            tags = tags_of(response.section, visit.route.policy.tag_fields)
            visit.overtaken = self.ledger.is_hit(key, visit.route.name, tags, stamp)
            self.invalidate(visit, response)
        if request.method == b"HEAD" and entry is not None and response.status == 200:
            self._update_from_head(visit, entry, sent, response, stamp)
        if request.method == b"GET" and not (visit.route.bypass or request.has_body or upgrade):
            if isinstance(self._judge(visit, response), Stored):
                self.uncacheable.forget(visit.crowd)  # the next one may be shared again
            else:
                self._note_uncacheable(visit, response.status)
        return response

    def _note_uncacheable(self, visit: Visit, status: int) -> None:
        """Requests for this URL need not wait for each other. After a failure only for a moment: what comes next may well be cacheable again."""
        ttl = visit.route.policy.uncacheable_ttl
        self.uncacheable.remember(visit.crowd, self.clock(), min(ttl, _FAILURE_REMEMBERED) if status in _FAILURES else ttl)

    async def store_post(self, visit: Visit, response: OriginResponse) -> Filling | None:
        """A response to POST that says it is what a GET of this URL would bring (RFC 9110 §9.3.3): taken in for the cache, and returned."""
        sent = origin_fields(visit, self.identity, shared=True)
        judgement = self._judge(visit, response, b"POST")
        if isinstance(judgement, NotStored) or response.body is None or visit.overtaken:
            return None
        filling = self._begin(visit, sent, response, judgement)
        name, flight = self._flight_name(visit), Flight(self.ledger.sequence, self.clock())
        flight.land(Landing(filling=filling, response=response))
        self.flights[name] = flight
        flight.task = self._start(self._fill_flight(visit, filling, response, name, flight))
        return filling

    async def _fill_flight(
        self, visit: Visit, filling: Filling, response: OriginResponse, name: FlightName, flight: Flight
    ) -> None:
        try:
            await self._fill(visit, filling, response, flight.stamp)
        finally:
            self._forget(name, flight)

    def _update_from_head(self, visit: Visit, entry: Entry, sent: Fields, response: OriginResponse, stamp: int) -> None:
        length = first(response.fields, b"content-length")
        same = (
            (length is None or length == b"%d" % (entry.length or 0))
            and first(response.fields, b"etag") in (None, entry.etag)
            and first(response.fields, b"last-modified") in (None, entry.modified)
        )
        if same:
            self._freshen(visit, entry, sent, response, stamp)
        else:
            entry.soften(self.clock(), 0.0)  # the representation has changed: validate before the next use. §4.3.5

    def invalidate(self, visit: Visit, response: OriginResponse) -> None:
        """What an unsafe request that succeeded has made invalid, everywhere. RFC 9111 §4.4.

        A URL only where something is stored or on its way, here or at others: a stranger's POSTs to a million URLs must not fill the ledger.
        """
        for target in invalidated_by(visit.key, visit.route.query, response.fields):
            kind, value = target
            if kind != "url" or self.level2 is not None or self.is_known(value):  # type: ignore[arg-type]  # a URL's value is a key
                self.announce(target)

    def is_known(self, key: Key) -> bool:
        """Whether something is stored here under key, or on its way."""
        return self.store.shelf(key) is not None or any(name[0] == key for name in self.flights)


def _note(visit: Visit, request: OriginRequest) -> Exchange | None:
    """An exchange of a request that is followed, from now on; the origin is told of it as its parent."""
    trace = visit.trace
    if trace is None or trace.context is None:
        return None
    host = first(request.fields, b"host") or b""
    exchange = Exchange(visit.route.origin_name, host.decode("latin-1"), request.method.decode("latin-1"), request.target)
    trace.exchanges.append(exchange)
    request.fields = with_trace(request.fields, trace.context._replace(parent_id=exchange.span_id))
    return exchange


def _without_client(visit: Visit) -> Visit:
    """The same question, asked by ourselves."""
    copy = Visit(visit.request, visit.route, visit.key[2], visit.started, visit.request_id)
    copy.key = visit.key  # a guest's is not that of its host
    copy.interim = None
    copy.inclusion = visit.inclusion
    return copy
