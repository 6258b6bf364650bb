"""Answers that are kept as they were sent, for who asks for the same within the same second: what the hot lane sends."""

from __future__ import annotations

from gateway.cache.entry import Entry
from gateway.flow.recognise import Visit
from gateway.flow.response import Response
from gateway.semantics.message import joined

__all__ = ["Rendered"]

_SPELLINGS = 16
"""Values of Accept-Encoding for which an answer is kept: browsers send a handful, and others need not fill our memory."""


class Rendered:
    """Who may have some: entries that keep answers of `second`. It is in nobody's account of memory, so it goes when the second is over."""

    __slots__ = ("_entries", "_retired", "_second")

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._second = -1
        self._retired = False

    def remember(self, entry: Entry, visit: Visit, response: Response, now: float) -> None:
        """Keep response with entry for the rest of this second, and what was kept in an earlier one no longer. now: epoch seconds."""
        if self._retired:
            return
        second = int(now)
        if second != self._second:
            self._forget()
            self._second = second
        response.facts.owns_target = not visit.route.query.changes
        if entry.ready_second != second:
            entry.ready_second = second
            entry.ready = {}
            self._entries.append(entry)
        accept = joined(visit.request.fields, b"accept-encoding") if entry.transform else None
        if len(entry.ready) < _SPELLINGS:
            entry.ready[accept] = response

    def retire(self) -> None:
        """Other rules hold from now on: nothing that was made by those of before is kept."""
        self._retired = True
        self._forget()

    def _forget(self) -> None:
        for entry in self._entries:
            entry.ready, entry.ready_second = None, -1
        self._entries.clear()
