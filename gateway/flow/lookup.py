"""What is stored for a request, after purges have had their say. RFC 9111 §4, §4.1."""

from __future__ import annotations

from gateway.cache.entry import Entry
from gateway.cache.plan import Plan, plan
from gateway.cache.purges import Ledger, Verdict
from gateway.cache.store import Shelf, Store
from gateway.flow.recognise import Visit, selecting_values
from gateway.semantics.message import first
from gateway.semantics.negotiation import best_language

__all__ = ["Lookup"]


class Lookup:
    """soft_grace: seconds for which what a soft purge has hit may still be served."""

    def __init__(self, store: Store, ledger: Ledger, soft_grace: float) -> None:
        self.store = store
        self.ledger = ledger
        self.soft_grace = soft_grace

    def select(self, shelf: Shelf | None, visit: Visit, now: float) -> Entry | None:
        """The stored response that suits the request, still wanted; the newest when several do. RFC 9111 §4.1."""
        if shelf is None:
            return None
        best = None
        for names, group in list(shelf.groups.items()):
            values = selecting_values(names, visit.request, visit.route)
            entry = group.get(values)
            if entry is None and b"accept-language" in names:
                entry = _in_best_language(group, names, visit)
            if entry is not None and self.is_wanted(entry, now) and (best is None or entry.date > best.date):
                best = entry
        return best

    def is_wanted(self, entry: Entry, now: float) -> bool:
        """Whether purges since the last look have left it alone; a hard one removes it, a soft one makes it stale."""
        if entry.checked == self.ledger.sequence:
            return True
        verdict = self.ledger.verdict(entry)
        if verdict is Verdict.HARD:
            self.store.drop(entry)
            return False
        if verdict is Verdict.SOFT:
            entry.soften(now, self.soft_grace)
        return True

    def look(self, visit: Visit, now: float) -> tuple[Entry | None, Plan]:
        """Lookup and plan, as `answer` and `weft explain` use them."""
        shelf = self.store.shelf(visit.key)
        entry = self.select(shelf, visit, now)
        others = entry is None and shelf is not None and bool(shelf.groups)  # a purge may just have emptied it
        return entry, plan(entry, visit.ask, now, others=others)


def _in_best_language(group: dict[tuple[bytes | None, ...], Entry], names: tuple[bytes, ...], visit: Visit) -> Entry | None:
    """A stored response in the one language that the client puts first, everything else being equal.

    The origin has shown that it has that language; it would choose it again. RFC 9111 §4.1 with RFC 9110 §12.5.4.
    """
    best = best_language(first(visit.request.fields, b"accept-language"))
    if best is None:
        return None
    place = names.index(b"accept-language")
    wanted = selecting_values(names, visit.request, visit.route)
    for nominated, entry in group.items():
        same = nominated[:place] == wanted[:place] and nominated[place + 1 :] == wanted[place + 1 :]
        if same and entry.language is not None and entry.language.lower() == best:
            return entry
    return None
