"""A stored response: its header section, its age, what a purge does to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cache.entry import OVERHEAD, decode_block, encode_block, merge_fields, stored_fields
from gateway.cache.freshness import CachePolicy
from gateway.cache.policy import judge
from tests.caching.entries import NOW, key, make_entry

names = st.text("abcdefgh-", min_size=1, max_size=10).map(str.encode)
field_values = st.binary(max_size=20).map(
    lambda value: value.replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"").strip(b" \t")
)
sections = st.lists(st.tuples(names, field_values), max_size=8)


@given(sections)
def test_a_header_section_survives_its_block(fields):
    assert decode_block(encode_block(fields)) == fields


def terms_of(*fields):
    return judge(
        b"GET",
        key(),
        [],
        200,
        [(b"cache-control", b'max-age=60, private="x-user", no-cache="x-once"'), *fields],
        CachePolicy(),
        request_time=NOW,
        response_time=NOW,
    )


def test_what_is_kept_of_a_header_section():
    """RFC 9111 §3.1, and what is ours alone."""
    fields = [
        (b"content-type", b"text/plain"), (b"content-length", b"5"), (b"age", b"7"), (b"connection", b"x-hop, close"), (b"x-hop", b"1"), (b"keep-alive", b"x"),
        (b"transfer-encoding", b"chunked"), (b"proxy-authenticate", b"x"), (b"proxy-authentication-info", b"x"), (b"trailer", b"x"),
        (b"surrogate-control", b"max-age=1"), (b"weft-cache-control", b"max-age=1"), (b"surrogate-key", b"a"), (b"cache-tag", b"b"), (b"x-user", b"anna"),
        (b"x-once", b"1"), (b"set-cookie", b"a=b"), (b"cdn-cache-control", b"max-age=1"),
    ]  # fmt: skip
    kept = stored_fields(fields, terms_of(), (b"surrogate-key", b"cache-tag"), b"Now")
    assert kept == [
        (b"content-type", b"text/plain"),
        (b"set-cookie", b"a=b"),
        (b"cdn-cache-control", b"max-age=1"),
        (b"date", b"Now"),
    ]
    assert stored_fields([(b"date", b"Then")], terms_of(), (), b"Now") == [(b"date", b"Then")]


@pytest.mark.parametrize(
    ("update", "expected"),
    [
        ([], [(b"a", b"1"), (b"b", b"2"), (b"a", b"3"), (b"content-encoding", b"gzip")]),
        ([(b"a", b"9")], [(b"b", b"2"), (b"content-encoding", b"gzip"), (b"a", b"9")]),
        (
            [(b"c", b"4"), (b"c", b"5")],
            [(b"a", b"1"), (b"b", b"2"), (b"a", b"3"), (b"content-encoding", b"gzip"), (b"c", b"4"), (b"c", b"5")],
        ),
        (
            [(b"content-encoding", b"br"), (b"content-length", b"0"), (b"content-range", b"x")],
            [(b"a", b"1"), (b"b", b"2"), (b"a", b"3"), (b"content-encoding", b"gzip")],
        ),
    ],
)
def test_a_304_replaces_fields_of_the_same_name(update, expected):
    """RFC 9111 §3.2."""
    stored = [(b"a", b"1"), (b"b", b"2"), (b"a", b"3"), (b"content-encoding", b"gzip")]
    assert merge_fields(stored, update) == expected


def test_age_is_whole_seconds_and_never_negative():
    """RFC 9111 §5.1."""
    entry = make_entry(born=NOW - 10)
    assert [entry.age(NOW + at) for at in (0, 0.9, 1, -20)] == [10, 10, 11, 0]


def test_what_it_costs_counts_all_that_it_holds():
    small, large = make_entry(body=b""), make_entry(body=b"x" * 1_000)
    assert large.cost - small.cost == 1_000
    assert small.cost >= OVERHEAD
    assert make_entry(tags=(b"a", b"b")).cost > small.cost
    assert make_entry(vary=(b"cookie",), nominated=(b"x" * 500,)).cost >= small.cost + 500
    assert make_entry(parts=((0, b"x" * 1_000),), body=b"", length=5_000).cost == large.cost


@pytest.mark.parametrize(
    ("entry", "fresh", "stale", "error"),
    [
        (make_entry(), 0, 10, 60),
        (make_entry(revalidate=30.0, if_error=500.0), 0, 10, 560),
        (make_entry(if_error=1e6), 0, 10, 86_400),
        (make_entry(on_request=False), 0, 0, 0),  # must-revalidate
        (make_entry(on_request=False, revalidate=30.0), 0, 10, 60),  # s-maxage with a window of its own
    ],
)
def test_a_soft_purge_makes_it_stale_with_a_grace(entry, fresh, stale, error):
    entry.soften(NOW, 10.0)
    assert (entry.fresh_until - NOW, entry.stale_until - NOW, entry.stale_error_until - NOW) == (fresh, stale, error)


def test_a_soft_purge_of_what_is_stale_already_gives_it_no_new_time():
    entry = make_entry(lifetime=60.0, revalidate=5.0)
    entry.soften(NOW + 62, 100.0)
    assert entry.stale_until == NOW + 65


def test_a_copy_for_one_client_can_be_used_by_nobody_else():
    entry = make_entry(fields=((b"etag", b'"a"'),), revalidate=60.0, if_error=60.0)
    other = entry.for_one([(b"etag", b'"b"'), (b"set-cookie", b"x")], NOW)
    assert other.fields() == [(b"etag", b'"b"'), (b"set-cookie", b"x")]
    assert (other.body, other.etag, other.queue) == (entry.body, b'"b"', None)
    assert other.validate
    assert not other.stale_on_request
    assert max(other.fresh_until, other.stale_until, other.stale_error_until) <= NOW
    assert entry.fields() == [(b"etag", b'"a"')]
