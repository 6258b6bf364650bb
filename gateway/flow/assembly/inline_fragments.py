"""Fragments that stand in a page and may be asked for by themselves: `<esi:inline name="/menu" fetchable="yes">`. ESI 1.0 §3.2. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from fragments.esi.program import Program
from gateway.cache.entry import Entry
from gateway.cache.policy import Stored
from gateway.flow.assembly.inclusion import NotIncluded, find_destination
from gateway.flow.routes import Route

__all__ = ["inline_entries"]

_KEPT = frozenset({b"content-type", b"cache-control", b"expires", b"date", b"vary", b"content-language"})


def inline_entries(page: Entry, terms: Stored, route: Route, stamp: int) -> Iterator[Entry]:
    """What to store besides the page: each fragment under its own URL, on the page's terms and with its tags.

    Only on the page's own host and route: a page has no say over others. stamp: the purge ledger's sequence when the page's fetch began.
    """
    program = page.program
    assert isinstance(program, Program)
    scheme, host, target = page.key
    for fragment in program.inlines.values():
        if not fragment.fetchable:
            continue
        try:
            place = find_destination(fragment.name, scheme, host, target, frozenset())
        except NotIncluded:
            continue  # a name that is no URL of ours: for this page's own includes only
        if place.guest or place.host != host or not route.takes(place.host, place.target):
            continue
        key = (scheme, host, route.query.apply(place.target) if route.query.changes else place.target)
        fields = [field for field in page.fields() if field[0] in _KEPT]
        yield Entry(key, page.route, 200, fields, fragment.text, terms, nominated=page.nominated, tags=page.tags, stamp=stamp)
