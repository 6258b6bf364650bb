"""Cache-Control, before anyone asks what it means (RFC 9111 §5.2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.semantics.cache_control import MAX_DELTA, parse_cache_control, parse_delta, quoted_names

LONG = b'public, max-age=60,S-MAXAGE="70" , no-cache="Set-Cookie, x-a", private="a\\"b", community="UCI",,must-revalidate'


def test_names_in_lower_case_arguments_unquoted():
    assert parse_cache_control(LONG) == {
        "public": None,
        "max-age": "60",
        "s-maxage": "70",
        "no-cache": "Set-Cookie, x-a",
        "private": 'a"b',
        "community": "UCI",
        "must-revalidate": None,
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, {}),
        (b"", {}),
        (b"  ,", {}),
        (b"max-age", {"max-age": None}),
        (b"max-age=", {"max-age": ""}),
        (b"max-age = 1", {}),
        (b"max-age= 1", {}),
        (b"max-age=1 2", {}),
        (b"max-age=1;x", {}),
        (b"=1", {}),
        (b'"max-age=1"', {}),
        (b"max-age='1'", {"max-age": "'1'"}),
        (b"max-age=1, max-age=2", {"max-age": "1"}),
        (b'no-cache="a", no-cache', {"no-cache": None}),
        (b'no-cache, no-cache="a"', {"no-cache": None}),
        (b'a="x', {}),
        (b"max-age=1, &%(), public", {"max-age": "1", "public": None}),
    ],
)
def test_what_is_no_directive_is_passed_over(value, expected):
    assert parse_cache_control(value) == expected


def test_cut_at_every_position_it_never_raises_and_what_was_complete_stays():
    for end in range(len(LONG) + 1):
        found = parse_cache_control(LONG[:end])
        if end >= len(b"public,"):
            assert found["public"] is None
        if end >= len(b"public, max-age=60,"):
            assert found["max-age"] == "60"


@given(st.binary(max_size=80))
def test_no_octets_make_it_raise(value):
    for name, argument in parse_cache_control(value).items():
        assert name == name.lower()
        assert argument is None or isinstance(argument, str)
        parse_delta(argument)
        quoted_names({name: argument}, name)


@given(
    st.dictionaries(
        st.text("abcxyz-", min_size=1, max_size=8), st.one_of(st.none(), st.text('ab01 ,"\\=', max_size=8)), max_size=5
    )
)
def test_what_is_written_by_the_grammar_is_read_back(directives):
    def write(name: str, argument: str | None) -> str:
        if argument is None:
            return name
        escaped = argument.replace("\\", "\\\\").replace('"', '\\"')
        return f'{name}="{escaped}"'

    value = ", ".join(write(*directive) for directive in directives.items())
    assert parse_cache_control(value.encode()) == directives


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("60", 60),
        ("007", 7),
        ("2147483647", 2_147_483_647),
        ("2147483648", MAX_DELTA),
        ("2147483649", MAX_DELTA),
        ("9" * 5_000, MAX_DELTA),
        ("0" * 5_000, 0),
        ("0" * 5_000 + "5", 5),
        (None, None),
        ("", None),
        ("-1", None),
        ("+1", None),
        ("1.0", None),
        ("1e3", None),
        (" 1", None),
        ("0x1", None),
        ("1_000", None),
        ("١", None),
        ("²", None),
        ("'1'", None),
    ],
)
def test_delta_seconds(text, expected):
    """RFC 9111 §1.2.2: a non-negative integer, capped; nothing else."""
    assert parse_delta(text) == expected


@given(st.text(max_size=12))
def test_a_delta_is_none_or_within_bounds(text):
    delta = parse_delta(text)
    assert delta is None or 0 <= delta <= MAX_DELTA


def test_names_that_a_qualified_directive_lists():
    directives = parse_cache_control(b'no-cache="Set-Cookie, X-A,,", private, x="y"')
    assert quoted_names(directives, "no-cache") == {b"set-cookie", b"x-a"}
    assert quoted_names(directives, "private") == frozenset()
    assert quoted_names(directives, "missing") == frozenset()
    assert quoted_names({"no-cache": ""}, "no-cache") == frozenset()
