"""The port of a level-1 store: stored responses in this process's memory, found without waiting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from gateway.cache.entry import Entry
from gateway.cache.key import Key
from gateway.cache.variant import NominatedValues, VaryNames

__all__ = ["Shelf", "Store"]


class Shelf:
    """All stored responses of one primary key.

    groups: for each set of names that a `Vary` listed, the responses by nominated values. Nearly always one group with one entry.
    sole: that entry when there is just one and it varies on nothing; what the hot lane looks at.
    """

    __slots__ = ("groups", "sole")

    def __init__(self) -> None:
        self.groups: dict[VaryNames, dict[NominatedValues, Entry]] = {}
        self.sole: Entry | None = None

    def entries(self) -> Iterator[Entry]:
        """Every entry, groups in order of their first use."""
        for group in self.groups.values():
            yield from group.values()

    def settle(self) -> None:
        """Bring `sole` up to date after a change."""
        only = self.groups.get(()) if len(self.groups) == 1 else None
        self.sole = only[()] if only else None


class Store(Protocol):
    """Bounded in bytes. Not thread-safe: it belongs to one event loop, and no call waits.

    What does not fit is not kept, silently: a cache may forget at any time. An entry that is replaced or dropped stays valid for those who hold it.
    """

    def shelf(self, key: Key) -> Shelf | None:
        """What is stored under key, None when nothing is."""

    def put(self, entry: Entry) -> None:
        """Keep entry, in the place of one with the same primary and secondary key."""

    def drop(self, entry: Entry) -> None:
        """Forget entry; nothing happens when it is not held any more."""

    def grow(self, entry: Entry, octets: int) -> None:
        """entry now holds octets more (a compressed copy)."""
