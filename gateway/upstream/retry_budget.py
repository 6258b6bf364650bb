"""How much may be sent a second time: a share of what was asked for lately, and a few. A pure machine: time is an argument.

Retries help while failures are rare. When an origin fails because it has too much to do, they give it more, and it never comes back. So they are bounded by a share of the
first attempts (Finagle's and Linkerd's retry budgets: 20 %, over 10 s), which no failure can raise.
"""

from __future__ import annotations

__all__ = ["RetryBudget"]

_SLOTS = 10
_SLOT = 1.0
"""Seconds of one slot: what is older than ten of them counts no more."""
_FEW = 100
"""Retries within ten seconds that are always allowed, as Finagle has it: what a quiet site loses is no storm."""


class RetryBudget:
    """share: of the requests of the last ten seconds, 0 to 1. now: seconds of any one monotonic clock."""

    __slots__ = ("_asked", "_retried", "_slot", "share")

    def __init__(self, share: float = 0.2) -> None:
        self.share = share
        self._asked = [0] * _SLOTS
        self._retried = [0] * _SLOTS
        self._slot = 0

    def note(self, now: float) -> None:
        """A request is made for the first time."""
        slot = int(now / _SLOT)
        if slot != self._slot:
            self._turn(slot)
        self._asked[slot % _SLOTS] += 1

    def take(self, now: float) -> bool:
        """Whether one may be sent once more; if so, it is counted."""
        slot = int(now / _SLOT)
        if slot != self._slot:
            self._turn(slot)
        if not self.share or sum(self._retried) >= _FEW + self.share * sum(self._asked):
            return False
        self._retried[slot % _SLOTS] += 1
        return True

    def _turn(self, slot: int) -> None:
        """Forget what has become too old; after a longer silence, everything."""
        for passed in range(self._slot + 1, min(slot, self._slot + _SLOTS) + 1):
            self._asked[passed % _SLOTS] = self._retried[passed % _SLOTS] = 0
        self._slot = slot
