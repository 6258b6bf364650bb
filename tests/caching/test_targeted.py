"""Which field governs a response here (RFC 9213; Edge Architecture Specification)."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.cache.targeted import governing_directives
from gateway.semantics.message import Section

NAMES = (b"weft-cache-control", b"cdn-cache-control")


def governing(*lines: tuple[str, str], surrogate_control: bool = True):
    return governing_directives(
        Section([(name.encode(), value.encode()) for name, value in lines]), NAMES, surrogate_control=surrogate_control
    )


OURS = ("weft-cache-control", "max-age=1")
CDN = ("cdn-cache-control", "max-age=2")
SURROGATE = ("surrogate-control", "max-age=3")
PLAIN = ("cache-control", "max-age=4")


@pytest.mark.parametrize(
    ("lines", "source", "seconds"),
    [
        ([PLAIN, SURROGATE, CDN, OURS], b"weft-cache-control", 1),
        ([PLAIN, SURROGATE, CDN], b"cdn-cache-control", 2),
        ([PLAIN, SURROGATE], b"surrogate-control", 3),
        ([PLAIN], b"cache-control", 4),
        ([("weft-cache-control", ""), CDN], b"cdn-cache-control", 2),
        ([("weft-cache-control", "max-age=1,"), CDN], b"cdn-cache-control", 2),
        ([("weft-cache-control", "max-age=1"), ("weft-cache-control", "&"), CDN], b"cdn-cache-control", 2),
        ([("cdn-cache-control", "max-age=1.5"), PLAIN], b"cache-control", 4),
        ([("cdn-cache-control", "max-age=?1"), PLAIN], b"cache-control", 4),
        ([("cdn-cache-control", 'max-age="2"'), PLAIN], b"cache-control", 4),
        ([("cdn-cache-control", "max-age=(2)"), PLAIN], b"cache-control", 4),
        ([("cdn-cache-control", "max-age=2;x=y"), PLAIN], b"cdn-cache-control", 2),
        ([("cdn-cache-control", "max-age=1"), ("cdn-cache-control", "max-age=2"), PLAIN], b"cdn-cache-control", 2),
        ([("cdn-cache-control", "max-age=-5"), PLAIN], b"cdn-cache-control", 0),
        ([("surrogate-control", 'content="ESI/1.0"'), PLAIN], b"cache-control", 4),
        ([("surrogate-control", 'max-age=3, content="ESI/1.0"'), PLAIN], b"surrogate-control", 3),
        ([("surrogate-control", "max-age=3+60"), PLAIN], b"surrogate-control", 3),
        ([("surrogate-control", "max-age=3;weft"), PLAIN], b"surrogate-control", 3),
        ([("surrogate-control", "max-age=x"), PLAIN], b"cache-control", 4),
    ],
)
def test_the_first_valid_one_decides_alone(lines, source, seconds):
    """RFC 9213 §2.1, §2.2."""
    directives = governing(*lines)
    assert (directives.source, directives.numbers["max-age"]) == (source, seconds)
    assert directives.targeted is (source != b"cache-control")


def test_what_a_targeted_field_does_not_say_is_not_taken_from_cache_control():
    directives = governing(("cdn-cache-control", "max-age=60"), ("cache-control", "no-store, private, must-revalidate"))
    assert directives.flags == frozenset()


def test_flags_of_a_targeted_field_are_booleans():
    assert governing(("cdn-cache-control", "no-store, private=?0, must-revalidate=?1")).flags == {"no-store", "must-revalidate"}


def test_surrogate_control_gives_a_time_of_staleness_after_the_plus():
    assert governing(("surrogate-control", "max-age=60+30")).numbers == {"max-age": 60, "stale-while-revalidate": 30}
    assert governing(("surrogate-control", "max-age=60+x")).numbers == {"max-age": 60, "stale-while-revalidate": 0}


@pytest.mark.parametrize("word", ["no-store", "no-store-remote"])
def test_surrogate_control_may_forbid_storing(word):
    assert governing(("surrogate-control", f'{word}, content="ESI/1.0"'), PLAIN).flags == {"no-store"}


def test_a_site_may_not_have_surrogate_control_obeyed():
    assert governing(SURROGATE, PLAIN, surrogate_control=False).source == b"cache-control"


def test_without_cache_control_an_origins_pragma_counts():
    """RFC 9111 §5.4 defines it for requests; an origin that sends it means it."""
    assert governing(("pragma", "no-cache")).flags == {"no-cache"}
    assert governing(("pragma", "no-cache"), PLAIN).flags == frozenset()
    assert governing(("pragma", "x")).flags == frozenset()


def test_qualified_directives_are_no_flags():
    """RFC 9111 §5.2.2.4, §5.2.2.7."""
    directives = governing(("cache-control", 'no-cache="Set-Cookie", private="X-User, x-id"'))
    assert directives.flags == frozenset()
    assert directives.no_cache_fields == {b"set-cookie"}
    assert directives.private_fields == {b"x-user", b"x-id"}


def test_a_response_that_says_nothing():
    directives = governing()
    assert (directives.source, directives.targeted, directives.numbers, directives.flags) == (b"", False, {}, frozenset())


lines = st.lists(
    st.tuples(st.sampled_from([*NAMES, b"surrogate-control", b"cache-control", b"pragma"]), st.binary(max_size=30)), max_size=5
)


@given(lines)
@example([(b"cdn-cache-control", b"max-age=9999999999999999")])
@example([(b"surrogate-control", b"max-age=+")])
def test_no_octets_make_it_raise(lines):
    directives = governing_directives(Section(lines), NAMES)
    assert all(0 <= number <= 2**31 for number in directives.numbers.values())
