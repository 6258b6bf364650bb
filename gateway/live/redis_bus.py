"""A bus over Redis Streams: one log for each topic (redis_log.py), and a list of who reads it.

publish ──▶ own subscriber, at once ──▶ log ──▶ every process ──▶ its sign: "read up to here"
                                                                      │
Delivery(processes, reached) ◀── wait a moment ◀──────────────────────┘
"""

from __future__ import annotations

import asyncio
import os
from functools import partial
from time import monotonic, time

from gateway.errors import RedisUnavailable
from gateway.live.bus import LOCAL, Delivery, Place, Subscriber
from gateway.live.redis_log import RedisLog, place_of
from gateway.redis_link import RedisLink

__all__ = ["RedisBus"]

_SIGN_EVERY = 2.0
_MEMBER_FOR = 10.0
"""Seconds without a sign after which a process is none any more."""
_FORGOTTEN_AFTER = 60.0
_LEFT = b"left"
_NOWHERE: Place = (0, 0)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.02
"""Seconds between two looks at how far a message has come."""


class RedisBus:
    """The Bus port over one RedisLink.

    prefix: of keys. keep_entries: messages that a log holds, about. keep_for: seconds for which it outlives its last reader.
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
        self._logs: dict[str, RedisLog] = {}
        self._signs: dict[bytes, float] = {}  # when we gave the last one for a log; monotonic seconds
        self._seen: dict[
            bytes, dict[bytes, float]
        ] = {}  # by log, whose sign we saw, and when: Redis may lose the list, and they are there all the same
        self._following: list[asyncio.Task[None]] = []
        self._sending: set[asyncio.Task[bool]] = set()

    @property
    def is_live(self) -> bool:
        """Bus.is_live."""
        return all(log.is_live for log in self._logs.values())

    @property
    def pending(self) -> int:
        """Messages that wait for Redis to come back."""
        return sum(log.pending for log in self._logs.values())

    @property
    def begun_anew(self) -> int:
        """Times that a log was gone."""
        return sum(log.begun_anew for log in self._logs.values())

    @property
    def gaps(self) -> int:
        """Times that something was missed."""
        return sum(log.gaps for log in self._logs.values())

    def subscribe(self, topic: str, subscriber: Subscriber) -> None:
        """Bus.subscribe; one for each topic."""
        if topic in self._logs:
            raise ValueError(f"{topic}: has a subscriber already")
        stream = self._prefix + b":" + topic.encode("ascii")
        on_read = partial(self._give_sign, topic)
        self._seen[stream] = {}
        self._logs[topic] = RedisLog(self._link, stream, subscriber, keep_entries=self._keep_entries, on_read=on_read)

    def announce(self, topic: str, message: bytes) -> None:
        """Bus.announce."""
        log = self._logs[topic]
        self._begin_sending(log, log.hear_own(message))

    async def publish(self, topic: str, message: bytes) -> Delivery:
        """Bus.publish."""
        log = self._logs[topic]
        uid = log.hear_own(message)
        if not await asyncio.shield(self._begin_sending(log, uid)):
            return LOCAL._replace(shared=True, sent=False)
        deadline, pause = monotonic() + self._patience, _FIRST_PAUSE
        while True:
            delivery = await self._count_reached(log)
            if delivery.is_complete or monotonic() >= deadline:
                return delivery
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def start(self) -> None:
        """Bus.start."""
        loop = asyncio.get_running_loop()
        self._following = [loop.create_task(log.follow()) for log in self._logs.values()]

    async def aclose(self) -> None:
        """Bus.aclose."""
        for task in self._following:
            task.cancel()
        await asyncio.gather(*self._following, *self._sending, return_exceptions=True)
        for log in self._logs.values():
            try:
                await self._link.execute("HSET", _members(log), self._me, b"%s@%d" % (_LEFT, int(time() * 1000)))
            except RedisUnavailable:
                break  # in ten seconds we will be forgotten all the same

    def _begin_sending(self, log: RedisLog, uid: bytes) -> asyncio.Task[bool]:
        task = asyncio.get_running_loop().create_task(log.send(uid))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        return task

    async def _count_reached(self, log: RedisLog) -> Delivery:
        """Who has read as far as the log goes now. Later messages only make this stricter."""
        try:
            bounds = await log.bounds()
            places = await self._look_around(log)
        except RedisUnavailable:
            return Delivery(shared=True, sent=True, processes=2, reached=1)  # there may be others: we can't know
        wanted = place_of(bounds.last) if bounds is not None else (0, 0)
        others = self._seen[log.stream]
        reached = sum(places.get(member, _NOWHERE) >= wanted for member in others)
        return Delivery(shared=True, sent=True, processes=1 + len(others), reached=1 + reached)

    async def _look_around(self, log: RedisLog) -> dict[bytes, Place]:
        """How far the others say that they have read. Those who have not said anything for ten seconds are not looked for any more."""
        reply = await self._link.execute("HGETALL", _members(log))
        signs = dict(zip(reply[::2], reply[1::2], strict=False)) if isinstance(reply, list) else dict(reply or {})
        signs.pop(self._me, None)
        seen, now, places = self._seen[log.stream], monotonic(), {}
        for member, sign in signs.items():
            place, at = _read_sign(sign)
            age = time() - at
            if age > _FORGOTTEN_AFTER:
                await self._link.execute("HDEL", _members(log), member)
            if sign.startswith(_LEFT):
                seen.pop(member, None)
            elif age < _MEMBER_FOR:
                seen[member], places[member] = now - max(0.0, age), place
        for member in [member for member, at in seen.items() if now - at >= _MEMBER_FOR]:
            del seen[member]
        return places

    async def _give_sign(self, topic: str, is_news: bool) -> None:  # noqa: FBT001 - RedisLog's own way of calling
        """Tell the others that we are here, and how far we have read; and that the log is still of use. Raises RedisUnavailable."""
        log = self._logs[topic]
        if log.last is None or (not is_news and monotonic() - self._signs.get(log.stream, 0.0) < _SIGN_EVERY):
            return
        is_first = log.stream not in self._signs
        self._signs[log.stream] = monotonic()
        members = _members(log)
        await self._link.execute("HSET", members, self._me, b"%d-%d@%d" % (*log.last, int(time() * 1000)))
        if is_first or not is_news:
            await self._look_around(log)
            for key in (members, log.stream):
                await self._link.execute("EXPIRE", key, int(self._keep_for))


def _members(log: RedisLog) -> bytes:
    return log.stream + b":members"


def _read_sign(sign: bytes) -> tuple[Place, float]:
    """(place, epoch seconds) of a member's sign of life, or of its leave; long ago for what can't be read."""
    entry, _, milliseconds = sign.partition(b"@")
    try:
        return _NOWHERE if entry == _LEFT else place_of(entry), int(milliseconds) / 1000
    except ValueError:
        return _NOWHERE, 0.0
