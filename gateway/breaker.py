"""A circuit breaker as a pure machine: time is an argument, nothing here waits, logs or draws a number.

                 `failures` in a row                     cool-down over: one probe is let through
      closed ───────────────────────▶ open ──────────────────────────────▶ half-open
        ▲                              ▲                                     │    │
        │                              └── probe failed: cool-down doubles ──┘    │
        └────────────────────────────── probe succeeded ─────────────────────────┘

News of an exchange that was begun before the last change of state is ignored: a hundred requests that time out one by one, thirty seconds after
the origin came back, say nothing about now.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import inf

__all__ = ["Breaker", "BreakerSettings", "BreakerState"]


class BreakerState(Enum):
    """The value is the word in logs and metrics."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


_CLOSED, _HALF_OPEN, _OPEN = BreakerState  # globals: see response_head.NONE


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """When to open and for how long; times in seconds. Raises ValueError naming every fault.

    failures      in a row, until it opens (Envoy's outlier detection: 5)
    cool_down     until the first probe; doubles with each failed one
    max_cool_down the longest; it bounds how late a recovery is noticed
    probe_timeout after which a probe without an outcome no longer blocks the next one
    """

    failures: int = 5
    cool_down: float = 1.0
    max_cool_down: float = 10.0
    probe_timeout: float = 10.0

    def __post_init__(self) -> None:
        problems = [
            f"{name}: expected > 0, got {getattr(self, name)!r}" for name in self.__slots__ if not getattr(self, name) > 0
        ]
        if self.max_cool_down < self.cool_down:
            problems.append(f"max_cool_down: expected >= cool_down ({self.cool_down}), got {self.max_cool_down}")
        if problems:
            raise ValueError("; ".join(problems))


class Breaker:
    """One origin's breaker. Each True of may_try() is answered by exactly one of succeeded, failed, abandoned.

    `now` and `began` are seconds of any one monotonic clock; began is the `now` of the may_try() that the news belongs to.
    """

    __slots__ = ("_changed_at", "_cool_down", "_in_a_row", "_probe_began", "_settings", "_state", "opened")

    def __init__(self, settings: BreakerSettings | None = None) -> None:
        self._settings = settings or BreakerSettings()
        self._state = _CLOSED
        self._in_a_row = 0
        self._cool_down = self._settings.cool_down
        self._changed_at = -inf
        self._probe_began = -inf
        self.opened = 0  # how often it went from closed to open

    @property
    def state(self) -> BreakerState:
        """The state as of the last call: open becomes half-open only when somebody asks may_try()."""
        return self._state

    def would_try(self, now: float) -> bool:
        """Return what may_try would, changing nothing."""
        if self._state is _CLOSED:
            return True
        if self._state is _OPEN:
            return now >= self._changed_at + self._cool_down
        return now >= self._probe_began + self._settings.probe_timeout

    def may_try(self, now: float) -> bool:
        """Return True when an exchange may begin; in half-open that is one at a time."""
        if self._state is _CLOSED:
            return True
        if not self.would_try(now):
            return False
        if self._state is _OPEN:
            self._change(_HALF_OPEN, now)
        self._probe_began = now
        return True

    def retry_after(self, now: float) -> float:
        """Return the seconds until may_try could be True, 0 when it is."""
        if self.would_try(now):
            return 0.0
        since, length = (
            (self._changed_at, self._cool_down) if self._state is _OPEN else (self._probe_began, self._settings.probe_timeout)
        )
        return since + length - now

    def succeeded(self, now: float, began: float | None = None) -> None:
        """Count an answer. Closes a half-open breaker."""
        if self._is_stale(now, began) or self._state is _OPEN:
            return
        self._in_a_row = 0
        if self._state is _HALF_OPEN:
            self._cool_down = self._settings.cool_down
            self._change(_CLOSED, now)

    def failed(self, now: float, began: float | None = None) -> None:
        """Count a failure. Opens a closed breaker at the last one allowed, a half-open one at once and for longer."""
        if self._is_stale(now, began) or self._state is _OPEN:
            return
        if self._state is _HALF_OPEN:
            self._cool_down = min(self._cool_down * 2, self._settings.max_cool_down)
            self._change(_OPEN, now)
            return
        self._in_a_row += 1
        if self._in_a_row >= self._settings.failures:
            self.opened += 1
            self._change(_OPEN, now)

    def abandoned(self, now: float, began: float | None = None) -> None:
        """Note that an exchange ended without news of the origin (the client left): a probe's place is free again."""
        if self._state is _HALF_OPEN and not self._is_stale(now, began):
            self._probe_began = -inf

    def _is_stale(self, now: float, began: float | None) -> bool:
        return (now if began is None else began) < self._changed_at

    def _change(self, state: BreakerState, now: float) -> None:
        self._state = state
        self._changed_at = now
        self._in_a_row = 0
