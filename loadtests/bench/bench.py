"""What the benchmarks share: processes to measure, and a small HTTP client that asks a lot at little cost.

Figures that hold on a busy machine are CPU seconds of the server's process tree, not wall seconds. Linux only: they are read from /proc.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import cast

HERE = Path(__file__).parent
TICKS = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, seconds: float = 15.0, host: str = "127.0.0.1") -> None:
    """Return once something listens on port. Raises SystemExit when nothing does in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
            return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")


def process_tree(pid: int) -> list[int]:
    """The pid and those of all its descendants, parents first."""
    pids = [pid]
    with contextlib.suppress(FileNotFoundError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text(encoding="ascii").split():
                pids += process_tree(int(child))
    return pids


def cpu_seconds(pid: int) -> float:
    """User and system time of the whole process tree so far; counted in ticks of 10 ms."""
    ticks = 0
    for member in process_tree(pid):
        fields = Path(f"/proc/{member}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS


def rss_bytes(pid: int) -> int:
    """Resident octets of the processes that serve: its children where it has some, as `weft serve` does, else itself."""
    pids = process_tree(pid)[1:] or [pid]
    pages = [int(Path(f"/proc/{each}/statm").read_text(encoding="ascii").split()[1]) for each in pids]
    return sum(pages) * os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def running(
    command: list[str], port: int, *, core: int | None = None, log: str = os.devnull
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that listens on port, ended by SIGTERM afterwards."""
    pin = ["taskset", "-c", str(core)] if core is not None else []
    with Path(log).open("wb") as out:
        process = subprocess.Popen(
            [*pin, *command], stdout=out, stderr=subprocess.STDOUT, env={**os.environ, "PYTHONPATH": str(HERE.parents[1])}
        )
    try:
        wait_for(port)
        yield process
    finally:
        for pid in reversed(process_tree(process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        process.wait(30)


def origin(port: int, *, core: int | None = None) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
    """The origin of origin.py on port, while the context lasts."""
    return running([sys.executable, str(HERE / "origin.py"), str(port)], port, core=core)


def weft(
    port: int, upstream: int, *settings: str, core: int | None = None, log: str = os.devnull
) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
    """`weft serve` on port before the origin on port upstream, while the context lasts. settings: as `--set` takes them. log: where what it prints goes."""
    sets = [word for setting in settings for word in ("--set", setting)]
    command = [sys.executable, "-m", "gateway", "serve", "--upstream", f"http://127.0.0.1:{upstream}", "--port", str(port), *sets]
    return running(command, port, core=core, log=log)


class Client(asyncio.Protocol):
    """One keep-alive connection that asks for one path after the other and counts statuses. Responses must have a Content-Length."""

    def __init__(self, paths: Iterator[str], headers: str, results: Counter[str], done: asyncio.Future[None]) -> None:
        self.paths, self.headers, self.results, self.done = paths, headers, results, done
        self.buffer = b""
        self.need = 0
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the first path."""
        self.transport = cast("asyncio.Transport", transport)
        self.ask()

    def ask(self) -> None:
        """Ask for the next path, or close when there is none."""
        path = next(self.paths, None)
        if path is None:
            self.transport.close()
            return
        self.transport.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{self.headers}\r\n".encode())

    def data_received(self, data: bytes) -> None:
        """Count status and the first word of Cache-Status; skip the content."""
        if self.need:
            self.need -= len(data)
        else:
            self.buffer += data
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self.buffer[:end].lower()
            self.results[head[9:12].decode()] += 1
            if b"cache-status:" in head:
                word = head.split(b"cache-status:", 1)[1].split(b";")[1].split(b"\r\n")[0].strip()
                self.results[word.decode()] += 1
            if b"x-version:" in head:
                self.results["version " + head.split(b"x-version:", 1)[1].split(b"\r\n")[0].strip().decode()] += 1
            length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            self.need = length - (len(self.buffer) - end - 4)
            self.buffer = b""
        if self.need <= 0:
            self.need = 0
            self.ask()

    def connection_lost(self, exc: Exception | None) -> None:
        """Say that this connection is over."""
        if not self.done.done():
            self.results["broken"] += exc is not None
            self.done.set_result(None)


async def ask_all(port: int, paths: Iterable[str], connections: int, headers: str = "", host: str = "127.0.0.1") -> Counter[str]:
    """Every path once, over that many connections; how often each status came, each word of Cache-Status, each X-Version."""
    loop, source = asyncio.get_running_loop(), iter(paths)
    results: Counter[str] = Counter()
    ends = []
    for _ in range(connections):
        done = loop.create_future()
        ends.append(done)
        await loop.create_connection(partial(Client, source, headers, results, done), host, port)
    await asyncio.gather(*ends)
    return results


async def get(
    port: int, path: str, method: str = "GET", headers: str = "", body: str = "", host: str = "127.0.0.1"
) -> tuple[int, bytes, bytes]:
    """One request on a connection of its own: (status, head, content)."""
    reader, writer = await asyncio.open_connection(host, port)
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{length}{headers}\r\n{body}".encode())
    data = await reader.read()
    writer.close()
    head, _, content = data.partition(b"\r\n\r\n")
    return int(head[9:12]), head, content
