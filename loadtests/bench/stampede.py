"""Issue 2, mark 4: 1,000 clients at once on one cold page make one origin request; 200 on an uncacheable one are not made to wait for each other.

python loadtests/bench/stampede.py
"""

import asyncio
import time

from bench import ask_all, free_port, get, origin, weft


async def measure(port: int) -> None:
    """Two stampedes, one on what can be shared and one on what can't."""
    before = int((await get(port, "/count"))[2].split(b":")[1].strip(b" }"))
    statuses = await ask_all(port, ["/slow/1.0?cold"] * 1000, 1000)
    after = int((await get(port, "/count"))[2].split(b":")[1].strip(b" }"))
    print(f"1,000 clients, one cold cacheable page: {after - before} origin request(s); {dict(statuses)}")

    start = time.monotonic()
    await get(port, "/private/1.0?p")
    one = time.monotonic() - start
    start = time.monotonic()
    statuses = await ask_all(port, ["/private/1.0?p"] * 200, 200)
    known = time.monotonic() - start
    start = time.monotonic()
    await ask_all(port, ["/private/1.0?cold"] * 200, 200)
    cold = time.monotonic() - start
    print(
        f"200 clients, one uncacheable page: one alone {one:.2f} s; 200 of a page seen before {known:.2f} s = {known / one:.2f} x; ",
        end="",
    )
    print(f"200 of a page never seen {cold:.2f} s = {cold / one:.2f} x (they wait for one verdict); {dict(statuses)}")


def main() -> None:
    """Run it."""
    upstream, port = free_port(), free_port()
    with origin(upstream), weft(port, upstream, "log.access=off", "upstream.max_connections=1000"):
        asyncio.run(measure(port))


if __name__ == "__main__":
    main()
