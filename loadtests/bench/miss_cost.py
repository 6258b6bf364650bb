"""Issue 2, mark 8: what a page miss costs (proxy, judge, store, deliver), at 100-way concurrency, beside a bare Starlette + httpx pass-through.

    python loadtests/bench/miss_cost.py [--seconds 5] [--rounds 3] [--log FILE]

Pages of 10 KB, every one new, asked for by wrk; the server on core 0, wrk and the origin on core 1. The figure is CPU of the server's process tree
per request, so that a busy machine stretches the run but hardly the figure. Rows alternate over the rounds; the cheapest of each counts.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys

from bench import HERE, cpu_seconds, free_port, origin, running, weft


def load(port: int, seconds: int) -> int:
    """How many requests wrk got answered. Raises SystemExit when some were not answered well."""
    command = ["wrk", "-t1", "-c100", f"-d{seconds}", "-s", str(HERE / "miss.lua"), f"http://127.0.0.1:{port}/"]
    told = subprocess.run(["taskset", "-c", "1", *command], capture_output=True, text=True, check=True).stdout
    # Its timeouts are no failures: on a busy machine it counts connections that it has not got round to.
    broken = re.search(r"Non-2xx.*|connect [1-9].*|read [1-9].*|write [1-9].*", told)
    if broken is not None:
        raise SystemExit(f"wrk: {broken[0]}")
    answered = re.search(r"(\d+) requests in", told)
    assert answered is not None
    return int(answered[1])


def cost(name: str, upstream: int, seconds: int, log: str) -> float:
    """Milliseconds of CPU per request."""
    port = free_port()
    server: contextlib.AbstractContextManager[subprocess.Popen[bytes]]
    if name == "weft":
        # A busy machine makes the loop late, and 503s would then be measured in the place of misses: lag changes nothing here.
        server = weft(port, upstream, f"log.file={log}", "cache.memory.max_bytes=64MiB", "overload.max_lag=0", core=0)
    else:
        server = running([sys.executable, str(HERE / "passthru.py"), str(port), str(upstream)], port, core=0)
    with server as process:
        load(port, 1)
        before = cpu_seconds(process.pid)
        answered = load(port, seconds)
        return (cpu_seconds(process.pid) - before) / answered * 1e3


def main() -> None:
    """Run it with what the command line asks for."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--seconds", type=int, default=5)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--log", default=os.devnull, help="file for weft's access log (default: written, and forgotten)")
    asked = arguments.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("miss_cost.py needs wrk (apt-get install wrk)")
    upstream = free_port()
    costs: dict[str, list[float]] = {"weft": [], "starlette+httpx": []}
    with origin(upstream, core=1):
        for _ in range(asked.rounds):
            for name, found in costs.items():
                found.append(cost(name, upstream, asked.seconds, asked.log))
    print(f"{'':<18}{'ms of CPU per miss':>20}      (100 at once, best of {asked.rounds})")
    for name, found in costs.items():
        print(f"{name:<18}{min(found):>20.3f}")
    print(f"{'share':<18}{min(costs['weft']) / min(costs['starlette+httpx']):>20.3f}")


if __name__ == "__main__":
    main()
