"""One question to one server on a connection of its own: how sentinels and cluster nodes are asked where things are. Visitors never wait for it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence

from gateway.redis_link.wire import Address, Command, Credentials, Reply, ask, drop, make_wire

__all__ = ["ask_once"]


async def ask_once(
    address: Address, credentials: Credentials, tls: ssl.SSLContext | None, commands: Sequence[Command], patience: float
) -> list[Reply] | None:
    """The replies, or None when there was no connection or no sense within patience seconds. Never raises: others are asked too."""
    wire = make_wire(address, credentials, 0, tls)
    try:
        async with asyncio.timeout(patience):
            await wire.connect()
            return await ask(wire, commands)
    except Exception:  # noqa: BLE001 - a parser that is fed garbage may raise anything; the caller says how many answered
        return None
    finally:
        await drop(wire)
