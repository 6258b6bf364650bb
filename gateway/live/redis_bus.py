"""A bus over Redis Streams: one log for each topic, which every process reads to its end and then waits at.

    publish ──▶ own subscriber, at once ──▶ XADD ──▶ XREAD in every process ──▶ subscriber, with its place in the log
                       │ Redis is away
                       └──▶ kept, and sent when it is back

What can happen to the log, and what is done:
- a process was cut off: it reads on from where it was
- for so long that the log was trimmed past that place: its subscriber is told that it missed something
- Redis was emptied, or a replica took over that had not got everything: a process that finds the log gone, or shorter than it knows it, begins it anew
  behind the last place it knows, reads what others have put there, and puts back what it knows and the log lacks. Those who were cut off meanwhile find it there.
- the same message twice: each has an id of its own, and is heard once

Places are ids of Redis Streams: milliseconds and a counter. They rise even when the log is begun anew, since its first entry is given a place behind all known ones.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import OrderedDict, deque
from time import monotonic, time

from gateway.errors import RedisUnavailable
from gateway.live.bus import LOCAL, Delivery, Place, Subscriber
from gateway.redis_link.link import RedisLink

__all__ = ["RedisBus"]

logger = logging.getLogger(__name__)

_WAIT = 0.5
"""Seconds at the end of the log until we look whether it is still the same one."""
_PAUSE = 0.2
"""Seconds between two tries while Redis is away."""
_LIVE_FOR = 2.0
"""Seconds without news from Redis after which what we know of the log is old."""
_MEMBER_FOR = 10.0
"""Seconds without a sign of life after which a process is none any more."""
_SIGN_EVERY = 2.0
_KNOWN = 10_000
"""Messages kept for putting them back, and for knowing them again."""
_KNOWN_FOR = 3600.0
_BATCH = 500
_START = b"0-0"
_BEGIN = b"begin"
_OVERFLOW = b"gap"


class _Known:
    """A message that was heard. before: what its subscriber returned at the first time. placed: it was heard from the log. at: monotonic seconds."""

    __slots__ = ("at", "before", "message", "placed")

    def __init__(self, message: bytes, before: object, at: float, *, placed: bool) -> None:
        self.message = message
        self.before = before
        self.at = at
        self.placed = placed


class _Topic:
    """What is known of one log. last: the place read to; cursor: the id to read from, as Redis writes it.

    count: how many entries the log had ever got when it was read to its end; None when that isn't known.
    """

    def __init__(self, stream: bytes, subscriber: Subscriber) -> None:
        self.stream = stream
        self.members = stream + b":members"
        self.subscriber = subscriber
        self.last: Place | None = None
        self.cursor = _START
        self.count: int | None = None
        self.known: OrderedDict[bytes, _Known] = OrderedDict()
        self.unsent: deque[bytes] = deque()
        self.overflowed = False
        self.live_at = -_LIVE_FOR
        self.sign_at = 0.0
        self.task: asyncio.Task[None] | None = None

    def note(self, uid: bytes, message: bytes, before: object, *, placed: bool) -> None:
        """Heard now for the first time."""
        self.known[uid] = _Known(message, before, monotonic(), placed=placed)
        if len(self.known) > _KNOWN:
            self.known.popitem(last=False)


class RedisBus:
    """The Bus port over one RedisLink.

    prefix: of keys. keep_entries: messages that the log holds, about. keep_for: seconds for which it outlives its last reader.
    patience: seconds that publish waits for others.
    """

    def __init__(
        self, link: RedisLink, prefix: str, *, keep_entries: int = 100_000, keep_for: float = 172_800.0, patience: float = 0.25
    ) -> None:
        self._link = link
        self._prefix = prefix.encode("ascii")
        self._keep_entries = keep_entries
        self._keep_for = keep_for
        self._patience = patience
        self._me = f"{os.getpid()}-{os.urandom(6).hex()}".encode("ascii")
        self._topics: dict[str, _Topic] = {}
        self._sending: set[asyncio.Task[bool]] = set()
        self.begun_anew = 0
        self.gaps = 0

    @property
    def is_live(self) -> bool:
        """Bus.is_live."""
        now = monotonic()
        return all(now - topic.live_at < _LIVE_FOR for topic in self._topics.values())

    @property
    def pending(self) -> int:
        """Messages that wait for Redis to come back."""
        return sum(len(topic.unsent) for topic in self._topics.values())

    def subscribe(self, topic: str, subscriber: Subscriber) -> None:
        """Bus.subscribe; one for each topic."""
        if topic in self._topics:
            raise ValueError(f"{topic}: has a subscriber already")
        self._topics[topic] = _Topic(self._prefix + b":" + topic.encode("ascii"), subscriber)

    def announce(self, topic: str, message: bytes) -> None:
        """Bus.announce."""
        self._begin_sending(self._topics[topic], self._hear_own(self._topics[topic], message))

    async def publish(self, topic: str, message: bytes) -> Delivery:
        """Bus.publish."""
        subject = self._topics[topic]
        uid = self._hear_own(subject, message)
        sent = await asyncio.shield(self._begin_sending(subject, uid))
        if not sent:
            return LOCAL._replace(shared=True, sent=False)
        try:
            async with asyncio.timeout(self._patience):
                return await self._reach(subject)
        except (TimeoutError, RedisUnavailable):
            return await self._count_reached(subject, sent=True)

    async def start(self) -> None:
        """Bus.start."""
        for topic in self._topics.values():
            topic.task = asyncio.get_running_loop().create_task(self._follow(topic))

    async def aclose(self) -> None:
        """Bus.aclose."""
        following = [topic.task for topic in self._topics.values() if topic.task is not None]
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)
        await asyncio.gather(*self._sending, return_exceptions=True)
        for topic in self._topics.values():
            try:
                await self._link.execute("HDEL", topic.members, self._me)
            except RedisUnavailable:
                break  # in ten seconds it will be forgotten by itself

    # ------------------------------------------------------------------------------------------------ what we say

    def _hear_own(self, topic: _Topic, message: bytes) -> bytes:
        uid = os.urandom(12)
        topic.note(uid, message, topic.subscriber.hear(message, None, None), placed=False)
        return uid

    def _begin_sending(self, topic: _Topic, uid: bytes) -> asyncio.Task[bool]:
        task = asyncio.get_running_loop().create_task(self._send(topic, uid))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        return task

    async def _send(self, topic: _Topic, uid: bytes) -> bool:
        """Put a message into the log; False: it waits for Redis to be back."""
        known = topic.known.get(uid)
        if known is None:
            return True  # so old that it has been overflowed
        try:
            await self._append(topic, uid, known.message)
        except RedisUnavailable:
            if len(topic.unsent) >= _KNOWN:
                topic.unsent.popleft()
                topic.overflowed = True
            topic.unsent.append(uid)
            return False
        return True

    async def _append(self, topic: _Topic, uid: bytes, message: bytes) -> None:
        await self._link.append(topic.stream, {b"u": uid, b"m": message}, max_entries=self._keep_entries)

    async def _send_unsent(self, topic: _Topic) -> None:
        """What could not be sent, in its order. Raises RedisUnavailable with the rest still waiting."""
        if topic.overflowed:
            await self._link.append(topic.stream, {b"k": _OVERFLOW}, max_entries=self._keep_entries)
            topic.overflowed = False
        while topic.unsent:
            known = topic.known.get(topic.unsent[0])
            if known is not None:
                await self._append(topic, topic.unsent[0], known.message)
            topic.unsent.popleft()

    async def _reach(self, topic: _Topic) -> Delivery:
        pause = 0.001
        while True:
            delivery = await self._count_reached(topic, sent=True)
            if delivery.is_complete:
                return delivery
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.02)

    async def _count_reached(self, topic: _Topic, *, sent: bool) -> Delivery:
        """Who has read as far as the log goes now. Later messages only make this stricter."""
        try:
            bounds = await self._link.stream_bounds(topic.stream)
            reply = await self._link.execute("HGETALL", topic.members)
        except RedisUnavailable:
            return Delivery(shared=True, sent=sent, processes=2, reached=1)  # there may be others: we can't know
        wanted = _place(bounds.last) if bounds is not None else (0, 0)
        signs = dict(zip(reply[::2], reply[1::2], strict=False)) if isinstance(reply, list) else dict(reply or {})
        signs.pop(self._me, None)
        reached = processes = 1
        for sign in signs.values():
            place, at = _read_sign(sign)
            if time() - at < _MEMBER_FOR:
                processes += 1
                reached += place >= wanted
        return Delivery(shared=True, sent=sent, processes=processes, reached=reached)

    # ------------------------------------------------------------------------------------------------ what we hear

    async def _follow(self, topic: _Topic) -> None:
        while True:
            try:
                await self._join(topic)
                while not await self._is_lost(topic):
                    await self._read(topic)
            except RedisUnavailable:
                await asyncio.sleep(_PAUSE)
            except Exception:
                logger.exception("bus", extra={"stream": topic.stream.decode("ascii")})
                await asyncio.sleep(1.0)

    async def _read(self, topic: _Topic) -> None:
        """Everything up to the end of the log, and the first half second after it."""
        while True:
            entries = await self._link.entries_after(topic.stream, topic.cursor, count=_BATCH, block=_WAIT)
            topic.live_at = monotonic()
            for entry, fields in entries:
                self._take(topic, entry, fields)
            if topic.count is not None:
                topic.count += len(entries)
            await self._give_sign(topic, now=bool(entries))
            if not entries:
                return
            await asyncio.sleep(0)

    async def _is_lost(self, topic: _Topic) -> bool:
        """Whether the log is another one than that which was read: gone, or shorter. And whether it was trimmed before it was read."""
        bounds = await self._link.stream_bounds(topic.stream)
        if bounds is None or (topic.last is not None and _place(bounds.last) < topic.last):
            return True
        if bounds.last == topic.cursor and bounds.added is not None:  # at its end: as many must have been read as were added
            if topic.count is not None and bounds.added > topic.count:
                self._miss(topic, _place(topic.cursor))
            topic.count = bounds.added
        return False

    async def _join(self, topic: _Topic) -> None:
        """Come to the end of the log, from wherever we were."""
        bounds = await self._link.stream_bounds(topic.stream)
        lost = bounds is None or (topic.last is not None and _place(bounds.last) < topic.last)
        if bounds is None or lost:
            await self._begin_anew(topic, bounds.last if bounds is not None else _START)
            bounds = await self._link.stream_bounds(topic.stream)
            if bounds is None:
                raise RedisUnavailable("the log of the bus does not stay", "lost")
        first = _place(bounds.first or bounds.last)
        if topic.last is None:
            topic.subscriber.begin(first)
        elif not lost and first > topic.last:
            lost = await self._begins_with_mark(topic)  # somebody else has begun it anew: what we know may be missing there
            if not lost:
                self._miss(topic, first)
        topic.count = None
        there = await self._catch_up(topic, from_start=lost or topic.last is None)
        if lost and topic.known:
            await self._put_back(topic, there)
        await self._send_unsent(topic)

    async def _begins_with_mark(self, topic: _Topic) -> bool:
        entries = await self._link.entries_after(topic.stream, _START, count=1, block=0)
        return bool(entries) and entries[0][1].get(b"k") == _BEGIN

    async def _begin_anew(self, topic: _Topic, last: bytes) -> None:
        """A first entry, behind every place that anybody is likely to know."""
        milliseconds = max(int(time() * 1000), _place(last)[0] + 1, topic.last[0] + 1 if topic.last is not None else 0)
        if topic.last is not None:
            self.begun_anew += 1
            logger.warning("bus_begun_anew", extra={"stream": topic.stream.decode("ascii"), "known": len(topic.known)})
        try:
            await self._link.execute("XADD", topic.stream, f"{milliseconds}-0", b"k", _BEGIN)
        except RedisUnavailable as error:
            if error.reason != "command":
                raise
            # somebody else was quicker, and began behind a later place

    async def _catch_up(self, topic: _Topic, *, from_start: bool) -> set[bytes]:
        """Read to the end; the ids of the messages found."""
        there = set()
        cursor = _START if from_start else topic.cursor
        while entries := await self._link.entries_after(topic.stream, cursor, count=_BATCH, block=0):
            for entry, fields in entries:
                self._take(topic, entry, fields)
                if b"u" in fields:
                    there.add(fields[b"u"])
            cursor = entries[-1][0]
            topic.live_at = monotonic()
            await asyncio.sleep(0)
        topic.live_at = monotonic()
        await self._give_sign(topic, now=True)
        return there

    async def _put_back(self, topic: _Topic, there: set[bytes]) -> None:
        """What we know and the log lacks: for those who were cut off when it was lost."""
        since = monotonic() - _KNOWN_FOR
        waiting = set(topic.unsent)
        for uid, known in list(topic.known.items()):
            if known.at >= since and uid not in there and uid not in waiting:
                await self._append(topic, uid, known.message)

    def _take(self, topic: _Topic, entry: bytes, fields: dict[bytes, bytes]) -> None:
        """One entry of the log."""
        place = _place(entry)
        is_behind = topic.last is not None and place <= topic.last  # of a log begun anew by a machine whose clock is late
        if not is_behind:
            topic.last, topic.cursor = place, entry
        if fields.get(b"k") == _OVERFLOW:
            self._miss(topic, place)
        uid, message = fields.get(b"u"), fields.get(b"m")
        if uid is None or message is None:
            return
        known = topic.known.get(uid)
        if known is not None:
            if not (known.placed or is_behind):
                topic.subscriber.hear(message, place, known.before)
                known.placed = True
        elif is_behind:
            topic.note(uid, message, topic.subscriber.hear(message, None, None), placed=True)
            self._miss(topic, topic.last or place)
        else:
            topic.note(uid, message, topic.subscriber.hear(message, place, None), placed=True)

    def _miss(self, topic: _Topic, place: Place) -> None:
        self.gaps += 1
        topic.subscriber.missed()
        topic.subscriber.begin(place)

    async def _give_sign(self, topic: _Topic, *, now: bool) -> None:
        """Tell the others that we are here, and how far we have read."""
        if not now and monotonic() - topic.sign_at < _SIGN_EVERY:
            return
        topic.sign_at = monotonic()
        await self._link.execute("HSET", topic.members, self._me, b"%s@%d" % (topic.cursor, int(time() * 1000)))
        if not now:
            await self._link.execute("EXPIRE", topic.members, int(self._keep_for))
            await self._link.execute("EXPIRE", topic.stream, int(self._keep_for))


def _place(entry: bytes) -> Place:
    milliseconds, _, counter = entry.partition(b"-")
    return int(milliseconds), int(counter or 0)


def _read_sign(sign: bytes) -> tuple[Place, float]:
    """(place, epoch seconds) of a member's sign of life; long ago for what can't be read."""
    entry, _, milliseconds = sign.partition(b"@")
    try:
        return _place(entry), int(milliseconds) / 1000
    except ValueError:
        return (0, 0), 0.0
