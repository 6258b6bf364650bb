"""Byte ranges (RFC 9110 §14), against a model that writes out every octet's number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.semantics.ranges import parse_content_range, parse_range, resolve


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"bytes=0-9", (0, 9)),
        (b"bytes=5-", (5, None)),
        (b"bytes=-5", (None, 5)),
        (b"bytes=3-3", (3, 3)),
        (b"Bytes=1-2", (1, 2)),
        (b"bytes= 1-2\t", (1, 2)),
        (b"bytes=0-999999999999999999", (0, 999_999_999_999_999_999)),
    ],
)
def test_one_range(value, expected):
    assert parse_range(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        None, b"", b"bytes", b"bytes=", b"bytes=-", b"bytes=a-b", b"bytes=1", b"bytes=2-1", b"bytes=1-2,3-4", b"bytes=1-2,", b"lines=1-2", b"bytes=1 - 2",
        b"bytes=+1-2", b"bytes=--2", b"bytes=0x1-2", b"bytes=1-2;x", b"bytes =1-2", "bytes=١-٢".encode(), b"bytes=0-" + b"9" * 40, b"bytes=1.0-2",
    ],
)  # fmt: skip
def test_no_range_or_none_that_we_follow(value):
    """RFC 9110 §14.2: a server may ignore Range, and must where it is invalid (§14.1.1)."""
    assert parse_range(value) is None


@given(st.one_of(st.none(), st.integers(0, 30)), st.one_of(st.none(), st.integers(0, 30)), st.integers(0, 25))
def test_what_is_chosen_is_what_the_numbers_say(start, end, length):
    """RFC 9110 §14.1.2, octet by octet."""
    parsed = parse_range(b"bytes=%s-%s" % (b"" if start is None else b"%d" % start, b"" if end is None else b"%d" % end))
    if (start is None and end is None) or (start is not None and end is not None and end < start):
        assert parsed is None
        return
    octets = range(length)
    if start is None:
        chosen = [octet for octet in octets if octet >= length - end]
    else:
        chosen = [octet for octet in octets if octet >= start and (end is None or octet <= end)]
    span = resolve(parsed, length)
    assert list(range(*span)) == chosen if span else chosen == []


@given(st.binary(max_size=30))
def test_no_octets_make_it_raise(value):
    parse_range(value)
    parse_range(b"bytes=" + value)
    parse_content_range(value)
    parse_content_range(b"bytes " + value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"bytes 0-9/10", (0, 10, 10)),
        (b"bytes 2-4/*", (2, 5, None)),
        (b"BYTES 2-4/100", (2, 5, 100)),
        (None, None),
        (b"", None),
        (b"bytes */10", None),
        (b"bytes 4-2/10", None),
        (b"bytes 0-10/10", None),
        (b"bytes 0-9/", None),
        (b"bytes 0-9", None),
        (b"bytes=0-9/10", None),
        (b"lines 0-9/10", None),
        (b"bytes 0-9/10 ", None),
        (b"bytes -9/10", None),
        (b"bytes 0-/10", None),
        (b"bytes 0-" + b"9" * 40 + b"/*", None),
    ],
)
def test_where_a_part_belongs(value, expected):
    """RFC 9110 §14.4."""
    assert parse_content_range(value) == expected


@given(st.integers(0, 10**12), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_content_range_that_is_written_is_read_back(start, more, after):
    last, complete = start + more, start + more + 1 + after
    assert parse_content_range(b"bytes %d-%d/%d" % (start, last, complete)) == (start, last + 1, complete)
