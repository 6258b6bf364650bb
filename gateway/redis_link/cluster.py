"""A Redis Cluster: 16384 slots, each with a server that leads it. A key's slot is a CRC of the key, or of what stands in {braces} in it.

    node_of(key) ──▶ slot ──▶ the server that the map names ──▶ exchange ──▶ MOVED: the map learns that slot at once, ask again there
                                                                             ASK:   ask again there this once
    The map is read at start, when a server is in trouble, and when one says MOVED; from all that are known, and the newest view counts.

Each server has a breaker of its own: while one of three is frozen, two thirds of the keys are served as ever.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable, Sequence
from typing import Any

from redis.crc import key_slot
from redis.exceptions import AskError, MovedError, ResponseError

from gateway.breaker import BreakerState
from gateway.redis_link.asking import ask_once
from gateway.redis_link.node import PROBE_EVERY, Figures, Node, NodeRules
from gateway.redis_link.topology import Redirection
from gateway.redis_link.troubles import Trouble, unavailable
from gateway.redis_link.wire import Address, Reply

__all__ = ["Cluster"]

logger = logging.getLogger(__name__)

SLOTS = 16384
_LOOK_EVERY = 30.0
_LOOK_IN_TROUBLE = 0.5
_PATIENCE = 0.5
"""Seconds for one server's view; all are asked at once."""
_EPOCH = re.compile(rb"^cluster_current_epoch:(\d+)", re.MULTILINE)
_STATE_OK = b"cluster_state:ok"


class Cluster:
    """Topology: many servers. seeds: some of them, to ask where the others are; one that answers is enough."""

    splits = True

    def __init__(self, seeds: Sequence[Address], rules: NodeRules) -> None:
        self.figures = Figures()
        self._seeds = tuple(seeds)
        self._rules = rules
        self._nodes: dict[Address, Node] = {}
        self._leaders: list[Node | None] = [None] * SLOTS
        self._look_now = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._told_of_none = False

    async def start(self) -> None:
        """Topology.start."""
        await self._look()
        self._watcher = asyncio.get_running_loop().create_task(self._watch())

    def node_of(self, key: bytes) -> Node:
        """Topology.node_of."""
        node = self._leaders[key_slot(key)]
        if node is None:
            self._look_now.set()
            self.figures.troubles[Trouble.CLUSTER_DOWN] += 1
            raise unavailable(Trouble.CLUSTER_DOWN, "no server is known for this slot")
        return node

    def nodes(self) -> Iterable[Node]:
        """Topology.nodes."""
        return self._nodes.values()

    def is_up(self) -> bool:
        """Topology.is_up."""
        return bool(self._nodes) and all(node.state is BreakerState.CLOSED for node in self._nodes.values())

    async def refused(self, node: Node, refusal: ResponseError) -> Redirection | None:
        """Topology.refused."""
        self._look_now.set()
        if not isinstance(refusal, AskError):  # MovedError is one
            return None
        there = self._node_at(Address(refusal.host or node.address.host, refusal.port))  # no host: "where you are now"
        if isinstance(refusal, MovedError) and 0 <= refusal.slot_id < SLOTS:
            self._leaders[refusal.slot_id] = there
        return Redirection(there, asking=not isinstance(refusal, MovedError))

    async def aclose(self) -> None:
        """Topology.aclose."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait((self._watcher,))
        for node in list(self._nodes.values()):
            await node.aclose()
        if self._leaving:
            await asyncio.wait(self._leaving)

    def _node_at(self, address: Address) -> Node:
        node = self._nodes.get(address)
        if node is None:
            node = self._nodes[address] = Node(address, self._rules, self.figures)
            node.troubled = self._hear
        return node

    def _hear(self, trouble: Trouble) -> None:
        if trouble is not Trouble.LATE:
            self._look_now.set()

    async def _watch(self) -> None:
        while True:
            try:
                async with asyncio.timeout(_LOOK_EVERY if self.is_up() else _LOOK_IN_TROUBLE):
                    await self._look_now.wait()
            except TimeoutError:
                pass
            else:
                await asyncio.sleep(PROBE_EVERY)  # a server in trouble says so with each exchange
            self._look_now.clear()
            await self._look()

    async def _look(self) -> None:
        """Read the map. Servers that lead nothing any more are let go."""
        asked = list(dict.fromkeys((*self._nodes, *self._seeds)))
        told = await asyncio.gather(
            *(
                ask_once(
                    address, self._rules.credentials, self._rules.tls, [("CLUSTER", "INFO"), ("CLUSTER", "SLOTS")], _PATIENCE
                )
                for address in asked
            )
        )
        views = [view for address, replies in zip(asked, told, strict=True) if (view := _view(address, replies)) is not None]
        if not views:
            if not self._told_of_none:
                answered = sum(1 for each in told if each is not None)
                logger.warning("redis_no_cluster asked=%d answered=%d", len(asked), answered)
            self._told_of_none = True
            return
        self._told_of_none = False
        _, ranges = max(views, key=lambda view: view[0])  # one that was cut off has an older epoch, or isn't ok
        leaders: list[Node | None] = [None] * SLOTS
        for first, last, address in ranges:
            leaders[first : last + 1] = [self._node_at(address)] * (last + 1 - first)
        self._leaders = leaders
        in_use = set(leaders)
        for address, node in list(self._nodes.items()):
            if node not in in_use:
                del self._nodes[address]
                node.troubled = None
                leaving = asyncio.get_running_loop().create_task(node.aclose())
                self._leaving.add(leaving)
                leaving.add_done_callback(self._leaving.discard)


def _view(asked: Address, replies: list[Reply] | None) -> tuple[tuple[bool, int], list[tuple[int, int, Address]]] | None:
    """((the cluster is well, epoch), slot ranges with their leaders) of one server's answer; None when it isn't one."""
    match replies:
        case [bytes(info), list(ranges)] if ranges:
            pass
        case _:
            return None
    epoch = _EPOCH.search(info)
    found = [found for each in ranges if (found := _range(asked, each)) is not None]
    return ((_STATE_OK in info, int(epoch[1]) if epoch else 0), found) if found else None


def _range(asked: Address, given: Any) -> tuple[int, int, Address] | None:
    match given:
        case [int(first), int(last), [host, int(port), *_], *_] if 0 <= first <= last < SLOTS:
            name = asked.host if not host else host.decode("ascii", "replace")  # a server that doesn't know its own address
            return None if name == "?" else (first, last, Address(name, port))
        case _:
            return None
