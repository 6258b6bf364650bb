"""Everything that can be set: one typed tree, read once at start and handed down as plain values.

    weft.toml  <  environment WEFT_CACHE__MEMORY__MAX_BYTES  <  flags          nothing else

`origins`, `caching`, `redis`, `assembly`, `slots`, `edge`, `overload` hold the sections, `tree` the whole and what its leaves may not say together; `units` the kinds of value;
`shape` looks at the tree from outside. `layers` reads the three places, `loading` joins them, `faults` words what was wrong.
`documents` writes docs/settings.md and the JSON schema. Only app.py and the commands read settings: below, there are arguments.
"""

from __future__ import annotations

from gateway.settings.assembly import Esi, EsiOverrides
from gateway.settings.caching import Cache, CacheOverrides, Compress, Memory, Query, Route, Store
from gateway.settings.edge import Admin, Debug, Limits, Log, Metrics, Proxy, Purge, Server, Tls
from gateway.settings.loading import Loaded, load, read
from gateway.settings.origins import Breaker, Health, Upstream
from gateway.settings.overload import Overload, RateLimit
from gateway.settings.redis import Redis, RedisCache, RedisPurges
from gateway.settings.tracing import Tracing
from gateway.settings.tree import Settings
from gateway.settings.units import Network, Secret

__all__ = [
    "Admin",
    "Breaker",
    "Cache",
    "CacheOverrides",
    "Compress",
    "Debug",
    "Esi",
    "EsiOverrides",
    "Health",
    "Limits",
    "Loaded",
    "Log",
    "Memory",
    "Metrics",
    "Network",
    "Overload",
    "Proxy",
    "Purge",
    "Query",
    "RateLimit",
    "Redis",
    "RedisCache",
    "RedisPurges",
    "Route",
    "Secret",
    "Server",
    "Settings",
    "Store",
    "Tls",
    "Tracing",
    "Upstream",
    "load",
    "read",
]
