"""Spans to a collector, by OTLP over HTTP: OpenTelemetry's own exporter and queue, in a thread of theirs. Needs the extra `otel`.

Where to, with which headers, in which batches, under which name: their variables say (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SERVICE_NAME, OTEL_BSP_…). A collector that
does not answer costs spans and two lines in the log, one when it begins and one when it ends.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from gateway.telemetry.spans import Span

__all__ = ["OtlpSink"]

logger = logging.getLogger(__name__)

_KINDS = {"server": SpanKind.SERVER, "internal": SpanKind.INTERNAL, "client": SpanKind.CLIENT}
_FAREWELL = 3.0
"""Seconds that the last spans get to leave in."""


class OtlpSink:
    """A SpanSink. version: of this build. Between start and close there is a thread."""

    def __init__(self, version: str) -> None:
        attributes = {"service.version": version}
        said = os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
        if not os.environ.get("OTEL_SERVICE_NAME") and "service.name=" not in said:
            attributes["service.name"] = "weft"
        self._resource = Resource.create(attributes)
        self._scope = InstrumentationScope("weft", version)
        self._processor: BatchSpanProcessor | None = None
        self._room = int(os.environ.get("OTEL_BSP_MAX_QUEUE_SIZE") or 2048)
        self._offered = self._dropped = 0
        self._exporter: _Counting | None = None

    def start(self) -> None:
        """Begin to export."""
        # Theirs say each failed attempt, and each dropped span; ours say what changes.
        for name in ("opentelemetry.exporter", "opentelemetry.sdk"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._exporter = _Counting(OTLPSpanExporter())
        self._processor = BatchSpanProcessor(self._exporter)

    def offer(self, spans: list[Span]) -> None:
        """Into the queue, or dropped."""
        processor, exporter = self._processor, self._exporter
        if processor is None or exporter is None or self._offered - exporter.exported - exporter.failed + len(spans) > self._room:
            self._dropped += len(spans)
            return
        self._offered += len(spans)
        for span in spans:
            processor.on_end(self._readable(span))

    def outcomes(self) -> dict[str, int]:
        """exported, failed, dropped."""
        exporter = self._exporter
        exported, failed = (exporter.exported, exporter.failed) if exporter is not None else (0, 0)
        return {"exported": exported, "failed": failed, "dropped": self._dropped}

    def close(self) -> None:
        """Send what there is, within a few seconds. Blocks; what a collector holds up is left behind."""
        processor, self._processor = self._processor, None
        if processor is not None:
            farewell = threading.Thread(target=processor.shutdown, daemon=True)  # its own patience is 30 seconds
            farewell.start()
            farewell.join(_FAREWELL)

    def _readable(self, span: Span) -> ReadableSpan:
        state = TraceState.from_header([span.state]) if span.state else None
        trace_id, flags = int(span.trace_id, 16), TraceFlags(TraceFlags.SAMPLED)
        parent = SpanContext(trace_id, int(span.parent_id, 16), is_remote=True, trace_flags=flags) if span.parent_id else None
        return ReadableSpan(
            span.name,
            SpanContext(trace_id, int(span.span_id, 16), is_remote=False, trace_flags=flags, trace_state=state),
            parent,
            self._resource,
            {**span.attributes, **({"error.type": span.error} if span.error else {})},
            kind=_KINDS[span.kind],
            status=Status(StatusCode.ERROR if span.error else StatusCode.UNSET),
            start_time=int(span.start * 1e9),
            end_time=int(span.end * 1e9),
            instrumentation_scope=self._scope,
        )


class _Counting(SpanExporter):
    """Counts what became of spans, and says when that changes. Called by the processor's thread alone."""

    def __init__(self, exporter: OTLPSpanExporter) -> None:
        self._exporter = exporter
        self._is_failing = False
        self.exported = self.failed = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """A batch; retried within OTEL_EXPORTER_OTLP_TIMEOUT."""
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # noqa: BLE001 - of a library in a thread of its own: counted, and said once
            result, reason = SpanExportResult.FAILURE, f"{type(error).__name__}: {error}"
        else:
            reason = "the collector does not take them"
        if result is SpanExportResult.SUCCESS:
            self.exported += len(spans)
            if self._is_failing:
                logger.info("spans exported again")
        else:
            self.failed += len(spans)
            if not self._is_failing:
                logger.warning("spans not exported", extra={"reason": reason})
        self._is_failing = result is not SpanExportResult.SUCCESS
        return result

    def shutdown(self) -> None:
        """Of the last batch too."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing is kept here."""
        return self._exporter.force_flush(timeout_millis)
