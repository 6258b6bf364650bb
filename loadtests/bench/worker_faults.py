"""Issue 4, mark 2: a worker is killed, stopped, blocked in its loop, under load; whose requests fail, when it is noticed, when its successor serves.

    python loadtests/bench/worker_faults.py [--rounds 3] [--clients 32] [--workers 2]

The clients ask for a cached page over kept connections. Only what the victim had in hand may fail: at most one request for each connection that it held. Times are the log's, counted from
the signal (for a blocked loop: from the request that blocks it).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from datetime import datetime
from pathlib import Path

from bench import HERE, free_port, get, origin, process_tree, running

MISBEHAVING = str(HERE.parents[1] / "tests/processes/misbehaving.py")


def events(log: Path, name: str) -> list[dict[str, object]]:
    """The log's lines of that kind."""
    lines = [line for line in log.read_text("utf-8", "replace").splitlines() if f'"event":"{name}"' in line]
    return [json.loads(line) for line in lines]


def moment(event: dict[str, object]) -> float:
    """Epoch seconds of a line."""
    return datetime.fromisoformat(str(event["time"])).timestamp()


def connections(pid: int, port: int) -> int:
    """How many connections of clients a process holds, accepted ones."""
    held = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            held.add(str(descriptor.readlink()))
    rows = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
    here = f":{port:04X}"
    return sum(row[3] == "01" and row[1].endswith(here) and f"socket:[{row[9]}]" in held for row in rows)


class Load:
    """Clients on kept connections; a lost one is opened anew."""

    def __init__(self, port: int, count: int) -> None:
        self.port = port
        self.answers = 0
        self.failed: Counter[str] = Counter()
        self.slowest = 0.0
        self.stop = False
        self.clients = [asyncio.ensure_future(self.ask()) for _ in range(count)]

    async def ask(self) -> None:
        """One client."""
        while not self.stop:
            start = time.monotonic()
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                while not self.stop:
                    start = time.monotonic()
                    writer.write(b"GET /plain HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                    head = await reader.readuntil(b"\r\n\r\n")
                    await reader.readexactly(int(head.lower().split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0]))
                    self.slowest = max(self.slowest, time.monotonic() - start)
                    if head[9:12] == b"200":
                        self.answers += 1
                    else:
                        self.failed[head[9:12].decode()] += 1
                    await asyncio.sleep(0.002)
                writer.close()
            except (OSError, asyncio.IncompleteReadError) as error:
                self.slowest = max(self.slowest, time.monotonic() - start)
                self.failed[type(error).__name__] += 1


async def strike(fault: str, port: int, pid: int) -> tuple[dict[int, int], float]:
    """Do it to a worker; (connections that each worker held, epoch seconds)."""
    held = {child: connections(child, port) for child in process_tree(pid)[1:]}
    at = time.time()
    if fault == "blocked":
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /_weft/block HTTP/1.1\r\nHost: a\r\n\r\n")
    else:
        os.kill(max(held, key=held.__getitem__), {"killed": signal.SIGKILL, "stopped": signal.SIGSTOP}[fault])
    return held, at


async def until(log: Path, name: str, count: int) -> dict[str, object]:
    """The count-th line of that kind, once it is there."""
    while len(found := events(log, name)) < count:  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0.02)
    return found[count - 1]


async def one(fault: str, port: int, pid: int, log: Path, wishes: argparse.Namespace) -> bool:
    """A round; whether it went as promised."""
    load = Load(port, wishes.clients)
    await asyncio.sleep(1.0)
    seen = len(events(log, "worker replaced")), len(events(log, "worker ready"))
    workers, at = await strike(fault, port, pid)
    replaced = await until(log, "worker replaced", seen[0] + 1)
    noticed, serves = moment(replaced) - at, moment(await until(log, "worker ready", seen[1] + 1)) - at
    await asyncio.sleep(1.0)
    load.stop = True
    await asyncio.gather(*load.clients)
    held = workers[int(str(replaced["worker_pid"]))]
    failed = load.failed.total()
    limits = {"killed": (0.5, 0.5), "stopped": (2.0, 3.0), "blocked": (2.0, 3.0)}[fault]
    kept = failed <= held and noticed <= limits[0] and serves <= limits[1]
    print(
        f"{'ok  ' if kept else 'MISS'} {fault:8} noticed after {noticed:.2f} s, replaced after {serves:.2f} s; {load.answers:,} answers, "
        f"{failed} failed {dict(load.failed) or ''} of {held} connections on it, slowest {load.slowest:.2f} s",
        flush=True,
    )
    return kept


async def measure(port: int, pid: int, log: Path, wishes: argparse.Namespace) -> bool:
    """All rounds."""
    await get(port, "/plain")
    await until(log, "worker ready", wishes.workers)
    kept = True
    for fault in ("killed", "stopped", "blocked"):
        for _ in range(wishes.rounds):
            kept = await one(fault, port, pid, log, wishes) and kept
            await asyncio.sleep(11)  # a worker that lived for ten seconds has had no quick death
    return kept


def main() -> int:
    """Start everything; 1 when a mark was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    wishes = parser.parse_args()
    upstream, port = free_port(), free_port()
    command = [sys.executable, MISBEHAVING, "serve", "--upstream", f"http://127.0.0.1:{upstream}", "--port", str(port)]
    command += ["--set", "log.access=off", "--workers", str(wishes.workers), "--set", "redis.url=redis://127.0.0.1:1"]
    with tempfile.TemporaryDirectory(prefix="weft-faults-") as folder, origin(upstream):
        log = Path(folder) / "log"
        with running(command, port, log=str(log)) as gateway:
            return 0 if asyncio.run(measure(port, gateway.pid, log, wishes)) else 1


if __name__ == "__main__":
    sys.exit(main())
