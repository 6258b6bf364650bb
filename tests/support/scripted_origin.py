"""An origin that does, byte by byte, what the script of a path says, and writes down all that reaches it. Threads and blocking sockets: a script reads like a transcript.

    origin.script("/cut", answer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", then="close"))

    def slow(peer: Peer, request: Received) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
        barrier.wait()
        peer.send(b"k")
    origin.script("/slow", slow)

When a script returns, the next request of its connection is read; a path without a script is answered 200 with `METHOD target`, not to be stored.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

__all__ = ["Peer", "Received", "Script", "ScriptedOrigin", "answer", "ok"]

_PATIENCE = 30.0


@dataclass
class Received:
    """A request that has come. body and trailers grow as it is read; complete once it was there to its end. connection: number of its connection."""

    method: bytes
    target: bytes
    version: bytes
    fields: list[tuple[bytes, bytes]]
    connection: int
    body: bytes = b""
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    complete: bool = False

    @property
    def path(self) -> str:
        return self.target.partition(b"?")[0].decode("latin-1")

    def values(self, name: bytes) -> list[bytes]:
        return [value for known, value in self.fields if known == name]

    def value(self, name: bytes) -> bytes | None:
        found = self.values(name)
        assert len(found) <= 1, f"{name!r} came {len(found)} times"
        return found[0] if found else None


Script = Callable[["Peer", Received], None]


class Peer:
    """One accepted connection, the origin's end."""

    def __init__(self, number: int, connection: socket.socket) -> None:
        self.number = number
        self.socket = connection
        self.socket.settimeout(_PATIENCE)
        self.unread = b""

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.socket.sendall(piece)

    def close(self) -> None:
        """Close with FIN, whatever is unread: nothing is, unless a script left it."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def reset(self) -> None:
        """Close with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def read(self, size: int) -> bytes:
        """Exactly size octets. Raises EOFError."""
        while len(self.unread) < size:
            self._more()
        data, self.unread = self.unread[:size], self.unread[size:]
        return data

    def some(self) -> bytes:
        """What comes next, b"" at the end."""
        if not self.unread:
            with suppress(EOFError, ConnectionError):
                self._more()
        data, self.unread = self.unread, b""
        return data

    def closes(self, within: float = 10.0) -> bool:
        """Whether the gateway closes this connection in time, sending nothing more."""
        self.socket.settimeout(within)
        try:
            return not self.unread and self.socket.recv(1) == b""
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        finally:
            with suppress(OSError):
                self.socket.settimeout(_PATIENCE)

    def line(self) -> bytes:
        while (end := self.unread.find(b"\r\n")) < 0:
            self._more()
        line, self.unread = self.unread[:end], self.unread[end + 2 :]
        return line

    def fields(self) -> list[tuple[bytes, bytes]]:
        found = []
        while line := self.line():
            name, _, value = line.partition(b":")
            found.append((name.lower(), value.strip()))
        return found

    def content(self, request: Received) -> None:
        """Read the content of a request, as its framing says."""
        length, coding = request.value(b"content-length"), request.value(b"transfer-encoding")
        assert length is None or coding is None, f"both framings reached the origin: {request}"
        if coding is not None:
            assert coding == b"chunked", coding
            while size := int(self.line(), 16):
                request.body += self.read(size)
                assert self.read(2) == b"\r\n"
            request.trailers += self.fields()
        elif length is not None:
            request.body = self.read(int(length))
        request.complete = True

    def _more(self) -> None:
        data = self.socket.recv(1 << 18)
        if not data:
            raise EOFError
        self.unread += data


class ScriptedOrigin:
    """Listens on 127.0.0.1 until closed. greet: called with each connection before anything is read; True when it has done all there is to do.

    received    requests, oldest first
    junk        what came and was no request
    accepted    number of connections so far
    faults      what scripts raised; close() raises the first
    """

    def __init__(self, greet: Callable[[Peer], bool] | None = None) -> None:
        self._greet = greet
        self._scripts: dict[str, tuple[Script, bool]] = {}
        self._lock = threading.Lock()
        self._peers: set[Peer] = set()
        self.received: list[Received] = []
        self.junk: list[bytes] = []
        self.faults: list[BaseException] = []
        self.accepted = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close(quietly=error is not None)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def script(self, path: str, script: Script, *, reads_content: bool = True) -> None:
        """What to do with requests for path. reads_content: read the request's content before the script runs."""
        self._scripts[path] = (script, reads_content)

    def received_at(self, path: str) -> list[Received]:
        """The requests that came for path."""
        return [request for request in list(self.received) if request.path == path]

    def open_connections(self) -> int:
        return len(self._peers)

    def close(self, *, quietly: bool = False) -> None:
        """Stop listening, drop all connections; raise what a script raised, unless quietly."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for peer in list(self._peers):
            peer.close()
        if self.faults and not quietly:
            raise self.faults[0]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer = Peer(self.accepted, connection)
            self.accepted += 1
            self._peers.add(peer)
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: Peer) -> None:
        try:
            if self._greet is not None and self._greet(peer):
                return
            while True:
                self._one(peer)
        except (OSError, EOFError):
            pass  # the gateway has closed, or the script has
        except BaseException as error:  # noqa: BLE001 - raised by close
            self.faults.append(error)
        finally:
            peer.close()
            self._peers.discard(peer)

    def _one(self, peer: Peer) -> None:
        line = peer.line()
        parts = line.split(b" ")
        if len(parts) != 3 or not parts[2].startswith(b"HTTP/1."):
            self.junk.append(line)
            raise EOFError
        request = Received(parts[0], parts[1], parts[2], peer.fields(), peer.number)
        self.received.append(request)
        script, reads_content = self._scripts.get(request.path, (_by_default, True))
        if reads_content:
            peer.content(request)
        script(peer, request)


def ok(body: bytes, *lines: bytes) -> bytes:
    """A plain 200 that must not be stored, unless lines say otherwise."""
    head = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *(lines or (b"Cache-Control: no-store",))]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def answer(*pieces: bytes, then: str = "next") -> Script:
    """Send pieces, each by a system call of its own; then read the `next` request, `close`, or `reset`."""

    def script(peer: Peer, _: Received) -> None:
        peer.send(*pieces)
        if then == "close":
            peer.close()
        elif then == "reset":
            peer.reset()

    return script


def _by_default(peer: Peer, request: Received) -> None:
    body = request.method + b" " + request.target
    peer.send(ok(b"" if request.method == b"HEAD" else body))
