"""Lists, tokens, and the fields of one connection (RFC 9110 §5.6, §7.6.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.semantics.fields import HOP_BY_HOP, connection_options, end_to_end, is_token, list_members, split_list
from gateway.semantics.message import first, joined, values

TOKEN = "!#$%&'*+-.^_`|~0123456789abcXYZ"
tokens = st.text(TOKEN, min_size=1, max_size=8).map(str.encode)
quoted = st.text('ab ,;\\"=', max_size=8).map(lambda text: b'"' + text.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"')
members = st.one_of(tokens, st.tuples(tokens, quoted).map(b"=".join), quoted)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", []),
        (b" , ,, ", []),
        (b"a", [b"a"]),
        (b"a,b", [b"a", b"b"]),
        (b" a\t, b ,", [b"a", b"b"]),
        (b'a="x, y", b', [b'a="x, y"', b"b"]),
        (b'a="x\\", y", b', [b'a="x\\", y"', b"b"]),
        (b'"unclosed, a', [b'"unclosed, a']),
        (b'a", b', [b'a", b']),
        (b'\\"a", b', [b'\\"a"', b"b"]),
    ],
)
def test_a_list_is_split_at_commas_outside_quotes(value, expected):
    """RFC 9110 §5.6.1.2: empty members count as nothing."""
    assert split_list(value) == expected


@given(st.lists(members, max_size=6), st.lists(st.sampled_from([b",", b" ,", b",\t", b",,", b" , , "]), min_size=6, max_size=6))
def test_what_is_joined_splits_into_the_same_again(parts, separators):
    value = b"".join(part + separator for part, separator in zip(parts, separators, strict=False))
    assert split_list(value) == parts


@given(st.binary(max_size=60))
def test_no_octets_make_it_raise_and_none_are_invented(value):
    parts = split_list(value)
    assert all(part and part == part.strip(b" \t") for part in parts)
    assert sum(map(len, parts)) <= len(value)


def test_long_lists_of_quotes_take_no_time_to_speak_of():
    """No input makes the pattern go back and forth: each of these is split in one pass."""
    for bad in (b'"' * 20_000, b'"\\' * 20_000, b'a="' * 20_000, b'"a,' * 20_000):
        assert split_list(bad)


def test_members_of_all_fields_of_a_name_are_one_list():
    fields = [(b"vary", b"a, b"), (b"x", b"no"), (b"vary", b""), (b"vary", b"c")]
    assert list_members(fields, b"vary") == [b"a", b"b", b"c"]
    assert list_members(fields, b"missing") == []


@pytest.mark.parametrize("text", [b"a", b"GET", b"!#$%&'*+-.^_`|~09azAZ"])
def test_a_token(text):
    assert is_token(text)


@pytest.mark.parametrize("text", [b"", b"a b", b"a:", b'"a"', b"a\n", b"\xc3\xa9", b"a,b", b"a\x00"])
def test_no_token(text):
    assert not is_token(text)


def test_first_values_and_joined():
    fields = [(b"a", b"1"), (b"b", b"2"), (b"a", b"3")]
    assert first(fields, b"a") == b"1"
    assert first(fields, b"c") is None
    assert values(fields, b"a") == [b"1", b"3"]
    assert values(fields, b"c") == []
    assert joined(fields, b"a") == b"1, 3"
    assert joined(fields, b"b") == b"2"
    assert joined(fields, b"c") is None


def test_fields_of_one_connection_go_and_so_do_those_that_connection_names():
    """RFC 9110 §7.6.1."""
    fields = [
        (b"connection", b"Close, X-Own"),
        (b"x-own", b"1"),
        (b"x-other", b"2"),
        *((name, b"x") for name in sorted(HOP_BY_HOP - {b"connection"})),
    ]
    assert end_to_end(fields) == [(b"x-other", b"2")]
    assert connection_options(fields) == {b"close", b"x-own"}


@pytest.mark.parametrize(
    "name",
    [b"cookie", b"host", b"authorization", b"cache-control", b"content-length", b"content-type", b"set-cookie", b"vary", b"age"],
)
def test_connection_does_not_remove_what_everybody_decides_by(name):
    """The RFC forbids to list them there; a client could strip what the origin decides by."""
    fields = [(b"connection", name), (name, b"x")]
    assert end_to_end(fields) == [(name, b"x")]
