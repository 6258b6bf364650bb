"""Metrics of all processes, for whichever worker is asked. It gets what the others say now, and what the dead have counted; it adds up itself.

    worker 2 ── ask figures, with its own ──▶ parent ── ask figures ──▶ worker 1, 3 …     at most half a second; then the last that they said
             ◀── theirs, the dead's, the parent's ──┘

A report is kept by the parent before anybody sees it: so what a scrape has shown is never taken back when its worker dies.
"""

from __future__ import annotations

import logging
from typing import Any

import orjson
from prometheus_client import CollectorRegistry, ProcessCollector

from gateway.logs import log_dropped
from gateway.processes.asks import Asks
from gateway.processes.channel import Message
from gateway.processes.child import Child
from gateway.processes.crew import REASONS, Crew
from gateway.processes.memory import rss
from gateway.processes.reloading import Reloading
from gateway.telemetry.adding_up import Report, add_up, counters_of, report_of

__all__ = ["Figures"]

logger = logging.getLogger(__name__)

_WITHIN = 0.5
_LOG = "Lines of the process log that had no room, as nobody read them."


class Figures:
    """The parent's side."""

    def __init__(self, crew: Crew, asks: Asks, reloading: Reloading) -> None:
        self._crew = crew
        self._asks = asks
        self._reloading = reloading
        self._last: dict[Child, bytes] = {}
        self._dead: Report = []
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)

    def keep(self, child: Child, report: bytes) -> None:
        """What a worker has counted so far."""
        self._last[child] = report

    def lose(self, child: Child) -> None:
        """It is gone; what it has counted stays."""
        report = self._last.pop(child, None)
        if report is None:
            return
        try:
            self._dead = add_up([self._dead, counters_of(orjson.loads(report))])
        except (LookupError, TypeError, ValueError):  # it talked nonsense: nothing of it is believed
            logger.warning("figures lost", extra={"worker": child.slot, "worker_pid": child.pid})

    def answer(self, child: Child, message: Message) -> None:
        """A worker is asked for a scrape, and has sent its own figures."""
        number = message.words["id"]
        self.keep(child, message.blob)
        others = [other for other in self._crew.everyone() if other is not child and other.is_ready]

        def tell(replies: dict[Child, Message | None]) -> None:
            for other, reply in replies.items():
                if reply is not None and other.exit_code is None:
                    self.keep(other, reply.blob)
            reports = [report for other, report in self._last.items() if other is not child]
            ours = orjson.dumps(self._dead), orjson.dumps(self._own())
            child.channel.send("answer", b"[" + b",".join([*reports, *ours]) + b"]", id=number)

        self._asks.ask(others, "figures", tell, within=_WITHIN)

    def _own(self) -> Report:
        crew, reloading = self._crew, self._reloading
        slots = range(1, crew.settings.server.workers + 1)
        serving = {child.slot: child for child in crew.serving}
        up = [[{"worker": str(slot)}, float(slot in serving)] for slot in slots]
        memory = [[{"worker": str(slot)}, float(rss(child.pid))] for slot, child in serving.items()]
        lag = [[{"worker": str(slot)}, child.pulse.lag] for slot, child in serving.items()]
        restarts = [[{"reason": reason}, float(crew.restarts[reason])] for reason in REASONS]
        return [
            _row("weft_worker_up", "1 while a worker serves in this slot.", up),
            _row("weft_worker_resident_memory_bytes", "Memory of the worker in this slot.", memory),
            _row("weft_worker_lag_seconds", "How late the worker's event loop was when it last showed its pulse.", lag),
            _row("weft_worker_restarts", "Workers replaced, by reason.", restarts, "counter"),
            _row("weft_config_generation", "Settings in force: 1 at the start, one more for each reload.", crew.generation),
            _row("weft_config_last_reload_successful", "1 unless the last reload failed.", float(reloading.last_succeeded)),
            _row(
                "weft_config_last_reload_success_timestamp_seconds",
                "When settings were last taken, the start included.",
                reloading.last_success,
            ),
            _row("weft_process_log_dropped", _LOG, float(log_dropped()), "counter"),
            *report_of(self._process),
        ]


def _row(name: str, text: str, samples: list[list[Any]] | float, kind: str = "gauge") -> list[Any]:
    sample = f"{name}_total" if kind == "counter" else name
    given = samples if isinstance(samples, list) else [[{}, float(samples)]]
    return [name, kind, text, "sum", [[sample, labels, value] for labels, value in given]]
