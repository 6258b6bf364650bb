"""The origin: sends the pages of pages.py, counts what is posted, and misbehaves when it is told to.

    python origin.py PORT POSTED        POSTED: a file that gets a line for each POST, before it is answered

Lines that it obeys: `mode NAME` (MODES), `publish TAG VERSION`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import sys
from itertools import count

import uvloop
from helper import obey
from pages import ANYBODY, TAGS, make_block, make_template

MODES = ("well", "refuse", "hang", "reset", "drip", "cut", "fail", "malformed")
SIZES = {
    "hot": 8192,
    "brief": 6144,
    "part": 1024,
    "tagged": 4096,
    "large": 262_144,
    "miss": 4096,
    "filler": 65_536,
    "own": 2048,
    "post": 512,
}
STORED = {
    "hot": "public, max-age=3600",
    "brief": "public, max-age=1, stale-while-revalidate=1",
    "part": "public, max-age=3, stale-while-revalidate=2",
    "tagged": "public, max-age=3600",
    "large": "public, max-age=3600",
    "miss": "public, max-age=20, must-revalidate",
    "filler": "public, max-age=20, must-revalidate",
}
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends RST."""


class Origin:
    """posted: file descriptor for what is posted."""

    def __init__(self, port: int, posted: int) -> None:
        self.port = port
        self.posted = posted
        self.mode = "well"
        self.versions = [0] * TAGS
        self.server: asyncio.Server | None = None
        self.open: set[asyncio.StreamWriter] = set()
        self.turns = count()
        self.over = asyncio.Event()
        """Set when the mode of now is."""

    async def told(self, words: list[str]) -> None:
        """One line of whoever runs us."""
        if words[0] == "publish":
            self.versions[int(words[1])] = int(words[2])
            return
        was, self.mode = self.mode, words[1]
        self.over.set()
        self.over = asyncio.Event()
        if (
            was != "well" or self.mode == "refuse"
        ):  # whoever still hangs in what was wrong is let go; so are kept connections of one that goes away
            for writer in list(self.open):
                writer.transport.abort()
        if self.mode == "refuse":
            assert self.server is not None
            self.server.close()
            self.server = None
        elif self.server is None:
            await self.listen()

    async def listen(self) -> None:
        """Be there."""
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", self.port, backlog=512)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.open.add(writer)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self.answer_one(reader, writer):
                    await writer.drain()
        finally:
            self.open.discard(writer)
            writer.transport.abort()

    async def answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One exchange; False when the connection is of no more use."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *lines = head.split("\r\n")
        method, target, _ = line.split(" ")
        fields = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in lines) if name}
        await reader.readexactly(int(fields.get("content-length", "0")))
        if self.mode in ("drip", "cut") and target.split("/")[1] in SIZES:
            return await self.dawdle(self.made(method, target, fields), writer)
        if self.mode != "well":
            return await self.misbehave(writer)
        if target == "/socket":
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            while (octets := await reader.read(65_536)) and not writer.is_closing():
                writer.write(octets)
            return False
        if target.startswith("/stream/"):
            await self.stream(target, writer)
        else:
            writer.write(self.made(method, target, fields))
        return True

    def made(self, method: str, target: str, fields: dict[str, str]) -> bytes:
        """What is answered, after what was to be done."""
        if method == "POST":
            os.write(self.posted, f"{target}\n".encode())
        return self.response(target, fields)

    def response(self, target: str, fields: dict[str, str]) -> bytes:
        """Head and body, or 304."""
        kind = target.split("/")[1]
        version = self.versions[int(target.split("/")[2])] if kind == "tagged" else 0
        own = kind in ("own", "post")
        visitor = fields.get("cookie", "").partition("visitor=")[2] or ANYBODY if own else ANYBODY
        tag = f'"{version}"'
        extra = f"Surrogate-Key: tag-{target.split('/')[2]}\r\n" if kind == "tagged" else ""
        if kind == "woven":
            body = make_template(target, int(target.split("/")[2]))
            extra = 'Surrogate-Control: content="ESI/1.0"\r\n'
        else:
            body = make_block(target, version, visitor, SIZES[kind])
        media = "application/octet-stream" if kind in ("filler", "large") else "text/html"
        head = f"Cache-Control: {STORED.get(kind, 'public, max-age=3600' if kind == 'woven' else 'private, no-store')}\r\n{extra}"
        has_validator = not own and not (kind == "brief" and target.endswith(("1", "3")))  # those come whole each time
        head += f"ETag: {tag}\r\n" if has_validator else ""
        if has_validator and fields.get("if-none-match") == tag:
            return f"HTTP/1.1 304 Not Modified\r\n{head}\r\n".encode()
        return f"HTTP/1.1 200 OK\r\nContent-Type: {media}\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode() + body

    async def stream(self, target: str, writer: asyncio.StreamWriter) -> None:
        """A download that takes three seconds."""
        writer.write(b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n")
        body = make_block(target, 0, ANYBODY, 60_000)
        step = len(body) // 12 + 1
        for at in range(0, len(body), step):
            piece = body[at : at + step]
            if writer.is_closing():
                return
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
            await asyncio.sleep(0.25)
        if not writer.is_closing():
            writer.write(b"0\r\n\r\n")

    async def dawdle(self, response: bytes, writer: asyncio.StreamWriter) -> bool:
        """The right answer, an octet a second or cut off in the middle. Every other one has a head that comes at once."""
        head = response.index(b"\r\n\r\n") + 4
        at_once = head if next(self.turns) % 2 else 0
        writer.write(response[:at_once])
        if self.mode == "cut":
            writer.write(response[at_once : (at_once + len(response)) // 2])
            await writer.drain()
            return False
        for octet in response[at_once:]:
            if writer.is_closing():
                break
            writer.write(bytes([octet]))
            await asyncio.sleep(1.0)
        return False

    async def misbehave(self, writer: asyncio.StreamWriter) -> bool:
        """As the mode says. Never of any use afterwards."""
        turn = next(self.turns)
        match self.mode:
            case "hang":
                await self.over.wait()
            case "reset":
                sock = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            case "fail":
                writer.write(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 6\r\n\r\nbroken")
                await writer.drain()
                return True
            case "malformed":
                heads = (
                    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
                    b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello",
                    b"HTTP/1.1 2x0 OK\r\n\r\n",
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
                    b"<html>no HTTP at all</html>\r\n\r\n",
                    b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 200_000 + b"\r\n\r\n",
                )
                writer.write(heads[turn % len(heads)])
                await writer.drain()
        return False


async def main() -> None:
    """Until nobody is left who tells us anything."""
    posted = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    origin = Origin(int(sys.argv[1]), posted)
    await origin.listen()
    await obey("ready", origin.told)


if __name__ == "__main__":
    uvloop.run(main())
