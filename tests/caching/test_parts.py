"""Parts of a representation (RFC 9111 §3.4), against a model that has a cell for every octet."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.cache.parts import combine, find_part, missing_range, settle_extent
from gateway.semantics.ranges import parse_range, resolve

SIZE = 24
WHOLE = bytes(range(65, 65 + SIZE))

pieces = st.tuples(st.integers(0, SIZE - 1), st.integers(1, 8)).map(lambda piece: (piece[0], min(piece[0] + piece[1], SIZE)))


def held_of(spans):
    parts = ()
    for start, stop in spans:
        parts = combine(parts, start, WHOLE[start:stop])
    return parts


@given(st.lists(pieces, max_size=8))
@example([(0, 4), (4, 8)])
@example([(0, 4), (8, 12), (2, 10)])
@example([(5, 9), (0, 20)])
@example([(0, 20), (5, 9)])
def test_parts_grow_together_as_their_octets_do(spans):
    cells: list[int | None] = [None] * SIZE
    for start, stop in spans:
        cells[start:stop] = WHOLE[start:stop]
    parts = held_of(spans)
    found: list[int | None] = [None] * SIZE
    for start, octets in parts:
        found[start : start + len(octets)] = octets
    assert found == cells
    for (start, octets), (after, _) in itertools.pairwise(parts):
        assert start + len(octets) < after, "sorted, and neither overlapping nor touching"


@given(st.lists(st.tuples(pieces, st.integers(0, 255)), min_size=1, max_size=6))
def test_where_parts_overlap_the_newer_octets_win(layers):
    cells: list[int | None] = [None] * SIZE
    parts = ()
    for (start, stop), octet in layers:
        cells[start:stop] = [octet] * (stop - start)
        parts = combine(parts, start, bytes([octet]) * (stop - start))
    found: list[int | None] = [None] * SIZE
    for start, octets in parts:
        found[start : start + len(octets)] = octets
    assert found == cells


@given(
    st.lists(pieces, max_size=5),
    st.one_of(st.none(), st.integers(0, SIZE + 2)),
    st.one_of(st.none(), st.integers(0, SIZE + 2)),
    st.booleans(),
)
def test_a_part_is_found_when_all_its_octets_are_held(spans, start, end, known):
    wanted = parse_range(b"bytes=%s-%s" % (b"" if start is None else b"%d" % start, b"" if end is None else b"%d" % end))
    if wanted is None:
        return
    parts = held_of(spans)
    cells = {octet for begin, stop in spans for octet in range(begin, stop)}
    found = find_part(parts, SIZE if known else None, wanted)
    if known:
        span = resolve(wanted, SIZE)
        expected = span is not None and set(range(*span)) <= cells
    else:  # only a range with both ends is certain
        span = (start, end + 1) if start is not None and end is not None else None
        expected = span is not None and set(range(*span)) <= cells
    assert (found is not None) is expected
    if found is not None:
        assert found == (span[0], WHOLE[span[0] : span[1]])


@pytest.mark.parametrize(
    ("spans", "length", "expected"),
    [
        ([(0, 4)], SIZE, b"bytes=4-"),
        ([(4, SIZE)], SIZE, b"bytes=0-3"),
        ([(4, 8)], SIZE, None),
        ([(0, 4), (8, SIZE)], SIZE, None),
        ([(0, 4)], None, None),
        ([], SIZE, None),
    ],
)
def test_what_one_request_can_complete(spans, length, expected):
    assert missing_range(held_of(spans), length) == expected


@given(st.lists(pieces, min_size=1, max_size=4))
def test_what_is_said_to_be_missing_completes_it(spans):
    parts = held_of(spans)
    rest = missing_range(parts, SIZE)
    if rest is None:
        return
    span = resolve(parse_range(rest), SIZE)
    if span is None:
        assert parts == ((0, WHOLE),)
    else:
        assert combine(parts, span[0], WHOLE[slice(*span)]) == ((0, WHOLE),)


@pytest.mark.parametrize(
    ("start", "stop", "complete", "octets", "expected"),
    [
        (2, 5, 10, b"cde", (2, 10)),
        (2, 5, None, b"cde", (2, None)),
        (7, 10, 10, b"hi", (7, 9)),  # runs to the end, which was announced too far
        (7, 10, 10, b"", None),
        (2, 5, 10, b"cd", None),
        (2, 5, 10, b"cdef", None),
        (7, 10, 10, b"hijk", None),
        (2, 5, None, b"cd", None),
    ],
)
def test_where_content_range_and_content_contradict_each_other(start, stop, complete, octets, expected):
    assert settle_extent(start, stop, complete, octets) == expected
