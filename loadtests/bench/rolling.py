"""Issue 4, mark 3: rolling restarts and reloads in turns, under three kinds of load; nobody may notice.

    python loadtests/bench/rolling.py [--times 100] [--requests 200000] [--workers 2]

Clients that ask on and on over kept connections; clients that think for up to 3 s between two requests, so that a worker that leaves finds them idle; clients that open a connection
for each request. Failed is whatever is no whole 200, and a kept connection that ends unannounced while a request is on its way. A connection that is closed while it is idle is opened
anew, and counted: that is what HTTP allows, and what a client must be ready for.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from bench import free_port, get, origin, rss_bytes, running
from reloads import LENGTH, Load, reload, version


class Thinkers(Load):
    """Clients that pause between two requests on a kept connection."""

    closed_idle = 0

    async def round(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request after a pause. False: the connection is over."""
        end = time.monotonic() + random.choice((0.01, 0.1, 0.5, 3.0)) * random.random()
        while time.monotonic() < end and not self.stop:
            await asyncio.sleep(0.01)
            if reader.at_eof():
                self.closed_idle += 1
                return False
        writer.write(b"GET /plain HTTP/1.1\r\nHost: a\r\n\r\n")
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        content = await reader.readexactly(int(head.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0]))
        if head[9:12] == b"200" and len(content) == LENGTH:
            self.answers["thinking"] += 1
        else:
            self.failed[head[9:12].decode()] += 1
        return b"connection: close" not in head


class Strangers(Load):
    """Clients that open a connection for each request."""

    async def round(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request, and that is all."""
        writer.write(b"GET /plain HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        head, _, content = (await reader.read()).partition(b"\r\n\r\n")
        if head[9:12] == b"200" and len(content) == LENGTH:
            self.answers["one request a connection"] += 1
        else:
            self.failed[head[9:12].decode() or "closed"] += 1
        await asyncio.sleep(0.01)
        return False


async def measure(port: int, upstream: int, file: Path, wishes: argparse.Namespace, pid: int) -> bool:
    """Load, restarts and reloads, and what came of them."""
    await get(port, "/plain")
    kept, thinkers, strangers = Load(port, 24), Thinkers(port, 24), Strangers(port, 4)
    loads = (kept, thinkers, strangers)
    await kept.until(2_000)
    before, took = rss_bytes(pid), {True: [], False: []}
    for number in range(1, wishes.times + 1):
        await asyncio.to_thread(file.write_text, version(number, upstream), "utf-8")
        took[number % 2 == 1].append(await reload(port, restart=number % 2 == 1))
        await kept.until(wishes.requests * number // (wishes.times + 1))
    await kept.until(wishes.requests)
    for load in loads:
        load.stop = True
    await asyncio.gather(*(client for load in loads for client in load.clients))
    answers = sum((load.answers for load in loads), start=type(kept.answers)())
    failed = sum((load.failed for load in loads), start=type(kept.failed)())
    print(f"{wishes.times} times, a rolling restart and a reload in turns, {wishes.workers} workers")
    print(f"answers {answers.total():,} ({', '.join(f'{what} {count:,}' for what, count in answers.items())})")
    print(f"failed {failed.total()} {dict(failed) or ''}, closed while idle {thinkers.closed_idle}")
    for restart, name in ((True, "a restart, until the first new worker serves,"), (False, "a reload")):
        times = sorted(took[restart]) or [0.0]
        print(f"{name} took {times[len(times) // 2] * 1000:.0f} ms (median), {times[-1] * 1000:.0f} ms at most")
    print(f"memory of the workers {before / 2**20:.0f} MiB before, {rss_bytes(pid) / 2**20:.0f} MiB after")
    return not failed


def main() -> int:
    """Start everything; 1 when somebody noticed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--workers", type=int, default=2)
    wishes = parser.parse_args()
    upstream, port = free_port(), free_port()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="weft-rolling-"))
        file = Path(folder) / "weft.toml"
        file.write_text(version(0, upstream), "utf-8")
        stack.enter_context(origin(upstream))
        command = [sys.executable, "-m", "gateway", "serve", "--config", str(file), "--port", str(port)]
        command += ["--workers", str(wishes.workers), "--set", "redis.url=redis://127.0.0.1:1"]  # it need not answer
        gateway = stack.enter_context(running(command, port, log=os.environ.get("LOG", os.devnull)))
        return 0 if asyncio.run(measure(port, upstream, file, wishes, gateway.pid)) else 1


if __name__ == "__main__":
    sys.exit(main())
