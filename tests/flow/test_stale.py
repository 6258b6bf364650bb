"""Serving what is no longer fresh: where it is allowed, and where it is not (RFC 9111 §4.2.4, RFC 5861)."""

from __future__ import annotations

import pytest

from gateway.cache.freshness import CachePolicy

FAILURES = ["refused", "reset", "timeout", "unavailable", "500", "502 | «x»", "503 | Cache-Control: max-age=9 | «x»", "504"]


def store(fields: str) -> str:
    return f"""
        visitor ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | {fields} | ETag: "a" | «old»
        visitor ◀── 200 | «old»
    """


# ── While it is renewed ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_stale_response_is_served_while_one_request_renews_it(play):
    """RFC 5861 §3."""
    play(store("Cache-Control: max-age=10, stale-while-revalidate=30"))
    play("""
        +11 s
        anna    ──▶ GET /page
        anna    ◀── 200 | Age: 11 | Cache-Status: hit; ttl=-1 | «old»
        origin  ◀── GET /page | If-None-Match: "a"
        ben     ──▶ GET /page
        ben     ◀── 200 | Cache-Status: hit; ttl=-1 | «old»
        +5 s
        carla   ──▶ GET /page
        carla   ◀── 200 | Cache-Status: hit; ttl=-6 | «old»
        origin  ──▶ 200 | Cache-Control: max-age=10, stale-while-revalidate=30 | ETag: "b" | «new»
        dan     ──▶ GET /page
        dan     ◀── 200 | Age: 5 | Cache-Status: hit; ttl=5 | «new»
    """)


def test_a_renewal_may_be_a_304(play):
    play(store("Cache-Control: max-age=10, stale-while-revalidate=30"))
    play("""
        +11 s
        anna    ──▶ GET /page
        anna    ◀── 200 | «old»
        origin  ◀── GET /page | If-None-Match: "a"
        origin  ──▶ 304
        anna    ──▶ GET /page
        anna    ◀── 200 | Age: 0 | Cache-Status: hit; ttl=10 | «old»
    """)


def test_past_the_window_the_client_waits(play):
    play(store("Cache-Control: max-age=10, stale-while-revalidate=30"))
    play("""
        +40 s
        anna    ──▶ GET /page
        origin  ◀── GET /page | If-None-Match: "a"
        origin  ──▶ 200 | Cache-Control: max-age=10 | «new»
        anna    ◀── 200 | Cache-Status: fwd=stale | «new»
    """)


def test_a_renewal_that_fails_leaves_the_window_as_it_is(play):
    play(store("Cache-Control: max-age=10, stale-while-revalidate=30"))
    play("""
        +11 s
        anna    ──▶ GET /page
        anna    ◀── 200 | «old»
        origin  ◀── GET /page
        origin  ──▶ refused
        +5 s
        anna    ──▶ GET /page
        anna    ◀── 200 | «old»
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=10 | «new»
        anna    ──▶ GET /page
        anna    ◀── 200 | Age: 0 | «new»
    """)


def test_a_renewal_that_brings_something_private_gives_it_to_nobody(play):
    """Its content is closed unread, so that the connection does not stay taken; what was stored is not suitable any more."""
    play(store("Cache-Control: max-age=10, stale-while-revalidate=30"))
    play("""
        +11 s
        anna    ──▶ GET /page | Cookie: anna
        anna    ◀── 200 | «old»
        origin  ◀── GET /page | Cookie: anna
        origin  ──▶ 200 | Cache-Control: private | «for anna» …
        ben     ──▶ GET /page
        origin 2 ◀── GET /page
        origin 2 ──▶ 200 | Cache-Control: private | «for ben»
        ben     ◀── 200 | «for ben»
    """)
    assert play.stage.origin.exchanges[1].body.closed


def test_the_site_may_give_a_window_to_what_states_none(stage_of):
    """cache.stale_while_revalidate; never against s-maxage or must-revalidate."""
    stage = stage_of(policy=CachePolicy(stale_while_revalidate=30.0))
    stage.play(store("Cache-Control: max-age=10"))
    stage.play("""
        +11 s
        anna    ──▶ GET /page
        anna    ◀── 200 | Cache-Status: hit | «old»
        origin  ◀── GET /page
        origin  ──▶ 304 | Cache-Control: s-maxage=10
        +11 s
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 304 | Cache-Control: max-age=10, must-revalidate
        anna    ◀── 200 | Cache-Status: fwd=stale | «old»
        +11 s
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 304
        anna    ◀── 200 | Cache-Status: fwd=stale | «old»
    """)


def test_a_client_that_wants_it_fresh_is_not_given_stale(play):
    """RFC 9111 §5.2.1.1, §5.2.1.3: max-age without max-stale, and min-fresh, say so."""
    for wish in ("max-age=100", "min-fresh=1", "no-cache"):
        play.stage.store.drop(next(iter(shelf.entries()))) if (
            shelf := play.stage.store.shelf((b"http", b"shop.test", b"/page"))
        ) else None
        play(store("Cache-Control: max-age=10, stale-while-revalidate=30"))
        play(f"""
            +11 s
            anna    ──▶ GET /page | Cache-Control: {wish}
            origin  ◀── GET /page | If-None-Match: "a"
            origin  ──▶ 200 | Cache-Control: max-age=10 | «new»
            anna    ◀── 200 | «new»
        """)


# ── When the origin fails ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("failure", FAILURES)
def test_a_stale_response_stands_in_for_an_origin_that_fails(play, failure):
    """RFC 5861 §4."""
    play(store("Cache-Control: max-age=10, stale-if-error=600"))
    play(f"""
        +11 s
        anna    ──▶ GET /page
        origin  ◀── GET /page | If-None-Match: "a"
        origin  ──▶ {failure}
        anna    ◀── 200 | Age: 11 | Cache-Status: fwd=stale; ttl=-1 | «old»
    """)


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize(
    "fields",
    [
        "Cache-Control: max-age=10",
        "Cache-Control: max-age=10, stale-if-error=1",
        "Cache-Control: max-age=10, stale-if-error=600, must-revalidate",
        "Cache-Control: max-age=10, stale-if-error=600, proxy-revalidate",
        "Cache-Control: no-cache, stale-if-error=600",
    ],
)
def test_where_it_may_not_the_failure_is_told(play, failure, fields):
    """RFC 9111 §5.2.2.2, §5.2.2.8, §5.2.2.4."""
    play(store(fields))
    status = {"timeout": "504", "unavailable": "503"}.get(failure, failure[:3] if failure[0] == "5" else "502")
    play(f"""
        +12 s
        anna    ──▶ GET /page
        origin  ◀── GET /page | If-None-Match: "a"
        origin  ──▶ {failure}
        anna    ◀── {status}
    """)


def test_the_sites_own_window_never_goes_against_s_maxage(stage_of):
    """RFC 9111 §5.2.2.10: s-maxage implies proxy-revalidate; a window that the response itself states stands."""
    stage = stage_of(policy=CachePolicy(stale_if_error=600.0))
    stage.play(store("Cache-Control: s-maxage=10"))
    stage.play("""
        +11 s
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 503
        anna    ◀── 503
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 304 | Cache-Control: s-maxage=10, stale-if-error=600
        anna    ◀── 200 | «old»
        +11 s
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ refused
        anna    ◀── 200 | «old»
    """)


def test_an_origin_that_has_just_failed_is_not_asked_again_at_once(play):
    play(store("Cache-Control: max-age=10, stale-if-error=600"))
    play("""
        +11 s
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 503
        anna    ◀── 200 | «old»
        anna    ──▶ GET /page
        anna    ◀── 200 | Cache-Status: hit | «old»
        +2 s
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 304
        anna    ◀── 200 | Age: 0 | «old»
    """)


def test_a_404_is_no_failure(play):
    """RFC 5861 §4 speaks of 500, 502, 503 and 504."""
    play(store("Cache-Control: max-age=10, stale-if-error=600"))
    play("""
        +11 s
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 404 | «gone»
        anna    ◀── 404 | «gone»
    """)


def test_a_client_does_not_wait_long_for_an_origin_that_hangs(play):
    """cache.stale_wait: what may stand in for a failure does so, and the answer is taken in when it comes after all."""
    play(store("Cache-Control: max-age=10, stale-if-error=600"))
    play("""
        +11 s
        anna    ──▶ GET /page
        origin  ◀── GET /page
        +2 s
        anna    ◀── 200 | «old»
        +5 s
        origin  ──▶ 200 | Cache-Control: max-age=100 | Date: {-7} | «new»
        anna    ──▶ GET /page
        anna    ◀── 200 | Cache-Status: hit | «new»
    """)


def test_a_client_does_not_wait_long_for_content_that_drips(play):
    """cache.stale_wait: a renewal is there when its content is. What comes after all is stored."""
    play(store("Cache-Control: max-age=10, stale-if-error=600"))
    play("""
        +11 s
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=100 | «n» …
        +2 s
        anna    ◀── 200 | Cache-Status: detail=slow-origin | «old»
        # who comes later has waited long enough already
        ben     ──▶ GET /page
        ben     ◀── 200 | Cache-Status: detail=slow-origin | «old»
        origin  ──▶ «ew»
        carla   ──▶ GET /page
        carla   ◀── 200 | Cache-Status: hit | «new»
    """)


def test_content_that_breaks_off_is_a_failure_that_what_is_stored_stands_in_for(play):
    """RFC 5861 §4. Nothing of it has reached anybody."""
    play(store("Cache-Control: max-age=10, stale-if-error=600"))
    play("""
        +11 s
        anna    ──▶ GET /page
        ben     ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=100 | «n» …
        origin  ──▶ broken
        anna    ◀── 200 | Cache-Status: fwd=stale; fwd-status=200; ttl=-1; detail=http-response-incomplete | «old»
        ben     ◀── 200 | Cache-Status: fwd=stale | «old»
        carla   ──▶ GET /page
        carla   ◀── 200 | «old»
        +2 s
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=100 | «new»
        anna    ◀── 200 | «new»
    """)


def test_content_comes_as_it_comes_where_nothing_may_stand_in(play):
    play(store("Cache-Control: max-age=10, must-revalidate"))
    play("""
        +11 s
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=100 | «first» …
        anna    ◀── 200 | «first» …
        origin  ──▶ «second»
        anna    ◀── 200 | «firstsecond»
    """)


def test_nobody_gets_a_stale_part_in_place_of_a_page(play):
    play("""
        anna    ──▶ GET /page | Range: bytes=0-1
        origin  ◀── GET /page
        origin  ──▶ 206 | Cache-Control: max-age=10, stale-if-error=600 | ETag: "a" | Content-Range: bytes 0-1/5 | «he»
        anna    ◀── 206 | «he»
        +11 s
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ refused
        anna    ◀── 502
    """)


# ── On a client's wish ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_client_may_accept_what_is_stale(play):
    """RFC 9111 §5.2.1.2."""
    play(store("Cache-Control: max-age=10"))
    play("""
        +15 s
        anna    ──▶ GET /page | Cache-Control: max-stale=5
        anna    ◀── 200 | Age: 15 | Cache-Status: hit; ttl=-5 | «old»
        anna    ──▶ GET /page | Cache-Control: max-stale
        anna    ◀── 200 | Cache-Status: hit; ttl=-5 | «old»
        anna    ──▶ GET /page | Cache-Control: max-stale=4
        origin  ◀── GET /page
        origin  ──▶ 304
        anna    ◀── 200 | Age: 0 | «old»
    """)


@pytest.mark.parametrize("word", ["must-revalidate", "proxy-revalidate", "s-maxage=10", "no-cache"])
def test_a_clients_wish_does_not_go_against_the_origins_word(play, word):
    """RFC 9111 §4.2.4, §5.2.2.2, §5.2.2.8, §5.2.2.10."""
    play(store(f"Cache-Control: max-age=10, {word}"))
    play("""
        +11 s
        anna    ──▶ GET /page | Cache-Control: max-stale
        origin  ◀── GET /page | If-None-Match: "a"
        origin  ──▶ 304
        anna    ◀── 200 | «old»
    """)
