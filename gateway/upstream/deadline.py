"""One timer for all the times of a connection: head, read, write, total, idle.

A timer for each phase of each exchange would cost 3 µs, a tenth of a small GET. This one is armed again only for an earlier moment; for a later
one it notices, when it fires, that it has fired too soon. It decides nothing: why a moment matters is a value that it carries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum
from math import inf

__all__ = ["Deadline", "Why"]


class Why(Enum):
    """What ran out. The value: the error type of RFC 9209 §2.3 and a sentence for the operator; IDLE is no error."""

    IDLE = ("", "unused")
    HEAD = ("http_response_timeout", "no complete response head in time")
    READ = ("connection_read_timeout", "the body stood still for too long")
    WRITE = ("connection_write_timeout", "the origin does not read the request")
    TOTAL = ("http_response_timeout", "the whole exchange took too long")


_TOTAL = Why.TOTAL


class Deadline:
    """A moment (loop time, inf for none) and what it means; `total` bounds every moment that is set. on_expiry is called once it has passed."""

    __slots__ = ("_armed_for", "_loop", "_on_expiry", "_timer", "_when", "_why", "total")

    def __init__(self, loop: asyncio.AbstractEventLoop, on_expiry: Callable[[Why], None]) -> None:
        self._loop = loop
        self._on_expiry = on_expiry
        self._when = inf
        self._why = _TOTAL
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = inf
        self.total = inf

    def set(self, when: float, why: Why) -> None:
        """Replace the moment."""
        if when >= self.total:
            when, why = self.total, _TOTAL
        self._when = when
        self._why = why
        if when < self._armed_for:
            if self._timer is not None:
                self._timer.cancel()
            self._armed_for = when
            self._timer = self._loop.call_at(when, self._fire)

    def cancel(self) -> None:
        """Never fire again."""
        self._when = inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer = None
        self._armed_for = inf
        if self._loop.time() < self._when:
            self.set(self._when, self._why)
        else:
            self._on_expiry(self._why)
