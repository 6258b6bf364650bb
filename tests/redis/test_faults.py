"""Redis gone, frozen, cut off, slow, restarted, full, a replica, talking nonsense; callers that leave. Nobody waits, nothing gets mixed up."""

from __future__ import annotations

import asyncio
import logging
import random
import time

import pytest

from gateway.errors import RedisUnavailable
from gateway.redis_link import NodeRules, OneServer
from tests.redis.linked import PATIENT, linked, linked_to, run, until_true
from tests.redis.odd_servers import FakeRedis, Relay


async def reason_of(call) -> str:
    with pytest.raises(RedisUnavailable) as told:
        await call
    return str(told.value.reason)


async def is_up(link) -> bool:
    return bool(link.is_up)


async def is_down(link) -> bool:
    return not link.is_up


# ── Gone, and back ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_frozen_server_is_left_alone_after_a_few_calls_and_no_visitor_finds_out_that_it_is_back(server):
    async def story():
        async with linked(server, timeout=0.05, connect_timeout=0.05) as link:
            await until_true(lambda: answers(link))
            server.freeze()
            waited = 0
            while (reason := await reason_of(link.get(b"key"))) != "breaker_open":
                assert reason in {"timeout", "late"}
                waited += 1
            assert waited <= 20
            asked = link.counters()["exchanges"]
            for _ in range(100):
                assert await reason_of(link.get(b"key")) == "breaker_open"
            assert link.counters()["exchanges"] == asked
            server.thaw()
            await until_true(lambda: is_up(link))
            assert link.counters()["exchanges"] == asked

    run(story())


async def answers(link) -> bool:
    try:
        await link.get(b"key")
    except RedisUnavailable:
        return False
    return True


def test_one_call_is_enough_to_find_out_that_it_is_frozen(server):
    """At one call a second, five failures in a row would take five seconds: the probe's own count too."""

    async def story():
        async with linked(server, timeout=0.05, connect_timeout=0.05) as link:
            await until_true(lambda: answers(link))
            server.freeze()
            assert await reason_of(link.get(b"key")) in {"timeout", "late"}
            await until_true(lambda: is_down(link))

    run(story())


def test_a_server_that_is_stopped_and_started_is_used_again_and_is_empty_then(server):
    async def story():
        async with linked(server) as link:
            await link.set(b"key", b"1", ttl=60)
            server.stop()
            while (reason := await reason_of(link.get(b"key"))) != "breaker_open":
                assert reason == "connection"
            server.start()
            await until_true(lambda: is_up(link))
            assert await link.get(b"key") is None

    run(story())


def test_a_restart_between_two_calls_is_not_noticed(server):
    """The idle connections have ended meanwhile: they are seen to be dead before anything is sent on them."""

    async def story():
        async with linked(server) as link:
            await asyncio.gather(*(link.execute("GET", b"key") for _ in range(8)))
            server.restart()
            assert await asyncio.gather(*(link.execute("GET", b"key") for _ in range(8))) == [None] * 8
            assert link.counters()["trouble_connection"] == 0

    run(story())


def test_an_emptied_server_is_one_with_nothing_in_it(server):
    async def story():
        async with linked(server) as link:
            await link.set(b"key", b"1", ttl=60)
            await link.append(b"stream", {b"a": b"b"}, max_entries=10)
            server.command("FLUSHALL")
            assert await link.get(b"key") is None
            assert await link.stream_bounds(b"stream") is None
            assert await link.entries_after(b"stream", b"0-0", count=1, block=0.01) == []

    run(story())


def test_a_cut_network_is_noticed_by_calls_and_by_who_waits_for_a_stream(server):
    async def story():
        async with Relay(server.address) as relay, linked_to(OneServer(relay.address, NodeRules(timeout=0.2))) as link:
            assert await link.get(b"key") is None
            reader = asyncio.create_task(link.entries_after(b"stream", b"0-0", count=1, block=0.2))
            await asyncio.sleep(0)
            relay.open.clear()
            await until_true(lambda: is_down_after_asking(link))
            assert await reason_of(reader) == "timeout"
            relay.open.set()
            await until_true(lambda: is_up(link))
            assert await link.get(b"key") is None

    run(story())


async def is_down_after_asking(link) -> bool:
    await asyncio.gather(link.get(b"key"), return_exceptions=True)
    return not link.is_up


def test_a_reader_of_a_stream_that_is_left_alone_says_nothing_against_the_server(server):
    async def story():
        async with linked(server, failures=1) as link:
            reader = asyncio.create_task(link.entries_after(b"stream", b"0-0", count=1, block=30))
            while not server.command("CLIENT", "LIST", "TYPE", "NORMAL").count(b"cmd=xread"):
                await asyncio.sleep(0.005)
            server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            assert await reason_of(reader) == "connection"
            assert link.is_up
            assert await link.get(b"key") is None

    run(story())


def test_the_log_says_once_that_it_went_and_once_that_it_came_back(server, caplog):
    async def story():
        async with linked(server, timeout=0.05, connect_timeout=0.05) as link:
            server.freeze()
            await until_true(lambda: is_down_after_asking(link))
            for _ in range(50):
                await is_down_after_asking(link)
            server.thaw()
            await until_true(lambda: is_up(link))

    with caplog.at_level(logging.INFO, "gateway.redis_link"):
        run(story())
    lines = [(record.levelname, record.getMessage()) for record in caplog.records]
    name = f"redis_state server={server.address}"
    assert lines == [
        ("WARNING", f"{name} state=down was=up reason=timeout changes=1"),
        ("INFO", f"{name} state=up was=down reason=answered changes=1"),
    ]


# ── Time that is ours ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_when_it_was_we_who_had_no_time_the_server_is_not_blamed(server):
    async def story():
        async with linked(server, timeout=0.1, failures=1) as link:
            await until_true(lambda: answers(link))
            await link.execute("GET", b"key")
            server.freeze()  # so that the answer can't be there already
            asking = asyncio.create_task(link.execute("GET", b"key"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            time.sleep(0.5)  # noqa: ASYNC251 - the loop is blocked: that is the story
            server.thaw()
            assert await reason_of(asking) == "late"
            assert link.is_up
            assert link.counters()["opened"] == 0

    run(story())


def test_many_at_once_wait_for_few_connections_and_none_fails(server):
    async def story():
        async with linked(server, max_connections=2) as link:
            numbers = await asyncio.gather(*(link.execute("INCR", b"counter") for _ in range(150)))
            assert sorted(numbers) == list(range(1, 151))
            assert link.counters()["connections_made"] == 2

    run(story())


def test_who_gets_no_connection_in_time_hears_so_and_the_server_is_not_blamed(server):
    async def story():
        async with Relay(server.address) as relay:
            rules = NodeRules(timeout=0.3, connect_timeout=5, max_connections=1, failures=100)
            async with linked_to(OneServer(relay.address, rules)) as link:
                await link.execute("GET", b"key")
                relay.open.clear()
                reasons = await asyncio.gather(*(reason_of(link.execute("GET", b"key")) for _ in range(5)))
                assert set(reasons) <= {"timeout", "pool"}
                assert reasons.count("pool") == 4
                relay.open.set()

    run(story())


# ── Callers that leave ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_whoever_leaves_in_whatever_moment_nobody_gets_anothers_answer(server):
    dice = random.Random(7)

    async def story():
        async with (
            Relay(server.address) as relay,
            linked_to(OneServer(relay.address, NodeRules(**PATIENT, max_connections=4))) as link,
        ):
            await asyncio.gather(*(link.set(b"%d" % number, b"=%d" % number, ttl=60) for number in range(50)))
            relay.delay = 0.002
            stayed = 0
            for _ in range(30):
                asked = [dice.randrange(50) for _ in range(20)]
                tasks = [
                    asyncio.create_task(link.execute("GET", b"%d" % number) if dice.random() < 0.5 else link.get(b"%d" % number))
                    for number in asked
                ]
                for task in tasks:
                    if dice.random() < 0.3:
                        asyncio.get_running_loop().call_later(dice.random() * 0.01, task.cancel)
                for number, answer in zip(asked, await asyncio.gather(*tasks, return_exceptions=True), strict=True):
                    if not isinstance(answer, asyncio.CancelledError):
                        assert answer == b"=%d" % number
                        stayed += 1
            assert stayed > 300
            assert link.counters()["trouble_protocol"] == 0

    run(story())


def test_a_call_that_is_cancelled_takes_its_connection_with_it(server):
    async def story():
        async with Relay(server.address) as relay, linked_to(OneServer(relay.address, NodeRules(**PATIENT))) as link:
            await link.execute("GET", b"key")
            relay.open.clear()
            asking = asyncio.create_task(link.execute("SET", b"key", b"1"))
            await asyncio.sleep(0.01)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            relay.open.set()
            assert await link.execute("ECHO", b"mine") == b"mine"
            assert relay.connections == 2

    run(story())


def test_closing_ends_what_waits(server):
    async def story():
        async with linked(server) as link:
            reader = asyncio.create_task(link.entries_after(b"stream", b"0-0", count=1, block=50))
            while not server.command("CLIENT", "LIST", "TYPE", "NORMAL").count(b"cmd=xread"):
                await asyncio.sleep(0.005)
        with pytest.raises(RedisUnavailable):
            await reader
        assert await reason_of(link.get(b"key")) == "closed"
        assert await reason_of(link.entries_after(b"stream", b"0-0", count=1, block=1)) == "closed"

    run(story())


# ── What a server may say ────────────────────────────────────────────────────────────────────────────────────────────────────────

COUNTS = {"loading", "authentication", "busy", "protocol", "timeout"}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"-LOADING Redis is loading the dataset in memory\r\n", "loading"),
        (b"-NOAUTH Authentication required.\r\n", "authentication"),
        (b"-BUSY Redis is busy running a script.\r\n", "busy"),
        (b"-NOPERM this user has no permissions to run the 'get' command\r\n", "permission"),
        (b"-OOM command not allowed when used memory > 'maxmemory'.\r\n", "full"),
        (b"-MISCONF Redis is configured to save RDB snapshots, but it's unable to.\r\n", "writes_refused"),
        (b"-NOREPLICAS Not enough good replicas to write.\r\n", "writes_refused"),
        (b"-READONLY You can't write against a read only replica.\r\n", "read_only"),
        (b"-MOVED 866 127.0.0.1:1\r\n", "moved"),
        (b"-ASK 866 127.0.0.1:1\r\n", "moved"),
        (b"-TRYAGAIN Multiple keys request during rehashing of slot\r\n", "moved"),
        (b"-CLUSTERDOWN Hash slot not served\r\n", "cluster_down"),
        (b"-MASTERDOWN Link with MASTER is down\r\n", "cluster_down"),
        (b"-WRONGTYPE Operation against a key\r\n", "command"),
        (b"-ERR unknown command\r\n", "command"),
        (b"-\r\n", "command"),
        (b"-MOVED\r\n", "protocol"),
        (b"-MOVED nowhere\r\n", "protocol"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "protocol"),
        (b"\x15\x03\x01\x00\x02\x02\x16", "protocol"),
        (b"\xff\xfe\x00garbage\r\n", "protocol"),
        (b"$abc\r\n", "protocol"),
        (b"$-7\r\n", "protocol"),
        (b"*-7\r\n", "protocol"),
        (b"*1\r\n" * 5000, "protocol"),
        (b":5\r\n", "protocol"),
        (b"*2\r\n$1\r\na\r\n$1\r\nb\r\n", "protocol"),
        (b"$1000000000\r\nabc", "timeout"),
        (b"", "timeout"),
    ],
    ids=lambda value: value[:24].decode("latin-1").strip() if isinstance(value, bytes) else "",
)
def test_each_answer_has_its_word_and_those_that_a_ping_would_get_too_open_the_breaker(answer, reason):
    async def story():
        rules = NodeRules(timeout=0.3 if reason == "timeout" else 5.0, connect_timeout=5.0, failures=2)
        async with FakeRedis({b"GET": answer, b"PING": b"+PONG\r\n"}) as fake, linked_to(OneServer(fake.address, rules)) as link:
            assert await reason_of(link.get(b"key")) == reason
            assert await reason_of(link.get(b"key")) == reason
            assert link.is_up is (reason not in COUNTS)
            assert link.counters()[f"trouble_{reason}"] == 2
            await until_true(lambda: is_up(link))
            fake.answers[b"GET"] = b"$5\r\nvalue\r\n"
            assert await link.get(b"key") == b"value"

    run(story())


@pytest.mark.parametrize("answer", [b"*1\r\n$1\r\na\r\n", b"*2\r\n:1\r\n:2\r\n", b"$1\r\na\r\n", b"*-1\r\n"])
def test_values_that_are_not_as_many_as_asked_for_are_nobodys(answer):
    async def story():
        async with FakeRedis({b"MGET": answer}) as fake, linked_to(OneServer(fake.address, NodeRules(**PATIENT))) as link:
            assert await asyncio.gather(reason_of(link.get(b"a")), reason_of(link.get(b"b"))) == ["protocol"] * 2

    run(story())


def test_bytes_past_the_end_of_an_answer_are_nobodys_answer():
    async def story():
        twice = b"$1\r\na\r\n$6\r\nforged\r\n"
        async with FakeRedis({b"GET": twice}) as fake, linked_to(OneServer(fake.address, NodeRules(**PATIENT))) as link:
            assert await link.get(b"a") == b"a"
            fake.answers[b"GET"] = b"$1\r\nb\r\n"
            assert await link.get(b"b") == b"b"
            assert fake.connections == 2

    run(story())


def test_a_full_server_refuses_writes_and_is_read_all_the_same(server):
    async def story():
        async with linked(server, failures=1) as link:
            await link.set(b"key", b"1", ttl=60)
            server.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
            server.command("CONFIG", "SET", "maxmemory", "1")
            try:
                assert await reason_of(link.set(b"more", b"x" * 1000, ttl=60)) == "full"
                assert await reason_of(link.add(b"more", b"x", ttl=60)) == "full"
                assert await reason_of(link.append(b"stream", {b"a": b"b"}, max_entries=10)) == "full"
                assert await link.get(b"key") == b"1"
                assert link.is_up
            finally:
                server.command("CONFIG", "SET", "maxmemory", "0")
            assert await link.add(b"more", b"x", ttl=60)

    run(story())


def test_one_that_has_become_a_replica_is_connected_to_anew(server):
    """Behind a name that has been given to another server, a new connection finds that one."""

    async def story():
        async with Relay(server.address) as relay, linked_to(OneServer(relay.address, NodeRules(**PATIENT))) as link:
            await link.set(b"key", b"1", ttl=60)
            server.command("REPLICAOF", "127.0.0.1", "1")
            try:
                assert await reason_of(link.set(b"key", b"2", ttl=60)) == "read_only"
            finally:
                server.command("REPLICAOF", "NO", "ONE")
            before = relay.connections
            await link.set(b"key", b"2", ttl=60)
            assert relay.connections == before + 1

    run(story())


def test_a_server_that_still_loads_its_file_is_waited_for_by_the_probe_alone(server):
    async def story():
        loading = b"-LOADING Redis is loading the dataset in memory\r\n"
        fake = FakeRedis({b"GET": loading, b"PING": loading})
        async with fake, linked_to(OneServer(fake.address, NodeRules(**PATIENT))) as link:
            await until_true(lambda: is_down_after_asking(link))
            gets, pings = fake.commands.count([b"GET", b"key"]), fake.commands.count([b"PING"])
            while fake.commands.count([b"PING"]) < pings + 3:
                assert await reason_of(link.get(b"key")) == "breaker_open"
                await asyncio.sleep(0.01)
            assert fake.commands.count([b"GET", b"key"]) == gets
            fake.answers |= {b"GET": b"$1\r\nv\r\n", b"PING": b"+PONG\r\n"}
            await until_true(lambda: is_up(link))
            assert await link.get(b"key") == b"v"

    run(story())
