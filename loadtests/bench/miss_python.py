"""What a miss costs in Python, less the kernel: a hundred EdgeProtocols and their connections to an origin, on transports that go nowhere.

    python loadtests/bench/miss_python.py [--requests 20000] [--rounds 5] [--calls]

Every client asks for the next page as soon as it has one, each page is new, the origin answers in the loop's next turn: the same 10 KB and the same fields as in
miss_cost.py. Access log (to a file that forgets) and metrics are on. The cheapest of --rounds counts. --calls: how many Python calls a miss takes, and where.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import itertools
import os
import pstats
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import uvloop

sys.path.insert(0, str(Path(__file__).parents[2]))

from gateway.app import build
from gateway.fastlane import EdgeProtocol
from gateway.processes.server import tune_collector
from gateway.semantics.dates import format_date
from gateway.settings import Settings
from gateway.upstream.connection import Connection
from gateway.upstream.dialer import Dialer

CLIENTS = 100
BODY = b"x" * 10_240
ANSWER = b"HTTP/1.1 200 OK\r\ndate: %b\r\nserver: uvicorn\r\ncache-control: max-age=3600\r\ncontent-type: text/html\r\ncontent-length: 10240\r\n\r\n%b"


class Nowhere(asyncio.Transport):
    """What any transport is asked, answered without a socket."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.closing = False

    def writelines(self, pieces: Any) -> None:
        """One write, as uvloop makes of it."""
        self.write(b"".join(pieces))

    def pause_reading(self) -> None:
        """Nothing to pause."""

    def resume_reading(self) -> None:
        """Nothing to resume."""

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self.closing

    def close(self) -> None:
        """Close it."""
        self.closing = True

    abort = close


class Client(Nowhere):
    """Asks for the next page in the loop's turn after the one that brought the last."""

    def __init__(self, numbers: Iterator[int], done: asyncio.Event) -> None:
        super().__init__()
        self.numbers, self.done = numbers, done
        self.protocol: EdgeProtocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """A page, or a part of one."""
        answer = bytes(data)
        if answer.startswith(b"HTTP/1.1 200 OK\r\n") or not answer.startswith(b"HTTP/"):
            if answer.endswith(b"x"):
                asyncio.get_running_loop().call_soon(self.ask)
        else:
            raise AssertionError(answer[:200])

    def ask(self) -> None:
        """Ask for the next page; say so when there is none."""
        number = next(self.numbers, None)
        if number is None:
            self.done.set()
        else:
            self.protocol.data_received(b"GET /plain?miss=%d HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n" % number)


class Upstream(Nowhere):
    """The origin: answers in the next turn."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self.connection = connection
        self.loop = asyncio.get_running_loop()

    def write(self, _data: object) -> None:
        """A request."""
        self.loop.call_soon(self.connection.data_received, ANSWER % (format_date(time.time()), BODY))


async def dial(self: Dialer, keeper: Any) -> Connection:
    """In the place of Dialer.dial."""
    connection = Connection(asyncio.get_running_loop(), self._limits, keeper, "127.0.0.1")
    connection.connection_made(Upstream(connection))
    return connection


async def misses(protocols: list[EdgeProtocol], numbers: Iterator[int]) -> float:
    """CPU seconds for all of numbers."""
    done = asyncio.Event()
    begin = time.process_time()
    for protocol in protocols:
        client = protocol.transport
        assert isinstance(client, Client)
        client.numbers, client.done = numbers, done
        client.ask()
    await done.wait()
    return time.process_time() - begin


async def measure(requests: int, rounds: int, *, calls: bool) -> None:
    """Print the figure."""
    Dialer.dial = dial  # type: ignore[method-assign]
    gateway = build(
        Settings.model_validate(
            {"upstream": {"url": "http://127.0.0.1:1"}, "log": {"file": os.devnull}, "cache": {"memory": {"max_bytes": 64 << 20}}}
        )
    )
    gateway.origins["upstream"].origin._pool._is_current = lambda _connection: True  # type: ignore[attr-defined]  # noqa: SLF001 - no DNS here
    protocols = []
    for _ in range(CLIENTS):
        protocol = EdgeProtocol(
            gateway.edge,
            SimpleNamespace(loaded_app=gateway.app),
            SimpleNamespace(connections=set(), tasks=set()),
            {},
            _loop=asyncio.get_running_loop(),
        )
        client = Client(iter(()), asyncio.Event())
        client.protocol = protocol
        protocol.connection_made(client)
        protocols.append(protocol)
    tune_collector()
    numbers = itertools.count()
    await misses(protocols, itertools.islice(numbers, 8_000))
    found = [await misses(protocols, itertools.islice(numbers, requests)) for _ in range(rounds)]
    print(f"{min(found) / requests * 1e6:.1f} µs of CPU per miss in Python, best of {rounds} x {requests}, kernel apart")
    print("rounds:", " ".join(f"{one / requests * 1e6:.1f}" for one in found))
    if calls:
        profile = cProfile.Profile()
        asked = gateway.forwarder.origin_requests
        profile.enable()
        await misses(protocols, itertools.islice(numbers, 5_000))
        profile.disable()
        asked = gateway.forwarder.origin_requests - asked
        stats = pstats.Stats(profile)
        print(f"{stats.total_calls / asked:.0f} calls per miss")  # type: ignore[attr-defined]
        stats.sort_stats("tottime").print_stats(70)
        stats.sort_stats("ncalls").print_stats(40)
    await gateway.aclose()


def main() -> None:
    """Run it with what the command line asks for."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--requests", type=int, default=20_000)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--calls", action="store_true")
    asked = arguments.parse_args()
    uvloop.run(measure(asked.requests, asked.rounds, calls=asked.calls))


if __name__ == "__main__":
    main()
