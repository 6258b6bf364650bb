"""`/_weft/metrics` for Prometheus, shown to the configured networks; to others it does not exist. Of all processes together, where there are several."""

from __future__ import annotations

from collections.abc import Callable

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from gateway.processes.outcome import Parent
from gateway.telemetry.adding_up import Summed, add_up, report_of

__all__ = ["MetricsEndpoint"]


class MetricsEndpoint:
    """registry: this process's figures. allows: whether an address may read them. parent: who knows the others'; None where there are none."""

    def __init__(self, registry: CollectorRegistry, allows: Callable[[str], bool], parent: Callable[[], Parent | None]) -> None:
        self.registry = registry
        self.allows = allows
        self.parent = parent

    async def get(self, request: Request) -> Response:
        """GET /_weft/metrics."""
        if not self.allows(request.client.host if request.client else ""):
            return PlainTextResponse("Not Found", 404)
        parent = self.parent()
        if parent is None:
            return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)
        own = report_of(self.registry)
        try:
            others = await parent.figures(orjson.dumps(own))
        except ConnectionError:
            return PlainTextResponse("the parent process is gone\n", 503)
        return Response(generate_latest(Summed(add_up([own, *others]))), media_type=CONTENT_TYPE_LATEST)
