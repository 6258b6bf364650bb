"""An HTTP/2 client that does what it is told, stream by stream: python-hyper's h2 over a blocking socket, with flow control in the test's hand.

with H2Client(port, context) as client:
    stream = client.ask("GET", "/")
    response = client.response(stream)
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)

__all__ = ["Gone", "H2Client", "Response"]

Fields = list[tuple[str, str]]
_CANCEL = 8


class Gone(ConnectionError):
    """The connection ended before the response did."""


@dataclass
class Response:
    """One response as far as it has come. reset: the error code of RST_STREAM, None without one."""

    status: int = 0
    fields: Fields = field(default_factory=list)
    body: bytes = b""
    trailers: Fields = field(default_factory=list)
    is_whole: bool = False
    reset: int | None = None

    def value(self, name: str) -> str | None:
        return next((value for known, value in self.fields if known == name), None)


class H2Client:
    """One connection to 127.0.0.1. holds: the server gets no more room than its first window, until it is False again."""

    def __init__(self, port: int, context: ssl.SSLContext, *, host: str = "weft.test") -> None:
        self.host = host
        self.holds = False
        self.goaway: int | None = None
        self.responses: dict[int, Response] = {}
        context.set_alpn_protocols(["h2"])
        raw = socket.create_connection(("127.0.0.1", port), timeout=30)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = context.wrap_socket(raw, server_hostname=host)
        if self.socket.selected_alpn_protocol() != "h2":
            self.socket.close()
            raise Gone("the server does not speak HTTP/2")
        # What a server must refuse, a test must be able to send.
        self.h2 = H2Connection(
            H2Configuration(header_encoding="latin-1", validate_outbound_headers=False, normalize_outbound_headers=False)
        )
        self.h2.initiate_connection()
        self._flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.socket.close()

    def ask(self, method: str, path: str, fields: Fields | None = None, *, ends: bool = True) -> int:
        """The number of a new stream. ends: there is no content."""
        pseudo = [(":method", method), (":scheme", "https"), (":authority", self.host), (":path", path)]
        return self.ask_by([*pseudo, *(fields or [])], ends=ends)

    def ask_by(self, fields: Fields, *, ends: bool = True) -> int:
        """The same, with just these fields."""
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, fields, end_stream=ends)
        self.responses[stream] = Response()
        self._flush()
        return stream

    def send(self, stream: int, data: bytes, *, ends: bool = True) -> None:
        """Content, as the server's windows let it go."""
        sent = 0
        while sent < len(data):
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size, len(data) - sent)
            if room:
                self.h2.send_data(stream, data[sent : sent + room])
                sent += room
                self._flush()
            else:
                self.step()
                if self.responses[stream].reset is not None:
                    return
        if ends:
            self.h2.end_stream(stream)
            self._flush()

    def reset(self, stream: int) -> None:
        self.h2.reset_stream(stream, _CANCEL)
        self._flush()

    def response(self, stream: int) -> Response:
        """The response, once it is whole or reset. Raises Gone, TimeoutError."""
        found = self.responses[stream]
        while not found.is_whole and found.reset is None:
            self.step()
        return found

    def head(self, stream: int) -> Response:
        """The response, once its head is there."""
        found = self.responses[stream]
        while not found.status and found.reset is None:
            self.step()
        return found

    def get(self, path: str, fields: Fields | None = None, method: str = "GET") -> Response:
        return self.response(self.ask(method, path, fields))

    def step(self) -> list[Event]:
        """Take what comes next."""
        data = self.socket.recv(1 << 18)
        if not data:
            raise Gone(f"closed, GOAWAY {self.goaway}")
        events = self.h2.receive_data(data)
        for event in events:
            self._take(event)
        self._flush()
        return events

    def _take(self, event: Event) -> None:
        if isinstance(event, ConnectionTerminated):
            self.goaway = int(event.error_code)
            return
        stream = getattr(event, "stream_id", None)
        found = self.responses.get(stream) if stream is not None else None
        if found is None or stream is None:
            return
        match event:
            case ResponseReceived():
                found.fields = [(str(name), str(value)) for name, value in event.headers or ()]
                found.status = int(found.value(":status") or 0)
            case DataReceived():
                found.body += event.data or b""
                if not self.holds and event.flow_controlled_length:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, stream)
            case TrailersReceived():
                found.trailers = [(str(name), str(value)) for name, value in event.headers or ()]
            case StreamEnded():
                found.is_whole = True
            case StreamReset():
                found.reset = int(event.error_code)

    def _flush(self) -> None:
        data = self.h2.data_to_send()
        if data:
            self.socket.sendall(data)
