"""Everything that follows from one version of the settings, put together: what a reload makes anew. What a process keeps whatever the settings say is its ground."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from starlette.routing import BaseRoute

from gateway.cache.memory_store import MemoryStore
from gateway.cache.purges import Ledger
from gateway.clock import Clock
from gateway.composition.access import is_in, text_check, token_check
from gateway.composition.catalogue import build_catalogue
from gateway.composition.control import CONTROL, build_control, build_purge_method
from gateway.composition.faults import attempt
from gateway.composition.listening import build_keyring, build_limits
from gateway.composition.origins import build_guest_routes
from gateway.composition.overload import build_rate_limits
from gateway.composition.routes import build_route, with_catch_all
from gateway.composition.sources import Sources, build_sources
from gateway.endpoints.health import HealthEndpoint
from gateway.endpoints.metrics import MetricsEndpoint
from gateway.endpoints.purge import PurgeEndpoint
from gateway.endpoints.reload import ReloadEndpoint
from gateway.endpoints.slots import SlotsEndpoint
from gateway.endpoints.trace import TraceEndpoint
from gateway.endpoints.traffic import Traffic
from gateway.error_page import error_page
from gateway.errors import SettingsError
from gateway.flow.admission import Admission
from gateway.flow.assembly.loom import Loom
from gateway.flow.assembly.slots import Slots
from gateway.flow.forward import Forwarder
from gateway.flow.page import Page
from gateway.flow.purging import Purger
from gateway.flow.rate_limits import RateLimits
from gateway.flow.recognise import Identity
from gateway.flow.routes import Routes
from gateway.listener.proxies import TrustedProxies
from gateway.processes.outcome import Parent
from gateway.settings import Settings
from gateway.telemetry.account import Account
from gateway.telemetry.spans import Tracer
from gateway.telemetry.traces import Traces

__all__ = ["Ground", "Site"]


@dataclass(frozen=True, slots=True)
class Ground:
    """What stays while settings come and go. readiness: see HealthEndpoint; parent: see ReloadEndpoint; extra_routes: more of our own paths, below /_weft; tracer: None when nobody follows traces."""

    clock: Clock
    store: MemoryStore
    ledger: Ledger
    forwarder: Forwarder
    purger: Purger
    loom: Loom
    admission: Admission
    account: Account
    traces: Traces
    registry: CollectorRegistry
    request_ids: Iterator[str]
    readiness: Callable[[], tuple[bool, dict[str, object]]]
    parent: Callable[[], Parent | None]
    extra_routes: Sequence[BaseRoute]
    tracer: Tracer | None


class Site:
    """One version of the settings at work. Made anywhere, a thread included: nothing of the ground is changed by it.

    before: the version that it takes over from: an origin that both ask in the same way is kept, connections, breaker and all; so is a rate limit, with its counts.
    Raises SettingsError with every fault of the files that the settings name.
    """

    def __init__(self, settings: Settings, ground: Ground, before: Site | None = None) -> None:
        faults: list[str] = []
        self.settings = settings
        self.sources: Sources = build_sources(settings, before.sources if before is not None else None, faults)
        catalogue = attempt(faults, "templates.directory", lambda: build_catalogue(settings)) if settings.slots else None
        self.keyring = attempt(faults, "server.tls.certificates", lambda: build_keyring(settings))
        if faults:
            raise SettingsError(faults)
        self.guests = build_guest_routes(settings, self.sources.guests)
        self.routes = Routes([build_route(settings, route, self.sources.origins) for route in with_catch_all(settings)])
        self.identity = Identity(
            settings.proxy.via, forwarded=settings.proxy.forwarded, request_id_field=settings.proxy.request_id_header
        )
        self.page = Page(
            self.routes,
            ground.store,
            ground.ledger,
            ground.forwarder,
            self.identity,
            ground.clock,
            error_page,
            ground.request_ids,
            soft_grace=settings.purge.soft_grace,
            server_timing=settings.debug.server_timing == "always",
            guests=self.guests,
            loom=ground.loom,
            admission=ground.admission,
        )
        self.slots = None
        if catalogue is not None:
            self.slots = Slots(catalogue, ground.store, ground.ledger, self.routes, settings.cache.languages)
            self.page.weaver.slots = self.slots
        self.limits = build_limits(settings)
        former = (before.settings, before.rate_limits) if before is not None else None
        self.rate_limits: RateLimits | None = build_rate_limits(settings, former)
        self.proxies = TrustedProxies(
            [str(network) for network in settings.proxy.trusted_proxies], traces=settings.tracing.accept
        )
        self.traffic = Traffic(
            self.page,
            ground.account,
            ground.clock,
            self.proxies,
            token_check(settings.debug.tokens),
            settings.debug.server_timing,
            ground.traces,
            f"{CONTROL}/trace/",
            rate_limits=self.rate_limits,
            tracer=ground.tracer,
            limits=self.limits,
        )
        purge = PurgeEndpoint(ground.purger, text_check(settings.purge.tokens) if settings.purge.tokens else None)
        self.control = build_control(
            HealthEndpoint(ground.readiness),
            purge,
            ReloadEndpoint(ground.parent, text_check(settings.admin.tokens) if settings.admin.tokens else None),
            TraceEndpoint(ground.traces, token_check(settings.debug.tokens) if settings.debug.tokens else None, ground.parent),
            self._slots_endpoint(ground.clock),
            self._metrics_endpoint(ground),
            ground.extra_routes,
        )
        self.purge_method = build_purge_method(purge) if settings.purge.method else None

    def _slots_endpoint(self, clock: Clock) -> SlotsEndpoint | None:
        if self.slots is None:
            return None
        marks = {route.esi.nonce for route in self.routes.all if route.esi.nonce}
        return SlotsEndpoint(self.slots, clock, self.proxies, marks)

    def _metrics_endpoint(self, ground: Ground) -> MetricsEndpoint | None:
        if not self.settings.metrics.enabled:
            return None
        networks = self.settings.metrics.allow
        return MetricsEndpoint(ground.registry, lambda address: is_in(address, networks), ground.parent)
