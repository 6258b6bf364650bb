"""What a request says of caches (RFC 9111 §5.2.1, §5.4)."""

from __future__ import annotations

import pytest

from gateway.cache.freshness import CachePolicy

STORE = """
    visitor ──▶ GET /page
    origin  ◀── GET /page
    origin  ──▶ 200 | Cache-Control: max-age=60 | ETag: "a" | «hello»
    visitor ◀── 200 | «hello»
    +20 s
"""


@pytest.mark.parametrize(
    "wish",
    ["max-age=20", "max-age=19, max-stale=1", "max-age=0, max-stale", "min-fresh=40", "max-stale", "x-unknown", "only-if-cached"],
)
def test_a_wish_that_is_met_asks_nobody(play, wish):
    play(STORE)
    play(f"""
        visitor ──▶ GET /page | Cache-Control: {wish}
        visitor ◀── 200 | Age: 20 | Cache-Status: hit | «hello»
    """)


@pytest.mark.parametrize(
    "wish",
    [
        "Cache-Control: max-age=19",
        "Cache-Control: max-age=0",
        "Cache-Control: min-fresh=41",
        "Cache-Control: no-cache",
        "Pragma: no-cache",
    ],
)
def test_a_wish_that_is_not_met_asks_the_origin(play, wish):
    """RFC 9111 §5.2.1.1, §5.2.1.3, §5.2.1.4, §5.4."""
    play(STORE)
    play(f"""
        visitor ──▶ GET /page | {wish}
        origin  ◀── GET /page | If-None-Match: "a"
        origin  ──▶ 304
        visitor ◀── 200 | Age: 0 | Cache-Status: fwd=request; fwd-status=304 | «hello»
    """)


def test_pragma_counts_only_where_there_is_no_cache_control(play):
    """RFC 9111 §5.4."""
    play(STORE)
    play("""
        visitor ──▶ GET /page | Pragma: no-cache | Cache-Control: max-age=100
        visitor ◀── 200 | Cache-Status: hit | «hello»
    """)


@pytest.mark.parametrize("wish", ["", ", no-cache", ", max-age=10", ", min-fresh=100"])
def test_only_if_cached_asks_nobody_whatever_it_takes(play, wish):
    """RFC 9111 §5.2.1.7."""
    if wish:
        play(STORE)
    play(f"""
        visitor ──▶ GET /page | Cache-Control: only-if-cached{wish}
        visitor ◀── 504
        visitor ──▶ HEAD /page | Cache-Control: only-if-cached{wish}
        visitor ◀── 504
    """)


def test_only_if_cached_with_credentials_asks_nobody_either(play):
    play(STORE)
    play("""
        visitor ──▶ GET /page | Cache-Control: only-if-cached | Authorization: Basic x
        visitor ◀── 504
    """)


def test_a_request_that_says_no_store_leaves_nothing_behind(play):
    """RFC 9111 §5.2.1.5. What is stored already may still answer it."""
    play("""
        visitor ──▶ GET /page | Cache-Control: no-store
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | «hello»
        visitor ◀── 200 | -Age | «hello»
        visitor ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | «hello»
        visitor ◀── 200 | Cache-Status: stored | «hello»
        visitor ──▶ GET /page | Cache-Control: no-store
        visitor ◀── 200 | Cache-Status: hit | «hello»
    """)


def test_a_site_may_take_no_wishes(stage_of):
    """cache.request_directives = false keeps reloads off the origin."""
    stage = stage_of(policy=CachePolicy(request_directives=False, stale_if_error=0.0))
    stage.play(STORE)
    stage.play("""
        visitor ──▶ GET /page | Cache-Control: no-cache, no-store, max-age=0 | Pragma: no-cache
        visitor ◀── 200 | Age: 20 | Cache-Status: hit | «hello»
        visitor ──▶ GET /other | Cache-Control: no-store
        origin  ◀── GET /other
        origin  ──▶ 200 | Cache-Control: max-age=60 | «other»
        visitor ◀── 200 | Cache-Status: stored | «other»
    """)


def test_wishes_go_on_to_the_origin(play):
    """RFC 9111 §5.2: a proxy must pass directives on."""
    play("""
        visitor ──▶ GET /page | Cache-Control: no-cache, x-other=1 | Pragma: no-cache
        origin  ◀── GET /page | Cache-Control: no-cache, x-other=1 | Pragma: no-cache
        origin  ──▶ 200 | Cache-Control: max-age=60 | «hello»
        visitor ◀── 200 | «hello»
    """)
