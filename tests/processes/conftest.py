"""Real processes before a scripted origin; the process's log as JSON, for `events`."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.fixtures import *  # noqa: F403
from tests.support.gateway_process import GatewayProcess

# More than one worker needs Redis in the settings; whether it answers must not matter here.
TWO = {"server.workers": 2, "redis.url": "redis://127.0.0.1:1"}


@pytest.fixture
def serve(start_gateway) -> Callable[..., GatewayProcess]:
    """serve(2, {"server.watchdog": 1}): a gateway with so many workers, all of them ready."""

    def serve(workers: int = 1, settings: dict[str, object] | None = None, **options: Any) -> GatewayProcess:
        several = TWO | {"server.workers": workers} if workers > 1 else {}
        gateway = start_gateway({"log.access": "off", **several, **(settings or {})}, **options)
        gateway.until(lambda: len(gateway.events("worker ready")) == workers, "all workers ready")
        return gateway

    return serve


@pytest.fixture
def is_gone() -> Callable[[int], bool]:
    """Whether there is no process with that pid any more, or nothing but its exit code."""

    def is_gone(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] == "Z"
        except OSError:
            return True

    return is_gone


@pytest.fixture
def orphans() -> Iterator[list[int]]:
    """Put pids here that a failed test must not leave behind."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
