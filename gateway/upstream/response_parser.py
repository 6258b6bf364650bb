"""One HTTP/1 response as a machine without I/O: bytes in; interim responses, a head and content out.

    head ──▶ (1xx)* ──▶ final head ──▶ none ────────────────▶ ended, surplus
                                   ├─▶ length ──────────────▶ ended, surplus
                                   ├─▶ chunked (chunked.py) ─▶ ended, surplus, trailers
                                   ├─▶ until close ──(eof)───▶ ended
                                   └─▶ tunnel ─────(eof)─────▶ ended

It never looks at the clock and owns no socket. Who feeds it drops the connection after an exception, and also when `surplus` is not
empty: those bytes answer no question that was asked, and read as the next response they would be somebody else's page.
"""

from __future__ import annotations

import re

from gateway.errors import UpstreamMalformed, UpstreamReset, UpstreamTruncated
from gateway.semantics.message import Fields
from gateway.upstream.chunked import ChunkedDecoder
from gateway.upstream.limits import OriginLimits
from gateway.upstream.response_head import (
    CHUNKED,
    CLOSE,
    FIRST_FINAL,
    LENGTH,
    NONE,
    SWITCHING_PROTOCOLS,
    TUNNEL,
    ResponseHead,
    parse_response_head,
    plan_framing,
)

__all__ = ["ResponseParser"]

# What can't be part of any head, looked for before the head is complete, so that a lone LF need not wait for a timeout.
_BROKEN = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|(?<!\r)\n|\r(?!\n)(?!\Z)")
_START = b"HTTP/1."


class ResponseParser:
    """Feed it bytes as they come; after each feed look at interims, head, ended.

    interims    1xx heads that came since they were last taken away, oldest first
    head        the final head, None until it is complete
    started     True once any byte has come
    ended       True when the response is complete
    surplus     bytes that came after its end
    """

    __slots__ = (
        "_chunks",
        "_interim_count",
        "_limits",
        "_method",
        "_remaining",
        "_scanned",
        "_unread",
        "_upgrade",
        "ended",
        "head",
        "interims",
        "started",
        "surplus",
    )

    def __init__(self, method: bytes, limits: OriginLimits, *, upgrade: bytes | None = None) -> None:
        self._method = method
        self._limits = limits
        self._upgrade = upgrade
        self._unread: bytearray | None = None  # an incomplete head
        self._scanned = 0  # how much of it was searched already
        self._interim_count = 0
        self._remaining = 0
        self._chunks: ChunkedDecoder | None = None
        self.interims: list[ResponseHead] = []
        self.head: ResponseHead | None = None
        self.started = False
        self.ended = False
        self.surplus = b""

    @property
    def trailers(self) -> Fields:
        """Trailer fields, complete once ended."""
        return self._chunks.trailers if self._chunks is not None else []

    def feed(self, data: bytes) -> bytes:
        """Return the content in data, b"" when there is none. Raises UpstreamMalformed. Must not be called once ended."""
        if self.head is None:
            self.started = True
            data = self._feed_head(data)
            if self.head is None:
                return b""
        framing = self.head.framing
        if framing is LENGTH:
            return self._feed_length(data)
        if framing is CHUNKED:
            return self._feed_chunked(data)
        if framing is NONE:
            self.ended = True
            self.surplus = data
            return b""
        return data  # until close, or a tunnel

    def feed_eof(self) -> None:
        """Take note that the origin will send no more; return when that is the end it declared.

        Raises UpstreamReset in the head, UpstreamTruncated in the body. RFC 9112 §8.
        """
        if self.ended:
            return
        if self.head is None:
            where = "in the response head" if self.started else "before the response"
            raise UpstreamReset(f"connection closed {where}")
        if self.head.framing in {CLOSE, TUNNEL}:
            self.ended = True
            return
        missing = f", {self._remaining} of {self.head.length} bytes missing" if self.head.framing is LENGTH else ""
        raise UpstreamTruncated(f"connection closed in the {self.head.framing.value} body{missing}")

    def _feed_head(self, data: bytes) -> bytes:
        """Read heads up to the final one; what follows it is returned."""
        limit = self._limits.max_head_bytes
        while data:
            if self._unread is not None:
                self._unread += data
                found = self._unread.find(b"\r\n\r\n", max(0, self._scanned - 3))
                if found < 0:
                    self._check_incomplete(self._unread)
                    return b""
                data = bytes(self._unread)
                self._unread = None
                self._scanned = 0
            else:
                found = data.find(b"\r\n\r\n")
                if found < 0:
                    self._unread = bytearray(data)
                    self._check_incomplete(self._unread)
                    return b""
            if found + 4 > limit:
                raise UpstreamMalformed(f"response head longer than {limit} bytes", "http_response_header_section_size")
            head = parse_response_head(data[: found + 2], self._limits)
            plan_framing(head, self._method, upgrade=self._upgrade)
            data = data[found + 4 :]
            if head.status >= FIRST_FINAL or head.status == SWITCHING_PROTOCOLS:
                self.head = head
                self._remaining = head.length or 0
                return data
            self._interim_count += 1
            if self._interim_count > self._limits.max_interim:
                raise UpstreamMalformed(f"more than {self._limits.max_interim} interim responses")
            self.interims.append(head)
        return b""

    def _check_incomplete(self, head: bytearray) -> None:
        """Refuse early what no further byte can make right."""
        if len(head) > self._limits.max_head_bytes:
            raise UpstreamMalformed(
                f"response head longer than {self._limits.max_head_bytes} bytes", "http_response_header_section_size"
            )
        if not (head.startswith(_START) or _START.startswith(head)):
            raise UpstreamMalformed(f"no HTTP/1 response: {bytes(head[:40])!r}")
        if _BROKEN.search(head, max(0, self._scanned - 1)) is not None:
            raise UpstreamMalformed("control character, bare CR or bare LF in the response head")
        self._scanned = len(head)

    def _feed_length(self, data: bytes) -> bytes:
        size = len(data)
        if size < self._remaining:
            self._remaining -= size
            return data
        self.ended = True
        if size == self._remaining:
            self._remaining = 0
            return data
        self.surplus = data[self._remaining :]
        content = data[: self._remaining]
        self._remaining = 0
        return content

    def _feed_chunked(self, data: bytes) -> bytes:
        if self._chunks is None:
            self._chunks = ChunkedDecoder(self._limits)
        content = self._chunks.feed(data) if data else b""
        if self._chunks.ended:
            self.ended = True
            self.surplus = self._chunks.surplus
        return content
