"""Counters as plain integers, exposed through prometheus-client's registry (its own counters cost 1-2 µs an operation).

Labels are bounded: route names come from the settings, unknown methods count as `other`, and past MAX_SERIES combinations everything new counts as `other`
too, so that no client can fill the memory with labels.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

__all__ = ["BUCKETS", "Cell", "Metrics"]

BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds in seconds."""

MAX_SERIES = 2_000
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"})

Series = tuple[str, str, str, str]
"""(route, method, status class, cache outcome)."""

Gauges = Callable[[], Iterable[tuple[str, str, dict[str, str], float, str]]]
"""Yields (name, help, labels, value, kind) at scrape time.

kind: "counter", "gauge", or a gauge of which several processes have the same: "max", "min". See adding_up.py.
"""


class Cell:
    """One series: requests, octets sent, seconds, and how many fell into each bucket."""

    __slots__ = ("buckets", "count", "octets", "seconds")

    def __init__(self) -> None:
        self.count = 0
        self.octets = 0
        self.seconds = 0.0
        self.buckets = [0] * (len(BUCKETS) + 1)

    def add(self, seconds: float, octets: int) -> None:
        """One more request."""
        self.count += 1
        self.octets += octets
        self.seconds += seconds
        self.buckets[bisect_left(BUCKETS, seconds)] += 1


class Metrics(Collector):
    """All series of this process, and the gauges that others answer for."""

    def __init__(self) -> None:
        self.cells: dict[Series, Cell] = {}
        self.refused: dict[str, int] = {}
        self.gauges: list[Gauges] = []

    def cell(self, route: str, method: str, status: int, outcome: str) -> Cell:
        """The cell that counts such requests."""
        series = (route, method if method in _METHODS else "other", f"{status // 100}xx", outcome)
        found = self.cells.get(series)
        if found is None:
            if len(self.cells) >= MAX_SERIES:
                series = ("other", "other", "other", "other")
                found = self.cells.get(series)
            if found is None:
                found = self.cells[series] = Cell()
        return found

    def refuse(self, reason: str) -> None:
        """A connection or request turned away by a limit or for its framing."""
        self.refused[reason] = self.refused.get(reason, 0) + 1

    def collect(self) -> Iterator[Metric]:
        """prometheus-client's Collector interface."""
        labels = ["route", "method", "status_class", "cache"]
        requests = CounterMetricFamily("weft_requests", "Requests answered.", labels=labels)
        octets = CounterMetricFamily("weft_response_bytes", "Octets of content sent.", labels=labels)
        seconds = HistogramMetricFamily(
            "weft_request_duration_seconds",
            "From the complete request head to the last octet handed over.",
            labels=["route", "cache"],
        )
        merged: dict[tuple[str, str], tuple[list[int], float]] = {}
        for series, cell in list(self.cells.items()):
            requests.add_metric(series, cell.count)
            octets.add_metric(series, cell.octets)
            buckets, total = merged.get((series[0], series[3]), ([0] * len(cell.buckets), 0.0))
            merged[series[0], series[3]] = ([a + b for a, b in zip(buckets, cell.buckets, strict=True)], total + cell.seconds)
        for (route, outcome), (buckets, total) in merged.items():
            seconds.add_metric([route, outcome], _cumulative(buckets), total)
        refused = CounterMetricFamily("weft_refused", "Connections and requests turned away, by reason.", labels=["reason"])
        for reason, count in self.refused.items():
            refused.add_metric([reason], count)
        yield from (requests, octets, seconds, refused)
        yield from self._collect_gauges()

    def _collect_gauges(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for source in self.gauges:
            for name, text, labels, value, kind in source():
                family = families.get(name)
                if family is None:
                    made = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
                    family = families[name] = made(name, text, labels=list(labels))
                    if kind in {"max", "min"}:
                        family.how = kind  # type: ignore[union-attr]  # read by adding_up.report_of
                family.add_metric(list(labels.values()), value)  # type: ignore[attr-defined]
        yield from families.values()


def _cumulative(buckets: list[int]) -> list[tuple[str, float]]:
    total, pairs = 0, []
    for bound, count in zip([*map(str, BUCKETS), "+Inf"], buckets, strict=True):
        total += count
        pairs.append((bound, float(total)))
    return pairs
