"""What one small GET costs in CPU: our upstream client beside httpx and, when it is installed, aiohttp.

    python loadtests/bench/upstream_cost.py [--gets 20000] [--concurrency 100] [--parser]

The origin is a tiny uvloop process of its own, so that only the client's CPU is counted (time.process_time: user and system). Clients run in
turn in this process, --rounds times each, and the cheapest round counts: on a shared machine the others measure the neighbours. `bare` is the floor:
a client of thirty lines that checks nothing; what it costs is the loop's and the kernel's. --parser compares reading a response: ours, httptools, h11.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

import uvloop

sys.path.insert(0, str(Path(__file__).parents[2]))

RESPONSE = (
    b"HTTP/1.1 200 OK\r\nServer: bench\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Type: text/html; charset=utf-8\r\n"
    b'Content-Length: 1000\r\nCache-Control: public, max-age=60\r\nETag: "abcdef"\r\nVary: Accept-Encoding\r\n\r\n' + b"x" * 1000
)
FIELDS = [
    (b"host", b"bench.test"),
    (b"accept", b"*/*"),
    (b"accept-encoding", b"gzip"),
    (b"user-agent", b"bench"),
    (b"via", b"1.1 weft"),
]

Get = Callable[[], Awaitable[None]]


class _Origin(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.unread = b""

    def data_received(self, data: bytes) -> None:
        data = self.unread + data
        *heads, self.unread = data.split(b"\r\n\r\n")
        for _ in heads:
            self.transport.write(RESPONSE)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Origin, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().create_future()


async def _load(get: Get, gets: int, concurrency: int) -> float:
    """Return microseconds of CPU per GET."""

    async def work() -> None:
        for _ in range(gets // concurrency):
            await get()

    await asyncio.gather(*(get() for _ in range(concurrency)))  # connections are open when the clock starts
    begin = time.process_time()
    await asyncio.gather(*(work() for _ in range(concurrency)))
    return (time.process_time() - begin) / (gets // concurrency * concurrency) * 1e6


async def _ours(port: int, gets: int, concurrency: int) -> float:
    from gateway.upstream.http1_origin import Http1Origin  # noqa: PLC0415 - so that --serve needs nothing of ours
    from gateway.upstream.origin import OriginRequest  # noqa: PLC0415

    origin = Http1Origin(f"http://127.0.0.1:{port}")

    async def get() -> None:
        response = await origin.exchange(OriginRequest(b"GET", b"/page?x=1", FIELDS))
        size = 0
        assert response.body is not None
        async for piece in response.body:
            size += len(piece)
        assert size == 1000

    try:
        return await _load(get, gets, concurrency)
    finally:
        await origin.aclose()


class _BareConnection(asyncio.Protocol):
    """The least that can be called a client: no timeouts, no limits, no flow control, a parser that reads what this origin writes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.waiter: asyncio.Future[bytes]

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        self.content += data

    def on_message_complete(self) -> None:
        self.waiter.set_result(self.content)

    async def get(self, head: bytes) -> bytes:
        import httptools  # noqa: PLC0415

        self.parser = httptools.HttpResponseParser(self)
        self.content = b""
        self.waiter = asyncio.get_running_loop().create_future()
        self.transport.write(head)
        return await self.waiter


async def _bare(port: int, gets: int, concurrency: int) -> float:
    loop = asyncio.get_running_loop()
    idle: list[_BareConnection] = []
    head = b"GET /page?x=1 HTTP/1.1\r\n" + b"".join(b"%b: %b\r\n" % field for field in FIELDS) + b"\r\n"

    async def get() -> None:
        connection = idle.pop() if idle else (await loop.create_connection(_BareConnection, "127.0.0.1", port))[1]
        assert len(await connection.get(head)) == 1000
        idle.append(connection)

    try:
        return await _load(get, gets, concurrency)
    finally:
        for connection in idle:
            connection.transport.close()


async def _httpx(port: int, gets: int, concurrency: int) -> float:
    import httpx  # noqa: PLC0415

    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    async with httpx.AsyncClient(limits=limits) as client:

        async def get() -> None:
            response = await client.get(f"http://127.0.0.1:{port}/page?x=1")
            assert len(response.content) == 1000

        return await _load(get, max(concurrency, gets // 20), concurrency)  # a hundred times dearer: fewer will do


async def _aiohttp(port: int, gets: int, concurrency: int) -> float:
    import aiohttp  # type: ignore[import-not-found]  # noqa: PLC0415

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency)) as client:

        async def get() -> None:
            async with client.get(f"http://127.0.0.1:{port}/page?x=1") as response:
                assert len(await response.read()) == 1000

        return await _load(get, gets // 4, concurrency)


async def _compare(gets: int, concurrency: int, rounds: int) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, __file__, "--serve", stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    print(f"{'client':<12}{'µs of CPU per GET':>20}{'times ours':>12}      ({concurrency} at once, best of {rounds})")
    try:
        ours = 0.0
        for name, client in (("weft", _ours), ("bare", _bare), ("aiohttp", _aiohttp), ("httpx", _httpx)):
            try:
                cost = min([await client(port, gets, concurrency) for _ in range(rounds)])
            except ImportError:
                print(f"{name:<12}{'not installed':>20}")
                continue
            ours = ours or cost
            print(f"{name:<12}{cost:>20.1f}{cost / ours:>12.1f}", flush=True)
    finally:
        process.terminate()
        await process.wait()


def _compare_parsers(rounds: int) -> None:
    import h11  # noqa: PLC0415
    import httptools  # noqa: PLC0415

    from gateway.upstream.limits import OriginLimits  # noqa: PLC0415
    from gateway.upstream.response_parser import ResponseParser  # noqa: PLC0415

    limits = OriginLimits()

    class Sink:
        def __init__(self) -> None:
            self.fields: list[tuple[bytes, bytes]] = []
            self.pieces: list[bytes] = []

        def on_header(self, name: bytes, value: bytes) -> None:
            self.fields.append((name.lower(), value))

        def on_body(self, data: bytes) -> None:
            self.pieces.append(data)

    def weft() -> None:
        ResponseParser(b"GET", limits).feed(RESPONSE)

    def with_httptools() -> None:
        httptools.HttpResponseParser(Sink()).feed_data(RESPONSE)

    def with_h11() -> None:
        reader = h11.Connection(h11.CLIENT)
        reader.send(h11.Request(method="GET", target="/", headers=[("host", "x")]))
        reader.send(h11.EndOfMessage())
        reader.receive_data(RESPONSE)
        while type(reader.next_event()) is not h11.EndOfMessage:
            pass

    def cost(parse: Callable[[], None], times: int) -> float:
        begin = time.process_time()
        for _ in range(times):
            parse()
        return (time.process_time() - begin) / times * 1e6

    print(f"{'parser':<12}{'µs per response':>20}")
    for name, parse, times in (("weft", weft, 20000), ("httptools", with_httptools, 20000), ("h11 and send", with_h11, 1000)):
        print(f"{name:<12}{min(cost(parse, times) for _ in range(rounds)):>20.1f}")


def main() -> None:
    """Run what the arguments ask for."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--gets", type=int, default=20000)
    arguments.add_argument("--concurrency", type=int, default=100)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--parser", action="store_true")
    arguments.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    asked = arguments.parse_args()
    if asked.serve:
        uvloop.run(_serve())
    elif asked.parser:
        _compare_parsers(asked.rounds)
    else:
        uvloop.run(_compare(asked.gets, asked.concurrency, asked.rounds))


if __name__ == "__main__":
    main()
