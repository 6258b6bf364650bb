"""Places in the log of purges that several processes share, beside the sequences of this process's own ledger. Pure.

A response in level 2 says up to which place its maker had heard all purges when its fetch began. Whoever finds it has heard them too, or is about to,
but has counted them differently: its ledger also counts what only it has purged. So each place that was heard is written down with the sequence that the
ledger had then.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TypeAlias

__all__ = ["Position", "Positions"]

Position: TypeAlias = tuple[int, int]
"""(milliseconds, counter): the id of an entry of a Redis Stream. Later ones are greater."""


class Positions:
    """Pairs of place and sequence, both rising. limit: how many are kept; of what is older than the oldest nothing is known."""

    __slots__ = ("_places", "_sequences", "last", "limit")

    def __init__(self, limit: int = 100_000) -> None:
        self.limit = limit
        self.last: Position | None = None  # the last place heard of; None before the first
        self._places: list[Position] = []
        self._sequences: list[int] = []

    def begin(self, place: Position, sequence: int) -> None:
        """From place on everything is heard; what was before it is not known here."""
        self.last = place
        self._places = [place]
        self._sequences = [sequence]

    def heard(self, place: Position, sequence: int) -> None:
        """Everything up to place has been heard, and the ledger stands at sequence. Raises ValueError for a place before the last."""
        if self.last is not None and place < self.last:
            raise ValueError(f"expected none before {self.last}, got {place}")
        self.last = place
        if self._sequences and self._sequences[-1] == sequence:
            return  # nothing was purged in between: the earlier place says the same of more
        self._places.append(place)
        self._sequences.append(sequence)
        if len(self._places) > self.limit:
            del self._places[: self.limit // 2], self._sequences[: self.limit // 2]

    def sequence_at(self, place: Position) -> int | None:
        """The sequence from which on purges count against what was fetched at place; None when that is too long ago to know."""
        index = bisect_right(self._places, place) - 1
        return self._sequences[index] if index >= 0 else None

    def place_of(self, sequence: int) -> Position | None:
        """The last place of which everything was heard when the ledger stood at sequence; None when that is not known."""
        index = bisect_right(self._sequences, sequence) - 1
        return self._places[index] if index >= 0 else None
