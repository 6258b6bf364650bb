"""Concurrent misses become one fetch: the body that many readers share, and the memory of what can't be shared.

Spool        grows as the origin sends; any number of readers, each at its own place (SpoolReader)
Uncacheable  keys whose last response could not be stored: nobody waits for those
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Self

from gateway.cache.key import Crowd

__all__ = ["Spool", "SpoolReader", "Uncacheable"]

_WINDOW = 64
"""Chunks that the origin may be ahead of the slowest reader once a spool is no longer kept for storing."""


class Spool:
    """Octets of one response body while it arrives.

    All of it is kept until the end, for that is what will be stored. When it turns out too large for that, `let_go` makes it a pipe: octets that
    every reader has had are dropped, nobody new may join, and `room` holds the origin back to the pace of the slowest reader.

    A spool is made before its first reader comes: until `read` or `expect_nobody` has been called, that one counts as a reader at the first octet.
    """

    __slots__ = ("_base", "_chunks", "_drained", "_expected", "_more", "_places", "done", "error", "kept", "size", "was_read")

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._base = 0  # chunks dropped from the front
        self._places: dict[SpoolReader, int] = {}
        self._expected = True  # the first reader is still to come
        self._more: asyncio.Event | None = None  # while somebody waits for the next octets
        self._drained: asyncio.Event | None = None  # while the origin is held back
        self.size = 0
        self.done = False
        self.error: Exception | None = None
        self.kept = True
        self.was_read = False

    def feed(self, chunk: bytes) -> None:
        """More has come."""
        self._chunks.append(chunk)
        self.size += len(chunk)
        self._wake()

    def finish(self, error: Exception | None = None) -> None:
        """The end, or the reason why there will be none: readers get to the last octet first, then the error."""
        self.done = True
        self.error = error
        self._wake()

    def body(self) -> bytes:
        """All octets so far; only while everything is kept."""
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)

    @property
    def is_read(self) -> bool:
        """Somebody reads it, or is about to."""
        return self._expected or bool(self._places)

    def let_go(self) -> None:
        """It will not be stored."""
        self.kept = False
        self._drop_what_all_had()
        self._wake()

    async def room(self) -> None:
        """Wait until the slowest reader is near."""
        while not self.kept and self.is_read and len(self._chunks) > _WINDOW:
            self._drained = asyncio.Event()
            await self._drained.wait()

    def read(self) -> SpoolReader:
        """A reader at the first octet, which counts from now on. Joining after let_go is the first reader's right alone."""
        reader = SpoolReader(self)
        self._expected = False
        self._places[reader] = 0
        return reader

    def expect_nobody(self) -> None:
        """The one for whom it was fetched will not read it."""
        self._expected = False
        self._make_room()

    async def settled(self) -> None:
        """Wait until it is clear whether all of it is kept: it is here, or it broke off, or it is too large."""
        while self.kept and not self.done:
            await self._news()

    async def _next(self, reader: SpoolReader) -> bytes | None:
        """The chunk after the reader's place, None at the end. Raises the error that ended it."""
        places = self._places
        while reader in places:
            place = places[reader] - self._base
            if place < len(self._chunks):
                chunk = self._chunks[place]
                places[reader] += 1
                self.was_read = True
                if not self.kept:
                    self._drop_what_all_had()
                return chunk
            if self.done:
                self._leave(reader)
                if self.error is not None:
                    raise self.error
                return None
            await self._news()
        return None

    async def _news(self) -> None:
        """Wait for octets, or the end of them."""
        if self._more is None:  # nearly every page comes whole, and nobody ever waits
            self._more = asyncio.Event()
        await self._more.wait()

    def _wake(self) -> None:
        more, self._more = self._more, None
        if more is not None:
            more.set()

    def _make_room(self) -> None:
        if self._drained is not None:
            self._drained.set()

    def _leave(self, reader: SpoolReader) -> None:
        if self._places.pop(reader, None) is not None:
            if not self.kept:
                self._drop_what_all_had()
            self._make_room()

    def _drop_what_all_had(self) -> None:
        if self._expected:
            return
        had = min(self._places.values(), default=self._base + len(self._chunks)) - self._base
        if had:
            del self._chunks[:had]
            self._base += had
            self._make_room()


class SpoolReader:
    """One reader's way from the first octet to the last, as they come. Iterating raises the error that ended it. `aclose` must be called in any case."""

    __slots__ = ("_spool",)

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self._spool._next(self)  # noqa: SLF001 - the spool's other half
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        """Leave. May be called at any time and more than once."""
        self._spool._leave(self)  # noqa: SLF001 - the spool's other half


class Uncacheable:
    """Crowds whose last response was not stored, so that requests for them are not made to wait for each other ("hit-for-miss").

    Bounded in number and in time: a key that becomes cacheable is stored by whichever request first brings such a response.
    """

    __slots__ = ("_until", "limit")

    def __init__(self, limit: int = 50_000) -> None:
        self.limit = limit
        self._until: OrderedDict[Crowd, float] = OrderedDict()

    def remember(self, crowd: Crowd, now: float, ttl: float) -> None:
        """now: epoch seconds; ttl: for how many."""
        self._until[crowd] = now + ttl
        self._until.move_to_end(crowd)
        if len(self._until) > self.limit:
            self._until.popitem(last=False)

    def forget(self, crowd: Crowd) -> None:
        """It was stored after all."""
        self._until.pop(crowd, None)

    def knows(self, crowd: Crowd, now: float) -> bool:
        """Whether crowd's answer was uncacheable less than ttl seconds ago."""
        until = self._until.get(crowd)
        if until is None:
            return False
        if until <= now:
            del self._until[crowd]
            return False
        return True
