"""The composition root: settings → adapters → flow → Starlette. Nothing else builds anything; below this file there are plain arguments.

gateway/composition/ makes the parts, each from its piece of the settings; here they are put together.

build(settings) ──▶ Gateway: .app (ASGI, for any server), .edge (for our own listener), start(), aclose()
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Iterable, Iterator
from time import monotonic

from starlette.routing import BaseRoute

from gateway.cache.collapse import Uncacheable
from gateway.cache.memory_store import MemoryStore
from gateway.cache.purges import Ledger
from gateway.clock import Clock
from gateway.composition.access import is_in, text_check, token_check
from gateway.composition.catalogue import build_catalogue
from gateway.composition.control import CONTROL, Front, build_control, build_purge_method, build_registry
from gateway.composition.gauges import (
    Figure,
    figures_of_cache,
    figures_of_origins,
    figures_of_pages,
    figures_of_sharing,
    own_version,
)
from gateway.composition.listening import build_limits
from gateway.composition.log import build_access_log, build_log_writer
from gateway.composition.origins import build_guests, build_origin, named_origins
from gateway.composition.overload import build_admission, figures_of_overload
from gateway.composition.routes import build_route, with_catch_all
from gateway.composition.sharing import build_sharing
from gateway.endpoints.health import HealthEndpoint
from gateway.endpoints.metrics import MetricsEndpoint
from gateway.endpoints.purge import PurgeEndpoint
from gateway.endpoints.slots import SlotsEndpoint
from gateway.endpoints.trace import TraceEndpoint
from gateway.endpoints.traffic import Traffic
from gateway.error_page import error_page
from gateway.flow.assembly.slots import Slots
from gateway.flow.forward import Forwarder
from gateway.flow.page import Page
from gateway.flow.purging import Purger
from gateway.flow.recognise import Identity
from gateway.flow.routes import Routes
from gateway.flow.second_level import SecondLevel
from gateway.listener.edge import Edge
from gateway.listener.proxies import TrustedProxies
from gateway.listener.sweeper import Sweeper
from gateway.settings import Settings
from gateway.telemetry.account import Account
from gateway.telemetry.loop_lag import LoopLag
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.traces import Traces

__all__ = ["CONTROL", "Gateway", "build", "build_catalogue"]


class Gateway:
    """Everything of one process, wired. Build it anywhere; start and close it in the event loop that serves."""

    def __init__(self, settings: Settings, *, extra_routes: Iterable[BaseRoute] = ()) -> None:
        self.settings = settings
        self.clock = Clock()
        self.started = monotonic()
        self.draining = False
        self.origins = {name: build_origin(name, origin) for name, origin in named_origins(settings)}
        self.guests = build_guests(settings)
        self.routes = Routes([build_route(settings, route, self.origins) for route in with_catch_all(settings)])
        self.store = MemoryStore(settings.cache.memory.max_bytes, settings.cache.memory.max_variants)
        self.ledger = Ledger()
        self.sharing = build_sharing(settings)
        identity = Identity(
            settings.proxy.via, forwarded=settings.proxy.forwarded, request_id_field=settings.proxy.request_id_header
        )
        self.forwarder = Forwarder(self.store, self.ledger, Uncacheable(), identity, self.clock)
        self.lag = LoopLag()
        self.admission = build_admission(settings, self.lag)
        self.purger = Purger(self.sharing.bus, self.ledger, self.store, self.routes, self.forwarder.is_known)
        self.forwarder.announce = self.purger.invalidate
        if self.sharing.tier is not None:
            self.forwarder.level2 = SecondLevel(
                self.sharing.tier,
                self.store,
                self.ledger,
                self.clock,
                self.sharing.is_live,
                soft_grace=settings.purge.soft_grace,
                lease=settings.redis.cache.lease,
            )
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
            admission=self.admission,
        )
        self.slots = None
        if settings.slots:
            self.slots = Slots(build_catalogue(settings), self.store, self.ledger, self.routes, settings.cache.languages)
            self.page.weaver.slots = self.slots
        self.metrics = Metrics()
        self.writer = build_log_writer(settings)
        access_log = build_access_log(settings, self.writer) if self.writer is not None else None
        self.account = Account(self.metrics, access_log)
        self.proxies = proxies = TrustedProxies([str(network) for network in settings.proxy.trusted_proxies])
        self.edge = Edge(
            self.page,
            self.account,
            build_limits(settings),
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
            token_check(settings.debug.tokens),
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
        await self.sharing.start()
        self.sweeper.start()
        self.lag.start()
        self._minder = asyncio.get_running_loop().create_task(self._mind())

    async def aclose(self) -> None:
        """End it, close connections to origins, write the last log lines."""
        self.sweeper.stop()
        self.lag.stop()
        if self._minder is not None:
            self._minder.cancel()
            await asyncio.gather(self._minder, return_exceptions=True)
        await self.forwarder.aclose()
        for origin in self.origins.values():
            await origin.aclose()
        if self.guests is not None:
            await self.guests.origins.aclose()
        await self.sharing.aclose()
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

    def _application(self, extra_routes: Iterable[BaseRoute]) -> Front:
        settings = self.settings
        tokens, viewers = settings.purge.tokens, settings.debug.tokens
        purge = PurgeEndpoint(self.purger, text_check(tokens) if tokens else None)
        slots = metrics = None
        if self.slots is not None:
            marks = {route.esi.nonce for route in self.routes.all if route.esi.nonce}
            slots = SlotsEndpoint(self.slots, self.clock, self.proxies, marks)
        if settings.metrics.enabled:
            self.metrics.gauges.append(self._figures)
            networks = settings.metrics.allow
            metrics = MetricsEndpoint(build_registry(self.metrics), lambda address: is_in(address, networks))
        control = build_control(
            HealthEndpoint(self.readiness),
            purge,
            TraceEndpoint(self.traces, token_check(viewers) if viewers else None),
            slots,
            metrics,
            extra_routes,
        )
        purge_method = build_purge_method(purge) if settings.purge.method else None
        return Front(control, self.traffic, purge_method, self.start, self.aclose)

    def _figures(self) -> Iterator[Figure]:
        yield "weft_build_info", "Version of this build.", {"version": own_version()}, 1, "gauge"
        yield "weft_connections", "Client connections.", {"state": "open"}, len(self.edge.connections), "gauge"
        if self.writer is not None:
            yield "weft_log_dropped", "Access log lines that had no room.", {}, self.writer.dropped, "counter"
        yield from figures_of_cache(self.store, self.forwarder, self.purger)
        yield from figures_of_sharing(self.sharing, self.forwarder.level2)
        yield from figures_of_pages(self.page.weaver)
        yield from figures_of_origins(self.origins)
        yield from figures_of_overload(self.admission, self.lag)


def build(settings: Settings, *, extra_routes: Iterable[BaseRoute] = ()) -> Gateway:
    """A gateway from checked settings. extra_routes: more of our own paths, below /_weft."""
    return Gateway(settings, extra_routes=extra_routes)


def _request_ids() -> Iterator[str]:
    """Ids that are unique across processes and restarts, and cheap: a random start, then counted."""
    start = secrets.token_hex(6)
    return (f"{start}-{number:x}" for number in itertools.count(1))
