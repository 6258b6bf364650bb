"""The gateway's clock: epoch seconds that never jump.

Freshness compares our time with times that origins write, so it must be epoch time; a clock that is set back or forth while we run must not make everything stale at
once, or fresh for ever. So: the wall clock at the start, carried on by the monotonic one, and drawn back to the wall clock slowly.
"""

from __future__ import annotations

from time import monotonic, time

__all__ = ["Clock"]

_SLEW = 0.005
"""Seconds by which one call of `follow` moves towards the wall clock; called once a second, half a per cent."""


class Clock:
    """Call it for the time. offset: what makes epoch seconds of monotonic ones, for who has read that clock already."""

    __slots__ = ("offset",)

    def __init__(self) -> None:
        self.offset = time() - monotonic()

    def __call__(self) -> float:
        """Epoch seconds."""
        return monotonic() + self.offset

    def follow(self) -> None:
        """Move a little towards the wall clock."""
        apart = time() - self()
        self.offset += max(-_SLEW, min(_SLEW, apart))
