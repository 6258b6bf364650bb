"""`[overload]`: who is turned away when, and the figures of it."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.composition.gauges import Figure
from gateway.flow.admission import Admission
from gateway.settings import Settings
from gateway.telemetry.loop_lag import LoopLag

__all__ = ["build_admission", "figures_of_overload", "set_admission"]


def build_admission(settings: Settings, lag: LoopLag) -> Admission:
    """Told of each sample of lag."""
    overload = settings.overload
    admission = Admission(overload.max_in_flight, overload.max_lag, overload.retry_after)
    lag.listeners.append(admission.note_lag)
    return admission


def set_admission(admission: Admission, settings: Settings) -> None:
    """Other bounds. What is under way goes on; the limit finds its place anew."""
    overload = settings.overload
    if (overload.max_in_flight, overload.max_lag) != (admission.max_in_flight, admission.max_lag):
        admission.max_in_flight, admission.max_lag = overload.max_in_flight, overload.max_lag
        admission.limit = float(overload.max_in_flight)
    admission.retry_after = overload.retry_after


def figures_of_overload(admission: Admission, lag: LoopLag) -> Iterator[Figure]:
    """How much there is to do, and what was left out for it."""
    yield "weft_loop_lag_seconds", "The latest that the event loop was in the last ten seconds or more.", {}, lag.worst(), "gauge"
    yield "weft_in_flight", "Requests that wait for an origin's answer.", {}, admission.in_flight, "gauge"
    yield "weft_in_flight_limit", "How many may.", {}, float(int(admission.limit)), "gauge"
    for (what, pressure), count in list(admission.shed.items()):
        labels = {"what": what.value, "reason": pressure.value}
        yield "weft_shed", "What was left out under load, by what and why.", labels, count, "counter"
