"""A slow reader slows the origin down; nothing grows with the size of what flows."""

from __future__ import annotations

import asyncio
import resource

import pytest

from tests.upstream.scripted import Peer, Run, ScriptedOrigin, content, get

MEGABYTE = 1 << 20
SIZE = 200 * MEGABYTE


async def flood(peer: Peer, size: int, *, chunked: bool) -> int:
    """Send size octets as fast as the client takes them; the most that stood unsent."""
    await peer.request()
    piece = b"x" * (MEGABYTE // 4)
    framed = b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece
    await peer.send(
        b"HTTP/1.1 200 OK\r\n" + (b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size) + b"\r\n\r\n"
    )
    for _ in range(size // len(piece)):
        peer.origin.sent += len(piece)
        await peer.send(framed)
    if chunked:
        await peer.send(b"0\r\n\r\n")
    return size


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_200_megabytes_flow_through_a_small_window(run: Run, chunked: bool) -> None:
    async def scenario() -> None:
        async with ScriptedOrigin(lambda peer: flood(peer, SIZE, chunked=chunked)) as origin:
            origin.sent = 0
            client = origin.client()
            response = await client.exchange(get())
            inflow = response.body._inflow
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            size, most = 0, 0
            async for part in response.body:
                size += len(part)
                most = max(most, inflow.buffered)
                if size // MEGABYTE != (size - len(part)) // MEGABYTE:
                    await asyncio.sleep(0)  # a reader slower than the origin
            assert size == SIZE
            assert most <= 2 * client.limits.window_bytes
            assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024  # KB
            await client.aclose()

    run(scenario())


def test_a_reader_that_stops_stops_the_origin(run: Run) -> None:
    """And no time of the origin's runs while it is held back."""

    async def scenario() -> None:
        async with ScriptedOrigin(lambda peer: flood(peer, SIZE, chunked=False)) as origin:
            origin.sent = 0
            client = origin.client(idle_timeout=0.05)
            response = await client.exchange(get())
            seen = -1
            while origin.sent != seen:  # until it sends no more
                seen = origin.sent
                await asyncio.sleep(0.1)
            assert origin.sent < 40 * MEGABYTE  # the kernel's buffers on both sides
            assert response.body._inflow.buffered <= 2 * client.limits.window_bytes
            assert len(await content(response)) == SIZE
            await client.aclose()

    run(scenario())


def test_small_chunks_do_not_cost_an_object_each(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n")

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = origin.client()
            response = await client.exchange(get())
            parts = [part async for part in response.body]
            assert b"".join(parts) == b"x" * 100_000
            assert len(parts) < 1000
            await client.aclose()

    run(scenario())


def test_a_connection_that_was_held_back_can_be_used_again(run: Run) -> None:
    async def script(peer: Peer) -> None:
        for _ in range(3):
            await flood(peer, 4 * MEGABYTE, chunked=False)

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            origin.sent = 0
            client = origin.client(window_bytes=1024)
            for _ in range(3):
                response = await client.exchange(get())
                await asyncio.sleep(0.01)
                assert len(await content(response)) == 4 * MEGABYTE
            assert origin.connections == 1
            await client.aclose()

    run(scenario())
