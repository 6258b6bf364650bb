"""Byte ranges (RFC 9110 §14): what a client asks for, and where a part belongs."""

from __future__ import annotations

import re

__all__ = ["ByteRange", "parse_content_range", "parse_range", "resolve"]

ByteRange = tuple[int | None, int | None]
"""(first, last): (5, 9) bytes 5 to 9; (5, None) from 5 on; (None, 5) the last five."""

_SPEC = re.compile(rb"(\d{1,18})?-(\d{1,18})?")
_CONTENT_RANGE = re.compile(rb"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.IGNORECASE)


def parse_range(value: bytes | None) -> ByteRange | None:
    """The one byte range that a `Range` field asks for. None: no field, another unit, malformed, or several.

    Several ranges are answered with the whole (allowed by §14.2: a server may ignore Range); multipart/byteranges from a
    cache mostly serves those who want to make it work hard.
    """
    if value is None or value[:6].lower() != b"bytes=" or b"," in value:
        return None
    found = _SPEC.fullmatch(value[6:].strip(b" \t"))
    if found is None or (found[1] is None and found[2] is None):
        return None
    start = None if found[1] is None else int(found[1])
    end = None if found[2] is None else int(found[2])
    if start is not None and end is not None and end < start:
        return None  # an invalid range-spec makes the field invalid. §14.1.1
    return start, end


def resolve(wanted: ByteRange, length: int) -> tuple[int, int] | None:
    """(start, stop) in a representation of length octets, stop exclusive; None when it can't be satisfied (416). §14.1.2."""
    start, end = wanted
    if start is None:
        assert end is not None
        return (max(0, length - end), length) if end and length else None
    if start >= length:
        return None
    return start, length if end is None else min(end + 1, length)


def parse_content_range(value: bytes | None) -> tuple[int, int, int | None] | None:
    """(start, stop, complete length or None), stop exclusive. None when missing, unsatisfied or invalid. §14.4."""
    found = _CONTENT_RANGE.fullmatch(value) if value else None
    if found is None:
        return None
    start, last = int(found[1]), int(found[2])
    complete = None if found[3] == b"*" else int(found[3])
    if last < start or (complete is not None and last >= complete):
        return None
    return start, last + 1, complete
