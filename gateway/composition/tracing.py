"""`[tracing]`: who follows requests, and where spans go."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from gateway.composition.gauges import Figure, own_version
from gateway.errors import SettingsError
from gateway.settings import Settings
from gateway.telemetry.spans import SpanSink, Tracer

if TYPE_CHECKING:
    from gateway.telemetry.otlp import OtlpSink

__all__ = ["build_sink", "check_tracing", "figures_of_spans", "set_tracer"]


def check_tracing(settings: Settings) -> None:
    """Raise SettingsError when what spans need is not installed."""
    if settings.tracing.spans and importlib.util.find_spec("opentelemetry") is None:
        raise SettingsError(["tracing.spans: needs OpenTelemetry, which is not installed: pip install 'weft-gateway[otel]'"])


def build_sink(settings: Settings) -> OtlpSink | None:
    """Where spans go; None when none are made. Raises SettingsError."""
    check_tracing(settings)
    if not settings.tracing.spans or os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    from gateway.telemetry.otlp import OtlpSink  # noqa: PLC0415 - an extra

    return OtlpSink(own_version())


def set_tracer(tracer: Tracer, settings: Settings) -> None:
    """How many requests are followed."""
    tracer.ratio, tracer.most = settings.tracing.ratio, settings.tracing.max_per_second


def figures_of_spans(sink: SpanSink) -> Iterator[Figure]:
    """What became of spans."""
    for outcome, count in sink.outcomes().items():
        yield "weft_spans", "Spans, by what became of them.", {"outcome": outcome}, count, "counter"
