"""How a request's trace is followed: whose word on it counts."""

from __future__ import annotations

from typing import Literal

from gateway.settings.units import Section, leaf

__all__ = ["Tracing"]


class Tracing(Section):
    """Trace context (traceparent, tracestate): which trace a request belongs to."""

    accept: Literal["all", "trusted", "none"] = leaf(
        "all", "Whose trace context is passed on: everybody's, that of proxy.trusted_proxies, or nobody's."
    )
