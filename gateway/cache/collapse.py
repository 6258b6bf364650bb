"""Concurrent misses become one fetch: the body that many readers share, and the memory of what can't be shared.

Spool        grows as the origin sends; any number of readers, each at its own place
Uncacheable  keys whose last response could not be stored: nobody waits for those
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator

from gateway.cache.key import Key

__all__ = ["Spool", "Uncacheable"]

_WINDOW = 64
"""Chunks that the origin may be ahead of the slowest reader once a spool is no longer kept for storing."""


class Spool:
    """Octets of one response body while it arrives.

    All of it is kept until the end, for that is what will be stored. When it turns out too large for that, `let_go` makes it a pipe: octets that
    every reader has had are dropped, nobody new may join, and `room` holds the origin back to the pace of the slowest reader.
    """

    __slots__ = ("_base", "_chunks", "_drained", "_more", "_places", "done", "error", "kept", "size", "was_read")

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._base = 0  # chunks dropped from the front
        self._places: dict[object, int] = {}
        self._more = asyncio.Event()
        self._drained = asyncio.Event()
        self.size = 0
        self.done = False
        self.error: Exception | None = None
        self.kept = True
        self.was_read = False

    def feed(self, chunk: bytes) -> None:
        """More has come."""
        self._chunks.append(chunk)
        self.size += len(chunk)
        self._more.set()

    def finish(self, error: Exception | None = None) -> None:
        """The end, or the reason why there will be none: readers get to the last octet first, then the error."""
        self.done = True
        self.error = error
        self._more.set()

    def body(self) -> bytes:
        """All octets so far; only while everything is kept."""
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)

    @property
    def is_abandoned(self) -> bool:
        """Somebody read it, and nobody does any more."""
        return self.was_read and not self._places

    def let_go(self) -> None:
        """It will not be stored."""
        self.kept = False
        self._drop_what_all_had()

    async def room(self) -> None:
        """Wait until the slowest reader is near."""
        while not self.kept and self._places and len(self._chunks) > _WINDOW:
            self._drained.clear()
            await self._drained.wait()

    async def read(self) -> AsyncGenerator[bytes, None]:
        """From the first octet to the last, as they come. Joining after let_go is an error of the caller."""
        reader = object()
        self.was_read = True
        self._places[reader] = place = 0
        try:
            while True:
                while place < self._base + len(self._chunks):
                    yield self._chunks[place - self._base]
                    place += 1
                    self._places[reader] = place
                    if not self.kept:
                        self._drop_what_all_had()
                if self.done:
                    if self.error is not None:
                        raise self.error
                    return
                self._more.clear()  # whoever waits already has been woken by the set before; nobody is lost
                await self._more.wait()
        finally:
            del self._places[reader]
            self._drained.set()

    async def complete(self) -> None:
        """Wait for the end; raises its error."""
        while not self.done:
            self._more.clear()
            await self._more.wait()
        if self.error is not None:
            raise self.error

    def _drop_what_all_had(self) -> None:
        had = min(self._places.values(), default=self._base + len(self._chunks)) - self._base
        if had:
            del self._chunks[:had]
            self._base += had
            self._drained.set()


class Uncacheable:
    """Keys whose last response was not stored, so that requests for them are not made to wait for each other ("hit-for-miss").

    Bounded in number and in time: a key that becomes cacheable is stored by whichever request first brings such a response.
    """

    __slots__ = ("_until", "limit", "ttl")

    def __init__(self, ttl: float, limit: int = 50_000) -> None:
        self.ttl = ttl
        self.limit = limit
        self._until: OrderedDict[Key, float] = OrderedDict()

    def remember(self, key: Key, now: float, ttl: float | None = None) -> None:
        """now: epoch seconds; ttl: seconds, other than the usual."""
        self._until[key] = now + (self.ttl if ttl is None else min(ttl, self.ttl))
        self._until.move_to_end(key)
        if len(self._until) > self.limit:
            self._until.popitem(last=False)

    def forget(self, key: Key) -> None:
        """It was stored after all."""
        self._until.pop(key, None)

    def knows(self, key: Key, now: float) -> bool:
        """Whether key was uncacheable less than ttl seconds ago."""
        until = self._until.get(key)
        if until is None:
            return False
        if until <= now:
            del self._until[key]
            return False
        return True
