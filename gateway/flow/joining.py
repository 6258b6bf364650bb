"""May what somebody else asked for answer this request too? RFC 9111 §4, asked before anything is stored. Pure."""

from __future__ import annotations

from gateway.cache.entry import Entry
from gateway.cache.purges import Ledger
from gateway.flow.landing import Filling
from gateway.flow.recognise import Visit, selecting_values
from gateway.semantics.conditional import may_use_range
from gateway.semantics.message import first

__all__ = ["may_share", "suits"]


def may_share(visit: Visit, filling: Filling, ledger: Ledger, stamp: int, now: float) -> bool:
    """Whether a response that is on its way may: fresh, of the same variant, and not purged since its fetch began at stamp. now: epoch seconds."""
    terms, ask = filling.terms, visit.ask
    if terms.validate or terms.lifetime <= now - terms.born or ask.no_cache or (ask.authorized and not terms.shared):
        return False
    if ledger.is_hit(visit.key, visit.route.name, filling.tags, stamp):
        return False
    if filling.extent is not None:
        etag, modified = first(filling.fields, b"etag"), first(filling.fields, b"last-modified")
        if not may_use_range(first(visit.request.fields, b"if-range"), etag, modified, now):
            return False
    return selecting_values(terms.vary, visit.request, visit.route) == filling.nominated


def suits(visit: Visit, entry: Entry, ledger: Ledger, stamp: int) -> bool:
    """Whether a stored response may that the origin has just confirmed, in a fetch that began at stamp."""
    if visit.ask.authorized and not entry.shared:
        return False
    if entry.validate and not entry.stale_on_request:
        return False  # confirmed for one request only
    if ledger.is_hit(visit.key, visit.route.name, entry.tags, stamp):
        return False
    return selecting_values(entry.vary, visit.request, visit.route) == entry.nominated
