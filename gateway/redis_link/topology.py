"""Which server has a key: the port, and its plainest adapter."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from redis.exceptions import ResponseError

from gateway.breaker import BreakerState
from gateway.redis_link.node import Figures, Node, NodeRules
from gateway.redis_link.troubles import Trouble, trouble_of
from gateway.redis_link.wire import Address

__all__ = ["OneServer", "Redirection", "Topology"]


class Redirection(NamedTuple):
    """Ask again, there. asking: with ASKING before it, because the slot is on its way."""

    node: Node
    asking: bool


class Topology(Protocol):
    """Belongs to one event loop. `splits`: whether keys lie on several servers, so that a command can't name two of them."""

    figures: Figures
    splits: bool

    async def start(self) -> None:
        """Find the servers, as far as they can be found now. Never raises, and is over in a second."""

    def node_of(self, key: bytes) -> Node:
        """The server that has key. Raises RedisUnavailable when none is known; never waits."""

    def nodes(self) -> Iterable[Node]:
        """Those that are in use now."""

    def is_up(self) -> bool:
        """Whether all of them can be asked."""

    async def refused(self, node: Node, refusal: ResponseError) -> Redirection | None:
        """Learn from a refusal (READONLY, MOVED, …); say where to ask again. Never waits for a network."""

    async def aclose(self) -> None:
        """Close all connections."""


class OneServer:
    """One address. A name is looked up at each connection, so that a failover by DNS is followed."""

    splits = False

    def __init__(self, address: Address, rules: NodeRules) -> None:
        self.figures = Figures()
        self._node = Node(address, rules, self.figures)

    async def start(self) -> None:
        """Topology.start: there is nothing to find."""

    def node_of(self, key: bytes) -> Node:  # noqa: ARG002 - it has all
        """Topology.node_of."""
        return self._node

    def nodes(self) -> Iterable[Node]:
        """Topology.nodes."""
        return (self._node,)

    def is_up(self) -> bool:
        """Topology.is_up."""
        return self._node.state is BreakerState.CLOSED

    async def refused(self, node: Node, refusal: ResponseError) -> Redirection | None:
        """Topology.refused: a server that has become a replica is connected to anew, the name may point elsewhere by now."""
        if trouble_of(refusal) is Trouble.READ_ONLY:
            await node.forget_connections()
        return None

    async def aclose(self) -> None:
        """Topology.aclose."""
        await self._node.aclose()
