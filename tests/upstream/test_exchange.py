"""One exchange over a real socket: what comes back, what is refused, when the connection is used again."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import UpstreamError, UpstreamMalformed, UpstreamReset, UpstreamTimeout, UpstreamTruncated
from tests.upstream.corpus import BAD, GOOD, Bad, Good
from tests.upstream.scripted import OK, Peer, Run, ScriptedOrigin, answering, ask, content, get, until


@pytest.mark.parametrize("bad", BAD, ids=lambda case: case.id)
def test_a_malformed_response_fails_and_the_next_request_is_fine(run: Run, bad: Bad) -> None:
    """B9: 502, bounded; and the connection that said it is gone."""

    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number:
            await peer.send(OK)
        elif bad.sent:
            await peer.send(bad.sent)

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = origin.client()
            with pytest.raises(bad.error) as caught:
                await content(await client.exchange(get(method=bad.method)))
            assert caught.value.reason == bad.reason
            assert caught.value.status == 502
            assert not caught.value.retryable
            assert client.counters()["connections_open"] == 0
            assert await ask(client) == (200, b"ok")
            await client.aclose()

    run(scenario())


@pytest.mark.parametrize("good", GOOD, ids=lambda case: case.id)
def test_an_odd_but_right_response_is_delivered_and_reuse_follows_the_rules(run: Run, good: Good) -> None:
    """B8: with a surplus byte the next request gets a new connection, and its own answer."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(good.sent)
        if b"\r\n\r\n" in good.sent and good.content == b"ok" and not good.reusable:
            return  # until-close bodies need the close
        await peer.request()
        await peer.send(OK)

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = origin.client()
            interims = []
            response = await client.exchange(get(method=good.method, interim=lambda status, _: interims.append(status)))
            assert (response.status, await content(response)) == (good.status, good.content)
            assert tuple(interims) == good.interims
            if response.body is not None:
                assert response.body.trailers == good.trailers
            assert client.counters()["connections_idle"] == (1 if good.reusable else 0)
            await client.aclose()

    run(scenario())


def test_the_response_tells_status_reason_fields_length_and_times(run: Run) -> None:
    async def scenario() -> None:
        async with ScriptedOrigin(
            answering(b"HTTP/1.1 203 Sure Thing\r\nX-A: b\r\nx-A: c\r\nContent-Length: 2\r\n\r\nok")
        ) as origin:
            client = origin.client()
            response = await client.exchange(get())
            assert (response.status, response.reason, response.length) == (203, b"Sure Thing", 2)
            assert response.fields == [(b"x-a", b"b"), (b"x-a", b"c"), (b"content-length", b"2")]
            assert 0 < response.request_time <= response.response_time
            await client.aclose()

    run(scenario())


@pytest.mark.parametrize(("method", "status"), [(b"HEAD", 200), (b"GET", 204), (b"GET", 304)])
def test_a_response_that_can_have_no_body_has_none(run: Run, method: bytes, status: int) -> None:
    """RFC 9112 §6.3 item 1; the connection is used again."""

    async def scenario() -> None:
        async with ScriptedOrigin(answering(b"HTTP/1.1 %d X\r\nContent-Length: 5\r\n\r\n" % status)) as origin:
            client = origin.client()
            for _ in range(3):
                response = await client.exchange(get(method=method))
                assert response.body is None
                assert response.length is None or method == b"HEAD"
            assert origin.connections == 1
            await client.aclose()

    run(scenario())


def test_content_is_handed_on_as_it_comes(run: Run) -> None:
    """The first byte never waits for the second."""

    async def scenario() -> None:
        go_on = asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for part in (b"one", b"two", b"three"):
                await go_on.wait()
                go_on.clear()
                await peer.send(b"%x\r\n%b\r\n" % (len(part), part))
            await peer.send(b"0\r\nX-Sum: 3\r\n\r\n")
            await peer.request()

        async with ScriptedOrigin(script) as origin:
            client = origin.client()
            response = await client.exchange(get())
            assert response.body is not None
            got = []
            go_on.set()
            async for part in response.body:
                got.append(part)
                go_on.set()
            assert got == [b"one", b"two", b"three"]
            assert response.body.trailers == [(b"x-sum", b"3")]
            assert client.counters()["connections_idle"] == 1
            await client.aclose()

    run(scenario())


def test_what_came_before_a_cut_is_delivered_then_the_cut_is_told(run: Run) -> None:
    """B3: a body that is cut is visible to the reader, every time it asks."""

    async def scenario() -> None:
        cut = asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
            await cut.wait()
            peer.reset()

        async with ScriptedOrigin(script) as origin:
            client = origin.client()
            response = await client.exchange(get())
            reader = aiter(response.body)
            assert await anext(reader) == b"half"
            cut.set()
            for _ in range(2):
                with pytest.raises(UpstreamTruncated):
                    await anext(reader)
            await response.body.aclose()
            await client.aclose()

    run(scenario())


def test_a_reset_does_not_end_a_body_until_close(run: Run) -> None:
    """RFC 9112 §8: only a proper close may end it."""

    async def scenario() -> None:
        cut = asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\n\r\nhalf")
            await cut.wait()
            peer.reset()

        async with ScriptedOrigin(script) as origin:
            client = origin.client()
            response = await client.exchange(get())
            reader = aiter(response.body)
            assert await anext(reader) == b"half"
            cut.set()
            with pytest.raises(UpstreamTruncated):
                await anext(reader)
            await client.aclose()

    run(scenario())


@pytest.mark.parametrize("when", ["at-once", "mid-head"])
def test_a_reset_before_the_head_is_a_reset(run: Run, when: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        if when == "mid-head":
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-")
            await until(lambda: peer.writer.transport.get_write_buffer_size() == 0)
        peer.reset()

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = origin.client()
            with pytest.raises(UpstreamReset) as caught:
                await client.exchange(get())
            assert not caught.value.retryable  # a new connection: no race to excuse it
            assert origin.connections == 1
            await client.aclose()

    run(scenario())


@pytest.mark.parametrize(
    ("sent", "limit", "reason"),
    [
        (b"", "first_byte_timeout", "http_response_timeout"),
        (b"HTTP/1.1 200 OK\r\nContent-", "first_byte_timeout", "http_response_timeout"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", "idle_timeout", "connection_read_timeout"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", "total_timeout", "http_response_timeout"),
        (b"HTTP/1.1 200 OK\r\n\r\nok", "idle_timeout", "connection_read_timeout"),
    ],
)
def test_an_origin_that_falls_silent_is_given_up(run: Run, sent: bytes, limit: str, reason: str) -> None:
    """B2, B4: 504 (in a body: the body breaks), and the connection is freed."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(sent)
        await peer.closed_by_client()

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = origin.client(**{limit: 0.05})
            with pytest.raises(UpstreamTimeout) as caught:
                await content(await client.exchange(get()))
            assert (caught.value.reason, caught.value.status) == (reason, 504)
            await origin.ended.get()
            assert client.counters()["connections_open"] == 0
            await client.aclose()

    run(scenario())


def test_a_dripped_head_is_cut_though_no_single_read_is_late(run: Run) -> None:
    """B4: first_byte_timeout is for the whole head, not for each byte of it."""

    async def script(peer: Peer) -> None:
        await peer.request()
        while True:
            await peer.send(
                b"HTTP/1.1 200 OK\r\n" if not peer.origin.heads.append(b"") and len(peer.origin.heads) == 2 else b"X: y\r\n"
            )
            await asyncio.sleep(0.01)

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = origin.client(first_byte_timeout=0.1, idle_timeout=0.05)
            with pytest.raises(UpstreamTimeout):
                await client.exchange(get())
            await client.aclose()

    run(scenario())


def test_closing_a_body_early_frees_the_connection(run: Run) -> None:
    """B11: the client left an endless body."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await peer.send(b"5\r\nhello\r\n" * 1000)

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = origin.client()
            response = await client.exchange(get())
            await anext(aiter(response.body))
            await response.body.aclose()
            await response.body.aclose()
            assert client.counters()["connections_open"] == 0
            assert [part async for part in response.body] == []
            await origin.ended.get()  # and the origin notices
            await client.aclose()

    run(scenario())


def test_a_forgotten_body_frees_the_connection(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await peer.closed_by_client()

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = origin.client()
            response = await client.exchange(get())
            del response
            await origin.ended.get()
            assert client.counters()["connections_open"] == 0
            await client.aclose()

    run(scenario())


def test_closing_a_body_that_has_ended_keeps_the_connection(run: Run) -> None:
    async def scenario() -> None:
        async with ScriptedOrigin(answering(OK)) as origin:
            client = origin.client()
            for _ in range(3):
                response = await client.exchange(get())
                await response.body.aclose()
            assert origin.connections == 1
            await client.aclose()

    run(scenario())


@pytest.mark.parametrize("moment", ["before-head", "in-body"])
def test_a_cancelled_exchange_drops_its_connection(run: Run, moment: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        if moment == "in-body":
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        await peer.closed_by_client()

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = origin.client()
            task = asyncio.create_task(ask(client))
            await until(lambda: len(origin.heads) == 1)
            await asyncio.sleep(0.02)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            del task
            await origin.ended.get()
            assert client.counters()["connections_open"] == 0
            await client.aclose()

    run(scenario())


def test_what_an_interim_callback_raises_comes_out_of_the_exchange(run: Run) -> None:
    def interim(status: int, fields: object) -> None:
        raise KeyError(status)

    async def scenario() -> None:
        async with ScriptedOrigin(answering(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK)) as origin:
            client = origin.client()
            with pytest.raises(KeyError):
                await client.exchange(get(interim=interim))
            assert client.counters()["connections_open"] == 0
            await client.aclose()

    run(scenario())


def test_interim_responses_are_passed_on_before_the_final_one_comes(run: Run) -> None:
    """RFC 9110 §15.2, RFC 8297."""

    async def scenario() -> None:
        seen: asyncio.Queue[tuple[int, list]] = asyncio.Queue()

        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
            assert await seen.get() == (103, [(b"link", b"</a.css>")])
            await peer.send(b"HTTP/1.1 102 Processing\r\n\r\n")
            assert await seen.get() == (102, [])
            await peer.send(OK)

        async with ScriptedOrigin(script) as origin:
            client = origin.client()
            assert await ask(client, get(interim=lambda status, fields: seen.put_nowait((status, fields)))) == (200, b"ok")
            await client.aclose()

    run(scenario())


def test_a_request_that_cannot_be_written_touches_no_connection(run: Run) -> None:
    async def scenario() -> None:
        async with ScriptedOrigin(answering(OK)) as origin:
            client = origin.client()
            with pytest.raises(ValueError):
                await client.exchange(get(b"/a b"))
            assert origin.connections == 0
            await client.aclose()

    run(scenario())


def test_every_error_is_ours(run: Run) -> None:
    """The port's promise: UpstreamError and nothing else."""

    async def scenario() -> None:
        async with ScriptedOrigin(answering(OK)) as origin:
            client = origin.client()
        with pytest.raises(UpstreamError):  # nobody listens any more
            await client.exchange(get())
        await client.aclose()

    run(scenario())


def test_malformed_chunks_after_a_good_beginning_break_the_body(run: Run) -> None:
    async def scenario() -> None:
        go_on = asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")
            await go_on.wait()
            await peer.send(b"zz\r\n")
            await peer.closed_by_client()

        async with ScriptedOrigin(script) as origin:
            client = origin.client()
            response = await client.exchange(get())
            reader = aiter(response.body)
            assert await anext(reader) == b"ok"
            go_on.set()
            with pytest.raises(UpstreamMalformed):
                await anext(reader)
            await client.aclose()

    run(scenario())


def test_two_readers_of_one_body_are_a_programming_error(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        await peer.closed_by_client()

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = origin.client()
            response = await client.exchange(get())
            first = asyncio.ensure_future(anext(aiter(response.body)))
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="two readers"):
                await anext(aiter(response.body))
            await response.body.aclose()
            with pytest.raises(StopAsyncIteration):
                await first
            await client.aclose()

    run(scenario())
