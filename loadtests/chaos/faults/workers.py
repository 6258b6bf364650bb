"""The gateway's own processes. A worker that dies takes with it what is on its connections, and nothing else; what replaces workers in good order takes nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from itertools import cycle

from fleet import Gateway, ports_of, until
from judge import Excuse

from faults.stage import Stage, fault

__all__ = ["FAULTS"]

TAKEN = (r"^settings taken$",)
REFUSED = (r"^settings refused$",)
DEATH = (r"^worker replaced$", r"^worker ready$", r"^worker left$")
ROLL = (r"^worker ready$", r"^draining$", r"^worker left$", r"^workers replaced$", *TAKEN)
LONG = ("socket",)
"""What may be cut short by a drain that has taken its time."""


def _victim(stage: Stage) -> tuple[Gateway, int]:
    """A worker that can't do anything any more; what is on its connections is excused."""
    gateway = stage.gateway()
    pid = stage.dice.choice(gateway.workers())
    os.kill(pid, signal.SIGSTOP)
    stage.excuse(Excuse(gateway=gateway.name, ports=ports_of(pid, gateway.port), after=16.0))
    return gateway, pid


@fault("a worker is killed", explains=DEATH, lasts=6.0)
async def killed(stage: Stage) -> AsyncIterator[None]:
    """By SIGKILL. Stopped first, for the moment that it takes to see whose connections it has."""
    gateway, pid = _victim(stage)
    os.kill(pid, signal.SIGKILL)
    yield
    await _all_new(gateway, {pid})


@fault("a worker is frozen", explains=DEATH, lasts=8.0)
async def frozen(stage: Stage) -> AsyncIterator[None]:
    """By SIGSTOP, and nobody wakes it up."""
    gateway, pid = _victim(stage)
    yield
    try:
        await _all_new(gateway, {pid})
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@fault("SIGHUP: a rolling restart", explains=ROLL, excuses=[Excuse(LONG)])
async def restarted(stage: Stage) -> AsyncIterator[None]:
    """All workers are replaced, one by one."""
    gateway = stage.gateway()
    before = set(gateway.workers())
    gateway.process.send_signal(signal.SIGHUP)
    yield
    await _all_new(gateway, before)


@fault("SIGHUP with broken settings", explains=REFUSED, lasts=4.0)
async def restarted_broken(stage: Stage) -> AsyncIterator[None]:
    """The old ones go on."""
    gateway = stage.gateway()
    before = gateway.workers()
    gateway.write_settings(upstream="conect_timeout = -1")
    gateway.process.send_signal(signal.SIGHUP)
    yield
    gateway.write_settings()
    if gateway.workers() != before:
        raise RuntimeError(f"workers of {gateway.name} were replaced though the settings are broken")


@fault("weft reload, again and again", explains=TAKEN)
async def reloaded(stage: Stage) -> AsyncIterator[None]:
    """The origin gets new connections each time, the limits are others."""
    gateway = stage.gateway()

    async def reload() -> None:
        for turn in cycle((1, 2)):
            gateway.write_settings(server=f"keepalive_timeout = {60 + turn}", upstream=f"connect_timeout = {turn}")
            await gateway.reload()

    task = asyncio.create_task(reload())
    yield
    if not task.done():
        task.cancel()
    (ended,) = await asyncio.gather(task, return_exceptions=True)
    gateway.write_settings()
    await gateway.reload()
    if isinstance(ended, RuntimeError):
        raise ended


@fault("weft reload with broken settings", explains=REFUSED, lasts=4.0)
async def reloaded_broken(stage: Stage) -> AsyncIterator[None]:
    """Told, and not taken."""
    gateway = stage.gateway()
    gateway.write_settings(server="keepalive_timeout = -1")
    await gateway.reload(1)
    yield
    gateway.write_settings()


@fault("a worker is too large", explains=(*ROLL, *DEATH, r"^worker too large$"), excuses=[Excuse(LONG)], lasts=8.0)
async def too_large(stage: Stage) -> AsyncIterator[None]:
    """For a limit that is set to a little less than the largest has. One so low is taken for a small store only, so that shrinks at the same time."""
    gateway = stage.gateway()
    pid, size = max(gateway.sizes().items(), key=lambda item: item[1])
    gateway.write_settings(server=f"max_rss = {size - (256 << 10)}", memory="2MiB")
    await gateway.reload()
    yield
    gateway.write_settings()
    await gateway.reload()
    await _all_new(gateway, {pid})


async def _all_new(gateway: Gateway, old: set[int]) -> None:
    await until(
        lambda: not old & set(gateway.workers()) and len(gateway.workers()) >= gateway.count,
        f"{gateway.name} has workers in the place of {sorted(old)}",
        40.0,
    )


FAULTS = [killed, frozen, restarted, restarted_broken, reloaded, reloaded_broken, too_large]
