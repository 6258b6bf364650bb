"""Which worker is silent for too long. Pure, but for what it is given to ask.

Silence is measured in time in which the worker could have spoken. A worker that wanted to run and got no processor (a starved machine, a CPU limit) is not hung,
and killing it would help nobody: the time it has waited for a processor does not count. Nor does time in which the parent itself stood still.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["START", "Waiting", "Watch"]

START = 30.0
"""Seconds in which a worker must be ready."""


class Watch:
    """The patience with one worker."""

    def __init__(self) -> None:
        self._waited: float | None = None

    def silence(self, last: float, now: float, limit: float, waited: Callable[[], float]) -> float:
        """Seconds of silence if they are too many, else 0.

        last: its last sign of life. now: the same clock. limit: seconds. waited: seconds that it has waited for a processor, since any fixed time;
        asked only when half the time is over, since that means a file to be read.
        """
        silent = now - last
        if silent < limit / 2:
            self._waited = None
            return 0.0
        so_far = waited()
        if self._waited is None:
            self._waited = so_far
        silent -= so_far - self._waited
        return silent if silent >= limit else 0.0


class Waiting:
    """How long one worker has waited for a processor. The kernel writes a wait down when it is over; one that goes on is seen by this: who wants to run gets nowhere."""

    def __init__(self) -> None:
        self._seen: tuple[float, float] | None = None
        self._since = 0.0

    def so_far(self, ran: float, waited: float, *, wants: bool, now: float) -> float:
        """Seconds, since any fixed time. ran, waited: seconds, as the kernel tells. wants: it could run now. now: monotonic seconds."""
        if (ran, waited) != self._seen:
            self._seen, self._since = (ran, waited), now
        return waited + (now - self._since if wants else 0.0)
