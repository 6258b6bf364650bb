"""A client that sends what it is told, in the pieces it is told, and reads strictly: what a lenient library would forgive fails a test here.

with RawClient(port) as client:
    client.send(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
    response = client.response()
"""

from __future__ import annotations

import re
import socket
import ssl
import struct
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

__all__ = ["Closed", "CutShort", "RawClient", "Response"]

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5]\d\d) ([\t\x20-\x7e\x80-\xff]*)")
_FIELD = re.compile(
    rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?[ \t]*"
)
_CHUNK = re.compile(rb"[0-9a-fA-F]{1,16}")


class Closed(ConnectionError):
    """The connection was closed, or reset, before a response had begun."""


class CutShort(ConnectionError):
    """It was closed in the middle of a response. partial: what of it had come, None when its head was not complete."""

    def __init__(self, partial: Response | None) -> None:
        super().__init__(f"closed in the middle of a response: {partial}")
        self.partial = partial


@dataclass
class Response:
    """One final response. interims: the 1xx before it, as (status, fields). Names of fields are in lower case."""

    status: int
    reason: bytes
    fields: list[tuple[bytes, bytes]]
    body: bytes = b""
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    interims: list[tuple[int, list[tuple[bytes, bytes]]]] = field(default_factory=list)

    def values(self, name: bytes) -> list[bytes]:
        return [value for known, value in self.fields if known == name]

    def value(self, name: bytes) -> bytes | None:
        """The value of a field that may come once; None without it."""
        found = self.values(name)
        assert len(found) <= 1, f"{name!r} came {len(found)} times"
        return found[0] if found else None

    @property
    def says_close(self) -> bool:
        return b"close" in (self.value(b"connection") or b"").lower()


class RawClient:
    """One connection to 127.0.0.1. timeout: seconds that any one read may take. window: octets of receive buffer, for a client that is slow.

    tls: speak it, asking for the host name; an end without close_notify then raises ssl.SSLEOFError.
    """

    def __init__(
        self, port: int, timeout: float = 20.0, window: int = 0, tls: ssl.SSLContext | None = None, name: str = "weft.test"
    ) -> None:
        self.socket: socket.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if window:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.socket.settimeout(timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.socket.connect(("127.0.0.1", port))
            if tls is not None:
                self.socket = tls.wrap_socket(self.socket, server_hostname=name, suppress_ragged_eofs=False)
        except OSError:
            self.socket.close()
            raise
        self.unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # ── sending ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def send(self, *pieces: bytes) -> None:
        """Each piece by a system call of its own. Raises OSError when the other side has closed."""
        for piece in pieces:
            self.socket.sendall(piece)

    def send_what_is_taken(self, pieces: Iterable[bytes]) -> bool:
        """Send until the other side has had enough; True when it took all."""
        try:
            self.send(*pieces)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def half_close(self) -> None:
        """Say that nothing more will come."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Leave with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        self.socket.close()

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def response(self, method: bytes = b"GET") -> Response:
        """The next final response. Raises Closed, CutShort, TimeoutError; AssertionError for what is no HTTP/1.1 response."""
        interims = []
        while True:
            response = self._head(begun=bool(interims))
            if response.status >= 200 or response.status == 101:
                break
            assert not response.values(b"content-length") + response.values(b"transfer-encoding"), "framing in a 1xx"
            interims.append((response.status, response.fields))
        response.interims = interims
        if response.status != 101:
            self._content(response, method)
        return response

    def head(self) -> Response:
        """The next response head alone, 1xx or final; the content stays unread."""
        return self._head(begun=False)

    def read(self, size: int) -> bytes:
        """Exactly size octets. Raises CutShort."""
        while len(self.unread) < size:
            if not self._more():
                raise CutShort(None)
        data, self.unread = self.unread[:size], self.unread[size:]
        return data

    def read_to_end(self) -> bytes:
        """All until the other side closes, a reset counting as that. Raises TimeoutError when it does not."""
        with suppress(ConnectionResetError):
            while self._more():
                pass
        data, self.unread = self.unread, b""
        return data

    def is_closed(self, within: float | None = None) -> bool:
        """Whether the other side closes, without another octet. within: seconds to wait for it."""
        timeout = self.socket.gettimeout()
        if within is not None:
            self.socket.settimeout(within)
        try:
            return self.read_to_end() == b""
        except TimeoutError:
            return False
        finally:
            self.socket.settimeout(timeout)

    def _more(self) -> bool:
        data = self.socket.recv(1 << 18)
        self.unread += data
        return bool(data)

    def _line(self) -> bytes:
        while (end := self.unread.find(b"\n")) < 0:
            if not self._more():
                raise CutShort(None)
        line, self.unread = self.unread[: end + 1], self.unread[end + 1 :]
        assert line.endswith(b"\r\n"), f"a line that does not end with CRLF: {line[:200]!r}"
        return line[:-2]

    def _head(self, *, begun: bool) -> Response:
        try:
            if not self.unread and not self._more():
                raise Closed("closed before a response")
        except ConnectionResetError:
            raise Closed("reset before a response") from None
        try:
            line = self._line()
            found = _STATUS_LINE.fullmatch(line)
            assert found is not None, f"no status line: {line[:200]!r}"
            return Response(int(found[1]), found[2], self._fields())
        except ConnectionResetError:
            raise CutShort(None) from None

    def _fields(self) -> list[tuple[bytes, bytes]]:
        fields = []
        while line := self._line():
            found = _FIELD.fullmatch(line)
            assert found is not None, f"no field line: {line[:200]!r}"
            fields.append((found[1].lower(), found[2] or b""))
        return fields

    def _content(self, response: Response, method: bytes) -> None:
        """RFC 9112 §6.3."""
        length, coding = response.value(b"content-length"), response.value(b"transfer-encoding")
        assert length is None or coding is None, "Content-Length beside Transfer-Encoding"
        if response.status == 204:
            assert length is None, "Content-Length in a 204"
        if method == b"HEAD" or response.status in {204, 304}:
            return
        try:
            if coding is not None:
                assert coding == b"chunked", f"transfer coding {coding!r}"
                self._chunks(response)
            elif length is not None:
                assert length.isdigit(), f"Content-Length {length!r}"
                self._octets(response, int(length))
            else:
                while self._more():
                    pass
                response.body, self.unread = self.unread, b""
        except (CutShort, ConnectionResetError):
            if coding is None:
                response.body, self.unread = self.unread, b""
            raise CutShort(response) from None

    def _octets(self, response: Response, size: int) -> None:
        pieces = [self.unread[:size]]
        self.unread = self.unread[size:]
        missing = size - len(pieces[0])
        while missing:
            data = self.socket.recv(min(missing, 1 << 18))
            if not data:
                self.unread = b"".join(pieces)
                raise CutShort(None)
            pieces.append(data)
            missing -= len(data)
        response.body = b"".join(pieces)

    def _chunks(self, response: Response) -> None:
        while True:
            line = self._line()
            assert _CHUNK.fullmatch(line), f"no chunk size: {line[:200]!r}"
            size = int(line, 16)
            if not size:
                response.trailers = self._fields()
                return
            response.body += self.read(size)
            assert self.read(2) == b"\r\n", "chunk data not followed by CRLF"
