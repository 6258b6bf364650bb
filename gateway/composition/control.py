"""What stands in front of all requests, and our own paths below /_weft."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Mount
from starlette.routing import Route as Endpoint

from gateway.endpoints.health import HealthEndpoint
from gateway.endpoints.metrics import MetricsEndpoint
from gateway.endpoints.purge import PurgeEndpoint
from gateway.endpoints.reload import ReloadEndpoint
from gateway.endpoints.slots import SlotsEndpoint
from gateway.endpoints.trace import TraceEndpoint
from gateway.endpoints.traffic import Traffic

__all__ = ["CONTROL", "Front", "build_control", "build_purge_method", "build_registry"]

CONTROL = "/_weft"


class Front:
    """Our own paths to Starlette, PURGE to its endpoint, everything else to the traffic: one comparison, before any routing.

    start, stop: what ASGI's lifespan calls. Nothing is answered before adopt has been called.
    """

    def __init__(self, start: Callable[[], Awaitable[None]], stop: Callable[[], Awaitable[None]]) -> None:
        self.start = start
        self.stop = stop
        self.control: Starlette
        self.traffic: Traffic
        self.purge: Starlette | None

    def adopt(self, control: Starlette, traffic: Traffic, purge: Starlette | None) -> None:
        """Where requests go from now on. purge: None when the method goes to the origin like any other."""
        self.control = control
        self.traffic = traffic
        self.purge = purge

    async def __call__(self, scope: MutableMapping[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        """ASGI 3."""
        kind = scope["type"]
        if kind == "lifespan":
            await self._lifespan(receive, send)
        elif kind == "http" and self.purge is not None and scope["method"] == "PURGE":
            await self.purge(scope, receive, send)
        elif kind == "http" and (scope.get("raw_path") or b"").startswith(b"/_weft/"):
            await self.control(scope, receive, send)
        else:
            await self.traffic(scope, receive, send)

    async def _lifespan(self, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        await receive()
        try:
            await self.start()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.stop()
        await send({"type": "lifespan.shutdown.complete"})


def build_control(
    health: HealthEndpoint,
    purge: PurgeEndpoint,
    reload: ReloadEndpoint,
    trace: TraceEndpoint,
    slots: SlotsEndpoint | None,
    metrics: MetricsEndpoint | None,
    extra_routes: Iterable[BaseRoute],
) -> Starlette:
    """Our own paths. slots, metrics: None when there are none."""
    routes: list[BaseRoute] = [
        Endpoint("/health/live", health.live),
        Endpoint("/health/ready", health.ready),
        Endpoint("/purge", purge.post, methods=["POST"]),
        Endpoint("/reload", reload.post, methods=["POST"]),
        Endpoint("/trace", trace.without_slash),
        Mount("/trace", routes=trace.routes()),
        *extra_routes,
    ]
    if slots is not None:
        routes.append(Endpoint("/slots/{name:path}", slots.get))
    if metrics is not None:
        routes.append(Endpoint("/metrics", metrics.get))
    return Starlette(routes=[Mount(CONTROL, routes=[*routes, Mount("/", app=_not_found)])])


def build_purge_method(purge: PurgeEndpoint) -> Starlette:
    """PURGE on any path."""
    return Starlette(routes=[Endpoint("/{path:path}", purge.method, methods=["PURGE"])])


def build_registry(metrics: Collector) -> CollectorRegistry:
    """What a scrape shows: our own figures, and what prometheus-client tells of the process."""
    registry = CollectorRegistry()
    registry.register(metrics)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry


async def _not_found(scope: MutableMapping[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
    await PlainTextResponse("Not Found: the gateway has no such page of its own.\n", 404)(scope, receive, send)
