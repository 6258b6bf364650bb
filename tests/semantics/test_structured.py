"""Structured fields as far as we read them (RFC 9651, RFC 9213, RFC 9875)."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.semantics.structured import parse_directives, parse_strings

LONG = b'max-age=60;x=1, no-store, private=?0, token=abc, text="a, b", number=1.5, public=?1'


def test_directives_with_their_types():
    """RFC 9213 §2.1: parameters are ignored."""
    assert parse_directives(LONG) == {
        "max-age": 60, "no-store": True, "private": False, "token": "abc", "text": "a, b", "number": "1.5", "public": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [b"max-age=60,", b"max-age=60, &", b"Max-Age=60", b"max-age = 60", b"max-age=60 public", b'a="', b"a=?2", b"\xff", b"=1"],
)
def test_a_field_with_an_error_anywhere_is_no_field(value):
    """RFC 9651 §4.2: parsing is all or nothing."""
    assert parse_directives(value) is None


@pytest.mark.parametrize("value", [b"", b"   "])
def test_an_empty_field_has_no_directives(value):
    assert not parse_directives(value)


def test_the_last_of_a_directive_given_twice_counts():
    """RFC 9651 §4.2.2."""
    assert parse_directives(b"max-age=1, max-age=2") == {"max-age": 2}


def test_a_list_of_values_is_no_number():
    directives = parse_directives(b"max-age=(1 2)")
    assert directives is not None
    assert isinstance(directives["max-age"], str)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'"a", "b c"', ["a", "b c"]),
        (b'"a";x=1', ["a"]),
        (b'"a", token, 5, ?1, ("b")', ["a"]),
        (b"", []),
        (b'"a"b', None),
        (b'"a",', None),
        (b'"\xff"', None),
    ],
)
def test_a_list_of_strings(value, expected):
    """RFC 9875 §2."""
    assert (parse_strings(value) or None) == (expected or None)


@given(st.binary(max_size=60))
@example(b"a=:YQ==:")
@example(b"a=@1659578233")
@example(b'a=%"f%c3%bc"')
@example(b"a=99999999999999999999")
@example(b"a=()")
@example(b'"' + b"a" * 2_000 + b'"')
def test_no_octets_make_it_raise(value):
    directives = parse_directives(value)
    assert directives is None or all(isinstance(each, (int, str)) for each in directives.values())
    strings = parse_strings(value)
    assert strings is None or all(type(each) is str for each in strings)


def test_cut_at_every_position_it_never_raises():
    for end in range(len(LONG) + 1):
        directives = parse_directives(LONG[:end])
        assert directives is None or set(directives) <= {
            LONG[:end].decode()[i:j] for i in range(end) for j in range(i + 1, end + 1)
        }
