"""Issue 4, mark 7: two workers beside one, requests a second; and whether a scrape adds them up.

    python loadtests/bench/two_workers.py [--rounds 3] [--seconds 5]

In turns, a cached 10 KB page from wrk (64 connections): by the lane, where the load costs nearly as much as the answer, and without it (server.fast_lane=false), where it does not. Two workers
can only do twice as much where there is a core for each of them and another for the load: `cores` says how many were kept busy by whom. `share` is the busier worker's part of the CPU
time of both. Needs wrk.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import resource
import statistics
import subprocess
import sys
import time

from bench import cpu_seconds, free_port, get, origin, process_tree, weft


def load(port: int, seconds: int) -> tuple[int, float, float]:
    """wrk for so long: (answers, seconds, its CPU seconds)."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = ["wrk", "-t1", "-c64", f"-d{seconds}", f"http://127.0.0.1:{port}/plain"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if failed := re.search(r"(Socket errors|Non-2xx).*", told):
        raise SystemExit(f"wrk: {failed[0]}")
    answered = int(re.search(r"(\d+) requests in", told)[1])  # type: ignore[index]
    return answered, time.monotonic() - start, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


async def counted(port: int) -> int:
    """Requests that a scrape shows."""
    _, _, text = await get(port, "/_weft/metrics")
    return sum(
        int(float(value))
        for value in re.findall(rb'^weft_requests_total\{[^}]*route="default"[^}]*\} (\S+)$', text, re.MULTILINE)
    )


def one(workers: int, seconds: int, upstream: int, *, lane: bool) -> float:
    """A run; requests a second."""
    port = free_port()
    settings = [
        "log.access=off",
        f"server.workers={workers}",
        "redis.url=redis://127.0.0.1:1",
        f"server.fast_lane={str(lane).lower()}",
    ]
    with weft(port, upstream, *settings) as server:
        asyncio.run(get(port, "/plain"))
        load(port, 1)
        pids = process_tree(server.pid)[1:]
        seen, before = asyncio.run(counted(port)), [cpu_seconds(pid) for pid in pids]
        answered, took, of_load = load(port, seconds)
        used = [cpu_seconds(pid) - spent for pid, spent in zip(pids, before, strict=True)]
        shown = asyncio.run(counted(port)) - seen
    rate = answered / took
    print(
        f"{'lane' if lane else 'no lane':8} {workers} worker(s): {rate:8,.0f} a second, cores {sum(used) / took:.2f} workers, {of_load / took:.2f} load; "
        f"share {max(used) / (sum(used) or 1):.2f}; {answered / (sum(used) or 1):,.0f} a CPU second; a scrape shows {shown:,} of {answered:,}",
        flush=True,
    )
    return rate


def main() -> int:
    """Take turns, print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    wishes = parser.parse_args()
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} before")
    upstream = free_port()
    with origin(upstream):
        for lane in (True, False):
            ratios = []
            for _ in range(wishes.rounds):
                single = one(1, wishes.seconds, upstream, lane=lane)
                ratios.append(one(2, wishes.seconds, upstream, lane=lane) / single)
            print(
                f"{'lane' if lane else 'no lane':8} two beside one: {', '.join(f'{ratio:.2f}' for ratio in ratios)}; median {statistics.median(ratios):.2f} x"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
