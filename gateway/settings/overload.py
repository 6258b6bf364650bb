"""What happens when there is more to do than can be done."""

from __future__ import annotations

from gateway.settings.units import Count, Seconds, Section, leaf

__all__ = ["Overload"]


class Overload(Section):
    """When new requests for origins are turned away. What is in memory is always served, then what is stale; each process counts for itself."""

    max_in_flight: Count = leaf(
        2000,
        "Requests that may wait for an origin's answer at once, all origins together; more get what is stale, or 503.",
        unit="requests",
        ge=1,
        le=1_000_000,
    )
    max_lag: Seconds = leaf(
        0.05,
        "How late the event loop may be for longer than a moment, before fewer requests are let in than max_in_flight. 0 never looks.",
        unit="seconds",
        ge=0,
        le=60,
    )
    retry_after: Seconds = leaf(1.0, "What Retry-After says to who is turned away.", unit="seconds", ge=1, le=3600)
