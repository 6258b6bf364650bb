"""The secondary key: which of several stored responses of one primary key suits a request (RFC 9111 §4.1).

Compared is what the *origin* was sent, after our own normalisation, since that is what it decided by.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

from gateway.semantics.fields import split_list
from gateway.semantics.message import Fields, Section, joined
from gateway.semantics.negotiation import normal_languages, normal_list

__all__ = ["ANY", "NominatedValues", "VaryNames", "nominated_values", "parse_vary"]

VaryNames: TypeAlias = tuple[bytes, ...]
"""Field names that `Vary` lists, lower case, sorted, each once; () for none."""

NominatedValues: TypeAlias = tuple[bytes | None, ...]
"""The normalised request values, in the order of the names; None where the request lacks the field."""

ANY: VaryNames = (b"*",)
"""Varies on what no cache can see: never matches."""


_IN_THE_KEY = frozenset({b"host", b"x-forwarded-host", b"x-forwarded-proto", b"surrogate-capability"})
"""What the origin is told of scheme, host and our abilities is a function of the primary key: no two requests of one key differ there."""


def parse_vary(said: Section) -> VaryNames:
    """`Vary` of a response, less what the primary key holds; ANY as soon as one member is `*`."""
    value = said.joined(b"vary")
    return () if value is None else _names(value)


@lru_cache(maxsize=512)
def _names(value: bytes) -> VaryNames:
    names = {member.lower() for member in split_list(value)}
    return ANY if b"*" in names else tuple(sorted(names - _IN_THE_KEY))


def nominated_values(names: VaryNames, sent: Fields) -> NominatedValues:
    """What the request fields say on each name, in one spelling each.

    sent: the request fields as the origin gets them.
    """
    return tuple([_normal(name, joined(sent, name)) for name in names])


def _normal(name: bytes, value: bytes | None) -> bytes | None:
    if value is None:
        return None
    if name == b"accept-language":
        return normal_languages(value)
    if name == b"cookie":
        return value  # every octet may matter, and a comma separates nothing there
    return normal_list(value)
