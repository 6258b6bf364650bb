"""When to start a worker again: at once, unless it dies again and again."""

from __future__ import annotations

__all__ = ["Backoff"]

_QUICK = 10.0
"""Seconds; a worker that lived shorter has died at its start, or of the first request it got."""
_LEAST = 1.0
_MOST = 30.0


class Backoff:
    """The patience with one slot. The first death costs nothing; quick ones after it 1, 2, 4 … 30 seconds."""

    def __init__(self) -> None:
        self._next = 0.0

    def after(self, lived: float) -> float:
        """Seconds to wait after the death of a worker that lived that long."""
        if lived >= max(_QUICK, self._next):
            self._next = 0.0
        pause = self._next
        self._next = min(_MOST, max(_LEAST, self._next * 2))
        return pause
