"""A load test in one command: a shop, a gateway in front of it, and the people of a scenario, for a while. The exit code is locust's: 1 when a budget is broken.

    python loadtests/run.py [--scenario calm] [--users 20] [--seconds 20]

Needs the `load` extra (`pip install -e '.[load]'`).
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "bench"))

from bench import free_port, running, weft  # noqa: E402 - after the path is known


def main() -> int:
    """Run it; return the exit code."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--scenario", default="calm")
    arguments.add_argument("--users", type=int, default=20)
    arguments.add_argument("--seconds", type=int, default=20)
    asked = arguments.parse_args()
    if find_spec("locust") is None:
        raise SystemExit("run.py needs locust: pip install -e '.[load]'")
    upstream, port = free_port(), free_port()
    tokens = {"WEFT_ADMIN_TOKEN": secrets.token_urlsafe(12), "WEFT_PURGE_TOKEN": secrets.token_urlsafe(18)}
    shop = [sys.executable, "-m", "gateway.demo", "--port", str(upstream), "--admin-token", tokens["WEFT_ADMIN_TOKEN"]]
    settings = (
        "log.access=off",
        f'purge.tokens=["{tokens["WEFT_PURGE_TOKEN"]}"]',
        "query.mode=drop",
        'query.names=["utm_*", "gclid"]',
        "query.sort=true",
    )
    locust = [sys.executable, "-m", "locust", "-f", str(HERE / "locustfile.py"), "--host", f"http://127.0.0.1:{port}"]
    locust += ["--scenario", asked.scenario, "--headless", "--only-summary", "-u", str(asked.users), "-r", "10"]
    locust += ["-t", f"{asked.seconds}s", "--stop-timeout", "10"]
    with running(shop, upstream), weft(port, upstream, *settings):
        return subprocess.run(locust, env={**os.environ, **tokens}, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
