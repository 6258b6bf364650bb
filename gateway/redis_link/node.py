"""One Redis server: its connections, a budget of time for each exchange, a breaker, and a probe that finds out when it is back.

    exchange ──▶ breaker closed? ──▶ a free place ──▶ idle or new connection ──▶ write, read ──▶ back to the idle ones
                   │ no              └───────────────── one deadline for all of it ────────┘        │ anything else
                   └──▶ RedisUnavailable, at once                                                    └──▶ connection dropped

After a failure a probe (PING on a connection of its own making) goes out again and again until one is answered. Its failures count too, so a frozen server
that is asked once a second is found out within one second all the same. While the breaker is open that is four times a second: no visitor finds out that
the server is back, and nobody has to wait long for it.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf

from redis.exceptions import ResponseError

from gateway.breaker import Breaker, BreakerSettings, BreakerState
from gateway.errors import RedisUnavailable
from gateway.redis_link.troubles import COUNTED, Trouble, trouble_of, unavailable
from gateway.redis_link.wire import Address, Command, Credentials, Reply, Wire, ask, drop, insist_on_master, is_fresh, make_wire

__all__ = ["PROBE_EVERY", "Figures", "Node", "NodeRules"]

logger = logging.getLogger(__name__)

PROBE_EVERY = 0.25
_PROBE_IN_DOUBT = 0.1
"""Seconds: while some exchange has failed and the breaker is still closed."""
_LONGEST_PAUSE = 1.0
_RELAPSE = 5.0
"""Seconds: who fails again within this time of its return answers a PING in time and nothing else. It is then left alone for longer each time, up to a second."""
_WAKES_LATE = 0.5
"""Seconds that a blocking command may end after its time: Redis looks ten times a second who has waited long enough."""
_LOG_EVERY = 10.0
"""Seconds: a server that goes and comes back says both at once; one that flaps writes a line at most this often, which says for how many changes it stands."""

_CLOSED = BreakerState.CLOSED


@dataclass(frozen=True, slots=True)
class NodeRules:
    """How a server is spoken to; times in seconds.

    timeout         for a whole exchange
    connect_timeout for a connection, when nobody waits for it: probes, the connection that reads streams
    max_connections at once, those of readers and probes not counted
    failures        in a row that open the breaker
    tls             None speaks plain TCP
    """

    timeout: float = 0.05
    connect_timeout: float = 0.05
    max_connections: int = 16
    failures: int = 5
    credentials: Credentials = field(default_factory=Credentials)
    database: int = 0
    tls: ssl.SSLContext | None = None


class Figures:
    """What all servers of one link count together."""

    __slots__ = ("connections_made", "exchanges", "opened", "seconds", "troubles")

    def __init__(self) -> None:
        self.exchanges = 0
        self.seconds = 0.0
        self.connections_made = 0
        self.opened = 0
        self.troubles = dict.fromkeys(Trouble, 0)


class Node:
    """Use in one event loop. masters_only: a connection to a server that does not lead counts as none."""

    def __init__(self, address: Address, rules: NodeRules, figures: Figures, *, masters_only: bool = False) -> None:
        self.address = address
        self._rules = rules
        self._figures = figures
        self._masters_only = masters_only
        self._breaker = Breaker(
            BreakerSettings(rules.failures, PROBE_EVERY / 2, PROBE_EVERY / 2, rules.connect_timeout + rules.timeout)
        )
        self._places = asyncio.Semaphore(rules.max_connections)
        self._idle: list[Wire] = []
        self._apart: dict[bytes, Wire] = {}
        self._closed = False
        self._prober: asyncio.Task[None] | None = None
        self._pause = PROBE_EVERY
        self._back_at = -inf
        self._news = _News(str(address))
        self.troubled: Callable[[Trouble], None] | None = None  # told of each failure: somebody may know a better address

    @property
    def state(self) -> BreakerState:
        """Visitors are let through when it is CLOSED."""
        return self._breaker.state

    async def exchange(self, commands: Sequence[Command], fits: Callable[[list[Reply]], bool] | None = None) -> list[Reply]:
        """Send commands in one write, give their replies; what the server refuses is a ResponseError in its place. Raises RedisUnavailable.

        fits: whether the replies can be answers to the commands; when not, the connection is out of step and dropped.
        """
        if self._breaker.state is not _CLOSED or self._closed:
            raise self._not_now()
        loop = asyncio.get_running_loop()
        began = loop.time()
        deadline = began + self._rules.timeout
        stage = Trouble.POOL
        try:
            async with asyncio.timeout_at(deadline), self._places:
                stage = Trouble.TIMEOUT
                replies = await self._converse(commands, fits)
        except TimeoutError:
            late = loop.time() - deadline
            # The timer itself came late: it was this process that had no time, and the answer may be here already.
            trouble = Trouble.LATE if late > self._rules.timeout / 2 else stage
            raise self._failed(trouble, began) from None
        except RedisUnavailable as error:
            raise self._failed(Trouble(error.reason), began, str(error)) from None
        finally:
            self._figures.exchanges += 1
            self._figures.seconds += loop.time() - began
        self._breaker.succeeded(loop.time(), began)
        return replies

    async def exchange_apart(self, name: bytes, command: Command, patience: float) -> Reply:
        """One command that may take `patience` seconds, on a connection kept for name. Raises RedisUnavailable; the breaker neither asks nor hears of it.

        Not to be called for one name while a call for it is under way.
        """
        if self._closed:
            raise self._not_now()
        wire = self._apart.pop(name, None)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience + _WAKES_LATE + self._rules.timeout
        kept = False
        try:
            async with asyncio.timeout_at(deadline):
                if wire is None or not await is_fresh(wire):
                    if wire is not None:
                        await drop(wire)
                    wire = await self._connect(self._rules.connect_timeout)
                self._apart[name] = wire
                (reply,) = await _asked(wire, [command])
                kept = not self._closed
        except TimeoutError:
            raise self._failed(Trouble.TIMEOUT, None) from None
        except RedisUnavailable as error:
            raise self._failed(Trouble(error.reason), None, str(error)) from None
        finally:
            if not kept:
                self._apart.pop(name, None)
                if wire is not None:
                    await drop(wire)
        return reply

    async def forget_connections(self) -> None:
        """Close the idle ones: the next exchange connects anew, and looks the name up anew."""
        idle, self._idle = self._idle, []
        for wire in idle:
            await drop(wire)

    async def aclose(self) -> None:
        """Close everything; what is under way fails."""
        self._closed = True
        if self._prober is not None:
            self._prober.cancel()
            await asyncio.wait((self._prober,))
        self._news.close()
        await self.forget_connections()
        apart, self._apart = self._apart, {}
        for wire in apart.values():
            await drop(wire)

    async def _converse(self, commands: Sequence[Command], fits: Callable[[list[Reply]], bool] | None = None) -> list[Reply]:
        wire = await self._idle_wire() or await self._connect(self._rules.timeout)
        try:
            replies = await _asked(wire, commands, fits)
        except BaseException:
            await drop(wire)  # an unread reply would be taken for the next one's
            raise
        if self._closed:
            await drop(wire)
        else:
            self._idle.append(wire)
        return replies

    async def _idle_wire(self) -> Wire | None:
        while self._idle:
            wire = self._idle.pop()
            if await is_fresh(wire):
                return wire
            await drop(wire)
        return None

    async def _connect(self, patience: float) -> Wire:
        rules = self._rules
        wire = make_wire(self.address, rules.credentials, rules.database, rules.tls)
        self._figures.connections_made += 1
        try:
            async with asyncio.timeout(patience):
                await wire.connect()
                if self._masters_only:
                    await insist_on_master(wire)
        except BaseException as error:
            await drop(wire)
            if isinstance(error, TimeoutError) or not isinstance(error, Exception):
                raise
            raise unavailable(trouble_of(error), _plain(error)) from None
        return wire

    # ── What is known of the server ──────────────────────────────────────────────────────────────────────────────────────────────

    def _not_now(self) -> RedisUnavailable:
        trouble = Trouble.CLOSED if self._closed else Trouble.BREAKER_OPEN
        self._figures.troubles[trouble] += 1
        return unavailable(trouble, f"{self.address} is not asked: {trouble.value}")

    def _failed(self, trouble: Trouble, began: float | None, message: str = "") -> RedisUnavailable:
        """Count it, and tell the breaker when it was an exchange (began) and says something of the server."""
        self._figures.troubles[trouble] += 1
        if self._says_it_all(trouble) and not self._closed:
            if began is not None:
                self._count(trouble, began)
            if self._prober is None or self._prober.done():
                self._prober = asyncio.get_running_loop().create_task(self._probe_until_well())
        if self.troubled is not None:
            self.troubled(trouble)
        return unavailable(trouble, f"{self.address}: {message or trouble.value}")

    def _says_it_all(self, trouble: Trouble) -> bool:
        """Whether the server as a whole can't be used. A connection to one that has to lead and doesn't is none."""
        return trouble in COUNTED or (self._masters_only and trouble is Trouble.READ_ONLY)

    def _count(self, trouble: Trouble, began: float) -> None:
        was = self._breaker.state
        self._breaker.failed(asyncio.get_running_loop().time(), began)
        if was is _CLOSED and self._breaker.state is not _CLOSED:
            is_relapse = asyncio.get_running_loop().time() - self._back_at < _RELAPSE
            self._pause = min(self._pause * 2, _LONGEST_PAUSE) if is_relapse else PROBE_EVERY
            self._figures.opened += 1
            self._news.changed("down", trouble.value)

    async def _probe_until_well(self) -> None:
        """Until a PING is answered. Connections that were idle when the trouble began are not trusted: their far end may be gone without a word."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_PROBE_IN_DOUBT if self._breaker.state is _CLOSED else self._pause)
            began = loop.time()
            if not self._breaker.may_try(began):
                continue
            was_open = self._breaker.state is not _CLOSED
            if was_open:
                await self.forget_connections()
            trouble = await self._probe()
            if trouble is not None:
                self._figures.troubles[trouble] += 1
                self._count(trouble, began)
                if self.troubled is not None:
                    self.troubled(trouble)
            elif was_open:
                self._breaker.succeeded(loop.time(), began)
                self._back_at = loop.time()
                self._news.changed("up", "answered")
                return
            elif self._breaker.state is _CLOSED:
                return  # it never opened; what has failed goes on counting until an exchange succeeds
            # else it opened while this probe was under way: a later one has to say that it is well

    async def _probe(self) -> Trouble | None:
        try:
            async with asyncio.timeout(self._rules.connect_timeout + self._rules.timeout):
                wire = await self._connect(self._rules.connect_timeout)
                try:
                    (reply,) = await _asked(wire, [("PING",)])
                except BaseException:
                    await drop(wire)
                    raise
        except TimeoutError:
            return Trouble.TIMEOUT
        except RedisUnavailable as error:
            return Trouble(error.reason)
        if reply == b"PONG":
            self._idle.append(wire)
            return None
        await drop(wire)
        return trouble_of(reply) if isinstance(reply, Exception) else Trouble.PROTOCOL


async def _asked(wire: Wire, commands: Sequence[Command], fits: Callable[[list[Reply]], bool] | None = None) -> list[Reply]:
    """wire.ask, with everything foreign turned into RedisUnavailable: a parser that is fed garbage may raise anything."""
    try:
        replies = await ask(wire, commands)
    except TimeoutError:
        raise
    except Exception as error:  # noqa: BLE001 - see above
        raise unavailable(trouble_of(error), _plain(error)) from None
    for reply in replies:
        if isinstance(reply, ResponseError) and (trouble := trouble_of(reply)) in COUNTED:
            raise unavailable(trouble, _plain(reply))
    if fits is not None and not fits(replies):
        raise unavailable(Trouble.PROTOCOL, "the reply does not belong to the command")
    return replies


def _plain(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]


class _News:
    """Writes a server's changes to the log: two lines at once, then one in _LOG_EVERY seconds."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._state = self._logged = "up"
        self._written = [-inf, -inf]  # when the last two lines were
        self._changes = 0
        self._reason = ""
        self._later: asyncio.TimerHandle | None = None

    def changed(self, state: str, reason: str) -> None:
        self._state, self._reason = state, reason
        self._changes += 1
        loop = asyncio.get_running_loop()
        wait = self._written[0] + 2 * _LOG_EVERY - loop.time()
        if wait <= 0:
            self._write()
        elif self._later is None:
            self._later = loop.call_later(wait, self._write)

    def close(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._write()

    def _write(self) -> None:
        self._later = None
        was, self._logged, changes, self._changes = self._logged, self._state, self._changes, 0
        self._written = [self._written[1], asyncio.get_running_loop().time()]
        level = logging.INFO if self._logged == "up" else logging.WARNING
        logger.log(
            level,
            "redis_state server=%s state=%s was=%s reason=%s changes=%d",
            self._name,
            self._logged,
            was,
            self._reason,
            changes,
        )
