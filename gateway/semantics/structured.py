"""Structured fields (RFC 9651) as far as the gateway reads them: dictionaries of cache directives, and lists of strings.

The parser is http-sf; this page only says what of its values we take.
"""

from __future__ import annotations

import http_sf

__all__ = ["parse_directives", "parse_strings"]


def parse_directives(value: bytes) -> dict[str, int | bool | str] | None:
    """A dictionary field of cache directives (RFC 9213 §2.1), or None when it is not a valid one and so must be ignored.

    Keys → integer, boolean, or text for tokens. Parameters are ignored (§2.1). A directive whose value has a type that it may not
    have makes the whole field invalid for the caller: such values come as they are, as str for strings.
    """
    try:
        parsed = http_sf.parse(value, tltype="dictionary")
    except (http_sf.StructuredFieldError, ValueError):
        return None
    directives: dict[str, int | bool | str] = {}
    assert isinstance(parsed, dict)
    for key, member in parsed.items():
        bare = member[0] if isinstance(member, tuple) else member
        directives[key] = bare if isinstance(bare, (bool, int)) else str(bare)
    return directives


def parse_strings(value: bytes) -> list[str] | None:
    """A list of strings, as `Cache-Groups` is (RFC 9875 §2); None when it is not valid."""
    try:
        parsed = http_sf.parse(value, tltype="list")
    except (http_sf.StructuredFieldError, ValueError):
        return None
    assert isinstance(parsed, list)
    strings = [member[0] if isinstance(member, tuple) else member for member in parsed]
    return [text for text in strings if type(text) is str]
