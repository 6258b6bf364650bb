"""The accounting. Pure: it is told what was asked, what failed, what was logged and how large processes were, and says what is explained by which fault.

A fault excuses no more than it must: which kinds of requests, failing how, at which gateway, on which connections, and how long after its end.
Nothing is ever excused for: content of another visitor, damaged content, a POST that the origin got twice, a traceback.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from pages import CACHEABLE

__all__ = ["CALM", "LIMIT", "PROMISE", "Excuse", "Failure", "Judge", "Line", "Period", "Size", "growth"]

PROMISE = 0.9999
LIMIT = 2.0
"""Seconds in which a cacheable request is to be answered whole."""
CALM = 5.0
"""Seconds after a fault's end from which everything is to be as if it had not been."""
NEVER_EXCUSED = frozenset({"foreign", "damaged", "twice"})
AFTER_CROWD = 12.0
"""Seconds for which the log may still tell of what a crowded machine has brought about: it tells at most once in ten."""
GROWTH_SHARE, GROWTH_BYTES = 0.05, 8 << 20
"""What a process may grow by at the same load: of what it had, and besides."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A request without a good answer. begun, ended: monotonic seconds. port: of the client. is_fresh: the first one on its connection."""

    kind: str
    trouble: str
    gateway: str
    port: int
    begun: float
    ended: float
    is_fresh: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Excuse:
    """What may fail; None is anything. troubles: beginnings of words. after: seconds past the fault's end."""

    kinds: Collection[str] | None = None
    troubles: tuple[str, ...] | None = None
    gateway: str | None = None
    ports: Collection[int] | None = None
    fresh_only: bool = False
    after: float = 4.0

    def covers(self, failure: Failure) -> bool:
        """Whether it is such a one; the time is another question."""
        return (
            failure.trouble not in NEVER_EXCUSED
            and (self.kinds is None or failure.kind in self.kinds)
            and (failure.trouble.startswith(self.troubles) if self.troubles is not None else failure.trouble != "old")
            and (self.gateway is None or failure.gateway == self.gateway)
            and (self.ports is None or failure.port in self.ports)
            and (failure.is_fresh or not self.fresh_only)
        )


@dataclass(slots=True)
class Line:
    """A line of a process's log. at: monotonic seconds. event: the whole line where it is no JSON."""

    gateway: str
    at: float
    level: str
    event: str
    text: str


@dataclass(slots=True)
class Period:
    """A fault, and the calm until the next. begun, ended: monotonic seconds, of the fault. explains: patterns of log events; log_after: seconds past its end."""

    name: str
    begun: float
    ended: float = float("inf")
    excuses: list[Excuse] = field(default_factory=list)
    explains: tuple[str, ...] = ()
    log_after: float = 14.0
    asked: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    slowest: float = 0.0
    """Of cacheable requests, seconds."""
    slowest_kind: str = ""
    lag: float = 0.0
    """The latest that our own event loop was, seconds: times within it are ours."""

    def excuses_failure(self, failure: Failure) -> bool:
        """Whether this fault explains it."""
        return failure.ended >= self.begun and any(
            failure.begun <= self.ended + excuse.after and excuse.covers(failure) for excuse in self.excuses
        )

    def explains_line(self, line: Line) -> bool:
        """Whether this fault explains it."""
        in_time = self.begun - 0.5 <= line.at <= self.ended + self.log_after
        return in_time and any(re.search(pattern, line.event) for pattern in self.explains)


@dataclass(frozen=True, slots=True)
class Size:
    """A worker's resident octets at an age, in calm. age: seconds since it was first seen."""

    pid: int
    age: float
    octets: int


class Judge:
    """periods: those that were; the last one is now."""

    def __init__(self, begun: float) -> None:
        self.periods = [Period("calm", begun)]
        self.began = begun
        """When load did, after warming up."""
        self.lines: list[Line] = []
        self.sizes: list[Size] = []
        self.crowded: list[float] = []
        """Moments at which too many wanted the processors: monotonic seconds."""
        self.breaches: list[str] = []
        """What can't be put to one request."""
        self._first_seen: dict[int, float] = {}

    @property
    def now(self) -> Period:
        """The period that things are counted into."""
        return self.periods[-1]

    def begin(self, name: str, now: float, excuses: list[Excuse], explains: tuple[str, ...]) -> Period:
        """A fault begins; it lasts until its `ended` is set."""
        period = Period(name, now, excuses=list(excuses), explains=explains)
        self.periods.append(period)
        return period

    def answered(self, kind: str, seconds: float) -> None:
        """A good answer."""
        self.now.asked[kind] += 1
        self._time(kind, seconds)

    def failed(self, failure: Failure) -> None:
        """None, or a bad one."""
        self.now.asked[failure.kind] += 1
        self.now.failures.append(failure)
        self._time(failure.kind, failure.ended - failure.begun)

    def _time(self, kind: str, seconds: float) -> None:
        if kind in CACHEABLE and kind not in ("slow", "storm") and seconds > self.now.slowest:
            self.now.slowest, self.now.slowest_kind = seconds, kind

    def weigh(self, now: float, sizes: dict[int, int]) -> None:
        """The workers' resident octets at that moment, by pid. Kept when nothing is broken."""
        for pid, octets in sizes.items():
            age = now - self._first_seen.setdefault(pid, now)
            if now >= self.now.ended + CALM:
                self.sizes.append(Size(pid, age, octets))

    def is_explained(self, failure: Failure) -> bool:
        """Whether some fault explains it."""
        return any(period.excuses_failure(failure) for period in self.periods)

    def unexplained_failures(self) -> list[Failure]:
        """Of all kinds."""
        return [failure for period in self.periods for failure in period.failures if not self.is_explained(failure)]

    def unexplained_lines(self) -> list[Line]:
        """Tracebacks are never explained."""
        return [line for line in self.lines if not self._explains(line)]

    def _explains(self, line: Line) -> bool:
        if "Traceback (most recent call last)" in line.text:
            return False
        return any(period.explains_line(line) for period in self.periods) or self._machine_explains(line)

    def _machine_explains(self, line: Line) -> bool:
        """Redis is given 50 ms. Where everybody waits longer than that for a processor, that it seems slow says nothing of the gateway."""
        return line.event.startswith("redis_state") and any(at <= line.at <= at + AFTER_CROWD for at in self.crowded)

    def cacheable(self) -> tuple[int, int]:
        """Requests that were to be answered; those that were, well."""
        asked = sum(times for period in self.periods for kind, times in period.asked.items() if kind in CACHEABLE)
        failed = sum(failure.kind in CACHEABLE for period in self.periods for failure in period.failures)
        return asked, asked - failed

    def told_sizes(self, warm: float) -> list[str]:
        """A line for each worker that was looked at twice or more."""
        return [
            f"worker {pid}: {first.octets / 1048576:.1f} MiB at {first.age:.0f} s, {last.octets / 1048576:.1f} MiB at {last.age:.0f} s"
            for pid, (first, last) in _ends(self.sizes, warm).items()
        ]

    def verdict(self, warm: float) -> list[str]:
        """What breaks the promise; empty when it was kept. warm: age in seconds from which a worker is expected not to grow."""
        asked, good = self.cacheable()
        faults = list(self.breaches)
        if not asked or good / asked < PROMISE:
            faults.append(f"{good} of {asked} cacheable requests answered well, promised {PROMISE:.2%}")
        faults += [f"unexplained: {told}" for told in _grouped(self.unexplained_failures())]
        faults += [f"unexplained line of {line.gateway}: {line.text[:2000]}" for line in self.unexplained_lines()]
        return faults + growth(self.sizes, warm)


def growth(sizes: Iterable[Size], warm: float) -> list[str]:
    """Workers that grew by more than they may, from the first look at or after that age to the last one; looks less than `warm` apart say nothing."""
    return [
        f"worker {pid} grew from {first.octets >> 20} MiB at {first.age:.0f} s to {last.octets >> 20} MiB at {last.age:.0f} s"
        for pid, (first, last) in _ends(sizes, warm).items()
        if last.octets > first.octets * (1 + GROWTH_SHARE) + GROWTH_BYTES
    ]


def _ends(sizes: Iterable[Size], warm: float) -> dict[int, tuple[Size, Size]]:
    ends: dict[int, tuple[Size, Size]] = {}
    for size in sizes:
        if size.age >= warm:
            ends[size.pid] = (ends.get(size.pid, (size, size))[0], size)
    return {pid: (first, last) for pid, (first, last) in ends.items() if last.age - first.age >= warm}


def _grouped(failures: Iterable[Failure]) -> list[str]:
    """Alike ones together, with an example."""
    groups: dict[tuple[str, str, str], list[Failure]] = {}
    for failure in failures:
        groups.setdefault((failure.kind, failure.trouble, failure.gateway), []).append(failure)
    return [
        f"{len(group)} x {kind} {trouble} at {gateway}, the first {'on a new connection ' * group[0].is_fresh}after {group[0].ended - group[0].begun:.2f} s: {group[0].detail}"
        for (kind, trouble, gateway), group in groups.items()
    ]
