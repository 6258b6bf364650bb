"""The port of a level 2: stored responses that all workers and machines share, and a word on who is fetching what."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple, Protocol

from gateway.cache.entry import Entry
from gateway.cache.envelope import Recalled
from gateway.cache.key import Crowd, Key
from gateway.cache.positions import Position
from gateway.cache.variant import NominatedValues, VaryNames

__all__ = ["Lease", "Look", "Tier"]


class Lease(Enum):
    """Who fetches."""

    FREE = "free"
    HELD = "held"  # somebody does
    ALONE = "alone"  # somebody did, and what came is of no use to others: each for himself


class Look(NamedTuple):
    """What level 2 knows of a request: a response that its selecting fields fit, or None; and who is fetching."""

    found: Recalled | None
    lease: Lease


class Tier(Protocol):
    """May forget at any time, and may be away: what is read then raises RedisUnavailable within its budget of time, what is written is lost, silently but counted."""

    max_object_bytes: int
    """Header section and content; what is larger stays out."""

    async def look(
        self, crowd: Crowd, select: Callable[[VaryNames], NominatedValues], sequence_at: Callable[[Position], int | None]
    ) -> Look:
        """What is there for crowd. select: the request's values for names that a Vary listed."""

    async def claim(self, crowd: Crowd, seconds: float) -> bytes | None:
        """Be the one who fetches, for so long at most; None when somebody else is. What is returned ends it."""

    async def prolong(self, crowd: Crowd, claim: bytes, seconds: float) -> bool:
        """The fetch takes longer: seconds from now. False when the claim has run out."""

    def release(self, crowd: Crowd, claim: bytes, *, alone: float = 0.0) -> None:
        """The fetch has ended, and what came of it was kept. alone: seconds for which others are told not to wait, since nothing was."""

    def takes(self, entry: Entry, now: float) -> bool:
        """Whether keep would: it is whole, not too large, and of some use for some time. now: epoch seconds."""

    def keep(self, entry: Entry, place: Position, now: float, *, is_text: bool) -> None:
        """Store entry, soon. place: up to where purges had been heard when its fetch began."""

    def forget(self, key: Key) -> None:
        """Remove what is stored under key, soon."""
