"""Issue 4, mark 3: settings that change again and again under load; nobody may notice.

    python loadtests/bench/reloads.py [--times 100] [--requests 200000] [--clients 32] [--workers 1] [--restart]

Each time the file says something else: origin, routes, key, lifetimes, limits, memory, identity. Seven of ten requests are hits, three go to the origin. Failed is whatever is no
whole 200: another status, a connection that ends in an answer or before one that it had not announced with `Connection: close`. With --restart the workers are replaced each time.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from bench import free_port, get, origin, rss_bytes, running

TOKEN = "reloads"  # noqa: S105 - of a process that lives for a minute
PATHS = ("/plain", "/plain", "/nostore", "/plain", "/plain", "/nostore", "/plain", "/plain", "/nostore", "/plain")
LENGTH = 10_240


def version(number: int, upstream: int) -> str:
    """The file's text, the number-th time."""
    route = '[[routes]]\nname = "blog"\npath = "/blog"\ncache.mode = "bypass"\n' if number % 3 else ""
    return f"""
[upstream]
url = "http://127.0.0.1:{upstream}"
idle_timeout = {30 + number % 2}
[cache]
default_ttl = {number}
memory.max_bytes = "{64 + 64 * (number % 2)}MiB"
[query]
mode = "{"drop" if number % 2 else "all"}"
names = ["utm_*"]
[proxy]
via = "weft{number}"
[server]
keepalive_timeout = {60 + number % 5}
limits.header_count = {100 + number % 7}
[purge]
tokens = ["purge-{number}"]
[admin]
tokens = ["{TOKEN}"]
[log]
access = "off"
{route}"""


class Load:
    """Clients that ask on and on, each on a kept connection."""

    def __init__(self, port: int, count: int) -> None:
        self.port = port
        self.answers: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.slowest = 0.0
        self.stop = False
        self.clients = [asyncio.ensure_future(self.ask()) for _ in range(count)]

    async def ask(self) -> None:
        """One client."""
        while not self.stop:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError as error:
                self.failed[f"connect: {error.strerror}"] += 1
                continue
            try:
                while not self.stop and await self.round(reader, writer):
                    pass
            except (OSError, asyncio.IncompleteReadError) as error:
                self.failed[type(error).__name__] += 1
            writer.close()

    async def round(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Each path once. False: the connection has said that it ends."""
        for path in PATHS:
            start = time.monotonic()
            writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            status = head[9:12].decode()
            length = int(head.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
            await reader.readexactly(length)
            self.slowest = max(self.slowest, time.monotonic() - start)
            if status == "200" and length == LENGTH:
                self.answers["hit" if b"weft; hit" in head else "from the origin"] += 1
            else:
                self.failed[status] += 1
            if b"connection: close" in head:
                return False
        return True

    async def until(self, count: int) -> None:
        """So many answers in all."""
        while self.answers.total() < count and not self.stop:  # noqa: ASYNC110 - the clients count
            await asyncio.sleep(0.02)


async def reload(port: int, *, restart: bool) -> float:
    """Seconds that it took. With restart: until it is taken, which waits for the one before."""
    start = time.monotonic()
    query = "?restart=1" if restart else ""
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            f"POST /_weft/reload{query} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )
        answer = await reader.read()
        writer.close()
        if answer[9:12] == b"200":
            return time.monotonic() - start
        if answer[9:12] != b"409":
            raise SystemExit(f"refused: {answer.decode()}")
        await asyncio.sleep(0.05)


async def measure(port: int, upstream: int, file: Path, wishes: argparse.Namespace, pid: int) -> bool:
    """Load, reloads, and what came of them."""
    await get(port, "/plain")
    load = Load(port, wishes.clients)
    await load.until(2_000)
    before, took = rss_bytes(pid), []
    for number in range(1, wishes.times + 1):
        await asyncio.to_thread(file.write_text, version(number, upstream), "utf-8")
        took.append(await reload(port, restart=wishes.restart))
        await load.until(wishes.requests * number // (wishes.times + 1))
    await load.until(wishes.requests)
    load.stop = True
    await asyncio.gather(*load.clients)
    took.sort()
    print(
        f"{wishes.times} {'rolling restarts' if wishes.restart else 'reloads'}, {wishes.workers} worker(s), {wishes.clients} clients"
    )
    print(
        f"answers {load.answers.total():,} ({', '.join(f'{what} {count:,}' for what, count in load.answers.items())}), slowest {load.slowest:.2f} s"
    )
    print(f"failed {load.failed.total()} {dict(load.failed) or ''}")
    print(f"a reload took {took[len(took) // 2] * 1000:.0f} ms (median), {took[-1] * 1000:.0f} ms at most")
    print(f"memory of the workers {before / 2**20:.0f} MiB before, {rss_bytes(pid) / 2**20:.0f} MiB after")
    return not load.failed


def main() -> int:
    """Start everything; 1 when somebody noticed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--restart", action="store_true")
    wishes = parser.parse_args()
    upstream, port = free_port(), free_port()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="weft-reloads-"))
        file = Path(folder) / "weft.toml"
        file.write_text(version(0, upstream), "utf-8")
        stack.enter_context(origin(upstream))
        command = [sys.executable, "-m", "gateway", "serve", "--config", str(file), "--port", str(port)]
        if wishes.workers > 1:  # a Redis that does not answer: what is measured has nothing to do with it
            command += ["--workers", str(wishes.workers), "--set", "redis.url=redis://127.0.0.1:1"]
        gateway = stack.enter_context(running(command, port, log=os.environ.get("LOG", os.devnull)))
        return 0 if asyncio.run(measure(port, upstream, file, wishes, gateway.pid)) else 1


if __name__ == "__main__":
    sys.exit(main())
