"""Who may begin to ask an origin while there is more to do than can be done. A pure machine: the loop's lag and the time are told to it.

    in memory ──▶ always answered, nobody is asked here
    else      ──▶ fewer than `limit` under way ──▶ goes on
                  limit reached ──▶ stale, where that may stand in ──▶ else 503

`limit` is max_in_flight while the loop is on time. As soon as it is late by more than max_lag, only a few more are let in, since whoever comes in while it is late makes it
later. Lag that *stays* (a queue, not a burst: CoDel's idea, RFC 8289 §3) shrinks the limit to less than what is under way, again and again while it stays; once the loop is
on time the limit grows back. So as many requests are let in as the processor can carry, whatever the origin takes for each: what is under way is what makes a turn of
the loop long.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["FLOOR", "MORE", "Admission", "Pressure", "Shed"]

FLOOR = 16
"""Requests that may always be under way: where hits alone keep the processor busy, letting in nobody would help nobody."""

MORE = 64
"""Requests that may come in while the loop is late, until it is known whether it stays so: they make a turn of some 30 ms."""

_STANDING = 0.2
"""Seconds of lag without a break that are no burst: a thousand visitors at once on one cold page are over in less."""
_SHRINK = 0.8
_GROW = 1.15
"""For each sample of the lag, 20 a second: doubled in a quarter of a second."""


class Pressure(Enum):
    """Why nobody more is let in."""

    IN_FLIGHT = "in_flight"
    LAG = "lag"


class Shed(Enum):
    """What was left out to get by."""

    REFRESH = "refresh"
    STALE = "stale"
    FRAGMENT = "fragment"
    REFUSED = "refused"


class Admission:
    """max_in_flight: requests that wait for an origin at once; max_lag: seconds of lag that may stay, 0 for any; retry_after: seconds that a refused client is told.

    in_flight: under way; coming: let in, but their tasks have not begun, for they all begin at the end of the loop's turn.
    """

    __slots__ = ("_late_since", "coming", "in_flight", "limit", "max_in_flight", "max_lag", "retry_after", "shed")

    def __init__(self, max_in_flight: int = 2_000, max_lag: float = 0.05, retry_after: float = 1.0) -> None:
        self.max_in_flight = max_in_flight
        self.max_lag = max_lag
        self.retry_after = retry_after
        self.in_flight = 0
        self.coming = 0
        self.limit = float(max_in_flight)
        self.shed: dict[tuple[Shed, Pressure], int] = {}
        self._late_since: float | None = None

    @property
    def is_full(self) -> bool:
        """Nobody more may begin."""
        return self.in_flight + self.coming >= self.limit

    def arrive(self) -> None:
        """The tasks that were made in this turn of the loop begin, and count themselves."""
        self.coming = 0

    @property
    def pressure(self) -> Pressure:
        """What the limit is for: the lag, when that has made it smaller than it is by itself."""
        return Pressure.LAG if self.limit < self.max_in_flight else Pressure.IN_FLIGHT

    def may_refresh(self, under_way: int) -> bool:
        """Whether something may be renewed that nobody waits for, the first thing to go. under_way: fetches."""
        return max(under_way, self.in_flight) * 2 < self.limit

    def count(self, shed: Shed) -> None:
        """Something was left out."""
        key = (shed, self.pressure)
        self.shed[key] = self.shed.get(key, 0) + 1

    def note_lag(self, lag: float, now: float) -> None:
        """A sample of the loop's lag, as far as it is our own doing. Both in seconds, now by any monotonic clock."""
        if not self.max_lag:
            return
        if lag > self.max_lag:
            if self._late_since is None:
                self._late_since = now
            if now - self._late_since >= _STANDING:
                self.limit = max(min(FLOOR, self.max_in_flight), min(self.limit, self.in_flight) * _SHRINK)
            else:
                self.limit = min(self.limit, self.in_flight + MORE)
            return
        self._late_since = None
        if self.limit < self.max_in_flight and lag <= self.max_lag / 2:  # between half and whole it stays as it is
            self.limit = min(self.limit * _GROW, self.max_in_flight)
