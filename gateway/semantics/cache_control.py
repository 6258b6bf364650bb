"""`Cache-Control`: directives of requests and responses (RFC 9111 §5.2), before anyone asks what they mean."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gateway.semantics.fields import split_list

__all__ = ["MAX_DELTA", "parse_cache_control", "parse_delta", "quoted_names"]

MAX_DELTA = 2**31  # larger values count as this one. RFC 9111 §1.2.2

_DIRECTIVE = re.compile(rb'([!#$%&\'*+\-.^_`|~0-9A-Za-z]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([^"\s,;]*)))?')


def parse_cache_control(value: bytes | None) -> dict[str, str | None]:
    """Directive names in lower case → argument (unquoted) or None. Never raises.

    Members that are no directive (`max-age =1`) are passed over. Of directives given twice the first counts for a
    lifetime (§4.2.1 leaves it open), and an unqualified one beats a qualified (`no-cache="a", no-cache`).
    """
    directives: dict[str, str | None] = {}
    for member in split_list(value) if value else ():
        found = _DIRECTIVE.fullmatch(member)
        if found is None:
            continue
        name = found[1].decode("ascii").lower()
        quoted, token = found[2], found[3]
        argument = re.sub(rb"\\(.)", rb"\1", quoted) if quoted is not None else token
        text = None if argument is None else argument.decode("latin-1")
        if name not in directives or text is None:
            directives[name] = text
    return directives


def parse_delta(text: str | None) -> int | None:
    """delta-seconds, capped at MAX_DELTA; None when it is no non-negative integer. RFC 9111 §1.2.2."""
    if text is None or not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0") or "0"  # int() refuses thousands of digits, even of zeros
    return MAX_DELTA if len(digits) > 10 else min(int(digits), MAX_DELTA)


def quoted_names(directives: Mapping[str, str | None], name: str) -> frozenset[bytes]:
    """Field names that a qualified `no-cache="…"` or `private="…"` lists, lower case; empty when unqualified or absent."""
    argument = directives.get(name)
    if not argument:
        return frozenset()
    return frozenset(member.lower() for member in split_list(argument.encode("latin-1")))
