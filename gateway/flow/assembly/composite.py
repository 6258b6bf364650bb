"""What an assembled page says of itself, from what its pieces say. Pure.

    freshness   the shortest of the pieces' remaining lifetimes, towards clients and towards caches on the way apart (RFC 9111 §5.2.2)
    scope       the strictest: one piece that is private, unknown, or made with knowledge of the visitor makes the page `private, no-store`
    Vary        the union, with the request fields that the page's own variables read
    validator   one strong entity tag, made from the versions of all that went in; never the template's own

Lifetimes for this cache (RFC 9213, Surrogate-Control, the site's defaults) are no promise to browsers: where a piece says nothing to them, the page
lives as long as nobody has promised, which is not at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from hashlib import blake2b

from gateway.cache.entry import Entry
from gateway.flow.landing import Filling
from gateway.semantics.cache_control import parse_cache_control, parse_delta
from gateway.semantics.dates import parse_date
from gateway.semantics.fields import list_members
from gateway.semantics.message import Fields, first, joined

__all__ = [
    "UNKNOWN",
    "Piece",
    "Statement",
    "compose",
    "entity_tag",
    "piece_of",
    "piece_of_filling",
    "piece_of_page",
    "read_statement",
]

_PERSONAL = frozenset({b"cookie", b"authorization", b"*"})
_HINT = re.compile(
    rb"<(?:/(?!/)|https?://)[^>]*>\s*;.*\brel\s*=\s*\"?(?:preload|preconnect|modulepreload|dns-prefetch)\b", re.DOTALL
)
_KEPT_FLAGS = ("no-cache", "must-revalidate", "proxy-revalidate", "no-transform")


class Statement:
    """What one response says to those behind us.

    private     not for others, or not to be kept
    max_age, s_maxage   seconds from its origin's moment; None where it says nothing
    flags       of _KEPT_FLAGS
    vary        names in lower case
    links       Link values that a page may repeat for it: early hints for browsers, of addresses that mean the same there
    """

    __slots__ = ("flags", "links", "max_age", "private", "s_maxage", "vary")

    def __init__(
        self,
        *,
        private: bool,
        max_age: int | None,
        s_maxage: int | None,
        flags: frozenset[str],
        vary: frozenset[bytes],
        links: tuple[bytes, ...] = (),
    ) -> None:
        self.private = private
        self.max_age = max_age
        self.s_maxage = s_maxage
        self.flags = flags
        self.vary = vary
        self.links = links


def read_statement(fields: Fields, now: float) -> Statement:
    """The statement in a header section. now: epoch seconds. Never raises.

    What varies by cookie or credentials is for one visitor as far as anybody behind us can tell.
    """
    directives = parse_cache_control(joined(fields, b"cache-control"))
    max_age = (parse_delta(directives["max-age"]) or 0) if "max-age" in directives else None
    if max_age is None and (expires := first(fields, b"expires")) is not None:
        moment, date = parse_date(expires, now), parse_date(first(fields, b"date"), now)
        max_age = max(0, int(moment - date)) if moment is not None and date is not None else 0
    vary = frozenset(name.lower() for name in list_members(fields, b"vary"))
    return Statement(
        private="private" in directives or "no-store" in directives or bool(vary & _PERSONAL),
        max_age=max_age,
        s_maxage=(parse_delta(directives["s-maxage"]) or 0) if "s-maxage" in directives else None,
        flags=frozenset(flag for flag in _KEPT_FLAGS if flag in directives),
        vary=vary,
        links=tuple(link for link in list_members(fields, b"link") if _HINT.match(link)),
    )


class Piece:
    """One of the responses that a page is made of.

    statement   what it says
    age         seconds since its origin made it
    left        seconds for which it stays fresh here
    promised    its lifetime here is the response's own word to caches, not our guess: where it says nothing to clients, that is no word to them
    version     changes with its content
    tags        surrogate keys and cache groups
    """

    __slots__ = ("age", "left", "promised", "statement", "tags", "version")

    def __init__(
        self, statement: Statement, *, age: float, left: float, promised: bool, version: bytes, tags: tuple[bytes, ...] = ()
    ) -> None:
        self.statement = statement
        self.age = age
        self.left = left
        self.promised = promised
        self.version = version
        self.tags = tags


PRIVATE = Statement(private=True, max_age=None, s_maxage=None, flags=frozenset(), vary=frozenset())
"""What is assumed of a piece of which nothing is known, or that was made for one visitor."""


def piece_of(entry: Entry, now: float) -> Piece:
    """A stored response as a piece. now: epoch seconds."""
    statement = entry.statement
    if statement is None:
        statement = entry.statement = read_statement(entry.fields(), now)
    version = entry.version
    if not version:
        version = entry.version = blake2b(entry.body, digest_size=12).digest()
    return Piece(
        statement,
        age=now - entry.born,
        left=entry.fresh_until - now,
        promised=entry.explicit,
        version=version,
        tags=entry.tags,
    )


def piece_of_filling(filling: Filling, now: float) -> Piece:
    """A response that is being stored, its content not at hand yet: without a version."""
    terms = filling.terms
    return Piece(
        read_statement(filling.fields, now),
        age=now - terms.born,
        left=terms.born + terms.lifetime - now,
        promised=terms.explicit,
        version=b"",
        tags=filling.tags,
    )


def piece_of_page(pieces: Sequence[Piece], control: bytes, vary: frozenset[bytes], version: bytes, now: float) -> Piece:
    """An assembled page as a piece of another. control, vary: as `compose` gave them."""
    fields: Fields = [(b"cache-control", control)]
    if vary:
        fields.append((b"vary", b", ".join(sorted(vary))))
    return Piece(
        read_statement(fields, now),
        age=0.0,
        left=min(piece.left for piece in pieces),
        promised=True,
        version=version,
        tags=tuple(dict.fromkeys(tag for piece in pieces for tag in piece.tags)),
    )


UNKNOWN = Piece(PRIVATE, age=0.0, left=0.0, promised=True, version=b"")
"""A response for one visitor, or one of which nothing is known."""


def compose(pieces: Sequence[Piece], used: Iterable[str]) -> tuple[bytes, frozenset[bytes], int | None]:
    """Cache-Control, Vary, and the seconds that clients may keep it; None: not at all, since it is for one visitor.

    used: request fields that the page's variables read; "cookie" and "client" speak of the visitor.
    """
    names = set(used)
    if names & {"cookie", "client"} or any(piece.statement.private for piece in pieces):
        return b"private, no-store", frozenset(), None
    vary = {name.encode("latin-1") for name in names}
    flags: set[str] = set()
    lifetimes, shared, says_shared = [], [], False
    for piece in pieces:
        said = piece.statement
        vary |= said.vary
        flags |= said.flags
        own = piece.left if said.max_age is None and not piece.promised else (said.max_age or 0) - piece.age
        lifetimes.append(own)
        shared.append(own if said.s_maxage is None else said.s_maxage - piece.age)
        says_shared = says_shared or said.s_maxage is not None
    left = max(0, int(min(lifetimes)))
    words = [b"max-age=%d" % left]
    if says_shared:
        words.append(b"s-maxage=%d" % max(0, int(min(shared))))
    words += [flag.encode("ascii") for flag in _KEPT_FLAGS if flag in flags]
    return b", ".join(words), frozenset(vary), left


def entity_tag(versions: Iterable[bytes]) -> bytes:
    """One strong entity tag for all that went in, in its order. RFC 9110 §8.8.3."""
    digest = blake2b(digest_size=12)
    for version in versions:
        digest.update(len(version).to_bytes(4, "big"))
        digest.update(version)
    return b'"w' + digest.hexdigest().encode("ascii") + b'"'
