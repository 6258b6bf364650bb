"""The order in which things go: never what is in memory, the origin's work first. Transcripts, on the listener's way and on the long one."""

from __future__ import annotations

import asyncio

from gateway.flow.admission import Pressure, Shed
from tests.support.fakes import Answer, request


def counted(play) -> dict[str, int]:
    return {what.value: count for (what, _), count in play.stage.page.admission.shed.items()}


STORED = """
    visitor ──▶ GET /page
    origin  ◀── GET /page
    origin  ──▶ 200 | Cache-Control: max-age=10{more} | ETag: "a" | «page»
    visitor ◀── 200 | «page»
"""


def test_what_is_in_memory_is_served(play, full):
    play(STORED.format(more=""))
    full()
    play("""
        anna    ──▶ GET /page
        anna    ◀── 200 | Cache-Status: hit | «page»
        ben     ──▶ HEAD /page
        ben     ◀── 200 | Cache-Status: hit
        carla   ──▶ GET /page | If-None-Match: "a"
        carla   ◀── 304
    """)
    assert counted(play) == {}


def test_a_new_miss_is_refused_with_a_time_to_come_back(play, full):
    full()
    play("""
        anna    ──▶ GET /page
        anna    ◀── 503 | Retry-After: 1 | Cache-Control: no-store | «error 503 overloaded»
        ben     ──▶ HEAD /page
        ben     ◀── 503 | Retry-After: 1
        carla   ──▶ POST /order | «one lamp»
        carla   ◀── 503 | Retry-After: 1
    """)
    assert counted(play) == {"refused": 3}
    full(False)
    play("""
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | «here it is»
        anna    ◀── 200 | «here it is»
    """)


def test_a_stale_page_is_served_and_not_renewed(play, full):
    """RFC 5861 §3: it may be; that it should be renewed meanwhile is the first thing to go."""
    play(STORED.format(more=", stale-while-revalidate=30"))
    full()
    play("""
        +11 s
        anna    ──▶ GET /page
        anna    ◀── 200 | Cache-Status: hit; ttl=-1; detail=overloaded | «page»
    """)
    assert counted(play) == {"stale": 1}


def test_a_stale_page_stands_in_where_it_may_for_a_failing_origin(play, full):
    """RFC 5861 §4: a gateway that can't ask is no better than an origin that can't answer."""
    play(STORED.format(more=", stale-if-error=30"))
    full()
    play("""
        +11 s
        anna    ──▶ GET /page
        anna    ◀── 200 | Cache-Status: hit; ttl=-1; detail=overloaded | «page»
        +30 s
        ben     ──▶ GET /page
        ben     ◀── 503 | Retry-After: 1
    """)
    assert counted(play) == {"stale": 1, "refused": 1}


def test_a_page_that_may_not_be_stale_is_not_served_stale(play, full):
    """RFC 9111 §5.2.2.2."""
    play(STORED.format(more=", must-revalidate, stale-if-error=30"))
    full()
    play("""
        +11 s
        anna    ──▶ GET /page
        anna    ◀── 503
    """)


def test_a_visitor_who_reloads_gets_what_is_stored(play, full):
    """A slow site makes people reload; no-cache is a wish (RFC 9111 §5.2.1.4), and following it would ask the origin for what is at hand."""
    play(STORED.format(more=""))
    full()
    play("""
        anna    ──▶ GET /page | Cache-Control: no-cache
        anna    ◀── 200 | Cache-Status: hit | «page»
    """)


def test_credentials_get_nothing_that_is_for_others(play, full):
    """RFC 9111 §3.5."""
    play(STORED.format(more=", stale-if-error=30"))
    full()
    play("""
        anna    ──▶ GET /page | Authorization: Basic eDp5
        anna    ◀── 503
    """)


def test_who_can_join_a_fetch_under_way_waits_with_the_others(play, full):
    stage = play.stage

    async def scenario() -> list[int]:
        first = asyncio.ensure_future(stage.answer(request("GET", "/page")))
        while not stage.origin.exchanges:
            await asyncio.sleep(0)
        full()
        second = asyncio.ensure_future(stage.answer(request("GET", "/page")))
        other = await stage.answer(request("GET", "/other"))
        stage.origin.exchanges[0].answer(Answer(200, [(b"cache-control", b"max-age=60")], b"page"))
        return [(await first).status, (await second).status, other.status]

    assert stage.run(scenario()) == [200, 200, 503]
    assert len(stage.origin.exchanges) == 1


def test_background_renewals_are_the_first_to_go(play):
    """At half of what may be under way visitors still get through, and nobody renews what nobody waits for."""
    play(STORED.format(more=", stale-while-revalidate=30"))
    admission = play.stage.page.admission
    admission.max_in_flight, admission.limit = 4, 4.0
    admission.in_flight += 2
    play("""
        +11 s
        anna    ──▶ GET /page
        anna    ◀── 200 | Cache-Status: hit; ttl=-1 | «page»
        ben     ──▶ GET /other
        origin  ◀── GET /other
        origin  ──▶ 200 | «other»
        ben     ◀── 200 | «other»
    """)
    admission.in_flight -= 2
    assert admission.shed == {(Shed.REFRESH, Pressure.IN_FLIGHT): 1}


def test_it_counts_who_waits_for_an_origin_and_nobody_else(play):
    """A response that has begun is no work any more, however long it takes to go out: a download, a stream of events."""
    stage = play.stage
    admission = stage.page.admission

    async def scenario() -> list[int]:
        counts = []
        first = asyncio.ensure_future(stage.answer(request("GET", "/page")))
        second = asyncio.ensure_future(stage.answer(request("GET", "/other")))
        while len(stage.origin.exchanges) < 2:
            await asyncio.sleep(0)
        counts.append(admission.in_flight)
        stage.origin.exchanges[0].answer(Answer(200, [(b"content-type", b"text/event-stream")], b"data: 1"), more=True)
        response = await first
        counts.append(admission.in_flight)
        second.cancel()
        await asyncio.wait([second])
        counts.append(admission.in_flight)
        await response.body.aclose()
        return counts

    assert stage.run(scenario()) == [2, 1, 0]
