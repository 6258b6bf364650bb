"""The chunked transfer coding, undone as the bytes come. RFC 9112 §7.1.

    chunk          = 1*16HEXDIG [ BWS ";" extensions ] CRLF data CRLF
    last-chunk     = 1*16"0"    [ BWS ";" extensions ] CRLF trailer-section CRLF

Extensions are checked for length and characters and dropped (§7.1.1). A blank after a size without an extension is refused: some old servers
pad so, but no two readers agree on it. It never holds content back: each feed returns all of the content it was given.
"""

from __future__ import annotations

import re

from gateway.errors import UpstreamMalformed
from gateway.semantics.message import Fields
from gateway.upstream.field_lines import parse_field_lines
from gateway.upstream.limits import OriginLimits

__all__ = ["ChunkedDecoder"]

_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?")
_LONE = re.compile(rb"(?<!\r)\n|\r(?!\n)(?!\Z)")  # a line end that no complete line can have before it
_MAX_SIZE = 1 << 62

_SIZE, _DATA, _DATA_END, _TRAILERS, _ENDED = range(5)

# What would change framing or routing after the fact is dropped. RFC 9110 §6.5.1.
_NOT_IN_TRAILERS = frozenset(
    {b"connection", b"content-length", b"host", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)


class ChunkedDecoder:
    """Feed it; read `ended`, then `trailers` and `surplus`. After an exception it must not be fed again."""

    __slots__ = ("_limits", "_remaining", "_state", "_unread", "surplus", "trailers")

    def __init__(self, limits: OriginLimits) -> None:
        self._limits = limits
        self._state = _SIZE
        self._remaining = 0
        self._unread = b""  # the beginning of a line, shorter than its limit
        self.trailers: Fields = []
        self.surplus = b""

    @property
    def ended(self) -> bool:
        """True once the empty line after the trailers was read."""
        return self._state == _ENDED

    def feed(self, data: bytes) -> bytes:
        """Return the content in data, b"" when there is none. Raises UpstreamMalformed."""
        if self._unread:
            data = self._unread + data
            self._unread = b""
        pieces: list[bytes] = []
        at, end = 0, len(data)
        while at < end:
            if self._state == _DATA:
                stop = min(end, at + self._remaining)
                pieces.append(data[at:stop])
                self._remaining -= stop - at
                at = stop
                if not self._remaining:
                    self._state = _DATA_END
                continue
            step = (
                self._read_line_end
                if self._state == _DATA_END
                else self._read_size
                if self._state == _SIZE
                else self._read_trailers
            )
            after = step(data, at)
            if after < 0:
                self._unread = data[at:]
                break
            at = after
            if self._state == _ENDED:
                self.surplus = data[at:]
                break
        if not pieces:
            return b""
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    # Each step returns where the next one begins, -1 when it needs more bytes.

    def _read_size(self, data: bytes, at: int) -> int:
        limit = self._limits.max_chunk_line_bytes
        line_end = data.find(b"\r\n", at, at + limit + 2)
        if line_end < 0:
            if len(data) - at > limit:
                raise UpstreamMalformed(f"chunk line longer than {limit} bytes", "http_response_transfer_coding")
            if _LONE.search(data, at) is not None:
                raise UpstreamMalformed("chunk line does not end with CRLF", "http_response_transfer_coding")
            return -1
        match = _SIZE_LINE.fullmatch(data, at, line_end)
        if match is None:
            raise UpstreamMalformed(f"chunk size expected, got {data[at:line_end][:40]!r}", "http_response_transfer_coding")
        self._remaining = int(match[1], 16)
        if self._remaining > _MAX_SIZE:
            raise UpstreamMalformed("chunk size out of range", "http_response_transfer_coding")
        self._state = _DATA if self._remaining else _TRAILERS
        return line_end + 2

    def _read_line_end(self, data: bytes, at: int) -> int:
        found = data[at : at + 2]
        if found == b"\r\n":
            self._state = _SIZE
            return at + 2
        if found == b"\r":
            return -1
        raise UpstreamMalformed("chunk data not followed by CRLF", "http_response_transfer_coding")

    def _read_trailers(self, data: bytes, at: int) -> int:
        if data.startswith(b"\r\n", at):
            self._state = _ENDED
            return at + 2
        limit = self._limits.max_trailer_bytes
        end = data.find(b"\r\n\r\n", at, at + limit + 4)
        if end < 0:
            if len(data) - at > limit:
                raise UpstreamMalformed(f"trailers longer than {limit} bytes", "http_response_trailer_section_size")
            if _LONE.search(data, at) is not None:
                raise UpstreamMalformed("trailer line does not end with CRLF")
            return -1
        fields = parse_field_lines(data[at : end + 2], 0, self._limits.max_fields)
        self.trailers += [field for field in fields if field[0] not in _NOT_IN_TRAILERS]
        self._state = _ENDED
        return end + 4
