"""The sending side of a connection: one request body at a time, no faster than the origin reads.

    begin ──▶ (Expect: wait for 100, a while) ──▶ body, piece by piece ──▶ sent_all
                                                       └── settle: the response has ended, or the connection

The twin of inflow.py. It writes no head and reads nothing; what a body iterator raises it lets pass.
"""

from __future__ import annotations

import asyncio
from math import inf

from gateway.errors import UpstreamReset
from gateway.upstream.deadline import Deadline, Why
from gateway.upstream.limits import OriginLimits
from gateway.upstream.origin import OriginRequest
from gateway.upstream.request_writer import LAST_CHUNK, encode_chunk_line, encode_trailers

__all__ = ["Outflow"]

_WRITE, _TOTAL, _HEAD = Why.WRITE, Why.TOTAL, Why.HEAD


class Outflow:
    """One connection's. Its owner tells it what the transport tells (block, unblock, close) and when an exchange begins and ends.

    body_taken  the request's body was touched: it can't be sent a second time
    sent_all    the request is whole; until then the connection can't carry another one
    """

    __slots__ = (
        "_blocked",
        "_closed",
        "_deadline",
        "_drainers",
        "_go_ahead",
        "_limits",
        "_loop",
        "_turn",
        "body_taken",
        "patience",
        "sent_all",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: OriginLimits, deadline: Deadline) -> None:
        self._loop = loop
        self._limits = limits
        self._deadline = deadline
        self._blocked = False
        self._closed = False
        self._drainers: list[asyncio.Future[None]] = []
        self._go_ahead: asyncio.Future[None] | None = None  # while `Expect: 100-continue` waits
        self._turn = 0  # changes with each exchange, so that a body iterator that lingers can't touch the next one
        self.body_taken = False
        self.sent_all = True
        self.patience = limits.first_byte_timeout  # how long this exchange's response head may take

    def settle(self) -> int:
        """Begin or end an exchange; return the number that send_body must be given."""
        self._turn += 1
        self.body_taken = False
        return self._turn

    def await_head(self) -> None:
        """Set the time for the response head, which runs from the end of the request."""
        self._deadline.set(self._loop.time() + (self.patience or inf), _HEAD)

    async def send_body(self, transport: asyncio.WriteTransport, request: OriginRequest, turn: int) -> bool:
        """Send it all; then set the time for the head. Return False when it no longer matters, because the exchange is over.

        Raises what the iterator raises, and ValueError when the body has another length than it says.
        """
        if any(name == b"expect" and value.lower() == b"100-continue" for name, value in request.fields):
            await self._wait_for_go_ahead()
        left = await self._stream(transport, request, turn)
        if self._turn != turn:
            return False
        if left:
            raise ValueError(f"the body ended {left} bytes before its length {request.length}")
        if left is None:
            transport.write(LAST_CHUNK + encode_trailers(request.trailers))
        self.sent_all = True
        self.await_head()
        return True

    async def _stream(self, transport: asyncio.WriteTransport, request: OriginRequest, turn: int) -> int | None:
        """Write the pieces; return what is missing of the declared length. While the client is slow only the total time runs."""
        body, left = request.body, request.length
        assert body is not None
        self.body_taken = True
        async for piece in body:
            if self._turn != turn:
                break  # the response has ended already, and the iterator didn't heed its cancellation
            if not piece:
                continue  # an empty chunk would be the last one
            if left is None:
                transport.writelines((encode_chunk_line(len(piece)), piece, b"\r\n"))
            else:
                left -= len(piece)
                if left < 0:
                    raise ValueError(f"the body is longer than its length {request.length}")
                transport.write(piece)
                self.sent_all = left == 0
            if self._blocked:
                self._deadline.set(self._loop.time() + (self._limits.idle_timeout or inf), _WRITE)
                await self.drained()
                self._deadline.set(inf, _TOTAL)
        return left

    async def _wait_for_go_ahead(self) -> None:
        """Return when 100 has come, or after long enough to take the origin for one that doesn't know it. RFC 9110 §10.1.1."""
        waiter = self._go_ahead = self._loop.create_future()
        timer = self._loop.call_later(self._limits.continue_timeout, _resolve, waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            self._go_ahead = None

    def go_ahead(self) -> None:
        """Take note of a 100."""
        if self._go_ahead is not None:
            _resolve(self._go_ahead)

    def block(self) -> None:
        """Hold writers back: the transport's buffer is full."""
        self._blocked = True

    def unblock(self) -> None:
        """Let writers go on."""
        self._blocked = False
        self._wake()

    def close(self) -> None:
        """Let writers fail."""
        self._closed = True
        self._turn += 1
        self._wake()

    async def drained(self) -> None:
        """Return when there is room for more. Raises UpstreamReset when there never will be."""
        while self._blocked and not self._closed:
            waiter = self._loop.create_future()
            self._drainers.append(waiter)
            await waiter
        if self._closed:
            raise UpstreamReset("connection closed while something was sent")

    def _wake(self) -> None:
        for waiter in self._drainers:
            _resolve(waiter)
        self._drainers.clear()


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
