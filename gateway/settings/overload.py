"""What happens when there is more to do than can be done."""

from __future__ import annotations

from typing import Literal

from gateway.settings.units import Count, HostPattern, LimitedBy, Method, PathPrefix, Ratio, Seconds, Section, leaf

__all__ = ["Overload", "RateLimit"]


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


class RateLimit(Section):
    """How often one client may ask: `[rate_limits.NAME]`, as many as wanted. Each process counts for itself."""

    rate: Ratio = leaf(10.0, "Requests that a client may make in the long run.", unit="requests per second", gt=0, le=1_000_000)
    burst: Count = leaf(50, "Requests that it may make at once after a pause.", unit="requests", ge=1, le=1_000_000)
    per: LimitedBy = leaf(
        "address",
        "What makes a client: address (an IPv4 address or an IPv6 /64), header:NAME or cookie:NAME; "
        "who sends no such header or cookie is counted by address.",
    )
    applies: Literal["uncached", "all"] = leaf(
        "uncached", "Whether it counts requests that memory alone can't answer, or hits too."
    )
    host: HostPattern = leaf("", "Host it is for, as in routes; empty means every host.")
    path: PathPrefix = leaf("/", "Path prefix it is for; /login means /login and what is below it.")
    methods: tuple[Method, ...] = leaf((), "Methods it is for, such as POST; none means every method.")
    max_clients: Count = leaf(
        100_000,
        "Clients that are remembered at once, some 120 bytes each; beyond that those who owe least are forgotten.",
        unit="clients",
        ge=1_000,
        le=10_000_000,
    )
