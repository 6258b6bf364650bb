"""One log in a Redis Stream that all processes write to and read to its end, whatever becomes of it.

    hear_own ──▶ subscriber, at once        send ──▶ XADD        follow ──▶ XREAD ──▶ subscriber, with the message's place

What can happen to the log, and what a process does that notices:
- cut off: it reads on from where it was
- trimmed past that place: its subscriber is told that it missed something, and begins anew from there
- emptied, or taken over by a replica that had not got its end: it is begun anew behind the last place known, read whole, and what we know and it lacks is
  put back. Those who were cut off meanwhile find it there
- the same message twice: each has an id of its own, and is heard once

Places are ids of Redis Streams: milliseconds and a counter. A log that is begun anew begins with a mark, whose place is behind all known ones; whoever comes by
a mark reads the log whole, since it may hold entries with earlier places.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from time import monotonic, time

from gateway.errors import RedisUnavailable
from gateway.live.bus import Place, Subscriber
from gateway.redis_link import RedisLink, StreamBounds

__all__ = ["RedisLog", "place_of"]

logger = logging.getLogger(__name__)

_WAIT = 0.5
"""Seconds at the end of the log until we look whether it is still the same one."""
_PAUSE = 0.05
"""Seconds between two tries while Redis is away."""
_LIVE_FOR = 2.0
"""Seconds without news from Redis after which what we know of the log is old."""
_KNOWN = 10_000
"""Messages kept for putting them back, and for knowing them again."""
_KNOWN_FOR = 3600.0
_BATCH = 500
_START = b"0-0"
# What an entry holds: a message and its id, or one of two marks.
_ID, _MESSAGE, _MARK = b"u", b"m", b"k"
_BEGIN = b"begin"
_OVERFLOW = b"gap"


class _Known:
    """A message that was heard. before: what its subscriber returned at the first time. placed: it was heard from the log. at: monotonic seconds."""

    __slots__ = ("at", "before", "message", "placed")

    def __init__(self, message: bytes, before: object, *, placed: bool) -> None:
        self.message = message
        self.before = before
        self.at = monotonic()
        self.placed = placed


class RedisLog:
    """stream: its key. on_read: called after each read, True when there was something to read.

    last: the place read to, None before the first. begun_anew, gaps: how often that happened.
    """

    def __init__(
        self,
        link: RedisLink,
        stream: bytes,
        subscriber: Subscriber,
        *,
        keep_entries: int,
        on_read: Callable[[bool], Awaitable[None]],
    ) -> None:
        self.stream = stream
        self.last: Place | None = None
        self.begun_anew = 0
        self.gaps = 0
        self._link = link
        self._subscriber = subscriber
        self._keep_entries = keep_entries
        self._on_read = on_read
        self._cursor = _START  # last, as Redis writes it
        self._cursor_id: bytes | None = None  # of the message there
        self._count: int | None = (
            None  # entries that the log had ever got when it was read to its end; None when that isn't known
        )
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._unsent: deque[bytes] = deque()
        self._overflowed = False
        self._live_at = -_LIVE_FOR

    @property
    def is_live(self) -> bool:
        """It is read, and there is nothing in it that we have not heard for long."""
        return monotonic() - self._live_at < _LIVE_FOR

    @property
    def pending(self) -> int:
        """Messages that wait for Redis to come back."""
        return len(self._unsent)

    # ------------------------------------------------------------------------------------------------ what we say

    def hear_own(self, message: bytes) -> bytes:
        """The subscriber hears it at once; its id, for send."""
        uid = os.urandom(12)
        self._note(uid, message, self._subscriber.hear(message, None, None), placed=False)
        return uid

    async def send(self, uid: bytes) -> bool:
        """Put a message into the log; False: it waits for Redis to be back."""
        known = self._known.get(uid)
        if known is None:
            return True  # ten thousand others have come since, and told the rest that something was missed
        try:
            await self._append(uid, known.message)
        except RedisUnavailable:
            if len(self._unsent) >= _KNOWN:
                self._unsent.popleft()
                self._overflowed = True
            self._unsent.append(uid)
            return False
        return True

    async def bounds(self) -> StreamBounds | None:
        """Where it begins and ends now. Raises RedisUnavailable."""
        return await self._link.stream_bounds(self.stream)

    async def _append(self, uid: bytes, message: bytes) -> None:
        await self._link.append(self.stream, {_ID: uid, _MESSAGE: message}, max_entries=self._keep_entries)

    async def _send_unsent(self) -> None:
        """What could not be sent, in its order. Raises RedisUnavailable with the rest still waiting."""
        if self._overflowed:
            await self._link.append(self.stream, {_MARK: _OVERFLOW}, max_entries=self._keep_entries)
            self._overflowed = False
        while self._unsent:
            known = self._known.get(self._unsent[0])
            if known is not None:
                await self._append(self._unsent[0], known.message)
            self._unsent.popleft()

    # ------------------------------------------------------------------------------------------------ what we hear

    async def follow(self) -> None:
        """Hear all that comes, for ever."""
        is_joined = False
        while True:
            try:
                if not is_joined or self._is_lost(await self.bounds()):
                    is_joined = False
                    await self._join()
                    await self._on_read(True)  # who counts as live counts for others
                    self._live_at = monotonic()
                    is_joined = True
                await self._send_unsent()
                await self._read()
            except RedisUnavailable:
                is_joined = False
                await asyncio.sleep(_PAUSE)
            except Exception:
                logger.exception("bus", extra={"stream": self.stream.decode("ascii")})
                is_joined = False
                await asyncio.sleep(1.0)

    async def _read(self) -> None:
        """Everything up to the end of the log, and the first half second after it."""
        while True:
            entries = await self._link.entries_after(self.stream, self._cursor, count=_BATCH, block=_WAIT)
            self._live_at = monotonic()
            if not entries:
                await self._on_read(False)
                return
            for entry, fields in entries:
                self._take(entry, fields)
            if self._count is not None:
                self._count += len(entries)
            if any(fields.get(_MARK) == _BEGIN for _, fields in entries):
                await self._read_whole()
            await self._on_read(True)

    def _is_lost(self, bounds: StreamBounds | None) -> bool:
        """Whether the log is another one than that which was read; otherwise, at its end, whether it was trimmed before it was read."""
        if bounds is None or (self.last is not None and place_of(bounds.last) < self.last):
            return True
        if bounds.added is None or self._count is None:
            if bounds.last == self._cursor:
                self._count = bounds.added
            return False
        if bounds.added < self._count:
            return True
        if (
            bounds.last == self._cursor and bounds.added > self._count
        ):  # at its end as many have been read as were added, or some were not there any more
            self._miss(self.last or (0, 0))
            self._count = bounds.added
        return False

    async def _join(self) -> None:
        """Come to the end of the log, from wherever we were. Raises RedisUnavailable."""
        bounds = await self.bounds()
        if bounds is None or (self.last is not None and place_of(bounds.last) < self.last):
            bounds = await self._begin_anew(bounds)
            lost = self.last is not None
        else:
            lost = self._is_lost(bounds) or not await self._has_cursor(bounds)
        first = place_of(bounds.first or bounds.last)
        is_new = self.last is None
        if is_new:
            self._subscriber.begin(first)
        elif not lost and self.last is not None and first > self.last:
            self._miss(first)
            self._count = None
        if lost or is_new:
            self._count = None
            there = await self._read_whole()
            self._is_lost(await self.bounds())  # from here on it is known how many there have been
            if lost:
                await self._put_back(there)

    async def _has_cursor(self, bounds: StreamBounds) -> bool:
        """Whether the last entry that was read is still there, or was trimmed; an end that was lost may have been written over since."""
        if self.last is None:
            return True
        if bounds.first is None or place_of(bounds.first) > self.last:
            return not await self._begins_with_mark()
        there = await self._link.execute("XRANGE", self.stream, self._cursor, self._cursor)
        if not isinstance(there, list) or not there:
            return False
        fields = there[0][1]
        pairs = dict(zip(fields[::2], fields[1::2], strict=True)) if isinstance(fields, list) else fields
        return bool(pairs.get(_ID) == self._cursor_id)

    async def _begins_with_mark(self) -> bool:
        entries = await self._link.entries_after(self.stream, _START, count=1, block=0)
        return bool(entries) and entries[0][1].get(_MARK) == _BEGIN

    async def _begin_anew(self, bounds: StreamBounds | None) -> StreamBounds:
        """A mark behind every place that anybody is likely to know."""
        ends = [place_of(bounds.last)[0] if bounds is not None else 0, self.last[0] if self.last is not None else 0]
        milliseconds = max(int(time() * 1000), *(end + 1 for end in ends))
        if self.last is not None:
            self.begun_anew += 1
            logger.warning("bus_begun_anew", extra={"stream": self.stream.decode("ascii"), "known": len(self._known)})
        try:
            await self._link.execute("XADD", self.stream, f"{milliseconds}-0", _MARK, _BEGIN)
        except RedisUnavailable as error:
            if error.reason != "command":
                raise
            # somebody else was quicker, and began behind a later place
        begun = await self.bounds()
        if begun is None:
            raise RedisUnavailable("the log of the bus does not stay", "lost")
        return begun

    async def _read_whole(self) -> set[bytes]:
        """From its first entry to its end; the ids of the messages that are there."""
        there, cursor, is_out_of_order = set(), _START, False
        while entries := await self._link.entries_after(self.stream, cursor, count=_BATCH, block=0):
            for entry, fields in entries:
                is_out_of_order |= self._take(entry, fields)
                there.add(fields.get(_ID, b""))
            cursor = entries[-1][0]
            await asyncio.sleep(0)
        if is_out_of_order and self.last is not None:
            # A new message with an early place: nothing that was stored before the end of this log can be judged by places.
            self._miss(self.last)
        return there

    async def _put_back(self, there: set[bytes]) -> None:
        """What we know and the log lacks."""
        since, waiting = monotonic() - _KNOWN_FOR, set(self._unsent)
        for uid, known in list(self._known.items()):
            if known.at >= since and uid not in there and uid not in waiting:
                await self._append(uid, known.message)

    def _take(self, entry: bytes, fields: dict[bytes, bytes]) -> bool:
        """One entry of the log. True: it was new, and stood where everything should be known."""
        place = place_of(entry)
        is_behind = self.last is not None and place <= self.last
        if not is_behind:
            self.last, self._cursor, self._cursor_id = place, entry, fields.get(_ID)
            if fields.get(_MARK) == _OVERFLOW:
                self._miss(place)
        uid, message = fields.get(_ID), fields.get(_MESSAGE)
        if uid is None or message is None:
            return False
        known = self._known.get(uid)
        if known is None:
            self._note(uid, message, self._subscriber.hear(message, None if is_behind else place, None), placed=True)
            return is_behind
        if not (known.placed or is_behind):
            self._subscriber.hear(message, place, known.before)
            known.placed = True
        return False

    def _note(self, uid: bytes, message: bytes, before: object, *, placed: bool) -> None:
        """Heard now for the first time."""
        self._known[uid] = _Known(message, before, placed=placed)
        if len(self._known) > _KNOWN:
            self._known.popitem(last=False)

    def _miss(self, place: Place) -> None:
        self.gaps += 1
        self._subscriber.missed()
        self._subscriber.begin(place)


def place_of(entry: bytes) -> Place:
    """The id of an entry, as Redis writes it. Raises ValueError."""
    milliseconds, _, counter = entry.partition(b"-")
    return int(milliseconds), int(counter or 0)
