"""Issue 4, mark 1: Redis is stopped, frozen and emptied under load; what visitors notice, and how soon all is well again.

    python loadtests/bench/redis_faults.py [--rounds 3] [--seconds 6]

About 200 requests a second from 32 connections: nine in ten for pages in memory, one for a page that nobody has asked for, which is looked for in Redis first.
For each fault: requests that failed, p99 of pages in memory before and during it, the slowest of the others (the origin answers at once), and the time from Redis' return
until the gateway says that it is up. A busy machine makes all of these longer; the row "before" says how busy it is.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count

from bench import free_port, get, origin, wait_for, weft

CONNECTIONS = 32
PAUSE = CONNECTIONS / 200
"""Seconds from one request of a connection to its next."""
PAGES = 50
fresh = count()


class Phase:
    """What was seen while it lasted. Times in seconds."""

    def __init__(self) -> None:
        self.results: Counter[str] = Counter()
        self.cached: list[float] = []
        self.missed: list[float] = []

    def told(self) -> str:
        """One line."""
        failed = sum(times for what, times in self.results.items() if what != "200")
        cached, missed = sorted(self.cached), sorted(self.missed)
        p99 = cached[int(len(cached) * 0.99)] * 1000 if cached else 0
        return (
            f"{len(cached) + len(missed):5} requests, {failed} failed; in memory p99 {p99:5.1f} ms; "
            f"others median {missed[len(missed) // 2] * 1000:5.1f}, slowest {missed[-1] * 1000:5.1f} ms"
        )


class Load:
    """Clients that ask all the time, and the phase that they count into."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.phase = Phase()
        self.tasks = [asyncio.create_task(self.client(number)) for number in range(CONNECTIONS)]

    async def client(self, number: int) -> None:
        """One connection that is kept; opened anew when it breaks."""
        await asyncio.sleep(PAUSE * number / CONNECTIONS)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        for turn in count(number):
            is_miss = turn % 10 == 0
            path = f"/plain?{next(fresh) + PAGES}" if is_miss else f"/plain?{turn % PAGES}"
            begun, phase = time.monotonic(), self.phase
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
                phase.results[head[9:12].decode() if length == 10_240 else "cut"] += 1
            except (OSError, asyncio.IncompleteReadError) as error:
                phase.results[type(error).__name__] += 1
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            took = time.monotonic() - begun
            (phase.missed if is_miss else phase.cached).append(took)
            await asyncio.sleep(max(0.0, PAUSE - took))

    def turn(self) -> Phase:
        """A new phase begins; what the last one saw."""
        seen, self.phase = self.phase, Phase()
        return seen

    async def end(self) -> None:
        """No more requests."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


class Redis:
    """A server that can be broken."""

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = tempfile.mkdtemp(prefix="weft-faults-")
        self.process: subprocess.Popen[bytes]
        self.start()

    def start(self) -> None:
        """Start it, empty."""
        options = ["--bind", "127.0.0.1", "--dir", self.folder, "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(["redis-server", "--port", str(self.port), *options], stdout=subprocess.DEVNULL)
        wait_for(self.port)

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(20)

    def freeze(self) -> None:
        """It takes what it is sent, and answers nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        self.process.send_signal(signal.SIGCONT)

    def empty(self) -> None:
        """All keys are gone, and so are its connections: it is another process."""
        subprocess.run(["redis-cli", "-p", str(self.port), "FLUSHALL"], check=True, capture_output=True)
        self.stop()
        self.start()


@contextlib.contextmanager
def redis() -> Iterator[Redis]:
    """One, ended afterwards."""
    server = Redis()
    try:
        yield server
    finally:
        server.thaw()
        server.stop()
        shutil.rmtree(server.folder, ignore_errors=True)


async def is_up(port: int) -> bool:
    """Whether the gateway says so, of Redis and of the purges of others."""
    figures = (await get(port, "/_weft/metrics"))[2]
    return b"\nweft_redis_up 1.0" in figures and b"\nweft_bus_live 1.0" in figures


async def until_up(port: int) -> float:
    """Seconds until it does."""
    begun = time.monotonic()
    while not await is_up(port):  # noqa: ASYNC110 - asking is how one finds out
        await asyncio.sleep(0.02)
    return time.monotonic() - begun


async def fault(load: Load, name: str, seconds: float, harm: Callable[[], object], mend: Callable[[], object]) -> None:
    """One fault under load."""
    load.turn()
    await asyncio.sleep(seconds)
    print(f"{name}\n  before     {load.turn().told()}")
    await asyncio.to_thread(harm)
    await asyncio.sleep(seconds)
    print(f"  during     {load.turn().told()}")
    await asyncio.to_thread(mend)
    print(f"  well again {await until_up(load.port):.2f} s after its return")


async def measure(port: int, server: Redis, rounds: int, seconds: float) -> None:
    """Each fault as often as asked for."""
    await until_up(port)
    for number in range(PAGES):
        await get(port, f"/plain?{number}", headers="")
    load = Load(port)
    nothing: Callable[[], None] = lambda: None  # noqa: E731
    for number in range(rounds):
        await fault(load, f"stopped, {number + 1}", seconds, server.stop, server.start)
        await fault(load, f"frozen, {number + 1}", seconds, server.freeze, server.thaw)
        await fault(load, f"emptied and restarted, {number + 1}", seconds, server.empty, nothing)
    await load.end()


def main() -> None:
    """Run it with what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0)
    wishes = parser.parse_args()
    upstream, port = free_port(), free_port()
    with redis() as server, origin(upstream), weft(port, upstream, f"redis.url=redis://127.0.0.1:{server.port}", log=os.devnull):
        asyncio.run(measure(port, server, wishes.rounds, wishes.seconds))


if __name__ == "__main__":
    main()
