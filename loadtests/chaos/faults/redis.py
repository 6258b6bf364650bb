"""Redis, and the wires to it. Nothing that a visitor asks for may fail for its sake."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator

from fleet import REDIS_MEMORY
from judge import Excuse

from faults.stage import REDIS, Stage, fault

__all__ = ["FAULTS"]


@fault("Redis is stopped", explains=REDIS)
async def stopped(stage: Stage) -> AsyncIterator[None]:
    """And empty when it is back."""
    await stage.fleet.redis.stop()
    yield
    await stage.fleet.redis.start()


@fault("Redis is restarted", explains=REDIS, lasts=4.0)
async def restarted(stage: Stage) -> AsyncIterator[None]:
    """As quickly as it can be."""
    await stage.fleet.redis.stop()
    await stage.fleet.redis.start()
    yield


@fault("Redis is frozen", explains=REDIS)
async def frozen(stage: Stage) -> AsyncIterator[None]:
    """It takes what it is sent, and answers nothing."""
    stage.fleet.redis.signal(signal.SIGSTOP)
    yield
    stage.fleet.redis.signal(signal.SIGCONT)


@fault("Redis is emptied", explains=REDIS, lasts=4.0)
async def emptied(stage: Stage) -> AsyncIterator[None]:
    """Everybody stays connected."""
    await stage.fleet.redis.tell("FLUSHALL")
    yield


@fault("Redis is full", explains=REDIS)
async def full(stage: Stage) -> AsyncIterator[None]:
    """It answers, and refuses to write."""
    await stage.fleet.redis.tell("CONFIG SET maxmemory-policy noeviction")
    await stage.fleet.redis.tell("CONFIG SET maxmemory 1")
    yield
    await stage.fleet.redis.tell(f"CONFIG SET maxmemory {REDIS_MEMORY}")
    await stage.fleet.redis.tell("CONFIG SET maxmemory-policy allkeys-lru")


@fault("Redis is slow", explains=REDIS)
async def slow(stage: Stage) -> AsyncIterator[None]:
    """Each way takes 100 ms, twice what the gateway waits."""
    await stage.fleet.wires.tell("slow 0.1")
    yield
    await stage.fleet.wires.tell("mend")


@fault("Redis answers nonsense", explains=REDIS)
async def garbled(stage: Stage) -> AsyncIterator[None]:
    """Random octets, as many as it said."""
    await stage.fleet.wires.tell("garble")
    yield
    await stage.fleet.wires.tell("mend")


@fault("Redis is cut off from one gateway", explains=REDIS)
async def cut_off(stage: Stage) -> AsyncIterator[None]:
    """That one can't hear of purges before it is back: what it has, it goes on serving."""
    number = stage.dice.randrange(len(stage.fleet.gateways))
    name = stage.fleet.gateways[number].name
    stage.excuse(Excuse(frozenset({"tagged"}), ("old",), name))
    await stage.fleet.wires.tell(f"cut {number}")
    yield
    await stage.fleet.wires.tell("mend")


FAULTS = [stopped, restarted, frozen, emptied, full, slow, garbled, cut_off]
