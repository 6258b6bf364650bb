"""What is around the gateway: descriptors, the pipe that the access log goes to, the processor."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import sys
import time
from collections.abc import AsyncIterator
from itertools import count, islice
from pathlib import Path

from fleet import until
from judge import Excuse
from pages import NEEDS_ORIGIN

from faults.clients import open_silent
from faults.stage import ORIGIN, REDIS, Stage, fault

__all__ = ["FAULTS"]


@fault("no descriptors are left", lasts=8.0, explains=(r"^accepting (pauses|again)$", *ORIGIN, *REDIS))
async def no_descriptors(stage: Stage) -> AsyncIterator[None]:
    """The workers of one gateway may open a few more, and silent clients take them. Those who are connected notice nothing; others wait until a silent one is thrown out."""
    gateway = stage.gateway()
    stage.excuse(Excuse(NEEDS_ORIGIN, ("status 50", "cut", "reset", "late"), gateway.name, after=16.0))
    stage.excuse(Excuse(None, ("late", "reset", "connect"), gateway.name, fresh_only=True))
    limits = {}
    for pid in gateway.workers():
        limits[pid] = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (_room_for(pid, 6), limits[pid][1]))
    since = time.monotonic()
    silent = await open_silent(gateway.port, 64)
    lines = stage.load.judge.lines
    await until(
        lambda: any(line.event == "accepting pauses" and line.at >= since for line in lines), "it runs out of descriptors", 5.0
    )
    yield
    for pid, limit in limits.items():
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)
    for writer in silent:
        writer.transport.abort()


def _room_for(pid: int, more: int) -> int:
    """The limit under which a process can open so many more. A descriptor is the lowest number that is free."""
    taken = {int(each.name) for each in Path(f"/proc/{pid}/fd").iterdir()}
    return next(islice((number + 1 for number in count() if number not in taken), more - 1, None))


@fault("nobody reads the access log")
async def log_blocked(stage: Stage) -> AsyncIterator[None]:
    """The pipe fills up. No request waits for it."""
    gateway = stage.gateway()
    gateway.reads.clear()
    yield
    gateway.reads.set()


@fault("others take the processor", lasts=10.0, excuses=[Excuse(NEEDS_ORIGIN, ("status 503",))], explains=REDIS)
async def hog(stage: Stage) -> AsyncIterator[None]:
    """As many busy processes as there are cores. Redis may seem slow; what needs an origin may be turned away."""
    assert stage.fleet.gateways
    busy = "while True: pass"
    hogs = [await asyncio.create_subprocess_exec(sys.executable, "-c", busy) for _ in range(os.cpu_count() or 1)]
    yield
    for process in hogs:
        process.kill()
        await process.wait()


FAULTS = [no_descriptors, log_blocked, hog]
