"""The connections to one origin: who gets which, who waits, what is kept.

    take_idle() / acquire() ──▶ Connection ──exchange──▶ freed ──▶ first waiter, else the top of the idle stack
                                                    └──▶ lost ───▶ its place goes to the first waiter, else it is free

The idle stack is last-in first-out: what was used last is the least likely to be closed by the origin, and what a lull no longer needs
expires at the bottom. Waiters are first-in first-out. A *place* (one of max_connections) belongs to exactly one of: an open connection, a
connect under way, a waiter just told to connect. It retries nothing and knows no HTTP.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping

from gateway.errors import UpstreamReset, UpstreamUnavailable
from gateway.upstream.connection import Connection
from gateway.upstream.limits import OriginLimits

__all__ = ["ConnectionPool"]

Dial = Callable[["ConnectionPool"], Awaitable[Connection]]


class ConnectionPool:
    """Places and connections of one origin; the Keeper of its connections. One event loop, any number of tasks.

    dial        opens a connection whose keeper is the pool it is given; raises UpstreamError
    is_current  False for a connection that should not be kept (its address has left the DNS)
    """

    def __init__(self, limits: OriginLimits, dial: Dial, is_current: Callable[[Connection], bool] = lambda _: True) -> None:
        self._limits = limits
        self._dial = dial
        self._is_current = is_current
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._places = 0
        # A waiter is given a connection, or None: a place to connect on.
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        self._retired = False
        self._closed = False
        self.connects = 0
        self.reuses = 0
        self.rejected = 0

    def counters(self) -> Mapping[str, int]:
        """Return what the pool counts.

        connections_open: places taken, connects under way included · connections_idle: of those, waiting for work · waiting: exchanges
        queued · connects: connects begun · reuses: exchanges given a kept connection · rejected: turned away, queue full or too slow.
        """
        return {
            "connections_open": self._places,
            "connections_idle": len(self._idle),
            "waiting": len(self._waiters),
            "connects": self.connects,
            "reuses": self.reuses,
            "rejected": self.rejected,
        }

    def take_idle(self) -> Connection | None:
        """Return an idle connection that is fit for use, None when there is none. The unfit ones met on the way are closed."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_fit():
                self.reuses += 1
                return connection
            connection.close()
        return None

    async def acquire(self, *, fresh: bool = False) -> Connection:
        """Return a connection ready for one exchange, a new one when fresh; wait for a place when all are taken.

        Raises UpstreamUnavailable (connection_limit_reached) when too many wait or it takes too long, and what dial raises. Cancelled, it
        leaves nothing behind.
        """
        while True:
            if self._closed:
                raise UpstreamUnavailable("the origin's client is closed")
            if fresh:
                if self._places >= self._limits.max_connections and self._idle:
                    self._idle.pop(0).close()  # the oldest makes room
            elif (kept := self.take_idle()) is not None:
                return kept
            if self._places < self._limits.max_connections:
                self._places += 1
            else:
                given = await self._wait()
                if given is not None:
                    if not fresh and given.is_fit():
                        self.reuses += 1
                        return given
                    given.close()
                    continue
            return await self._connect()

    async def _connect(self) -> Connection:
        """Open a connection on a place that is ours already."""
        self.connects += 1
        try:
            connection = await self._dial(self)
        except BaseException:
            self._release_place()
            raise
        if connection.is_closed:  # before it was ours, so that lost() could not count it
            self._release_place()
            raise UpstreamReset("the origin closed the connection at once")
        self._all.add(connection)
        if self._closed:
            connection.close()
            raise UpstreamUnavailable("the origin's client is closed")
        return connection

    async def _wait(self) -> Connection | None:
        limits = self._limits
        if len(self._waiters) >= limits.max_waiting:
            self.rejected += 1
            raise UpstreamUnavailable(f"{len(self._waiters)} exchanges wait for a connection already", "connection_limit_reached")
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Connection | None] = loop.create_future()
        self._waiters.append(waiter)
        timer = loop.call_later(limits.queue_timeout, self._give_up, waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._pass_on(waiter.result())  # it was served and cancelled in the same turn of the loop
            elif waiter in self._waiters:
                self._waiters.remove(waiter)
            raise
        finally:
            timer.cancel()

    def _give_up(self, waiter: asyncio.Future[Connection | None]) -> None:
        if not waiter.done():
            self.rejected += 1
            self._waiters.remove(waiter)
            waiter.set_exception(
                UpstreamUnavailable(f"no connection became free in {self._limits.queue_timeout:g} s", "connection_limit_reached")
            )

    def _pass_on(self, given: Connection | None) -> None:
        if given is None:
            self._release_place()
        else:
            self.freed(given)

    def _release_place(self) -> None:
        waiter = self._next_waiter()
        if waiter is None:
            self._places -= 1
        else:
            waiter.set_result(None)

    def _next_waiter(self) -> asyncio.Future[Connection | None] | None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                return waiter
        return None

    # ── Keeper ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def freed(self, connection: Connection) -> None:
        """Give it to the first waiter, else keep it."""
        if self._closed or not self._is_current(connection):
            connection.close()
            return
        waiter = self._next_waiter()
        if waiter is None and self._retired:
            connection.close()
        elif waiter is None:
            self._idle.append(connection)
        else:
            waiter.set_result(connection)

    def lost(self, connection: Connection) -> None:
        """Forget it; its place is free."""
        if connection in self._all:  # else its dial failed, and _connect gives the place back
            self._all.remove(connection)
            if connection in self._idle:
                self._idle.remove(connection)
            self._release_place()

    def retire(self) -> None:
        """Keep no connection any more. Exchanges go on, and new ones may come: each closes what it leaves idle."""
        self._retired = True
        for connection in self._idle[:]:
            connection.close()

    async def aclose(self) -> None:
        """Close idle connections, refuse who waits and who comes; exchanges under way end undisturbed, then their connections close."""
        self._closed = True
        for connection in self._idle[:]:
            connection.close()
        while (waiter := self._next_waiter()) is not None:
            waiter.set_exception(UpstreamUnavailable("the origin's client is closed"))
        await asyncio.sleep(0)  # transports close in the loop's next turn
