"""The body that many readers share while it comes, and the memory of what can't be shared."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cache.collapse import Spool, Uncacheable
from gateway.errors import UpstreamTruncated
from tests.caching.entries import NOW, key


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def read_all(reader) -> bytes:
    return b"".join([chunk async for chunk in reader])


async def dawdle(reader, turns: int) -> bytes:
    got = b""
    async for chunk in reader:
        got += chunk
        for _ in range(turns):
            await asyncio.sleep(0)
    return got


def test_every_reader_gets_every_octet_whenever_it_joins():
    async def scenario() -> None:
        spool = Spool()
        first = asyncio.ensure_future(read_all(spool.read()))
        await settle()
        spool.feed(b"one ")
        await settle()
        second = asyncio.ensure_future(read_all(spool.read()))
        spool.feed(b"two")
        spool.finish()
        late = spool.read()
        assert [await first, await second, await read_all(late)] == [b"one two"] * 3
        assert spool.body() == b"one two"

    asyncio.run(scenario())


def test_an_error_comes_after_the_last_octet():
    async def scenario() -> None:
        spool = Spool()
        spool.feed(b"some")
        spool.finish(UpstreamTruncated("it broke off"))
        reader = spool.read()
        assert await anext(reader) == b"some"
        with pytest.raises(UpstreamTruncated):
            await anext(reader)
        with pytest.raises(StopAsyncIteration):
            await anext(reader)

    asyncio.run(scenario())


def test_nothing_is_dropped_before_the_first_reader_has_come():
    """It may be too large before anybody has had a turn."""

    async def scenario() -> None:
        spool = Spool()
        for number in range(3):
            spool.feed(b"%d" % number)
        spool.let_go()
        reader = spool.read()
        spool.finish()
        assert await read_all(reader) == b"012"

    asyncio.run(scenario())


def test_once_let_go_what_all_have_had_is_dropped():
    async def scenario() -> None:
        spool = Spool()
        quick, slow = spool.read(), spool.read()
        for number in range(4):
            spool.feed(b"%d" % number)
        spool.let_go()
        assert [await anext(quick) for _ in range(3)] == [b"0", b"1", b"2"]
        assert len(spool._chunks) == 4
        assert await anext(slow) == b"0"
        assert len(spool._chunks) == 3
        await slow.aclose()
        assert len(spool._chunks) == 1
        spool.finish()
        assert await read_all(quick) == b"3"

    asyncio.run(scenario())


def test_the_origin_waits_for_the_slowest_reader():
    async def scenario() -> None:
        spool = Spool()
        reader = spool.read()
        spool.let_go()
        fed = 0

        async def feed() -> None:
            nonlocal fed
            for _ in range(500):
                spool.feed(b"x")
                fed += 1
                await spool.room()
            spool.finish()

        feeding = asyncio.ensure_future(feed())
        await settle()
        assert fed < 100
        assert await anext(reader) == b"x"
        await settle()
        assert fed < 100
        assert len(await read_all(reader)) == 499
        await feeding

    asyncio.run(scenario())


def test_the_origin_does_not_wait_for_readers_that_have_left():
    async def scenario() -> None:
        spool = Spool()
        reader = spool.read()
        spool.let_go()
        for _ in range(100):
            spool.feed(b"x")
        waiting = asyncio.ensure_future(spool.room())
        await settle()
        assert not waiting.done()
        await reader.aclose()
        await reader.aclose()
        await waiting
        assert not spool.is_read

    asyncio.run(scenario())


def test_nor_for_one_that_will_not_come():
    async def scenario() -> None:
        spool = Spool()
        assert spool.is_read
        spool.let_go()
        for _ in range(100):
            spool.feed(b"x")
        waiting = asyncio.ensure_future(spool.room())
        await settle()
        assert not waiting.done()
        spool.expect_nobody()
        await waiting
        assert not spool.is_read

    asyncio.run(scenario())


@pytest.mark.parametrize("end", ["finish", "error", "let_go"])
def test_settled_is_when_it_is_clear_whether_all_is_kept(end):
    async def scenario() -> None:
        spool = Spool()
        waiting = [asyncio.ensure_future(spool.settled()) for _ in range(2)]
        spool.feed(b"x")
        await settle()
        assert not any(each.done() for each in waiting)
        if end == "let_go":
            spool.let_go()
        else:
            spool.finish(UpstreamTruncated("x") if end == "error" else None)
        await asyncio.gather(*waiting)

    asyncio.run(scenario())


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.binary(min_size=1, max_size=5), max_size=30),
    st.integers(0, 40),
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 4)), min_size=1, max_size=4),
)
def test_however_readers_join_and_dawdle_each_gets_the_whole(chunks, let_go_after, readers):
    """readers: after how many chunks each joins (only while it is kept), and how many turns it takes for each chunk."""

    async def scenario() -> None:
        spool = Spool()
        reading = [asyncio.ensure_future(dawdle(spool.read(), readers[0][1]))]

        for number, chunk in enumerate(chunks):
            if spool.kept:
                reading += [asyncio.ensure_future(dawdle(spool.read(), turns)) for joins, turns in readers[1:] if joins == number]
            spool.feed(chunk)
            if number == let_go_after:
                spool.let_go()
            await spool.room()
        spool.finish()
        assert await asyncio.gather(*reading) == [b"".join(chunks)] * len(reading)

    asyncio.run(scenario())


# ── What can't be shared ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_is_remembered_for_a_while():
    memory = Uncacheable()
    crowd = (key(), False)
    assert not memory.knows(crowd, NOW)
    memory.remember(crowd, NOW, 10.0)
    assert memory.knows(crowd, NOW + 9)
    assert not memory.knows((key(), True), NOW), "what one visitor gets says nothing of what everybody gets"
    assert not memory.knows(crowd, NOW + 10)
    memory.remember(crowd, NOW, 2.0)
    assert memory.knows(crowd, NOW + 1)
    assert not memory.knows(crowd, NOW + 2)


def test_it_is_forgotten_when_it_was_stored_after_all():
    memory = Uncacheable()
    memory.remember((key(), False), NOW, 10.0)
    memory.forget((key(), False))
    memory.forget((key("/never"), False))
    assert not memory.knows((key(), False), NOW)


def test_its_memory_is_bounded():
    memory = Uncacheable(limit=3)
    for number in range(5):
        memory.remember((key(f"/{number}"), False), NOW, 10.0)
    assert [memory.knows((key(f"/{number}"), False), NOW) for number in range(5)] == [False, False, True, True, True]
