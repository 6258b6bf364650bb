"""Clients that are up to no good. They are refused by themselves, and nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable

from client import HOST, Client
from pages import ANYBODY, HOT

from faults.stage import Stage, fault

__all__ = ["FAULTS", "open_silent"]

_REQUEST = f"GET /hot/1 HTTP/1.1\r\nHost: {HOST}\r\n"


async def open_silent(port: int, many: int, say: bytes = b"") -> list[asyncio.StreamWriter]:
    """Connections that say that and nothing else."""
    writers = []
    for _ in range(many):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(say)
            writers.append(writer)
    return writers


@contextlib.asynccontextmanager
async def _crowd(stage: Stage, many: int, each: Callable[[int], Awaitable[None]]) -> AsyncIterator[None]:
    """So many at each gateway, at it again and again; whatever becomes of them is no matter."""

    async def one(port: int) -> None:
        while True:
            with contextlib.suppress(OSError, EOFError, asyncio.LimitOverrunError):
                await each(port)
            await asyncio.sleep(0.05)

    tasks = [asyncio.create_task(one(gateway.port)) for gateway in stage.fleet.gateways for _ in range(many)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _drip(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for octet in (_REQUEST + "X-Long: " + "a" * 600).encode():
            writer.write(bytes([octet]))
            await writer.drain()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    if await reader.read(100):
                        return  # told off
    finally:
        writer.transport.abort()


@fault("slow heads: slowloris")
async def slowloris(stage: Stage) -> AsyncIterator[None]:
    """A hundred at each gateway, an octet a second."""
    async with _crowd(stage, 100, _drip):
        yield


async def _never_read(port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    try:
        writer.transport.pause_reading()
        for _ in range(20):
            writer.write(f"GET /large/0 HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        await asyncio.sleep(60)
    finally:
        writer.transport.abort()


@fault("clients that never read")
async def non_readers(stage: Stage) -> AsyncIterator[None]:
    """Forty at each gateway, each with five megabytes coming."""
    async with _crowd(stage, 40, _never_read):
        yield


async def _flood(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    floods = (
        "X-Long: " + "a" * 300_000 + "\r\n",
        "".join(f"X-{number}: 1\r\n" for number in range(3000)),
        "Cookie: " + "c=1; " * 40_000 + "\r\n",
    )
    try:
        writer.write((_REQUEST + floods[random.randrange(3)] + "\r\n").encode())
        await writer.drain()
        await reader.read(4096)
    finally:
        writer.transport.abort()


@fault("header floods")
async def header_flood(stage: Stage) -> AsyncIterator[None]:
    """Heads of hundreds of kilobytes, and of thousands of fields."""
    async with _crowd(stage, 8, _flood):
        yield


async def _noise(port: int) -> None:
    noises = (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        random.randbytes(2000),
        b"\r\n" * 500,
        b"GET\r\n\r\n",
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(noises[random.randrange(len(noises))])
        await writer.drain()
        async with asyncio.timeout(1.0):
            await reader.read(4096)
    except TimeoutError:
        pass  # it is waited for, as a slow head would be
    finally:
        writer.transport.abort()


@fault("nonsense on the port")
async def garbage(stage: Stage) -> AsyncIterator[None]:
    """TLS, HTTP/2, noise."""
    async with _crowd(stage, 8, _noise):
        yield


@fault("a storm of connections", lasts=8.0)
async def storm(stage: Stage) -> AsyncIterator[None]:
    """Four hundred new ones at once at each gateway. Each is answered: these count as all others do."""
    gateways = [gateway for gateway in stage.fleet.gateways for _ in range(400)]
    clients = [(gateway, Client(gateway.port, ANYBODY)) for gateway in gateways]
    limit = 8.0  # they all stand in one queue, and we are the slower side
    await asyncio.gather(
        *(
            stage.load.ask(gateway, client, ANYBODY, "storm", f"/hot/{stage.dice.randrange(HOT)}", limit=limit)
            for gateway, client in clients
        )
    )
    for _, client in clients:
        client.close()
    yield


FAULTS = [slowloris, non_readers, header_flood, garbage, storm]
