"""An HTTP/1.1 client that is told apart from others: it knows its port, keeps its connection as a browser does, and never asks twice."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from dataclasses import dataclass
from typing import Self

__all__ = ["HOST", "Answer", "Client", "Lost"]

HOST = "shop.test"


class Lost(Exception):
    """No whole answer. trouble: `connect`, `reset` (before a head came), `cut` (after), `late`."""

    def __init__(self, trouble: str, cause: str = "") -> None:
        super().__init__(f"{trouble} {cause}".strip())
        self.trouble = trouble


@dataclass(slots=True)
class Answer:
    """fields: names in lower case."""

    status: int
    fields: dict[str, str]
    body: bytes


class Client:
    """port: of a gateway. visitor: its mark in a cookie. receive_buffer: octets, where a client is to read slowly."""

    def __init__(self, port: int, visitor: str, *, gzip: bool = False, receive_buffer: int = 0) -> None:
        self.port = port
        self.own_port = 0
        """The port on our side, by which a gateway's process can be found."""
        self.is_fresh = True
        """What is asked, or was asked last, is the first on its connection."""
        self._fields = f"Host: {HOST}\r\nCookie: visitor={visitor}\r\n" + ("Accept-Encoding: gzip\r\n" if gzip else "")
        self._receive_buffer = receive_buffer
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def ask(
        self, path: str, *, limit: float, method: str = "GET", fields: str = "", body: bytes = b"", pause: float = 0.0
    ) -> Answer:
        """One exchange within `limit` seconds. pause: seconds to wait before each 16 KiB that are read. Raises Lost."""
        try:
            async with asyncio.timeout(limit):
                await self._connect()
                return await self._exchange(method, path, fields, body, pause)
        except TimeoutError:
            self.close()
            raise Lost("late") from None

    async def upgrade(self, path: str, *, limit: float) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A WebSocket's two ends. Raises Lost."""
        wish = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: d2VmdCBjaGFvcyBjaGFvcw==\r\n"
        answer = await self.ask(path, limit=limit, fields=wish)
        if answer.status != 101:
            self.close()
            raise Lost(f"status {answer.status}")
        assert self._reader is not None
        assert self._writer is not None
        return self._reader, self._writer

    def close(self) -> None:
        """Leave at once."""
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None

    async def _connect(self) -> None:
        """Keep the connection that is there, if it still is."""
        if self._writer is not None and self._reader is not None:
            if not self._writer.is_closing() and not self._reader.at_eof() and self._reader.exception() is None:
                self.is_fresh = False
                return
            self.close()
        self.own_port, self.is_fresh = 0, True
        try:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 18)
        except OSError as error:
            raise Lost("connect", str(error)) from error
        sock = self._writer.get_extra_info("socket")
        if self._receive_buffer:
            sock.setsockopt(1, 8, self._receive_buffer)  # SOL_SOCKET, SO_RCVBUF
        self.own_port = sock.getsockname()[1]

    async def _exchange(self, method: str, path: str, fields: str, body: bytes, pause: float) -> Answer:
        assert self._reader is not None
        assert self._writer is not None
        reader, writer = self._reader, self._writer
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        trouble = "reset"
        try:
            writer.write(f"{method} {path} HTTP/1.1\r\n{self._fields}{fields}{length}\r\n".encode() + body)
            status, told = await self._head(reader)
            trouble = "cut"
            content = await self._body(reader, status, told, pause)
        except (OSError, EOFError) as error:  # EOFError: IncompleteReadError
            self.close()
            raise Lost(trouble, str(error)) from error
        except (ValueError, asyncio.LimitOverrunError) as error:
            self.close()
            raise Lost("wrong", str(error)) from error
        if told.get("connection", "").lower() == "close":
            self.close()
        return Answer(status, told, content)

    async def _head(self, reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
        line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        told = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in lines) if name}
        return int(line.split(" ")[1]), told

    async def _body(self, reader: asyncio.StreamReader, status: int, told: dict[str, str], pause: float) -> bytes:
        if status == 101:
            return b""
        if told.get("transfer-encoding", "").lower() == "chunked":
            pieces = []
            while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
                pieces.append(await self._read(reader, size, pause))
                await reader.readexactly(2)
            await reader.readuntil(b"\r\n")
            content = b"".join(pieces)
        else:
            content = (
                await self._read(reader, int(told["content-length"]), pause) if "content-length" in told else await reader.read()
            )
        if told.get("content-encoding") == "gzip":
            with contextlib.suppress(EOFError):
                return gzip.decompress(content)
            raise ValueError("gzip has no end")
        return content

    async def _read(self, reader: asyncio.StreamReader, size: int, pause: float) -> bytes:
        if not pause:
            return await reader.readexactly(size)
        pieces = []
        for at in range(0, size, 16_384):
            await asyncio.sleep(pause)
            pieces.append(await reader.readexactly(min(16_384, size - at)))
        return b"".join(pieces)
