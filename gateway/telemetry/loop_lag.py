"""How late the event loop is: a timer of ours that should fire every INTERVAL seconds, and by how much it does not.

A loop's turn reads every socket that has something to say and runs all that is ready. What arrives meanwhile waits for the turn to end, and so does
the timer: its lateness is what a request waits before anybody looks at it. It cannot be seen from inside a request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

__all__ = ["INTERVAL", "LoopLag"]

INTERVAL = 0.05
"""Seconds from one look to the next: 20 timers a second cost some 0.01 % of a core."""

_KEPT = 10.0
"""Seconds for which the worst is remembered at least: a scrape comes every 15 or 30, and a single number cannot say more."""

Listener = Callable[[float, float], None]
"""(lag, now), both in seconds; now is monotonic."""


class LoopLag:
    """listeners: told of each sample; they must be quick and never raise. `lag` is the last one, in seconds."""

    def __init__(self) -> None:
        self.listeners: list[Listener] = []
        self.lag = 0.0
        self._due = 0.0
        self._worst = self._worst_before = 0.0
        self._since = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin; needs a running loop."""
        self._since = monotonic()
        self._arm(self._since)

    def stop(self) -> None:
        """End."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def worst(self) -> float:
        """The largest lag of the last ten to twenty seconds."""
        return max(self._worst, self._worst_before)

    def _arm(self, now: float) -> None:
        self._due = now + INTERVAL
        self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._fire)

    def _fire(self) -> None:
        now = monotonic()
        lag = self.lag = max(0.0, now - self._due)  # a loop may round a timer down by a millisecond
        if now - self._since >= _KEPT:
            self._worst_before, self._worst, self._since = self._worst, 0.0, now
        self._worst = max(self._worst, lag)
        for listener in self.listeners:
            listener(lag, now)
        self._arm(now)
