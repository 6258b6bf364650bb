"""One connection to a Redis server: redis-py's, with everything turned off that takes a round trip or a time of its own.

- RESP 2: RESP 3 costs a HELLO on each connection and gives nothing that is needed here. So connecting is: TCP, TLS, AUTH, SELECT, each if wanted.
- No retries, no health checks, no CLIENT SETINFO, no timeouts inside: the caller has one budget for everything (node.py).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, cast

from redis.asyncio.connection import Connection, RedisSSLContext, SSLConnection
from redis.exceptions import ReadOnlyError, ResponseError

__all__ = ["Address", "Command", "Credentials", "Reply", "Wire", "ask", "drop", "insist_on_master", "is_fresh", "make_wire"]

Command = tuple[bytes | str | int, ...]
Reply = Any
"""bytes, int, None, a list of replies; or a ResponseError, as a value."""


class Address(NamedTuple):
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who we are to a server. username '' is Redis' `default`; password '' sends no AUTH."""

    username: str = ""
    password: str = field(default="", repr=False)


class Wire(Protocol):
    """What is used of redis-py's connection."""

    async def connect(self) -> None:
        """Open it, greet the server."""

    async def disconnect(self, nowait: bool = False) -> None:  # noqa: FBT001, FBT002 - redis-py's signature
        """Close it; with nowait there is no await inside, so it works in a task that is being cancelled."""

    async def can_read(self) -> bool:
        """Whether bytes or an end of file are waiting: both make an idle connection useless."""

    def pack_commands(self, commands: Iterable[Command]) -> list[bytes]:
        """RESP for commands."""

    async def send_packed_command(self, command: list[bytes], check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's
        """Write it."""

    async def read_response(self) -> Reply:
        """Read one reply. Raises a ResponseError that the server sent."""


def make_wire(address: Address, credentials: Credentials, database: int, tls: ssl.SSLContext | None) -> Wire:
    """A connection that isn't open yet."""
    options: dict[str, Any] = {
        "host": address.host,
        "port": address.port,
        "db": database,
        "username": credentials.username or None,
        "password": credentials.password or None,
        "protocol": 2,
        "driver_info": None,
        "socket_timeout": None,
        "socket_connect_timeout": None,
    }
    if tls is None:
        return cast("Wire", Connection(**options))
    wire = SSLConnection(**options)
    # One context for all connections: reading the system's authorities takes 10 ms, and this happens while somebody waits.
    wire.ssl_context = RedisSSLContext()
    wire.ssl_context.context = tls
    return cast("Wire", wire)


async def ask(wire: Wire, commands: Iterable[Command]) -> list[Reply]:
    """Send commands in one write, read their replies. The server's refusals are values; everything else is raised."""
    commands = list(commands)
    await wire.send_packed_command(wire.pack_commands(commands), check_health=False)
    replies = []
    for _ in commands:
        try:
            replies.append(await wire.read_response())
        except ResponseError as refusal:
            replies.append(refusal)
    return replies


async def insist_on_master(wire: Wire) -> None:
    """Raise ReadOnlyError unless this server leads: the sentinels' answer may be older than a failover."""
    (role,) = await ask(wire, [("ROLE",)])
    if isinstance(role, ResponseError):
        raise role
    if not isinstance(role, list) or not role or role[0] != b"master":
        raise ReadOnlyError("it is no master")


async def is_fresh(wire: Wire) -> bool:
    """Whether an idle connection is still open and silent. redis-py raises OSError or its own ConnectionError when it is closed."""
    try:
        return not await wire.can_read()
    except Exception:  # noqa: BLE001 - whatever it is: a connection that can't say is not used
        return False


async def drop(wire: Wire) -> None:
    """Close at once, without waiting for the other side. Safe in a task that is being cancelled: nothing in it suspends."""
    # redis-py has no public way to abort. Closing says goodbye by TLS, and a frozen server leaves that unanswered for half a minute.
    writer: asyncio.StreamWriter | None = getattr(wire, "_writer", None)
    await wire.disconnect(nowait=True)
    if writer is not None:
        writer.transport.abort()
