"""The origin. What needs it may fail; what is stored may not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from judge import Excuse
from pages import NEEDS_ORIGIN

from faults.stage import ORIGIN, Fault, Stage, fault

__all__ = ["FAULTS"]

_EXCUSES = [Excuse(NEEDS_ORIGIN, ("status 50", "cut", "reset", "late"), after=20.0)]
"""Until the last of those that hung has had its time: first_byte_timeout, and PATIENCE of a client."""


def _misbehaves(name: str, mode: str) -> Fault:
    @fault(name, excuses=_EXCUSES, explains=ORIGIN)
    async def act(stage: Stage) -> AsyncIterator[None]:
        await stage.fleet.origin.tell(f"mode {mode}")
        yield
        await stage.fleet.origin.tell("mode well")

    return act


@fault("the origin is killed and started again", excuses=_EXCUSES, explains=ORIGIN)
async def killed(stage: Stage) -> AsyncIterator[None]:
    """Its connections end without a word."""
    await stage.fleet.origin.kill()
    yield
    await stage.fleet.origin.start()
    await stage.load.publish()


@fault("the origin comes and goes", excuses=_EXCUSES, explains=ORIGIN)
async def flapping(stage: Stage) -> AsyncIterator[None]:
    """Twice a second."""

    async def flap() -> None:
        while True:
            await stage.fleet.origin.tell("mode refuse")
            await asyncio.sleep(0.5)
            await stage.fleet.origin.tell("mode well")
            await asyncio.sleep(0.5)

    task = asyncio.create_task(flap())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await stage.fleet.origin.tell("mode well")


FAULTS = [
    _misbehaves("the origin refuses", "refuse"),
    _misbehaves("the origin accepts and says nothing", "hang"),
    _misbehaves("the origin resets", "reset"),
    _misbehaves("the origin drips an octet a second", "drip"),
    _misbehaves("the origin breaks off", "cut"),
    _misbehaves("the origin says 500", "fail"),
    _misbehaves("the origin sends malformed heads", "malformed"),
    killed,
    flapping,
]
