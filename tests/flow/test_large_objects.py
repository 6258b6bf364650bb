"""What is too large for the store is passed on, whole, at the pace of who reads it, and remembered as such."""

from __future__ import annotations

import asyncio

import pytest

from gateway.cache.freshness import CachePolicy
from tests.support.fakes import Answer, Stage, read, request

LIMIT = 1_000
CHUNKS = [b"%05d" % number + b"x" * 95 for number in range(400)]
WHOLE = b"".join(CHUNKS)


@pytest.fixture
def stage(stage_of) -> Stage:
    return stage_of(policy=CachePolicy(max_object_bytes=LIMIT))


def test_a_declared_length_above_the_limit_is_not_stored(stage):
    stage.play(f"""
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | «{"x" * 1001}»
        anna    ◀── 200 | -Age | Content-Length: 1001 | «{"x" * 1001}»
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | «{"x" * 1000}»
        anna    ◀── 200 | Content-Length: 1000 | «{"x" * 1000}»
    """)


def test_content_that_grows_above_the_limit_is_passed_on_whole(stage):
    stage.play(f"""
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | «{"a" * 900}» …
        anna    ◀── 200 | -Content-Length | «{"a" * 900}» …
        origin  ──▶ «{"b" * 900}» …
        anna    ◀── 200 | «{"a" * 900 + "b" * 900}» …
        origin  ──▶ «c»
        anna    ◀── 200 | «{"a" * 900 + "b" * 900}c»
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | «small»
        anna    ◀── 200 | «small»
    """)


def test_content_that_is_all_there_at_once_is_passed_on_whole(stage):
    """Nobody has begun to read when it turns out to be too large."""

    async def scenario() -> bytes:
        asking = asyncio.ensure_future(stage.answer(request("GET", "/page")))
        while not stage.origin.exchanges:
            await asyncio.sleep(0)
        exchange = stage.origin.exchanges[0]
        exchange.answer(Answer(200, [(b"cache-control", b"max-age=60")]), more=True)
        for chunk in CHUNKS:
            exchange.body.feed(chunk)
        exchange.body.finish()
        return await read(await asking)

    assert stage.run(scenario()) == WHOLE


@pytest.mark.parametrize("readers", [1, 3])
def test_all_who_wait_for_it_get_it_whole(stage, readers):
    """Those who joined while it was still kept go on reading; nobody joins later."""

    async def scenario() -> None:
        asking = [asyncio.ensure_future(stage.answer(request("GET", "/page"))) for _ in range(readers)]
        while not stage.origin.exchanges:
            await asyncio.sleep(0)
        exchange = stage.origin.exchanges[0]
        exchange.answer(Answer(200, [(b"cache-control", b"max-age=60")]), more=True)
        responses = await asyncio.gather(*asking)
        reading = [asyncio.ensure_future(read(response)) for response in responses]
        for chunk in CHUNKS:
            exchange.body.feed(chunk)
            await asyncio.sleep(0)
        late = asyncio.ensure_future(stage.answer(request("GET", "/page")))
        exchange.body.finish()
        assert await asyncio.gather(*reading) == [WHOLE] * readers
        while len(stage.origin.exchanges) < 2:
            await asyncio.sleep(0)
        stage.origin.exchanges[1].answer(Answer(200, [], b"late"))
        assert await read(await late) == b"late"

    stage.run(scenario())


def test_the_origin_is_held_back_to_the_pace_of_the_reader(stage):
    """Memory stays bounded: once it is not kept, what everybody has had is dropped, and what nobody reads is not fetched."""

    async def scenario() -> None:
        asking = asyncio.ensure_future(stage.answer(request("GET", "/page")))
        while not stage.origin.exchanges:
            await asyncio.sleep(0)
        exchange = stage.origin.exchanges[0]
        exchange.answer(Answer(200, [(b"cache-control", b"max-age=60")]), more=True)
        response = await asking
        for chunk in CHUNKS:
            exchange.body.feed(chunk)
        exchange.body.finish()
        for _ in range(1_000):
            await asyncio.sleep(0)
        unread = len(exchange.body._chunks)
        assert unread > len(CHUNKS) / 2, f"{len(CHUNKS) - unread} chunks were fetched for somebody who reads none"
        assert await read(response) == WHOLE

    stage.run(scenario())


def test_a_part_of_something_too_large_does_not_pile_up(stage):
    """The origin ignores Range and sends the whole, and nobody says how long it is."""

    async def scenario() -> None:
        asking = asyncio.ensure_future(stage.answer(request("GET", "/page", [(b"range", b"bytes=0-4")])))
        while not stage.origin.exchanges:
            await asyncio.sleep(0)
        exchange = stage.origin.exchanges[0]
        exchange.answer(Answer(200, [(b"cache-control", b"max-age=60")]), more=True)
        for chunk in CHUNKS:
            exchange.body.feed(chunk)
        exchange.body.finish()
        for _ in range(1_000):
            await asyncio.sleep(0)
        assert asking.done()
        assert len(exchange.body._chunks) > len(CHUNKS) / 2
        response = await asking
        assert (response.status, await read(response)) == (200, WHOLE)

    stage.run(scenario())


def test_content_that_breaks_off_is_not_stored_and_not_hidden(stage):
    """RFC 9111 §3.3: an incomplete response is not stored; RFC 9112 §8: and the client must notice."""
    stage.play("""
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | Content-Length: 10 | «01234» …
        anna    ◀── 200 | «01234» …
        origin  ──▶ broken
        anna    ◀── cut | «01234»
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | «0123456789»
        anna    ◀── 200 | «0123456789»
    """)


def test_larger_than_the_whole_store_is_no_reason_to_empty_it(stage_of):
    stage = stage_of(max_bytes=20_000, policy=CachePolicy(max_object_bytes=1 << 20))
    stage.play("""
        anna    ──▶ GET /small
        origin  ◀── GET /small
        origin  ──▶ 200 | Cache-Control: max-age=60 | «small»
        anna    ◀── 200 | «small»
    """)
    stage.origin.respond = lambda asked: Answer(200, [(b"cache-control", b"max-age=60")], b"x" * 15_000)
    _, body = stage.run(stage.ask("GET", "/large"))
    assert len(body) == 15_000
    stage.origin.respond = None
    stage._unclaimed = len(stage.origin.exchanges)
    stage.play("""
        anna    ──▶ GET /small
        anna    ◀── 200 | Cache-Status: hit | «small»
    """)
