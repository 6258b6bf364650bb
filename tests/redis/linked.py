"""Links to the servers of a test, and the loop that they live in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import uvloop

from gateway.redis_link import NodeRules, OneServer, RedisLink, Topology
from tests.support.redis_server import RedisServer

__all__ = ["PATIENT", "linked", "linked_to", "run", "until_true"]

T = TypeVar("T")

PATIENT = {"timeout": 5.0, "connect_timeout": 5.0}
"""Where a test isn't about time: a busy machine may take 50 ms for anything."""

HANG = 60.0


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a test's story in a loop of its own."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(asyncio.wait_for(work, HANG))


@asynccontextmanager
async def linked_to(topology: Topology) -> AsyncIterator[RedisLink]:
    link = RedisLink(topology)
    await link.start()
    try:
        yield link
    finally:
        await link.aclose()


@asynccontextmanager
async def linked(server: RedisServer, **rules: Any) -> AsyncIterator[RedisLink]:
    """A link to one server; patient unless rules say otherwise."""
    async with linked_to(OneServer(server.address, NodeRules(**{**PATIENT, **rules}))) as link:
        yield link


async def until_true(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that others bring about; `run` guards against waiting for ever."""
    while not await holds():
        await asyncio.sleep(0.01)
