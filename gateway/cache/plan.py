"""What to do with a request, given what is stored (RFC 9111 §4). A pure decision: nothing here fetches, stores or waits.

ask     what the request allows (its Cache-Control, its method)
plan()  ──▶ Reuse | Forward | Refuse
"""

from __future__ import annotations

from enum import Enum

from gateway.cache.entry import Entry
from gateway.semantics.cache_control import MAX_DELTA, parse_cache_control, parse_delta
from gateway.semantics.message import Section

__all__ = ["NO_WISHES", "Ask", "Forward", "ForwardReason", "Plan", "Refuse", "Reuse", "parse_ask", "plan"]


class ForwardReason(Enum):
    """Why a request goes to the origin: the tokens of RFC 9211 §2.2."""

    BYPASS = "bypass"
    METHOD = "method"
    URI_MISS = "uri-miss"
    VARY_MISS = "vary-miss"
    REQUEST = "request"
    STALE = "stale"
    PARTIAL = "partial"


class Ask:
    """What a request says about caches. RFC 9111 §5.2.1. Seconds; None where it says nothing."""

    __slots__ = ("authorized", "max_age", "max_stale", "min_fresh", "no_cache", "no_store", "only_if_cached")

    def __init__(self) -> None:
        self.max_age: int | None = None
        self.max_stale: int | None = None
        self.min_fresh: int | None = None
        self.no_cache = False
        self.no_store = False
        self.only_if_cached = False
        self.authorized = False


NO_WISHES = Ask()


def parse_ask(said: Section, *, obey: bool = True) -> Ask:
    """The wishes in request fields. obey False: the site does not let clients decide; only Authorization counts."""
    control = said.joined(b"cache-control") if obey else None
    pragma = said.get(b"pragma") if obey and control is None else None
    authorized = b"authorization" in said
    if control is None and pragma is None and not authorized:
        return NO_WISHES
    ask = Ask()
    ask.authorized = authorized
    if control is not None:
        directives = parse_cache_control(control)
        ask.no_cache = "no-cache" in directives
        ask.no_store = "no-store" in directives
        ask.only_if_cached = "only-if-cached" in directives
        ask.max_age = parse_delta(directives.get("max-age"))
        ask.min_fresh = parse_delta(directives.get("min-fresh"))
        if "max-stale" in directives:
            ask.max_stale = MAX_DELTA if directives["max-stale"] is None else parse_delta(directives["max-stale"])
    elif pragma is not None:
        ask.no_cache = b"no-cache" in pragma.lower()  # what HTTP/1.0 caches and browsers' reload send; deprecated by §5.4
    return ask


class Reuse:
    """Answer from entry. stale: it is, and may be used so. refresh: one request should renew it meanwhile."""

    __slots__ = ("entry", "refresh", "stale")

    def __init__(self, entry: Entry, *, stale: bool = False, refresh: bool = False) -> None:
        self.entry = entry
        self.stale = stale
        self.refresh = refresh


class Forward:
    """Ask the origin, conditionally when entry has a validator; entry may also serve if that fails."""

    __slots__ = ("entry", "reason")

    def __init__(self, reason: ForwardReason, entry: Entry | None = None) -> None:
        self.reason = reason
        self.entry = entry


class Refuse:
    """only-if-cached, and nothing to use: 504. RFC 9111 §5.2.1.7."""

    __slots__ = ()


Plan = Reuse | Forward | Refuse


def plan(entry: Entry | None, ask: Ask, now: float, *, others: bool = False) -> Plan:
    """The rules of RFC 9111 §4 in order.

    entry: the stored response that the request selects, None when there is none. others: something is stored under this key, but for
    other values of what `Vary` names. now: epoch seconds.
    """
    if entry is None:
        return _without(ask, ForwardReason.VARY_MISS if others else ForwardReason.URI_MISS)
    if ask.authorized and not entry.shared:
        # §3.5 speaks of storing; we don't answer a stranger's credentials with a guess either
        return _without(ask, ForwardReason.REQUEST)
    if ask.no_cache:
        return _without(ask, ForwardReason.REQUEST, entry)  # §5.2.1.4
    age = now - entry.born
    if ask.max_age is not None and age > ask.max_age and not _is_within(ask.max_stale, age - ask.max_age):
        return _without(ask, ForwardReason.REQUEST, entry)  # §5.2.1.1
    if now < entry.fresh_until:
        if ask.min_fresh is not None and entry.fresh_until - now < ask.min_fresh:
            return _without(ask, ForwardReason.REQUEST, entry)  # §5.2.1.3
        return Reuse(entry)
    return _plan_stale(entry, ask, now)


def _plan_stale(entry: Entry, ask: Ask, now: float) -> Plan:
    """What is no longer fresh. RFC 9111 §4.2.4."""
    if ask.min_fresh is not None or (ask.max_age is not None and ask.max_stale is None):
        return _without(ask, ForwardReason.STALE, entry)  # the client does not wish to receive a stale one. §5.2.1.1, §5.2.1.3
    if now < entry.stale_until:
        return Reuse(entry, stale=True, refresh=True)  # RFC 5861 §3
    if now < entry.retry_at and now < entry.stale_error_until:
        return Reuse(entry, stale=True)  # the origin failed a moment ago: RFC 5861 §4, without asking again at once
    if entry.stale_on_request and not entry.validate and _is_within(ask.max_stale, now - entry.fresh_until):
        return Reuse(entry, stale=True)  # §5.2.1.2
    return _without(ask, ForwardReason.STALE, entry)


def _is_within(limit: int | None, seconds: float) -> bool:
    return limit is not None and seconds <= limit


def _without(ask: Ask, reason: ForwardReason, entry: Entry | None = None) -> Plan:
    return Refuse() if ask.only_if_cached else Forward(reason, entry)
