"""Octets in any cuts → tokens: text, and ESI's tags. What a tag means is the parser's business; where one begins and ends is decided here.

    content     until <esi: or </esi:  ▶ tag
                      <!--esi          ▶ content, and the next --> outside of a tag is dropped
                      <!--             ▶ comment: text until -->
                      <![CDATA[        ▶ text until ]]>
    raw         until the end tag of the element that the parser said (and start tags of the same, for remove)
    tag         until a > outside of quotes; quotes are such only after =
    skip        until any >, after a tag that was too long

Linear in the input, however it is cut: an octet is looked at once by each search. What is held back between two cuts is a possible beginning
of a marker (at most a dozen octets) or an unfinished tag (at most max_tag_bytes).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from fragments.esi.errors import ERROR, WARNING, Place, ProblemList
from fragments.esi.tags import Tag, read_tag

__all__ = ["Lexer", "TextToken", "Token"]


class TextToken:
    """Octets that are not ESI's. start: octets from the beginning of the page."""

    __slots__ = ("data", "start")

    def __init__(self, data: bytes, start: int) -> None:
        self.data = data
        self.start = start


Token = TextToken | Tag

_MARKER = re.compile(rb"<(?:/?esi:|!--|!\[CDATA\[)")
_MARKER_IN_ESI_COMMENT = re.compile(rb"<(?:/?esi:|!--esi|!\[CDATA\[)|-->")
_ESI_COMMENT = re.compile(rb"<!--esi(?![A-Za-z0-9_:.]|-(?!->))")
_UNDECIDED = b"<!--esi--"
"""A beginning of this may become an ESI comment or another one."""
_CDATA_END = re.compile(rb"\]\]>")
_CDATA_END_IN_ESI_COMMENT = re.compile(rb"\]\]>|-->")
_COMMENT_END = re.compile(rb"-->")
_RAW = {
    "text": re.compile(rb"</esi:text(?=[\s/>])"),
    "remove": re.compile(rb"</?esi:remove(?=[\s/>])"),
}
_RAW_MARKERS = {"text": (b"</esi:text",), "remove": (b"<esi:remove", b"</esi:remove")}
_EQUALS_OR_END = re.compile(rb"[=>]")
_NOT_SPACE = re.compile(rb"[^\s]")


def _beginnings(*markers: bytes) -> frozenset[bytes]:
    return frozenset(marker[:length] for marker in markers for length in range(1, len(marker) + 1))


_MARKER_BEGINNINGS = _beginnings(b"<esi:", b"</esi:", b"<!--esi", b"<![CDATA[")
_RAW_BEGINNINGS = {name: _beginnings(*markers) for name, markers in _RAW_MARKERS.items()}

# States of a tag's scan; a quotation mark is its own state.
_OUTSIDE = b""
_AFTER_EQUALS = b"="


class Lexer:
    """Cuts a page into tokens. Between two tokens the parser may enter or leave raw content.

    found   how many elements and ESI comments have begun so far
    """

    __slots__ = (
        "_at",
        "_base",
        "_buffer",
        "_esi_comment",
        "_is_final",
        "_length",
        "_line",
        "_line_start",
        "_max_attributes",
        "_max_tag",
        "_mode",
        "_pieces",
        "_problems",
        "_raw",
        "_state",
        "_tag_place",
        "found",
    )

    def __init__(self, problems: ProblemList, *, max_tag_bytes: int, max_attributes: int) -> None:
        self._problems = problems
        self._max_tag = max_tag_bytes
        self._max_attributes = max_attributes
        self._buffer = b""
        self._base = 0  # octets of the page before the buffer
        self._at = 0
        self._line = 1
        self._line_start = 0
        self._is_final = False
        self._mode: Callable[[], Token | bool] = self._content
        self._raw: str | None = None
        self._esi_comment: Place | None = None
        self._pieces: list[bytes] = []
        self._length = 0
        self._state = _OUTSIDE
        self._tag_place = Place(0, 1, 1)
        self.found = 0

    @property
    def position(self) -> int:
        """Octets of the page that have become tokens."""
        return self._base + self._at

    @property
    def place(self) -> Place:
        """Where the next token begins."""
        offset = self._base + self._at
        return Place(offset, self._line, offset - self._line_start + 1)

    def feed(self, data: bytes) -> None:
        """More of the page."""
        self._base += self._at
        self._buffer = self._buffer[self._at :] + data if self._at < len(self._buffer) else data
        self._at = 0

    def tokens(self, *, final: bool = False) -> Iterator[Token]:
        """What can be told by now; with final, the rest."""
        self._is_final = final
        while (token := self._mode()) is not False:
            if token is not True:
                yield token
        if final and self._esi_comment is not None:
            self._problems.add(
                "unclosed-element", "<!--esi has no end: expected -->", self._esi_comment, self._esi_comment.offset + 7
            )
            self._esi_comment = None

    def enter_raw(self, name: str) -> None:
        """From here to the end tag of this element nothing is looked at."""
        self._raw = name
        self._mode = self._raw_content

    def leave_raw(self) -> None:
        """The end tag has come."""
        self._raw = None
        self._mode = self._content

    # ── Passing by ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _pass(self, end: int) -> None:
        """Go to end, counting lines on the way."""
        lines = self._buffer.count(b"\n", self._at, end)
        if lines:
            self._line += lines
            self._line_start = self._base + self._buffer.rfind(b"\n", self._at, end) + 1
        self._at = end

    def _text(self, end: int) -> TextToken:
        token = TextToken(self._buffer[self._at : end], self._base + self._at)
        self._pass(end)
        return token

    def _text_or_wait(self, end: int) -> TextToken | bool:
        return self._text(end) if end > self._at else False

    def _held_from(self, beginnings: frozenset[bytes], longest: int, scanned: int) -> int:
        """Where at the end of the buffer, and not before scanned, a marker may have begun."""
        end = len(self._buffer)
        start = self._buffer.rfind(b"<", max(scanned, end - longest))
        return start if start >= 0 and self._buffer[start:] in beginnings else end

    def _held_dashes(self, beginning: bytes) -> int:
        """Where at the end of the buffer the end of a comment, or of CDATA, may have begun."""
        end = len(self._buffer)
        for length in (2, 1):
            if end - length >= self._at and self._buffer.endswith(beginning[:length]):
                return end - length
        return end

    # ── Modes: each yields a token, or True to go on, or False to wait for more ──────────────────────────────────────────────────

    def _content(self) -> Token | bool:
        buffer, at = self._buffer, self._at
        match, scanned = self._find_marker()
        if match is None:
            if self._is_final:
                return self._text_or_wait(len(buffer))
            end = self._held_from(_MARKER_BEGINNINGS, 9, scanned)
            return self._text_or_wait(end if self._esi_comment is None else min(end, self._held_dashes(b"--")))
        if match.start() > at:
            return self._text(match.start())
        found = match[0]
        if found.endswith(b"esi:"):
            if found[1] != 0x2F:
                self.found += 1
            return self._begin_tag()
        if found == b"-->":
            self._esi_comment = None
            self._pass(at + 3)
            return True
        if found == b"<![CDATA[":
            self._mode = self._cdata
            return self._text(at + 9)
        return self._begin_comment()

    def _find_marker(self) -> tuple[re.Match[bytes] | None, int]:
        """The next marker that is more than a whole comment, which is but text; and how far there is none."""
        buffer, scanned = self._buffer, self._at
        if self._esi_comment is not None:
            return _MARKER_IN_ESI_COMMENT.search(buffer, scanned), scanned
        while True:
            match = _MARKER.search(buffer, scanned)
            if match is None or match[0] != b"<!--" or buffer.startswith(b"esi", match.end()):
                return match, scanned
            end = buffer.find(b"-->", match.start() + 2)
            if end < 0:
                return match, scanned
            scanned = end + 3

    def _begin_comment(self) -> Token | bool:
        at = self._at
        if not self._is_final and _UNDECIDED.startswith(self._buffer[at : at + 10]):
            return False
        if _ESI_COMMENT.match(self._buffer, at) is None:
            if self._esi_comment is None:
                self._mode = self._comment
                return self._text(at + 2)  # <!--> and <!---> are whole comments: their end is looked for from the first dash on
            return self._text(at + 4)
        self.found += 1
        if self._esi_comment is None:
            self._esi_comment = self.place
        else:
            self._problems.add(
                "misplaced-element", "<!--esi inside of another: the first --> ends it", self.place, self.position + 7, WARNING
            )
        self._pass(at + 7)
        return True

    def _comment(self) -> Token | bool:
        return self._until(_COMMENT_END, b"--")

    def _cdata(self) -> Token | bool:
        if self._esi_comment is None:
            return self._until(_CDATA_END, b"]]")
        match = _CDATA_END_IN_ESI_COMMENT.search(self._buffer, self._at)
        if match is not None:
            self._mode = self._content
            if match[0] == b"-->":  # the ESI comment ends here too, and content drops the mark
                return self._text(match.start()) if match.start() > self._at else True
            return self._text(match.end())
        if self._is_final:
            return self._text_or_wait(len(self._buffer))
        return self._text_or_wait(min(self._held_dashes(b"]]"), self._held_dashes(b"--")))

    def _until(self, ending: re.Pattern[bytes], beginning: bytes) -> Token | bool:
        match = ending.search(self._buffer, self._at)
        if match is not None:
            self._mode = self._content
            return self._text(match.end())
        return self._text_or_wait(len(self._buffer) if self._is_final else self._held_dashes(beginning))

    def _raw_content(self) -> Token | bool:
        assert self._raw is not None
        match = _RAW[self._raw].search(self._buffer, self._at)
        if match is not None:
            return self._text(match.start()) if match.start() > self._at else self._begin_tag()
        return self._text_or_wait(
            len(self._buffer) if self._is_final else self._held_from(_RAW_BEGINNINGS[self._raw], 12, self._at)
        )

    # ── Tags ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _begin_tag(self) -> bool:
        self._tag_place = self.place
        self._pieces = []
        self._length = 0
        self._state = _OUTSIDE
        self._mode = self._tag
        return True

    def _after_tag(self) -> None:
        self._pieces = []
        self._mode = self._content if self._raw is None else self._raw_content

    def _tag(self) -> Token | bool:
        start = self._at
        window = min(len(self._buffer), start + self._max_tag - self._length)
        end = self._scan(start, window)
        stop = window if end < 0 else end
        self._pieces.append(self._buffer[start:stop])
        self._length += stop - start
        self._pass(stop)
        if end >= 0:
            data = b"".join(self._pieces)
            self._after_tag()
            return read_tag(data, self._tag_place, self._problems, self._max_attributes)
        if self._length >= self._max_tag:
            message = f"a tag has at most {self._max_tag:,} octets: this one is dropped up to the next >"
            self._problems.add("tag-too-long", message, self._tag_place, self.position, ERROR)
            self._pieces = []
            self._mode = self._skip
            return True
        if self._is_final:
            self._problems.add(
                "unterminated-tag", "the page ends inside of a tag: expected >", self._tag_place, self.position, ERROR
            )
            self._after_tag()
        return False

    def _scan(self, at: int, end: int) -> int:
        """Where the tag is over, behind its >; -1 when not before end. Keeps in mind whether it stopped inside of quotes."""
        buffer, state = self._buffer, self._state
        while at < end:
            if state == _OUTSIDE:
                match = _EQUALS_OR_END.search(buffer, at, end)
                if match is None:
                    break
                at = match.end()
                if match[0] == b">":
                    return at
                state = _AFTER_EQUALS
            elif state == _AFTER_EQUALS:
                match = _NOT_SPACE.search(buffer, at, end)
                if match is None:
                    break
                at = match.end()
                if match[0] == b">":
                    return at
                state = match[0] if match[0] in b"\"'" else _OUTSIDE
            else:
                closing = buffer.find(state, at, end)
                if closing < 0:
                    break
                at = closing + 1
                state = _OUTSIDE
        self._state = state
        return -1

    def _skip(self) -> bool:
        end = self._buffer.find(b">", self._at)
        self._pass(len(self._buffer) if end < 0 else end + 1)
        if end >= 0:
            self._after_tag()
        return end >= 0
