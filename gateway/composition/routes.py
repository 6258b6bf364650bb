"""`[[routes]]`, `[cache]`, `[query]`, `[esi]`: what holds for which part of the site."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.cache.freshness import CachePolicy
from gateway.cache.key import QueryRule
from gateway.flow.assembly.rules import EsiRules
from gateway.flow.routes import Compression, Route
from gateway.settings import Settings
from gateway.settings.assembly import Esi
from gateway.settings.caching import Cache, Query
from gateway.settings.caching import Route as RouteSettings
from gateway.upstream.origin import Origin

__all__ = ["build_esi", "build_policy", "build_route", "with_catch_all"]


def with_catch_all(settings: Settings) -> list[RouteSettings | None]:
    """The configured routes, and the one for what none of them takes, when there is an origin for it."""
    routes: list[RouteSettings | None] = list(settings.routes)
    if settings.upstream.url and not any(route.host == "" and route.path == "/" for route in settings.routes):
        routes.append(None)
    return routes


def build_route(settings: Settings, route: RouteSettings | None, origins: Mapping[str, Origin]) -> Route:
    """A part of the site; None: what no configured route takes."""
    cache, query, origin = settings.cache_of(route), settings.query_of(route), settings.origin_of(route)
    name = (route.origin if route is not None else "") or "upstream"
    return Route(
        route.name if route is not None else "default",
        origins[name],
        build_policy(cache),
        build_compression(cache),
        origin_name=name,
        host=route.host if route is not None else "",
        path=route.path if route is not None else "/",
        query=build_query(query),
        bypass=cache.mode == "bypass",
        languages=cache.languages,
        host_header=origin.host_header,
        authority=origin.url.partition("://")[2],
        stale_wait=cache.stale_wait,
        collapse_timeout=cache.collapse_timeout,
        esi=build_esi(settings.esi_of(route)),
    )


def build_esi(esi: Esi) -> EsiRules:
    """The rules of assembly."""
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


def build_query(query: Query) -> QueryRule:
    return QueryRule(query.mode, query.names, sort=query.sort)


def build_policy(cache: Cache) -> CachePolicy:
    """What is stored and for how long."""
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


def build_compression(cache: Cache) -> Compression:
    compress = cache.compress
    codings = [coding.encode("ascii") for coding in compress.codings] if compress.enabled else []
    return Compression(
        codings, {b"gzip": compress.gzip, b"br": compress.br, b"zstd": compress.zstd}, compress.types, compress.min_bytes
    )
