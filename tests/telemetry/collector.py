"""A collector of spans: OTLP over HTTP, decoded by OpenTelemetry's own messages."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic, sleep
from types import TracebackType
from typing import Any, NamedTuple, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

__all__ = ["Collector", "Told"]

_PATIENCE = 20.0
_KINDS = {1: "internal", 2: "server", 3: "client"}


class Told(NamedTuple):
    """One span as it came. Ids are hexadecimal, parent "" for none; start and end are epoch nanoseconds."""

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    state: str
    start: int
    end: int
    attributes: dict[str, Any]
    failed: bool
    resource: dict[str, Any]


class Collector:
    """Listens on 127.0.0.1. status: what it answers; fields: those of its requests."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.spans: list[Told] = []
        self.fields: list[dict[str, str]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                collector.fields.append({name.lower(): value for name, value in self.headers.items()})
                if collector.status == 200:
                    collector.take(content)
                with suppress(OSError):
                    self.send_response(collector.status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, content: bytes) -> None:
        for group in ExportTraceServiceRequest.FromString(content).resource_spans:
            resource = _attributes(group.resource.attributes)
            for scope in group.scope_spans:
                self.spans += [
                    Told(
                        span.name,
                        _KINDS[span.kind],
                        span.trace_id.hex(),
                        span.span_id.hex(),
                        span.parent_span_id.hex(),
                        span.trace_state,
                        span.start_time_unix_nano,
                        span.end_time_unix_nano,
                        _attributes(span.attributes),
                        span.status.code == 2,
                        resource,
                    )
                    for span in scope.spans
                ]

    def of(self, trace: str, count: int) -> list[Told]:
        """The spans of a trace, once there are so many; in the order of their beginning, those above first."""
        self.until(lambda: len(self._of(trace)) >= count)
        return self._of(trace)

    def until(self, come_true: Callable[[], object]) -> None:
        deadline = monotonic() + _PATIENCE
        while not come_true() and monotonic() < deadline:
            sleep(0.01)

    def _of(self, trace: str) -> list[Told]:
        order = ["server", "internal", "client"]
        return sorted((span for span in self.spans if span.trace == trace), key=lambda span: (order.index(span.kind), span.start))


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
