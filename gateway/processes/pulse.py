"""A worker's pulse: the time at which its event loop last turned, in a page of memory that the parent can read.

No message is sent, so nothing can fill up, and the parent sleeps on. CLOCK_MONOTONIC is one clock for all processes of a machine.
"""

from __future__ import annotations

import asyncio
import gc
import mmap
from time import monotonic

from gateway.logs import go_on_logging

__all__ = ["INTERVAL", "Pulse"]

INTERVAL = 0.2
"""Seconds between beats."""
_COLLECTING = 10.0
"""Seconds that a full garbage collection may take: on a store of gigabytes it takes some, and the loop stands still meanwhile."""
_BEAT, _LAG, _UNTIL = range(3)


class Pulse:
    """Make it before the fork; the worker beats, the parent reads."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE)
        self._numbers = memoryview(self._page).cast("d")
        self.beat(0.0)

    @property
    def last(self) -> float:
        """Monotonic seconds of the last sign of life; in the future while the worker has said that it will be silent."""
        return max(self._numbers[_BEAT], self._numbers[_UNTIL])

    @property
    def lag(self) -> float:
        """Seconds by which the last beat came late."""
        return self._numbers[_LAG]

    def beat(self, lag: float) -> None:
        """The loop turns."""
        self._numbers[_LAG] = lag
        self._numbers[_UNTIL] = 0.0
        self._numbers[_BEAT] = monotonic()

    def excuse(self, seconds: float) -> None:
        """The loop will stand still for up to so long, and that is all right."""
        self._numbers[_UNTIL] = monotonic() + seconds

    def start(self) -> None:
        """Beat from now on, in the running loop."""
        gc.callbacks.append(self._collecting)
        self._turn(monotonic())

    def close(self) -> None:
        """Give the page back."""
        self._numbers.release()
        self._page.close()

    def _turn(self, due: float) -> None:
        now = monotonic()
        self.beat(max(0.0, now - due))
        go_on_logging()
        asyncio.get_running_loop().call_later(INTERVAL, self._turn, now + INTERVAL)

    def _collecting(self, phase: str, info: dict[str, int]) -> None:
        if info["generation"] == 2:
            if phase == "start":
                self.excuse(_COLLECTING)
            else:
                self.beat(self.lag)
