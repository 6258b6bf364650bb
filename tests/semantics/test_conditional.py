"""Entity tags and preconditions (RFC 9110 §8.8.3, §13; RFC 9111 §4.3.2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.semantics.conditional import is_not_modified, is_strong, is_weak_match, may_use_range
from gateway.semantics.dates import format_date

NOW = 1_800_000_000.0
DATE = NOW - 100

opaque = st.text([chr(code) for code in (0x21, *range(0x23, 0x7F))], max_size=6).map(lambda text: b'"' + text.encode() + b'"')
tags = st.tuples(st.sampled_from([b"", b"W/"]), opaque).map(b"".join)


@pytest.mark.parametrize("etag", [b'""', b'"a"', b'"a,b"', b'"\xe9"', b'"!#~"'])
def test_a_strong_tag(etag):
    assert is_strong(etag)


@pytest.mark.parametrize("etag", [None, b"", b"a", b'W/"a"', b'w/"a"', b'"a', b'a"', b'"a b"', b'"a"b"', b'"a" ', b"*"])
def test_no_strong_tag(etag):
    assert not is_strong(etag)


@pytest.mark.parametrize(
    ("condition", "etag", "expected"),
    [
        (b"*", b'"a"', True),
        (b"*", None, True),
        (b'"a"', b'"a"', True),
        (b'W/"a"', b'"a"', True),
        (b'"a"', b'W/"a"', True),
        (b'"b", W/"a" ,"c"', b'"a"', True),
        (b'"b""a"', b'"a"', True),
        (b'"a, b"', b'"a, b"', True),
        (b'"a,b"', b'"a"', False),
        (b'"b"', b'"a"', False),
        (b'"A"', b'"a"', False),
        (b'"a"', None, False),
        (b"", b'"a"', False),
        (b"a", b'"a"', False),
        (b"a", b"a", True),  # malformed both: the client gives back what it was given
        (b'"a', b'"a', True),
    ],
)
def test_weak_comparison(condition, etag, expected):
    """RFC 9110 §8.8.3.2."""
    assert is_weak_match(condition, etag) is expected


@given(st.lists(tags, min_size=1, max_size=5), tags)
def test_a_list_matches_when_one_of_its_members_does(listed, etag):
    expected = any(each.removeprefix(b"W/") == etag.removeprefix(b"W/") for each in listed)
    assert is_weak_match(b", ".join(listed), etag) is expected


@given(st.binary(max_size=40), st.one_of(st.none(), st.binary(max_size=10)))
def test_no_octets_make_it_raise(condition, etag):
    is_weak_match(condition, etag)
    is_strong(etag)
    may_use_range(condition, etag, condition, NOW)
    is_not_modified([(b"if-none-match", condition), (b"if-modified-since", condition)], etag, condition, DATE, NOW)


@pytest.mark.parametrize(
    ("fields", "etag", "modified", "expected"),
    [
        ([], b'"a"', NOW - 500, False),
        ([(b"if-none-match", b'"a"')], b'"a"', None, True),
        ([(b"if-none-match", b'"b"'), (b"if-none-match", b'"a"')], b'"a"', None, True),
        ([(b"if-none-match", b'"b"'), (b"if-modified-since", format_date(NOW))], b'"a"', NOW - 500, False),
        ([(b"if-modified-since", format_date(NOW - 500))], b'"a"', NOW - 500, True),
        ([(b"if-modified-since", format_date(NOW - 499))], None, NOW - 500, True),
        ([(b"if-modified-since", format_date(NOW - 501))], None, NOW - 500, False),
        ([(b"if-modified-since", b"then")], None, NOW - 500, False),
        ([(b"if-modified-since", format_date(DATE))], None, None, True),
        ([(b"if-modified-since", format_date(DATE - 1))], None, None, False),
        ([(b"if-match", b'"b"'), (b"if-unmodified-since", format_date(0))], b'"a"', NOW - 500, False),
    ],
)
def test_whether_a_client_has_it_already(fields, etag, modified, expected):
    """RFC 9110 §13.2.2, RFC 9111 §4.3.2."""
    stored = None if modified is None else format_date(modified)
    assert is_not_modified(fields, etag, stored, DATE, NOW) is expected


def test_dates_are_compared_as_moments_not_as_text():
    asctime = b"Sun Nov  6 08:49:37 1994"
    assert is_not_modified([(b"if-modified-since", asctime)], None, b"Sunday, 06-Nov-94 08:49:37 GMT", DATE, NOW)
    assert may_use_range(asctime, None, b"Sunday, 06-Nov-94 08:49:37 GMT", NOW)


@pytest.mark.parametrize(
    ("condition", "etag", "modified", "expected"),
    [
        (None, None, None, True),
        (b'"a"', b'"a"', None, True),
        (b'"a"', b'W/"a"', None, False),
        (b'W/"a"', b'W/"a"', None, False),
        (b'"b"', b'"a"', None, False),
        (b'"a"', None, None, False),
        (b'"a', b'"a', None, False),
        (format_date(NOW), None, format_date(NOW), True),
        (format_date(NOW), None, format_date(NOW - 1), False),
        (format_date(NOW), None, None, False),
        (b"then", None, b"then", False),
    ],
)
def test_if_range_compares_strongly(condition, etag, modified, expected):
    """RFC 9110 §13.1.5."""
    assert may_use_range(condition, etag, modified, NOW) is expected
