"""Issue 2, mark 6: purging a tag costs the same however many entries carry it, and old bytes never come back.

python loadtests/bench/purge_cost.py [ENTRIES]
"""

import asyncio
import sys
import time

from bench import ask_all, cpu_seconds, free_port, get, origin, weft

AUTH = "Authorization: Bearer t\r\n"


async def purge(port: int, pid: int, tag: str) -> str:
    """Purge a tag, and say what it took."""
    before, start = cpu_seconds(pid), time.monotonic()
    _, _, content = await get(port, "/_weft/purge", "POST", f"{AUTH}Surrogate-Key: {tag}\r\nWeft-Purge: hard\r\n")
    return f"{content.decode()} in {(time.monotonic() - start) * 1000:.1f} ms, {(cpu_seconds(pid) - before) * 1000:.0f} ms CPU"


async def measure(port: int, pid: int, entries: int) -> None:
    """A tag on few entries, a tag on many; and a fetch that a purge overtakes."""
    for count, tag in ((10, "few"), (entries, "many")):
        await ask_all(port, (f"/tagged/{tag}?{number}" for number in range(count)), 50)
        print(f"{count:>7} entries: {await purge(port, pid, tag)}")
    print("asked again:", dict(await ask_all(port, (f"/tagged/many?{number}" for number in range(1000)), 50)))


def main() -> None:
    """Run it with what the command line asks for."""
    entries = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    upstream, port = free_port(), free_port()
    with origin(upstream), weft(port, upstream, "log.access=off", 'purge.tokens=["t"]', "cache.memory.max_bytes=1GiB") as gateway:
        asyncio.run(measure(port, gateway.pid, entries))


if __name__ == "__main__":
    main()
