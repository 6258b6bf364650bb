"""What all connections of a process share, and where one of them may stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import TYPE_CHECKING, TypeAlias

from gateway.clock import Clock
from gateway.flow.buckets import Key
from gateway.flow.page import Page
from gateway.flow.rate_limits import RateLimits
from gateway.listener.head import Heads
from gateway.listener.limits import Limits
from gateway.listener.proxies import TrustedProxies
from gateway.semantics.message import Request
from gateway.telemetry.account import Account
from gateway.telemetry.loop_lag import LoopLag
from gateway.telemetry.spans import Tracer

if TYPE_CHECKING:
    from gateway.listener.connection import ClientConnection
    from gateway.listener.cycle import Cycle
    from gateway.listener.tls import TlsConnection

__all__ = ["Carry", "Edge", "State"]

Carry: TypeAlias = "Callable[[Request, Cycle, float], Awaitable[None]]"
"""Answers a request through its cycle. The third: monotonic seconds at its complete head."""


class State(IntEnum):
    """Where a connection stands."""

    IDLE = 0  # between requests
    HEAD = 1  # part of a head has come
    BUSY = 2  # a request is being answered
    LINGER = 3  # answered with an error; what still comes is thrown away so that the answer is not lost in a reset
    TUNNEL = 4  # switched to another protocol


class Edge:
    """What all connections of a process share. clock: epoch seconds that never go back; control: the prefix of our own paths; clients: connections of each, while they are limited.

    carry: the traffic, for requests that need not go through ASGI to get there; None: all do.
    """

    def __init__(
        self,
        page: Page,
        account: Account,
        limits: Limits,
        clock: Clock,
        proxies: TrustedProxies,
        *,
        control: bytes = b"/_weft/",
        fast_lane: bool = True,
        rate_limits: RateLimits | None = None,
        lag: LoopLag | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self.lag = lag or LoopLag()
        self.resting: list[ClientConnection] = []
        self.page = page
        self.account = account
        self.limits = limits
        self.clock = clock
        self.proxies = proxies
        self.control = control
        self.fast_lane = fast_lane
        self.rate_limits = rate_limits
        self.tracer = tracer
        self.counts_hits = rate_limits is not None and bool(rate_limits.everything)
        self.connections: set[ClientConnection | TlsConnection] = set()
        self.clients: dict[Key, int] = {}
        self.turned_away = 0  # connections too many that are being closed
        self.draining = False
        self.handshakes: Counter[tuple[str, bool]] = Counter()
        """TLS handshakes that were completed, by (version, resumed)."""
        self.heads = _fresh_heads()
        self.carry: Carry | None = None

    def wake(self) -> None:
        """A new turn of the loop: those that rested read on."""
        resting, self.resting = self.resting, []
        for connection in resting:
            connection.read_on()

    def count_in(self, client: Key, most: int) -> bool:
        """Whether a client may have one more connection; if so, it has. Whoever was counted in is counted out."""
        already = self.clients.get(client, 0)
        if already >= most:
            return False
        self.clients[client] = already + 1
        return True

    def count_out(self, client: Key) -> None:
        """It has one less."""
        left = self.clients[client] - 1
        if left:
            self.clients[client] = left
        else:
            del self.clients[client]

    def adopt(
        self, page: Page, limits: Limits, proxies: TrustedProxies, rate_limits: RateLimits | None, *, fast_lane: bool
    ) -> None:
        """Other rules from the next request on, also on connections that are open already."""
        self.page = page
        self.limits = limits
        self.proxies = proxies
        self.rate_limits = rate_limits
        self.counts_hits = rate_limits is not None and bool(rate_limits.everything)
        self.fast_lane = fast_lane
        self.heads = _fresh_heads()  # those that are known have passed the old limits, and hold words of the old log
        for connection in self.connections:
            connection.heed()


def _fresh_heads() -> dict[bytes, Heads]:
    """By scheme: the same octets name another host in the other one, where they name a port."""
    return {b"http": Heads(), b"https": Heads()}
