"""Content between a connection that receives and a reader that reads: bounded, ordered, one reader.

    connection ── put, end, fail ──▶ Inflow ── take, wait ──▶ StreamingBody | UpgradedTunnel

A connection and its current reader share one Inflow; when the response has ended the connection goes on to the next exchange with
a new one, and the reader finishes what is left. The inflow never touches the connection: the reader does, through the verbs it is given.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from gateway.semantics.message import Fields
from gateway.upstream.response_parser import ResponseParser

__all__ = ["ArrivedBody", "Inflow", "Source", "StreamingBody", "UpgradedTunnel"]


class Inflow:
    """What has come of one body and wasn't read yet.

    buffered    octets in content
    ended       nothing more will come, and that is right
    error       nothing more will come, and that is wrong; raised after the content has been read
    """

    __slots__ = ("_waiter", "buffered", "content", "ended", "error")

    def __init__(self) -> None:
        self.content: deque[bytes] = deque()
        self.buffered = 0
        self.ended = False
        self.error: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None

    def put(self, data: bytes) -> None:
        """Append and wake the reader. Never blocks: the connection holds the origin back when `buffered` is too much."""
        self.content.append(data)
        self.buffered += len(data)
        self._wake()

    def end(self) -> None:
        """Mark the right end."""
        self.ended = True
        self._wake()

    def fail(self, error: BaseException) -> None:
        """Mark a wrong end; the first one counts."""
        if not self.ended and self.error is None:
            self.error = error
            self._wake()

    def take(self) -> bytes:
        """Take the oldest piece. Only when content is not empty."""
        data = self.content.popleft()
        self.buffered -= len(data)
        return data

    async def wait(self) -> None:
        """Return when there is content, an end or an error. One reader at a time."""
        if self._waiter is not None:
            raise RuntimeError("two readers on one body")
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Source(Protocol):
    """What a reader asks of the connection. Every verb is harmless when the connection has gone on to another exchange."""

    def taken(self, inflow: Inflow) -> None:
        """Let the origin go on if it was held back and there is room again."""

    def drop(self, inflow: Inflow) -> None:
        """Close the connection: the rest isn't wanted."""

    async def send(self, inflow: Inflow, data: bytes) -> None:
        """Write and wait for room. Only for a tunnel."""


class ArrivedBody:
    """A body that was complete before anybody read it: no connection behind it, nothing to wait for, so `take` gives all of it at once."""

    __slots__ = ("_content", "trailers")

    def __init__(self, content: deque[bytes], trailers: Fields) -> None:
        self._content = content
        self.trailers = trailers

    def __aiter__(self) -> ArrivedBody:
        return self

    async def __anext__(self) -> bytes:
        if self._content:
            return self._content.popleft()
        raise StopAsyncIteration

    @property
    def size(self) -> int:
        """Octets not read yet."""
        return sum(map(len, self._content))

    def take(self) -> bytes:
        """What was not read yet, all of it."""
        content = self._content
        whole = content[0] if len(content) == 1 else b"".join(content)
        content.clear()
        return whole

    async def aclose(self) -> None:
        """Forget the rest."""
        self._content.clear()


class StreamingBody:
    """A body that is still coming. Forgotten without aclose(), it drops its connection when it is collected."""

    __slots__ = ("_closed", "_inflow", "_parser", "_source", "trailers")

    def __init__(self, source: Source, inflow: Inflow, parser: ResponseParser) -> None:
        self._source = source
        self._inflow = inflow
        self._parser = parser
        self._closed = False
        self.trailers: Fields = []

    def __aiter__(self) -> StreamingBody:
        return self

    async def __anext__(self) -> bytes:
        inflow = self._inflow
        while True:
            if self._closed:
                raise StopAsyncIteration
            if inflow.content:
                data = inflow.take()
                self._source.taken(inflow)
                return data
            if inflow.ended:
                self.trailers[:] = self._parser.trailers  # the list that was handed out with the head
                raise StopAsyncIteration
            if inflow.error is not None:
                raise inflow.error
            await inflow.wait()

    async def aclose(self) -> None:
        """Drop the connection unless the body had ended. May be called at any time and more than once."""
        self._close()

    def __del__(self) -> None:
        self._close()

    def _close(self) -> None:
        if not self._closed:
            self._closed = True
            self._inflow.content.clear()
            self._source.drop(self._inflow)
            self._inflow.end()  # a reader that still waits sees the end


class UpgradedTunnel:
    """A connection after 101. Nothing is timed here: who made the tunnel knows when it is idle for too long."""

    __slots__ = ("_inflow", "_source")

    def __init__(self, source: Source, inflow: Inflow) -> None:
        self._source = source
        self._inflow = inflow

    async def read(self) -> bytes:
        """Return some bytes, b"" at the end. Raises UpstreamReset when the connection broke."""
        inflow = self._inflow
        while True:
            if inflow.content:
                data = inflow.take()
                self._source.taken(inflow)
                return data
            if inflow.ended:
                return b""
            if inflow.error is not None:
                raise inflow.error
            await inflow.wait()

    async def write(self, data: bytes) -> None:
        """Hand over all of data; returns when there is room for more. Raises UpstreamReset when the connection is gone."""
        await self._source.send(self._inflow, data)

    async def aclose(self) -> None:
        """Drop the connection."""
        self._source.drop(self._inflow)
        self._inflow.end()

    def __del__(self) -> None:
        self._source.drop(self._inflow)
