"""What is stored, for how long, under which key; and the routes that say otherwise for a part of the site."""

from __future__ import annotations

from typing import Literal

from gateway.settings.assembly import EsiOverrides
from gateway.settings.units import (
    Bytes,
    Count,
    FieldName,
    Glob,
    HostPattern,
    Language,
    MediaType,
    Name,
    PathPrefix,
    Ratio,
    Seconds,
    Section,
    Switch,
    leaf,
    same_as,
)

__all__ = ["Cache", "CacheOverrides", "Compress", "Memory", "Query", "Route", "Store"]

YEAR = 365 * 86400

CacheMode = Literal["standard", "bypass"]
Coding = Literal["zstd", "br", "gzip"]


class Compress(Section):
    """Stored responses are compressed once, when stored, not when served."""

    enabled: Switch = leaf(True, "Whether the gateway compresses what the origin sent uncompressed.")
    min_bytes: Bytes = leaf(1024, "Shorter bodies stay as they are.", unit="bytes", ge=0, le=2**30)
    types: tuple[MediaType, ...] = leaf(
        (
            "text/*",
            "application/javascript",
            "application/json",
            "application/ld+json",
            "application/manifest+json",
            "application/xml",
            "application/rss+xml",
            "application/atom+xml",
            "application/wasm",
            "image/svg+xml",
        ),
        "Media types that are worth compressing.",
    )
    codings: tuple[Coding, ...] = leaf(
        ("zstd", "br", "gzip"), "Content codings on offer, best first when a client accepts several alike."
    )
    gzip: Count = leaf(6, "gzip level.", ge=1, le=9)
    br: Count = leaf(5, "Brotli level. 11 takes a hundred times as long as 5.", ge=0, le=11)
    zstd: Count = leaf(3, "Zstandard level.", ge=1, le=19)


class Store(Section):
    """Where stored responses are kept."""

    kind: Literal["memory"] = leaf("memory", "The kind of store. This version has one: the memory of the process.")


class Memory(Section):
    """The store in this process's memory."""

    max_bytes: Bytes = leaf(
        256 * 2**20,
        "What all stored responses together may take, heads and bookkeeping included.",
        unit="bytes",
        ge=2**20,
        le=2**44,
    )
    max_variants: Count = leaf(
        64, "Variants (by Vary) kept of one URL; the one stored first goes first.", unit="variants", ge=1, le=10_000
    )


class Cache(Section):
    """What the gateway does where a response leaves it a choice. What a response says itself always goes first."""

    mode: CacheMode = leaf("standard", "standard follows RFC 9111 as a shared cache; bypass stores and reuses nothing.")
    default_ttl: Seconds = leaf(
        0.0,
        "Freshness lifetime of a cacheable response that says nothing about it. 0 leaves it to the heuristic.",
        unit="seconds",
        ge=0,
    )
    heuristic_fraction: Ratio = leaf(
        0.1,
        "Share of the time since Last-Modified for which a response that says nothing is fresh (RFC 9111 §4.2.2). 0 turns it off.",
        ge=0,
        le=1,
    )
    heuristic_max: Seconds = leaf(86400.0, "The heuristic's upper limit.", unit="seconds", ge=0, le=YEAR)
    stale_while_revalidate: Seconds = leaf(
        0.0,
        "How long past its lifetime a response that doesn't say may be served while one request refreshes it (RFC 5861 §3).",
        unit="seconds",
        ge=0,
        le=YEAR,
    )
    stale_if_error: Seconds = leaf(
        86400.0,
        "How long past its lifetime a response that doesn't say may be served when the origin fails (RFC 5861 §4).",
        unit="seconds",
        ge=0,
        le=YEAR,
    )
    max_object_bytes: Bytes = leaf(16 * 2**20, "Longer bodies are passed on without being stored.", unit="bytes", ge=0, le=2**40)
    uncacheable_ttl: Seconds = leaf(
        120.0,
        "How long it is remembered that a URL turned out uncacheable, so that requests for it are not made to wait for each other.",
        unit="seconds",
        ge=0,
        le=86400,
    )
    collapse_timeout: Seconds = leaf(
        30.0,
        "Longest wait for somebody else's fetch of the same response; then the request asks by itself.",
        unit="seconds",
        ge=0,
        le=3600,
    )
    targeted_fields: tuple[FieldName, ...] = leaf(
        ("weft-cache-control", "cdn-cache-control"),
        "Targeted cache-control fields that are obeyed, the first present one wins (RFC 9213).",
    )
    surrogate_control: Switch = leaf(True, "Whether Surrogate-Control is obeyed, after the targeted fields.")
    tag_fields: tuple[FieldName, ...] = leaf(("surrogate-key", "cache-tag"), "Response fields that carry tags for purging.")
    tag_bytes: Bytes = leaf(
        16384, "Longest tag field that is read; a response with a longer one is not stored.", unit="bytes", ge=0, le=2**20
    )
    languages: tuple[Language, ...] = leaf(
        (),
        "The site's languages, best first: Accept-Language is reduced to one of them in the key. Empty keys by the header as it came.",
    )
    store_cookies: Switch = leaf(
        False,
        "Whether a response with Set-Cookie may be stored, and the cookie given to all, even to a request that carried a cookie and "
        "without a word that it is meant for all (docs/decisions/0003-cookies.md).",
    )
    request_directives: Switch = leaf(
        True,
        "Whether a client's Cache-Control (no-cache, max-age, ...) is obeyed (RFC 9111 §5.2.1). Off keeps reloads off the origin.",
    )
    stale_wait: Seconds = leaf(
        1.0,
        "How long a renewal may take, content included, before it counts as failed for stale-if-error, so that a stored page does not wait for an origin that hangs.",
        unit="seconds",
        ge=0,
        le=3600,
    )
    compress: Compress = leaf(Compress(), "Compression of stored responses.")
    store: Store = leaf(Store(), "Which store.")
    memory: Memory = leaf(Memory(), "The memory store's bounds.")


class CacheOverrides(Section):
    """What one route says differently from `cache`. A name that is not set is as `cache` says."""

    mode: CacheMode | None = same_as(Cache, "mode")
    default_ttl: Seconds | None = same_as(Cache, "default_ttl")
    heuristic_fraction: Ratio | None = same_as(Cache, "heuristic_fraction")
    heuristic_max: Seconds | None = same_as(Cache, "heuristic_max")
    stale_while_revalidate: Seconds | None = same_as(Cache, "stale_while_revalidate")
    stale_if_error: Seconds | None = same_as(Cache, "stale_if_error")
    max_object_bytes: Bytes | None = same_as(Cache, "max_object_bytes")
    uncacheable_ttl: Seconds | None = same_as(Cache, "uncacheable_ttl")
    surrogate_control: Switch | None = same_as(Cache, "surrogate_control")
    languages: tuple[Language, ...] | None = same_as(Cache, "languages")
    store_cookies: Switch | None = same_as(Cache, "store_cookies")
    request_directives: Switch | None = same_as(Cache, "request_directives")
    stale_wait: Seconds | None = same_as(Cache, "stale_wait")

    def over(self, cache: Cache) -> Cache:
        """The route's cache settings: these where set, `cache` elsewhere."""
        return cache.model_copy(update=self.model_dump(exclude_none=True))


class Query(Section):
    """Which query parameters are part of the key and of what the origin is asked."""

    mode: Literal["all", "keep", "drop", "none"] = leaf(
        "all", "all leaves the query alone; keep takes only the named parameters, drop all but them, none removes the query."
    )
    names: tuple[Glob, ...] = leaf((), "Parameter names for keep and drop; * stands for any characters, as in utm_*.")
    sort: Switch = leaf(False, "Whether parameters are put in order of their names, so that a=1&b=2 and b=2&a=1 are one page.")


class Route(Section):
    """A part of the site with an origin or rules of its own. The longest path of the most exact host wins."""

    name: Name = leaf(..., "What logs, metrics and purges call this route.")
    host: HostPattern = leaf("", "Host it is for: exact, *.example.com for every subdomain, or empty for every host.")
    path: PathPrefix = leaf("/", "Path prefix it is for; /blog means /blog and what is below it, not /blogroll.")
    origin: str = leaf("", "Name in origins; empty means upstream.")
    cache: CacheOverrides = leaf(CacheOverrides(), "What this route says differently from cache.")
    esi: EsiOverrides = leaf(EsiOverrides(), "What this route says differently from esi.")
    query: Query | None = leaf(None, "Its query rules, in place of those of query.")
