"""Level 1: memory, bounded in bytes, that a scan can't empty.

Eviction is S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023): new entries wait in a small queue of a tenth of the space;
only those used again move to the main one; keys that fell out of the small queue are remembered as ghosts and go straight to the main one when
they come back. A hit costs one increment, at most, and no reordering.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from gateway.cache.entry import Entry
from gateway.cache.key import Key, key_text
from gateway.cache.purges import prefix_matches
from gateway.cache.store import Shelf

__all__ = ["MAX_FREQUENCY", "MemoryStore"]

MAX_FREQUENCY = 3  # two bits, as in the paper
_SMALL_SHARE = 0.1

Ghost = int
"""hash of (primary key, secondary key): a collision only lets an entry into the main queue too early."""


class _Tally:
    """How many entries carry a tag; since its last purge, when a new one begins."""

    __slots__ = ("count", "tag")

    def __init__(self, tag: bytes) -> None:
        self.tag = tag
        self.count = 0


class _Queue:
    """Entries in order of arrival, and their bytes."""

    __slots__ = ("cost", "entries")

    def __init__(self) -> None:
        self.entries: OrderedDict[Entry, None] = OrderedDict()
        self.cost = 0

    def push(self, entry: Entry) -> None:
        self.entries[entry] = None
        self.cost += entry.cost
        entry.queue = self

    def remove(self, entry: Entry) -> None:
        del self.entries[entry]
        self.cost -= entry.cost
        entry.queue = None

    def oldest(self) -> Entry:
        return next(iter(self.entries))


class MemoryStore:
    """The Store port in a dictionary. max_bytes: what entries may cost together; max_variants: entries of one primary key."""

    def __init__(self, max_bytes: int, max_variants: int = 64) -> None:
        self.max_bytes = max_bytes
        self.max_variants = max_variants
        self.evictions = 0
        self.count = 0
        self._tallies: dict[bytes, _Tally] = {}
        self._shelves: dict[Key, Shelf] = {}
        self._small = _Queue()
        self._main = _Queue()
        self._ghosts: OrderedDict[Ghost, None] = OrderedDict()
        self.shelf = self._shelves.get  # the hot lane's first call: a dictionary's own method, no frame of ours

    @property
    def used_bytes(self) -> int:
        """What the entries held cost together."""
        return self._small.cost + self._main.cost

    def put(self, entry: Entry) -> None:
        """Store.put. An entry larger than half the space is not kept."""
        shelf = self._shelves.get(entry.key)
        replaced = shelf.groups.get(entry.vary, {}).get(entry.nominated) if shelf is not None else None
        if replaced is not None:
            entry.frequency = replaced.frequency  # the same thing renewed: it keeps its standing
            self.drop(replaced)
        if entry.cost > self.max_bytes // 2:
            return
        shelf = self._shelves.setdefault(entry.key, shelf or Shelf())
        group = shelf.groups.setdefault(entry.vary, {})
        group[entry.nominated] = entry
        shelf.settle()
        ghost = hash((entry.key, entry.vary, entry.nominated))
        known = self._ghosts.pop(ghost, self) is None or replaced is not None
        (self._main if known else self._small).push(entry)
        self.count += 1
        if entry.tags:
            entry.tallies = [self._count_in(tag) for tag in entry.tags]
        if len(shelf.groups) > 1 or len(group) > 1:
            self._bound_variants(shelf)
        self._evict()

    def drop(self, entry: Entry) -> None:
        """Store.drop."""
        queue = entry.queue
        if not isinstance(queue, _Queue):
            return
        queue.remove(entry)
        self.count -= 1
        for tally in entry.tallies:
            self._count_out(tally)
        entry.tallies = ()
        shelf = self._shelves[entry.key]
        group = shelf.groups[entry.vary]
        del group[entry.nominated]
        if not group:
            del shelf.groups[entry.vary]
        if shelf.groups:
            shelf.settle()
        else:
            shelf.sole = None
            del self._shelves[entry.key]

    def resize(self, max_bytes: int, max_variants: int, *, at_most: int) -> bool:
        """Other bounds. At most so many entries make room for them at once; False: not all of it is done, call again.

        Meanwhile the bound in bytes is what is held: it is lowered step by step, so that no put in between has to do it all.
        """
        self.max_variants = max_variants
        for _ in range(at_most):
            if self.used_bytes <= max_bytes or not self.count:
                self.max_bytes = max_bytes
                return True
            self._evict_one()
        self.max_bytes = max(max_bytes, self.used_bytes)
        return False

    def grow(self, entry: Entry, octets: int) -> None:
        """Store.grow."""
        queue = entry.queue
        if isinstance(queue, _Queue):
            entry.cost += octets
            queue.cost += octets
            self._evict()

    def entries_under(self, prefix: Key) -> Iterator[Entry]:
        """Entries whose key lies under prefix, found by looking at every key; may be interrupted between any two."""
        for key in list(self._shelves):
            if prefix_matches(prefix, key) and (shelf := self._shelves.get(key)) is not None:
                yield from list(shelf.entries())

    def tagged(self, tag: bytes) -> int:
        """How many entries carry tag and were not purged by it."""
        tally = self._tallies.get(tag)
        return tally.count if tally is not None else 0

    def forget_count(self, tag: bytes) -> None:
        """tag was purged: entries that are held now are not counted for it any more."""
        self._tallies.pop(tag, None)  # they go on counting down one that nobody looks at

    def tag_counts(self) -> dict[bytes, int]:
        """Entries by tag, for people."""
        return {tag: tally.count for tag, tally in self._tallies.items()}

    def keys(self) -> list[str]:
        """Every primary key as text, for people."""
        return [key_text(key) for key in self._shelves]

    def __len__(self) -> int:
        return self.count

    def _count_in(self, tag: bytes) -> _Tally:
        tally = self._tallies.get(tag)
        if tally is None:
            tally = self._tallies[tag] = _Tally(tag)
        tally.count += 1
        return tally

    def _count_out(self, tally: _Tally) -> None:
        tally.count -= 1
        if not tally.count and self._tallies.get(tally.tag) is tally:
            del self._tallies[tally.tag]

    def _bound_variants(self, shelf: Shelf) -> None:
        """Too many secondary keys under one primary: the oldest goes. Otherwise one client could fill the store with one URL."""
        entries = list(shelf.entries())
        for entry in entries[: max(0, len(entries) - self.max_variants)]:
            self.evictions += 1
            self.drop(entry)

    def _evict(self) -> None:
        while self.used_bytes > self.max_bytes and self.count:
            self._evict_one()

    def _evict_one(self) -> None:
        if self._small.entries and (self._small.cost > self.max_bytes * _SMALL_SHARE or not self._main.entries):
            self._evict_small()
        else:
            self._evict_main()

    def _evict_small(self) -> None:
        entry = self._small.oldest()
        if (
            entry.frequency > 0
        ):  # used while it waited. The paper asks for two uses; one suffices here: a page's first use stored it
            entry.frequency = 0
            self._small.remove(entry)
            self._main.push(entry)
            return
        self._ghosts[hash((entry.key, entry.vary, entry.nominated))] = None
        while len(self._ghosts) > max(len(self._main.entries), 1_000):
            self._ghosts.popitem(last=False)
        self.evictions += 1
        self.drop(entry)

    def _evict_main(self) -> None:
        entry = self._main.oldest()
        if entry.frequency > 0:
            entry.frequency -= 1
            self._main.entries.move_to_end(entry)
            return
        self.evictions += 1
        self.drop(entry)
