"""Asking the origin whether what is stored still holds (RFC 9111 §4.3), and answering a client that asks us (RFC 9110 §13)."""

from __future__ import annotations

import pytest

STORE = """
    visitor ──▶ GET /page
    origin  ◀── GET /page
    origin  ──▶ 200 | Cache-Control: max-age=60 | ETag: "a" | Last-Modified: {-5000} | Content-Type: text/plain | X-Old: 1 | X-Both: old | «hello»
    visitor ◀── 200 | ETag: "a" | «hello»
"""


def test_a_stale_response_is_confirmed_and_freshened(play):
    """RFC 9111 §4.3.1, §4.3.4, §3.2: fields of the 304 replace those of the same name, the others stay."""
    play(STORE)
    play("""
        +61 s
        visitor ──▶ GET /page
        origin  ◀── GET /page | If-None-Match: "a" | If-Modified-Since: {-5061}
        origin  ──▶ 304 | ETag: "a" | Cache-Control: max-age=100 | X-Both: new | X-New: 2 | X-New: 3
        visitor ◀── 200 | Age: 0 | Cache-Status: fwd=stale; fwd-status=304; ttl=100; stored | Cache-Control: max-age=100 | X-Old: 1 | X-Both: new | X-New: 2 | X-New: 3 | Content-Type: text/plain | «hello»
        +99 s
        visitor ──▶ GET /page
        visitor ◀── 200 | Age: 99 | Cache-Status: hit; ttl=1 | X-Both: new | X-New: 2 | X-New: 3 | «hello»
    """)


def test_what_describes_content_is_not_taken_from_a_304(play):
    """RFC 9111 §3.2: a 304 has no content; its Content-Length, -Encoding and -Range are those of nothing."""
    play(STORE)
    play("""
        +61 s
        visitor ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 304 | Cache-Control: max-age=100 | Content-Length: 0 | Content-Encoding: gzip | Content-Range: bytes 0-0/1
        visitor ◀── 200 | Content-Length: 5 | -Content-Encoding | -Content-Range | «hello»
    """)


def test_a_304_without_date_counts_from_its_arrival(play):
    """RFC 9110 §6.6.1: a recipient without Date takes the time of receipt; the stored Date is the old one's."""
    play(STORE)
    play("""
        +61 s
        visitor ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 304 | -Date
        visitor ◀── 200 | Age: 0 | Date: {+0} | «hello»
        +59 s
        visitor ──▶ GET /page
        visitor ◀── 200 | Age: 59 | Cache-Status: hit | «hello»
    """)


def test_a_304_with_another_strong_validator_confirms_nothing(play):
    """RFC 9111 §4.3.4: the cache MUST NOT use it to update what has another strong validator. So the whole is asked for."""
    play(STORE)
    play("""
        +61 s
        visitor ──▶ GET /page
        origin  ◀── GET /page | If-None-Match: "a"
        origin  ──▶ 304 | ETag: "b" | Cache-Control: max-age=100
        origin  ◀── GET /page | -If-None-Match | -If-Modified-Since
        origin  ──▶ 200 | ETag: "b" | Cache-Control: max-age=100 | «world»
        visitor ◀── 200 | ETag: "b" | «world»
        visitor ──▶ GET /page
        visitor ◀── 200 | ETag: "b" | Cache-Status: hit | «world»
    """)


def test_a_304_with_the_same_tag_marked_weak_confirms(play):
    play(STORE)
    play("""
        +61 s
        visitor ──▶ GET /page
        origin  ◀── GET /page | If-None-Match: "a"
        origin  ──▶ 304 | ETag: W/"a" | Cache-Control: max-age=100
        visitor ◀── 200 | Cache-Status: fwd-status=304 | «hello»
    """)


def test_a_new_response_replaces_the_stale_one(play):
    """RFC 9111 §4.3.3."""
    play(STORE)
    play("""
        +61 s
        visitor ──▶ GET /page
        origin  ◀── GET /page | If-None-Match: "a"
        origin  ──▶ 200 | Cache-Control: max-age=60 | ETag: "b" | «world»
        visitor ◀── 200 | ETag: "b" | -X-Old | Age: 0 | «world»
        visitor ──▶ GET /page
        visitor ◀── 200 | ETag: "b" | Cache-Status: hit | «world»
    """)


@pytest.mark.parametrize(
    "fields", ["Cache-Control: no-store", "Cache-Control: private, max-age=9", "Vary: * | Cache-Control: max-age=9"]
)
def test_a_new_response_that_may_not_be_stored_ends_the_stale_one_too(play, fields):
    """RFC 9111 §4.3.3: a full response says that what was stored is not suitable any more."""
    play(STORE)
    play(f"""
        +61 s
        visitor ──▶ GET /page
        origin  ◀── GET /page | If-None-Match: "a"
        origin  ──▶ 200 | {fields} | «secret»
        visitor ◀── 200 | -Age | «secret»
        visitor ──▶ GET /page | Cache-Control: max-stale
        origin  ◀── GET /page | -If-None-Match
        origin  ──▶ 200 | {fields} | «other»
        visitor ◀── 200 | «other»
    """)
    assert len(play.stage.store) == 0


def test_a_304_that_forbids_storing_answers_once_and_ends_it(play):
    """The client gets the fields of the 304, the store keeps nothing; a request that came meanwhile asks for itself."""
    play(STORE)
    play("""
        +61 s
        visitor ──▶ GET /page
        ben     ──▶ GET /page
        origin  ◀── GET /page | If-None-Match: "a"
        origin  ──▶ 304 | ETag: "a" | Cache-Control: private, max-age=5 | X-For: you
        visitor ◀── 200 | Cache-Control: private, max-age=5 | X-For: you | ETag: "a" | Cache-Status: fwd-status=304 | «hello»
        origin  ◀── GET /page | -If-None-Match
        origin  ──▶ 200 | Cache-Control: private | «for ben»
        ben     ◀── 200 | «for ben»
    """)
    assert len(play.stage.store) == 0


def test_no_cache_is_stored_and_confirmed_each_time(play):
    """RFC 9111 §5.2.2.4."""
    play("""
        visitor ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: no-cache | ETag: "a" | «hello»
        visitor ◀── 200 | «hello»
        visitor ──▶ GET /page
        origin  ◀── GET /page | If-None-Match: "a"
        origin  ──▶ 304 | ETag: "a" | Cache-Control: no-cache
        visitor ◀── 200 | Cache-Status: fwd=stale; fwd-status=304 | «hello»
        visitor ──▶ GET /page | Cache-Control: max-stale
        origin  ◀── GET /page | If-None-Match: "a"
        origin  ──▶ 304
        visitor ◀── 200 | «hello»
    """)


def test_fields_that_a_qualified_no_cache_or_private_names_are_for_the_first_client_only(play):
    """RFC 9111 §5.2.2.4, §5.2.2.7: not stored; but whoever the response was made for gets it whole."""
    play("""
        visitor ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60, no-cache="X-Once, x-twice", private="X-User" | X-Once: 1 | X-Twice: 2 | X-User: anna | X-All: 3 | «hello»
        visitor ◀── 200 | X-Once: 1 | X-Twice: 2 | X-User: anna | X-All: 3 | «hello»
        visitor ──▶ GET /page
        visitor ◀── 200 | -X-Once | -X-Twice | -X-User | X-All: 3 | Cache-Status: hit | «hello»
    """)


def test_who_waits_with_the_first_client_does_not_get_its_private_fields(play):
    play("""
        anna    ──▶ GET /page
        ben     ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60, private="X-User" | X-User: anna | «hello»
        anna    ◀── 200 | X-User: anna | «hello»
        ben     ◀── 200 | -X-User | Cache-Status: collapsed | «hello»
    """)


# ── A client's own preconditions ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "condition",
    [
        'If-None-Match: "a"',
        'If-None-Match: W/"a"',
        'If-None-Match: "x", "a"',
        "If-None-Match: *",
        "If-Modified-Since: {-5000}",
        "If-Modified-Since: {-10}",
    ],
)
def test_a_client_that_has_it_is_told_so_by_the_cache(play, condition):
    """RFC 9110 §13.1.2, §13.1.3, §15.4.5; RFC 9111 §4.3.2."""
    play(STORE)
    play(f"""
        visitor ──▶ GET /page | {condition}
        visitor ◀── 304 | ETag: "a" | Age: 0 | Cache-Control: max-age=60 | -Content-Length | -Content-Type | Cache-Status: hit
        visitor ──▶ HEAD /page | {condition}
        visitor ◀── 304 | ETag: "a"
    """)


@pytest.mark.parametrize(
    "condition",
    [
        'If-None-Match: "b"',
        'If-None-Match: "b" | If-Modified-Since: {-10}',
        "If-Modified-Since: {-5001}",
        "If-Modified-Since: yesterday",
        "If-None-Match: a",
    ],
)
def test_a_client_that_has_something_else_gets_the_stored_response(play, condition):
    """RFC 9110 §13.2.2: If-None-Match goes before If-Modified-Since."""
    play(STORE)
    play(f"""
        visitor ──▶ GET /page | {condition}
        visitor ◀── 200 | Cache-Status: hit | «hello»
    """)


def test_a_clients_precondition_never_decides_what_is_stored(play):
    """RFC 9111 §4.3.1: the shared fetch carries our own preconditions, and the client is answered from what comes."""
    play("""
        visitor ──▶ GET /page | If-None-Match: "a"
        origin  ◀── GET /page | -If-None-Match
        origin  ──▶ 200 | Cache-Control: max-age=60 | ETag: "a" | Content-Type: text/plain | «hello»
        visitor ◀── 304 | ETag: "a" | -Content-Type
        ben     ──▶ GET /page
        ben     ◀── 200 | Content-Type: text/plain | «hello»
    """)


def test_a_304_from_the_origin_can_be_a_304_to_the_client(play):
    play(STORE)
    play("""
        +61 s
        visitor ──▶ GET /page | If-None-Match: "a"
        origin  ◀── GET /page | If-None-Match: "a"
        origin  ──▶ 304 | ETag: "a"
        visitor ◀── 304 | ETag: "a"
    """)


def test_only_what_would_be_a_200_can_be_not_modified(play):
    """RFC 9110 §13.2.1."""
    play("""
        visitor ──▶ GET /gone
        origin  ◀── GET /gone
        origin  ──▶ 404 | Cache-Control: max-age=60 | ETag: "a" | «gone»
        visitor ◀── 404 | «gone»
        visitor ──▶ GET /gone | If-None-Match: "a"
        visitor ◀── 404 | Cache-Status: hit | «gone»
    """)


def test_without_last_modified_the_date_counts(play):
    """RFC 9111 §4.3.2."""
    play("""
        visitor ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | «hello»
        visitor ◀── 200 | «hello»
        visitor ──▶ GET /page | If-Modified-Since: {+0}
        visitor ◀── 304
        visitor ──▶ GET /page | If-Modified-Since: {-1}
        visitor ◀── 200 | «hello»
    """)


# ── HEAD ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_head_is_answered_from_a_stored_get(play):
    """RFC 9110 §9.3.2."""
    play(STORE)
    play("""
        visitor ──▶ HEAD /page
        visitor ◀── 200 | Content-Length: 5 | Content-Type: text/plain | ETag: "a" | Cache-Status: hit | «»
        visitor ──▶ HEAD /page | Range: bytes=0-1
        visitor ◀── 200 | Content-Length: 5 | -Content-Range | «»
    """)


def test_head_without_something_stored_goes_to_the_origin_and_stores_nothing(play):
    play("""
        visitor ──▶ HEAD /page | If-None-Match: "x"
        origin  ◀── HEAD /page | If-None-Match: "x"
        origin  ──▶ 200 | Cache-Control: max-age=60 | Content-Length: 5
        visitor ◀── 200 | Content-Length: 5 | Cache-Status: fwd=uri-miss | «»
        visitor ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | «hello»
        visitor ◀── 200 | «hello»
    """)


def test_a_head_that_agrees_freshens_what_is_stored(play):
    """RFC 9111 §4.3.5."""
    play(STORE)
    play("""
        +61 s
        visitor ──▶ HEAD /page
        origin  ◀── HEAD /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | ETag: "a" | Content-Length: 5 | X-New: 1
        visitor ◀── 200 | X-New: 1 | «»
        visitor ──▶ GET /page
        visitor ◀── 200 | Age: 0 | X-New: 1 | Cache-Status: hit | «hello»
    """)


@pytest.mark.parametrize(
    "change", ['ETag: "b" | Content-Length: 5', "Content-Length: 6", "Last-Modified: {-20} | Content-Length: 5"]
)
def test_a_head_that_differs_makes_what_is_stored_stale(play, change):
    """RFC 9111 §4.3.5."""
    play(STORE)
    play(f"""
        visitor ──▶ HEAD /page | Cache-Control: no-cache
        origin  ◀── HEAD /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | {change}
        visitor ◀── 200 | «»
        visitor ──▶ GET /page
        origin  ◀── GET /page | If-None-Match: "a"
        origin  ──▶ 200 | Cache-Control: max-age=60 | «world!»
        visitor ◀── 200 | «world!»
    """)


def test_a_head_that_began_before_a_purge_brings_nothing_back(play):
    """A purge is never overtaken by an exchange that began before it."""
    play(STORE)
    play("""
        visitor ──▶ HEAD /page | Cache-Control: no-cache
        origin  ◀── HEAD /page
        purge hard url /page ──▶ 1
        origin  ──▶ 200 | Cache-Control: max-age=60 | ETag: "a" | Content-Length: 5
        visitor ◀── 200 | «»
        visitor ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | «world»
        visitor ◀── 200 | «world»
    """)
