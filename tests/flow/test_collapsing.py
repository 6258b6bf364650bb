"""Many ask at once for one thing: the origin is asked once where all can have the answer, and nobody waits where they can't."""

from __future__ import annotations

import asyncio

import pytest

from gateway.semantics.message import first
from tests.support.fakes import Answer, Exchange, Stage, read, request

SHAREABLE = [(b"cache-control", b"max-age=60")]


async def ask_many(stage: Stage, count: int, fields=lambda number: []) -> list[asyncio.Task[tuple[int, bytes, bytes]]]:
    """That many visitors, all waiting. Each comes to (status, content, Cache-Status)."""

    async def visit(number: int) -> tuple[int, bytes, bytes]:
        response = await stage.answer(request("GET", "/page", fields(number)))
        return response.status, await read(response), first(response.fields(), b"cache-status") or b""

    tasks = [asyncio.ensure_future(visit(number)) for number in range(count)]
    await settle()
    return tasks


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_a_thousand_who_ask_at_once_make_one_exchange(stage_of):
    stage = stage_of()

    async def scenario() -> None:
        visits = await ask_many(stage, 1_000)
        assert len(stage.origin.exchanges) == 1
        stage.origin.exchanges[0].answer(Answer(200, SHAREABLE, b"one"))
        answers = await asyncio.gather(*visits)
        assert {answer[:2] for answer in answers} == {(200, b"one")}
        assert sum(b"collapsed" in answer[2] for answer in answers) == 999
        assert len(stage.origin.exchanges) == 1
        assert stage.forwarder.collapsed == 999

    stage.run(scenario())


def test_all_get_the_content_while_it_comes(play):
    """The first octet does not wait for the last, for nobody."""
    play("""
        anna    ──▶ GET /page
        ben     ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | «first» …
        anna    ◀── 200 | Cache-Status: fwd=uri-miss; stored | «first» …
        ben     ◀── 200 | Cache-Status: fwd=uri-miss; stored; collapsed | «first» …
        carla   ──▶ GET /page
        carla   ◀── 200 | Cache-Status: collapsed | «first» …
        origin  ──▶ «second»
        anna    ◀── 200 | «firstsecond»
        ben     ◀── 200 | «firstsecond»
        carla   ◀── 200 | «firstsecond»
    """)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, [(b"cache-control", b"no-store")], b"x"),
        Answer(200, [(b"cache-control", b"private, max-age=60")], b"x"),
        Answer(302, [], b"x"),
    ],
)
def test_two_hundred_who_ask_for_something_uncacheable_do_not_wait_for_each_other(stage_of, answer):
    """After the first answer all others are asked for at once; the next two hundred are not even made to wait for the first."""
    stage = stage_of()

    async def scenario() -> None:
        visits = await ask_many(stage, 200)
        assert len(stage.origin.exchanges) == 1
        stage.origin.exchanges[0].answer(answer)
        await settle()
        assert len(stage.origin.exchanges) == 200
        for exchange in stage.origin.exchanges[1:]:
            exchange.answer(answer)
        assert {each[1] for each in await asyncio.gather(*visits)} == {b"x"}

        visits = await ask_many(stage, 200)
        assert len(stage.origin.exchanges) == 400
        for exchange in stage.origin.exchanges[200:]:
            exchange.answer(answer)
        await asyncio.gather(*visits)

    stage.run(scenario())


def test_the_memory_of_what_was_uncacheable_ends(stage_of):
    """Time ends it, and so does an answer that could have been stored."""
    stage = stage_of(uncacheable_ttl=100.0)

    async def scenario() -> None:
        for pause, together in ((0, 1), (50, 2), (101, 1)):
            stage.clock.turn(pause)
            before = len(stage.origin.exchanges)
            visits = await ask_many(stage, 2)
            assert len(stage.origin.exchanges) - before == together
            while any(not visit.done() for visit in visits):
                for exchange in stage.origin.exchanges[before:]:
                    if not exchange.answered.done():
                        exchange.answer(Answer(200, [(b"cache-control", b"no-store")], b"x"))
                await settle()

    stage.run(scenario())
    stage._unclaimed = len(stage.origin.exchanges)
    stage.play("""
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | «now shareable»
        anna    ◀── 200 | Cache-Status: detail=uncacheable | «now shareable»
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | «now shareable»
        anna    ◀── 200 | Cache-Status: stored | «now shareable»
    """)


@pytest.mark.parametrize("field", ["Cookie: id=1", "Authorization: Basic x", "Cache-Control: no-store"])
def test_one_visitors_personal_answer_does_not_make_a_page_uncacheable_for_all(play, field):
    """One client could otherwise keep a hot page from being shared."""
    play(f"""
        anna    ──▶ GET /page | {field}
        origin  ◀── GET /page
        origin  ──▶ 200 | Last-Modified: {{-1000}} | «x»
        anna    ◀── 200 | «x»
        ben     ──▶ GET /page
        carla   ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Last-Modified: {{-1000}} | «y»
        ben     ◀── 200 | Cache-Status: stored | «y»
        carla   ◀── 200 | Cache-Status: collapsed | «y»
    """)


def test_personal_answers_do_not_wait_for_each_other_either(stage_of):
    stage = stage_of()

    async def scenario() -> None:
        for round_, at_once in ((0, 1), (1, 50)):
            before = len(stage.origin.exchanges)
            visits = await ask_many(stage, 50, lambda number: [(b"cookie", b"id=%d" % number)])
            assert len(stage.origin.exchanges) - before == at_once, round_
            while any(not visit.done() for visit in visits):
                for exchange in stage.origin.exchanges[before:]:
                    if not exchange.answered.done():
                        exchange.answer(Answer(200, [], first(exchange.asked.fields, b"cookie") or b""))
                await settle()
            assert [visit.result()[1] for visit in visits] == [b"id=%d" % number for number in range(50)]

    stage.run(scenario())


def test_who_waits_with_another_form_asks_for_itself(play):
    play("""
        anna     ──▶ GET /page | X-Form: a
        ben      ──▶ GET /page | X-Form: b
        carla    ──▶ GET /page | X-Form: a
        origin 1 ◀── GET /page | X-Form: a
        origin 1 ──▶ 200 | Cache-Control: max-age=60 | Vary: X-Form | «a»
        anna     ◀── 200 | «a»
        carla    ◀── 200 | Cache-Status: collapsed | «a»
        origin 2 ◀── GET /page | X-Form: b
        origin 2 ──▶ 200 | Cache-Control: max-age=60 | Vary: X-Form | «b»
        ben      ◀── 200 | «b»
    """)


def test_once_it_is_known_on_what_a_page_varies_its_forms_do_not_wait_for_each_other(stage_of):
    """Two hundred visitors with cookies of their own, and a page that varies on them."""
    stage = stage_of()
    varying = [*SHAREABLE, (b"vary", b"Cookie")]

    async def scenario() -> None:
        (visit,) = await ask_many(stage, 1, lambda _: [(b"cookie", b"first")])
        stage.origin.exchanges[0].answer(Answer(200, varying, b"x"))
        await visit
        visits = await ask_many(stage, 200, lambda number: [(b"cookie", b"id=%d" % (number // 2))])
        assert len(stage.origin.exchanges) == 101
        for exchange in stage.origin.exchanges[1:]:
            exchange.answer(Answer(200, varying, first(exchange.asked.fields, b"cookie") or b""))
        answers = await asyncio.gather(*visits)
        assert [answer[1] for answer in answers] == [b"id=%d" % (number // 2) for number in range(200)]

    stage.run(scenario())


def test_a_failure_is_told_to_all_who_wait(play):
    play("""
        anna    ──▶ GET /page
        ben     ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ refused
        anna    ◀── 502
        ben     ◀── 502
    """)


def test_content_that_breaks_off_breaks_off_for_all(play):
    play("""
        anna    ──▶ GET /page
        ben     ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | Content-Length: 9 | «first» …
        anna    ◀── 200 | «first» …
        ben     ◀── 200 | «first» …
        origin  ──▶ broken
        anna    ◀── cut | «first»
        ben     ◀── cut | «first»
        carla   ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | «firstnext»
        carla   ◀── 200 | «firstnext»
    """)


# ── Those who leave ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_when_the_first_leaves_before_the_answer_the_others_still_get_it(play):
    play("""
        anna    ──▶ GET /page
        ben     ──▶ GET /page
        origin  ◀── GET /page
        anna leaves
        origin  ──▶ 200 | Cache-Control: max-age=60 | «first» …
        ben     ◀── 200 | «first» …
        origin  ──▶ «second»
        ben     ◀── 200 | «firstsecond»
    """)


def test_when_the_first_leaves_in_the_middle_the_others_still_get_it(play):
    play("""
        anna    ──▶ GET /page
        ben     ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | «first» …
        anna    ◀── 200 | «first» …
        anna leaves
        ben     ◀── 200 | «first» …
        origin  ──▶ «second»
        ben     ◀── 200 | «firstsecond»
        carla   ──▶ GET /page
        carla   ◀── 200 | Cache-Status: hit | «firstsecond»
    """)


def test_an_answer_that_nobody_waits_for_any_more_is_stored_all_the_same(play):
    """It was worth asking for; the next one will be glad."""
    play("""
        anna    ──▶ GET /page
        origin  ◀── GET /page
        anna leaves
        origin  ──▶ 200 | Cache-Control: max-age=60 | «first» …
        origin  ──▶ «second»
        carla   ──▶ GET /page
        carla   ◀── 200 | Cache-Status: hit | «firstsecond»
    """)


def test_an_answer_for_one_alone_who_has_left_is_closed(play):
    """Its connection must not stay taken."""
    play("""
        anna    ──▶ GET /page
        origin  ◀── GET /page
        anna leaves
        origin  ──▶ 200 | Cache-Control: no-store | «for anna» …
    """)
    assert play.stage.origin.exchanges[0].body.closed


def test_an_answer_that_is_too_late_and_for_one_alone_is_closed(play):
    """cache.stale_wait is over: the client has had the stale one."""
    play("""
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=10, stale-if-error=600 | «old»
        anna    ◀── 200 | «old»
        +11 s
        anna    ──▶ GET /page
        origin  ◀── GET /page
        +2 s
        anna    ◀── 200 | «old»
        origin  ──▶ 200 | Cache-Control: no-store | «for anna» …
    """)
    assert play.stage.origin.exchanges[1].body.closed


def test_content_without_an_end_is_not_fetched_for_nobody(play):
    """A stream of unknown length whose every reader has left."""
    play("""
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | «first» …
        anna    ◀── 200 | «first» …
        anna leaves
        origin  ──▶ «second» …
    """)
    assert play.stage.origin.exchanges[0].body.closed
    play("""
        ben     ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | «whole»
        ben     ◀── 200 | «whole»
    """)


def test_who_waits_too_long_for_somebody_elses_answer_asks_for_itself(play):
    """cache.collapse_timeout."""
    play("""
        anna     ──▶ GET /page
        ben      ──▶ GET /page
        origin 1 ◀── GET /page
        +31 s
        origin 2 ◀── GET /page
        origin 2 ──▶ 200 | Cache-Control: max-age=60 | «for ben»
        ben      ◀── 200 | Cache-Status: detail=collapse-timeout | «for ben»
        origin 1 ──▶ 200 | Cache-Control: max-age=60 | Date: {-31} | «for all»
        anna     ◀── 200 | Cache-Status: stored | «for all»
    """)


def test_the_end_of_the_gateway_ends_what_is_under_way(stage_of):
    stage = stage_of()

    async def scenario() -> Exchange:
        visits = await ask_many(stage, 2)
        exchange = stage.origin.exchanges[0]
        exchange.answer(Answer(200, SHAREABLE, b"first"), more=True)
        await settle()
        await stage.forwarder.aclose()
        await asyncio.gather(*visits, return_exceptions=True)
        assert all(visit.done() for visit in visits)
        return exchange

    assert stage.run(scenario()).body.closed
