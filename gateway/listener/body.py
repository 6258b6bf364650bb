"""The content of a request on its way in: read by the one who wants it, held back while nobody does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from gateway.errors import GatewayError

__all__ = ["HIGH_WATER", "IncomingBody"]

HIGH_WATER = 64 << 10


class IncomingBody:
    """An async iterator of octets. pause and resume stop and start the socket; on_read is called before the first read (for 100 Continue).

    Iterating raises the error that the connection met, if any.
    """

    def __init__(
        self, pause: Callable[[], None], resume: Callable[[], None], on_read: Callable[[], None], high_water: int = HIGH_WATER
    ) -> None:
        self._high_water = high_water
        self.received = 0
        self.complete = False
        self.paused = False
        self._chunks: list[bytes] = []
        self._waiting = 0
        self._event = asyncio.Event()
        self._pause = pause
        self._resume = resume
        self._on_read: Callable[[], None] | None = on_read
        self._error: GatewayError | None = None

    def feed(self, chunk: bytes) -> None:
        """More has come."""
        self.received += len(chunk)
        self._waiting += len(chunk)
        self._chunks.append(chunk)
        if self._waiting > self._high_water and not self.paused:
            self.paused = True
            self._pause()
        self._event.set()

    def finish(self, error: GatewayError | None = None) -> None:
        """All of it is here, or it never will be."""
        self.complete = True
        self._error = error
        self._event.set()

    async def next_chunk(self) -> bytes:
        """What has come since, b"" at the end."""
        if self._on_read is not None:
            on_read, self._on_read = self._on_read, None
            if not self.complete and not self._chunks:
                on_read()
        while not self._chunks:
            if self._error is not None:
                raise self._error
            if self.complete:
                return b""
            self._event.clear()
            await self._event.wait()
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._waiting = 0
        if self.paused:
            self.paused = False
            self._resume()
        return data

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while chunk := await self.next_chunk():
            yield chunk
