"""Whoever leads, by the word of the sentinels. They are asked at start, once a second, and at once when the leader is in trouble.

Asking costs no visitor anything: they use the leader that is known. Its connections are made only to a server that says itself that it leads, so a sentinel
that has slept through a failover can't make us write to a replica; and when the leader changes, the old one's connections are closed, also the one that
waits for the next entry of a stream.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Sequence

from redis.exceptions import ResponseError

from gateway.breaker import BreakerState
from gateway.redis_link.asking import ask_once
from gateway.redis_link.node import PROBE_EVERY, Figures, Node, NodeRules
from gateway.redis_link.topology import Redirection
from gateway.redis_link.troubles import Trouble, trouble_of, unavailable
from gateway.redis_link.wire import Address, Command, Credentials, Reply

__all__ = ["SentinelMaster"]

logger = logging.getLogger(__name__)

_LOOK_EVERY = 1.0
_PATIENCE = 0.5
"""Seconds for one sentinel; all are asked at once."""


class SentinelMaster:
    """Topology: one server, whichever it is. credentials: for the sentinels; those for the server are in rules."""

    splits = False

    def __init__(
        self, sentinels: Sequence[Address], service: str, rules: NodeRules, credentials: Credentials | None = None
    ) -> None:
        self.figures = Figures()
        self._sentinels = tuple(sentinels)
        self._service = service
        self._rules = rules
        self._credentials = credentials or Credentials()
        self._leader: Node | None = None
        self._look_now = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._told_of_none = False

    async def start(self) -> None:
        """Topology.start."""
        await self._look()
        self._watcher = asyncio.get_running_loop().create_task(self._watch())

    def node_of(self, key: bytes) -> Node:  # noqa: ARG002 - the leader has all
        """Topology.node_of."""
        if self._leader is None:
            self._look_now.set()
            self.figures.troubles[Trouble.NO_MASTER] += 1
            raise unavailable(Trouble.NO_MASTER, f"no sentinel knows who leads {self._service}")
        return self._leader

    def nodes(self) -> Iterable[Node]:
        """Topology.nodes."""
        return () if self._leader is None else (self._leader,)

    def is_up(self) -> bool:
        """Topology.is_up."""
        return self._leader is not None and self._leader.state is BreakerState.CLOSED

    async def refused(self, node: Node, refusal: ResponseError) -> Redirection | None:
        """Topology.refused: one that leads no more."""
        if trouble_of(refusal) is Trouble.READ_ONLY:
            await node.forget_connections()
            self._look_now.set()
        return None

    async def aclose(self) -> None:
        """Topology.aclose."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait((self._watcher,))
        if self._leader is not None:
            await self._leader.aclose()
        if self._leaving:
            await asyncio.wait(self._leaving)

    async def _watch(self) -> None:
        while True:
            try:
                async with asyncio.timeout(_LOOK_EVERY):
                    await self._look_now.wait()
            except TimeoutError:
                pass
            else:
                await asyncio.sleep(PROBE_EVERY)  # a leader in trouble says so with each exchange
            self._look_now.clear()
            await self._look()

    async def _look(self) -> None:
        question: Command = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service)
        told = await asyncio.gather(
            *(ask_once(sentinel, self._credentials, self._rules.tls, [question], _PATIENCE) for sentinel in self._sentinels)
        )
        votes = Counter(address for address in map(_address, told) if address is not None)
        if not votes:
            if not self._told_of_none:
                answered = sum(1 for each in told if each is not None)
                logger.warning("redis_no_master service=%s sentinels=%d answered=%d", self._service, len(told), answered)
            self._told_of_none = True
            return
        self._told_of_none = False
        (address, _), *_ = votes.most_common(1)
        if self._leader is None or address != self._leader.address:
            self._follow(address)

    def _follow(self, address: Address) -> None:
        was = self._leader
        self._leader = Node(address, self._rules, self.figures, masters_only=True)
        self._leader.troubled = self._hear
        logger.info("redis_master service=%s server=%s was=%s", self._service, address, was.address if was else "none")
        if was is not None:
            was.troubled = None
            leaving = asyncio.get_running_loop().create_task(was.aclose())
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)

    def _hear(self, trouble: Trouble) -> None:
        if trouble is not Trouble.LATE:
            self._look_now.set()


def _address(replies: list[Reply] | None) -> Address | None:
    match replies:
        case [[bytes(host), bytes(port)]] if port.isdigit():
            return Address(host.decode("ascii", "replace"), int(port))
        case _:
            return None
