"""Several servers behind one origin name: round robin over those that are well; over all of them when none is (panic mode).

Panic mode because an origin that is thought ill sometimes answers, and one that isn't asked never does (Envoy's panic threshold).
An exchange goes on to the next server only when nothing was sent to the first: refused, or not asked at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from gateway.errors import UpstreamRefused, UpstreamUnavailable
from gateway.upstream.health import GuardedOrigin
from gateway.upstream.origin import OriginRequest, OriginResponse

__all__ = ["BalancedOrigin"]


class BalancedOrigin:
    """An Origin over one or more guarded ones. `panics` counts exchanges made although every server was ill."""

    def __init__(self, members: Sequence[GuardedOrigin]) -> None:
        if not members:
            raise ValueError("expected at least one origin server")
        self.members = tuple(members)
        self.panics = 0
        self._next = 0

    async def exchange(self, request: OriginRequest) -> OriginResponse:
        """See Origin.exchange. Each server is asked at most once; the error raised is that of the last one."""
        if len(self.members) == 1:
            return await self.members[0].exchange(request)  # nothing to fall back on: a quick 503 beats a slow one
        failure: UpstreamRefused | UpstreamUnavailable | None = None
        turn = self._next
        self._next = (turn + 1) % len(self.members)
        order = self.members[turn:] + self.members[:turn]
        for member in order:
            if not member.is_available():
                continue
            try:
                return await member.exchange(request)
            except (UpstreamRefused, UpstreamUnavailable) as error:
                failure = error
        if failure is not None:
            raise failure
        self.panics += 1
        return await order[0].exchange_anyway(request)

    def counters(self) -> Mapping[str, int]:
        """Return the sums over all servers, but for `state`; and panics, members, available."""
        total: Counter[str] = Counter()
        for member in self.members:
            total.update({name: count for name, count in member.counters().items() if name != "state"})
        total["panics"] = self.panics
        total["members"] = len(self.members)
        total["available"] = sum(member.is_available() for member in self.members)
        return dict(total)

    def start(self) -> None:
        """Begin the active checks of all servers."""
        for member in self.members:
            member.start()

    async def aclose(self) -> None:
        """Close all servers."""
        for member in self.members:
            await member.aclose()
