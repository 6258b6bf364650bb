"""Origins of earlier settings: they end what has been begun with them, keep nothing, and stay counted, for a counter must not go back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from gateway.composition.gauges import UP_AND_DOWN, counted_of_server
from gateway.composition.origins import AnyOrigin
from gateway.composition.sources import Sources
from gateway.upstream.balance import BalancedOrigin
from gateway.upstream.guests import GuestOrigins

__all__ = ["Succession"]


class Succession:
    """Who has been replaced. One event loop."""

    def __init__(self) -> None:
        self._leaving: list[tuple[str, AnyOrigin]] = []
        self._guests: list[GuestOrigins] = []
        self._past: dict[tuple[str, str], Counter[str]] = {}  # by origin and server, or by origin and nothing

    def take_over(self, before: Sources, after: Sources) -> None:
        """after holds from now on: start whom it has brought, retire whom it has not kept."""
        for origin in after.origins.values():
            origin.start()
        origins, guests = before.without(after)
        for name, origin in origins.items():
            origin.retire()
            self._leaving.append((name, origin))
        if guests is not None:
            guests.retire()
            self._guests.append(guests)

    def sweep(self) -> None:
        """Let those go that have nothing under way. A request that is still on the way to one of them is answered all the same, and not counted any more."""
        leaving, self._leaving = self._leaving, []
        for name, origin in leaving:
            counters = origin.counters()
            if counters.get("connections_open") or counters.get("waiting"):
                self._leaving.append((name, origin))
            else:
                for place, counted in _counted(name, origin):
                    self._past.setdefault(place, Counter()).update(counted)
        self._guests = [guests for guests in self._guests if guests.counters().get("connections_open")]

    def past_of(self, name: str, server: str) -> Mapping[str, int]:
        """What the earlier origins of this name have counted, together; or, where a server is named, they with that one."""
        total = Counter(self._past.get((name, server), {}))
        for other, origin in self._leaving:
            for place, counted in _counted(other, origin):
                if place == (name, server):
                    total.update(counted)
        return total

    async def aclose(self) -> None:
        """Refuse whatever else is asked of them."""
        for _, origin in self._leaving:
            await origin.aclose()
        for guests in self._guests:
            await guests.aclose()


def _counted(name: str, origin: AnyOrigin) -> Iterator[tuple[tuple[str, str], dict[str, int]]]:
    """What an origin has counted that only goes up, by name and server."""
    yield (name, ""), {word: count for word, count in origin.counters().items() if word not in UP_AND_DOWN}
    if isinstance(origin, BalancedOrigin):
        for server in origin.members:
            yield (name, server.name), counted_of_server(server)
