"""Compressed copies that are too large to be made in between: by a thread, while others get the plain form."""

from __future__ import annotations

import asyncio

from gateway.cache.entry import Entry
from gateway.cache.store import Store
from gateway.flow.deliver import MAX_INLINE, compress
from gateway.flow.recognise import Visit
from gateway.flow.routes import Route
from gateway.semantics.message import first, joined
from gateway.semantics.negotiation import preferred_coding

__all__ = ["Packing"]


class Packing:
    """One for the process."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._codings: dict[tuple[Route, bytes | None], bytes | None] = {}
        self._packing: set[tuple[int, bytes]] = set()

    def lacks_large_copy(self, entry: Entry, visit: Visit) -> bytes | None:
        """The coding of a compressed copy that this request wants, that is not made yet, and that is too large to make in between."""
        if not entry.transform or len(entry.body) <= MAX_INLINE or first(visit.request.fields, b"range") is not None:
            return None
        coding = self._coding(visit.route, joined(visit.request.fields, b"accept-encoding"))
        return coding if coding is not None and coding not in entry.codings else None

    async def pack(self, entry: Entry, visit: Visit) -> None:
        """Make a large compressed copy in a thread; who asks meanwhile gets the plain form."""
        coding = self.lacks_large_copy(entry, visit)
        if coding is None or (id(entry), coding) in self._packing:
            return
        self._packing.add((id(entry), coding))
        try:
            copy = await asyncio.to_thread(compress, entry.body, coding, visit.route.compression)
        finally:
            self._packing.discard((id(entry), coding))
        entry.codings[coding] = copy
        if copy is not None:
            self.store.grow(entry, len(copy))

    def _coding(self, route: Route, accept: bytes | None) -> bytes | None:
        """preferred_coding, remembered: browsers send a handful of values."""
        name = (route, accept)
        try:
            return self._codings[name]
        except KeyError:
            if len(self._codings) > 10_000:
                self._codings.clear()
            coding = self._codings[name] = preferred_coding(accept, route.compression.codings)
            return coding
