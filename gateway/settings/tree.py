"""The whole tree, and what its leaves may not say together.

`Settings(...)` takes only what it is given: it never looks at the environment by itself (`loading.load` does). It checks each leaf;
`contradictions` checks what needs two of them, and is asked by `load`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, PlainSerializer
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from fragments.catalogue import objections
from gateway.settings.assembly import Esi
from gateway.settings.caching import Cache, Query, Route
from gateway.settings.edge import Admin, Debug, Log, Metrics, Proxy, Purge, Server, Tls
from gateway.settings.origins import Upstream
from gateway.settings.overload import Overload, RateLimit
from gateway.settings.redis import Redis
from gateway.settings.slots import Slot, Templates
from gateway.settings.tracing import Tracing
from gateway.settings.units import Name, Section, leaf

__all__ = ["Contradiction", "Settings", "contradictions"]

Named = Annotated[Mapping[Name, Upstream], AfterValidator(MappingProxyType), PlainSerializer(dict)]
NamedLimits = Annotated[Mapping[Name, RateLimit], AfterValidator(MappingProxyType), PlainSerializer(dict)]
NamedSlots = Annotated[Mapping[Name, Slot], AfterValidator(MappingProxyType), PlainSerializer(dict)]


class Settings(BaseSettings, Section):
    """Everything that can be set."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True)

    server: Server = leaf(Server(), "The listener and the process.")
    upstream: Upstream = leaf(Upstream(), "The origin.")
    origins: Named = leaf({}, "Other origins by name, for routes that name them.")
    routes: tuple[Route, ...] = leaf((), "Parts of the site with an origin or rules of their own.")
    query: Query = leaf(Query(), "Query rules where a route has none.")
    cache: Cache = leaf(Cache(), "What is stored and for how long.")
    redis: Redis = leaf(Redis(), "What processes and machines share.")
    esi: Esi = leaf(Esi(), "Pages that are assembled from fragments.")
    templates: Templates = leaf(Templates(), "Where the templates of slots are.")
    slots: NamedSlots = leaf({}, "Fragments of the gateway's own, by name.")
    proxy: Proxy = leaf(Proxy(), "What is believed of those in front and told to those behind.")
    purge: Purge = leaf(Purge(), "Who may purge.")
    admin: Admin = leaf(Admin(), "Who may reload.")
    debug: Debug = leaf(Debug(), "What a response says about how it came to be.")
    log: Log = leaf(Log(), "What is written for each request.")
    metrics: Metrics = leaf(Metrics(), "Figures for Prometheus.")
    rate_limits: NamedLimits = leaf({}, "How often one client may ask, by the limit's name.")
    tracing: Tracing = leaf(Tracing(), "Traces that go beyond the gateway.")
    overload: Overload = leaf(Overload(), "What happens when there is more to do than can be done.")

    @classmethod
    def settings_customise_sources(  # the signature is pydantic-settings'
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments only: pydantic-settings would read the environment and stop at the first fault it finds there."""
        return (init_settings,)

    def origin_of(self, route: Route | None) -> Upstream:
        """The origin of a route, or of what no route claims. KeyError when the tree has contradictions."""
        return self.origins[route.origin] if route is not None and route.origin else self.upstream

    def cache_of(self, route: Route | None) -> Cache:
        """The cache rules of a route, or of what no route claims."""
        return route.cache.over(self.cache) if route is not None else self.cache

    def esi_of(self, route: Route | None) -> Esi:
        """The rules of assembly of a route, or of what no route claims."""
        return route.esi.over(self.esi) if route is not None else self.esi

    def query_of(self, route: Route | None) -> Query:
        """The query rules of a route, or of what no route claims."""
        return route.query if route is not None and route.query is not None else self.query


class Contradiction(NamedTuple):
    """Two settings that are right by themselves and wrong together.

    path      the one to change
    wish      what it should be, given the other; '' when it must be set
    because   why, when the wish doesn't say
    other     where the other stands: when there is a fault of its own, nothing follows for this one
    """

    path: tuple[str | int, ...]
    wish: str
    because: str = ""
    other: tuple[str | int, ...] = ()


def contradictions(settings: Settings) -> Iterator[Contradiction]:
    """All of them. Pure: files and networks are not looked at."""
    if not settings.upstream.url and (not settings.routes or any(not route.origin for route in settings.routes)):
        yield Contradiction(("upstream", "url"), "", other=("routes",))
    if settings.server.workers > 1 and not settings.redis.url:
        yield Contradiction(
            ("server", "workers"),
            "1 where redis.url is empty",
            "without Redis, a purge reaches one process and each fetches for itself",
            ("redis", "url"),
        )
    yield from _of_redis(settings.redis)
    yield from _of_tls(settings.server.tls)
    yield from _of_server(settings)
    if settings.tracing.ratio and not settings.tracing.spans:
        yield Contradiction(("tracing", "ratio"), "0 where tracing.spans is false", "", ("tracing", "spans"))
    if settings.cache.max_object_bytes > settings.cache.memory.max_bytes:
        yield _larger_than_memory(("cache", "max_object_bytes"), settings)
    yield from _of_origin(("upstream",), settings.upstream)
    for name, origin in settings.origins.items():
        if not origin.url:
            yield Contradiction(("origins", name, "url"), "")
        yield from _of_origin(("origins", name), origin)
    yield from _of_routes(settings)
    yield from _of_slots(settings)


def _of_tls(tls: Tls) -> Iterator[Contradiction]:
    files = ("server", "tls", "certificates")
    if tls.keys and len(tls.keys) != len(tls.certificates):
        wish = f"one for each of server.tls.certificates ({len(tls.certificates)}), or none"
        yield Contradiction(("server", "tls", "keys"), wish, other=files)
    if len(set(tls.certificates)) != len(tls.certificates):
        yield Contradiction(files, "each file once")
    if tls.client_ca and not tls.certificates:
        yield Contradiction(files, "", other=("server", "tls", "client_ca"))


def _of_server(settings: Settings) -> Iterator[Contradiction]:
    if 0 < settings.server.watchdog < 0.5:
        yield Contradiction(("server", "watchdog"), "0, or >= 0.5 seconds", "the pulse is looked at ten times a second")
    least = settings.cache.memory.max_bytes * 6 // 5 + (64 << 20)
    if 0 < settings.server.max_rss < least:
        yield Contradiction(
            ("server", "max_rss"),
            f">= {least} bytes",
            "a worker whose cache.memory.max_bytes is full would be replaced for it",
            ("cache", "memory", "max_bytes"),
        )


def _of_origin(path: tuple[str | int, ...], origin: Upstream) -> Iterator[Contradiction]:
    if origin.breaker.cooldown_max < origin.breaker.cooldown:
        yield Contradiction(
            (*path, "breaker", "cooldown_max"),
            f">= cooldown ({origin.breaker.cooldown} seconds)",
            "",
            (*path, "breaker", "cooldown"),
        )
    seen = {origin.url: "url"}
    for index, server in enumerate(origin.servers):
        if not server:
            yield Contradiction((*path, "servers", index), "http://HOST[:PORT] or https://HOST[:PORT]")
        elif not origin.url:
            yield Contradiction((*path, "url"), "the first server, when there are servers", other=(*path, "servers"))
            return
        elif (first := seen.setdefault(server, f"servers[{index}]")) != f"servers[{index}]":
            yield Contradiction((*path, "servers", index), f"another server than {first}")


def _of_redis(redis: Redis) -> Iterator[Contradiction]:
    scheme, _, place = redis.url.partition("://")
    hosts, _, database = place.partition("/")
    url = ("redis", "url")
    if not redis.url:
        for name in ("sentinels", "cluster"):
            if getattr(redis, name):
                yield Contradiction(url, "", other=("redis", name))
        return
    if redis.sentinels and redis.cluster:
        yield Contradiction(("redis", "cluster"), "false where redis.sentinels are named", other=("redis", "sentinels"))
    elif redis.sentinels and re.search(r"[,:]", hosts):
        wish = f"{scheme}://SERVICE[/DATABASE]"
        yield Contradiction(url, wish, "the sentinels know where the service is", ("redis", "sentinels"))
    elif redis.cluster and int(database or 0):
        yield Contradiction(url, "no database but 0", "a Redis Cluster has no other", ("redis", "cluster"))
    elif "," in hosts and not redis.cluster:
        yield Contradiction(url, "one host", "several are for a Redis Cluster (redis.cluster)", ("redis", "cluster"))
    if scheme == "redis" and (named := [name for name in ("tls_ca_file", "tls_cert_file") if getattr(redis, name)]):
        yield Contradiction(url, "rediss://…", f"redis.{named[0]} is set, and redis:// speaks without TLS", ("redis", named[0]))
    if redis.tls_key_file and not redis.tls_cert_file:
        yield Contradiction(("redis", "tls_cert_file"), "", other=("redis", "tls_key_file"))
    for who in ("", "sentinel_"):
        if getattr(redis, f"{who}username") and getattr(redis, f"{who}password") is None:
            yield Contradiction(("redis", f"{who}password"), "", other=("redis", f"{who}username"))


def _of_routes(settings: Settings) -> Iterator[Contradiction]:
    names: dict[str, int] = {}
    places: dict[tuple[str, str], int] = {}
    for index, route in enumerate(settings.routes):
        if route.origin and route.origin not in settings.origins:
            known = ", ".join(repr(name) for name in settings.origins) or "none"
            yield Contradiction(("routes", index, "origin"), f"a name in origins ({known})", other=("origins",))
        if (first := names.setdefault(route.name, index)) != index:
            yield Contradiction(("routes", index, "name"), f"a name of its own: routes[{first}] has it already")
        if (first := places.setdefault((route.host, route.path), index)) != index:
            yield Contradiction(("routes", index, "path"), f"another host or path than routes[{first}]")
        if route.cache.max_object_bytes is not None and route.cache.max_object_bytes > settings.cache.memory.max_bytes:
            yield _larger_than_memory(("routes", index, "cache", "max_object_bytes"), settings)


def _of_slots(settings: Settings) -> Iterator[Contradiction]:
    if settings.slots and not settings.templates.directory:
        yield Contradiction(("templates", "directory"), "")
    for name, slot in settings.slots.items():
        path = ("slots", name)
        if not slot.template:
            yield Contradiction((*path, "template"), "")
        for objection in objections(scope=slot.scope, lifetime=slot.lifetime, needs=slot.needs, audience=slot.audience):
            yield Contradiction((*path, objection.name), objection.wish, objection.because, (*path, objection.other))


def _larger_than_memory(path: tuple[str | int, ...], settings: Settings) -> Contradiction:
    """An object that fits nowhere would push out everything and still not be stored."""
    limit = ("cache", "memory", "max_bytes")
    return Contradiction(path, f"<= cache.memory.max_bytes ({settings.cache.memory.max_bytes} bytes)", other=limit)
