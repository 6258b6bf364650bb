"""Figures that somebody else keeps, read at scrape time: names, helps and labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TypeAlias

from gateway.cache.memory_store import MemoryStore
from gateway.composition.sharing import Sharing
from gateway.flow.assembly.loom import Loom
from gateway.flow.forward import Forwarder
from gateway.flow.purging import Purger
from gateway.flow.second_level import SecondLevel
from gateway.live.redis_bus import RedisBus
from gateway.upstream.balance import BalancedOrigin
from gateway.upstream.health import GuardedOrigin

__all__ = [
    "UP_AND_DOWN",
    "Figure",
    "counted_of_server",
    "figures_of_cache",
    "figures_of_origins",
    "figures_of_pages",
    "figures_of_sharing",
    "own_version",
]

Figure: TypeAlias = tuple[str, str, dict[str, str], float, str]
"""(name, help, labels, value, kind), as gateway/telemetry/metrics.py takes them."""

UP_AND_DOWN = frozenset({"connections_open", "connections_idle", "waiting", "state", "members", "available"})
"""Which of an origin's counters are gauges."""

_OF_THE_SAME = {"state": "max", "members": "max", "available": "min"}
"""Which of those are no parts of a sum: every process has its own view of the same origin, and the worst one counts."""


def own_version() -> str:
    """That of the installed distribution."""
    try:
        return version("weft-gateway")
    except PackageNotFoundError:
        return "unknown"


def figures_of_cache(store: MemoryStore, forwarder: Forwarder, purger: Purger) -> Iterator[Figure]:
    """What is stored, and what became of those who asked for what isn't."""
    yield "weft_cache_objects", "Stored responses.", {"tier": "memory"}, len(store), "gauge"
    yield "weft_cache_bytes", "What they cost together.", {"tier": "memory"}, store.used_bytes, "gauge"
    yield "weft_cache_max_bytes", "What they may cost together.", {"tier": "memory"}, store.max_bytes, "gauge"
    evictions = "Stored responses that made room for others."
    yield "weft_cache_evictions", evictions, {"tier": "memory"}, store.evictions, "counter"
    yield "weft_cache_collapsed", "Requests that waited for somebody else's fetch.", {}, forwarder.collapsed, "counter"
    yield "weft_origin_requests", "Requests sent to origins.", {}, forwarder.origin_requests, "counter"
    for kind, count in purger.purges.items():
        yield "weft_purges", "Purges applied, by kind.", {"kind": kind}, count, "counter"


def figures_of_sharing(sharing: Sharing, level2: SecondLevel | None) -> Iterator[Figure]:
    """Redis, and what goes through it; nothing where there is none."""
    link, bus, tier = sharing.link, sharing.bus, sharing.tier
    if link is None:
        return
    for counter, value in link.counters().items():
        if counter.startswith("trouble_"):
            kind = counter.removeprefix("trouble_")
            yield "weft_redis_errors", "Exchanges with Redis that failed, by reason.", {"reason": kind}, value, "counter"
        else:
            yield f"weft_redis_{counter}", "See docs/redis.md.", {}, value, "min" if counter in {"up", "servers"} else "counter"
    yield "weft_bus_live", "1 while purges of other processes are heard.", {}, float(bus.is_live), "min"
    if isinstance(bus, RedisBus):
        yield "weft_bus_pending", "Purges that wait for Redis to be back.", {}, bus.pending, "gauge"
        yield "weft_bus_gaps", "Times that purges were missed, so that everything was dropped.", {}, bus.gaps, "counter"
        yield "weft_bus_begun_anew", "Times that the log of purges was gone.", {}, bus.begun_anew, "counter"
    if tier is None or level2 is None:
        return
    for outcome, count in level2.outcomes.items():
        yield "weft_level2_lookups", "What came of looking into level 2.", {"outcome": outcome}, count, "counter"
    yield "weft_level2_written", "Writes to level 2.", {}, tier.written, "counter"
    yield "weft_level2_dropped", "Writes that failed, or had no room to wait.", {}, tier.dropped, "counter"
    yield (
        "weft_level2_foreign",
        "Values that were of no use: foreign, damaged, or too old to be judged.",
        {},
        tier.foreign,
        "counter",
    )
    yield "weft_level2_pending_bytes", "What waits to be written.", {}, tier.pending_bytes, "gauge"


def figures_of_pages(loom: Loom) -> Iterator[Figure]:
    """What became of pages made of pieces."""
    yield "weft_esi_pages", "Pages assembled from pieces.", {}, loom.pages, "counter"
    yield "weft_esi_raw_tags", "ESI tags in pages that were not assembled.", {}, loom.raw_tags, "counter"
    for outcome, count in list(loom.outcomes.items()):
        yield "weft_esi_includes", "Places in pages, by what they came to.", {"outcome": outcome}, count, "counter"
    for code, count in list(loom.problems.items()):
        yield "weft_esi_problems", "Faults of pages' markup, by code.", {"code": code}, count, "counter"


def figures_of_origins(
    origins: Mapping[str, GuardedOrigin | BalancedOrigin], past_of: Callable[[str, str], Mapping[str, int]]
) -> Iterator[Figure]:
    """How each origin does. past_of: what those before it of the same name have counted; given a server too, what those of that origin."""
    for name, origin in origins.items():
        labels = {"origin": name}
        yield "weft_origin_up", "1 while the origin is asked.", labels, float(origin.is_available()), "min"
        counted = Counter(past_of(name, ""))
        counted.update(origin.counters())
        for counter, value in counted.items():
            if counter.startswith("failure_"):
                reason = counter.removeprefix("failure_")
                yield "weft_origin_failures", "Exchanges that failed, by reason.", {**labels, "reason": reason}, value, "counter"
            else:
                kind = _OF_THE_SAME.get(counter, "gauge") if counter in UP_AND_DOWN else "counter"
                yield f"weft_origin_{counter}", "See docs/metrics.md.", labels, value, kind
        if isinstance(origin, BalancedOrigin):
            for server in origin.members:
                yield from _figures_of_server(name, server, past_of(name, server.name))


def _figures_of_server(name: str, server: GuardedOrigin, past: Mapping[str, int]) -> Iterator[Figure]:
    """How one of several servers does; its name comes from the settings."""
    labels = {"origin": name, "server": server.name}
    exchanges, failures = (counted_of_server(server)[word] + past.get(word, 0) for word in ("exchanges", "failures"))
    yield "weft_server_up", "1 while the server is asked.", labels, float(server.is_available()), "min"
    yield "weft_server_exchanges", "Exchanges with the server.", labels, exchanges, "counter"
    yield "weft_server_failures", "Exchanges that failed, an answer of 5xx included.", labels, failures, "counter"


def counted_of_server(server: GuardedOrigin) -> dict[str, int]:
    """What is told of each of several servers, and only goes up."""
    return {"exchanges": server.exchanges, "failures": sum(server.failures.values())}
