"""Entity tags and preconditions (RFC 9110 §8.8.3, §13; RFC 9111 §4.3.2)."""

from __future__ import annotations

import re

from gateway.semantics.dates import parse_date
from gateway.semantics.message import Fields, first, joined

__all__ = ["CONDITIONAL", "is_not_modified", "is_strong", "is_weak_match", "may_use_range"]

CONDITIONAL = frozenset({b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since", b"if-range"})

_ETAG = re.compile(rb'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


def is_strong(etag: bytes | None) -> bool:
    """True for a well-formed entity tag without the weakness mark."""
    return etag is not None and etag[:1] == b'"' and _ETAG.fullmatch(etag) is not None


def _opaque(etag: bytes) -> bytes:
    return etag[2:] if etag[:2] == b"W/" else etag


def is_weak_match(condition: bytes, etag: bytes | None) -> bool:
    """Whether an `If-None-Match` value names etag by weak comparison (RFC 9110 §8.8.3.2), or is `*`.

    A value that is no list of entity tags still matches an equally malformed stored tag: the client gave back what it was given.
    """
    if condition == b"*":
        return True
    if etag is None:
        return False
    if condition == etag:
        return True
    wanted = _opaque(etag)
    return any(_opaque(candidate) == wanted for candidate in _ETAG.findall(condition))


def is_not_modified(request: Fields, etag: bytes | None, modified: bytes | None, date: float, now: float) -> bool:
    """Whether a GET or HEAD for the stored response is to be answered 304. RFC 9111 §4.3.2, precedence of RFC 9110 §13.2.2.

    etag, modified: the stored ETag and Last-Modified as they stand. date: epoch seconds of the stored Date, used where there is no
    Last-Modified. now: epoch seconds.
    """
    condition = joined(request, b"if-none-match")
    if condition is not None:
        return is_weak_match(condition, etag)
    since = parse_date(first(request, b"if-modified-since"), now)
    if since is None:
        return False
    last_modified = parse_date(modified, now)
    return (date if last_modified is None else last_modified) <= since


def may_use_range(if_range: bytes | None, etag: bytes | None, modified: bytes | None, now: float) -> bool:
    """Whether `Range` still applies under `If-Range`: strong comparison for tags, exact match for dates. RFC 9110 §13.1.5."""
    if if_range is None:
        return True
    if if_range[:1] == b'"':
        return is_strong(etag) and if_range == etag
    if if_range[:2] == b"W/":
        return False
    asked, stored = parse_date(if_range, now), parse_date(modified, now)
    return asked is not None and asked == stored
