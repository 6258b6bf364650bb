"""Issue 4, marks 4 and 5: three gateways on one Redis, or on a Redis Cluster of three; one of them is cut off from it while something is purged.

    python loadtests/bench/fleet.py [--cluster] [--entries 100000] [--rounds 3]

The third gateway lives in a network namespace with two wires: one to clients and origin, one to Redis, and that one is unplugged. Needs root, ip and
redis-server. Old is what carries the version from before the purge.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bench import HERE, ask_all, free_port, get, wait_for

AUTH = "Authorization: Bearer t\r\n"
OUTSIDE, INSIDE = "10.78.0.1", "10.78.0.2"
"""Of the wire for clients and the origin: ours, and the namespace's."""
REDIS_OUTSIDE, REDIS_INSIDE = "10.77.0.1", "10.77.0.2"


def ip(*words: str) -> None:
    """One command of iproute2. Raises SystemExit with what it said."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"ip {' '.join(words)}: {done.stderr.strip()} (this needs root)")


@contextlib.contextmanager
def namespace(name: str) -> Iterator[str]:
    """A network namespace with two wires. Yields the outer end of the one to Redis."""
    ip("netns", "add", name)
    try:
        for wire, outside, inside in (("wc", OUTSIDE, INSIDE), ("wr", REDIS_OUTSIDE, REDIS_INSIDE)):
            outer, inner = f"{wire}{os.getpid()}"[:14], f"{wire}in"
            ip("link", "add", outer, "type", "veth", "peer", "name", inner, "netns", name)
            ip("addr", "add", f"{outside}/24", "dev", outer)
            ip("link", "set", outer, "up")
            ip("-n", name, "addr", "add", f"{inside}/24", "dev", inner)
            ip("-n", name, "link", "set", inner, "up")
        ip("-n", name, "link", "set", "lo", "up")
        yield f"wr{os.getpid()}"[:14]
    finally:
        ip("netns", "del", name)


@contextlib.contextmanager
def started(*commands: list[str]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes, ended by SIGTERM afterwards."""
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1])}
    processes = [subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) for command in commands]
    try:
        yield processes
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait(40)


@contextlib.contextmanager
def redis_servers(count: int) -> Iterator[list[int]]:
    """Servers on all our addresses; several of them as one cluster. Yields their ports."""
    ports = [next(port for port in iter(free_port, 0) if port < 55_000) for _ in range(count)]  # a cluster's bus is 10,000 above
    folder = Path(tempfile.mkdtemp(prefix="weft-fleet-"))
    try:
        commands = []
        for port in ports:
            place = folder / str(port)
            place.mkdir()
            several = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"] if count > 1 else []
            bind = ["--bind", "127.0.0.1", REDIS_OUTSIDE, "--protected-mode", "no", "--save", "", "--appendonly", "no"]
            commands.append(["redis-server", "--port", str(port), "--dir", str(place), *bind, *several])
        with started(*commands):
            for port in ports:
                wait_for(port)
            if count > 1:
                make_cluster(ports)
            yield ports
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_cluster(ports: list[int]) -> None:
    """All slots dealt out, everybody introduced to everybody."""
    members = [f"{REDIS_OUTSIDE}:{port}" for port in ports]
    done = subprocess.run(
        ["redis-cli", "--cluster", "create", *members, "--cluster-yes"], capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)


class Fleet:
    """Where each gateway is asked: (host, port)."""

    def __init__(self, places: list[tuple[str, int]], upstream: int, wire: str) -> None:
        self.places = places
        self.upstream = upstream
        self.wire = wire

    async def count(self) -> int:
        """Requests that the origin has had."""
        return int(json.loads((await get(self.upstream, "/count", host=OUTSIDE))[2])["requests"])

    async def live(self, place: tuple[str, int]) -> bool:
        """Whether that gateway hears purges of the others."""
        figures = (await get(place[1], "/_weft/metrics", host=place[0]))[2]
        return b"\nweft_bus_live 1.0" in figures and b"\nweft_redis_up 1.0" in figures

    async def wait_live(self) -> None:
        """Until all do."""
        for place in self.places:
            while not await self.live(place):  # noqa: ASYNC110 - asking is how one finds out
                await asyncio.sleep(0.05)

    async def ask(self, place: tuple[str, int], paths: list[str]) -> Counter[str]:
        """Every path once, of one gateway."""
        return await ask_all(place[1], paths, 50, host=place[0])


async def stampede(fleet: Fleet, name: str) -> None:
    """1,000 clients at once on one cold page, a third of them at each gateway."""
    before = await fleet.count()
    paths = [f"/slow/1.0?{name}"]
    each = [1000 // len(fleet.places) + (number < 1000 % len(fleet.places)) for number in range(len(fleet.places))]
    results: Counter[str] = Counter()
    answers = (ask_all(port, paths * many, many, host=host) for (host, port), many in zip(fleet.places, each, strict=True))
    for counted in await asyncio.gather(*answers):
        results.update(counted)
    print(f"1,000 clients, one cold page: {await fleet.count() - before} origin request(s); {dict(results)}")


async def purge(fleet: Fleet, paths: list[str]) -> None:
    """A tag on everything is purged at the first gateway while the third is cut off from Redis."""
    first, second, third = fleet.places
    for place in fleet.places:
        print(f"  filled {place[1]}: {dict(await fleet.ask(place, paths))}")
    version = int((await get(first[1], paths[0], host=first[0]))[1].lower().split(b"x-version:")[1].split(b"\r\n")[0])
    old = f"version {version}"
    ip("link", "set", fleet.wire, "down")
    await asyncio.sleep(1.0)
    await get(fleet.upstream, "/publish", host=OUTSIDE)
    begun = time.monotonic()
    headers = f"{AUTH}Surrogate-Key: many\r\nWeft-Purge: hard\r\n"
    status, _, told = await get(first[1], "/_weft/purge", "POST", headers, host=first[0])
    print(f"purge of {len(paths)} entries: {status} {told.decode()} in {(time.monotonic() - begun) * 1000:.0f} ms")
    await asyncio.sleep(1.0)
    for place in (second, first):
        counted = await fleet.ask(place, paths)
        print(f"  one second after the answer, {place[1]}: {counted[old]} old of {counted['200']}; {dict(counted)}")
    ip("link", "set", fleet.wire, "up")
    back, last_old = time.monotonic(), 0.0
    while time.monotonic() < back + 3:
        counted = await fleet.ask(third, paths[:5])
        last_old = time.monotonic() - back if counted[old] else last_old
        await asyncio.sleep(0.01)
    print(f"  cut off, its wire plugged in again: the last old page {last_old:.2f} s after that", end="; ")
    counted = await fleet.ask(third, paths)
    print(f"three seconds after it {counted[old]} old of {counted['200']}; {dict(counted)}")


async def run(fleet: Fleet, entries: int, rounds: int) -> None:
    """All of it."""
    await fleet.wait_live()
    for number in range(rounds):
        await stampede(fleet, f"round-{number}")
    await purge(fleet, [f"/versioned/many?{number}" for number in range(entries)])


def main() -> None:
    """Run it with what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cluster", action="store_true", help="a Redis Cluster of three instead of one server")
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    wishes = parser.parse_args()
    name, upstream, ports = f"weft{os.getpid()}", free_port(), [free_port() for _ in range(3)]
    with namespace(name) as wire, redis_servers(3 if wishes.cluster else 1) as servers:
        hosts = ",".join(f"{REDIS_OUTSIDE}:{port}" for port in servers)
        sets = [f"redis.url=redis://{hosts}", 'purge.tokens=["t"]', "cache.memory.max_bytes=1GiB", "log.access=off"]
        sets += ["redis.cluster=true"] if wishes.cluster else []
        sets += ['metrics.allow=["0.0.0.0/0"]', "upstream.max_connections=1000", "overload.max_in_flight=2000"]
        words = [word for each in sets for word in ("--set", each)]
        gateways = []
        for number, port in enumerate(ports):
            inside = ["ip", "netns", "exec", name] if number == 2 else []
            serve = [sys.executable, "-m", "gateway", "serve", "--upstream", f"http://{OUTSIDE}:{upstream}"]
            gateways.append([*inside, *serve, "--host", "0.0.0.0", "--port", str(port), *words])  # noqa: S104 - in a namespace of its own
        origin = [sys.executable, str(HERE / "origin.py"), str(upstream), OUTSIDE]
        places = [(OUTSIDE, ports[0]), (OUTSIDE, ports[1]), (INSIDE, ports[2])]
        with started(origin, *gateways):
            for host, port in [(OUTSIDE, upstream), *places]:
                wait_for(port, host=host)
            asyncio.run(run(Fleet(places, upstream, wire), wishes.entries, wishes.rounds))


if __name__ == "__main__":
    main()
