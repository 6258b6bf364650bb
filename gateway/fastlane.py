"""The listener's protocol, and the hot lane in it. uvicorn takes this class by its `http=` parameter.

When a complete request head without content has been parsed, the flow's `answer_now` is asked. With an answer, head and content go to the transport:
no task, no ASGI scope, no copy of the content. Without one the request goes on to ASGI, untouched. Everything Weft does works without
this file on any ASGI server, but for what ASGI has no words for: 1xx responses and tunnels (docs/decisions/0002-lanes.md).

    IDLE ──▶ HEAD ──▶ (hot answer) ──▶ IDLE
               └────▶ BUSY, content may still come in ──▶ IDLE | LINGER | TUNNEL

What uvicorn does not have and a gateway needs stands here too: limits on heads, content and time, strict framing, write back-pressure.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import deque
from enum import IntEnum
from functools import partial
from math import inf
from time import monotonic
from typing import Any
from urllib.parse import unquote

import httptools

from gateway.clock import Clock
from gateway.errors import BadRequest, UpstreamReset
from gateway.flow.page import STEERING, Page
from gateway.flow.response import STATUS_LINE, Response
from gateway.listener.body import IncomingBody
from gateway.listener.cycle import App, Cycle
from gateway.listener.head import NOT_IN_TRAILERS, Head, Heads, make_request
from gateway.listener.limits import Limits
from gateway.listener.proxies import TrustedProxies
from gateway.listener.tunnel import ClientTunnel
from gateway.semantics.message import Fields, Request
from gateway.telemetry.account import Account

__all__ = ["Edge", "EdgeProtocol", "State"]

logger = logging.getLogger(__name__)

_LINGER = 2.0
_PROBE = 1.0
"""Seconds after which a client that has closed its sending side is asked, once a second, whether it is still there. See `_probe`."""

# Methods that llhttp reads and HTTP does not have (RTSP, Icecast), and the one that is for forward proxies.
_NOT_FOR_US = frozenset(
    b"CONNECT SOURCE DESCRIBE ANNOUNCE SETUP PLAY PAUSE TEARDOWN GET_PARAMETER SET_PARAMETER REDIRECT RECORD FLUSH".split()
)
_METHOD = re.compile(rb"[\r\n]*[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?: |\Z)")
_GRACE = 0.3
"""Seconds in which a request that was on the wire when draining began may still arrive."""
_JOIN_UP_TO = 32 << 10
"""Octets up to which head and content are joined for one write; above it, copying costs more than a second segment."""


class State(IntEnum):
    """Where a connection stands."""

    IDLE = 0  # between requests
    HEAD = 1  # part of a head has come
    BUSY = 2  # a request is being answered
    LINGER = 3  # answered with an error; what still comes is thrown away so that the answer is not lost in a reset
    TUNNEL = 4  # switched to another protocol


class Edge:
    """What all connections of a process share. clock: epoch seconds that never go back; control: the prefix of our own paths."""

    def __init__(
        self,
        page: Page,
        account: Account,
        limits: Limits,
        clock: Clock,
        proxies: TrustedProxies,
        *,
        control: bytes = b"/_weft/",
        fast_lane: bool = True,
    ) -> None:
        self.page = page
        self.account = account
        self.limits = limits
        self.clock = clock
        self.proxies = proxies
        self.control = control
        self.fast_lane = fast_lane
        self.connections: set[EdgeProtocol] = set()
        self.draining = False
        self.heads = Heads()


class EdgeProtocol(asyncio.Protocol):
    """One client connection. The signature is what uvicorn.Server calls protocol classes with; edge is bound before."""

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
        self.scheme = b"http"
        self.keep_alive = True
        self.last_request = False  # nothing after this one
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
        self.client_part = b""
        self.completed = 0  # requests without content since the connection began
        self.last_read: Request | None = None  # the last of them

    # ------------------------------------------------------------------------------------------------ the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        peer = transport.get_extra_info("peername")
        self.peer = peer[0] if isinstance(peer, tuple) else ""
        self.is_trusted = self.edge.proxies.trusts(self.peer)
        if transport.get_extra_info("sslcontext") is not None:
            self.scheme = b"https"
        edge = self.edge
        # A trusted proxy's word may change client and scheme with each request: those go the long way.
        self.lane = edge.fast_lane and not self.is_trusted and self.scheme == b"http"
        if edge.account.log is not None:
            self.client_part = edge.account.log.client_part(self.peer)
        if len(edge.connections) >= self.limits.max_connections:
            edge.account.metrics.refuse("max_connections")
            self.write_bare(503, b"retry-after: 1\r\n")
            self._linger()
            self.loop.call_later(_LINGER, transport.abort)  # the sweeper does not know this one
            return
        edge.connections.add(self)
        self.server_state.connections.add(self)
        self.deadline = self.edge.clock() + self.limits.header_timeout  # a client that connects and says nothing

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self.edge.connections.discard(self)
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

    def eof_received(self) -> bool:
        """A client that has said all it will may still be waiting for an answer: the connection stays open on our side."""
        if self.tunnel is not None:
            self.tunnel.end()
            return True
        if (self.state is State.BUSY or self.waiting) and (self.incoming is None or self.incoming.complete):
            self.half_closed = True
            if not self.write_paused:
                self.deadline = self.edge.clock() + _PROBE
            return True
        return False

    def shutdown(self) -> None:
        """The server drains: finish what runs, answer what is on the wire already, take nothing after that.

        Between two requests nobody can see whether the next one has been sent (RFC 9112 §9.6), so there is a moment's grace.
        """
        if self.state is State.IDLE:
            self.deadline = min(self.deadline, self.edge.clock() + _GRACE)
        elif self.cycle is not None:
            self.cycle.keep_alive = False

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
            self.transport.close()
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
        self.deadline = now + _PROBE

    def _expire_body(self, now: float) -> None:
        body = self.incoming
        assert body is not None
        if body.paused or self.waiting:  # we hold it back ourselves
            self.deadline = now + self.limits.body_timeout
            return
        self._refuse_body(BadRequest("the content stopped coming", 408, "body_timeout"))

    def _refuse_silently(self, reason: str) -> None:
        self.edge.account.metrics.refuse(reason)
        self.transport.abort()

    # ------------------------------------------------------------------------------------------------ octets in

    def data_received(self, data: bytes) -> None:
        state = self.state
        if state >= State.LINGER:
            if self.tunnel is not None:
                self.tunnel.feed(data)
            return
        alone = not state and not self.reading and not self.pending  # whatever data holds, it begins with a head
        if (
            alone
            and self.lane
            and not self.write_paused
            and not self.last_request
            and data[:5] == b"GET /"
            and data[-4:] == b"\r\n\r\n"
        ):
            end = data.find(b"\r\n")
            head = self.edge.heads.get(data[end:])
            if (
                head is not None
                and head.is_plain
                and data[end - 9 : end] == b" HTTP/1.1"
                and self._answer_ready(head, data[4 : end - 9])
            ):
                return
        self._parse(data, alone=alone)

    def _answer_ready(self, head: Head, target: bytes) -> bool:
        """The hot lane: a header section seen before, and an answer rendered earlier in this second.

        target is not validated here: nothing is stored under one that the parser would refuse.
        """
        edge = self.edge
        started = monotonic()
        now = started + edge.clock.offset
        response = edge.page.ready_now(b"http", head.host, target, head.accept, now)
        if response is None:
            return False
        body = response.body
        if not head.keep_alive or edge.draining:
            self.last_request = True
            self.transport.write(b"".join((response.head, b"connection: close\r\n\r\n", body or b"")))  # type: ignore[arg-type]
            self.transport.close()
        elif body is None:
            self.transport.write(response.head + b"\r\n")
        elif response.length <= _JOIN_UP_TO:  # type: ignore[operator]  # content at hand has a length
            self.transport.write(b"".join((response.head, b"\r\n", body)))  # type: ignore[arg-type]
        else:
            self.transport.writelines((response.head, b"\r\n", body))  # type: ignore[arg-type]
        self.deadline = now + self.limits.keepalive_timeout
        edge.account.tell_ready(self.client_part, target, head, response, now, started, response.length or 0)
        return True

    def _parse(self, data: bytes, *, alone: bool) -> None:
        """Everything that is not the hot lane: through llhttp."""
        if self.refusal is not None:
            return
        body = self.incoming
        if body is None:
            if not self.pending and self.state <= State.HEAD:
                self.started = monotonic()
            self.pending += len(data)
        before = body.received if body is not None else 0
        completed = self.completed
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgraded(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError as error:
            self._malformed(error, data)
            return
        if self.lost:
            return
        if alone and self.completed == completed + 1 and not self.pending and not self.reading and self.lane:
            self._remember_head(data)
        if self.incoming is None and (self.reading or self.pending):
            self._head_is_partial()
        elif body is not None and not body.complete:
            self._body_goes_on(body, len(data) - (body.received - before))

    def _remember_head(self, data: bytes) -> None:
        """data was one request, whole and alone: its header section need not be read again."""
        request = self.last_read
        if (
            request is None
            or request.method != b"GET"
            or request.has_body
            or request.version != b"1.1"
            or request.expect is not None
        ):
            return
        end = data.find(b"\r\n")
        # The first blank line must be the last: what comes after one is content or another request, and no part of this header section.
        if data[:5] == b"GET /" and data.find(b"\r\n\r\n") == len(data) - 4:
            self.edge.heads.remember(data[end:], Head(request, STEERING, keep_alive=self.keep_alive))

    def _head_is_partial(self) -> None:
        if self.pending > self.limits.header_bytes:
            too_long = len(self.url) > self.limits.url_bytes
            self._refuse_in_turn(
                BadRequest("the head is too large", 414 if too_long else 431, "url_bytes" if too_long else "header_bytes")
            )
        elif self.state is State.IDLE and self.reading:  # and not mere empty lines. RFC 9112 §2.2
            self.state = State.HEAD
            self.deadline = self.edge.clock() + self.limits.header_timeout

    def _body_goes_on(self, body: IncomingBody, overhead: int) -> None:
        now = self.edge.clock()
        self.deadline = now + self.limits.body_timeout
        self.overhead += overhead
        limits = self.limits
        if self.overhead > limits.chunk_overhead_bytes + 16 * body.received:  # one-octet chunks cost five
            self._refuse_body(BadRequest("more framing than content", 400, "chunk_overhead_bytes"))
        elif limits.body_bytes and body.received > limits.body_bytes:
            self._refuse_body(BadRequest("the content is too large", 413, "body_bytes"))
        elif limits.body_min_rate and not body.paused:
            elapsed = now - self._rate_since
            if elapsed > 10 and body.received < limits.body_min_rate * elapsed:
                self._refuse_body(BadRequest("the content comes too slowly", 408, "body_min_rate"))

    def _malformed(self, error: Exception, data: bytes) -> None:
        cause = error.__context__ if isinstance(error, httptools.HttpParserCallbackError) else None
        if isinstance(cause, BadRequest):
            refusal = cause
        elif isinstance(error, httptools.HttpParserInvalidMethodError) and _METHOD.match(data):
            refusal = BadRequest("a method that this server does not know", 501, "unknown_method")
        elif isinstance(error, httptools.HttpParserCallbackError) and cause is not None:
            logger.error("request callback failed", exc_info=cause)
            refusal = BadRequest("the request could not be read", 500, "callback")
        elif "HTTP version" in str(error):
            refusal = BadRequest(str(error), 505, "version")
        else:
            refusal = BadRequest(str(error), 400, "malformed")
        if self.incoming is not None and not self.incoming.complete:
            self._refuse_body(refusal)
        else:
            self._refuse_in_turn(refusal)

    # ------------------------------------------------------------------------------------------------ parser callbacks

    def on_message_begin(self) -> None:
        if self.replaying:
            return
        self.url = b""
        self.fields = []
        self.trailing = False
        self.reading = True
        self.behind = not self.pending

    def on_url(self, url: bytes) -> None:
        if not self.replaying:
            self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.replaying:
            return
        if self.trailing:
            self._on_trailer(name, value)
            return
        self.fields.append((name.lower(), value.rstrip(b" \t")))  # llhttp has taken the blanks before it, not those behind

    def _on_trailer(self, name: bytes, value: bytes) -> None:
        assert self.trailers is not None
        self.overhead += len(name) + len(value)
        self.trailer_bytes += len(name) + len(value) + 4
        name = name.lower()
        if name not in NOT_IN_TRAILERS:
            self.trailers.append((name, value.strip(b" \t")))
        if self.trailer_bytes > self.limits.trailer_bytes:
            raise BadRequest("the trailer section is too large", 431, "trailer_bytes")

    def on_headers_complete(self) -> None:
        if self.replaying:
            return
        limits, fields, parser = self.limits, self.fields, self.parser
        if self.behind or self.pending > limits.header_bytes:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in fields)
            if size > limits.header_bytes:
                raise BadRequest("the head is too large", 431, "header_bytes")
        if len(self.url) > limits.url_bytes:
            raise BadRequest("the request target is too long", 414, "url_bytes")
        if len(fields) > limits.header_count:
            raise BadRequest("too many fields", 431, "header_count")
        version = parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise BadRequest("not HTTP/1", 505 if version[0] > "1" else 400, "version")
        client, scheme = self.peer, self.scheme
        if self.is_trusted:
            client, scheme = self.edge.proxies.told(client, scheme, fields)
        method = parser.get_method()
        if method in _NOT_FOR_US:
            raise BadRequest("a method that this server does not know", 501, "unknown_method")
        request = make_request(method, self.url, fields, b"1.1" if version == "1.1" else b"1.0", scheme, client)
        self.request = request
        self.keep_alive = parser.should_keep_alive()
        self.pending = 0
        if request.has_body or request.expect is not None:
            self._expect_content(request)

    def _expect_content(self, request: Request) -> None:
        """Content follows: answer while it comes."""
        expect = request.expect
        if expect and expect.lower() != b"100-continue":
            raise BadRequest("an expectation that nobody here can meet", 417, "expect")
        if not request.has_body:
            return
        if self.limits.body_bytes and (request.length or 0) > self.limits.body_bytes:
            raise BadRequest("the content is too large", 413, "body_bytes")
        self.skipped = self.parser.should_upgrade()
        self.expects_continue = expect is not None and request.version == b"1.1"
        self.incoming = IncomingBody(self._hold_body, self._resume_body, self._send_continue, self.limits.request_buffer)
        self.bodies[request] = self.incoming
        self.trailers = request.trailers = []
        self.trailing = True
        self.overhead = self.trailer_bytes = 0
        request.body = self.incoming.__aiter__()
        self._time_body()
        self._dispatch(request)

    def _time_body(self) -> None:
        """Content is wanted from now on."""
        now = self.edge.clock()
        self._rate_since = now
        self.deadline = now + self.limits.body_timeout

    def on_body(self, chunk: bytes) -> None:
        if self.incoming is not None:
            self.incoming.feed(chunk)

    def on_message_complete(self) -> None:
        if self.skipped:
            return  # _upgraded goes on with it
        self.reading = False
        request = self.request
        if request is None:
            return  # its head was refused
        if self.incoming is not None:
            self.incoming.finish()
            self.incoming = None
            self.trailing = False
            self.deadline = inf
            return
        self.completed += 1
        self.last_read = request
        self._dispatch(request)

    # ------------------------------------------------------------------------------------------------ answering

    def _dispatch(self, request: Request) -> None:
        """Answer at once, or start the ASGI cycle, or wait for the one before."""
        if self.cycle is not None or self.waiting or self.write_paused:
            self.waiting.append((request, self.keep_alive))
            self.transport.pause_reading()
            return
        self._answer(request, keep_alive=self.keep_alive)

    def _answer(self, request: Request, *, keep_alive: bool) -> None:
        edge = self.edge
        if self.last_request:
            return
        if edge.draining:
            keep_alive = False
        if edge.fast_lane and not request.has_body and not request.target.startswith(edge.control):
            now = edge.clock()
            response = edge.page.answer_now(request, now)
            if response is not None:
                self._send_now(request, response, now, keep_alive=keep_alive)
                return
        self.state = State.BUSY
        if request is self.request and self.incoming is not None:
            self._time_body()
        else:
            self.deadline = edge.clock() + _PROBE if self.half_closed else inf
        request.interim = partial(self.send_interim, request)
        cycle = self.cycle = Cycle(self, request, self.app, keep_alive=keep_alive)
        cycle.task = self.loop.create_task(cycle.run())
        self.server_state.tasks.add(cycle.task)
        cycle.task.add_done_callback(self.server_state.tasks.discard)

    def _send_now(self, request: Request, response: Response, now: float, *, keep_alive: bool) -> None:
        """The hot answer: everything is at hand."""
        head, body = response.head, response.body
        if keep_alive:
            ending = b"\r\n" if request.version == b"1.1" else b"connection: keep-alive\r\n\r\n"
        else:
            ending = b"connection: close\r\n\r\n"
        if body is None:
            octets = 0
            self.transport.write(head + ending)
        else:
            octets = len(body)  # type: ignore[arg-type]  # answer_now gives bytes or None
            if octets <= _JOIN_UP_TO:
                self.transport.write(b"".join((head, ending, body)))  # type: ignore[arg-type]
            else:
                self.transport.writelines((head, ending, body))  # type: ignore[arg-type]
        self.edge.account.tell(request, response, now, self.started, octets)
        if self.request is request:
            self.request = None
        if keep_alive:
            self.state = State.IDLE
            self.deadline = now + self.limits.keepalive_timeout
        else:
            self.last_request = True
            self.transport.close()

    def end_cycle(self, cycle: Cycle, *, clean: bool) -> None:
        """A cycle is over: on to the next request, or close."""
        if self.cycle is cycle:
            self.cycle = None
        body = self.bodies.pop(cycle.request, None)
        if self.lost or self.state >= State.LINGER:
            return
        if not clean:
            self.transport.abort() if cycle.started and not cycle.finished else self.transport.close()
            return
        if body is not None and not body.complete:
            self._linger()  # answered before the content was read: it is not read to the end. RFC 9112 §9.3
            return
        if not cycle.keep_alive or self.last_request or self.edge.draining:
            self.last_request = True
            self.transport.close()
            return
        if self.request is cycle.request:
            self.request = None
        self.state = State.HEAD if self.reading else State.IDLE
        self.deadline = self._patience()
        self._next()

    def _next(self) -> None:
        """Requests that came before their turn (pipelining, RFC 9112 §9.3.2); after the last of them, what else has come."""
        while self.waiting and self.cycle is None and not self.write_paused and not self.lost:
            request, keep_alive = self.waiting.popleft()
            self._answer(request, keep_alive=keep_alive and not (self.half_closed and not self.waiting))
        if self.waiting or self.write_paused or self.lost or self.last_request:
            return
        if self.cycle is not None:
            if self.upgrade_rest is None:
                self._resume_reading()
        elif self.refusal is not None:
            self._refuse(self.refusal)
        elif self.half_closed:
            self.transport.close()
        else:
            self._resume_reading()
            if self.upgrade_rest is not None:  # no switch: what stands behind the request is the next one
                rest, self.upgrade_rest = self.upgrade_rest, None
                self._feed_rest(rest)

    # ------------------------------------------------------------------------------------------------ refusing

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
                "weft": {"request": request, "answer": cycle.answer, "tunnel": self.open_tunnel, "started": self.started},
            },
        }

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

    def _patience(self) -> float:
        """The deadline that belongs to the state, counted from now."""
        now, limits = self.edge.clock(), self.limits
        if self.state is State.IDLE:
            return now + limits.keepalive_timeout
        if self.state is State.HEAD:
            return now + limits.header_timeout
        if self.state is State.LINGER:
            return now + _LINGER
        if self.incoming is not None and not self.incoming.complete:
            return now + limits.body_timeout
        return now + _PROBE if self.half_closed else inf

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

    # ------------------------------------------------------------------------------------------------ upgrades

    def _upgraded(self, rest: bytes) -> None:
        """llhttp has stopped at a request that asks for another protocol. What follows it waits until the origin has agreed, or not."""
        self.parser = httptools.HttpRequestParser(self)
        if self.skipped:
            self._read_skipped(rest)
        elif self.cycle is None and not self.waiting:  # answered or refused already
            self._feed_rest(rest)
        else:
            self.upgrade_rest = rest
            self.transport.pause_reading()

    def _read_skipped(self, rest: bytes) -> None:
        """A request with content that would also like to upgrade (Java's client asks so by default): read as one that would not. RFC 9110 §7.8."""
        request = self.request
        assert request is not None
        framing = b"Transfer-Encoding: chunked" if request.length is None else b"Content-Length: %d" % request.length
        self.skipped, self.replaying = False, True
        self.parser.feed_data(b"POST / HTTP/1.1\r\n" + framing + b"\r\n\r\n")
        self.replaying = False
        if rest:
            self._parse(rest, alone=False)

    def _feed_rest(self, rest: bytes) -> None:
        if rest and not self.lost and not self.last_request and self.state <= State.HEAD:
            self.data_received(rest)

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


def _unquoted(path: bytes) -> str:
    text = path.decode("latin-1")
    return unquote(text) if "%" in text else text
