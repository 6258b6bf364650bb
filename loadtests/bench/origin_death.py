"""Issue 2, mark 7: the origin is killed under load and comes back; then the gateway itself gets SIGTERM under load.

python loadtests/bench/origin_death.py
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter

from bench import HERE, free_port, get, wait_for, weft


def start_origin(port: int) -> subprocess.Popen[bytes]:
    """An origin that is not ended by a context: it has to die in between."""
    process = subprocess.Popen([sys.executable, str(HERE / "origin.py"), str(port)])
    wait_for(port)
    return process


async def keep_asking(port: int, path: str, stop: asyncio.Event, results: Counter[str], slowest: list[float]) -> None:
    """One client: ask, count what came and how long it took, until stop."""
    while not stop.is_set():
        start = time.monotonic()
        try:
            status, _, content = await get(port, path)
            results[str(status)] += 1
            if status == 200 and len(content) != 10_240:
                results["cut"] += 1
        except (OSError, ValueError) as error:
            results[type(error).__name__] += 1
        slowest.append(time.monotonic() - start)
        await asyncio.sleep(0.005)


async def origin_dies(port: int, upstream: int) -> None:
    """Kill the origin under load, look on, start it again."""
    process = start_origin(upstream)
    kinds = {"fresh": "/plain", "stale": "/stale", "uncached": "/nostore"}
    for path in kinds.values():
        await get(port, path)
    stop = asyncio.Event()
    phases: dict[str, object] = {}
    results: dict[str, Counter[str]] = {kind: Counter() for kind in kinds}
    slowest: dict[str, list[float]] = {kind: [] for kind in kinds}
    tasks = [
        asyncio.create_task(keep_asking(port, path, stop, results[kind], slowest[kind]))
        for kind, path in kinds.items()
        for _ in range(4)
    ]
    await asyncio.sleep(2)
    phases["before"] = {kind: dict(counted) for kind, counted in results.items()}
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    for kind in kinds:
        results[kind].clear()
        slowest[kind].clear()
    await asyncio.sleep(8)
    phases["dead"] = {kind: f"{dict(counted)}, slowest {max(slowest[kind]):.2f} s" for kind, counted in results.items()}
    process = start_origin(upstream)
    back = time.monotonic()
    while (await get(port, "/nostore"))[0] != 200:  # noqa: ASYNC110 - asking is how one finds out
        await asyncio.sleep(0.05)
    phases["recovery"] = f"uncached pages again {time.monotonic() - back:.2f} s after the origin listened"
    stop.set()
    await asyncio.gather(*tasks)
    process.terminate()
    process.wait()
    for phase, story in phases.items():
        print(f"{phase}: {story}")


async def gateway_stops(port: int, upstream: int, gateway: subprocess.Popen[bytes]) -> None:
    """SIGTERM while 30 clients ask: every connection that was accepted gets a whole answer."""
    process = start_origin(upstream)
    stop = asyncio.Event()
    results: Counter[str] = Counter()

    async def ask(path: str) -> None:
        while not stop.is_set():
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                results["not accepted"] += 1  # after the listener closed
                return
            writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            try:
                data = await reader.read()
            except OSError:
                data = b""
            results["whole" if data[9:12] == b"200" and len(data.partition(b"\r\n\r\n")[2]) == 10_240 else "failed"] += 1
            writer.close()

    tasks = [asyncio.create_task(ask(path)) for path in ("/plain", "/slow/0.3", "/private/0.3?a") for _ in range(10)]
    await asyncio.sleep(2)
    start = time.monotonic()
    gateway.send_signal(signal.SIGTERM)
    code = await asyncio.to_thread(gateway.wait, 30)
    took = time.monotonic() - start
    await asyncio.gather(*tasks)
    process.terminate()
    process.wait()
    print(f"SIGTERM under load: exit code {code} after {took:.2f} s; {dict(results)}")


def main() -> None:
    """Run both."""
    upstream, port = free_port(), free_port()
    with weft(port, upstream, "log.access=off"):
        asyncio.run(origin_dies(port, upstream))
    port = free_port()
    with weft(port, upstream, "log.access=off") as gateway:
        asyncio.run(gateway_stops(port, upstream, gateway))


if __name__ == "__main__":
    main()
