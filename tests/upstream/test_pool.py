"""Which connection an exchange gets: reuse, limits, waiting, expiry, the one retry. Nothing leaks, whoever is cancelled when."""

from __future__ import annotations

import asyncio
import random

import pytest

from gateway.errors import UpstreamError, UpstreamRefused, UpstreamReset, UpstreamUnavailable
from gateway.upstream.connection import Connection
from gateway.upstream.limits import OriginLimits
from gateway.upstream.pool import ConnectionPool
from tests.upstream.scripted import OK, Peer, Run, ScriptedOrigin, answering, ask, content, get, pieces, until

OURS = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine"
EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"


def counts(client, *names: str) -> tuple[int, ...]:
    return tuple(client.counters()[name] for name in names)


def test_sequential_exchanges_share_a_connection(run: Run) -> None:
    async def scenario() -> None:
        async with ScriptedOrigin(answering(OK)) as origin:
            client = origin.client()
            for _ in range(5):
                assert await ask(client) == (200, b"ok")
            assert origin.connections == 1
            assert counts(client, "exchanges", "connects", "reuses", "connections_open", "connections_idle") == (5, 1, 4, 1, 1)
            await client.aclose()
            assert counts(client, "connections_open", "connections_idle") == (0, 0)

    run(scenario())


def test_the_connection_used_last_is_used_next(run: Run) -> None:
    """Last in, first out: the others can expire."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % peer.number)

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = origin.client()
            first = await asyncio.gather(*(ask(client) for _ in range(3)))
            assert sorted(body for _, body in first) == [b"0", b"1", b"2"]
            assert {(await ask(client))[1] for _ in range(5)} == {(await ask(client))[1]}
            await client.aclose()

    run(scenario())


def test_an_idle_connection_expires(run: Run) -> None:
    async def scenario() -> None:
        async with ScriptedOrigin(answering(OK)) as origin:
            client = origin.client(keepalive_timeout=0.05)
            await ask(client)
            assert counts(client, "connections_idle") == (1,)
            await origin.ended.get()
            assert counts(client, "connections_open", "connections_idle") == (0, 0)
            assert await ask(client) == (200, b"ok")
            await client.aclose()

    run(scenario())


def test_the_origins_own_limit_is_heeded(run: Run) -> None:
    """`Keep-Alive: timeout=…` shorter than ours: we leave first."""

    async def scenario() -> None:
        async with ScriptedOrigin(answering(b"HTTP/1.1 204 No\r\nKeep-Alive: timeout=0\r\n\r\n")) as origin:
            client = origin.client()
            await ask(client)
            await origin.ended.get()
            assert counts(client, "connections_open") == (0,)
            await client.aclose()

    run(scenario())


def test_keepalive_zero_keeps_nothing(run: Run) -> None:
    async def scenario() -> None:
        async with ScriptedOrigin(answering(OK)) as origin:
            client = origin.client(keepalive_timeout=0)
            for _ in range(3):
                await ask(client)
            assert origin.connections == 3
            assert counts(client, "connections_open") == (0,)
            await client.aclose()

    run(scenario())


def test_an_origin_that_closes_while_idle_leaves_the_pool(run: Run) -> None:
    async def scenario() -> None:
        async with ScriptedOrigin(answering(OK, then_close=True)) as origin:
            client = origin.client()
            await ask(client)
            await until(lambda: counts(client, "connections_open", "connections_idle") == (0, 0))
            await ask(client)
            assert counts(client, "retries") == (0,)
            await client.aclose()

    run(scenario())


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_25_of_25_gets_survive_an_origin_that_closes_just_before_reuse(run: Run, how: str) -> None:
    """B6, RFC 9112 §9.3.1: each connection answers once, takes the next request, and closes without a word."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        if how == "rst":
            peer.reset()

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = origin.client()
            assert [await ask(client) for _ in range(25)] == [(200, b"ok")] * 25
            assert counts(client, "retries") == (24,)
            await client.aclose()

    run(scenario())


def test_the_retry_is_made_once(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        if not peer.number:
            await peer.send(OK)
            await peer.request()

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = origin.client()
            await ask(client)
            with pytest.raises(UpstreamReset):
                await ask(client)
            assert origin.connections == 2
            assert len(origin.heads) == 3
            await client.aclose()

    run(scenario())


@pytest.mark.parametrize(
    ("request_", "sent_again"),
    [
        (get, True),
        (lambda: get(method=b"HEAD"), True),
        (lambda: get(method=b"OPTIONS"), True),
        (lambda: get(method=b"DELETE"), True),
        (lambda: get(method=b"PUT"), True),
        (lambda: get(method=b"POST"), False),
        (lambda: get(method=b"PATCH"), False),
        (lambda: get(method=b"LOCK"), False),
        (lambda: get(method=b"PUT", body=pieces(b"one"), length=3), False),
        (lambda: get(method=b"PUT", body=pieces(b"one"), length=3, fields=[(b"expect", b"100-continue")]), True),
    ],
    ids=["get", "head", "options", "delete", "put-empty", "post", "patch", "lock", "put-body-gone", "put-body-held-back"],
)
def test_only_what_can_safely_be_repeated_is_sent_again(run: Run, request_, sent_again: bool) -> None:
    """RFC 9110 §9.2.2; and a body that was touched can't be sent a second time."""

    async def script(peer: Peer) -> None:
        head = await peer.request()
        if peer.number and b"100-continue" in head:
            await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            await peer.read(3)
        await peer.send(OK if not head.startswith(b"HEAD") else b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        await peer.request()

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = origin.client(continue_timeout=1000)
            await ask(client)
            if sent_again:
                assert (await ask(client, request_()))[0] == 200
            else:
                with pytest.raises(UpstreamReset):
                    await ask(client, request_())
            assert len(origin.heads) == 2 + sent_again
            await client.aclose()

    run(scenario())


def test_a_connection_that_broke_after_one_byte_is_no_race(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        await peer.send(b"H")

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = origin.client()
            await ask(client)
            with pytest.raises(UpstreamReset) as caught:
                await ask(client)
            assert not caught.value.retryable
            assert origin.connections == 1
            await client.aclose()

    run(scenario())


@pytest.mark.parametrize(
    "first",
    [
        OURS + EVIL,
        b"HTTP/1.1 204 No\r\n\r\n" + EVIL,
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 40\r\n\r\n" + EVIL,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nmine\r\n0\r\n\r\n" + EVIL,
        OURS + b"\r\n",
        OURS + b"\0",
    ],
    ids=["length", "204", "304", "chunked", "line-end", "nul"],
)
@pytest.mark.parametrize("when", ["in-one-write", "while-idle", "unread-in-the-socket"])
def test_surplus_bytes_never_reach_the_next_request(run: Run, first: bytes, when: str) -> None:
    """B8: at whatever moment they come, the next visitor gets an answer to the question that was asked."""
    end = len(OURS) if first.startswith(OURS) else first.find(EVIL)
    proper, surplus = first[:end], first[end:]

    async def scenario() -> None:
        send_surplus = asyncio.Event()
        sent_surplus = asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.request()
            if peer.number:
                await peer.send(OK)
                await peer.request()
            if when == "in-one-write":
                await peer.send(first)
            else:
                await peer.send(proper)
                await send_surplus.wait()
                await peer.send(surplus)
                sent_surplus.set()
            while True:
                await peer.request()
                await peer.send(EVIL)

        async with ScriptedOrigin(script) as origin:
            client = origin.client()
            await ask(client)
            if when == "while-idle":
                send_surplus.set()
                await until(lambda: counts(client, "connections_open") == (0,))
            elif when == "unread-in-the-socket":
                send_surplus.set()
                await sent_surplus.wait()  # written in this turn of the loop, which can't have read it when the pool is asked
            assert await ask(client) == (200, b"ok")
            assert origin.connections == 2
            await client.aclose()

    run(scenario())


def test_the_socket_is_looked_into_before_a_connection_is_used(run: Run) -> None:
    """Bytes that the kernel has and the loop has not read yet: the connection is unfit."""

    async def scenario() -> None:
        peers: list[Peer] = []

        async def script(peer: Peer) -> None:
            peers.append(peer)
            while True:
                await peer.request()
                await peer.send(OK)

        async with ScriptedOrigin(script) as origin:
            client = origin.client()
            await ask(client)
            connection = client._pool._idle[-1]
            assert connection.is_fit()
            connection._transport.pause_reading()  # the loop never reads it; as if it had not come to it yet
            peers[0].writer.write(EVIL)
            await until(lambda: not connection.is_fit())
            assert await ask(client) == (200, b"ok")
            assert origin.connections == 2
            assert connection.is_closed
            await client.aclose()

    run(scenario())


# ── limits and waiting ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def gate() -> tuple[asyncio.Event, object]:
    opened = asyncio.Event()

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await opened.wait()
            await peer.send(OK)

    return opened, script


def test_who_comes_when_all_are_taken_waits_in_order(run: Run) -> None:
    async def scenario() -> None:
        opened, script = gate()
        async with ScriptedOrigin(script) as origin:
            client = origin.client(max_connections=2)
            tasks = [asyncio.create_task(ask(client, get(b"/%d" % number))) for number in range(10)]
            await until(lambda: len(origin.heads) == 2)
            assert counts(client, "connections_open", "waiting") == (2, 8)
            opened.set()
            assert await asyncio.gather(*tasks) == [(200, b"ok")] * 10
            assert origin.connections == 2
            assert [int(head[5:6]) for head in origin.heads][2:] == [2, 3, 4, 5, 6, 7, 8, 9]
            assert counts(client, "connections_open", "connections_idle", "waiting") == (2, 2, 0)
            await client.aclose()

    run(scenario())


@pytest.mark.parametrize("limits", [{"queue_timeout": 0.05}, {"max_waiting": 0}], ids=["too-slow", "too-many"])
def test_the_queue_is_bounded(run: Run, limits: dict) -> None:
    async def scenario() -> None:
        opened, script = gate()
        async with ScriptedOrigin(script) as origin:
            client = origin.client(max_connections=1, **limits)
            first = asyncio.create_task(ask(client))
            await until(lambda: len(origin.heads) == 1)
            with pytest.raises(UpstreamUnavailable) as caught:
                await ask(client)
            assert (caught.value.reason, caught.value.status) == ("connection_limit_reached", 503)
            assert counts(client, "rejected", "waiting") == (1, 0)
            opened.set()
            assert await first == (200, b"ok")
            await client.aclose()

    run(scenario())


def test_a_waiter_gets_the_place_of_a_connection_that_is_lost(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK[:-2] + b"ok")
        # closes after each response

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = origin.client(max_connections=1)
            assert await asyncio.gather(*(ask(client) for _ in range(10))) == [(200, b"ok")] * 10
            await until(lambda: counts(client, "connections_open") == (0,))
            await client.aclose()

    run(scenario())


def test_a_waiter_gets_the_place_of_a_failed_connect(run: Run) -> None:
    async def scenario() -> None:
        async with ScriptedOrigin(answering(OK)) as origin:
            client = origin.client(max_connections=1)
        results = await asyncio.gather(*(ask(client) for _ in range(5)), return_exceptions=True)
        assert {type(result) for result in results} == {UpstreamRefused}
        assert counts(client, "connections_open", "waiting") == (0, 0)
        await client.aclose()

    run(scenario())


def test_a_waiter_cancelled_in_the_turn_it_is_served_passes_its_connection_on(run: Run) -> None:
    async def scenario() -> None:
        async with ScriptedOrigin(answering(OK)) as origin:
            client = origin.client(max_connections=1)
            holder = await client._pool.acquire()
            waiters = [asyncio.create_task(client._pool.acquire()) for _ in range(2)]
            await asyncio.sleep(0)
            client._pool.freed(holder)  # the first waiter is served …
            waiters[0].cancel()  # … and cancelled before it wakes up
            assert await waiters[1] is holder
            client._pool.freed(holder)
            assert counts(client, "connections_open", "connections_idle", "waiting") == (1, 1, 0)
            assert waiters[0].cancelled()
            await client.aclose()

    run(scenario())


@pytest.mark.parametrize("seed", range(5))
def test_no_place_leaks_whoever_is_cancelled_when(run: Run, seed: int) -> None:
    """Two hundred exchanges over four places against a moody origin, a third of them cancelled at random moments."""
    dice = random.Random(seed)

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            mood = dice.random()
            await asyncio.sleep(mood * 0.004)
            if mood < 0.1:
                peer.reset()
                return
            if mood < 0.2:
                await peer.send(OK + b"!")
                return
            if mood < 0.3:
                await peer.send(OK[:-1])
                return
            await peer.send(OK)

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = origin.client(max_connections=4, max_waiting=1000)

            async def visit() -> bytes:
                await asyncio.sleep(dice.random() * 0.05)
                response = await client.exchange(get())
                if dice.random() < 0.2:
                    await response.body.aclose()
                    return b"ok"
                return await content(response)

            tasks = [asyncio.create_task(visit()) for _ in range(200)]
            for task in tasks:
                if dice.random() < 0.33:
                    asyncio.get_running_loop().call_later(dice.random() * 0.15, task.cancel)
            results = await asyncio.gather(*tasks, return_exceptions=True)
            for result in results:
                assert result == b"ok" or isinstance(result, (UpstreamError, asyncio.CancelledError)), result
            tasks.clear()
            results.clear()
            assert (
                sum(result == b"ok" for result in await asyncio.gather(*(visit() for _ in range(20)), return_exceptions=True)) > 5
            )
            await until(lambda: counts(client, "connections_open", "waiting") == (counts(client, "connections_idle")[0], 0))
            assert len(client._pool._all) == client._pool._places
            await client.aclose()
            assert counts(client, "connections_open", "connections_idle") == (0, 0)

    run(scenario())


def test_closing_refuses_new_exchanges_and_waiters_and_lets_others_end(run: Run) -> None:
    async def scenario() -> None:
        opened, script = gate()
        async with ScriptedOrigin(script) as origin:
            client = origin.client(max_connections=1)
            under_way = asyncio.create_task(ask(client))
            await until(lambda: len(origin.heads) == 1)
            waiting = asyncio.create_task(ask(client))
            await until(lambda: counts(client, "waiting") == (1,))
            await client.aclose()
            with pytest.raises(UpstreamUnavailable):
                await waiting
            with pytest.raises(UpstreamUnavailable):
                await ask(client)
            opened.set()
            assert await under_way == (200, b"ok")
            await origin.ended.get()
            assert counts(client, "connections_open") == (0,)

    run(scenario())


def test_a_hundred_at_once_are_each_given_their_own_answer(run: Run) -> None:
    async def script(peer: Peer) -> None:
        while True:
            target = (await peer.request()).split()[1]
            await asyncio.sleep(0)
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(target), target))

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = origin.client(max_connections=20)
            targets = [b"/%d" % number for number in range(1000)]
            answers = await asyncio.gather(*(ask(client, get(target)) for target in targets))
            assert [body for _, body in answers] == targets
            assert origin.connections <= 20
            await client.aclose()

    run(scenario())


def test_the_retry_goes_to_a_new_connection_not_to_another_stale_one(run: Run) -> None:
    """After a restart of the origin every kept connection is stale, not only the first."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await until(lambda: len(peer.origin.heads) >= 3)
        await peer.send(OK)
        await peer.request()

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = origin.client()
            await asyncio.gather(*(ask(client) for _ in range(3)))
            assert await ask(client) == (200, b"ok")
            assert (origin.connections, *counts(client, "retries")) == (4, 1)
            await client.aclose()

    run(scenario())


def test_a_waiter_that_is_cancelled_leaves_the_queue(run: Run) -> None:
    async def scenario() -> None:
        opened, script = gate()
        async with ScriptedOrigin(script) as origin:
            client = origin.client(max_connections=1)
            first = asyncio.create_task(ask(client))
            await until(lambda: len(origin.heads) == 1)
            waiting = asyncio.create_task(ask(client))
            await until(lambda: counts(client, "waiting") == (1,))
            waiting.cancel()
            await asyncio.wait((waiting,))
            assert counts(client, "waiting") == (0,)
            opened.set()
            assert await first == (200, b"ok")
            await client.aclose()

    run(scenario())


def test_a_connection_that_is_closed_as_soon_as_it_is_made_costs_no_place(run: Run) -> None:
    async def scenario() -> None:
        limits = OriginLimits(max_connections=1)

        async def dial(pool: ConnectionPool) -> Connection:
            connection = Connection(asyncio.get_running_loop(), limits, pool)
            connection.close()
            return connection

        pool = ConnectionPool(limits, dial)
        for _ in range(3):
            with pytest.raises(UpstreamReset):
                await pool.acquire()
            assert pool.counters()["connections_open"] == 0

    run(scenario())


def test_the_time_of_an_exchange_does_not_run_on_while_idle(run: Run) -> None:
    async def scenario() -> None:
        async with ScriptedOrigin(answering(OK)) as origin:
            client = origin.client(first_byte_timeout=0.05, idle_timeout=0.05, total_timeout=0.05)
            await ask(client)
            await asyncio.sleep(0.15)
            assert counts(client, "connections_idle") == (1,)
            await ask(client)
            assert origin.connections == 1
            await client.aclose()

    run(scenario())
