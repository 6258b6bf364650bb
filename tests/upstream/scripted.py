"""Origins that do exactly what a test's script says, byte by byte, on a socket of 127.0.0.1; and a loop to run them in.

async def script(peer: Peer) -> None:      one call for each connection
    await peer.request()                    the next request head, recorded in origin.heads
    await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

import uvloop

from gateway.upstream.http1_origin import Http1Origin
from gateway.upstream.limits import OriginLimits
from gateway.upstream.origin import OriginRequest, OriginResponse

T = TypeVar("T")
HANG = 30.0  # nothing here takes a second; what takes this long hangs

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Run = Callable[[Coroutine[Any, Any, T]], T]


def run_on_uvloop(work: Coroutine[Any, Any, T]) -> T:
    return uvloop.run(asyncio.wait_for(work, HANG))


def run_on_asyncio(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, HANG))


class Peer:
    """One accepted connection: the origin's end."""

    def __init__(self, origin: ScriptedOrigin, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.origin = origin
        self.number = number
        self.reader = reader
        self.writer = writer

    async def request(self) -> bytes:
        head = await self.reader.readuntil(b"\r\n\r\n")
        self.origin.heads.append(head)
        return head

    async def read(self, size: int) -> bytes:
        return await self.reader.readexactly(size)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def closed_by_client(self) -> bytes:
        """Wait until the client has closed; what it sent until then."""
        try:
            return await self.reader.read()
        except ConnectionError:
            return b""

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


class ScriptedOrigin:
    """`async with ScriptedOrigin(script) as origin`; connections, heads and errors of scripts are recorded."""

    def __init__(self, script: Script, ssl_context: Any = None) -> None:
        self._script = script
        self._ssl = ssl_context
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.heads: list[bytes] = []
        self.faults: list[BaseException] = []
        self.ended = asyncio.Queue[int]()  # numbers of connections whose script has ended

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._ssl)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await asyncio.sleep(0)
        if error is None and self.faults:
            raise self.faults[0]

    @property
    def url(self) -> str:
        return f"{'https' if self._ssl else 'http'}://127.0.0.1:{self.port}"

    def client(self, **limits: Any) -> Http1Origin:
        return Http1Origin(self.url, OriginLimits(**limits))

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        number = self.connections
        self.connections += 1
        try:
            await self._script(Peer(self, number, reader, writer))
        except (asyncio.CancelledError, ConnectionError, asyncio.IncompleteReadError):
            pass  # the client left: for the client's end to judge
        except BaseException as error:  # noqa: BLE001 - raised by __aexit__
            self.faults.append(error)
        finally:
            self._tasks.discard(task)
            writer.transport.abort() if self._ssl else writer.close()
            self.ended.put_nowait(number)


def answering(*answers: bytes, then_close: bool = False) -> Script:
    """Answer the n-th request of each connection with the n-th of answers, the last one again and again."""

    async def script(peer: Peer) -> None:
        for answer in answers:
            await peer.request()
            await peer.send(answer)
        while not then_close:
            await peer.request()
            await peer.send(answers[-1])

    return script


def get(target: bytes = b"/", method: bytes = b"GET", **more: Any) -> OriginRequest:
    return OriginRequest(method, target, [(b"host", b"origin.test"), *more.pop("fields", [])], **more)


async def pieces(*parts: bytes) -> Any:
    for part in parts:
        yield part


async def content(response: OriginResponse) -> bytes:
    return b"" if response.body is None else b"".join([part async for part in response.body])


async def ask(client: Http1Origin, request: OriginRequest | None = None) -> tuple[int, bytes]:
    response = await client.exchange(request or get())
    return response.status, await content(response)


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until a thing that has no event of its own is so."""
    while not condition():
        await asyncio.sleep(0.001)
