"""The verbs. Each is bounded by one budget of time, and raises RedisUnavailable or gives what Redis said.

    get(a) ─┐
    get(b) ─┼─▶ end of the loop's tick ──▶ one MGET a b c (a Cluster: one GET each, in one write to each server) ──▶ three answers
    get(c) ─┘

Why: a GET of its own costs 60 to 74 µs of this process's CPU, one of a hundred merged ones 3 to 5.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from hashlib import sha1
from typing import NamedTuple

from redis.exceptions import NoScriptError, ResponseError

from gateway.errors import RedisUnavailable
from gateway.redis_link.node import Node
from gateway.redis_link.topology import Topology
from gateway.redis_link.troubles import Trouble, trouble_of, unavailable
from gateway.redis_link.wire import Command, Reply

__all__ = ["RedisLink", "StreamBounds"]

_MOST_MERGED = 64
"""Keys in one command: the values of one MGET come whole or not at all, so many large ones would run out of time together."""

_REMOVE_IF = b"if redis.call('GET',KEYS[1])==ARGV[1] then return redis.call('DEL',KEYS[1]) else return 0 end"
_PROLONG_IF = b"if redis.call('GET',KEYS[1])==ARGV[1] then return redis.call('PEXPIRE',KEYS[1],ARGV[2]) else return 0 end"
_SHA = {script: sha1(script, usedforsecurity=False).hexdigest() for script in (_REMOVE_IF, _PROLONG_IF)}


class StreamBounds(NamedTuple):
    """What XINFO STREAM says; ids as Redis writes them, `b"1700000000000-0"`.

    first        the oldest entry that is still there; None when the stream is empty
    last         the newest id ever given, there or not
    max_deleted  the newest one that XDEL took out, b"0-0" when none (Redis 7; trimming by MAXLEN doesn't show here)
    added        entries ever added (Redis 7), or None
    """

    first: bytes | None
    last: bytes
    max_deleted: bytes
    added: int | None


class RedisLink:
    """Everything that is asked of Redis. Use in one event loop; start() in it, aclose() at the end.

    Every verb may be called by many at once and raises RedisUnavailable, within the budget, when the answer can't be had. A verb that writes may have
    been carried out all the same: the answer is what was lost.
    """

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._waiting: dict[bytes, list[asyncio.Future[bytes | None]]] = {}
        self._batches: set[asyncio.Task[None]] = set()
        self._gets = 0
        self._keys_sent = 0

    async def start(self) -> None:
        """Find the servers and be ready, in a second at most. Never raises: Redis may come later."""
        await self._topology.start()

    @property
    def is_up(self) -> bool:
        """Whether every server that is in use can be asked."""
        return self._topology.is_up()

    def counters(self) -> Mapping[str, float]:
        """Plain numbers for metrics.

        up: 1 while is_up · exchanges, seconds: with servers, and what they took together · gets, keys_sent: asked for, and sent after merging ·
        connections_made · opened: how often a breaker opened · servers · trouble_<word>: by Trouble, each word there from the start.
        """
        figures = self._topology.figures
        counted = {
            "up": float(self.is_up),
            "exchanges": figures.exchanges,
            "seconds": figures.seconds,
            "gets": self._gets,
            "keys_sent": self._keys_sent,
            "connections_made": figures.connections_made,
            "opened": figures.opened,
            "servers": sum(1 for _ in self._topology.nodes()),
        }
        return counted | {f"trouble_{trouble.value}": count for trouble, count in figures.troubles.items()}

    async def aclose(self) -> None:
        """Close all connections. Gets that wait are answered with RedisUnavailable."""
        await self._topology.aclose()
        if self._batches:
            await asyncio.wait(self._batches)

    # ── Values ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def get(self, key: bytes) -> bytes | None:
        """The value under key. All gets of one tick of the loop go out together, and those of one key share one answer."""
        loop = asyncio.get_running_loop()
        self._gets += 1
        if not self._waiting:
            loop.call_soon(self._send_gets)
        answer: asyncio.Future[bytes | None] = loop.create_future()
        # Each has a future of its own: one that is cancelled takes nothing from the others.
        self._waiting.setdefault(key, []).append(answer)
        return await answer

    async def set(self, key: bytes, value: bytes, *, ttl: float) -> None:
        """Keep value for ttl seconds, in the place of what was there."""
        await self._ask(key, ("SET", key, value, "PX", _milliseconds(ttl)), lambda reply: reply == b"OK")

    async def add(self, key: bytes, value: bytes, *, ttl: float) -> bool:
        """Keep value for ttl seconds if nothing is there. True: it is ours."""
        reply = await self._ask(key, ("SET", key, value, "NX", "PX", _milliseconds(ttl)), lambda reply: reply in {b"OK", None})
        return bool(reply == b"OK")

    async def remove(self, *keys: bytes) -> int:
        """Remove keys; how many were there. The memory is freed beside other commands (UNLINK)."""
        if not self._topology.splits:
            return int(await self._ask(keys[0], ("UNLINK", *keys), _is_number)) if keys else 0
        counts = await asyncio.gather(*(self._ask(key, ("UNLINK", key), _is_number) for key in keys))
        return sum(counts)

    async def remove_if(self, key: bytes, value: bytes) -> bool:
        """Remove key if value is what is there, in one step. True: it was."""
        return await self._run(_REMOVE_IF, key, value)

    async def prolong_if(self, key: bytes, value: bytes, *, ttl: float) -> bool:
        """Keep what is under key for ttl seconds from now, if value is what is there. True: it was."""
        return await self._run(_PROLONG_IF, key, value, _milliseconds(ttl))

    async def _run(self, script: bytes, key: bytes, *arguments: bytes | int) -> bool:
        try:
            reply = await self._ask(key, ("EVALSHA", _SHA[script], 1, key, *arguments), _is_number, NoScriptError)
        except _Expected:  # a server that was restarted, or another one, doesn't know the script
            reply = await self._ask(key, ("EVAL", script, 1, key, *arguments), _is_number)
        return bool(reply)

    # ── Streams ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def append(self, stream: bytes, fields: Mapping[bytes, bytes], *, max_entries: int) -> bytes:
        """Add an entry; its id. About max_entries are kept, the oldest go (Redis trims whole nodes of its tree: some hundred more may stay)."""
        pairs = [part for pair in fields.items() for part in pair]
        command: Command = ("XADD", stream, "MAXLEN", "~", max_entries, "*", *pairs)
        return bytes(await self._ask(stream, command, lambda reply: isinstance(reply, bytes)))

    async def entries_after(
        self, stream: bytes, after: bytes, *, count: int, block: float
    ) -> list[tuple[bytes, dict[bytes, bytes]]]:
        """Up to count entries newer than the id `after`, oldest first; waits up to block seconds for the first one, [] when none came.

        On a connection of its own, so nobody else waits for it; a stream is read by one caller at a time. Says nothing to the breaker, and isn't stopped by it.
        """
        waits: Command = ("BLOCK", _milliseconds(block)) if block > 0 else ()
        command = ("XREAD", "COUNT", count, *waits, "STREAMS", stream, after)
        node = self._topology.node_of(stream)
        reply = await node.exchange_apart(stream, command, block)
        if isinstance(reply, ResponseError):
            await self._topology.refused(node, reply)
            raise self._refusal(node, reply)
        try:
            return [
                (entry, dict(zip(fields[::2], fields[1::2], strict=True))) for entry, fields in (reply[0][1] if reply else ())
            ]
        except (TypeError, ValueError, KeyError, IndexError):
            raise self._nonsense(node) from None

    async def stream_bounds(self, stream: bytes) -> StreamBounds | None:
        """First and last id of a stream, None when there is no such key."""
        try:
            reply = await self._ask(stream, ("XINFO", "STREAM", stream), lambda reply: isinstance(reply, list), ResponseError)
        except _Expected as told:
            if "no such key" in str(told.refusal):
                return None
            raise self._refusal(self._topology.node_of(stream), told.refusal) from None
        said = dict(zip(reply[::2], reply[1::2], strict=False))
        first = said.get(b"first-entry")
        return StreamBounds(
            first[0] if first else None,
            said.get(b"last-generated-id", b"0-0"),
            said.get(b"max-deleted-entry-id", b"0-0"),
            said.get(b"entries-added"),
        )

    # ── Anything else ────────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def execute(self, command: str, key: bytes, *arguments: bytes | str | int) -> Reply:
        """Any command whose first argument is its key; Redis' own answer."""
        return await self._ask(key, (command, key, *arguments))

    async def _ask(
        self,
        key: bytes,
        command: Command,
        fits: Callable[[Reply], bool] | None = None,
        expected: type[ResponseError] | None = None,
    ) -> Reply:
        """One command to the server that has key, and once more where that one sends us. expected: a refusal that the caller wants to see (_Expected)."""
        node = self._topology.node_of(key)
        (reply,) = await node.exchange((command,), _each(fits))
        if isinstance(reply, ResponseError) and (there := await self._topology.refused(node, reply)) is not None:
            node = there.node
            commands: tuple[Command, ...] = (("ASKING",), command) if there.asking else (command,)
            reply = (await node.exchange(commands, _each(fits, beside_last=b"OK")))[-1]
        if isinstance(reply, ResponseError):
            if expected is not None and isinstance(reply, expected):
                raise _Expected(reply)
            raise self._refusal(node, reply)
        return reply

    def _send_gets(self) -> None:
        waiting, self._waiting = self._waiting, {}
        parts: dict[Node, list[bytes]] = {}
        for key, answers in waiting.items():
            try:
                parts.setdefault(self._topology.node_of(key), []).append(key)
            except RedisUnavailable as error:
                _fail(answers, error)
        for node, keys in parts.items():
            for start in range(0, len(keys), _MOST_MERGED):
                some = {key: waiting[key] for key in keys[start : start + _MOST_MERGED]}
                self._keys_sent += len(some)
                # A task of the link's own: whoever asked may go, the connection's reply is read all the same.
                task = asyncio.get_running_loop().create_task(self._get_many(node, some))
                self._batches.add(task)
                task.add_done_callback(self._batches.discard)

    async def _get_many(self, node: Node, asked: dict[bytes, list[asyncio.Future[bytes | None]]]) -> None:
        keys = list(asked)
        merged = len(keys) > 1 and not self._topology.splits
        commands: list[Command] = [("MGET", *keys)] if merged else [("GET", key) for key in keys]
        try:
            replies = await node.exchange(commands, _are_values(len(keys)) if merged else _each(_is_value))
            if merged and not isinstance(replies[0], ResponseError):
                replies = replies[0]
            elif merged:
                replies *= len(keys)
        except RedisUnavailable as error:
            for answers in asked.values():
                _fail(answers, error)
            return
        for (key, answers), reply in zip(asked.items(), replies, strict=True):
            value = reply
            if isinstance(reply, ResponseError):
                try:
                    value = await self._get_elsewhere(node, key, reply)
                except RedisUnavailable as error:
                    _fail(answers, error)
                    continue
            for answer in answers:
                if not answer.done():
                    answer.set_result(value)

    async def _get_elsewhere(self, node: Node, key: bytes, refusal: ResponseError) -> bytes | None:
        there = await self._topology.refused(node, refusal)
        if there is None:
            raise self._refusal(node, refusal)
        commands: tuple[Command, ...] = (("ASKING",), ("GET", key)) if there.asking else (("GET", key),)
        reply = (await there.node.exchange(commands, _each(_is_value, beside_last=b"OK")))[-1]
        if isinstance(reply, ResponseError):
            raise self._refusal(there.node, reply)
        return None if reply is None else bytes(reply)

    def _refusal(self, node: Node, refusal: ResponseError) -> RedisUnavailable:
        trouble = trouble_of(refusal)
        self._topology.figures.troubles[trouble] += 1
        return unavailable(trouble, f"{node.address}: {trouble.value}")

    def _nonsense(self, node: Node) -> RedisUnavailable:
        self._topology.figures.troubles[Trouble.PROTOCOL] += 1
        return unavailable(Trouble.PROTOCOL, f"{node.address}: the reply does not belong to the command")


class _Expected(Exception):
    """A refusal that the caller asked to see."""

    def __init__(self, refusal: ResponseError) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


def _milliseconds(seconds: float) -> int:
    """At least one: Redis refuses an expiry of 0, and a BLOCK of 0 never ends."""
    return max(1, round(seconds * 1000))


def _fail(answers: list[asyncio.Future[bytes | None]], error: RedisUnavailable) -> None:
    for answer in answers:
        if not answer.done():
            answer.set_exception(
                RedisUnavailable(str(error), error.reason)
            )  # one each: a shared one would gather all their tracebacks


def _is_value(reply: Reply) -> bool:
    return reply is None or isinstance(reply, bytes)


def _is_number(reply: Reply) -> bool:
    return isinstance(reply, int)


def _are_values(count: int) -> Callable[[list[Reply]], bool]:
    def fits(replies: list[Reply]) -> bool:
        (reply,) = replies
        if isinstance(reply, ResponseError):
            return True
        return isinstance(reply, list) and len(reply) == count and all(_is_value(value) for value in reply)

    return fits


def _each(fits_one: Callable[[Reply], bool] | None, *, beside_last: bytes | None = None) -> Callable[[list[Reply]], bool] | None:
    """fits_one for every reply; refusals always fit. beside_last: what all but the last one are instead (ASKING's OK)."""
    if fits_one is None:
        return None

    def fits(replies: list[Reply]) -> bool:
        if beside_last is None:
            return all(isinstance(reply, ResponseError) or fits_one(reply) for reply in replies)
        return isinstance(replies[-1], ResponseError) or fits_one(replies[-1])

    return fits
