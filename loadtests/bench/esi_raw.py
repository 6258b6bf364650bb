"""What the ESI benchmarks share: an origin on a raw socket that does octet by octet what it is told, and a client that sees when octets come and whether all came.

Both live in the benchmark's own process and read one clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Self

__all__ = ["Answer", "Asked", "Connection", "RawOrigin", "head", "reply"]


class Asked(NamedTuple):
    """A request as the origin got it; field names in lower case."""

    target: str
    fields: dict[str, str]


Script = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]
"""Answers one request. What it leaves open is kept open for the next; to end the connection it closes or aborts the writer."""


class RawOrigin:
    """An HTTP/1.1 server on 127.0.0.1, or on the address given; GET only."""

    def __init__(self, script: Script, host: str = "127.0.0.1") -> None:
        self.script = script
        self.host = host
        self.port = 0
        self.asked = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while not writer.is_closing():
                first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
                self.asked += 1
                await self.script(Asked(first.split(" ")[1], fields), writer)
                await writer.drain()
        except (OSError, EOFError):
            pass  # they left
        except asyncio.CancelledError:
            pass  # the benchmark is over, or the script hung as it was told to
        finally:
            self._tasks.discard(task)
            with contextlib.suppress(OSError, RuntimeError):
                writer.close()


def head(*fields: str, status: int = 200, length: int | None = None) -> bytes:
    """A response head. length None: chunked."""
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return "\r\n".join([f"HTTP/1.1 {status} Whatever", "Content-Type: text/html", framing, *fields, "", ""]).encode()


def reply(body: bytes, *fields: str, status: int = 200) -> bytes:
    """A whole response."""
    return head(*fields, status=status, length=len(body)) + body


class Answer(NamedTuple):
    """What came. whole: to the end that its head promised. first, took: seconds from asking to the first octet of content, and to the last."""

    status: int
    fields: dict[str, str]
    body: bytes
    whole: bool
    first: float
    took: float


class Connection:
    """A keep-alive connection that asks for one thing after the other. Opened when first needed, and again after it was closed."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The two ends."""
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 18)
        return self._reader, self._writer

    def close(self) -> None:
        """No more."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def get(
        self,
        target: str,
        *fields: str,
        method: str = "GET",
        version: str = "1.1",
        seen: Callable[[bytes], Awaitable[None]] | None = None,
    ) -> Answer:
        """One request, and all of its answer. seen: is given the content as it comes; then it is not in the answer."""
        reader, writer = await self.open()
        lines = [f"{method} {target} HTTP/{version}", "Host: 127.0.0.1", *fields, "", ""]
        began = time.perf_counter()
        writer.write("\r\n".join(lines).encode())
        kept: list[bytes] = []
        first = 0.0

        async def take(octets: bytes) -> None:
            nonlocal first
            first = first or time.perf_counter() - began
            if seen is None:
                kept.append(octets)
            else:
                await seen(octets)

        status, said = 0, dict[str, str]()
        whole = False
        try:
            start, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            status = int(start.split(" ")[1])
            said = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest if line)}
            if method != "HEAD" and status not in (204, 304):
                await self._content(reader, said, take)
            whole = True
        except (OSError, EOFError):
            pass  # cut short
        if not whole or said.get("connection") == "close":
            self.close()
        return Answer(status, said, b"".join(kept), whole, first, time.perf_counter() - began)

    @staticmethod
    async def _content(reader: asyncio.StreamReader, said: dict[str, str], take: Callable[[bytes], Awaitable[None]]) -> None:
        """Raises EOFError when it ends before its end."""
        if "content-length" in said:
            await _exactly(reader, int(said["content-length"]), take)
        elif said.get("transfer-encoding") == "chunked":
            while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
                await _exactly(reader, size, take)
                await reader.readexactly(2)
            while await reader.readuntil(b"\r\n") != b"\r\n":
                pass
        else:
            while octets := await reader.read(1 << 16):
                await take(octets)


async def _exactly(reader: asyncio.StreamReader, length: int, take: Callable[[bytes], Awaitable[None]]) -> None:
    while length:
        octets = await reader.read(min(length, 1 << 16))
        if not octets:
            raise EOFError
        length -= len(octets)
        await take(octets)
