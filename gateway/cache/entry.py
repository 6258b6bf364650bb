"""A stored response. Written once; what changes later (a purge, a compressed copy, what was rendered last) is marked below.

The header section is kept as it goes over the wire, minus what belongs to one connection and what is made anew for each use (Age,
Cache-Status, Content-Length). That is a third of the memory of a list of pairs, and most uses just copy it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from functools import lru_cache
from typing import Any

from gateway.cache.key import Key
from gateway.cache.policy import Stored
from gateway.cache.variant import NominatedValues, VaryNames
from gateway.semantics.fields import HOP_BY_HOP, connection_options
from gateway.semantics.message import Fields, Section, first

__all__ = ["NEVER_STORED", "OVERHEAD", "Entry", "decode_block", "encode_block", "merge_fields", "stored_fields"]

OVERHEAD = 1100
"""Bytes that an entry costs beside body, header and key: objects, index and queue. Measured: loadtests/bench/memory_bound.py."""

NEVER_STORED = HOP_BY_HOP | {
    b"age",  # made anew for each use
    b"content-length",  # that of what is sent, which may be a part or a compressed copy
    b"trailer",  # trailer sections are not stored; RFC 9111 §3.1 allows that
    b"surrogate-control",  # for us alone: Edge Architecture §2.1 has it removed
    b"weft-cache-control",
}

# A 304 has no content, so what describes content may be that of the empty one. RFC 9111 §3.2
_KEPT_ON_FRESHENING = frozenset({b"content-length", b"content-encoding", b"content-range"})


class Entry:
    """Stored status, header section and content, with what decides its reuse.

    key, route      primary key, and the name of the route that it came through
    vary, nominated the secondary key
    block           header section on the wire: lower-case names, CRLF after each line, no blank line
    body            the content; b"" when only parts are there
    parts           None for a whole response; else (start, octets) of what is held, sorted, never touching
    length          octets of the whole representation; None when only parts are there and nobody said
    born, lifetime  epoch seconds, seconds: age is now - born, fresh while it is less than lifetime
    coded           its content came in a content coding, and is kept so
    etag, modified, language, date      from the header section (`said`, for who has it already), for validation and selection
    tags            surrogate keys and cache groups
    stamp           the purge ledger's sequence when its fetch began
    """

    __slots__ = (
        "block",
        "body",
        "born",
        "checked",
        "coded",
        "codings",
        "cost",
        "date",
        "esi",
        "etag",
        "explicit",
        "fragment",
        "frequency",
        "fresh_until",
        "key",
        "language",
        "length",
        "lifetime",
        "modified",
        "nominated",
        "packed",
        "parts",
        "places",
        "program",
        "queue",
        "ready",
        "ready_second",
        "retry_at",
        "route",
        "shared",
        "stale_error_until",
        "stale_on_request",
        "stale_until",
        "stamp",
        "statement",
        "status",
        "tags",
        "tallies",
        "transform",
        "validate",
        "vary",
        "version",
        "woven",
    )

    def __init__(
        self,
        key: Key,
        route: str,
        status: int,
        fields: Fields,
        body: bytes,
        terms: Stored,
        *,
        nominated: NominatedValues,
        tags: tuple[bytes, ...],
        stamp: int,
        parts: tuple[tuple[int, bytes], ...] | None = None,
        length: int | None = None,
        said: Section | None = None,
    ) -> None:
        self.key = key
        self.route = route
        self.status = status
        self.block = encode_block(fields)
        self.body = body
        self.parts = parts
        self.length = len(body) if parts is None else length
        if said is None:
            said = Section(fields)
        self.etag = said.get(b"etag")
        self.modified = said.get(b"last-modified")
        self.language = said.get(b"content-language")
        self.coded = b"content-encoding" in said
        self.vary: VaryNames = terms.vary
        self.nominated = nominated
        self.tags = tags
        self.stamp = stamp
        self.born = terms.born
        self.date = terms.date
        self.lifetime = terms.lifetime
        self.explicit = terms.explicit
        self.validate = terms.validate
        self.shared = terms.shared
        self.transform = terms.transform
        self.fresh_until = terms.born if terms.validate else terms.born + terms.lifetime
        self.stale_until = self.fresh_until + terms.windows.while_revalidate
        self.stale_error_until = self.fresh_until + terms.windows.if_error
        self.stale_on_request = terms.windows.on_request
        # ---- what changes later
        self.checked = stamp  # the ledger's sequence up to which no purge has hit this entry
        self.retry_at = 0.0  # after a failed revalidation: not asked again before this moment
        self.frequency = 0  # uses since it was last considered for eviction, at most 3
        self.queue: object = None  # the store's queue that holds it; None when it is in none
        self.tallies: Sequence[Any] = ()  # where the store counts it by tag
        self.codings: dict[bytes, bytes | None] = {}  # compressed copies; None: does not get smaller
        self.ready: Any = None  # the plain answer as the flow rendered it in ready_second; belongs to the flow
        self.ready_second = -1
        # ---- for assembly; belong to the flow
        self.esi = False  # it asks to be processed: never delivered as it is
        self.program: Any = None  # its body, compiled
        self.packed: Any = None  # its body as deflate blocks
        self.statement: Any = None  # what its header section says to those behind us
        self.version = b""  # of its content; made when first asked for
        self.fragment: Any = None  # itself, as pages take it
        self.places: Any = None  # primary keys of what it includes, by URL, as far as met
        self.woven: bytes | None = None  # the part of its header section that pages made of it have too
        held = len(body) if parts is None else sum(len(octets) for _, octets in parts)
        self.cost = (
            OVERHEAD + held + len(self.block) + len(key[2]) + 130 * len(tags) + sum(len(value or b"") for value in nominated)
        )

    def age(self, now: float) -> int:
        """Current age in whole seconds. RFC 9111 §4.2.3, §5.1."""
        return max(0, int(now - self.born))

    def fields(self) -> Fields:
        """The stored header section as pairs."""
        return decode_block(self.block)

    def for_one(self, fields: Fields, born: float) -> Entry:
        """The same content under another header section: confirmed for one client, and not to be stored. born: epoch seconds."""
        other = copy(self)
        other.block = encode_block(fields)
        other.etag = first(fields, b"etag")
        other.modified = first(fields, b"last-modified")
        other.born = other.fresh_until = other.stale_until = other.stale_error_until = born
        other.validate, other.stale_on_request = True, False
        other.queue, other.tallies, other.ready, other.ready_second = None, (), None, -1
        other.statement, other.woven, other.fragment = None, None, None
        return other

    def soften(self, now: float, grace: float) -> None:
        """A soft purge: stale from now on, yet servable for grace seconds while it is refreshed, if it may be stale at all.

        now: epoch seconds.
        """
        if self.fresh_until > now:
            may_be_stale = self.stale_on_request or self.stale_until > self.fresh_until
            self.fresh_until = now
            self.stale_until = now + grace if may_be_stale else now
            self.stale_error_until = max(now, min(self.stale_error_until, now + 86_400.0)) if may_be_stale else now
        self.ready, self.ready_second = None, -1


def encode_block(fields: Fields) -> bytes:
    """Field lines, each with its CRLF."""
    return b"".join([b"%s: %s\r\n" % field for field in fields])


def decode_block(block: bytes) -> Fields:
    """The inverse of encode_block."""
    pairs = []
    for line in block.split(b"\r\n"):
        if line:
            name, _, value = line.partition(b": ")
            pairs.append((name, value))
    return pairs


def stored_fields(fields: Fields, terms: Stored, tag_fields: tuple[bytes, ...], date: bytes) -> Fields:
    """What of a response's header section is kept. RFC 9111 §3.1. date: HTTP-date for a response that has none (RFC 9110 §6.6.1)."""
    drop, listed = _not_for_storing(tag_fields), connection_options(fields)
    if listed or terms.omit:
        drop = drop | listed | terms.omit
    kept = [field for field in fields if field[0] not in drop]
    if first(kept, b"date") is None:
        kept.append((b"date", date))
    return kept


@lru_cache(maxsize=64)  # one for each route's setting
def _not_for_storing(tag_fields: tuple[bytes, ...]) -> frozenset[bytes]:
    return NEVER_STORED.union(tag_fields)


def merge_fields(stored: Fields, update: Fields) -> Fields:
    """Stored header section with the fields of a 304 or HEAD put in the place of those of the same name. RFC 9111 §3.2.

    update: already without what is never stored.
    """
    news = [field for field in update if field[0] not in _KEPT_ON_FRESHENING]
    replaced = {name for name, _ in news}
    return [field for field in stored if field[0] not in replaced] + news
