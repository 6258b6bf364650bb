"""Between a miss and the origin: what other processes have stored, and who of all asks the origin.

    look ──▶ found, and of use ──▶ into memory; the request looks there again
      │
      ├──▶ somebody is fetching it ──▶ look again, soon, and for as long as one waits for others
      ├──▶ nobody shares what comes of it ──▶ ask the origin
      └──▶ claim ──▶ look once more ──▶ ask the origin, store it here and there, release

A level 2 that is away, or whose log of purges is not heard, is passed by.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from fragments.esi.program import Program
from gateway.cache.entry import Entry
from gateway.cache.envelope import Recalled
from gateway.cache.plan import Refuse, Reuse, plan
from gateway.cache.purges import Ledger, Verdict
from gateway.cache.store import Store
from gateway.cache.tier import Lease, Tier
from gateway.cache.variant import VaryNames
from gateway.errors import RedisUnavailable
from gateway.flow.assembly.inline_fragments import inline_entries
from gateway.flow.assembly.template import COMPILED_AT_ONCE, compile_body
from gateway.flow.landing import Flight, Landing
from gateway.flow.recognise import Visit, selecting_values
from gateway.semantics.message import first

__all__ = ["SecondLevel"]

Fetch = Callable[[Entry | None], Awaitable[Landing]]

_FIRST_PAUSE = 0.003
_LONGEST_PAUSE = 0.03
"""Seconds between two looks while somebody else fetches."""
_LATE = "late"
_ALONE = 2.0
"""Seconds for which others need not wait for what nobody can share; after that their own memory of the uncacheable serves."""


class SecondLevel:
    """Level 2 as the flow uses it. One for the process.

    clock: epoch seconds. soft_grace: see Lookup. is_live: whether purges of other processes are heard now.
    lease: seconds for which one process may fetch for all before it has to say that it is still there; 0: each fetches by itself.
    """

    def __init__(
        self,
        tier: Tier,
        store: Store,
        ledger: Ledger,
        clock: Callable[[], float],
        is_live: Callable[[], bool],
        *,
        soft_grace: float = 60.0,
        lease: float = 2.0,
    ) -> None:
        self.tier = tier
        self.store = store
        self.ledger = ledger
        self.clock = clock
        self.is_live = is_live
        self.soft_grace = soft_grace
        self.lease = lease
        self._prolonging: set[asyncio.Task[None]] = set()
        self.outcomes = {"hit": 0, "stale": 0, "miss": 0, "waited": 0, "unavailable": 0}

    async def obtain(self, visit: Visit, flight: Flight, entry: Entry | None, fetch: Fetch, *, awaited: bool) -> Landing:
        """What answers visit: from level 2, or by fetch. entry: what is stored in memory and not good enough. awaited: a client waits for it."""
        ask = visit.ask
        if visit.raised or ask.no_cache or ask.no_store or not self.is_live():
            return await fetch(entry)
        try:
            raised, entry = await self._look_around(visit, flight, entry, awaited=awaited)
        except RedisUnavailable:
            self.outcomes["unavailable"] += 1
        else:
            if raised is not None:
                self.outcomes["hit" if raised.fresh_until > self.clock() else "stale"] += 1
                return Landing(entry=raised, raised=True)
            self.outcomes["miss"] += 1
        return await fetch(entry)

    async def _look_around(
        self, visit: Visit, flight: Flight, entry: Entry | None, *, awaited: bool
    ) -> tuple[Entry | None, Entry | None]:
        """(an entry of use, the best entry to ask the origin about). Returns when somebody has to ask, and it is us. Raises RedisUnavailable."""
        crowd, tier = visit.crowd, self.tier
        deadline, pause = self.clock() + visit.route.collapse_timeout, _FIRST_PAUSE
        while True:
            try:
                look = await tier.look(crowd, partial(_select, visit), self.ledger.positions.sequence_at)
            except RedisUnavailable as error:
                if error.reason == _LATE and self.clock() < deadline:
                    continue  # the answer was there, and we were too busy to see it: an origin need not suffer for that
                raise
            raised = self._raise(visit, look.found, entry)
            if raised is not None:
                decision = plan(raised, visit.ask, self.clock())
                if isinstance(decision, Reuse) and (awaited or not decision.refresh):
                    return raised, entry
                if not isinstance(decision, Refuse) and decision.entry is not None:
                    entry = raised
            if flight.claim is not None or look.lease is Lease.ALONE or not self.lease:
                return None, entry
            if first(visit.request.fields, b"range") is not None:
                return None, entry  # what comes may be a part, which nobody else can use
            if look.lease is Lease.FREE:
                flight.claim = await tier.claim(crowd, self.lease)
                self._prolong_later(visit, flight)
            elif self.clock() >= deadline:
                return None, entry
            else:
                self.outcomes["waited"] += 1
                await asyncio.sleep(pause)
                pause = min(pause * 1.6, _LONGEST_PAUSE)

    def _prolong_later(self, visit: Visit, flight: Flight) -> None:
        """A claim is short, so that nobody waits long for a process that has died; most fetches are shorter."""
        if flight.claim is not None:
            flight.keeper = asyncio.get_running_loop().call_later(self.lease / 3, self._prolong, visit, flight)

    def _prolong(self, visit: Visit, flight: Flight) -> None:
        async def prolong(claim: bytes) -> None:
            with suppress(RedisUnavailable):  # then it runs out, and others ask for themselves
                if await self.tier.prolong(visit.crowd, claim, self.lease):
                    self._prolong_later(visit, flight)

        if flight.claim is not None:
            task = asyncio.get_running_loop().create_task(prolong(flight.claim))
            self._prolonging.add(task)
            task.add_done_callback(self._prolonging.discard)

    def _raise(self, visit: Visit, found: Recalled | None, entry: Entry | None) -> Entry | None:
        """What was found, in memory; None when purges have hit it, or what is in memory is as good."""
        if found is None or found.entry.route != visit.route.name:
            return None
        raised = found.entry
        verdict = self.ledger.verdict(raised)
        if verdict is Verdict.HARD:
            return None
        if entry is not None and (verdict is Verdict.SOFT or raised.fresh_until <= entry.fresh_until):
            return None  # softening it anew would give it another time of grace
        if raised.esi and (found.is_text or len(raised.body) <= COMPILED_AT_ONCE):
            raised.program = compile_body(raised.body, first(raised.fields(), b"content-type"), markup=not found.is_text)
            raised.cost += raised.program.size
        self.store.put(raised)
        if raised.program is not None and raised.program.inlines:
            for fragment in inline_entries(raised, found.terms, visit.route, raised.stamp):
                if self.store.shelf(fragment.key) is None:
                    self.store.put(fragment)
        if verdict is Verdict.SOFT:
            raised.soften(self.clock(), self.soft_grace)
        return raised

    # ------------------------------------------------------------------------------------------------ what we fetched

    def keep(self, entry: Entry) -> None:
        """It has been stored in memory: there too."""
        place = self.ledger.positions.place_of(entry.stamp)
        if place is not None:
            self.tier.keep(entry, place, self.clock(), is_text=_is_text(entry))

    def forget(self, entry: Entry) -> None:
        """It has been taken out of memory, since it is wrong."""
        self.tier.forget(entry.key)

    def is_too_large(self, landing: Landing) -> bool:
        """Whether others wait in vain for what is on its way."""
        filling = landing.filling
        return filling is not None and filling.length is not None and filling.length > self.tier.max_object_bytes

    def settle(self, visit: Visit, flight: Flight, landing: Landing | None) -> None:
        """The fetch is over: who waits for it finds it, or is told not to wait. landing: None when it broke."""
        claim, flight.claim = flight.claim, None
        if claim is None:
            return
        if flight.keeper is not None:
            flight.keeper.cancel()
        entry = None
        if landing is not None and not landing.stale:
            entry = landing.entry if landing.filling is None else landing.filling.entry
        shared = entry is not None and (entry.queue is not None or (landing is not None and landing.raised))
        is_kept = shared and entry is not None and self.tier.takes(entry, self.clock())
        self.tier.release(visit.crowd, claim, alone=0.0 if is_kept else _ALONE)


def _select(visit: Visit, names: VaryNames) -> tuple[bytes | None, ...]:
    return selecting_values(names, visit.request, visit.route)


def _is_text(entry: Entry) -> bool:
    program = entry.program
    return isinstance(program, Program) and program.is_text
