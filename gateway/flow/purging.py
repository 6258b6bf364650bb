"""Purging, from what someone asks for to the ledger of every process: published on the bus, applied where it is heard."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import NamedTuple

from gateway.cache.key import Key
from gateway.cache.memory_store import MemoryStore
from gateway.cache.positions import Position
from gateway.cache.purges import Ledger, Verdict
from gateway.flow.purge_target import Message, Target, apply_target, decode_message, encode_message
from gateway.flow.routes import Routes
from gateway.live.bus import LOCAL, Bus, Delivery

__all__ = ["Purged", "Purger"]

logger = logging.getLogger(__name__)

TOPIC = "purges"
_SLICE = 2_000
"""Entries counted before the loop gets a turn."""
_TARGETS_IN_ONE = 100
"""Targets of one message: what a log of a hundred thousand of them may cost has a bound."""


class Purged(NamedTuple):
    """What a purge came to: entries of this process that it hit, and how far it has got."""

    entries: int
    delivery: Delivery


class Purger:
    """Takes purges for this gateway, and hears those of others. `purges` counts them by kind.

    is_known: whether something is stored here under a key, or on its way.
    """

    def __init__(
        self, bus: Bus, ledger: Ledger, store: MemoryStore, routes: Routes, is_known: Callable[[Key], bool] | None = None
    ) -> None:
        self.bus = bus
        self.ledger = ledger
        self.store = store
        self.routes = routes
        self.is_known = is_known or (lambda key: store.shelf(key) is not None)
        self.purges: dict[str, int] = {}
        bus.subscribe(TOPIC, self)

    def key_of(self, scheme: bytes, host: bytes, target: bytes) -> Key:
        """The primary key of a URL, as its route makes it."""
        route = self.routes.find(host, target)
        return (scheme, host, route.query.apply(target) if route is not None else target)

    async def purge(self, *targets: Target, hard: bool) -> Purged:
        """Purge in every process."""
        verdict, delivery, held = Verdict.HARD if hard else Verdict.SOFT, LOCAL, 0
        for start in range(0, len(targets), _TARGETS_IN_ONE):
            some = targets[start : start + _TARGETS_IN_ONE]
            for target in some:
                held += await self._count(target)
            delivery = await self.bus.publish(TOPIC, encode_message(some, verdict))
        return Purged(held, delivery)

    def invalidate(self, target: Target) -> None:
        """Nothing stored for target is to be used any more, anywhere: an unsafe request to it went through. RFC 9111 §4.4."""
        self.bus.announce(TOPIC, encode_message([target], Verdict.HARD, quiet=True))

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

    # ------------------------------------------------------------------------------------------------ as the bus's subscriber

    def hear(self, message: bytes, place: Position | None, before: object) -> object:
        """Subscriber.hear. Returns the ledger's sequence after it.

        What was published here was applied at once. When it comes back from the log it is applied once more if something came in between: in the log's
        order that may stand before it, and what was fetched in between has not heard of it.
        """
        try:
            purge = decode_message(message)
        except ValueError as error:
            logger.warning("purge_not_understood", extra={"cause": str(error)})
            self.missed()  # of a newer version, perhaps: too much is safe, too little is not
            purge = None
        if purge is not None and (before is None or before != self.ledger.sequence):
            self._apply(purge, first_time=before is None)
        if place is not None:
            self.ledger.positions.heard(place, self.ledger.sequence)
        return self.ledger.sequence

    def begin(self, place: Position) -> None:
        """Subscriber.begin."""
        self.ledger.positions.begin(place, self.ledger.sequence)

    def missed(self) -> None:
        """Subscriber.missed: nobody knows what was purged, so everything was."""
        self.ledger.purge(("all", None), Verdict.HARD)
        self.purges["missed"] = self.purges.get("missed", 0) + 1

    def _apply(self, purge: Message, *, first_time: bool) -> None:
        for target in purge.targets:
            kind, value = target
            if first_time:
                self.purges[kind] = self.purges.get(kind, 0) + 1
            if purge.quiet and kind == "url" and not self.is_known(value):  # type: ignore[arg-type]
                self.ledger.note_passing(value)  # type: ignore[arg-type]
                continue
            apply_target(self.ledger, target, purge.verdict)
            if kind == "tag":
                assert isinstance(value, bytes)
                self.store.forget_count(value)
