"""Which field governs a response here (RFC 9213), and its directives in one shape.

Precedence: targeted fields in the configured order (our own, then `CDN-Cache-Control`), then `Surrogate-Control` (the Edge Architecture
Specification's older idea of the same), then `Cache-Control` with `Expires` and `Pragma`. The first one that is present, not empty and valid
decides alone: a targeted field makes `Cache-Control` and `Expires` unseen (§2.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from gateway.semantics.cache_control import MAX_DELTA, parse_cache_control, parse_delta, quoted_names
from gateway.semantics.message import Section
from gateway.semantics.structured import parse_directives

__all__ = ["Directives", "governing_directives"]

_NUMBERS = ("max-age", "s-maxage", "stale-while-revalidate", "stale-if-error")
_FLAGS = ("no-store", "no-cache", "private", "public", "must-revalidate", "proxy-revalidate", "must-understand", "no-transform")


class Directives:
    """What the governing field says.

    source          its name; b"" when the response says nothing
    targeted        it is addressed to caches like us, not to all
    numbers         the lifetimes given, seconds; a malformed one counts as 0 (RFC 9111 §4.2.1: stale)
    flags           the unqualified directives present
    no_cache_fields, private_fields     names that the qualified forms list
    """

    __slots__ = ("flags", "no_cache_fields", "numbers", "private_fields", "source", "targeted")

    def __init__(self, source: bytes, numbers: dict[str, int], flags: frozenset[str], *, targeted: bool = False) -> None:
        self.source = source
        self.targeted = targeted
        self.numbers = numbers
        self.flags = flags
        self.no_cache_fields: frozenset[bytes] = frozenset()
        self.private_fields: frozenset[bytes] = frozenset()


def governing_directives(said: Section, targeted_fields: Sequence[bytes], *, surrogate_control: bool = True) -> Directives:
    """The directives that apply here. targeted_fields: names in order of precedence, lower case. Never raises.

    What is returned may be shared: a site says the same few things of all its pages, so each is read once.
    """
    for name in targeted_fields:
        if name in said and (value := said.joined(name)) and (directives := _targeted(name, value)) is not None:
            return directives
    if (
        surrogate_control
        and b"surrogate-control" in said
        and (value := said.joined(b"surrogate-control"))
        and (directives := _surrogate(value)) is not None
    ):
        return directives
    value = said.joined(b"cache-control")
    return _cache_control(value, said.joined(b"pragma") if value is None else None)


@lru_cache(maxsize=512)
def _targeted(name: bytes, value: bytes) -> Directives | None:
    parsed = parse_directives(value)
    if not parsed:
        return None  # invalid or empty: as if it were not there. RFC 9213 §2.2
    numbers = {}
    for directive in _NUMBERS:
        number = parsed.get(directive)
        if number is None:
            continue
        if isinstance(number, bool) or not isinstance(number, int):
            return None  # a value of the wrong type: the field is invalid. RFC 9213 §2.1
        numbers[directive] = max(0, min(number, MAX_DELTA))
    return Directives(name, numbers, frozenset(flag for flag in _FLAGS if parsed.get(flag)), targeted=True)


@lru_cache(maxsize=512)
def _surrogate(value: bytes) -> Directives | None:
    """`Surrogate-Control: max-age=600+60, no-store` (Edge Architecture §2.2): the number after + is how long it may be stale.

    A field that speaks only of content (`content="ESI/1.0"`) says nothing of storing, and so does not govern.
    """
    parsed = parse_cache_control(value.partition(b";")[0] if b";" in value and b'"' not in value else value)
    numbers: dict[str, int] = {}
    lifetime, plus, extension = (parsed.get("max-age") or "").partition("+")
    if (number := parse_delta(lifetime)) is not None:
        numbers["max-age"] = number
        if plus:
            numbers["stale-while-revalidate"] = parse_delta(extension) or 0
    flags = frozenset(flag for flag in ("no-store", "no-store-remote") if flag in parsed)
    if not numbers and not flags:
        return None
    return Directives(b"surrogate-control", numbers, frozenset({"no-store"}) if flags else frozenset(), targeted=True)


@lru_cache(maxsize=512)
def _cache_control(value: bytes | None, pragma: bytes | None) -> Directives:
    """pragma: looked at only where there is no Cache-Control."""
    parsed = parse_cache_control(value)
    if pragma and b"no-cache" in pragma.lower():
        # §5.4 defines Pragma for requests only; an origin that sends it means it, and obeying costs one validation
        parsed = {"no-cache": None}
    numbers = {name: parse_delta(parsed[name]) or 0 for name in _NUMBERS if name in parsed}
    qualified = {name for name in ("no-cache", "private") if parsed.get(name)}
    flags = frozenset(flag for flag in _FLAGS if flag in parsed and flag not in qualified)
    directives = Directives(b"cache-control" if parsed else b"", numbers, flags)
    directives.no_cache_fields = quoted_names(parsed, "no-cache")
    directives.private_fields = quoted_names(parsed, "private")
    return directives
