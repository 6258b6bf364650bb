"""What a visitor gets while no origin is to be asked for more (admission.py says when): what is stored, though stale, or a quick refusal.

A request that joins a fetch under way costs no origin anything: it waits with the others. A page whose template is in memory goes out with the fragments that are
there too; what becomes of a missing one is for the page to say, as with any fragment that fails.
"""

from __future__ import annotations

import re
from typing import Protocol

from gateway.cache.entry import Entry
from gateway.cache.plan import Forward, Plan, Reuse
from gateway.errors import BadRequest, GatewayError, Overloaded
from gateway.flow.admission import Admission, Shed
from gateway.flow.recognise import Visit, wants_upgrade
from gateway.flow.response import Response
from gateway.flow.routes import Route
from gateway.semantics.message import Fields, Request, first

__all__ = ["Shedding"]


_TARGET = re.compile(rb"/[!-~]*")
_SPELLINGS = 64
"""Values of Accept for which a refusal is kept: browsers send a handful, and others need not fill our memory."""


class Flow(Protocol):
    """What is asked of the rest of the flow (page.Page is it)."""

    def recognise(self, request: Request) -> Visit:
        """Raises BadRequest."""

    def look(self, visit: Visit, now: float) -> Plan:
        """What is stored for visit."""

    def serve_now(self, visit: Visit, decision: Reuse, now: float) -> Response | None:
        """The answer from a stored response; None when that takes an await."""

    def is_under_way(self, visit: Visit) -> bool:
        """Whether somebody is fetching just that."""

    def route_of_missing(self, scheme: bytes, host: bytes, target: bytes) -> Route | None:
        """The route of what is neither stored nor being fetched; None for anything else."""

    def failed(self, visit: Visit, error: GatewayError, reason: str) -> Response:
        """The answer that says that there is none."""


class Shedding:
    """flow: the page that this is part of."""

    def __init__(self, flow: Flow, admission: Admission) -> None:
        self.flow = flow
        self.admission = admission
        self._ready: dict[tuple[str, bytes], Response] = {}
        self._second = -1

    def refuse_ready(self, scheme: bytes, host: bytes, target: bytes, fields: Fields, now: float) -> Response | None:
        """For the hot lane: the refusal of a plain GET for what is not there; one answer, id included, for all that get the same in this second.

        None for what has to be looked at. Refusals must cost little, or they are what there is too much of: loadtests/bench/lane_cost.py.
        """
        route = self.flow.route_of_missing(scheme, host, target)
        if route is None or _TARGET.fullmatch(target) is None:
            return None
        if int(now) != self._second:
            self._second = int(now)
            self._ready.clear()
        accept = first(fields, b"accept") or b""
        ready = self._ready.get((route.name, accept))
        if ready is not None:
            self.admission.count(Shed.REFUSED)
            return ready
        response = self.answer_now(Request(b"GET", target, host, fields, scheme=scheme), now)
        if response is not None and response.status == Overloaded.status and len(self._ready) < _SPELLINGS:
            self._ready[route.name, accept] = response
        return response

    def answer_now(self, request: Request, now: float) -> Response | None:
        """For the listener, before a task is made: the answer, or None for what has to go the long way. No await; 5 ms would be a long time here.

        request: answer_now of the page had nothing for it. now: epoch seconds.
        """
        if request.has_body or first(request.fields, b"weft-debug") is not None:
            return None
        flow = self.flow
        try:
            visit = flow.recognise(request)
        except BadRequest:
            return None  # refused on the long way, in its own words
        visit.spare = True
        if request.method in (b"GET", b"HEAD") and not visit.route.bypass and not wants_upgrade(request):
            decision = flow.look(visit, now)
            if isinstance(decision, Reuse):
                return flow.serve_now(visit, decision, now) if request.method == b"GET" else None
            if not isinstance(decision, Forward) or flow.is_under_way(visit):
                return None
        return self.refuse(visit)

    def lower(self, decision: Plan, now: float) -> Plan:
        """The plan for a visit that is to spare the origins: what is stored, wherever it may stand in for a failing origin. RFC 5861 §3, §4."""
        if isinstance(decision, Reuse):
            if not decision.refresh:
                return decision
            return Reuse(decision.entry, stale=True)
        entry = decision.entry if isinstance(decision, Forward) else None
        if entry is None or not may_stand_in(entry, now):
            return decision
        return Reuse(entry, stale=now >= entry.fresh_until)

    def may_refresh(self, under_way: int) -> bool:
        """Whether something may be renewed in the background. under_way: fetches."""
        if self.admission.may_refresh(under_way):
            return True
        self.admission.count(Shed.REFRESH)
        return False

    def refuse(self, visit: Visit) -> Response:
        """503 with Retry-After; for an include, what makes the page do without it."""
        self.admission.count(Shed.FRAGMENT if visit.inclusion is not None else Shed.REFUSED)
        return self.flow.failed(
            visit, Overloaded("too many requests wait for an origin", self.admission.retry_after), "overloaded"
        )


def may_stand_in(entry: Entry, now: float) -> bool:
    """Whether entry may be served though the origin does not confirm it. RFC 5861 §4."""
    return entry.parts is None and now < entry.stale_error_until
