"""The processes: gateways with their workers, one Redis behind a wire for each gateway, one origin. Everything that a fault needs to get hold of."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from helper import Helper
from judge import Line

__all__ = ["TOKEN", "Fleet", "Gateway", "Redis", "fleet", "free_port", "ports_of", "until"]

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "chaos"  # noqa: S105 - of processes that live for an hour on loopback
PIPE, STDOUT, NOTHING = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT, asyncio.subprocess.DEVNULL
PAGE = os.sysconf("SC_PAGE_SIZE")
REDIS_MEMORY = "64mb"
PATIENCE = 60.0
"""Seconds for a start or an end on a busy machine."""
SETTINGS = """\
[server]
port = {port}
workers = {workers}
{server}
[upstream]
url = "http://127.0.0.1:{origin}"
first_byte_timeout = 4
{upstream}
[redis]
url = "redis://127.0.0.1:{wire}"
[purge]
tokens = ["{token}"]
[admin]
tokens = ["{token}"]
[cache]
max_object_bytes = "1MiB"
[cache.memory]
max_bytes = "{memory}"      # small, so that it is full before growth is looked for
[esi]
deadline = 1.5
"""


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment() -> dict[str, str]:
    """For what is ours: nothing of the gateway's is inherited."""
    return {**{name: value for name, value in os.environ.items() if not name.startswith("WEFT_")}, "PYTHONPATH": str(ROOT)}


async def until(come_true: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Return once it is. Raises RuntimeError when it never is."""
    deadline = time.monotonic() + seconds
    while not come_true():
        if time.monotonic() > deadline:
            raise RuntimeError(f"in {seconds:.0f} s it never came true: {what}")
        await asyncio.sleep(0.05)


def listens(port: int) -> bool:
    """Whether somebody does there."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def ports_of(pid: int, port: int) -> set[int]:
    """Clients' ports of the connections to `port` that this process holds."""
    held = set()
    with contextlib.suppress(OSError):
        for each in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                held.add(str(each.readlink()))
    ports = set()
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if f"socket:[{fields[9]}]" in held and int(fields[1].split(":")[1], 16) == port:
            ports.add(int(fields[2].split(":")[1], 16))
    return ports


class Gateway:
    """One `weft serve`. log: gets each line of its process log."""

    def __init__(self, name: str, folder: Path, origin: int, wire: int, workers: int, log: Callable[[Line], None]) -> None:
        self.name = name
        self.port = free_port()
        self.settings = folder / f"{name}.toml"
        self.count = workers
        self.reads = asyncio.Event()
        """While it is set, somebody reads the access log."""
        self.reads.set()
        self.access_lines = 0
        self._values = {"port": self.port, "workers": workers, "origin": origin, "wire": wire, "token": TOKEN}
        self._log = log
        self._said = ""
        """What it has said before it served."""
        self._tasks: list[asyncio.Task[None]] = []
        self.process: asyncio.subprocess.Process

    def write_settings(self, *, server: str = "", upstream: str = "", memory: str = "8MiB") -> None:
        """With a line more in either section."""
        values = {**self._values, "server": server, "upstream": upstream, "memory": memory}
        self.settings.write_text(SETTINGS.format(**values), encoding="utf-8")

    async def reload(self, code: int = 0) -> None:
        """`weft reload`, which is to end with that exit code. Raises RuntimeError with what it said when it does not."""
        words = ("-m", "gateway", "reload", "--config", str(self.settings))
        process = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=PIPE, stderr=STDOUT, env=environment())
        said, _ = await process.communicate()
        if process.returncode != code:
            raise RuntimeError(f"weft reload at {self.name}: exit code {process.returncode}, expected {code}: {said.decode()}")

    async def start(self) -> None:
        """Until it serves."""
        self.write_settings()
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "serve", "--config", str(self.settings)),
            stdout=PIPE,
            stderr=PIPE,
            limit=1 << 20,
            env=environment(),
        )
        self._tasks = [asyncio.create_task(self._read_access()), asyncio.create_task(self._read_log())]
        await until(lambda: listens(self.port) or self.process.returncode is not None, f"{self.name} listens")
        if self.process.returncode is not None:
            raise RuntimeError(f"{self.name} did not start: exit code {self.process.returncode}\n{self._said[-2000:]}")

    async def end(self) -> int:
        """SIGTERM; its exit code."""
        self.reads.set()
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(PATIENCE):
                return await self.process.wait()
        except TimeoutError:
            self.process.kill()
            return await self.process.wait()
        finally:
            await asyncio.gather(*self._tasks)

    def workers(self) -> list[int]:
        """Their pids, those that come and go too."""
        parent = self.process.pid
        with contextlib.suppress(OSError):
            return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii").split()]
        return []

    def sizes(self) -> dict[int, int]:
        """Resident octets of each worker."""
        sizes = {}
        for pid in self.workers():
            with contextlib.suppress(OSError, IndexError):
                sizes[pid] = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE
        return sizes

    async def _read_access(self) -> None:
        assert self.process.stdout is not None
        while octets := await self.process.stdout.read(1 << 16):
            self.access_lines += octets.count(b"\n")
            await self.reads.wait()

    async def _read_log(self) -> None:
        assert self.process.stderr is not None
        while octets := await self.process.stderr.readline():
            text = octets.decode("utf-8", "replace").rstrip()
            if len(self._said) < 4000:
                self._said += f"{text}\n"
            try:
                values = json.loads(text)
            except ValueError:
                values = {}
            level, event = (values.get("level", ""), values.get("event", text)) if isinstance(values, dict) else ("", text)
            self._log(Line(self.name, time.monotonic(), str(level), str(event), text))


class Redis:
    """A server that can be broken."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Empty."""
        words = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder), "--save", "", "--appendonly", "no"]
        words += ["--maxmemory", REDIS_MEMORY, "--maxmemory-policy", "allkeys-lru"]
        self._process = await asyncio.create_subprocess_exec("redis-server", *words, stdout=NOTHING)
        await until(lambda: listens(self.port), "Redis listens")

    async def stop(self) -> None:
        """All it knew is gone."""
        if self._process is not None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            await self._process.wait()

    def signal(self, number: int) -> None:
        """SIGSTOP, SIGCONT."""
        with contextlib.suppress(ProcessLookupError):
            assert self._process is not None
            self._process.send_signal(number)

    async def tell(self, command: str) -> None:
        """One command whose answer is a simple string. Raises RuntimeError with what it said instead."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"{command}\r\n".encode())
        answer = await reader.readline()
        writer.close()
        if not answer.startswith(b"+"):
            raise RuntimeError(f"Redis was told {command}, and said {answer!r}")


class Fleet:
    """log: gets each line of each gateway's process log."""

    def __init__(self, folder: Path, gateways: int, workers: int, log: Callable[[Line], None]) -> None:
        self.posted = folder / "posted"
        self.redis = Redis(folder)
        self.origin_port = free_port()
        self.origin = Helper("origin.py", str(self.origin_port), str(self.posted))
        self.wires = Helper("wires.py", str(self.redis.port), str(gateways))
        self.gateways: list[Gateway] = []
        self._parts = folder, gateways, workers, log

    async def start(self) -> None:
        """All of it, until all serve."""
        folder, count, workers, log = self._parts
        await self.redis.start()
        await self.origin.start()
        wires = [int(port) for port in (await self.wires.start()).split()]
        names = ["north", "south", "east", "west"][:count]
        self.gateways = [
            Gateway(name, folder, self.origin_port, wire, workers, log) for name, wire in zip(names, wires, strict=True)
        ]
        await asyncio.gather(*(gateway.start() for gateway in self.gateways))

    async def end(self) -> list[int]:
        """Exit codes of the gateways."""
        started = [gateway for gateway in self.gateways if hasattr(gateway, "process")]
        codes = await asyncio.gather(*(gateway.end() for gateway in started))
        await self.origin.kill()
        await self.wires.kill()
        await self.redis.stop()
        return list(codes)


@contextlib.asynccontextmanager
async def fleet(gateways: int, workers: int, log: Callable[[Line], None]) -> AsyncIterator[Fleet]:
    """Started, and ended afterwards, in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="weft-chaos-"))
    parts = Fleet(folder, gateways, workers, log)
    try:
        await parts.start()
        yield parts
    finally:
        await parts.end()
        shutil.rmtree(folder, ignore_errors=True)
