"""Where in an HTML page one stands: among text, in a tag, in a script, in the head. No HTML parser; text comes in any cuts.

Enough to escape request text rightly, and to know where elements may stand, so that a piece of the page may follow later.
"""

from __future__ import annotations

import re

__all__ = ["HtmlPlace"]

_RAW = ("script", "style", "textarea", "title", "iframe", "noscript", "template", "xmp", "select", "svg", "math")
"""Elements in which a marker would be text, or be misplaced."""
_TAG = re.compile(
    rb"<!--.*?-->|<(/?)([A-Za-z][A-Za-z0-9:-]*)((?:[^>\"']|\"[^\"]*\"|'[^']*')*)>",
    re.DOTALL,
)
_OPEN = re.compile(rb"<(?:/?[A-Za-z]|!--)")
_NAME = re.compile(rb"<([A-Za-z][A-Za-z0-9:-]*)")
_HELD = 2_048
"""Octets of an unfinished tag that are looked at again with what follows; of a longer one, the next > is taken for its end."""
_ENDS = {name: re.compile(rb"</" + name.encode("ascii") + rb"(?=[\s/>])[^>]*>", re.IGNORECASE) for name in _RAW}
_LONGEST_END = 64


class HtmlPlace:
    """Fed with a page's text, it knows where the next octet stands."""

    __slots__ = ("_has_body", "_held", "_in_long_tag", "_inside", "_is_page", "_tail")

    def __init__(self) -> None:
        self._held = b""  # an unfinished tag or comment
        self._tail = b""  # the end of a raw element's text: an end tag may have begun in it
        self._inside = ""  # the raw element that is open
        self._has_body = False
        self._is_page = False
        self._in_long_tag = False

    @property
    def in_script(self) -> bool:
        """Text here is JavaScript."""
        return self._inside == "script"

    @property
    def is_flow(self) -> bool:
        """Elements may stand here: in the body, not in a tag or comment, and in no element whose content is text."""
        return not (self._inside or self._held or self._in_long_tag) and (self._has_body or not self._is_page)

    def feed(self, data: bytes) -> None:
        """The next text of the page."""
        text = self._tail + data if self._inside else self._held + data
        self._held = self._tail = b""
        at: int | None = 0
        if self._in_long_tag:
            end = text.find(b">")
            if end < 0:
                return
            self._in_long_tag = False
            at = end + 1
        while at is not None:
            at = self._leave(text, at) if self._inside else self._read_tag(text, at)

    def _leave(self, text: bytes, at: int) -> int | None:
        """To behind the end tag of the raw element."""
        found = _ENDS[self._inside].search(text, at)
        if found is None:
            self._tail = text[max(at, len(text) - _LONGEST_END) :]
            return None
        self._inside = ""
        return found.end()

    def _read_tag(self, text: bytes, at: int) -> int | None:
        """To behind the next tag or comment."""
        opening = _OPEN.search(text, at)
        if opening is None:
            self._held = text[-1:] if text.endswith(b"<") and len(text) > at else b""
            return None
        found = _TAG.match(text, opening.start())
        if found is None:
            self._in_long_tag = len(text) - opening.start() > _HELD
            self._held = b"" if self._in_long_tag else text[opening.start() :]
            if self._in_long_tag and (name := _NAME.match(text, opening.start())) is not None:
                self._begin(name[1].decode("ascii").lower(), b"")
            return None
        if found[2] is not None and not found[1]:
            self._begin(found[2].decode("ascii").lower(), found[3])
        return found.end()

    def _begin(self, name: str, attributes: bytes) -> None:
        if name in ("html", "head"):
            self._is_page = True
        elif name == "body":
            self._has_body = True
        elif name in _RAW and not attributes.endswith(b"/"):
            self._inside = name
