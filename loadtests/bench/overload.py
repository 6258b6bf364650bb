"""Issue 4, mark 6: five times of what the gateway can do is offered. Hits stay quick, throughput is kept, what is refused is refused at once.

    python loadtests/bench/overload.py [--hits 0.2] [--size 2000] [--times 5] [--seconds 20] [--server-core 0] [--load-core 1]

First the capacity: a closed loop of 64 connections, a share of hits, the rest pages that nobody has asked for before. Then that many times over as an open loop: a request is due at its
moment whether earlier ones are answered or not, on as many connections as that takes, and its time runs from that moment, so that waiting for a connection counts. Beside it stands the time
from sending, which is what a client sees that had to wait for nobody but us. The load's own lag says how far the load itself could keep up; the server's own histogram says how long
it took for refusals once it had read them.

Two cores at least: the gateway on one, load and origin on the other. On two cores it is the load that ends first.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import re
import time
from collections import Counter, deque
from collections.abc import Iterator
from typing import cast

import uvloop
from bench import cpu_seconds, free_port, get, origin, weft

HOT = [f"/size/2000?hot={number}" for number in range(10)]
MOST_CONNECTIONS = 1_000
"""Within the queue of the kernel: whoever meets a full one tries again after a second, two, four, and that is not what is measured."""


class Results:
    """What came of it, by kind: `hit` was asked for what is in memory, `ok` and `refused` for what isn't. Seconds."""

    def __init__(self) -> None:
        self.due: dict[str, list[float]] = {"hit": [], "ok": [], "refused": []}
        self.sent: dict[str, list[float]] = {"hit": [], "ok": [], "refused": []}
        self.others: Counter[str] = Counter()

    def note(self, path: str, status: bytes, due: float, sent: float) -> None:
        """One answer."""
        now = time.perf_counter()
        kind = "hit" if path in HOT and status == b"200" else {b"200": "ok", b"503": "refused"}.get(status, "")
        if not kind or (path in HOT and kind != "hit"):
            self.others[f"{'hot' if path in HOT else 'new'} {status.decode()}"] += 1
            return
        self.due[kind].append(now - due)
        self.sent[kind].append(now - sent)

    @property
    def good(self) -> int:
        """Answers that a visitor wants."""
        return len(self.due["hit"]) + len(self.due["ok"])


class Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.buffer = b""
        self.need = -1
        self.status = b""
        self.path, self.due, self.sent = "", 0.0, 0.0
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready."""
        self.transport = cast("asyncio.Transport", transport)
        self.load.ready(self)

    def ask(self, path: str, due: float) -> None:
        """Send it now."""
        self.path, self.due, self.sent = path, due, time.perf_counter()
        self.transport.write(b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: overload\r\n\r\n" % path.encode())

    def data_received(self, data: bytes) -> None:
        """Until the response is whole."""
        if self.need < 0:
            self.buffer += data
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self.buffer[:end].lower()
            self.status = head[9:12]
            self.need = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]) - (len(self.buffer) - end - 4)
            self.buffer = b""
        else:
            self.need -= len(data)
        if self.need <= 0:
            self.need = -1
            self.load.results.note(self.path, self.status, self.due, self.sent)
            self.load.ready(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Not expected."""
        del exc
        self.load.lost(self)


class Load:
    """share: of hits; size: octets of new pages. Paths are dealt out in that proportion."""

    def __init__(self, port: int, share: float, size: int) -> None:
        self.port = port
        self.size = size
        self.results = Results()
        self.idle: list[Connection] = []
        self.waiting: deque[tuple[str, float]] = deque()
        self.opened = 0
        self.closed_loop = False
        self.worst_lag = 0.0
        self._paths = self._deal(share)
        self._tasks: set[asyncio.Task[None]] = set()

    def _deal(self, share: float) -> Iterator[str]:
        hot, owed = itertools.cycle(HOT), 0.0
        for number in itertools.count():
            owed += share
            if owed >= 1.0:
                owed -= 1.0
                yield next(hot)
            else:
                yield f"/size/{self.size}?{os.getpid()}-{time.time_ns()}-{number}"

    def ready(self, connection: Connection) -> None:
        """It can take the next request."""
        if self.closed_loop:
            connection.ask(next(self._paths), time.perf_counter())
        elif self.waiting:
            connection.ask(*self.waiting.popleft())
        else:
            self.idle.append(connection)

    def lost(self, connection: Connection) -> None:
        """Closed by the gateway."""
        self.opened -= 1
        self.results.others["connections closed"] += not self.closed_loop
        if connection in self.idle:
            self.idle.remove(connection)

    async def close(self) -> None:
        """What is under way is not waited for."""
        for connection in self.idle:
            connection.transport.abort()

    async def capacity(self, seconds: float) -> float:
        """Good answers a second that a closed loop gets."""
        self.closed_loop = True
        loop = asyncio.get_running_loop()
        connections = [(await loop.create_connection(lambda: Connection(self), "127.0.0.1", self.port))[1] for _ in range(64)]
        await asyncio.sleep(seconds / 4)
        before, begin = self.results.good, time.perf_counter()
        await asyncio.sleep(seconds)
        rate = (self.results.good - before) / (time.perf_counter() - begin)
        for connection in connections:
            connection.transport.abort()
        return rate

    async def offer(self, rate: float, seconds: float) -> None:
        """An open loop of that many requests a second."""
        begin = time.perf_counter()
        due = begin
        while due < begin + seconds:
            now = time.perf_counter()
            self.worst_lag = max(self.worst_lag, now - due)
            while due <= now:
                self._send(next(self._paths), due)
                due += 1.0 / rate
            await asyncio.sleep(max(0.0005, due - now))

    def _send(self, path: str, due: float) -> None:
        if self.idle:
            self.idle.pop().ask(path, due)
            return
        self.waiting.append((path, due))
        if self.opened < MOST_CONNECTIONS:
            self.opened += 1
            task = asyncio.get_running_loop().create_task(self._open())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _open(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: Connection(self), "127.0.0.1", self.port)
        except OSError as error:
            self.opened -= 1
            self.results.others[type(error).__name__] += 1


def quantile(sample: list[float], share: float) -> float:
    """In milliseconds."""
    return sorted(sample)[min(len(sample) - 1, int(len(sample) * share))] * 1e3 if sample else float("nan")


async def refusals_within(port: int, bound: str) -> str:
    """Of the server's own histogram: from the complete head to the last octet handed over."""
    text = (await get(port, "/_weft/metrics"))[2].decode()
    name = r'weft_request_duration_seconds_bucket\{cache="error",le="%s",route="default"\} (\S+)'
    within, every = (re.search(name % re.escape(each), text) for each in (bound, "+Inf"))
    if within is None or every is None or not float(every[1]):
        return "none"
    return f"{float(within[1]) / float(every[1]):.2%} of {float(every[1]):,.0f}"


async def measure(port: int, pid: int, asked: argparse.Namespace) -> None:
    """The capacity, then the flood, then a moment after it."""
    for path in HOT:
        await get(port, path)
    most = await Load(port, asked.hits, asked.size).capacity(asked.seconds / 4)
    print(f"capacity, {asked.hits:.0%} hits: {most:,.0f} good answers a second", flush=True)
    for times in (0.5, asked.times):
        load = Load(port, asked.hits, asked.size)
        cpu, begin = cpu_seconds(pid), time.perf_counter()
        await load.offer(most * times, asked.seconds)
        took, results = time.perf_counter() - begin, load.results
        good = results.good / took
        asked_in_all = sum(map(len, results.due.values())) + results.others.total()
        print(
            f"\n{times:g} x offered: {most * times:,.0f}/s due, {asked_in_all / took:,.0f}/s answered, {good:,.0f}/s good = {good / most:.0%} of capacity"
        )
        print(
            f"  gateway {(cpu_seconds(pid) - cpu) / took:.0%} of a core, {load.opened} connections, the load was late by {load.worst_lag * 1e3:.0f} ms at worst"
        )
        for kind in results.due:
            due, sent = results.due[kind], results.sent[kind]
            if due:
                print(
                    f"  {kind:<8}{len(due) / took:>8,.0f}/s    since due p50 {quantile(due, 0.5):7.1f}  p99 {quantile(due, 0.99):7.1f} ms"
                    f"    since sent p50 {quantile(sent, 0.5):6.1f}  p99 {quantile(sent, 0.99):6.1f} ms"
                )
        if results.others:
            print(f"  others  {dict(results.others)}")
        await load.close()
        await asyncio.sleep(1.0)
    print(f"\nrefusals that the gateway took at most 5 ms for: {await refusals_within(port, '0.005')}")
    for name in ("weft_shed_total", "weft_loop_lag_seconds", "weft_in_flight"):
        text = (await get(port, "/_weft/metrics"))[2].decode()
        print("\n".join(line for line in text.splitlines() if line.startswith(name)))


def main() -> None:
    """Run it with what the command line asks for."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--hits", type=float, default=0.2, help="share of requests for what is in memory")
    arguments.add_argument("--size", type=int, default=2_000, help="octets of a new page: what a miss costs")
    arguments.add_argument("--times", type=float, default=5.0)
    arguments.add_argument("--seconds", type=float, default=20.0)
    arguments.add_argument("--server-core", type=int, default=0)
    arguments.add_argument("--load-core", type=int, default=1)
    arguments.add_argument("--set", action="append", default=[], help="settings of the gateway")
    asked = arguments.parse_args()
    upstream, port = free_port(), free_port()
    os.sched_setaffinity(0, {asked.load_core})
    with (
        origin(upstream, core=asked.load_core),
        weft(port, upstream, "log.file=/dev/null", *asked.set, core=asked.server_core) as gateway,
    ):
        uvloop.run(measure(port, gateway.pid, asked))


if __name__ == "__main__":
    main()
