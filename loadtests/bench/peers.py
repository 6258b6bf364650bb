"""A cached 10 KB page beside nginx and beside the floor: requests per second of server CPU time, core 0, load from core 1 (wrk, 64 connections).

Rows take turns, so that a busy neighbour meets all of them; the median of the rounds counts, and only its ratios hold on another machine. Needs wrk and nginx.

    python loadtests/bench/peers.py [--rounds 5] [--seconds 3]
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path

from bench import HERE, cpu_seconds, free_port, origin, running, weft

NGINX = """
user root; worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 100000000; proxy_cache_path {folder}/cache keys_zone=z:10m;
server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{upstream}; proxy_cache z; proxy_http_version 1.1; }} }} }}
"""


def row(name: str, port: int, upstream: int, folder: Path) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """A server of that row, on core 0."""
    if name == "weft":
        return weft(port, upstream, f"log.file={folder}/access.log", core=0)
    if name == "floor":
        return running([sys.executable, str(HERE / "floor.py"), str(port)], port, core=0)
    config = folder / "nginx.conf"
    (folder / "cache").mkdir(exist_ok=True)
    config.write_text(NGINX.format(folder=folder, port=port, upstream=upstream))
    return running([shutil.which("nginx") or "nginx", "-c", str(config)], port, core=0)


def load(port: int, seconds: int) -> int:
    """How many requests wrk got answered."""
    command = ["taskset", "-c", "1", "wrk", "-t1", "-c64", f"-d{seconds}", f"http://127.0.0.1:{port}/plain"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if (failed := re.search(r"Non-2xx.*|Socket errors.*", told)) is not None:
        raise SystemExit(f"wrk: {failed[0]}")
    found = re.search(r"(\d+) requests in", told)
    assert found is not None
    return int(found[1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    options = parser.parse_args()
    for tool in ("wrk", "nginx", "taskset"):
        if shutil.which(tool) is None:
            raise SystemExit(f"peers.py needs {tool}")
    rates: dict[str, list[float]] = {"nginx": [], "weft": [], "floor": []}
    upstream = free_port()
    with tempfile.TemporaryDirectory() as folder, origin(upstream, core=1):
        for _ in range(options.rounds):
            for name, found in rates.items():
                port = free_port()
                with row(name, port, upstream, Path(folder)) as server:
                    load(port, 1)
                    before = cpu_seconds(server.pid)
                    answered = load(port, options.seconds)
                    found.append(answered / (cpu_seconds(server.pid) - before))
            print(*(f"{name} {found[-1]:8.0f}" for name, found in rates.items()), "requests per CPU second", flush=True)
    middle = {name: statistics.median(found) for name, found in rates.items()}
    print(f"median: weft = {middle['weft'] / middle['nginx']:.2f} x nginx, {middle['weft'] / middle['floor']:.2f} x floor")


if __name__ == "__main__":
    main()
