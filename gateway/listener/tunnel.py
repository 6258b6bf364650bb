"""After 101 Switching Protocols: octets both ways between a client and an origin, no framing, each side held to the pace of the other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.listener.body import HIGH_WATER
from gateway.upstream.origin import Tunnel

if TYPE_CHECKING:
    from gateway.listener.connection import ClientConnection

__all__ = ["ClientTunnel", "relay_tunnel"]


class ClientTunnel:
    """The client's end: read what it sends, write what it gets."""

    def __init__(self, protocol: ClientConnection) -> None:
        self._protocol = protocol
        self._chunks: list[bytes] = []
        self._waiting = 0
        self._ended = False
        self._event = asyncio.Event()

    def feed(self, data: bytes) -> None:
        """Octets from the client."""
        self._chunks.append(data)
        self._waiting += len(data)
        if self._waiting > HIGH_WATER:
            self._protocol.transport.pause_reading()
        self._event.set()

    def end(self) -> None:
        """The client has said all it will."""
        self._ended = True
        self._event.set()

    lose = end

    async def read(self) -> bytes:
        """Some octets, b"" at the end."""
        while not self._chunks:
            if self._ended:
                return b""
            self._event.clear()
            await self._event.wait()
        data = b"".join(self._chunks)
        self._chunks.clear()
        if self._waiting > HIGH_WATER and not self._protocol.lost:
            self._protocol.transport.resume_reading()
        self._waiting = 0
        return data

    async def write(self, data: bytes) -> None:
        """Octets for the client. Raises OSError when it has left."""
        if self._protocol.lost:
            raise OSError("client has left")
        self._protocol.transport.write(data)
        await self._protocol.drain()

    async def aclose(self) -> None:
        """Close the client's connection once everything is written."""
        if not self._protocol.lost:
            self._protocol.transport.close()


async def relay_tunnel(client: ClientTunnel, origin: Tunnel) -> tuple[int, int]:
    """Carry octets both ways until either side closes; (octets from the client, octets to it)."""
    counts = [0, 0]

    async def up() -> None:
        while data := await client.read():
            counts[0] += len(data)
            await origin.write(data)

    async def down() -> None:
        while data := await origin.read():
            counts[1] += len(data)
            await client.write(data)

    directions = [asyncio.ensure_future(up()), asyncio.ensure_future(down())]
    try:
        await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for direction in directions:
            direction.cancel()
        await asyncio.gather(*directions, return_exceptions=True)
        await origin.aclose()
        await client.aclose()
    return counts[0], counts[1]
