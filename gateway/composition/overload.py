"""`[overload]`, `[rate_limits]`: who is turned away when, and the figures of it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

from gateway.composition.gauges import Figure
from gateway.flow.admission import Admission
from gateway.flow.buckets import Buckets
from gateway.flow.rate_limits import Limit, RateLimits
from gateway.settings import RateLimit, Settings
from gateway.telemetry.loop_lag import LoopLag

__all__ = ["build_admission", "build_rate_limits", "figures_of_overload", "figures_of_rate_limits", "set_admission"]


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


def build_rate_limits(settings: Settings, before: tuple[Settings, RateLimits | None] | None = None) -> RateLimits | None:
    """None when the site has no limits, so that nobody needs to ask. before: what held until now; a limit that is the same goes on counting."""
    if not settings.rate_limits:
        return None
    kept: dict[str, Limit] = {}
    salt = secrets.token_bytes(32)
    if before is not None and before[1] is not None:
        salt = before[1].salt
        kept = {
            limit.name: limit
            for limit in before[1].all
            if settings.rate_limits.get(limit.name) == before[0].rate_limits[limit.name]
        }
    limits = [kept.get(name) or _build_limit(name, limit) for name, limit in settings.rate_limits.items()]
    exempt = frozenset({b"PURGE"}) if settings.purge.method else frozenset[bytes]()
    return RateLimits(limits, salt, exempt)


def _build_limit(name: str, limit: RateLimit) -> Limit:
    return Limit(
        name,
        Buckets(limit.rate, limit.burst, limit.max_clients),
        per=limit.per,
        everything=limit.applies == "all",
        host=limit.host,
        path=limit.path,
        methods=limit.methods,
    )


def figures_of_overload(admission: Admission, lag: LoopLag) -> Iterator[Figure]:
    """How much there is to do, and what was left out for it."""
    yield "weft_loop_lag_seconds", "The latest that the event loop was in the last ten seconds or more.", {}, lag.worst(), "max"
    yield "weft_in_flight", "Requests that wait for an origin's answer.", {}, admission.in_flight, "gauge"
    yield "weft_in_flight_limit", "How many may.", {}, float(int(admission.limit)), "gauge"
    for (what, pressure), count in list(admission.shed.items()):
        labels = {"what": what.value, "reason": pressure.value}
        yield "weft_shed", "What was left out under load, by what and why.", labels, count, "counter"


def figures_of_rate_limits(limits: RateLimits) -> Iterator[Figure]:
    """Who was told to wait. The names of limits come from the settings."""
    for limit in limits.all:
        labels = {"limit": limit.name}
        yield "weft_rate_limited", "Requests answered 429, by the limit that they met.", labels, limit.refused, "counter"
        yield "weft_rate_limit_clients", "Clients that are remembered.", labels, len(limit.buckets), "gauge"
