"""Where in an HTML page one stands: among text, in a tag, in a script, in the head. Text comes in any cuts. No tree is built.

Enough to escape request text rightly, and to know where elements may stand, so that a piece of the page may follow later. The states are those of
the HTML Standard's tokenizer (§13.2.5) as far as they tell a script from other text. Where its tree construction would have a say (what is inside of
svg, math, or an element that is text or not, depending on where it stands), and inside of what is only text here (a comment, an attribute's value:
srcdoc), `<script` counts as the beginning of a script: text that is escaped for a script does no harm elsewhere, the other way round it does. One thing is not seen:
a script in svg whose text has a tag with `</script` in an attribute.
"""

from __future__ import annotations

import re
from enum import Enum

__all__ = ["HtmlPlace"]

_RAW = ("title", "textarea", "style", "xmp", "iframe", "noembed", "noframes")
"""Elements whose content is text. §13.2.6.4.4, .7"""
_NO_FLOW = frozenset({"template", "select", "svg", "math", "noscript"})
"""Elements with elements in them, in which a marker would be misplaced."""
_SELF_CLOSING = frozenset({"svg", "math"})
"""Of these, a slash in the start tag means something."""

_OPEN = re.compile(rb"<(?:[A-Za-z]|/[A-Za-z]|/|!|\?)")
_UNDECIDED = re.compile(rb"<(?:/|!-?|!--|!---)?\Z")
_ATTRIBUTE = rb"(?:=[^\s/>=]*+|[^\s/>=]++)(?:\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+'|[^\s\"'>][^\s>]*+|(?=>))|(?!\s*=))"
_TAG = re.compile(rb"<(/?)([A-Za-z][^\s/>]*+)((?:[\s/]++|" + _ATTRIBUTE + rb")*+)>")
"""A tag that is there from its beginning to its end."""
_NAME = re.compile(rb"[^\s/>]*+")
_MAX_NAME = 64
_SCRIPT = rb"<(/?)script(?=[\s/>])"
_IN_SCRIPT = re.compile(rb"<!--|--!?>|<!\[CDATA\[|\]\]>|" + _SCRIPT, re.IGNORECASE)
_IN_COMMENT = re.compile(rb"(--!?>)|" + _SCRIPT, re.IGNORECASE)
_IN_RAW = {name: re.compile(rb"(</" + name.encode("ascii") + rb"(?=[\s/>]))|" + _SCRIPT, re.IGNORECASE) for name in _RAW}
_IN_QUOTES = {quote: re.compile(rb"(" + quote + rb")|" + _SCRIPT, re.IGNORECASE) for quote in (b'"', b"'")}
_LONGEST = 10
"""Octets of the longest marker in these, less one and what follows it."""


class _State(Enum):
    TEXT = 1
    BOGUS = 2  # up to the next >
    COMMENT = 3
    RAW = 4
    SCRIPT = 5
    TAG_NAME = 6
    BEFORE_ATTRIBUTE = 7
    ATTRIBUTE = 8
    AFTER_ATTRIBUTE = 9
    BEFORE_VALUE = 10
    QUOTED = 11
    UNQUOTED = 12


class _Escape(Enum):
    """What is around us in a script, so that an end tag may not be one. §13.2.5.20, .27; in svg and math a script's content is markup."""

    NONE = 1
    ONCE = 2  # behind <!--
    TWICE = 3  # and behind a further <script
    HIDDEN = 4  # svg: in a comment
    DATA = 5  # svg: in character data


_VALUE_STATES = frozenset({_State.BEFORE_VALUE, _State.UNQUOTED, _State.QUOTED})
_BARE_STATES = frozenset(
    {
        _State.TAG_NAME,
        _State.BEFORE_ATTRIBUTE,
        _State.ATTRIBUTE,
        _State.AFTER_ATTRIBUTE,
        _State.BEFORE_VALUE,
        _State.UNQUOTED,
    }
)
_CODE = (b"on", b"srcdoc")
"""How names of attributes begin that hold code, or a page."""
_TEXT_STATES = frozenset({_State.COMMENT, _State.RAW, _State.SCRIPT, _State.QUOTED})

_NEXT = {
    _State.BEFORE_ATTRIBUTE: re.compile(rb"[^\s/]"),
    _State.ATTRIBUTE: re.compile(rb"[\s/>=]"),
    _State.AFTER_ATTRIBUTE: re.compile(rb"[^\s]"),
    _State.BEFORE_VALUE: re.compile(rb"[^\s]"),
    _State.UNQUOTED: re.compile(rb"[\s>]"),
}
"""What ends the stretch that a state is about."""


class HtmlPlace:
    """Fed with a page's text, it knows where the next octet stands."""

    __slots__ = (
        "_attribute",
        "_escape",
        "_has_body",
        "_hint",
        "_is_end",
        "_is_page",
        "_name",
        "_open",
        "_quote",
        "_raw",
        "_slash",
        "_state",
        "_tail",
    )

    def __init__(self) -> None:
        self._state = _State.TEXT
        self._tail = b""  # octets that may be the beginning of a marker
        self._name = b""  # of the tag that is being read
        self._attribute = b""  # of the attribute
        self._is_end = False
        self._slash = False  # was the last thing in it
        self._quote = b""
        self._raw = ""
        self._escape = _Escape.NONE
        self._hint = False  # <script in what is text here
        self._open: dict[str, int] = {}  # elements of _NO_FLOW
        self._has_body = False
        self._is_page = False

    @property
    def in_script(self) -> bool:
        """Text here is JavaScript, or might be; or it is decoded as an attribute's value and then read once more."""
        if self._state in _VALUE_STATES and self._attribute.lower().startswith(_CODE):
            return True
        return self._state is _State.SCRIPT or self._hint

    @property
    def is_flow(self) -> bool:
        """Elements may stand here: in the body, not in a tag or comment, and in no element whose content is text."""
        return self._state is _State.TEXT and not (self._tail or self._open) and (self._has_body or not self._is_page)

    @property
    def in_bare_value(self) -> bool:
        """In a tag, outside of quotes: a blank or a sign of equality would begin something else."""
        return self._state in _BARE_STATES

    def pass_unknown(self) -> None:
        """Something is written here of which only the escaping is known."""
        if self._state is _State.BEFORE_VALUE:
            self._state = _State.UNQUOTED
        elif self._state in (_State.BEFORE_ATTRIBUTE, _State.AFTER_ATTRIBUTE):
            self._state = _State.ATTRIBUTE

    def feed(self, data: bytes) -> None:
        """The next text of the page."""
        text = self._tail + data
        self._tail = b""
        at = 0
        while at < len(text):
            if self._state is _State.TEXT:
                at = self._pass_text(text, at)
            elif self._state in _TEXT_STATES:
                at = self._pass_marked(text, at)
            else:
                at = self._pass_tag(text, at)

    def _wait(self, text: bytes, at: int) -> int:
        """Look at the rest again when there is more."""
        self._tail = text[at:]
        return len(text)

    # ── Text ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _pass_text(self, text: bytes, at: int) -> int:
        undecided = _UNDECIDED.search(text, max(at, len(text) - 5))
        opening = _OPEN.search(text, at)
        if undecided is not None and (opening is None or opening.start() >= undecided.start()):
            return self._wait(text, undecided.start())
        if opening is None:
            return len(text)
        start = opening.start()
        if text.startswith(b"<!--", start):
            for end in (b"<!-->", b"<!--->"):
                if text.startswith(end, start):
                    return start + len(end)
            self._state = _State.COMMENT
            return start + 4
        if not text[opening.end() - 1 : opening.end()].isalpha():
            self._state = _State.BOGUS
            return start + 1
        tag = _TAG.match(text, start)
        if tag is not None:
            self._name, self._is_end = tag[2][:_MAX_NAME], bool(tag[1])
            self._slash = tag[3].endswith(b"/") and not _ends_in_value(tag[3])
            self._end_tag()
            return tag.end()
        self._begin_tag(is_end=text.startswith(b"/", start + 1))
        return opening.end() - 1

    # ── Comments, scripts, elements whose content is text, quoted values ─────────────────────────────────────────────────────────

    def _pass_marked(self, text: bytes, at: int) -> int:
        found = self._marks().search(text, at)
        if found is None:
            return self._wait(text, max(at, len(text) - _LONGEST))
        if self._state is _State.SCRIPT:
            return self._in_script_at(found)
        if found[1] is None:
            self._hint = not found[2]
            return found.end()
        self._hint = False
        if self._state is _State.QUOTED:
            self._state = _State.BEFORE_ATTRIBUTE
        elif self._state is _State.COMMENT:
            self._state = _State.TEXT
        else:
            self._begin_tag(is_end=True)
            self._name = self._raw.encode("ascii")
        return found.end()

    def _marks(self) -> re.Pattern[bytes]:
        match self._state:
            case _State.SCRIPT:
                return _IN_SCRIPT
            case _State.COMMENT:
                return _IN_COMMENT
            case _State.RAW:
                return _IN_RAW[self._raw]
            case _:
                return _IN_QUOTES[self._quote]

    def _in_script_at(self, found: re.Match[bytes]) -> int:
        is_foreign = not self._open.keys().isdisjoint(_SELF_CLOSING)
        match found[0], self._escape:
            case b"<!--", _Escape.NONE:
                self._escape = _Escape.HIDDEN if is_foreign else _Escape.ONCE
                return found.start() + 2  # <!--> ends at once what it begins
            case b"<![CDATA[", _Escape.NONE if is_foreign:
                self._escape = _Escape.DATA
            case (b"-->", _Escape.ONCE | _Escape.TWICE | _Escape.HIDDEN) | (b"--!>", _Escape.HIDDEN) | (b"]]>", _Escape.DATA):
                self._escape = _Escape.NONE
            case _, _ if found[1] is None:
                pass
            case _, _Escape.ONCE if not found[1]:
                self._escape = _Escape.TWICE
            case _, _Escape.TWICE if found[1]:
                self._escape = _Escape.ONCE
            case _, _Escape.NONE | _Escape.ONCE if found[1]:
                self._begin_tag(is_end=True)
                self._name = b"script"
        return found.end()

    # ── Tags ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _begin_tag(self, *, is_end: bool) -> None:
        self._state, self._name, self._is_end, self._slash = _State.TAG_NAME, b"", is_end, False

    def _pass_tag(self, text: bytes, at: int) -> int:
        state = self._state
        if state is _State.TAG_NAME:
            found = _NAME.match(text, at)
            assert found is not None
            self._name = (self._name + found[0])[:_MAX_NAME]
            if found.end() < len(text):
                self._state = _State.BEFORE_ATTRIBUTE
            return found.end()
        if state is _State.BOGUS:
            end = text.find(b">", at)
            if end < 0:
                return len(text)
            self._state = _State.TEXT
            return end + 1
        ending = _NEXT[state].search(text, at)
        stretch = text[at : ending.start() if ending is not None else len(text)]
        if stretch and state in (_State.BEFORE_ATTRIBUTE, _State.AFTER_ATTRIBUTE):
            self._slash = stretch.endswith(b"/")
        elif state is _State.ATTRIBUTE:
            self._attribute = (self._attribute + stretch)[:_MAX_NAME]
        if ending is None:
            return len(text)
        return self._at_sign(state, ending[0], ending.start())

    def _at_sign(self, state: _State, sign: bytes, at: int) -> int:
        """A sign that ends a stretch inside of a tag."""
        if sign == b">":
            self._end_tag()
            return at + 1
        match state:
            case _State.BEFORE_ATTRIBUTE:  # a name begins, also with =
                self._state, self._slash, self._attribute = _State.ATTRIBUTE, False, sign
                return at + 1
            case _State.ATTRIBUTE | _State.AFTER_ATTRIBUTE:
                if sign == b"=":
                    self._state = _State.BEFORE_VALUE
                    return at + 1
                if state is _State.ATTRIBUTE and sign != b"/":
                    self._state = _State.AFTER_ATTRIBUTE
                else:
                    self._state = _State.BEFORE_ATTRIBUTE
            case _State.BEFORE_VALUE:
                if sign in (b'"', b"'"):
                    self._state, self._quote = _State.QUOTED, sign
                    return at + 1
                self._state = _State.UNQUOTED
            case _:
                self._state = _State.BEFORE_ATTRIBUTE
        return at

    def _end_tag(self) -> None:
        name = self._name.decode("ascii", "replace").lower()
        self._state, self._hint = _State.TEXT, False
        if self._is_end:
            if name in self._open:
                self._open[name] -= 1
                if not self._open[name]:
                    del self._open[name]
        elif name == "script":
            self._state, self._escape = _State.SCRIPT, _Escape.NONE
        elif name in _RAW:
            self._state, self._raw = _State.RAW, name
        elif name in _NO_FLOW:
            if not (self._slash and name in _SELF_CLOSING):
                self._open[name] = self._open.get(name, 0) + 1
        elif name in ("html", "head"):
            self._is_page = True
        elif name == "body":
            self._has_body = True


def _ends_in_value(attributes: bytes) -> bool:
    """Whether a slash at the end belongs to a value without quotes."""
    return re.search(rb"=\s*[^\s\"'>][^\s>]*\Z", attributes) is not None
