"""The one event per request: what was answered, from where and why, how long it took. Counted, logged, shown to whoever watches."""

from __future__ import annotations

from bisect import bisect_left
from time import monotonic
from typing import Any, Protocol

from gateway.semantics.message import Fields, Request
from gateway.telemetry.access_log import AccessLog
from gateway.telemetry.metrics import BUCKETS, Cell, Metrics

__all__ = ["Account", "Heard", "Story", "Told", "Watcher"]


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
    includes: int
    includes_failed: int
    cell: object
    log_tail: bytes | None
    log_ready: tuple[bytes, bytes] | None
    owns_target: bool


class Told(Protocol):
    """A response as far as its telling needs it."""

    status: int

    @property
    def facts(self) -> Story:
        """Where it came from and why."""


class Heard(Protocol):
    """A header section as the lane remembers it."""

    fields: Fields
    scheme: bytes
    host: bytes
    log_part: bytes | None


class Watcher(Protocol):
    """Somebody who looks on, such as the demo's live page."""

    def see(self, method: bytes, target: bytes, told: Told, now: float, seconds: float, octets: int) -> None:
        """One request has been answered. Called in between, so it must be quick and never raise. now: epoch seconds."""


class Account:
    """Tells of every request, once, when its last octet has been handed over or its client has left."""

    def __init__(self, metrics: Metrics, log: AccessLog | None) -> None:
        self.metrics = metrics
        self.log = log
        self.watcher: Watcher | None = None

    def tell(self, request: Request, told: Told, now: float, started: float, octets: int, *, complete: bool = True) -> None:
        """now: epoch seconds; started: monotonic seconds at the complete head; octets: content sent; complete: the response went out to its end."""
        seconds = monotonic() - started
        self._cell(request.method, told).add(seconds, octets)
        if self.log is not None:
            self.log.line(request, told, now, seconds, octets, complete=complete)
        if self.watcher is not None:
            self.watcher.see(request.method, request.target, told, now, seconds, octets)

    def tell_ready(self, client: bytes, target: bytes, head: Heard, told: Told, now: float, started: float, octets: int) -> None:
        """`tell` for the hot lane: a GET answered from memory, with parts of its line rendered before."""
        seconds = monotonic() - started
        cell: Any = told.facts.cell or self._cell(b"GET", told)
        cell.count += 1  # Cell.add, without the call
        cell.octets += octets
        cell.seconds += seconds
        if seconds <= BUCKETS[0]:  # nearly always
            cell.buckets[0] += 1
        else:
            cell.buckets[bisect_left(BUCKETS, seconds)] += 1
        log = self.log
        if log is not None:
            part = head.log_part
            if part is None:
                part = head.log_part = log.head_part(head.fields, head.host, head.scheme, b"1.1")
            log.ready(client, target, part, told, now, seconds, octets)
        if self.watcher is not None:
            self.watcher.see(b"GET", target, told, now, seconds, octets)

    def _cell(self, method: bytes, told: Told) -> Cell:
        facts = told.facts
        cell = facts.cell
        if cell is None:
            cell = facts.cell = self.metrics.cell(facts.route, method.decode("latin-1"), told.status, facts.outcome)
        assert isinstance(cell, Cell)
        return cell
