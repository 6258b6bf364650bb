"""Sending content: framing, Expect, early answers, bodies that break, write back-pressure."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from gateway.errors import UpstreamReset, UpstreamTimeout
from tests.upstream.scripted import OK, Peer, Run, ScriptedOrigin, ask, content, get, pieces, until

HANG_FOR_EVER = 1000.0


def post(*parts: bytes, **more) -> object:
    return get(method=more.pop("method", b"POST"), body=pieces(*parts), **more)


def test_a_body_of_known_length_goes_out_as_it_is(run: Run) -> None:
    async def script(peer: Peer) -> None:
        for _ in range(2):
            assert b"content-length: 6\r\n" in await peer.request()
            assert await peer.read(6) == b"onetwo"
            await peer.send(OK)

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = origin.client()
            for _ in range(2):
                assert await ask(client, post(b"one", b"", b"two", length=6)) == (200, b"ok")
            assert origin.connections == 1
            await client.aclose()

    run(scenario())


def test_a_body_of_unknown_length_goes_out_in_chunks_with_its_trailers(run: Run) -> None:
    """RFC 9112 §7.1; an empty piece must not end it."""
    sent = b"3\r\none\r\n3\r\ntwo\r\n0\r\nx-sum: 6\r\n\r\n"
    trailers: list[tuple[bytes, bytes]] = []

    async def body():
        yield b"one"
        yield b""
        yield b"two"
        trailers.append((b"x-sum", b"6"))

    async def script(peer: Peer) -> None:
        assert b"transfer-encoding: chunked\r\n" in await peer.request()
        assert await peer.read(len(sent)) == sent
        await peer.send(OK)
        await peer.request()
        await peer.send(OK)

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = origin.client()
            assert await ask(client, get(method=b"POST", body=body(), trailers=trailers)) == (200, b"ok")
            assert await ask(client) == (200, b"ok")
            assert origin.connections == 1
            await client.aclose()

    run(scenario())


def test_what_the_body_raises_comes_out_and_the_connection_is_dropped(run: Run) -> None:
    """The client broke off: the origin must not take the half for the whole."""

    class ClientLeftError(Exception):
        pass

    async def body():
        yield b"one"
        raise ClientLeftError

    async def scenario() -> None:
        left: list[bytes] = []

        async def script(peer: Peer) -> None:
            await peer.request()
            left.append(await peer.closed_by_client())

        async with ScriptedOrigin(script) as origin:
            client = origin.client()
            for length in (None, 6):
                with pytest.raises(ClientLeftError):
                    await client.exchange(get(method=b"POST", body=body(), length=length))
                await origin.ended.get()
            assert client.counters()["connections_open"] == 0
            assert not any(part.endswith(b"0\r\n\r\n") for part in left)
            await client.aclose()

    run(scenario())


@pytest.mark.parametrize(("parts", "length"), [((b"one", b"two!"), 6), ((b"one",), 6), ((), 1)])
def test_a_body_that_is_not_as_long_as_it_says_is_a_programming_error(run: Run, parts: tuple[bytes, ...], length: int) -> None:
    """And what goes beyond the length never reaches the origin, where it would be the next request."""

    async def scenario() -> None:
        got: list[bytes] = []

        async def script(peer: Peer) -> None:
            await peer.request()
            got.append(await peer.closed_by_client())

        async with ScriptedOrigin(script) as origin:
            client = origin.client()
            with pytest.raises(ValueError, match="length"):
                await client.exchange(post(*parts, length=length))
            await origin.ended.get()
            assert len(got[0]) <= length
            await client.aclose()

    run(scenario())


@pytest.mark.parametrize("answer", [b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno", b"HTTP/1.1 401 No\r\n\r\n", OK])
def test_an_answer_before_the_body_is_sent_comes_at_once_and_the_connection_is_not_kept(run: Run, answer: bytes) -> None:
    """RFC 9112 §9.3, RFC 9110 §10.1.1: the rest of the body would be read as a request."""
    stopped = []

    async def body():
        yield b"one"
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(True)

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.read(8)  # the first chunk; left unread it would turn the close into a reset
        await peer.send(answer)
        if b"Length" in answer:
            await peer.closed_by_client()

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = origin.client()
            response = await client.exchange(get(method=b"POST", body=body()))
            assert stopped  # and is not running any more: the caller may close it
            await content(response)
            await origin.ended.get()
            assert client.counters()["connections_open"] == 0
            await client.aclose()

    run(scenario())


def test_an_answer_after_the_last_octet_keeps_the_connection_even_if_the_iterator_lingers(run: Run) -> None:
    async def body():
        yield b"onetwo"
        await asyncio.Event().wait()

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.read(6)
            await peer.send(OK)

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = origin.client()
            for _ in range(2):
                assert await ask(client, get(method=b"PUT", body=body(), length=6)) == (200, b"ok")
            assert origin.connections == 1
            await client.aclose()

    run(scenario())


def test_expect_holds_the_body_until_100(run: Run) -> None:
    """RFC 9110 §10.1.1."""
    asked = []

    async def body():
        asked.append(True)
        yield b"one"

    async def script(peer: Peer) -> None:
        await peer.request()
        assert not asked
        await peer.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        await asyncio.sleep(0.02)
        assert not asked
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert await peer.read(3) == b"one"
        await peer.send(OK)
        await peer.request()
        await peer.send(OK)

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = origin.client(continue_timeout=HANG_FOR_EVER)
            interims = []
            request = get(
                method=b"POST",
                body=body(),
                length=3,
                fields=[(b"expect", b"100-continue")],
                interim=lambda status, _: interims.append(status),
            )
            assert await ask(client, request) == (200, b"ok")
            assert interims == [103, 100]
            assert await ask(client) == (200, b"ok")
            assert origin.connections == 1
            await client.aclose()

    run(scenario())


def test_expect_does_not_wait_for_ever(run: Run) -> None:
    """An origin that doesn't know 100 gets the body all the same. RFC 9110 §10.1.1."""

    async def script(peer: Peer) -> None:
        await peer.request()
        assert await peer.read(3) == b"one"
        await peer.send(OK)

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = origin.client(continue_timeout=0.02)
            assert await ask(client, post(b"one", length=3, fields=[(b"expect", b"100-continue")])) == (200, b"ok")
            await client.aclose()

    run(scenario())


def test_a_final_answer_to_expect_spares_the_body(run: Run) -> None:
    asked = []

    async def body():
        asked.append(True)
        yield b"one"

    async def scenario() -> None:
        left: list[bytes] = []

        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(b"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n")
            left.append(await peer.closed_by_client())

        async with ScriptedOrigin(script) as origin:
            client = origin.client(continue_timeout=HANG_FOR_EVER)
            request = get(method=b"POST", body=body(), length=3, fields=[(b"expect", b"100-continue")])
            response = await client.exchange(request)
            assert response.status == 417
            await content(response)
            await origin.ended.get()
            assert not asked
            assert left == [b""]
            await request.body.aclose()
            await client.aclose()

    run(scenario())


def test_an_origin_that_does_not_read_holds_the_body_back(run: Run) -> None:
    """The body is pulled only as fast as the origin reads; and a standstill has a limit."""
    pulled = 0

    async def body():
        nonlocal pulled
        while True:
            pulled += 1 << 16
            yield b"x" * (1 << 16)

    async def scenario() -> None:
        stuck = asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.request()
            peer.writer.transport.pause_reading()
            await stuck.wait()

        async with ScriptedOrigin(script) as origin:
            client = origin.client(idle_timeout=0.3)
            with pytest.raises(UpstreamTimeout) as caught:
                await client.exchange(get(method=b"POST", body=body()))
            assert caught.value.reason == "connection_write_timeout"
            assert pulled < 40 << 20  # what the kernel's buffers on both sides take, not without end
            stuck.set()
            await client.aclose()

    run(scenario())


def test_a_slow_client_is_no_fault_of_the_origin(run: Run) -> None:
    """While the body iterator waits, neither the idle nor the first-byte time runs."""

    async def body():
        yield b"one"
        await asyncio.sleep(0.2)
        yield b"two"

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.read(6)
        await peer.send(OK)

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = origin.client(idle_timeout=0.05, first_byte_timeout=0.1)
            assert await ask(client, get(method=b"POST", body=body(), length=6)) == (200, b"ok")
            await client.aclose()

    run(scenario())


def test_a_large_body_arrives_whole(run: Run) -> None:
    size = 20 << 20

    async def body():
        for _ in range(size >> 16):
            yield b"x" * (1 << 16)

    async def script(peer: Peer) -> None:
        await peer.request()
        left = size
        while left:
            left -= len(await peer.reader.read(1 << 16))
        await peer.send(OK)

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = origin.client()
            assert await ask(client, get(method=b"POST", body=body(), length=size)) == (200, b"ok")
            await client.aclose()

    run(scenario())


def test_a_cancelled_upload_stops_its_body(run: Run) -> None:
    stopped = []

    async def body():
        try:
            while True:
                yield b"x"
                await asyncio.sleep(0.001)
        finally:
            stopped.append(True)

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.closed_by_client()

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = origin.client()
            task = asyncio.create_task(client.exchange(get(method=b"POST", body=body())))
            await until(lambda: len(origin.heads) == 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert stopped
            assert client.counters()["connections_open"] == 0
            await origin.ended.get()
            await client.aclose()

    run(scenario())


@pytest.mark.parametrize("kept", [False, True], ids=["new-connection", "kept-connection"])
def test_a_post_that_is_reset_is_never_sent_again(run: Run, kept: bool) -> None:
    """B7: the origin got it exactly once, and the error doesn't invite a repetition by others either."""
    posts = 0

    async def script(peer: Peer) -> None:
        nonlocal posts
        while True:
            if (await peer.request()).startswith(b"POST"):
                await peer.read(3)
                posts += 1
                peer.reset()
                return
            await peer.send(OK)

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = origin.client()
            if kept:
                await ask(client)
            with pytest.raises(UpstreamReset) as caught:
                await client.exchange(post(b"one", length=3))
            assert not caught.value.retryable
            assert posts == 1
            assert origin.connections == 1
            await client.aclose()

    run(scenario())


@pytest.mark.parametrize("more", [(b"evil",), ()], ids=["goes-on", "ends"])
def test_an_iterator_that_does_not_heed_its_end_touches_nobody_elses_exchange(run: Run, more: tuple[bytes, ...]) -> None:
    """It swallows its cancellation and goes on when the connection serves another request already."""

    async def scenario() -> None:
        let_go, got = asyncio.Event(), []

        async def body():
            yield b"onetwo"
            while not let_go.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await let_go.wait()
            for part in more:
                yield part

        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.read(6)
            await peer.send(OK)
            got.append(await peer.request())
            await peer.send(OK)
            let_go.set()
            got.append(await peer.closed_by_client())

        async with ScriptedOrigin(script) as origin:
            client = origin.client(first_byte_timeout=0.05)
            assert await ask(client, get(method=b"PUT", body=body(), length=6)) == (200, b"ok")
            assert await ask(client) == (200, b"ok")
            await asyncio.sleep(0.15)  # the iterator has let go: it sets no time for a head that nobody waits for
            assert client.counters()["connections_idle"] == 1
            await client.aclose()
            await origin.ended.get()
            assert got[0].startswith(b"GET / ")
            assert got[1] == b""

    run(scenario())
