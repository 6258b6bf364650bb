"""From octets to requests, through llhttp: limits on heads and content, strict framing, upgrades. ../fastlane.py says what becomes of them."""

from __future__ import annotations

import logging
import re
from math import inf
from time import monotonic

import httptools

from gateway.errors import BadRequest
from gateway.listener.body import IncomingBody
from gateway.listener.connection import ClientConnection
from gateway.listener.edge import State
from gateway.listener.head import NOT_IN_TRAILERS, make_request
from gateway.semantics.message import Request
from gateway.semantics.trace_context import without_trace

__all__ = ["ReadingConnection"]

logger = logging.getLogger(__name__)

# Methods that llhttp reads and HTTP does not have (RTSP, Icecast), and the one that is for forward proxies.
_NOT_FOR_US = frozenset(
    b"CONNECT SOURCE DESCRIBE ANNOUNCE SETUP PLAY PAUSE TEARDOWN GET_PARAMETER SET_PARAMETER REDIRECT RECORD FLUSH".split()
)
_METHOD = re.compile(rb"[\r\n]*[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?: |\Z)")


class ReadingConnection(ClientConnection):
    """A connection that reads. Each request goes to `_dispatch`: with content, as soon as its head is there."""

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
        if not self.may_trace:
            fields = self.fields = without_trace(fields)
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

    # ------------------------------------------------------------------------------------------------ for the one above

    def _dispatch(self, request: Request) -> None:
        """A request is there to be answered."""
        raise NotImplementedError

    def _remember_head(self, data: bytes) -> None:
        """data was one request, whole and alone."""
        raise NotImplementedError
