"""`/_weft/metrics` for Prometheus, shown to the configured networks; to others it does not exist."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

__all__ = ["MetricsEndpoint"]


class MetricsEndpoint:
    """allows: whether an address may read them."""

    def __init__(self, registry: CollectorRegistry, allows: Callable[[str], bool]) -> None:
        self.registry = registry
        self.allows = allows

    async def get(self, request: Request) -> Response:
        """GET /_weft/metrics."""
        if not self.allows(request.client.host if request.client else ""):
            return PlainTextResponse("Not Found", 404)
        return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)
