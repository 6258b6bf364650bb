"""The primary key: what names a stored response before anything is negotiated (RFC 9111 §2).

A key is a tuple, so its parts can't run into each other: ("ab", "c") is not ("a", "bc"). Method is not in it: GET and HEAD share, and nothing
else is answered from the cache. Scheme and host are in it because the origin is told both.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import translate
from typing import Literal, TypeAlias

__all__ = ["Crowd", "Key", "QueryRule", "key_text"]

Key: TypeAlias = tuple[bytes, bytes, bytes]
"""(scheme, host, path and query after normalisation)."""

Crowd: TypeAlias = tuple[Key, bool]
"""Who asks for what: a key, and whether the request carries what makes answers personal. What one visitor gets says nothing of what everybody gets."""

QueryMode: TypeAlias = Literal["all", "keep", "drop", "none"]


class QueryRule:
    """Which parameters of a query count. Applied to the key and to what the origin gets alike, so that neither can tell what the other can't.

    mode    all: every one; keep: only those named; drop: all but those named; none: no query at all
    names   globs, case-sensitive, e.g. utm_*
    sort    order of parameters does not matter (repeated ones keep theirs among themselves)
    """

    __slots__ = ("_matches", "changes", "mode", "sort")

    def __init__(self, mode: QueryMode = "all", names: Sequence[str] = (), *, sort: bool = False) -> None:
        self.mode = mode
        self.sort = sort
        self._matches = re.compile("|".join(translate(name) for name in names) or r"(?!)").match
        self.changes = mode != "all" or sort

    def apply(self, target: bytes) -> bytes:
        """The request target as it counts. A query that loses all its parameters loses its question mark too."""
        path, mark, query = target.partition(b"?")
        if not mark or not self.changes:
            return target
        if self.mode == "none":
            return path
        parameters = query.split(b"&")
        if self.mode != "all":
            wanted = self.mode == "keep"
            parameters = [one for one in parameters if one and (self._matches(_name(one)) is not None) is wanted]
        if self.sort:
            parameters.sort(key=lambda one: one.partition(b"=")[0])
        rest = b"&".join(parameters)
        return path + b"?" + rest if rest else path


def _name(parameter: bytes) -> str:
    return parameter.partition(b"=")[0].decode("latin-1")


def key_text(key: Key) -> str:
    """For people: logs, `weft explain`, the debug header."""
    scheme, host, target = key
    return f"{scheme.decode()}://{host.decode('latin-1')}{target.decode('latin-1')}"
