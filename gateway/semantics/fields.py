"""Lists, tokens and the fields that belong to one connection only (RFC 9110 §5.6, §7.6.1)."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet

from gateway.semantics.message import Fields, values

__all__ = ["HOP_BY_HOP", "connection_options", "end_to_end", "is_token", "list_members", "split_list"]

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"transfer-encoding",
        b"upgrade",
        # for this proxy alone, RFC 9110 §11.7; a cache must not store them, RFC 9111 §3.1
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
    }
)

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_MEMBER = re.compile(rb'(?:[^",]|"(?:[^"\\]|\\.)*"?)+')  # commas inside quoted strings do not separate


def is_token(text: bytes) -> bool:
    """RFC 9110 §5.6.2."""
    return _TOKEN.fullmatch(text) is not None


def split_list(value: bytes) -> list[bytes]:
    """Members of a list field value, blanks trimmed, empty ones dropped (RFC 9110 §5.6.1.2); quoted commas kept."""
    if b'"' not in value:
        return [member for part in value.split(b",") if (member := part.strip(b" \t"))]
    return [member for part in _MEMBER.findall(value) if (member := part.strip(b" \t"))]


def list_members(fields: Fields, name: bytes) -> list[bytes]:
    """All members of all fields of that name, in order."""
    return [member for value in values(fields, name) for member in split_list(value)]


def connection_options(fields: Fields) -> AbstractSet[bytes]:
    """Names that `Connection` lists, lower case."""
    listed = values(fields, b"connection")
    return {member.lower() for value in listed for member in split_list(value)} if listed else _NOTHING


_NOTHING: frozenset[bytes] = frozenset()

# What Connection may not be used to remove: the sender needs these to be seen by everyone on the path.
_PROTECTED = frozenset(
    {b"cache-control", b"content-length", b"content-type", b"cookie", b"host", b"authorization", b"set-cookie", b"vary", b"age"}
)


def end_to_end(fields: Fields) -> Fields:
    """fields without those of one connection and those that `Connection` names. RFC 9110 §7.6.1.

    A `Connection` that names a field everybody relies on (`Host`, `Cookie`, `Cache-Control`, ...) is not followed there:
    the RFC forbids to send that, and following it lets a client strip what the origin decides by.
    """
    listed = connection_options(fields)
    ends = HOP_BY_HOP | (listed - _PROTECTED) if listed else HOP_BY_HOP
    return [field for field in fields if field[0] not in ends]
