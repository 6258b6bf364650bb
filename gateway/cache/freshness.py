"""How old a response is, how long it stays fresh, and how long it may be served stale (RFC 9111 §4.2, RFC 5861)."""

from __future__ import annotations

from enum import Enum
from functools import lru_cache

from gateway.cache.targeted import Directives
from gateway.semantics.cache_control import MAX_DELTA, parse_delta
from gateway.semantics.dates import parse_date
from gateway.semantics.message import Section

__all__ = [
    "HEURISTIC_STATUS",
    "CachePolicy",
    "LifetimeSource",
    "StaleWindows",
    "find_lifetime",
    "freshness_lifetime",
    "initial_age",
    "is_explicit",
    "stale_windows",
]

HEURISTIC_STATUS = frozenset({200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501})
"""Status codes defined as heuristically cacheable. RFC 9110 §15.1."""


class CachePolicy:
    """The site's own wishes where a response leaves room; one per route, made from the settings `cache.*`.

    Lifetimes in seconds. See docs/settings.md for each.
    """

    __slots__ = (
        "default_ttl",
        "heuristic_fraction",
        "heuristic_max",
        "max_object_bytes",
        "request_directives",
        "stale_if_error",
        "stale_while_revalidate",
        "store_cookies",
        "surrogate_control",
        "tag_bytes",
        "tag_fields",
        "targeted_fields",
        "uncacheable_ttl",
    )

    def __init__(
        self,
        *,
        default_ttl: float = 0.0,
        heuristic_fraction: float = 0.1,
        heuristic_max: float = 86_400.0,
        stale_while_revalidate: float = 0.0,
        stale_if_error: float = 86_400.0,
        max_object_bytes: int = 16 << 20,
        store_cookies: bool = False,
        request_directives: bool = True,
        targeted_fields: tuple[bytes, ...] = (b"weft-cache-control", b"cdn-cache-control"),
        surrogate_control: bool = True,
        tag_fields: tuple[bytes, ...] = (b"surrogate-key", b"cache-tag"),
        tag_bytes: int = 16_384,
        uncacheable_ttl: float = 120.0,
    ) -> None:
        self.default_ttl = default_ttl
        self.heuristic_fraction = heuristic_fraction
        self.heuristic_max = heuristic_max
        self.stale_while_revalidate = stale_while_revalidate
        self.stale_if_error = stale_if_error
        self.max_object_bytes = max_object_bytes
        self.store_cookies = store_cookies
        self.request_directives = request_directives
        self.targeted_fields = targeted_fields
        self.surrogate_control = surrogate_control
        self.tag_fields = tag_fields
        self.tag_bytes = tag_bytes
        self.uncacheable_ttl = uncacheable_ttl


def initial_age(said: Section, request_time: float, response_time: float) -> tuple[float, float]:
    """(corrected initial age in seconds, Date as epoch seconds). RFC 9111 §4.2.3.

    A missing or unreadable Date counts as the moment of arrival; of several Age values the first counts, an unreadable one is ignored (§5.1).
    """
    date = parse_date(said.get(b"date"), response_time)
    if date is None:
        date = response_time
    value = said.get(b"age")
    age_value = (parse_delta(value.partition(b",")[0].strip(b" \t").decode("latin-1")) or 0) if value else 0
    apparent = max(0.0, response_time - date)
    return max(apparent, age_value + (response_time - request_time)), date


def is_explicit(directives: Directives, said: Section) -> bool:
    """The response itself states how long it is fresh."""
    numbers = directives.numbers
    return "max-age" in numbers or "s-maxage" in numbers or (not directives.targeted and b"expires" in said)


class LifetimeSource(Enum):
    """Where a freshness lifetime comes from; the value is the word for people."""

    S_MAXAGE = "s-maxage"
    MAX_AGE = "max-age"
    EXPIRES = "expires"
    STATUS = "status"
    HEURISTIC = "heuristic"
    DEFAULT = "default"


def freshness_lifetime(status: int, said: Section, directives: Directives, date: float, policy: CachePolicy) -> float:
    """Seconds from its generation for which the response is fresh; 0 when it never is. RFC 9111 §4.2.1, §4.2.2.

    date: epoch seconds of Date, as initial_age has it.
    """
    return find_lifetime(status, said, directives, date, policy)[0]


def find_lifetime(
    status: int, said: Section, directives: Directives, date: float, policy: CachePolicy
) -> tuple[float, LifetimeSource]:
    """(freshness lifetime, where it comes from). STATUS: nothing is said, and a guess is not allowed for that status."""
    numbers = directives.numbers
    if "s-maxage" in numbers:
        return float(numbers["s-maxage"]), LifetimeSource.S_MAXAGE
    if "max-age" in numbers:
        return float(numbers["max-age"]), LifetimeSource.MAX_AGE
    if not directives.targeted and (expires := said.get(b"expires")) is not None:
        expiry = parse_date(expires, date)
        return 0.0 if expiry is None else min(max(0.0, expiry - date), float(MAX_DELTA)), LifetimeSource.EXPIRES
    if status not in HEURISTIC_STATUS and "public" not in directives.flags:
        return 0.0, LifetimeSource.STATUS
    modified = parse_date(said.get(b"last-modified"), date)
    if modified is not None and modified < date:
        return min((date - modified) * policy.heuristic_fraction, policy.heuristic_max), LifetimeSource.HEURISTIC
    return policy.default_ttl, LifetimeSource.DEFAULT


class StaleWindows:
    """Seconds past freshness in which a response may still be served: while it is revalidated, when the origin fails, on a client's wish."""

    __slots__ = ("if_error", "on_request", "while_revalidate")

    def __init__(self, while_revalidate: float, if_error: float, *, on_request: bool) -> None:
        self.while_revalidate = while_revalidate
        self.if_error = if_error
        self.on_request = on_request


@lru_cache(maxsize=512)
def stale_windows(directives: Directives, policy: CachePolicy) -> StaleWindows:
    """RFC 9111 §4.2.4 with RFC 5861. must-revalidate, proxy-revalidate and no-cache forbid; s-maxage forbids what the response does not allow itself.

    s-maxage implies proxy-revalidate (§5.2.2.10), yet `s-maxage=60, stale-while-revalidate=600` is what origins write when they mean
    just that, and every CDN takes it so: an explicit window wins over the implied prohibition, a default of ours does not.

    What is returned may be shared, as directives are.
    """
    numbers, flags = directives.numbers, directives.flags
    if flags & {"must-revalidate", "proxy-revalidate", "no-cache"}:
        return StaleWindows(0.0, 0.0, on_request=False)
    implied = "s-maxage" in numbers and not directives.targeted
    return StaleWindows(
        float(numbers.get("stale-while-revalidate", 0.0 if implied else policy.stale_while_revalidate)),
        float(numbers.get("stale-if-error", 0.0 if implied else policy.stale_if_error)),
        on_request=not implied,
    )
