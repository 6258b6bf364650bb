"""Token buckets by key, in bounded memory. Pure: time is an argument.

A bucket holds `burst` tokens and gets `rate` new ones a second; each request takes one. Kept is one number for each key: the moment at which its bucket will be full again
(the generic cell rate algorithm, ITU-T I.371). Whoever's moment has passed is like one never seen, so forgetting costs nothing then. When there are too many keys
that still owe something, those go that owe least: nobody gets rid of a debt by bringing a crowd.
"""

from __future__ import annotations

from itertools import islice
from operator import itemgetter

__all__ = ["Buckets", "Key"]

_LOOKED_AT = 8
"""Of the oldest, when room is needed: enough to find one that owes little, few enough for a flood of keys."""

Key = str | bytes


class Buckets:
    """rate: tokens a second; burst: tokens in a full bucket; max_keys: how many are remembered."""

    __slots__ = ("_full_at", "_interval", "_slack", "burst", "max_keys", "rate")

    def __init__(self, rate: float, burst: int, max_keys: int = 100_000) -> None:
        self.rate = rate
        self.burst = burst
        self.max_keys = max_keys
        self._interval = 1.0 / rate
        self._slack = (burst - 1) * self._interval
        self._full_at: dict[Key, float] = {}

    def __len__(self) -> int:
        return len(self._full_at)

    def wait(self, key: Key, now: float) -> float:
        """Seconds until key has a token; 0 when it has one. Takes none. now: by any monotonic clock."""
        return max(0.0, self._full_at.get(key, 0.0) - self._slack - now)

    def take(self, key: Key, now: float) -> None:
        """Take one, for a key that has one."""
        known = self._full_at
        full_at = known.pop(key, 0.0)  # and back at the end: the oldest are those not seen for longest
        if len(known) >= self.max_keys:
            self._make_room(now)
        known[key] = (max(now, full_at)) + self._interval

    def _make_room(self, now: float) -> None:
        known = self._full_at
        oldest = [(known[key], key) for key in islice(known, _LOOKED_AT)]
        for _, key in oldest:
            del known[key]
        owing = [each for each in oldest if each[0] > now]
        if len(owing) == len(oldest):
            owing.remove(min(owing, key=itemgetter(0)))
        for full_at, key in owing:
            known[key] = full_at
