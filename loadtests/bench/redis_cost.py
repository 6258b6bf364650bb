"""What Redis costs this process in CPU, and how long anybody waits for one that is frozen.

    python loadtests/bench/redis_cost.py [--gets 20000] [--concurrency 100] [--bytes 2000] [--rounds 3]

Starts a redis-server of its own on a free port. CPU per GET (time.process_time: user and system; the server is another process), the cheapest of --rounds:
merged (RedisLink.get), not merged (RedisLink.execute), and redis-py's own client on a BlockingConnectionPool; each with hiredis and with redis-py's own parser.
Then the server is frozen and thawed --rounds times while GETs go on: the longest wait of any, the calls that waited before nobody did, and the time from thawing to the first value.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop
from redis import asyncio as redis_py
from redis.asyncio import connection as redis_connection

sys.path.insert(0, str(Path(__file__).parents[2]))

from gateway.errors import RedisUnavailable
from gateway.redis_link import Address, NodeRules, OneServer, RedisLink

KEYS = 1000
PATIENT = {"timeout": 30.0, "connect_timeout": 30.0}

Get = Callable[[bytes], Awaitable[object]]


async def load(get: Get, gets: int, concurrency: int) -> float:
    """Return microseconds of CPU per GET."""
    numbers = itertools.count()

    async def work() -> None:
        for _ in range(gets // concurrency):
            assert await get(b"weft:%d" % (next(numbers) % KEYS)) is not None

    await asyncio.gather(*(get(b"weft:0") for _ in range(concurrency)))  # connections are open when the clock starts
    begin = time.process_time()
    await asyncio.gather(*(work() for _ in range(concurrency)))
    return (time.process_time() - begin) / (gets // concurrency * concurrency) * 1e6


async def link_cost(port: int, gets: int, concurrency: int, *, merged: bool) -> float:
    """Return what our link costs."""
    link = RedisLink(OneServer(Address("127.0.0.1", port), NodeRules(**PATIENT)))
    cost = await load(link.get if merged else lambda key: link.execute("GET", key), gets, concurrency)
    await link.aclose()
    return cost


async def client_cost(port: int, gets: int, concurrency: int) -> float:
    """Return what redis-py's client costs, with a pool that waits."""
    pool = redis_py.BlockingConnectionPool(host="127.0.0.1", port=port, max_connections=16, timeout=30, protocol=2)
    client = redis_py.Redis(connection_pool=pool)
    cost = await load(client.get, gets, concurrency)
    await client.aclose()
    await pool.aclose()
    return cost


async def frozen(port: int, pid: int, rounds: int) -> None:
    """Freeze and thaw the server while GETs go on at a hundred a second; print what they waited."""
    link = RedisLink(OneServer(Address("127.0.0.1", port), NodeRules()))
    longest, waited, back = 0.0, [], []

    async def get() -> str:
        nonlocal longest
        begin = time.monotonic()
        try:
            await link.get(b"weft:0")
        except RedisUnavailable as error:
            return error.reason
        else:
            return "value"
        finally:
            longest = max(longest, time.monotonic() - begin)

    async def value() -> None:
        while await get() != "value":  # noqa: ASYNC110 - the event is in another process
            await asyncio.sleep(0.005)

    for _ in range(rounds):
        await value()
        os.kill(pid, signal.SIGSTOP)
        calls: list[asyncio.Task[str]] = []
        for _ in range(300):
            calls.append(asyncio.create_task(get()))
            await asyncio.sleep(0.01)
        reasons = await asyncio.gather(*calls)
        waited.append(sum(reason != "breaker_open" for reason in reasons))
        os.kill(pid, signal.SIGCONT)
        begin = time.monotonic()
        await value()
        back.append(time.monotonic() - begin)
    await link.aclose()
    print(
        f"frozen for 3 s, {rounds} times, 100 GETs a second: longest wait of any {longest * 1000:.1f} ms, calls that waited {waited}"
    )
    print(f"from thawing to the first value: {', '.join(f'{each * 1000:.0f}' for each in back)} ms")


def measure(port: int, given: argparse.Namespace) -> None:
    """Print a table."""
    parsers = {"hiredis": redis_connection._AsyncHiredisParser, "redis-py's parser": redis_connection._AsyncRESP2Parser}  # noqa: SLF001 - no public way to choose
    ways: dict[str, Callable[[], Awaitable[float]]] = {
        "link, merged": lambda: link_cost(port, given.gets, given.concurrency, merged=True),
        "link, not merged": lambda: link_cost(port, given.gets, given.concurrency, merged=False),
        "redis-py's client": lambda: client_cost(port, given.gets, given.concurrency),
    }
    set_parser = redis_connection.AbstractConnection.set_parser
    for parser, kind in parsers.items():
        redis_connection.AbstractConnection.set_parser = lambda self, _, kind=kind: set_parser(self, kind)  # type: ignore[method-assign,misc]
        for name, way in ways.items():
            cost = min(uvloop.run(way()) for _ in range(given.rounds))  # type: ignore[arg-type]
            print(f"{name:<20} {parser:<20} {cost:6.1f} µs a GET", flush=True)
    redis_connection.AbstractConnection.set_parser = set_parser  # type: ignore[method-assign]


def main() -> None:
    """Start a server, measure, end it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gets", type=int, default=20_000)
    parser.add_argument("--concurrency", type=int, default=100)
    parser.add_argument("--bytes", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tempfile.mkdtemp()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        uvloop.run(fill(port, given.bytes))
        measure(port, given)
        uvloop.run(frozen(port, server.pid, given.rounds))
    finally:
        os.kill(server.pid, signal.SIGCONT)
        server.terminate()
        server.wait()
        shutil.rmtree(folder)


async def fill(port: int, size: int) -> None:
    """Wait for the server, store KEYS values."""
    link = RedisLink(OneServer(Address("127.0.0.1", port), NodeRules(**PATIENT)))
    while True:
        try:
            await asyncio.gather(*(link.set(b"weft:%d" % number, b"x" * size, ttl=3600) for number in range(KEYS)))
            break
        except RedisUnavailable:
            await asyncio.sleep(0.05)
    await link.aclose()


if __name__ == "__main__":
    main()
