"""How late the event loop is: a timer of ours that should fire every INTERVAL seconds, and by how much it does not.

A loop's turn reads every socket that has something to say and runs all that is ready. What arrives meanwhile waits for the turn to end, and so does
the timer: its lateness is what a request waits before anybody looks at it. It cannot be seen from inside a request.

Two causes look alike: too much to do here, and neighbours on the machine who take the processor. Linux tells how long a thread was ready to run and did not
(/proc/thread-self/schedstat); what is left of the lag is our own doing. Where nobody tells, all of it is.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from math import inf
from time import monotonic

__all__ = ["INTERVAL", "LoopLag"]

INTERVAL = 0.05
"""Seconds from one look to the next: 20 timers a second cost some 0.01 % of a core."""

_KEPT = 10.0
"""Seconds for which the worst is remembered at least: a scrape comes every 15 or 30, and a single number cannot say more."""

Listener = Callable[[float, float], None]
"""(lag that is our own doing, now), both in seconds; now is monotonic."""


class LoopLag:
    """listeners: told of each sample; they must be quick and never raise. `lag` is the last one in seconds, whatever its cause.

    late_at: monotonic seconds from which the turn that is under way is a long one.
    """

    def __init__(self) -> None:
        self.listeners: list[Listener] = []
        self.lag = 0.0
        self.late_at = inf
        self._due = 0.0
        self._worst = self._worst_before = 0.0
        self._since = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._waits: int | None = None  # the file that tells how long this thread has waited for a processor
        self._waited = 0.0

    def start(self) -> None:
        """Begin; needs a running loop. It is this thread that is looked at."""
        with suppress(OSError):  # not on Linux, or not told there
            self._waits = os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        self._waited = self._wait_so_far()
        self._since = monotonic()
        self._arm(self._since)

    def stop(self) -> None:
        """End."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.late_at = inf
        if self._waits is not None:
            os.close(self._waits)
            self._waits = None

    def worst(self) -> float:
        """The largest lag of the last ten to twenty seconds."""
        return max(self._worst, self._worst_before)

    def _wait_so_far(self) -> float:
        """Seconds for which this thread could have run and did not."""
        return int(os.pread(self._waits, 64, 0).split()[1]) / 1e9 if self._waits is not None else 0.0

    def _arm(self, now: float) -> None:
        self._due = now + INTERVAL
        self.late_at = self._due + INTERVAL
        self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._fire)

    def _fire(self) -> None:
        now = monotonic()
        lag = self.lag = max(0.0, now - self._due)  # a loop may round a timer down by a millisecond
        if now - self._since >= _KEPT:
            self._worst_before, self._worst, self._since = self._worst, 0.0, now
        self._worst = max(self._worst, lag)
        before, self._waited = self._waited, self._wait_so_far()
        own = max(0.0, lag - (self._waited - before))
        for listener in self.listeners:
            listener(own, now)
        self._arm(now)
