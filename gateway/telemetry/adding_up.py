"""Figures of several processes as one: what a scrape shows is the sum over all of them, whichever is asked.

A report is a list of rows, as JSON can carry them:   [name, type, help, how, [[sample, labels, value], …]]

how   sum   counters, histograms, and gauges of which each process has a part (connections, octets stored)
      max, min   gauges that all have of the same thing: the worst of them (an origin's state, the days until a certificate ends)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

__all__ = ["Report", "Summed", "add_up", "counters_of", "report_of"]

Report: TypeAlias = list[list[Any]]

_OF_OTHERS = {"process_start_time_seconds": "min", "process_max_fds": "min", "python_info": "max"}
"""How prometheus-client's own gauges add up; whoever is not named here is summed."""


def report_of(collector: Collector) -> Report:
    """What a collector shows now. A family may say by an attribute `how` that it is not to be summed."""
    return [
        [
            family.name,
            family.type,
            family.documentation,
            getattr(family, "how", _OF_OTHERS.get(family.name, "sum")),
            [[sample.name, sample.labels, sample.value] for sample in family.samples],
        ]
        for family in collector.collect()
    ]


def counters_of(report: Report) -> Report:
    """What must outlive the process that counted it."""
    return [row for row in report if row[1] in {"counter", "histogram"}]


def add_up(reports: Iterable[Report]) -> Report:
    """One report of all. The order is that of the first mention."""
    rows: dict[str, list[Any]] = {}
    samples: dict[str, dict[tuple[Any, ...], list[Any]]] = {}
    for report in reports:
        for name, kind, text, how, given in report:
            row = rows.setdefault(name, [name, kind, text, how, []])
            held = samples.setdefault(name, {})
            for sample, labels, value in given:
                key = (sample, *sorted(labels.items()))
                before = held.get(key)
                if before is None:
                    held[key] = [sample, labels, value]
                else:
                    before[2] = _together(row[3], before[2], value)
    for name, row in rows.items():
        row[4] = list(samples[name].values())
    return list(rows.values())


def _together(how: str, one: float, other: float) -> float:
    if how == "max":
        return max(one, other)
    if how == "min":
        return min(one, other)
    return one + other


class Summed(Collector):
    """A report, for prometheus-client to write."""

    def __init__(self, report: Report) -> None:
        self.report = report

    def collect(self) -> Iterator[Metric]:
        """prometheus-client's Collector interface."""
        for name, kind, text, _, samples in self.report:
            family = Metric(name, text, kind)
            for sample, labels, value in samples:
                family.add_sample(sample, labels, value)
            yield family
