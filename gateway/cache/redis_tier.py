"""Level 2 in Redis.

    weft:{DIGEST}:e           a stored response, or a signpost: "varies on these names"
    weft:{DIGEST}:v:DIGEST    a response for certain values of them
    weft:{DIGEST}:l0, :l1     who is fetching it for everybody, for those who show credentials

Everything expires; everything of one URL is on one server of a Cluster (the braces). Reads wait, with the link's budget; writes don't: they happen in the
order in which they were given for a URL, and what would pile up is dropped.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from functools import partial
from hashlib import blake2b

from gateway.cache.entry import Entry
from gateway.cache.envelope import Recalled, decode, encode_entry, encode_vary
from gateway.cache.key import Crowd, Key
from gateway.cache.positions import Position
from gateway.cache.tier import Lease, Look
from gateway.cache.variant import NominatedValues, VaryNames
from gateway.errors import RedisUnavailable
from gateway.redis_link.link import RedisLink

__all__ = ["RedisTier"]

_ALONE = b"alone"


class RedisTier:
    """The Tier port.

    prefix: of keys. max_object_bytes: header section and content; larger ones stay out. max_ttl: seconds after which anything is gone.
    max_pending_bytes: what may wait to be written.
    """

    def __init__(
        self, link: RedisLink, prefix: str, *, max_object_bytes: int, max_ttl: float, max_pending_bytes: int = 32 << 20
    ) -> None:
        self._link = link
        self._prefix = prefix.encode("ascii")
        self.max_object_bytes = max_object_bytes
        self._max_ttl = max_ttl
        self._max_pending_bytes = max_pending_bytes
        self._writing: dict[bytes, asyncio.Task[None]] = {}
        self.pending_bytes = 0
        self.written = 0
        self.dropped = 0
        self.foreign = 0  # values that could not be read

    async def look(
        self, crowd: Crowd, select: Callable[[VaryNames], NominatedValues], sequence_at: Callable[[Position], int | None]
    ) -> Look:
        """Tier.look."""
        key, _ = crowd
        place = self._place(key)
        octets, told = await asyncio.gather(self._link.get(place + b":e"), self._link.get(_lease(place, crowd)))
        found = self._read(octets, key, select, sequence_at)
        if isinstance(found, tuple):
            octets = await self._link.get(_variant(place, found, select(found)))
            found = self._read(octets, key, select, sequence_at)
        recalled = found if isinstance(found, Recalled) else None
        return Look(recalled, Lease.FREE if told is None else Lease.ALONE if told == _ALONE else Lease.HELD)

    async def claim(self, crowd: Crowd, seconds: float) -> bytes | None:
        """Tier.claim."""
        claim = os.urandom(12)
        return claim if await self._link.add(_lease(self._place(crowd[0]), crowd), claim, ttl=seconds) else None

    async def prolong(self, crowd: Crowd, claim: bytes, seconds: float) -> bool:
        """Tier.prolong."""
        return await self._link.prolong_if(_lease(self._place(crowd[0]), crowd), claim, ttl=seconds)

    def release(self, crowd: Crowd, claim: bytes, *, alone: float = 0.0) -> None:
        """Tier.release."""
        place = self._place(crowd[0])
        lease = _lease(place, crowd)
        if alone:
            self._write(place, 0, partial(self._link.set, lease, _ALONE, ttl=alone))
        else:
            self._write(place, 0, partial(self._link.remove_if, lease, claim))

    def takes(self, entry: Entry, now: float) -> bool:
        """Tier.takes."""
        return (
            entry.parts is None
            and len(entry.body) + len(entry.block) <= self.max_object_bytes
            and max(entry.stale_until, entry.stale_error_until, entry.fresh_until) > now
        )

    def keep(self, entry: Entry, place: Position, now: float, *, is_text: bool) -> None:
        """Tier.keep."""
        if not self.takes(entry, now):
            return
        ttl = min(self._max_ttl, max(entry.stale_until, entry.stale_error_until, entry.fresh_until) - now)
        home = self._place(entry.key)
        octets = encode_entry(entry, place, is_text=is_text)
        if entry.vary:
            self._write(home, 0, partial(self._link.set, home + b":e", encode_vary(entry.key, entry.vary), ttl=ttl))
            self._write(home, len(octets), partial(self._link.set, _variant(home, entry.vary, entry.nominated), octets, ttl=ttl))
        else:
            self._write(home, len(octets), partial(self._link.set, home + b":e", octets, ttl=ttl))

    def forget(self, key: Key) -> None:
        """Tier.forget. Variants are out of reach without their signpost."""
        home = self._place(key)
        self._write(home, 0, partial(self._link.remove, home + b":e"))

    async def aclose(self) -> None:
        """Write what waits to be written."""
        await asyncio.gather(*self._writing.values(), return_exceptions=True)

    def _place(self, key: Key) -> bytes:
        return b"%s:{%s}" % (self._prefix, _digest(key))

    def _read(
        self,
        octets: bytes | None,
        key: Key,
        select: Callable[[VaryNames], NominatedValues],
        sequence_at: Callable[[Position], int | None],
    ) -> Recalled | VaryNames | None:
        if octets is None:
            return None
        found = decode(octets, key, select, sequence_at)
        if found is None:
            self.foreign += 1
        return found

    def _write(self, home: bytes, size: int, work: Callable[[], Awaitable[object]]) -> None:
        """Do work after what is being written for the same URL."""
        if self.pending_bytes + size > self._max_pending_bytes:
            self.dropped += 1
            return
        self.pending_bytes += size
        task = asyncio.get_running_loop().create_task(self._after(self._writing.get(home), work))
        self._writing[home] = task
        task.add_done_callback(partial(self._written, home, size))

    async def _after(self, before: asyncio.Task[None] | None, work: Callable[[], Awaitable[object]]) -> None:
        if before is not None:
            await asyncio.wait((before,))
        try:
            await work()
        except RedisUnavailable:
            self.dropped += 1
        else:
            self.written += 1

    def _written(self, home: bytes, size: int, task: asyncio.Task[None]) -> None:
        self.pending_bytes -= size
        if self._writing.get(home) is task:
            del self._writing[home]


def _lease(place: bytes, crowd: Crowd) -> bytes:
    return place + (b":l1" if crowd[1] else b":l0")


def _variant(place: bytes, names: VaryNames, values: NominatedValues) -> bytes:
    told = b"\0".join([*names, b"", *(b"-" if value is None else b"+" + value for value in values)])
    return b"%s:v:%s" % (place, _digest((told,)))


def _digest(parts: tuple[bytes, ...]) -> bytes:
    """Each part behind its length, so that none runs into the next."""
    return blake2b(b"".join(b"%d:%s" % (len(part), part) for part in parts), digest_size=16).hexdigest().encode("ascii")
