"""The composition root: settings → adapters → flow → Starlette. Nothing else builds anything; below this file there are plain arguments.

build(settings) ──▶ Gateway: .app (ASGI, for any server), .edge (for our own listener), start(), aclose()
"""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from importlib.metadata import PackageNotFoundError, version
from ipaddress import ip_address
from pathlib import Path
from time import monotonic
from typing import Any

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Mount
from starlette.routing import Route as Endpoint

from fragments.catalogue import Catalogue, CatalogueError, Slot, TemplateFault
from gateway.cache.collapse import Uncacheable
from gateway.cache.freshness import CachePolicy
from gateway.cache.key import QueryRule
from gateway.cache.memory_store import MemoryStore
from gateway.cache.purges import Ledger
from gateway.clock import Clock
from gateway.endpoints.health import HealthEndpoint
from gateway.endpoints.metrics import MetricsEndpoint
from gateway.endpoints.purge import PurgeEndpoint
from gateway.endpoints.slots import SlotsEndpoint
from gateway.endpoints.trace import TraceEndpoint
from gateway.endpoints.traffic import Traffic
from gateway.error_page import error_page
from gateway.errors import SettingsError
from gateway.flow.assembly.guest_routes import GuestRoutes
from gateway.flow.assembly.rules import EsiRules
from gateway.flow.assembly.slots import Slots
from gateway.flow.forward import Forwarder
from gateway.flow.page import Page
from gateway.flow.purging import Purger
from gateway.flow.recognise import Identity
from gateway.flow.routes import Compression, Route, Routes
from gateway.listener.edge import Edge
from gateway.listener.limits import Limits
from gateway.listener.proxies import TrustedProxies
from gateway.listener.sweeper import Sweeper
from gateway.live.memory_bus import MemoryBus
from gateway.settings import Settings
from gateway.settings.assembly import Esi
from gateway.settings.caching import Cache, Query
from gateway.settings.caching import Route as RouteSettings
from gateway.settings.origins import Upstream
from gateway.telemetry.access_log import AccessLog
from gateway.telemetry.account import Account
from gateway.telemetry.line_writer import LineWriter
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.traces import Traces
from gateway.upstream.breaker import BreakerSettings
from gateway.upstream.guests import GuestOrigins, HostPatterns
from gateway.upstream.health import ActiveCheck, GuardedOrigin
from gateway.upstream.http1_origin import Http1Origin
from gateway.upstream.limits import OriginLimits

__all__ = ["CONTROL", "Gateway", "build", "build_catalogue"]

CONTROL = "/_weft"
_GUEST_CONNECTIONS = 32
"""To each foreign host that pages include from."""
_GAUGES = frozenset({"connections_open", "connections_idle", "waiting", "state", "members", "available"})
"""Which of an origin's counters go up and down."""


class Gateway:
    """Everything of one process, wired. Build it anywhere; start and close it in the event loop that serves."""

    def __init__(self, settings: Settings, *, extra_routes: Iterable[BaseRoute] = ()) -> None:
        self.settings = settings
        self.clock = Clock()
        self.started = monotonic()
        self.draining = False
        self.origins = {name: _origin(name, origin) for name, origin in _named_origins(settings)}
        self.guests = _guests(settings)
        self.routes = Routes([_route(settings, route, self.origins) for route in _with_catch_all(settings)])
        self.store = MemoryStore(settings.cache.memory.max_bytes, settings.cache.memory.max_variants)
        self.ledger = Ledger()
        self.bus = MemoryBus()
        self.purger = Purger(self.bus, self.ledger, self.store, self.routes)
        identity = Identity(
            settings.proxy.via, forwarded=settings.proxy.forwarded, request_id_field=settings.proxy.request_id_header
        )
        self.forwarder = Forwarder(self.store, self.ledger, Uncacheable(), identity, self.clock)
        self.page = Page(
            self.routes,
            self.store,
            self.ledger,
            self.forwarder,
            identity,
            self.clock,
            error_page,
            _request_ids(),
            soft_grace=settings.purge.soft_grace,
            server_timing=settings.debug.server_timing == "always",
            guests=self.guests,
        )
        self.slots = None
        if settings.slots:
            self.slots = Slots(build_catalogue(settings), self.store, self.ledger, self.routes, settings.cache.languages)
            self.page.weaver.slots = self.slots
        self.metrics = Metrics()
        self.writer = _log_writer(settings)
        log = settings.log
        access_log = None
        if self.writer is not None:
            key = log.address_key.reveal().encode() if log.address_key else secrets.token_bytes(32)
            access_log = AccessLog(
                self.writer.write,
                form="text" if log.access == "text" else "json",
                mask_query=log.mask_query,
                client_address=log.client_address,
                address_key=key,
            )
        self.account = Account(self.metrics, access_log)
        self.proxies = proxies = TrustedProxies([str(network) for network in settings.proxy.trusted_proxies])
        self.edge = Edge(
            self.page,
            self.account,
            _limits(settings),
            self.clock,
            proxies,
            control=f"{CONTROL}/".encode(),
            fast_lane=settings.server.fast_lane,
        )
        self.sweeper = Sweeper(self.edge.connections, self.clock)
        self.traces = Traces()
        self.traffic = Traffic(
            self.page,
            self.account,
            self.clock,
            proxies,
            _token_check(settings.debug.tokens),
            settings.debug.server_timing,
            self.traces,
            f"{CONTROL}/trace/",
        )
        self._minder: asyncio.Task[None] | None = None
        self.app = self._application(extra_routes)

    async def start(self) -> None:
        """Begin what runs beside requests: health checks, deadlines, the clock."""
        for origin in self.origins.values():
            origin.start()
        self.sweeper.start()
        self._minder = asyncio.get_running_loop().create_task(self._mind())

    async def aclose(self) -> None:
        """End it, close connections to origins, write the last log lines."""
        self.sweeper.stop()
        if self._minder is not None:
            self._minder.cancel()
            await asyncio.gather(self._minder, return_exceptions=True)
        await self.forwarder.aclose()
        for origin in self.origins.values():
            await origin.aclose()
        if self.guests is not None:
            await self.guests.origins.aclose()
        if self.writer is not None:
            await asyncio.to_thread(self.writer.close)

    def readiness(self) -> tuple[bool, dict[str, object]]:
        """For the ready endpoint: not while draining. The state of origins is told, and changes nothing."""
        return not self.draining, {
            "draining": self.draining,
            "origins": {name: origin.state for name, origin in self.origins.items()},
        }

    async def _mind(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self.clock.follow()

    def _application(self, extra_routes: Iterable[BaseRoute]) -> Callable[..., Any]:
        settings = self.settings
        tokens = settings.purge.tokens
        purge = PurgeEndpoint(self.purger, _text_check(tokens) if tokens else None)
        health = HealthEndpoint(self.readiness)
        trace = TraceEndpoint(self.traces, _token_check(settings.debug.tokens) if settings.debug.tokens else None)
        routes: list[BaseRoute] = [
            Endpoint("/health/live", health.live),
            Endpoint("/health/ready", health.ready),
            Endpoint("/purge", purge.post, methods=["POST"]),
            Endpoint("/trace", trace.without_slash),
            Mount("/trace", routes=trace.routes()),
            *extra_routes,
        ]
        if self.slots is not None:
            marks = {route.esi.nonce for route in self.routes.all if route.esi.nonce}
            slots = SlotsEndpoint(self.slots, self.clock, self.proxies, marks)
            routes.append(Endpoint("/slots/{name:path}", slots.get))
        if settings.metrics.enabled:
            self.metrics.gauges.append(self._gauges)
            registry = CollectorRegistry()
            for collector in (self.metrics,):
                registry.register(collector)
            ProcessCollector(registry=registry)
            PlatformCollector(registry=registry)
            networks = settings.metrics.allow
            metrics = MetricsEndpoint(registry, lambda address: _is_in(address, networks))
            routes.append(Endpoint("/metrics", metrics.get))
        control = Starlette(routes=[Mount(CONTROL, routes=[*routes, Mount("/", app=_not_found)])])
        purge_app = None  # the method then goes to the origin like any other
        if settings.purge.method:
            purge_app = Starlette(routes=[Endpoint("/{path:path}", purge.method, methods=["PURGE"])])
        return _Front(control, self.traffic, purge_app, self)

    def _gauges(self) -> Iterator[tuple[str, str, dict[str, str], float, str]]:
        store, forwarder = self.store, self.forwarder
        yield "weft_build_info", "Version of this build.", {"version": _version()}, 1, "gauge"
        yield "weft_connections", "Client connections.", {"state": "open"}, len(self.edge.connections), "gauge"
        yield "weft_cache_objects", "Stored responses.", {"tier": "memory"}, len(store), "gauge"
        yield "weft_cache_bytes", "What they cost together.", {"tier": "memory"}, store.used_bytes, "gauge"
        yield "weft_cache_max_bytes", "What they may cost together.", {"tier": "memory"}, store.max_bytes, "gauge"
        yield (
            "weft_cache_evictions",
            "Stored responses that made room for others.",
            {"tier": "memory"},
            store.evictions,
            "counter",
        )
        yield "weft_cache_collapsed", "Requests that waited for somebody else's fetch.", {}, forwarder.collapsed, "counter"
        yield "weft_origin_requests", "Requests sent to origins.", {}, forwarder.origin_requests, "counter"
        if self.writer is not None:
            yield "weft_log_dropped", "Access log lines that had no room.", {}, self.writer.dropped, "counter"
        for kind, count in self.purger.purges.items():
            yield "weft_purges", "Purges applied, by kind.", {"kind": kind}, count, "counter"
        weaver = self.page.weaver
        yield "weft_esi_pages", "Pages assembled from pieces.", {}, weaver.pages, "counter"
        yield "weft_esi_raw_tags", "ESI tags in pages that were not assembled.", {}, weaver.raw_tags, "counter"
        for outcome, count in list(weaver.outcomes.items()):
            yield "weft_esi_includes", "Places in pages, by what they came to.", {"outcome": outcome}, count, "counter"
        for code, count in list(weaver.problems.items()):
            yield "weft_esi_problems", "Faults of pages' markup, by code.", {"code": code}, count, "counter"
        for name, origin in self.origins.items():
            yield "weft_origin_up", "1 while the origin is asked.", {"origin": name}, float(origin.is_available()), "gauge"
            for counter, value in origin.counters().items():
                if counter.startswith("failure_"):
                    reason = counter.removeprefix("failure_")
                    yield (
                        "weft_origin_failures",
                        "Exchanges that failed, by reason.",
                        {"origin": name, "reason": reason},
                        value,
                        "counter",
                    )
                    continue
                if counter in _GAUGES:
                    yield f"weft_origin_{counter}", "See docs/operations.md.", {"origin": name}, value, "gauge"
                else:
                    yield f"weft_origin_{counter}", "See docs/operations.md.", {"origin": name}, value, "counter"


class _Front:
    """Our own paths to Starlette, PURGE to its endpoint, everything else to the traffic: one comparison, before any routing. Runs the lifespan."""

    def __init__(self, control: Starlette, traffic: Traffic, purge: Starlette | None, gateway: Gateway) -> None:
        self.control = control
        self.traffic = traffic
        self.purge = purge
        self.gateway = gateway

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
            await self.gateway.start()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.gateway.aclose()
        await send({"type": "lifespan.shutdown.complete"})


def build(settings: Settings, *, extra_routes: Iterable[BaseRoute] = ()) -> Gateway:
    """A gateway from checked settings. extra_routes: more of our own paths, below /_weft."""
    return Gateway(settings, extra_routes=extra_routes)


def build_catalogue(settings: Settings) -> Catalogue:
    """The slots of the settings, their templates compiled. Raises SettingsError with every fault of a template."""
    slots = [
        Slot(
            name,
            slot.template,
            needs=slot.needs,
            lifetime=slot.lifetime,
            scope=slot.scope,
            audience=slot.audience,
            tags=slot.tags,
            data=slot.data,
        )
        for name, slot in settings.slots.items()
    ]
    try:
        return Catalogue(slots, Path(settings.templates.directory), max_bytes=settings.templates.max_bytes)
    except CatalogueError as error:
        raise SettingsError([_template_fault(fault) for fault in error.faults]) from None


def _template_fault(fault: TemplateFault) -> str:
    place = f"{fault.file}, line {fault.line}" if fault.line else fault.file
    return f"{', '.join(f'slots.{name}.template' for name in fault.slots)}: {place}: {fault.message}"


async def _not_found(scope: MutableMapping[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
    await PlainTextResponse("Not Found: the gateway has no such page of its own.\n", 404)(scope, receive, send)


def _named_origins(settings: Settings) -> Iterator[tuple[str, Upstream]]:
    if settings.upstream.url:
        yield "upstream", settings.upstream
    yield from settings.origins.items()


def _origin(name: str, origin: Upstream) -> GuardedOrigin:
    limits = OriginLimits(
        connect_timeout=origin.connect_timeout,
        first_byte_timeout=origin.first_byte_timeout,
        unsafe_first_byte_timeout=origin.unsafe_first_byte_timeout,
        idle_timeout=origin.idle_timeout,
        total_timeout=origin.total_timeout,
        keepalive_timeout=origin.keepalive_timeout,
        queue_timeout=origin.queue_timeout,
        max_connections=origin.max_connections,
        max_waiting=origin.max_waiting,
        max_head_bytes=origin.max_head_bytes,
    )
    client = Http1Origin(
        origin.url, limits, tls_ca_file=origin.tls_ca_file or None, tls_verify=origin.tls_verify, retry=origin.retry
    )
    breaker = BreakerSettings(
        failures=origin.breaker.failures, cool_down=origin.breaker.cooldown, max_cool_down=origin.breaker.cooldown_max
    )
    health, check = origin.health, None
    if health.path:
        host = origin.host_header or origin.url.partition("://")[2]
        check = ActiveCheck(health.path, host, health.interval, health.timeout, health.unhealthy_after, health.healthy_after)
    return GuardedOrigin(client, name, breaker=breaker, check=check, server_errors=origin.breaker.count_5xx, clock=monotonic)


def _with_catch_all(settings: Settings) -> list[RouteSettings | None]:
    """The configured routes, and the one for what none of them takes, when there is an origin for it."""
    routes: list[RouteSettings | None] = list(settings.routes)
    if settings.upstream.url and not any(route.host == "" and route.path == "/" for route in settings.routes):
        routes.append(None)
    return routes


def _route(settings: Settings, route: RouteSettings | None, origins: dict[str, GuardedOrigin]) -> Route:
    cache, query, origin = settings.cache_of(route), settings.query_of(route), settings.origin_of(route)
    name = (route.origin if route is not None else "") or "upstream"
    return Route(
        route.name if route is not None else "default",
        origins[name],
        _policy(cache),
        _compression(cache),
        origin_name=name,
        host=route.host if route is not None else "",
        path=route.path if route is not None else "/",
        query=_query(query),
        bypass=cache.mode == "bypass",
        languages=cache.languages,
        host_header=origin.host_header,
        authority=origin.url.partition("://")[2],
        stale_wait=cache.stale_wait,
        collapse_timeout=cache.collapse_timeout,
        esi=_esi(settings.esi_of(route)),
    )


def _esi(esi: Esi) -> EsiRules:
    return EsiRules(
        esi.mode,
        types=esi.types,
        lenient=esi.on_failure == "continue",
        deadline=esi.deadline,
        max_depth=esi.max_depth,
        max_includes=esi.max_includes,
        max_parallel=esi.max_parallel,
        max_fragment_bytes=esi.max_fragment_bytes,
        max_page_bytes=esi.max_page_bytes,
        cookies=esi.cookies,
        request_fields=esi.request_fields,
        guest_fields=esi.guest_fields,
        cookies_from=esi.cookies_from,
        strip=esi.strip,
        late=esi.late,
        late_after=esi.late_after,
        nonce=esi.nonce.reveal() if esi.nonce is not None else "",
        csrf_cookie=esi.csrf_cookie or "",
    )


def _guests(settings: Settings) -> GuestRoutes | None:
    """Where includes of other hosts go; None when the site lists none."""
    esi = settings.esi
    if not esi.hosts:
        return None
    limits = OriginLimits(first_byte_timeout=esi.deadline, max_connections=_GUEST_CONNECTIONS)
    origins = GuestOrigins(HostPatterns(esi.hosts), limits, allow_private=esi.allow_private)
    return GuestRoutes(origins, _policy(settings.cache), _esi(esi))


def _query(query: Query) -> QueryRule:
    return QueryRule(query.mode, query.names, sort=query.sort)


def _policy(cache: Cache) -> CachePolicy:
    return CachePolicy(
        default_ttl=cache.default_ttl,
        heuristic_fraction=cache.heuristic_fraction,
        heuristic_max=cache.heuristic_max,
        stale_while_revalidate=cache.stale_while_revalidate,
        stale_if_error=cache.stale_if_error,
        max_object_bytes=cache.max_object_bytes,
        store_cookies=cache.store_cookies,
        request_directives=cache.request_directives,
        targeted_fields=tuple(name.encode("ascii") for name in cache.targeted_fields),
        surrogate_control=cache.surrogate_control,
        tag_bytes=cache.tag_bytes,
        uncacheable_ttl=cache.uncacheable_ttl,
        tag_fields=tuple(name.encode("ascii") for name in cache.tag_fields),
    )


def _compression(cache: Cache) -> Compression:
    compress = cache.compress
    codings = [coding.encode("ascii") for coding in compress.codings] if compress.enabled else []
    return Compression(
        codings, {b"gzip": compress.gzip, b"br": compress.br, b"zstd": compress.zstd}, compress.types, compress.min_bytes
    )


def _limits(settings: Settings) -> Limits:
    server, limits = settings.server, settings.server.limits
    return Limits(
        header_bytes=limits.header_bytes,
        header_count=limits.header_count,
        url_bytes=limits.url_bytes,
        header_timeout=limits.header_timeout,
        body_timeout=limits.body_timeout,
        body_min_rate=limits.body_min_rate,
        body_bytes=limits.body_bytes,
        write_timeout=limits.write_timeout,
        trailer_bytes=limits.trailer_bytes,
        chunk_overhead_bytes=limits.chunk_extension_bytes + limits.trailer_bytes,
        keepalive_timeout=server.keepalive_timeout,
        max_connections=server.max_connections,
        request_buffer=settings.proxy.max_request_buffer,
    )


def _log_writer(settings: Settings) -> LineWriter | None:
    if settings.log.access == "off":
        return None
    if not settings.log.file:
        return LineWriter(sys.stdout.fileno())
    return LineWriter(os.open(settings.log.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640))


def _request_ids() -> Iterator[str]:
    """Ids that are unique across processes and restarts, and cheap: a random start, then counted."""
    start = secrets.token_hex(6)
    return (f"{start}-{number:x}" for number in itertools.count(1))


def _token_check(tokens: tuple[Any, ...]) -> Callable[[bytes], bool]:
    """Compares with every token, in constant time each, so that the time tells nothing."""
    return lambda given: any([token.matches(given) for token in tokens])  # noqa: C419 - no short cut


def _text_check(tokens: tuple[Any, ...]) -> Callable[[str], bool]:
    check = _token_check(tokens)
    return lambda given: check(given.encode("utf-8"))


def _is_in(address: str, networks: tuple[Any, ...]) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return any((mapped or parsed) in network for network in networks)


def _version() -> str:
    try:
        return version("weft-gateway")
    except PackageNotFoundError:
        return "unknown"
