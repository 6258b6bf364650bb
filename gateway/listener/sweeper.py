"""Deadlines without timers: each connection carries the moment at which its patience ends, and once a second somebody looks.

A timer per request would cost more than the request. A second's coarseness is fine for what is counted in tens of seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

__all__ = ["Sweepable", "Sweeper"]


class Sweepable(Protocol):
    """A connection as the sweeper sees it."""

    deadline: float
    """Seconds of the gateway's clock at which `expire` is due; infinity for never."""

    def expire(self, now: float) -> None:
        """Its time is up: close, or move the deadline."""


class Sweeper:
    """Looks over connections every interval seconds."""

    def __init__(self, connections: Iterable[Sweepable], clock: Callable[[], float], interval: float = 1.0) -> None:
        self._connections = connections
        self._clock = clock
        self._interval = interval
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin; needs a running loop."""
        self._timer = asyncio.get_running_loop().call_later(self._interval, self._turn)

    def stop(self) -> None:
        """End."""
        if self._timer is not None:
            self._timer.cancel()

    def sweep(self) -> None:
        """Look over them once, now."""
        now = self._clock()
        for connection in [one for one in self._connections if one.deadline <= now]:
            connection.expire(now)

    def _turn(self) -> None:
        self.sweep()
        self.start()
