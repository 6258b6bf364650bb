"""What the demo's live page sees of the gateway, and does to it: gateway.demo.console's Observatory, over the real thing.

It looks on as the account's watcher: figures that the page wants and Prometheus does not (served stale, revalidated) are counted here.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from heapq import nlargest
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from gateway.app import Gateway
from gateway.cache.key import Key
from gateway.flow.purge_target import Target
from gateway.listener.head import host_of
from gateway.telemetry.account import Story, Told
from gateway.telemetry.traces import Trace

__all__ = ["GatewayObservatory", "outcome_word"]

RECENT = 60
TAGS = 40
TRACES = 8
SAMPLES = 1_000
"""Answers of each kind whose times make the percentiles: enough for a p99, and sorted once a second."""

_KINDS = {
    "hit": "hits",
    "stale": "stale",
    "revalidated": "revalidated",
    "collapsed": "collapsed",
    "bypass": "bypass",
    "method": "bypass",
    "error": "errors",
    "refused": "errors",
}
"""Outcome word → figure; every other word counts as a miss. Each request counts once."""


def outcome_word(facts: Story) -> str:
    """One word for what happened: RFC 9211's, and four of our own where two of them together say more.

    stale: served though it was; revalidated: the origin said 304; expired: it sent a new one; collapsed: somebody else's fetch.
    """
    if facts.stale:
        return "stale"
    if facts.collapsed:
        return "collapsed"
    if facts.outcome in ("stale", "request") and facts.fwd_status == 304:
        return "revalidated"
    return "expired" if facts.outcome == "stale" else facts.outcome


class GatewayObservatory:
    """Observatory and Watcher of one gateway. Make it the gateway's `account.watcher`."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.figures: Counter[str] = Counter()
        self.recent: deque[dict[str, Any]] = deque(maxlen=RECENT)
        self.hits: deque[float] = deque(maxlen=SAMPLES)
        self.misses: deque[float] = deque(maxlen=SAMPLES)

    def see(self, method: bytes, target: bytes, told: Told, now: float, seconds: float, octets: int) -> None:
        """Watcher.see."""
        word = outcome_word(told.facts)
        kind = _KINDS.get(word, "misses")
        self.figures[kind] += 1
        if kind == "hits":
            self.hits.append(seconds)
        elif kind == "misses":
            self.misses.append(seconds)
        self.recent.appendleft(
            {
                "time": round(now, 3),
                "method": method.decode("latin-1"),
                "target": target.decode("latin-1"),
                "outcome": word,
                "status": told.status,
                "us": round(seconds * 1e6, 1),
                "bytes": octets,
            }
        )

    def snapshot(self) -> dict[str, Any]:
        """Observatory.snapshot."""
        gateway, figures = self.gateway, self.figures
        tags = nlargest(TAGS, gateway.store.tag_counts().items(), key=lambda pair: pair[1])
        kinds = ("hits", "misses", "stale", "revalidated", "collapsed", "bypass", "errors")
        return {
            "requests": figures.total(),
            **{kind: figures[kind] for kind in kinds},
            "entries": len(gateway.store),
            "bytes": gateway.store.used_bytes,
            "max_bytes": gateway.store.max_bytes,
            "origin_requests": gateway.forwarder.origin_requests,
            "uptime": round(monotonic() - gateway.started, 3),
            "latency_hit_us": _percentiles(self.hits),
            "latency_miss_us": _percentiles(self.misses),
            "tags": [{"tag": tag.decode("latin-1"), "entries": count} for tag, count in tags],
            "recent": list(self.recent),
            "woven": gateway.loom.pages,
            "includes": dict(gateway.loom.outcomes),
            "traces": [_in_short(trace) for trace in gateway.traces.recent[:TRACES]],
        }

    async def purge(
        self, *, tag: str | None = None, url: str | None = None, everything: bool = False, hard: bool = False
    ) -> dict[str, Any]:
        """Observatory.purge. A url without scheme and host means that path on every host for which something is stored."""
        targets: list[Target] = []
        if everything:
            targets = [("all", None)]
        elif tag is not None:
            targets = [("tag", tag.encode("latin-1", "replace"))]
        elif url is not None:
            targets = [("url", key) for key in self._keys(url)]
        purged = await self.gateway.purger.purge(*targets, hard=hard)
        return {"purged": purged.entries}

    def _keys(self, url: str) -> list[Key]:
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        target = path.encode("latin-1", "replace")
        key_of = self.gateway.purger.key_of
        if parts.netloc:
            scheme = parts.scheme.encode("latin-1", "replace")
            return [key_of(scheme, host_of(parts.netloc.encode("latin-1", "replace"), scheme), target)]
        held = {entry.key for entry in self.gateway.store.entries_under((b"", b"", target.partition(b"?")[0]))}
        return [key for key in held if key == key_of(key[0], key[1], target)]


def _in_short(trace: Trace) -> dict[str, Any]:
    page, *includes = trace.rows
    return {
        "id": trace.id,
        "url": page.url,
        "includes": len(includes),
        "without": sum(1 for row in includes if row.reason),
        "ms": round(page.seconds * 1000, 3),
    }


def _percentiles(samples: Sequence[float]) -> dict[str, float]:
    """p50 and p99 in microseconds, by nearest rank; 0 while there are none."""
    ranked = sorted(samples)
    if not ranked:
        return {"p50": 0, "p99": 0}
    last = len(ranked) - 1
    return {name: round(ranked[round(last * share)] * 1e6, 1) for name, share in (("p50", 0.5), ("p99", 0.99))}
