"""How a request's trace is followed: whose word on it counts, and what is told of it."""

from __future__ import annotations

from typing import Literal

from gateway.settings.units import Count, Ratio, Section, Switch, leaf

__all__ = ["Tracing"]


class Tracing(Section):
    """Trace context (traceparent, tracestate): which trace a request belongs to."""

    accept: Literal["all", "trusted", "none"] = leaf(
        "all", "Whose trace context is passed on: everybody's, that of proxy.trusted_proxies, or nobody's."
    )
    spans: Switch = leaf(
        False,
        "Whether spans are made of requests whose trace is sampled, and sent by OTLP. Takes the extra otel; OTEL_EXPORTER_OTLP_ENDPOINT says where to.",
    )
    ratio: Ratio = leaf(0.0, "Share of requests without a trace context for which a sampled trace is begun.", ge=0, le=1)
    max_per_second: Count = leaf(
        100,
        "Requests of which spans are made, at most, in each process. More are passed on as they came.",
        unit="requests per second",
        ge=1,
        le=100_000,
    )
