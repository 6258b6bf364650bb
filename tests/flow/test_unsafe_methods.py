"""Requests that may change something: passed on, and what they may have changed is not used again (RFC 9111 §4.4)."""

from __future__ import annotations

import pytest


def store(target: str, body: str) -> str:
    return f"""
        visitor ──▶ GET {target}
        origin  ◀── GET {target.partition(".test")[2] or target}
        origin  ──▶ 200 | Cache-Control: max-age=60 | ETag: "{body}" | «{body}»
        visitor ◀── 200 | «{body}»
    """


def is_stored(target: str, body: str) -> str:
    return f"""
        visitor ──▶ GET {target}
        visitor ◀── 200 | Cache-Status: hit | «{body}»
    """


def is_asked_for(target: str) -> str:
    return f"""
        visitor ──▶ GET {target}
        origin  ◀── GET {target} | -If-None-Match
        origin  ──▶ 200 | Cache-Control: max-age=60 | «new»
        visitor ◀── 200 | «new»
    """


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "X-UNHEARD"])
@pytest.mark.parametrize("status", [200, 201, 204, 303])
def test_a_success_makes_what_is_stored_under_the_url_unusable(play, method, status):
    """RFC 9111 §4.4: unknown methods are unsafe too."""
    play(store("/page", "old") + store("/other", "other"))
    play(f"""
        visitor ──▶ {method} /page | «change it»
        origin  ◀── {method} /page | «change it»
        origin  ──▶ {status}
        visitor ◀── {status} | Cache-Status: fwd=method
    """)
    play(is_asked_for("/page") + is_stored("/other", "other"))


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_a_failure_changes_nothing(play, status):
    """RFC 9111 §4.4: non-error means 2xx or 3xx."""
    play(store("/page", "old"))
    play(f"""
        visitor ──▶ POST /page | «change it»
        origin  ◀── POST /page
        origin  ──▶ {status}
        visitor ◀── {status}
    """)
    play(is_stored("/page", "old"))


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "HEAD"])
def test_a_safe_method_changes_nothing(play, method):
    """RFC 9110 §9.2.1."""
    play(store("/page", "old"))
    if method != "HEAD":
        play(f"""
            visitor ──▶ {method} /page
            origin  ◀── {method} /page
            origin  ──▶ 200 | «ok»
            visitor ◀── 200 | «ok»
        """)
    play(is_stored("/page", "old"))


@pytest.mark.parametrize("field", ["Location", "Content-Location"])
@pytest.mark.parametrize(
    "value",
    [
        "/list?a=1",
        "list?a=1",
        "http://shop.test/list?a=1",
        "http://SHOP.test/list?a=1",
        "https://shop.test/list?a=1",
        "../list?a=1",
    ],
)
def test_what_the_answer_names_is_unusable_too(play, field, value):
    """RFC 9111 §4.4. A site behind something that ends TLS calls itself https, and we know it as http: the host decides."""
    play(store("/list?a=1", "list"))
    play(f"""
        visitor ──▶ POST /page
        origin  ◀── POST /page
        origin  ──▶ 201 | {field}: {value}
        visitor ◀── 201
    """)
    play(is_asked_for("/list?a=1"))


@pytest.mark.parametrize(
    "value", ["http://other.test/page", "//other.test/page", "http://shop.test:81/page", "http://[", "", "mailto:x@y"]
)
def test_another_sites_pages_are_not_touched(play, value):
    """RFC 9111 §4.4: else one site could empty the cache of another."""
    play(store("http://other.test/page", "theirs") + store("/page", "ours"))
    play(f"""
        visitor ──▶ POST /form
        origin  ◀── POST /form
        origin  ──▶ 201 | Location: {value} | Content-Location: {value}
        visitor ◀── 201
    """)
    play(is_stored("http://other.test/page", "theirs") + is_stored("/page", "ours"))


def test_an_answer_that_began_before_the_change_is_not_kept(play):
    """RFC 9111 §4.4: it may show what was before."""
    play("""
        anna    ──▶ GET /page
        origin get  ◀── GET /page
        visitor ──▶ POST /page
        origin post ◀── POST /page
        origin post ──▶ 204
        visitor ◀── 204
        origin get  ──▶ 200 | Cache-Control: max-age=60 | «before»
        anna    ◀── 200 | «before»
    """)
    play(is_asked_for("/page"))


def test_the_groups_that_the_answer_names_are_unusable_too(play):
    """RFC 9875 §3; of its own origin only (§2)."""
    play("""
        visitor ──▶ GET /a
        origin  ◀── GET /a
        origin  ──▶ 200 | Cache-Control: max-age=60 | Cache-Groups: "articles", "news" | «a»
        visitor ◀── 200 | «a»
        visitor ──▶ GET /b
        origin  ◀── GET /b
        origin  ──▶ 200 | Cache-Control: max-age=60 | Cache-Groups: "other" | «b»
        visitor ◀── 200 | «b»
        visitor ──▶ GET http://other.test/a
        origin  ◀── GET /a
        origin  ──▶ 200 | Cache-Control: max-age=60 | Cache-Groups: "articles" | «theirs»
        visitor ◀── 200 | «theirs»
        visitor ──▶ GET /c
        origin  ◀── GET /c
        origin  ──▶ 200 | Cache-Control: max-age=60 | Surrogate-Key: articles | «c»
        visitor ◀── 200 | «c»
        visitor ──▶ POST /form
        origin  ◀── POST /form
        origin  ──▶ 204 | Cache-Group-Invalidation: "x", "articles"
        visitor ◀── 204
    """)
    play(is_stored("/b", "b") + is_stored("http://other.test/a", "theirs") + is_stored("/c", "c") + is_asked_for("/a"))


def test_a_safe_request_invalidates_no_group(play):
    """RFC 9875 §3: only unsafe requests, else any page could empty the cache."""
    play("""
        visitor ──▶ GET /a
        origin  ◀── GET /a
        origin  ──▶ 200 | Cache-Control: max-age=60 | Cache-Groups: "articles" | «a»
        visitor ◀── 200 | «a»
        visitor ──▶ OPTIONS /form
        origin  ◀── OPTIONS /form
        origin  ──▶ 204 | Cache-Group-Invalidation: "articles"
        visitor ◀── 204
    """)
    play(is_stored("/a", "a"))


# ── POST that says what a GET would bring ────────────────────────────────────────────────────────────────────────────────────────


def test_an_answer_to_post_that_is_what_get_would_bring_is_stored(play):
    """RFC 9110 §9.3.3: 200, its own URL in Content-Location, explicit freshness."""
    play("""
        visitor ──▶ POST /page | «change it»
        origin  ◀── POST /page | «change it»
        origin  ──▶ 200 | Cache-Control: max-age=60 | Content-Location: /page | «changed»
        visitor ◀── 200 | Cache-Status: fwd=method; stored | «changed»
        visitor ──▶ GET /page
        visitor ◀── 200 | Cache-Status: hit | «changed»
        visitor ──▶ POST /page | «again»
        origin  ◀── POST /page | «again»
        origin  ──▶ 200 | Cache-Control: max-age=60 | Content-Location: http://shop.test/page | «changed again»
        visitor ◀── 200 | «changed again»
        visitor ──▶ GET /page
        visitor ◀── 200 | Cache-Status: hit | «changed again»
    """)


@pytest.mark.parametrize(
    "fields",
    [
        "200 | Cache-Control: max-age=60",
        "200 | Cache-Control: max-age=60 | Content-Location: /other",
        "201 | Cache-Control: max-age=60 | Content-Location: /page",
        "200 | Last-Modified: {-1000} | Content-Location: /page",
        "200 | Cache-Control: private, max-age=60 | Content-Location: /page",
    ],
)
def test_any_other_answer_to_post_is_not(play, fields):
    play(f"""
        visitor ──▶ POST /page | «x»
        origin  ◀── POST /page
        origin  ──▶ {fields} | «answer»
        visitor ◀── {fields[:3]} | -Age | «answer»
    """)
    play(is_asked_for("/page"))


def test_an_answer_to_post_that_a_purge_overtook_is_not_stored(play):
    play("""
        visitor ──▶ POST /page | «x»
        origin  ◀── POST /page
        purge hard all
        origin  ──▶ 200 | Cache-Control: max-age=60 | Content-Location: /page | «before the purge»
        visitor ◀── 200 | «before the purge»
    """)
    play(is_asked_for("/page"))


def test_the_content_of_a_request_reaches_the_origin_once(play):
    """A POST is never collapsed."""
    play("""
        anna     ──▶ POST /page | «a»
        ben      ──▶ POST /page | «b»
        origin 1 ◀── POST /page | «a»
        origin 2 ◀── POST /page | «b»
        origin 2 ──▶ 200 | «for ben»
        ben      ◀── 200 | «for ben»
        origin 1 ──▶ 200 | «for anna»
        anna     ◀── 200 | «for anna»
    """)
