"""Issue 2, mark 5: distinct objects fill level 1 and go on coming: the process stays within 1.15 x cache.memory.max_bytes plus its base. And a scan leaves the hot set alone.

python loadtests/bench/memory_bound.py [OBJECTS] [MAX_MIB]
"""

import asyncio
import itertools
import sys

from bench import ask_all, free_port, get, origin, rss_bytes, weft

SIZES = (200, 400, 900, 2_000, 5_000, 12_000, 40_000)


async def measure(port: int, pid: int, objects: int, limit: int) -> None:
    """Warm up and empty, note the base; make a set hot, let the others come, see whether the hot ones are still there."""
    await ask_all(port, (f"/size/300?warm{number}" for number in range(500)), 20)
    await get(
        port,
        "/_weft/purge",
        "POST",
        "Authorization: Bearer t\r\nContent-Type: application/json\r\n",
        '{"everything":true,"hard":true}',
    )
    base = rss_bytes(pid)
    print(f"base {base / 2**20:.0f} MiB, limit {limit} MiB")
    hot = [f"/size/4000?hot{number}" for number in range(500)]
    for _ in range(3):
        await ask_all(port, hot, 20)
    done = 0
    sizes = itertools.cycle(SIZES)
    while done < objects:
        step = min(20_000, objects - done)
        await ask_all(port, (f"/size/{next(sizes)}?o{number}" for number in range(done, done + step)), 50)
        done += step
        held = rss_bytes(pid) - base
        print(f"{done:>8} objects: {held / 2**20:7.1f} MiB over base = {held / limit / 2**20:.3f} x limit", flush=True)
    print("hot set after the scan:", dict(await ask_all(port, hot, 20)))


def main() -> None:
    """Run it with what the command line asks for."""
    objects = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    limit = int(sys.argv[2]) if len(sys.argv) > 2 else 256
    upstream, port = free_port(), free_port()
    settings = ("log.access=off", f"cache.memory.max_bytes={limit}MiB", 'purge.tokens=["t"]')
    with origin(upstream), weft(port, upstream, *settings) as gateway:
        asyncio.run(measure(port, gateway.pid, objects, limit))


if __name__ == "__main__":
    main()
