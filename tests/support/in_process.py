"""A gateway on a real socket, in the test's own process: our listener, or any ASGI server; and the origin behind it, which says what a test tells it to.

with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    setup = runner.run(Setup.start("lane"))
    ...
    runner.run(setup.aclose())
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import h11
import uvicorn

from gateway.app import Gateway, build
from gateway.processes.binding import bind
from gateway.processes.server import Server
from gateway.semantics.dates import format_date
from gateway.semantics.message import Fields, first
from gateway.settings import Settings, load

__all__ = ["KINDS", "Client", "Heard", "Reply", "Setup", "TalkingOrigin", "ask_once"]

KINDS = ("lane", "no lane", "uvicorn")
"""Our listener with the hot lane, without it, and plain uvicorn that runs the ASGI application."""

PATIENCE = 20.0  # nothing here takes a second; what takes this long hangs


class Reply(NamedTuple):
    """What the origin says. status 0: it closes the connection. length False: chunked."""

    status: int
    fields: Fields
    body: bytes = b""
    length: bool = True


class Heard(NamedTuple):
    """A request as the origin got it."""

    method: bytes
    target: bytes
    fields: Fields
    body: bytes


class TalkingOrigin:
    """An HTTP/1.1 server on 127.0.0.1 with one reply for each path, which a test changes as it goes. base: epoch seconds for `Date`."""

    def __init__(self, base: float) -> None:
        self.base = base
        self.replies: dict[bytes, Reply | None] = {}
        self.heard: defaultdict[bytes, list[Heard]] = defaultdict(list)
        self.news = asyncio.Condition()
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def aclose(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()

    async def wait_for(self, path: bytes, count: int) -> None:
        """Until so many requests for path have been answered."""
        async with asyncio.timeout(PATIENCE), self.news:
            await self.news.wait_for(lambda: len(self.heard[path]) >= count)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        line, *lines = head[:-4].split(b"\r\n")
        method, target, _ = line.split(b" ")
        fields = [(name.lower(), value.strip()) for name, _, value in (each.partition(b":") for each in lines)]
        body = await _content(reader, fields)
        path = target.partition(b"?")[0]
        reply = self.replies.get(path)
        if reply is None:
            reply = Reply(599, [(b"cache-control", b"no-store")], b"the origin was asked though nobody expected it")
        if reply.status:
            writer.write(self._encode(method, reply))
            await writer.drain()
        async with self.news:
            self.heard[path].append(Heard(method, target, fields, body))
            self.news.notify_all()
        return bool(reply.status)

    def _encode(self, method: bytes, reply: Reply) -> bytes:
        fields = list(reply.fields)
        no_content = method == b"HEAD" or reply.status in (204, 304)
        if first(fields, b"date") is None:
            fields.append((b"date", format_date(self.base)))
        fields = [field for field in fields if field != (b"date", b"none")]
        body = b"" if no_content else reply.body
        if not reply.length:
            fields.append((b"transfer-encoding", b"chunked"))
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
        elif first(fields, b"content-length") is None and reply.status not in (204, 304):
            fields.append((b"content-length", b"%d" % len(reply.body)))
        return b"HTTP/1.1 %d Said\r\n%b\r\n%b" % (reply.status, b"".join(b"%b: %b\r\n" % field for field in fields), body)


async def _content(reader: asyncio.StreamReader, fields: Fields) -> bytes:
    if first(fields, b"transfer-encoding") is None:
        return await reader.readexactly(int(first(fields, b"content-length") or 0))
    content = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        content += (await reader.readexactly(size + 2))[:-2]
    await reader.readuntil(b"\r\n")
    return content


class Client:
    """One connection to a gateway, read by h11."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._parser = h11.Connection(h11.CLIENT)

    @classmethod
    async def connect(cls, port: int) -> Client:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, method: bytes, target: bytes, fields: Fields, body: bytes = b"") -> tuple[int, Fields, bytes]:
        """(status, fields, content) of the final response."""
        if self._parser.our_state is h11.DONE:
            self._parser.start_next_cycle()
        own = list(fields)
        if body:
            own.append((b"content-length", b"%d" % len(body)))
        request = self._parser.send(h11.Request(method=method, target=target, headers=own))
        content = self._parser.send(h11.Data(data=body)) if body else b""
        self._writer.write((request or b"") + (content or b"") + (self._parser.send(h11.EndOfMessage()) or b""))
        async with asyncio.timeout(PATIENCE):
            return await self._read()

    async def _read(self) -> tuple[int, Fields, bytes]:
        response, content = None, b""
        while True:
            event = self._parser.next_event()
            if event is h11.NEED_DATA:
                self._parser.receive_data(await self._reader.read(65_536))
            elif isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                content += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                assert response is not None
                return response.status_code, [(bytes(name), bytes(value)) for name, value in response.headers], content

    @property
    def is_open(self) -> bool:
        """Whether another request can follow."""
        return self._parser.our_state is h11.DONE and self._parser.their_state is h11.DONE

    async def aclose(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


async def ask_once(setup: Setup, method: bytes, target: bytes, fields: Fields, body: bytes = b"") -> tuple[int, Fields, bytes]:
    """One request on a connection of its own: (status, fields, content)."""
    client = await Client.connect(setup.port)
    try:
        return await client.ask(method, target, fields, body)
    finally:
        await client.aclose()


class _QuietServer(Server):
    """Ours, without the process's signals: a test's process is not its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _QuietUvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Setup:
    """An origin, a gateway in front of it, and the server that runs it."""

    def __init__(
        self,
        origin: TalkingOrigin,
        gateway: Gateway,
        server: uvicorn.Server,
        task: asyncio.Task[None],
        port: int,
        read: Callable[[Mapping[str, object]], Settings],
    ) -> None:
        self._read = read
        self.origin = origin
        self.gateway = gateway
        self.port = port
        self._server = server
        self._task = task

    @classmethod
    async def start(
        cls, kind: str, base: float, settings: Mapping[str, object] | None = None, config: Path | None = None
    ) -> Setup:
        """kind: one of KINDS. base: epoch seconds of what the origin says. settings: by path, beside the usual ones; config: a file of more."""
        origin = TalkingOrigin(base)
        await origin.start()
        usual = {
            "upstream": f"http://127.0.0.1:{origin.port}",
            "log.access": "off",
            "server.fast_lane": kind == "lane",
            "server.drain_timeout": 1.0,
            "upstream.breaker.failures": 1_000,
        }

        def read(flags: Mapping[str, object]) -> Settings:
            return load(config, {}, usual | dict(flags))

        gateway = build(read(settings or {}))
        listener = bind("127.0.0.1", 0, 128)
        server = _uvicorn(gateway) if kind == "uvicorn" else _QuietServer(gateway)
        task = asyncio.ensure_future(server.serve(sockets=[listener]))
        async with asyncio.timeout(PATIENCE):
            while not server.started:
                await asyncio.sleep(0.005)
                if task.done():
                    task.result()
        return cls(origin, gateway, server, task, _port_of(listener, server), read)

    async def reload(self, settings: Mapping[str, object] | None = None) -> None:
        """Other settings in place, beside the usual ones; the file is read anew. Raises SettingsError."""
        (await self.gateway.prepare(self._read(settings or {})))()

    async def aclose(self) -> None:
        self._server.should_exit = True
        await self._task
        await self.origin.aclose()


def _uvicorn(gateway: Gateway) -> uvicorn.Server:
    """uvicorn's own httptools protocol, as somebody would run the application who does not use our listener."""
    config = uvicorn.Config(
        gateway.app,
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
    )
    return _QuietUvicorn(config)


def _port_of(listener: socket.socket, server: uvicorn.Server) -> int:
    if listener.fileno() >= 0:
        return int(listener.getsockname()[1])
    return int(server.servers[0].sockets[0].getsockname()[1])
