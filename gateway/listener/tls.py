"""TLS in front of a client connection: outwards the protocol of a socket, inwards the transport of the connection.

    socket ══ octets ══▶ TlsConnection ── plain octets ──▶ ClientConnection          handshake ──▶ open ──▶ ended
           ◀══ octets ══ (OpenSSL)     ◀── write, close ──

Why not the event loop's own: a handshake is then invisible. Here it is a connection like any other, counted against `max_connections`, swept at its deadline, drained; and whoever
speaks plain HTTP is told so. It costs no more (loadtests/bench/tls_cost.py).
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

from gateway.flow.buckets import Key
from gateway.flow.rate_limits import client_key
from gateway.flow.response import STATUS_LINE
from gateway.listener.certificates import Keyring
from gateway.listener.edge import Edge

if TYPE_CHECKING:
    from gateway.listener.connection import ClientConnection

__all__ = ["TlsConnection"]

logger = logging.getLogger(__name__)

_RECORD = 16_384
"""Octets of content that a record holds at most. RFC 8446 §5.1."""
_AT_ONCE = 16 * _RECORD
"""Octets that are encrypted before they are handed on."""
_HANDSHAKE = 0x16
"""The first octet of whoever speaks TLS. RFC 8446 §5.1."""
_PLAIN = b"This port speaks TLS: ask again with https.\n"
_LINGER = 2.0


class TlsConnection(asyncio.Protocol, asyncio.Transport):
    """The signature is what uvicorn.Server calls protocol classes with; edge, keyring and what makes the connection inside are bound before."""

    def __init__(
        self,
        edge: Edge,
        keyring: Keyring,
        make: Callable[..., ClientConnection],
        config: Any,
        server_state: Any,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__()
        self.edge = edge
        self.deadline = inf
        self.transport: asyncio.Transport = None  # type: ignore[assignment]  # set by connection_made
        self._make = partial(make, edge, config, server_state, app_state, _loop)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = keyring.context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._inside: ClientConnection | None = None  # once the handshake is over
        self._begun = False
        self._ended = False  # we have said our last, and read no more
        self._heard_all = False  # the client has said its last
        self._client: Key | None = None  # counted in, while the handshake runs
        self._grace: float | None = None  # the server drains

    # ------------------------------------------------------------------------------------------------ towards the socket

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        edge = self.edge
        if len(edge.connections) >= edge.limits.max_connections:
            edge.account.metrics.refuse("max_connections")
            self._ended = True
            transport.abort()  # nothing can be said before the handshake, and that is what there is no room for
            return
        peer = transport.get_extra_info("peername")
        address = peer[0] if isinstance(peer, tuple) else ""
        most = edge.limits.max_connections_per_client
        if most and not edge.proxies.trusts(address):
            self._client = client_key(address)
            if not edge.count_in(self._client, most):
                self._client = None
                edge.account.metrics.refuse("max_connections_per_client")
                self._ended = True
                transport.abort()
                return
        edge.connections.add(self)
        self.deadline = edge.clock() + edge.limits.header_timeout

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self.deadline = inf
        self._leave_waiting_room()
        inside, self._inside = self._inside, None
        if inside is not None:
            inside.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return  # lingering: thrown away, so that what was said before is not lost in a reset
        self._incoming.write(data)
        if self._inside is None:
            if not self._begun and data[0] != _HANDSHAKE:
                self._refuse_plain(data)
                return
            self._begun = True
            if not self._shake_hands() or not self._incoming.pending:
                return
        self._read()

    def eof_received(self) -> bool:
        """The end of octets without the end of TLS says the same: what is framed by HTTP can't be cut short unnoticed."""
        return self._tell_end()

    def pause_writing(self) -> None:
        if self._inside is not None:
            self._inside.pause_writing()

    def resume_writing(self) -> None:
        if self._inside is not None:
            self._inside.resume_writing()

    # ------------------------------------------------------------------------------------------------ the handshake

    def _shake_hands(self) -> bool:
        """Whether that is over, and the connection inside made."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        except ssl.SSLError as error:
            self.edge.account.metrics.refuse("tls_handshake")
            self._fail(error)
            return False
        self._flush()
        edge = self.edge
        edge.handshakes[self._tls.version() or "", self._tls.session_reused or False] += 1
        self._leave_waiting_room()
        inside = self._inside = self._make()
        inside.connection_made(self)
        inside.deadline = min(inside.deadline, self.deadline)  # header_timeout runs from the beginning
        if self._grace is not None:
            inside.shutdown(self._grace)
        return True

    def _leave_waiting_room(self) -> None:
        """From here on, the connection inside is what counts."""
        self.edge.connections.discard(self)
        client, self._client = self._client, None
        if client is not None:
            self.edge.count_out(client)

    def _fail(self, error: ssl.SSLError) -> None:
        """The client is told by an alert (RFC 8446 §6.2), which OpenSSL has written already."""
        logger.debug("TLS failed", extra={"reason": error.reason or str(error)})
        self._flush()
        self._ended = True
        self.transport.close()

    def _refuse_plain(self, data: bytes) -> None:
        """No TLS at all. A browser that came with http:// shows what it is told here; anything else gets no answer."""
        self.edge.account.metrics.refuse("plain_http")
        self._ended = True
        if not data[:1].isalpha():
            self.transport.abort()
            return
        self.transport.write(
            STATUS_LINE[400]
            + b"content-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (len(_PLAIN), _PLAIN)
        )
        self.transport.write_eof()
        self.deadline = self.edge.clock() + _LINGER

    def expire(self, _: float) -> None:
        """The handshake takes too long, or a lingering client does. Called by the sweeper."""
        if not self._ended:
            self.edge.account.metrics.refuse("tls_timeout")
        self.transport.abort()

    def heed(self) -> None:
        """The edge's rules have changed: the handshake goes on as it began, the connection inside will be made by the new ones."""

    def shutdown(self, grace: float) -> None:
        """The server drains: a handshake that runs is finished, and the connection then told."""
        self._grace = grace

    # ------------------------------------------------------------------------------------------------ reading

    def _read(self) -> None:
        """All records that are complete, as one piece."""
        pieces, ended = [], False
        try:
            while True:
                piece = self._tls.read(_RECORD)
                if not piece:
                    ended = True
                    break
                pieces.append(piece)
                if not self._incoming.pending:
                    break
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self.edge.account.metrics.refuse("tls_record")
            self._fail(error)
            return
        if self._outgoing.pending:  # an answer to a key update
            self._flush()
        inside = self._inside
        if pieces and inside is not None:
            inside.data_received(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if ended and not self._ended and not self._tell_end():
            self.close()

    def _tell_end(self) -> bool:
        """Whether the connection stays open for what is still to be said."""
        if self._inside is None or self._ended:
            return False
        if not self._heard_all:
            self._heard_all = True
            return self._inside.eof_received()
        return True

    # ------------------------------------------------------------------------------------------------ towards the connection inside

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and hand on."""
        if self._ended:
            return
        sent, size = self._tls.write(data), len(data)
        if sent < size:
            view = memoryview(data)
            while sent < size:
                sent += self._tls.write(view[sent : sent + _RECORD])
                if self._outgoing.pending >= _AT_ONCE:
                    self._flush()
        self._flush()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Joined first: each record costs 22 octets and a call."""
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """Say our last, and that it was the last; what still comes is thrown away."""
        if not self._ended:
            self._say_end()
            self.transport.write_eof()

    def close(self) -> None:
        """Say our last, and close."""
        if not self._ended:
            self._say_end()
        self.transport.close()

    def abort(self) -> None:
        self._ended = True
        self.transport.abort()

    def is_closing(self) -> bool:
        return self._ended or self.transport.is_closing()

    def pause_reading(self) -> None:
        self.transport.pause_reading()

    def resume_reading(self) -> None:
        self.transport.resume_reading()

    def get_write_buffer_size(self) -> int:
        return self.transport.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Beside what the socket knows: sslcontext, ssl_object."""
        if name == "sslcontext":
            return self._tls.context
        return self._tls if name == "ssl_object" else self.transport.get_extra_info(name, default)

    def _say_end(self) -> None:
        """close_notify: so that the client can tell an end from a cut. RFC 8446 §6.1."""
        self._ended = True
        with suppress(ssl.SSLError):  # the client's own has not come, and we don't wait for it
            self._tls.unwrap()
        self._flush()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self.transport.write(self._outgoing.read())
