"""Places in the shared log of purges, beside the sequences of one process's ledger."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cache.positions import Positions


def test_nothing_is_known_before_the_beginning():
    positions = Positions()
    assert positions.last is None
    assert positions.sequence_at((5, 0)) is None
    assert positions.place_of(5) is None
    positions.begin((10, 0), 3)
    assert positions.sequence_at((9, 9)) is None
    assert positions.sequence_at((10, 0)) == positions.sequence_at((99, 0)) == 3
    assert positions.place_of(2) is None
    assert positions.place_of(3) == positions.place_of(4) == (10, 0)


def test_the_first_entry_may_be_a_purge_itself():
    positions = Positions()
    positions.begin((10, 0), 3)
    positions.heard((10, 0), 4)
    assert positions.sequence_at((10, 0)) == 4, "whoever was there had heard it"
    assert positions.sequence_at((9, 0)) is None


def test_places_rise():
    positions = Positions()
    positions.begin((10, 0), 3)
    positions.heard((11, 0), 4)
    with pytest.raises(ValueError, match="before"):
        positions.heard((10, 5), 5)


def test_what_is_too_long_ago_is_forgotten():
    positions = Positions(limit=10)
    positions.begin((0, 0), 0)
    for number in range(1, 30):
        positions.heard((number, 0), number)
    assert positions.sequence_at((0, 0)) is None
    assert positions.sequence_at((29, 0)) == 29
    assert positions.place_of(28) == (28, 0)


@given(steps=st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60))
def test_a_response_is_never_thought_newer_than_it_is(steps):
    """A fleet of two: purges by anybody, heard in the log's order by this process, which also purges for itself in between.

    For every moment: what was fetched then, stored with place_of and found again with sequence_at, is hit by every purge that came later.
    """
    positions, sequence = Positions(), 0
    positions.begin((0, 0), 0)
    moments = [(sequence, positions.place_of(sequence))]
    for number, (is_shared, twice) in enumerate(steps, 1):
        sequence += 1 + twice
        if is_shared:
            positions.heard((number, 0), sequence)
        moments.append((sequence, positions.place_of(sequence)))
    for stamp, place in moments:
        assert place is not None
        since = positions.sequence_at(place)
        assert since is not None
        assert since <= stamp
