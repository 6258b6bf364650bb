"""One connection to an origin: one exchange at a time, over an asyncio transport.

    idle ──exchange()──▶ head ──▶ body ──▶ idle        the response has ended, nothing more came, all of the request was sent
      │                   │        │  └──▶ closed      surplus bytes, `Connection: close`, until-close body, request not sent to its end
      │                   │        └─────▶ tunnel      after 101, until either side closes
      └──any byte, EOF────┴── error, deadline, cancellation ──▶ closed

It decides nothing about HTTP (response_parser.py, request_writer.py do) and nothing about who comes next (pool.py does). It keeps three rules:
a connection that has said one byte too much is never used again; what can't be read is held back at the origin, not in memory;
and whatever happens, its keeper hears `lost` exactly once.
"""

from __future__ import annotations

import asyncio
import select
import time
from math import inf
from typing import Protocol, cast

from gateway.errors import UpstreamReset, UpstreamTimeout, UpstreamTruncated
from gateway.upstream.deadline import Deadline, Why
from gateway.upstream.inflow import ArrivedBody, Inflow, StreamingBody, UpgradedTunnel
from gateway.upstream.limits import OriginLimits
from gateway.upstream.origin import Interim, OriginRequest, OriginResponse
from gateway.upstream.outflow import Outflow
from gateway.upstream.response_head import CLOSE, NONE, TUNNEL, ResponseHead
from gateway.upstream.response_parser import ResponseParser

__all__ = ["Connection", "Keeper"]

_CONTINUE = 100
_SAFE = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE"})  # RFC 9110 §9.2.1

# Globals, because a member by name costs 0.2 µs in 3.11: see response_head.NONE.
_IDLE, _READ, _TOTAL = Why.IDLE, Why.READ, Why.TOTAL

# An origin that says `Keep-Alive: timeout=5` closes after 5 s by its clock: leave before it does, so that no request crosses its FIN.
_IDLE_SHARE = 0.8


class Keeper(Protocol):
    """Who lends this connection out."""

    def freed(self, connection: Connection) -> None:
        """Take it back: it is idle and can be used again."""

    def lost(self, connection: Connection) -> None:
        """Forget it: it is closed. Called exactly once in its life."""


class Connection(asyncio.Protocol):
    """The protocol side of one transport. Made by a Dialer; exchange() only while idle.

    address     what was dialled (for logs and for noticing that DNS has moved on)
    served      exchanges begun on it
    """

    __slots__ = (
        "_closed",
        "_deadline",
        "_inflow",
        "_interim",
        "_keeper",
        "_limits",
        "_loop",
        "_outflow",
        "_parser",
        "_paused",
        "_poller",
        "_read_timeout",
        "_sender",
        "_transport",
        "_waiter",
        "address",
        "served",
        "tls",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: OriginLimits, keeper: Keeper, address: str = "") -> None:
        self._loop = loop
        self._limits = limits
        self._keeper = keeper
        self.address = address
        self.served = 0
        self.tls = False
        self._transport: asyncio.Transport | None = None
        self._poller: select.poll | None = None
        self._closed = False
        # The exchange under way; None and neutral while idle.
        self._inflow: Inflow | None = None
        self._parser: ResponseParser | None = None
        self._waiter: asyncio.Future[float] | None = None  # its result: epoch seconds when the head was complete
        self._interim: Interim | None = None
        self._sender: asyncio.Task[None] | None = None
        # Flow and time.
        self._paused = False
        self._deadline = Deadline(loop, self._expire)
        self._read_timeout = inf
        self._outflow = Outflow(loop, limits, self._deadline)

    @property
    def is_closed(self) -> bool:
        """True once it can't be used any more."""
        return self._closed

    # ── for the pool ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def is_fit(self) -> bool:
        """Return True when it may carry an exchange: open, and not a byte or an EOF waiting in the socket.

        The look into the socket is what keeps bytes that came since the last turn of the loop from being read as the next response.
        """
        if self._closed or self._transport is None or self._transport.is_closing():
            return False
        return self._poller is None or not self._poller.poll(0)

    def close(self) -> None:
        """Close at once, whatever is under way; an exchange in progress fails with UpstreamReset. May be called more than once."""
        self._break(UpstreamReset("connection closed by the gateway"))

    # ── one exchange ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def exchange(self, request: OriginRequest, head: bytes) -> OriginResponse:
        """Send a request whose head is encoded already; return when the final response head is complete.

        Raises UpstreamError, or what the request's body iterator raised. Cancelled, or failed, it leaves the connection closed.
        """
        if self._closed or self._transport is None:
            raise UpstreamReset("connection lost while it was handed over", retryable=self.served > 0)
        request_time = time.time()
        limits = self._limits
        parser = self._parser = ResponseParser(request.method, limits, upgrade=request.upgrade)
        inflow = self._inflow = Inflow()
        waiter = self._waiter = self._loop.create_future()
        self._interim = request.interim
        self._deadline.total = self._loop.time() + (limits.total_timeout or inf)
        self._read_timeout = limits.idle_timeout or inf
        self.served += 1
        self._transport.write(head)
        sender: asyncio.Task[None] | None = None
        self._outflow.patience = limits.first_byte_timeout if request.method in _SAFE else limits.unsafe_first_byte_timeout
        if request.body is None:
            self._outflow.await_head()
        else:
            turn = self._outflow.settle()
            self._outflow.sent_all = False
            self._deadline.set(inf, _TOTAL)
            sender = self._sender = self._loop.create_task(self._send_body(request, inflow, turn))
        try:
            response_time = await waiter
            if sender is not None:
                await _stop(sender)
        except BaseException:
            self.drop(inflow)
            if sender is not None:
                await _stop(sender)
            raise
        final = parser.head
        assert final is not None  # the waiter's promise
        response = OriginResponse(
            final.status, final.fields, reason=final.reason, request_time=request_time, response_time=response_time
        )
        if final.framing is NONE:
            return response
        if final.framing is TUNNEL:
            response.tunnel = UpgradedTunnel(self, inflow)
            return response
        response.length = final.length
        response.body = ArrivedBody(inflow.content, parser.trailers) if inflow.ended else StreamingBody(self, inflow, parser)
        return response

    async def _send_body(self, request: OriginRequest, inflow: Inflow, turn: int) -> None:
        assert self._transport is not None
        try:
            await self._outflow.send_body(self._transport, request, turn)
        except Exception as error:  # noqa: BLE001 - the iterator's own: it goes to whoever gave us the iterator
            if self._inflow is inflow:
                self._break(error)

    # ── what readers ask (inflow.Source) ─────────────────────────────────────────────────────────────────────────────────────────

    def taken(self, inflow: Inflow) -> None:
        """Let the origin go on when three quarters of the window are free again."""
        if self._paused and self._inflow is inflow and inflow.buffered * 4 <= self._limits.window_bytes:
            self._paused = False
            if self._transport is not None:
                self._transport.resume_reading()
            self._deadline.set(self._loop.time() + self._read_timeout, _READ)

    def drop(self, inflow: Inflow) -> None:
        """Close, unless the connection serves another exchange by now."""
        if self._inflow is inflow and not self._loop.is_closed():
            self._close()

    async def send(self, inflow: Inflow, data: bytes) -> None:
        """Write into a tunnel. Raises UpstreamReset when it is closed."""
        if self._inflow is not inflow or self._transport is None:
            raise UpstreamReset("the tunnel is closed")
        self._transport.write(data)
        await self._outflow.drained()

    # ── what the transport tells (asyncio.Protocol) ──────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; look up the socket for is_fit()."""
        self._transport = cast("asyncio.Transport", transport)
        self.tls = transport.get_extra_info("ssl_object") is not None
        sock = transport.get_extra_info("socket")
        if sock is not None:
            self._poller = select.poll()
            self._poller.register(sock.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
        if self._closed:  # given up while the handshake went on
            transport.abort()  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Parse, hand on, hold back."""
        inflow, parser = self._inflow, self._parser
        if inflow is None or parser is None:
            self._close()  # bytes that nobody asked for: they must not become somebody's response
            return
        in_head = parser.head is None
        try:
            content = parser.feed(data)
            if parser.interims:
                self._pass_interims(parser)
        except Exception as error:  # noqa: BLE001 - UpstreamMalformed, or what the interim callback raised
            self._break(error)
            return
        if content:
            inflow.put(content)
        if in_head:
            if parser.head is None:
                return  # the deadline stays: it is for the whole head
            self._take_head(parser.head)
        if parser.ended:
            inflow.end()
            self._finish(parser)
        elif inflow.buffered >= self._limits.window_bytes:
            self._pause()
        else:
            self._deadline.set(self._loop.time() + self._read_timeout, _READ)

    def eof_received(self) -> bool:
        """Return True to keep a tunnel's other direction open."""
        inflow, parser = self._inflow, self._parser
        if inflow is None or parser is None:
            self._close()
            return False
        self._end_of_input(inflow, parser)
        return self._inflow is inflow and not self.tls

    def connection_lost(self, exc: Exception | None) -> None:
        """End what is under way."""
        inflow, parser = self._inflow, self._parser
        if inflow is None or parser is None:
            self._close()
        elif exc is not None and parser.head is not None and parser.head.framing is CLOSE:
            self._break(UpstreamTruncated("connection broke in the body"))  # a reset is no proper end: RFC 9112 §8
        elif exc is not None and parser.head is not None and parser.head.framing is TUNNEL:
            self._break(UpstreamReset("tunnel broke"))
        else:
            self._end_of_input(inflow, parser)
            self._close()

    def pause_writing(self) -> None:
        """Stop the sender."""
        self._outflow.block()

    def resume_writing(self) -> None:
        """Let the sender go on."""
        self._outflow.unblock()

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _take_head(self, head: ResponseHead) -> None:
        """Wake exchange(); stop a sender that isn't done (RFC 9112 §9.3: a response may come before the request has ended)."""
        if self._sender is not None and not self._sender.done():
            self._sender.cancel()
        if head.framing is TUNNEL:
            self._deadline.total = self._read_timeout = inf
            self._deadline.set(inf, _IDLE)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(time.time())

    def _pass_interims(self, parser: ResponseParser) -> None:
        for head in parser.interims:
            if head.status == _CONTINUE:
                self._outflow.go_ahead()
            if self._interim is not None:
                self._interim(head.status, head.fields)
        parser.interims.clear()
        if self._outflow.sent_all:
            self._outflow.await_head()  # an origin that says "still at work" gets its time anew, max_interim times

    def _end_of_input(self, inflow: Inflow, parser: ResponseParser) -> None:
        try:
            parser.feed_eof()
        except UpstreamReset as error:
            error.retryable = self.served > 1 and not parser.started and not self._outflow.body_taken
            self._break(error)
        except UpstreamTruncated as error:
            self._break(error)
        else:
            inflow.end()
            if parser.head is not None and parser.head.framing is not TUNNEL:
                self._finish(parser)

    def _finish(self, parser: ResponseParser) -> None:
        """Become idle, or close. No await anywhere in it: the exchange is half over."""
        head = parser.head
        keep = self._limits.keepalive_timeout
        if head is None or not head.keep_alive or parser.surplus or not self._outflow.sent_all or keep <= 0:
            self._close()
            return
        if head.idle_limit is not None:
            keep = min(keep, head.idle_limit * _IDLE_SHARE)
        self._inflow = self._parser = self._waiter = self._interim = self._sender = None
        self._outflow.settle()
        self._deadline.total = inf
        self._deadline.set(self._loop.time() + keep, _IDLE)
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        self._keeper.freed(self)

    def _break(self, error: BaseException) -> None:
        """Close, and let whoever waits for this exchange see why."""
        inflow, waiter = self._inflow, self._waiter
        self._close()
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        elif inflow is not None:
            inflow.fail(error)

    def _close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._inflow = self._parser = self._interim = None
        self._deadline.cancel()
        if self._transport is not None:
            self._transport.abort()
        if self._sender is not None and not self._sender.done() and self._sender is not _current_task(self._loop):
            self._sender.cancel()
        self._sender = None
        self._outflow.close()
        self._keeper.lost(self)

    def _pause(self) -> None:
        """Hold the origin back. Its time stands still too: the reader is the slow one."""
        if not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
            self._deadline.set(inf, _TOTAL)

    def _expire(self, why: Why) -> None:
        if why is _IDLE:
            self._close()
        else:
            reason, sentence = why.value
            self._break(UpstreamTimeout(sentence, reason))


def _current_task(loop: asyncio.AbstractEventLoop) -> asyncio.Task[None] | None:
    return cast("asyncio.Task[None] | None", asyncio.current_task(loop))


async def _stop(task: asyncio.Task[None]) -> None:
    """Cancel and wait, if it still runs, so that the caller's iterator isn't running any more when the caller goes on. Bounded: it may not heed."""
    if not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=1.0)
