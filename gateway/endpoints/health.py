"""Is the process alive, is it ready for traffic? A dead origin does not make us unready: what is stored is served all the same."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

__all__ = ["HealthEndpoint"]


class HealthEndpoint:
    """readiness: (ready, facts to show)."""

    def __init__(self, readiness: Callable[[], tuple[bool, dict[str, object]]]) -> None:
        self.readiness = readiness

    async def live(self, request: Request) -> Response:  # noqa: ARG002 - Starlette's signature
        """GET /_weft/health/live: the loop turns."""
        return JSONResponse({"status": "alive"}, headers={"cache-control": "no-store"})

    async def ready(self, request: Request) -> Response:  # noqa: ARG002
        """GET /_weft/health/ready: 200, or 503 while starting and draining."""
        ready, facts = self.readiness()
        return JSONResponse(
            {"status": "ready" if ready else "not ready", **facts}, 200 if ready else 503, headers={"cache-control": "no-store"}
        )
