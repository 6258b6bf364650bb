"""One client connection: its states, its deadlines, how it refuses, how it writes. What uvicorn does not have and a gateway needs.

    IDLE ──▶ HEAD ──▶ (hot answer) ──▶ IDLE
               └────▶ BUSY, content may still come in ──▶ IDLE | LINGER | TUNNEL

Reading requests is next door (reading.py), answering them is above (../fastlane.py).
"""

from __future__ import annotations

import asyncio
import select
import socket
import struct
from collections import deque
from math import inf
from time import monotonic
from typing import Any
from urllib.parse import unquote

import httptools

from gateway.errors import BadRequest, UpstreamReset
from gateway.flow.buckets import Key
from gateway.flow.rate_limits import client_key
from gateway.flow.response import STATUS_LINE
from gateway.listener.body import IncomingBody
from gateway.listener.cycle import App, Cycle
from gateway.listener.edge import Edge, State
from gateway.listener.tunnel import ClientTunnel
from gateway.semantics.message import Fields, Request

__all__ = ["PROBE", "ClientConnection"]

_LINGER = 2.0
_MOST_TURNED_AWAY = 256
_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER of no time: closing is a reset
PROBE = 1.0
"""Seconds after which a client that has closed its sending side is asked, once a second, whether it is still there. See `_probe`."""


class ClientConnection(asyncio.Protocol):
    """The signature is what uvicorn.Server calls protocol classes with; edge is bound before."""

    def __init__(
        self,
        edge: Edge,
        config: Any,
        server_state: Any,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.edge = edge
        self.limits = edge.limits
        self.app: App = config.loaded_app
        self.app_state = app_state
        self.server_state = server_state
        self.loop = _loop or asyncio.get_running_loop()
        self.parser = httptools.HttpRequestParser(self)
        self.transport: asyncio.Transport = None  # type: ignore[assignment]  # set by connection_made
        self.state = State.IDLE
        self.deadline = inf
        self.lost = False
        self.peer = ""
        self.is_trusted = False
        self.client_key: Key = ""
        self.is_counted = False
        self.is_turned_away = False
        self.may_trace = True
        self.scheme = b"http"
        self.keep_alive = True
        self.last_request = False  # nothing after this one
        self.grace = inf  # how long to wait for a next one, once the server drains
        self.half_closed = False  # the client will send no more, but may wait for an answer
        self.refusal: BadRequest | None = None  # said once all that came before is answered; nothing more is read
        # ---- the head that is being read
        self.url = b""
        self.fields: Fields = []
        self.reading = False  # some of a message has come, but not its end
        self.pending = 0  # octets of the head so far
        self.behind = False  # it began in the middle of a read, so that pending is too low
        self.started = 0.0
        # ---- the request that is being read or answered
        self.request: Request | None = None  # whose content is coming in
        self.incoming: IncomingBody | None = None
        self.overhead = 0  # octets of chunked framing
        self.trailer_bytes = 0
        self.trailing = False
        self.trailers: Fields | None = None
        self.expects_continue = False
        self.cycle: Cycle | None = None
        self.waiting: deque[tuple[Request, bool]] = deque()
        self.bodies: dict[Request, IncomingBody] = {}
        self.upgrade_rest: bytes | None = None
        self.skipped = False  # llhttp has left the content of this request unread
        self.replaying = False  # a head that we have made ourselves goes through the parser
        # ---- writing
        self.write_paused = False
        self._drained: asyncio.Future[None] | None = None
        self._stuck = (0, 0.0)  # octets unsent when last looked at, and since when
        self._rate_since = self._held_at = 0.0
        self.tunnel: ClientTunnel | None = None
        # ---- the hot lane
        self.lane = False
        self.heads = edge.heads[b"http"]
        self.client_part = b""
        self.drawn = False  # a trace shall be begun for the next request
        self.completed = 0  # requests without content since the connection began
        self.last_read: Request | None = None  # the last of them

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        peer = transport.get_extra_info("peername")
        self.peer = peer[0] if isinstance(peer, tuple) else ""
        if transport.get_extra_info("sslcontext") is not None:
            self.scheme = b"https"
        self.heed()
        edge = self.edge
        if len(edge.connections) >= self.limits.max_connections:
            edge.account.metrics.refuse("max_connections")
            self._turn_away(503)
            return
        most = self.limits.max_connections_per_client
        if most and not self.is_trusted:
            self.client_key = client_key(self.peer)
            if not edge.count_in(self.client_key, most):
                edge.account.metrics.refuse("max_connections_per_client")
                self._turn_away(429)
                return
            self.is_counted = True
        edge.connections.add(self)
        self.server_state.connections.add(self)
        self.deadline = self.edge.clock() + self.limits.header_timeout  # a client that connects and says nothing

    def heed(self) -> None:
        """What the edge's rules mean for this connection: when it is made, and when they change."""
        edge = self.edge
        self.limits = edge.limits
        self.is_trusted = edge.proxies.trusts(self.peer)
        self.may_trace = edge.proxies.may_trace(self.peer)
        # A trusted proxy's word may change client and scheme with each request: those go the long way.
        self.lane = edge.fast_lane and not self.is_trusted
        self.heads = edge.heads[self.scheme]
        self.client_part = edge.account.log.client_part(self.peer) if edge.account.log is not None else b""

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self.edge.connections.discard(self)
        if self.is_counted:
            self.edge.count_out(self.client_key)
        if self.is_turned_away:
            self.edge.turned_away -= 1
        self.server_state.connections.discard(self)
        self.deadline = inf
        if self.tunnel is not None:
            self.tunnel.lose()
        for body in self.bodies.values():
            if not body.complete:
                body.finish(UpstreamReset("the client left in the middle of its request"))
        self._release_drain()
        if self.cycle is not None and self.cycle.task is not None:
            self.cycle.task.cancel()
        self.parser = None  # type: ignore[assignment]  # breaks the cycle parser → self

    def _turn_away(self, status: int) -> None:
        """A connection too many: say so, and close. While many such are being closed, the next are simply dropped: whoever floods us gets no sockets to hold."""
        edge = self.edge
        self.write_bare(status, b"retry-after: 1\r\n")
        if edge.turned_away >= _MOST_TURNED_AWAY:
            self.transport.close()
            return
        edge.turned_away += 1
        self.is_turned_away = True
        self._linger()
        self.loop.call_later(_LINGER, self.transport.abort)  # the sweeper does not know this one

    def eof_received(self) -> bool:
        """A client that has said all it will may still be waiting for an answer: the connection stays open on our side."""
        if self.tunnel is not None:
            self.tunnel.end()
            return True
        if (self.state is State.BUSY or self.waiting) and (self.incoming is None or self.incoming.complete):
            self.half_closed = True
            if not self.write_paused:
                self.deadline = self.edge.clock() + PROBE
            return True
        return False

    def shutdown(self, grace: float) -> None:
        """The server drains: finish what runs, answer what is on the wire already, take nothing after that.

        Between two requests nobody can see whether the next one has been sent (RFC 9112 §9.6), so there are some seconds' grace; and so there are after a response
        whose head had gone out already, without a word of closing.
        """
        self.grace = grace
        if self.state is State.IDLE:
            self.deadline = min(self.deadline, self.edge.clock() + grace)
        elif self.cycle is not None and not self.cycle.started:
            self.cycle.keep_alive = False

    # ------------------------------------------------------------------------------------------------ time

    def expire(self, now: float) -> None:
        """The deadline has passed: what it means depends on the state."""
        if self.write_paused:
            unsent = self.transport.get_write_buffer_size()
            if unsent != self._stuck[0]:
                self._stuck = (unsent, now)
            elif now - self._stuck[1] >= self.limits.write_timeout:
                self._refuse_silently("write_timeout")
                return
            self.deadline = now + 1.0
        elif self.state is State.IDLE:
            self._close_idle(now)
        elif self.state is State.HEAD:
            self._refuse(BadRequest("the head took too long", 408, "header_timeout"))
        elif self.state is State.LINGER:
            self._expire_linger(now)
        elif self.incoming is not None and not self.incoming.complete:
            self._expire_body(now)
        elif self.half_closed:
            self._probe(now)
        else:
            self.deadline = inf

    def _close_idle(self, now: float) -> None:
        """Close, unless a request has come that the loop has not read yet: on a busy loop that is where most of those are that cross with the close."""
        watch = select.poll()
        watch.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        if watch.poll(0):
            self.deadline = now + PROBE
        else:
            self.transport.close()

    def _expire_linger(self, now: float) -> None:
        """A client that still reads what is left of its answer gets the time for it."""
        unsent = self.transport.get_write_buffer_size()
        if not unsent or unsent == self._stuck[0]:
            self.transport.abort()
        else:
            self._stuck = (unsent, now)
            self.deadline = now + _LINGER

    def _probe(self, now: float) -> None:
        """Whoever has closed looks just like one that only has nothing more to say, until something is sent to it: the one answers with a reset.

        A 1xx may be sent at any time, and every HTTP/1.1 client must be able to skip it (RFC 9110 §15.2). Without this, a connection to the origin
        would be held for nobody until the origin answers.
        """
        self._write_interim(102, [])
        self.deadline = now + PROBE

    def _expire_body(self, now: float) -> None:
        body = self.incoming
        assert body is not None
        if body.paused or self.waiting:  # we hold it back ourselves
            self.deadline = now + self.limits.body_timeout
            return
        self._refuse_body(BadRequest("the content stopped coming", 408, "body_timeout"))

    def _patience(self) -> float:
        """The deadline that belongs to the state, counted from now."""
        now, limits = self.edge.clock(), self.limits
        if self.state is State.IDLE:
            return now + min(limits.keepalive_timeout, self.grace)
        if self.state is State.HEAD:
            return now + limits.header_timeout
        if self.state is State.LINGER:
            return now + _LINGER
        if self.incoming is not None and not self.incoming.complete:
            return now + limits.body_timeout
        return now + PROBE if self.half_closed else inf

    # ------------------------------------------------------------------------------------------------ refusing

    def cut_short(self, *, visibly: bool) -> None:
        """End the connection in the middle of a response. visibly: by a reset, since its end would look like the end of the content. RFC 9112 §8."""
        if visibly:
            end: socket.socket = self.transport.get_extra_info("socket")
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.transport.abort()

    def _refuse_silently(self, reason: str) -> None:
        self.edge.account.metrics.refuse(reason)
        self.transport.abort()

    def _refuse_in_turn(self, error: BadRequest) -> None:
        """Refuse, once all that came before has been answered; read nothing more."""
        if self.last_request:
            return  # it has been told that nothing after it would be answered
        if self.cycle is None and not self.waiting:
            self._refuse(error)
        else:
            self.refusal = error

    def _refuse(self, error: BadRequest, request: Request | None = None) -> None:
        """Answer an error, and close. request: the one that it is about, when its head was good."""
        edge = self.edge
        edge.account.metrics.refuse(error.reason)
        if request is None:
            method = b"HEAD" if self.parser.get_method() == b"HEAD" else b"GET"
            request = Request(method, self.url[:256] or b"-", b"", self.fields, client=self.peer)
        response = edge.page.refuse(request, error)
        body = response.body if isinstance(response.body, bytes) else b""
        self.transport.write(response.head + b"connection: close\r\n\r\n" + body)
        edge.account.tell(request, response, edge.clock(), self.started or monotonic(), len(body))
        self._linger()

    def _refuse_body(self, error: BadRequest) -> None:
        """The content of a request that is being answered is not acceptable: say so if nothing was said yet, and close."""
        body, cycle, request = self.incoming, self.cycle, self.request
        self.incoming = None
        if body is not None and request is not None and (cycle is None or cycle.request is not request):
            body.finish(error)
            self.bodies.pop(request, None)
            self.waiting.pop()  # the last that came: those before it are answered first
            self._refuse_in_turn(error)
            return
        silent = cycle is None or not cycle.started
        if cycle is not None:
            cycle.keep_alive = False
        if body is not None:
            body.finish(error)
        if silent:
            if cycle is not None and cycle.task is not None:
                cycle.task.cancel()
            self._refuse(error, request)
        else:
            self.edge.account.metrics.refuse(error.reason)
            self.transport.close()

    def write_bare(self, status: int, lines: bytes = b"") -> None:
        """A response without content, when nothing better can be said."""
        if not self.transport.is_closing():
            self.transport.write(STATUS_LINE[status] + lines + b"content-length: 0\r\nconnection: close\r\n\r\n")

    def _linger(self) -> None:
        """Close once the client has read our answer: closing with unread octets would reset the connection under it. RFC 9112 §9.6."""
        self.last_request = True
        self.state = State.LINGER
        self.deadline = self.edge.clock() + _LINGER
        self._resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()

    # ------------------------------------------------------------------------------------------------ for the cycle

    def write(self, pieces: list[bytes]) -> None:
        """Hand over octets."""
        if len(pieces) == 1:
            self.transport.write(pieces[0])
        else:
            self.transport.writelines(pieces)

    async def drain(self) -> None:
        """Wait until the client has read some."""
        if self.write_paused and not self.lost:
            self._drained = self._drained or self.loop.create_future()
            await asyncio.shield(self._drained)

    def send_interim(self, request: Request, status: int, fields: Fields) -> None:
        """Pass a 1xx response to request on, while no final one has begun. RFC 9110 §15.2."""
        cycle = self.cycle
        if cycle is None or cycle.request is not request:
            return  # its turn is over: nobody here waits for it
        if status == 100:
            if not self.expects_continue or request not in self.bodies:
                return  # the client did not ask
            self.expects_continue = False
        self._write_interim(status, fields)

    def _write_interim(self, status: int, fields: Fields) -> None:
        cycle = self.cycle
        if cycle is not None and not cycle.started and not self.lost and cycle.request.version != b"1.0":
            self.transport.write(STATUS_LINE[status] + b"".join([b"%s: %s\r\n" % field for field in fields]) + b"\r\n")

    def _send_continue(self) -> None:
        if self.expects_continue and not self.lost and (self.cycle is None or not self.cycle.started):
            self.expects_continue = False
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def incoming_of(self, request: Request) -> IncomingBody | None:
        """The content of a request, None when it has none."""
        return self.bodies.get(request)

    def scope(self, request: Request, cycle: Cycle) -> dict[str, Any]:
        """The ASGI connection scope, with our own request as an extension for the catch-all."""
        path, _, query = request.target.partition(b"?")
        server = self.transport.get_extra_info("sockname")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": request.version.decode("ascii"),
            "method": request.method.decode("latin-1"),
            "scheme": request.scheme.decode("ascii"),
            "path": _unquoted(path),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": request.fields,
            "client": (self.peer, 0),
            "server": server[:2] if isinstance(server, tuple) else None,
            "state": self.app_state.copy(),
            "extensions": {
                "http.response.trailers": {},
                "weft": {"request": request, "cycle": cycle, "started": self.started},
            },
        }

    def open_tunnel(self, head: bytes) -> ClientTunnel:
        """The origin has agreed: send the 101 head, and give the octets over."""
        self.transport.write(head + b"\r\n")
        if self.cycle is not None:
            self.cycle.started = self.cycle.finished = True
        self.state = State.TUNNEL
        self.deadline = inf
        self.tunnel = ClientTunnel(self)
        if self.upgrade_rest:
            self.tunnel.feed(self.upgrade_rest)
        self.upgrade_rest = None
        self._resume_reading()
        return self.tunnel

    # ------------------------------------------------------------------------------------------------ flow control

    def pause_writing(self) -> None:
        self.write_paused = True
        now = self.edge.clock()
        self._stuck = (self.transport.get_write_buffer_size(), now)
        self.deadline = min(self.deadline, now + 1.0)

    def resume_writing(self) -> None:
        self.write_paused = False
        self.deadline = self._patience()
        self._release_drain()
        if self.cycle is None and self.waiting:
            self._next()

    def _release_drain(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    def _hold_body(self) -> None:
        """Nobody takes the content: the client's time stands still."""
        self._held_at = self.edge.clock()
        if not self.lost:
            self.transport.pause_reading()

    def _resume_body(self) -> None:
        now = self.edge.clock()
        self._rate_since += now - self._held_at
        if self.incoming is not None:
            self.deadline = now + self.limits.body_timeout
        if not self.waiting and self.upgrade_rest is None:
            self._resume_reading()

    def _resume_reading(self) -> None:
        if not self.lost and not self.transport.is_closing():
            self.transport.resume_reading()

    # ------------------------------------------------------------------------------------------------ for those above

    def read_on(self) -> None:
        """The loop has begun another turn."""
        raise NotImplementedError

    def _next(self) -> None:
        """Answer what waits for its turn."""
        raise NotImplementedError

    def end_cycle(self, cycle: Cycle, *, clean: bool) -> None:
        """A cycle is over. clean: its response went out whole, and nothing stands against another one."""
        raise NotImplementedError


def _unquoted(path: bytes) -> str:
    text = path.decode("latin-1")
    return unquote(text) if "%" in text else text
