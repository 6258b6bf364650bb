"""Which of several stored responses suits a request (RFC 9111 §4.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cache.variant import ANY, nominated_values, parse_vary
from gateway.semantics.message import Section


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], ()),
        ([b""], ()),
        ([b"Accept"], (b"accept",)),
        ([b"b, A ,a", b"C"], (b"a", b"b", b"c")),
        ([b"*"], ANY),
        ([b"a, *"], ANY),
        ([b"a", b"*"], ANY),
        ([b",*,"], ANY),
        ([b"Host, a"], (b"a",)),  # scheme and host are in the primary key
        ([b"X-Forwarded-Proto", b"x-forwarded-host"], ()),
        ([b"Surrogate-Capability, Accept"], (b"accept",)),
        ([b"host, *"], ANY),
    ],
)
def test_the_names_that_vary_lists(values, expected):
    assert parse_vary(Section([(b"vary", value) for value in values])) == expected


@pytest.mark.parametrize(
    ("name", "one", "other", "same"),
    [
        (b"accept", b"text/html, text/plain", b"text/html,text/plain ", True),
        (b"accept", b"text/html, text/plain", b"text/plain, text/html", False),
        (b"accept", b"a", None, False),
        (b"accept", b"", None, False),
        (b"accept", None, None, True),
        (b"accept-language", b"de, en;q=0.5", b"EN;q=0.50,de", True),
        (b"accept-language", b"de, en;q=0.5", b"en, de;q=0.5", False),
        (b"cookie", b"a=1; b=2", b"a=1;b=2", False),
        (b"cookie", b"a=1, b=2", b"a=1,b=2", False),  # every octet may matter there
        (b"x-form", b"a  b", b"a b", False),
        (b"x-form", b"A", b"a", False),
    ],
)
def test_when_two_requests_mean_the_same(name, one, other, same):
    def nominated(value):
        return nominated_values((name,), [] if value is None else [(name, value)])

    assert (nominated(one) == nominated(other)) is same


def test_repeated_fields_are_one_list():
    """RFC 9111 §4.1: combining is one of the normalisations allowed."""
    names = (b"accept",)
    assert nominated_values(names, [(b"accept", b"a"), (b"x", b"y"), (b"accept", b"b")]) == nominated_values(
        names, [(b"accept", b"a, b")]
    )


def test_the_values_stand_in_the_order_of_the_names():
    assert nominated_values((b"a", b"b", b"c"), [(b"c", b"3"), (b"a", b"1")]) == (b"1", None, b"3")


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"accept-language", b"cookie"]), st.binary(max_size=12)), max_size=6))
def test_no_octets_make_it_raise(fields):
    values = nominated_values((b"a", b"accept-language", b"cookie"), fields)
    assert len(values) == 3
    hash(values)
