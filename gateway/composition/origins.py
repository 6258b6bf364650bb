"""`[upstream]`, `[origins]`: who is asked, through which pool, behind which breaker."""

from __future__ import annotations

from collections.abc import Iterator
from ssl import SSLContext
from time import monotonic
from typing import TypeAlias

from gateway.breaker import BreakerSettings
from gateway.composition.routes import build_esi, build_policy
from gateway.flow.assembly.guest_routes import GuestRoutes
from gateway.settings import Settings
from gateway.settings.assembly import Esi
from gateway.settings.origins import Upstream
from gateway.upstream.balance import BalancedOrigin
from gateway.upstream.dialer import build_tls
from gateway.upstream.guests import GuestOrigins, HostPatterns
from gateway.upstream.health import ActiveCheck, GuardedOrigin
from gateway.upstream.http1_origin import Http1Origin
from gateway.upstream.limits import OriginLimits
from gateway.upstream.retry_budget import RetryBudget

__all__ = ["AnyOrigin", "build_guest_routes", "build_guests", "build_origin", "named_origins"]

AnyOrigin: TypeAlias = GuardedOrigin | BalancedOrigin

_GUEST_CONNECTIONS = 32
"""To each foreign host that pages include from."""


def named_origins(settings: Settings) -> Iterator[tuple[str, Upstream]]:
    """Every origin, with its name."""
    if settings.upstream.url:
        yield "upstream", settings.upstream
    yield from settings.origins.items()


def build_origin(name: str, origin: Upstream) -> AnyOrigin:
    """One origin: for each of its servers a client, a breaker and an active check; the retry budget is that of all."""
    budget = RetryBudget(origin.retry_budget)
    if not origin.servers:
        return _build_server(name, origin.url, origin, budget)
    tls = None
    if any(url.startswith("https:") for url in (origin.url, *origin.servers)):
        tls = build_tls(ca_file=origin.tls_ca_file or None, verify=origin.tls_verify)
    members = [_build_server(url, url, origin, budget, tls, one_of_several=True) for url in (origin.url, *origin.servers)]
    return BalancedOrigin(members, max_ejected=origin.breaker.max_ejected, budget=budget, clock=monotonic)


def _build_server(
    name: str, url: str, origin: Upstream, budget: RetryBudget, tls: SSLContext | None = None, *, one_of_several: bool = False
) -> GuardedOrigin:
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
        url,
        limits,
        tls_ca_file=origin.tls_ca_file or None,
        tls_verify=origin.tls_verify,
        tls=tls,
        retry=origin.retry,
        budget=budget,
    )
    breaker = BreakerSettings(
        failures=origin.breaker.failures, cool_down=origin.breaker.cooldown, max_cool_down=origin.breaker.cooldown_max
    )
    health, check = origin.health, None
    if health.path:
        host = origin.host_header or _authority(url)
        check = ActiveCheck(health.path, host, health.interval, health.timeout, health.unhealthy_after, health.healthy_after)
    server_errors = origin.breaker.count_5xx or one_of_several
    return GuardedOrigin(client, name, breaker=breaker, check=check, server_errors=server_errors, clock=monotonic)


def _authority(url: str) -> str:
    return url.partition("://")[2]


def build_guests(esi: Esi) -> GuestOrigins:
    """The origins of other hosts."""
    limits = OriginLimits(first_byte_timeout=esi.deadline, max_connections=_GUEST_CONNECTIONS)
    return GuestOrigins(HostPatterns(esi.hosts), limits, allow_private=esi.allow_private)


def build_guest_routes(settings: Settings, guests: GuestOrigins | None) -> GuestRoutes | None:
    """Where includes of other hosts go; None when the site lists none."""
    return GuestRoutes(guests, build_policy(settings.cache), build_esi(settings.esi)) if guests is not None else None
