"""What a fault is, and what it has in its hands.

    @fault("Redis is frozen", explains=REDIS)
    async def frozen(stage):
        stage.fleet.redis.signal(SIGSTOP)       begin
        yield                                   it lasts
        stage.fleet.redis.signal(SIGCONT)       end

excuses: what may fail, known beforehand; what is known only then, a fault adds with stage.excuse. explains: patterns of log events.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from fleet import Fleet, Gateway
from judge import Excuse, Period
from load import Load

__all__ = ["ORIGIN", "REDIS", "Fault", "Stage", "fault"]

REDIS = (r"^redis_", r"^bus_begun_anew")
ORIGIN = (r"^origin_state", r"^response cut short")


@dataclass(slots=True)
class Stage:
    """period: the fault's own."""

    fleet: Fleet
    load: Load
    period: Period
    dice: random.Random

    def gateway(self) -> Gateway:
        """One of them."""
        return self.dice.choice(self.fleet.gateways)

    def excuse(self, excuse: Excuse) -> None:
        """What this fault explains, now that it is known."""
        self.period.excuses.append(excuse)


Act = Callable[[Stage], AsyncIterator[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """lasts: seconds, at most. A fault that is over by itself lasts while one looks what it has done."""

    name: str
    act: Act
    lasts: float = 12.0
    excuses: list[Excuse] = field(default_factory=list)
    explains: tuple[str, ...] = ()


def fault(
    name: str, *, lasts: float = 12.0, excuses: list[Excuse] | None = None, explains: tuple[str, ...] = ()
) -> Callable[[Act], Fault]:
    """Makes one of what it does: up to its `yield` it begins, after it it ends."""
    return lambda act: Fault(name, act, lasts, excuses or [], explains)
