"""The list. A fault is in a file by whom it strikes; what it is made of: stage.py."""

from __future__ import annotations

from faults import clients, host, origin, redis, workers
from faults.stage import Fault, Stage

__all__ = ["ALL", "Fault", "Stage"]

ALL: list[Fault] = [*redis.FAULTS, *origin.FAULTS, *workers.FAULTS, *host.FAULTS, *clients.FAULTS]
