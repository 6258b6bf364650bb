"""Several servers behind one origin name: the one with the least to do first, in turns where that is equal; over all of them when too many are ill (panic mode).

    exchange ──▶ servers that are well, the least busy first ──▶ refused, or a probe that failed ──▶ the next, while the retry budget lasts
             └─▶ all of them, when more than `max_ejected` are ill

A server is out while its breaker is open or its checks fail (health.py); of several servers a 5xx counts as a failure, since another one may do better. Panic mode,
because an origin that is thought ill sometimes answers, one that isn't asked never does, and the last healthy server would not carry the load of all
(Envoy's outlier detection and panic threshold).

An exchange goes on to the next server only when nothing was sent to the first (refused, or not asked at all); or when the first was on probation and the
request is safe (RFC 9110 §9.2.1), so that no visitor pays for finding out that a server is still ill.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from gateway.errors import UpstreamError, UpstreamRefused, UpstreamUnavailable
from gateway.upstream.health import GuardedOrigin
from gateway.upstream.origin import OriginRequest, OriginResponse
from gateway.upstream.retry_budget import RetryBudget

__all__ = ["BalancedOrigin"]

_FIRST_SERVER_ERROR = 500
_NOT_CONNECTED = frozenset({"connection_timeout", "dns_timeout"})
_SAFE = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE"})


class BalancedOrigin:
    """An Origin over one or more guarded ones. One event loop, any number of tasks.

    max_ejected     share of the servers, 0 to 1, that may be left out at once; one always may, as long as there are two
    budget, clock   how often an exchange may go on to another server; monotonic seconds. None: always
    panics          counts exchanges made although too many servers were ill
    """

    def __init__(
        self,
        members: Sequence[GuardedOrigin],
        *,
        max_ejected: float = 1.0,
        budget: RetryBudget | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        if not members:
            raise ValueError("expected at least one origin server")
        self.members = tuple(members)
        self.panics = 0
        self.moves = 0
        self.withheld = 0
        self._most_ill = min(len(members) - 1, max(1, int(len(members) * max_ejected)))
        self._budget = budget
        self._clock = clock
        self._busy = dict.fromkeys(self.members, 0)
        self._next = 0

    @property
    def state(self) -> str:
        """`closed` when all servers are well, `partly` when some are, `open` when none is."""
        well = sum(member.is_available() for member in self.members)
        return "closed" if well == len(self.members) else "partly" if well else "open"

    def is_available(self) -> bool:
        """Whether some server is well. Asked is one in any case."""
        return any(member.is_available() for member in self.members)

    async def exchange(self, request: OriginRequest) -> OriginResponse:
        """See Origin.exchange. Each server is asked at most once; the error raised is that of the last one."""
        if len(self.members) == 1:
            return await self.members[0].exchange(request)  # nothing to fall back on: a quick 503 beats a slow one
        turn = self._next
        self._next = (turn + 1) % len(self.members)
        order = sorted(self.members[turn:] + self.members[:turn], key=self._busy.__getitem__)
        well = [member for member in order if member.is_available()]
        panic = len(order) - len(well) > self._most_ill
        if panic:
            self.panics += 1
        safe = request.method in _SAFE and request.body is None and request.upgrade is None
        if not panic and not safe:  # may be asked once only: of those on probation, only where there is no other
            well.sort(key=lambda member: member.state != "closed")
        return await self._ask_in_turn(order if panic else well, request, safe=safe, panic=panic)

    async def _ask_in_turn(
        self, order: list[GuardedOrigin], request: OriginRequest, *, safe: bool, panic: bool
    ) -> OriginResponse:
        failure: UpstreamError | None = None
        response: OriginResponse | None = None
        for index, member in enumerate(order):
            if index:
                if not self._may_go_on():
                    break
                self.moves += 1
                if response is not None and response.body is not None:
                    await response.body.aclose()
            failure = response = None
            on_probation = safe and not panic and member.state != "closed"
            self._busy[member] += 1
            try:
                response = await (member.exchange_anyway(request) if panic else member.exchange(request))
            except UpstreamError as error:
                if not on_probation and not _was_not_sent(error):
                    raise
                failure = error
            finally:
                self._busy[member] -= 1
            if response is not None and (response.status < _FIRST_SERVER_ERROR or not on_probation):
                return response
        if failure is not None:
            raise failure
        assert response is not None
        return response

    def _may_go_on(self) -> bool:
        if self._budget is None or self._clock is None or self._budget.take(self._clock()):
            return True
        self.withheld += 1
        return False

    def counters(self) -> Mapping[str, int]:
        """Return the sums over all servers, but for `state`; and panics, moves (to another server), members, available."""
        total: Counter[str] = Counter()
        for member in self.members:
            total.update({name: count for name, count in member.counters().items() if name != "state"})
        total["panics"] = self.panics
        total["moves"] = self.moves
        total["retries_withheld"] += self.withheld
        total["members"] = len(self.members)
        total["available"] = sum(member.is_available() for member in self.members)
        return dict(total)

    def start(self) -> None:
        """Begin the active checks of all servers."""
        for member in self.members:
            member.start()

    def retire(self) -> None:
        """See GuardedOrigin.retire."""
        for member in self.members:
            member.retire()

    async def aclose(self) -> None:
        """Close all servers."""
        for member in self.members:
            await member.aclose()


def _was_not_sent(error: UpstreamError) -> bool:
    """No server has seen the request: even an unsafe one can't be doubled."""
    return isinstance(error, (UpstreamRefused, UpstreamUnavailable)) or error.reason in _NOT_CONNECTED
