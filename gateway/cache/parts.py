"""Storing and combining partial responses (RFC 9111 §3.4): which octets of a representation are held, and which are missing."""

from __future__ import annotations

from gateway.semantics.ranges import ByteRange, resolve

__all__ = ["Parts", "combine", "find_part", "missing_range", "settle_extent"]

Parts = tuple[tuple[int, bytes], ...]
"""(start, octets), sorted by start; neither overlapping nor touching."""


def combine(held: Parts, start: int, octets: bytes) -> Parts:
    """held and one more part. Where they overlap the newer octets win; the strong validator that both share says that they are equal."""
    merged = [(start, octets)]
    for other_start, other in held:
        first_start, first = merged[0]
        if other_start + len(other) < first_start or other_start > first_start + len(first):
            merged.append((other_start, other))
            continue
        before = other[: max(0, first_start - other_start)]
        after = other[max(0, first_start + len(first) - other_start) :]
        merged[0] = (min(other_start, first_start), before + first + after)
    return tuple(sorted(merged))


def find_part(held: Parts, length: int | None, wanted: ByteRange) -> tuple[int, bytes] | None:
    """(start, octets) for a wanted range when all of it is held; None otherwise."""
    for start, octets in held:
        stop = start + len(octets)
        span = resolve(wanted, length) if length is not None else _span_without_length(wanted)
        if span is not None and start <= span[0] and span[1] <= stop:
            return span[0], octets[span[0] - start : span[1] - start]
    return None


def _span_without_length(wanted: ByteRange) -> tuple[int, int] | None:
    """Only a range with both ends is certain while nobody knows the length."""
    start, end = wanted
    return None if start is None or end is None else (start, end + 1)


def missing_range(held: Parts, length: int | None) -> bytes | None:
    """A `Range` value that completes the representation in one request; None when one range can't."""
    if length is None or len(held) != 1:
        return None
    start, octets = held[0]
    if start == 0:
        return b"bytes=%d-" % len(octets)
    if start + len(octets) == length:
        return b"bytes=0-%d" % (start - 1)
    return None


def settle_extent(start: int, stop: int, complete: int | None, octets: bytes) -> tuple[int, int | None] | None:
    """(start, complete length) of a part whose content is octets; None when Content-Range and content contradict each other.

    One contradiction has a plain reading: a part that runs to the end, with a few octets less than announced. The start and the
    octets are then right and the announced end is not. Every other one is refused.
    """
    if len(octets) == stop - start:
        return start, complete
    if complete is not None and stop == complete and 0 < len(octets) < stop - start:
        return start, start + len(octets)
    return None
