"""What each verb does to a real server, and what it gives back."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from gateway.errors import RedisUnavailable
from tests.redis.linked import linked, run


def commands_since(server, before: Counter[str]) -> Counter[str]:
    """How often the server has carried out each command since `before`; what the test itself asked is left out."""
    spent = calls(server) - before
    return Counter({name: count for name, count in spent.items() if name not in {"info", "hello"}})


def calls(server) -> Counter[str]:
    return Counter(
        {name.removeprefix("cmdstat_"): figures["calls"] for name, figures in server.command("INFO", "commandstats").items()}
    )


def test_a_value_is_kept_for_its_time_and_no_longer(server):
    async def story():
        async with linked(server) as link:
            await link.set(b"key", b"\x00\r\nvalue", ttl=60)
            assert await link.get(b"key") == b"\x00\r\nvalue"
            assert 59_000 < server.command("PTTL", b"key") <= 60_000
            await link.set(b"brief", b"value", ttl=0.0001)  # rounds to nothing, and Redis refuses nothing
            await until_gone(link, b"brief")

    run(story())


async def until_gone(link, key: bytes) -> None:
    while await link.get(key) is not None:
        await asyncio.sleep(0.001)


def test_every_write_of_a_value_expires(server):
    async def story():
        async with linked(server) as link:
            await link.set(b"set", b"1", ttl=10)
            await link.add(b"add", b"1", ttl=10)
            assert server.command("PTTL", b"set") > 0
            assert server.command("PTTL", b"add") > 0

    run(story())


def test_gets_of_one_tick_are_one_command_and_a_key_is_sent_once(server):
    async def story():
        async with linked(server) as link:
            await link.set(b"a", b"A", ttl=60)
            await link.set(b"b", b"B", ttl=60)
            before = calls(server)
            keys = [b"a", b"b", b"nothing", b"a", b"a"]
            assert await asyncio.gather(*(link.get(key) for key in keys)) == [b"A", b"B", None, b"A", b"A"]
            assert commands_since(server, before) == {"mget": 1}
            assert link.counters()["gets"] == 5
            assert link.counters()["keys_sent"] == 3

    run(story())


def test_very_many_gets_are_several_commands_and_each_gets_its_own_value(server):
    async def story():
        async with linked(server) as link:
            await asyncio.gather(*(link.set(b"%d" % number, b"=%d" % number, ttl=60) for number in range(150)))
            before = calls(server)
            values = await asyncio.gather(*(link.get(b"%d" % number) for number in range(150)))
            assert values == [b"=%d" % number for number in range(150)]
            assert commands_since(server, before) == {"mget": 3}

    run(story())


def test_a_caller_that_is_cancelled_takes_nothing_from_the_others(server):
    async def story():
        async with linked(server) as link:
            await link.set(b"key", b"value", ttl=60)
            leaving, staying = asyncio.create_task(link.get(b"key")), asyncio.create_task(link.get(b"key"))
            await asyncio.sleep(0)
            leaving.cancel()
            assert await staying == b"value"
            with pytest.raises(asyncio.CancelledError):
                await leaving

    run(story())


def test_add_is_for_the_first(server):
    async def story():
        async with linked(server) as link:
            taken = await asyncio.gather(*(link.add(b"lease", b"%d" % number, ttl=10) for number in range(20)))
            assert sorted(taken) == [False] * 19 + [True]
            assert await link.get(b"lease") == b"%d" % taken.index(True)

    run(story())


def test_prolong_if_keeps_only_what_is_ours(server):
    async def story():
        async with linked(server) as link:
            await link.set(b"lease", b"mine", ttl=5)
            assert not await link.prolong_if(b"lease", b"another's", ttl=500)
            assert await link.prolong_if(b"lease", b"mine", ttl=500)
            assert not await link.prolong_if(b"gone", b"mine", ttl=500)

    run(story())
    assert server.command("TTL", "lease") > 100


def test_remove_if_takes_only_what_is_ours(server):
    async def story():
        async with linked(server) as link:
            await link.set(b"lease", b"mine", ttl=10)
            assert not await link.remove_if(b"lease", b"another's")
            server.command("SCRIPT", "FLUSH")  # as after a restart: the server has to be told the script again
            assert await link.remove_if(b"lease", b"mine")
            assert not await link.remove_if(b"lease", b"mine")

    run(story())


def test_remove_counts_what_was_there(server):
    async def story():
        async with linked(server) as link:
            await link.set(b"a", b"1", ttl=10)
            await link.set(b"b", b"1", ttl=10)
            assert await link.remove(b"a", b"b", b"c") == 2
            assert await link.remove() == 0

    run(story())


def test_a_stream_is_read_from_where_one_stopped(server):
    async def story():
        async with linked(server) as link:
            assert await link.stream_bounds(b"stream") is None
            ids = [
                await link.append(b"stream", {b"number": b"%d" % number, b"kind": b"tag"}, max_entries=1000)
                for number in range(5)
            ]
            read = await link.entries_after(b"stream", ids[1], count=2, block=0)
            assert read == [(ids[2], {b"number": b"2", b"kind": b"tag"}), (ids[3], {b"number": b"3", b"kind": b"tag"})]
            assert await link.entries_after(b"stream", ids[4], count=2, block=0.01) == []
            bounds = await link.stream_bounds(b"stream")
            assert (bounds.first, bounds.last, bounds.max_deleted, bounds.added) == (ids[0], ids[4], b"0-0", 5)

    run(story())


def test_a_reader_that_waits_is_woken_and_keeps_nobody_waiting(server):
    async def story():
        async with linked(server, max_connections=1) as link:
            reader = asyncio.create_task(link.entries_after(b"stream", b"0-0", count=10, block=30))
            while not server.command("CLIENT", "LIST", "TYPE", "NORMAL").count(b"cmd=xread"):
                await asyncio.sleep(0.005)
            assert await link.get(b"key") is None  # with the one connection there is
            entry = await link.append(b"stream", {b"a": b"b"}, max_entries=10)
            assert await reader == [(entry, {b"a": b"b"})]

    run(story())


def test_a_stream_is_bounded(server):
    async def story():
        async with linked(server) as link:
            for number in range(400):
                await link.append(b"stream", {b"n": b"%d" % number}, max_entries=50)
            assert server.command("XLEN", b"stream") <= 50 + 100  # a node of its tree holds a hundred
            bounds = await link.stream_bounds(b"stream")
            assert bounds.added == 400
            assert bounds.first > b"0-0"

    run(story())


def test_somebody_elses_value_under_our_key_is_a_refusal_by_name(server):
    async def story():
        async with linked(server) as link:
            server.command("LPUSH", b"list", b"1")
            with pytest.raises(RedisUnavailable) as told:
                await link.get(b"list")
            assert told.value.reason == "command"
            with pytest.raises(RedisUnavailable):
                await link.entries_after(b"list", b"0", count=1, block=0)
            assert await asyncio.gather(link.get(b"list"), link.get(b"a"), return_exceptions=True) == [
                None,
                None,
            ]  # MGET: no text
            assert link.is_up

    run(story())


def test_any_other_command_goes_by_its_key(server):
    async def story():
        async with linked(server) as link:
            assert await link.execute("SET", b"epoch", b"1", "NX") == b"OK"
            assert await link.execute("INCRBY", b"epoch", 4) == 5

    run(story())
