"""101 Switching Protocols: from there on bytes, both ways. RFC 9110 §7.8."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import UpstreamMalformed, UpstreamReset
from tests.upstream.scripted import OK, Peer, Run, ScriptedOrigin, answering, ask, get

SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n"


def test_bytes_go_both_ways_and_what_came_with_the_head_comes_first(run: Run) -> None:
    async def script(peer: Peer) -> None:
        assert b"\r\nupgrade: websocket\r\n" in await peer.request()
        await peer.send(SWITCH + b"hello ")
        assert await peer.read(4) == b"ping"
        await peer.send(b"pong")
        assert await peer.closed_by_client() == b"bye"

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = origin.client(idle_timeout=0.05, total_timeout=0.1)
            response = await client.exchange(get(upgrade=b"websocket"))
            assert (response.status, response.body) == (101, None)
            tunnel = response.tunnel
            assert tunnel is not None
            assert await tunnel.read() == b"hello "
            await asyncio.sleep(0.2)  # no time of ours runs in it
            await tunnel.write(b"ping")
            assert await tunnel.read() == b"pong"
            await tunnel.write(b"bye")
            await asyncio.sleep(0.02)
            await tunnel.aclose()
            await tunnel.aclose()
            await origin.ended.get()
            assert client.counters()["connections_open"] == 0
            with pytest.raises(UpstreamReset):
                await tunnel.write(b"x")
            await client.aclose()

    run(scenario())


def test_the_origin_may_end_its_direction_first(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(SWITCH + b"last words")
        peer.writer.write_eof()
        assert await peer.read(5) == b"reply"

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = origin.client()
            response = await client.exchange(get(upgrade=b"websocket"))
            assert response.tunnel is not None
            assert await response.tunnel.read() == b"last words"
            assert await response.tunnel.read() == b""
            await response.tunnel.write(b"reply")
            await origin.ended.get()
            await response.tunnel.aclose()
            assert client.counters()["connections_open"] == 0
            await client.aclose()

    run(scenario())


def test_a_large_tunnel_is_held_back_too(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(SWITCH)
        for _ in range(200):
            await peer.send(b"x" * 100_000)

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = origin.client()
            response = await client.exchange(get(upgrade=b"websocket"))
            await asyncio.sleep(0.05)
            assert response.tunnel._inflow.buffered <= 2 * client.limits.window_bytes
            size = 0
            while data := await response.tunnel.read():
                size += len(data)
            assert size == 20_000_000
            await response.tunnel.aclose()
            await client.aclose()

    run(scenario())


def test_a_refused_upgrade_is_an_ordinary_response(run: Run) -> None:
    async def scenario() -> None:
        async with ScriptedOrigin(answering(OK)) as origin:
            client = origin.client()
            assert await ask(client, get(upgrade=b"websocket")) == (200, b"ok")
            assert client.counters()["connections_idle"] == 1
            await client.aclose()

    run(scenario())


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket, h2c\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ],
)
def test_a_switch_to_what_was_not_offered_is_refused(run: Run, answer: bytes) -> None:
    async def scenario() -> None:
        async with ScriptedOrigin(answering(answer)) as origin:
            client = origin.client()
            with pytest.raises(UpstreamMalformed) as caught:
                await client.exchange(get(upgrade=b"websocket"))
            assert caught.value.reason == "http_upgrade_failed"
            await client.aclose()

    run(scenario())


def test_a_tunnel_that_breaks_says_so(run: Run) -> None:
    async def scenario() -> None:
        cut = asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(SWITCH)
            await cut.wait()
            peer.reset()

        async with ScriptedOrigin(script) as origin:
            client = origin.client()
            response = await client.exchange(get(upgrade=b"websocket"))
            cut.set()
            with pytest.raises(UpstreamReset):
                await response.tunnel.read()
            await client.aclose()

    run(scenario())
