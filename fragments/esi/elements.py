"""The elements, as a table: what each needs, what it may have, where it stands. ESI 1.0 §3, and Akamai's additions below the line.

KNOWN_ELSEWHERE are elements of other houses that are met in pages and not done here.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

__all__ = ["ELEMENTS", "KNOWN_ELSEWHERE", "Element", "Kind"]


class Kind(Enum):
    """How an element ends."""

    VOID = "complete with its start tag, with or without a slash"
    CONTAINER = "until its end tag"
    RAW = "until its end tag, and nothing in it is looked at"
    INCLUDE = "with its start tag, or until its end tag if it has one"
    ASSIGN = "with its start tag if that has a value, else until its end tag"


class Element(NamedTuple):
    """One element.

    required, optional  names of attributes
    parent              the element that it must stand directly in
    inside              the element that it must stand in, at any depth
    children            the only elements that may stand directly in it; None: any content
    """

    kind: Kind
    required: tuple[str, ...] = ()
    optional: frozenset[str] = frozenset()
    parent: str | None = None
    inside: str | None = None
    children: frozenset[str] | None = None

    def knows(self, attribute: str) -> bool:
        """Whether the attribute means something on this element."""
        return attribute in self.optional or attribute in self.required


_FETCHING = frozenset({"alt", "onerror", "ttl", "maxwait", "no-store", "dca", "method", "entity"})
_INCLUDING = frozenset({"setheader", "appendheader", "removeheader", "required", "name"})
"""required and name are ours: the page fails with this include; its name in traces."""

ELEMENTS: Mapping[str, Element] = {
    "include": Element(Kind.INCLUDE, ("src",), _FETCHING | _INCLUDING),
    "inline": Element(Kind.CONTAINER, ("name",), frozenset({"fetchable"})),
    "choose": Element(Kind.CONTAINER, children=frozenset({"when", "otherwise"})),
    "when": Element(Kind.CONTAINER, ("test",), frozenset({"matchname"}), parent="choose"),
    "otherwise": Element(Kind.CONTAINER, parent="choose"),
    "try": Element(Kind.CONTAINER, children=frozenset({"attempt", "except"})),
    "attempt": Element(Kind.CONTAINER, parent="try"),
    "except": Element(Kind.CONTAINER, optional=frozenset({"type"}), parent="try"),
    "comment": Element(Kind.VOID, optional=frozenset({"text"})),
    "remove": Element(Kind.RAW),
    "vars": Element(Kind.CONTAINER, optional=frozenset({"name"})),
    # ────────────────────────────────────────────────────────────────────────────────────────────────
    "assign": Element(Kind.ASSIGN, ("name",), frozenset({"value"})),
    "eval": Element(Kind.VOID, ("src",), _FETCHING),
    "foreach": Element(Kind.CONTAINER, ("collection",), frozenset({"item"})),
    "break": Element(Kind.VOID, inside="foreach"),
    "function": Element(Kind.CONTAINER, ("name",)),
    "return": Element(Kind.VOID, ("value",), inside="function"),
    "text": Element(Kind.RAW),
}

KNOWN_ELSEWHERE: Mapping[str, str] = {
    "debug": "Akamai",
    "log": "Akamai",
    "param": "Fastly",
    "response-header": "Akamai",
    "request-header": "Akamai",
    "invalidate": "Oracle",
    "environment": "Oracle",
    "csi": "Squid",
}
