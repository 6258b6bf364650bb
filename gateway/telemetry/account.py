"""The one event per request: what was answered, from where and why, how long it took. Counted, logged, shown to whoever watches."""

from __future__ import annotations

from collections import deque
from time import perf_counter
from typing import Protocol

from gateway.semantics.message import Request
from gateway.telemetry.access_log import AccessLog
from gateway.telemetry.metrics import Cell, Metrics

__all__ = ["Account", "Recent", "Story", "Told"]


class Story(Protocol):
    """What telemetry reads of a response's facts (flow.response.Facts has them)."""

    outcome: str
    detail: str
    route: str
    origin: str
    request_id: str
    fwd_status: int
    origin_time: float
    ttl: int
    stale: bool
    stored: bool
    collapsed: bool
    cell: object
    log_tail: bytes | None


class Told(Protocol):
    """A response as far as its telling needs it."""

    status: int

    @property
    def facts(self) -> Story: ...


class Recent:
    """The last requests, for a page that shows them. (epoch seconds, method, target, outcome, status, seconds, octets)."""

    def __init__(self, limit: int = 60) -> None:
        self.requests: deque[tuple[float, str, str, str, int, float, int]] = deque(maxlen=limit)


class Account:
    """Tells of every request, once, when its last octet has been handed over or its client has left."""

    def __init__(self, metrics: Metrics, log: AccessLog | None) -> None:
        self.metrics = metrics
        self.log = log
        self.recent: Recent | None = None

    def tell(self, request: Request, told: Told, now: float, started: float, octets: int, *, complete: bool = True) -> None:
        """now: epoch seconds; started: perf_counter at the complete head; octets: content sent; complete: the response went out to its end."""
        seconds = perf_counter() - started
        facts = told.facts
        cell = facts.cell
        if cell is None:
            cell = facts.cell = self.metrics.cell(facts.route, request.method.decode("latin-1"), told.status, facts.outcome)
        assert isinstance(cell, Cell)  # noqa: S101 - only this method sets it
        cell.add(seconds, octets)
        if self.log is not None:
            self.log.line(request, told, now, seconds, octets, complete=complete)
        if self.recent is not None:
            target = request.target.partition(b"?")[0].decode("latin-1")
            outcome = "stale" if facts.stale else facts.outcome
            self.recent.requests.append((now, request.method.decode("latin-1"), target, outcome, told.status, seconds, octets))
