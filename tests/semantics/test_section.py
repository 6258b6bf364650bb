"""A header section that was read once answers as the walks through it do."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.semantics.message import Section, first, joined

NAMES = (b"a", b"b", b"vary")
sections = st.lists(st.tuples(st.sampled_from(NAMES), st.binary(max_size=3)), max_size=6)


@given(sections)
def test_a_section_says_what_first_and_joined_say(fields):
    said = Section(fields)
    for name in (*NAMES, b"missing"):
        assert said.get(name) == first(fields, name)
        assert said.joined(name) == joined(fields, name)
        assert (name in said) is (first(fields, name) is not None)
    assert said.fields is fields
