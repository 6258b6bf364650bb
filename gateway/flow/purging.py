"""Purging, from what someone asks for to the ledger of every process: published on the bus, applied where it is heard."""

from __future__ import annotations

import asyncio
from typing import Literal

import orjson

from gateway.cache.key import Key
from gateway.cache.memory_store import MemoryStore
from gateway.cache.purges import Ledger, Verdict
from gateway.flow.routes import Routes
from gateway.live.bus import Bus

__all__ = ["Purger", "Target"]

Target = (
    tuple[Literal["url", "prefix"], Key]
    | tuple[Literal["tag"], bytes]
    | tuple[Literal["route"], str]
    | tuple[Literal["all"], None]
)

TOPIC = "purge"
_SLICE = 2_000
"""Entries counted before the loop gets a turn."""


class Purger:
    """Takes purges for this gateway. `purges` counts them by kind."""

    def __init__(self, bus: Bus, ledger: Ledger, store: MemoryStore, routes: Routes) -> None:
        self.bus = bus
        self.ledger = ledger
        self.store = store
        self.routes = routes
        self.purges: dict[str, int] = {}
        bus.subscribe(TOPIC, self._hear)

    def key_of(self, scheme: bytes, host: bytes, target: bytes) -> Key:
        """The primary key of a URL, as its route makes it."""
        route = self.routes.find(host, target)
        return (scheme, host, route.query.apply(target) if route is not None else target)

    async def purge(self, target: Target, *, hard: bool) -> int:
        """Purge in every process; how many entries of this one it hit."""
        held = await self._count(target)
        await self.bus.publish(TOPIC, _encode(target, hard=hard))
        return held

    async def _count(self, target: Target) -> int:
        kind, value = target
        if kind == "tag":
            assert isinstance(value, bytes)
            return self.store.tagged(value)
        if kind == "url":
            assert isinstance(value, tuple)
            shelf = self.store.shelf(value)
            return sum(1 for _ in shelf.entries()) if shelf else 0
        if kind == "all":
            return len(self.store)
        count = 0
        prefix = value if isinstance(value, tuple) else (b"", b"", b"/")
        for seen, entry in enumerate(self.store.entries_under(prefix)):
            count += kind == "prefix" or entry.route == value
            if seen % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)
        return count

    def _hear(self, message: bytes) -> None:
        target, verdict = _decode(message)
        kind, value = target
        self.purges[kind] = self.purges.get(kind, 0) + 1
        if kind == "prefix":
            assert isinstance(value, tuple)
            self.ledger.purge_prefix(value, verdict)
            return
        self.ledger.purge((kind, value), verdict)
        if kind == "tag":
            assert isinstance(value, bytes)
            self.store.forget_count(value)


def _encode(target: Target, *, hard: bool) -> bytes:
    kind, value = target
    if isinstance(value, tuple):
        plain: object = [part.decode("latin-1") for part in value]
    else:
        plain = value.decode("latin-1") if isinstance(value, bytes) else value
    return orjson.dumps({"v": 1, "kind": kind, "value": plain, "hard": hard})


def _decode(message: bytes) -> tuple[Target, Verdict]:
    parsed = orjson.loads(message)
    kind, plain = parsed["kind"], parsed["value"]
    value: object = plain
    if isinstance(plain, list):
        value = tuple(part.encode("latin-1") for part in plain)
    elif kind == "tag":
        value = plain.encode("latin-1")
    return (kind, value), Verdict.HARD if parsed["hard"] else Verdict.SOFT  # type: ignore[return-value]
