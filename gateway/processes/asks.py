"""Questions over a channel, answered in any order, or not at all: nobody waits longer than for the time they gave. The parent's side; a worker's is in worker.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any

from gateway.processes.channel import Message
from gateway.processes.child import Child

__all__ = ["Asks"]

Replies = dict[Child, Message | None]
"""What each has said; None for who did not, in time."""


class _Round:
    """One question to several."""

    def __init__(self, children: Iterable[Child], deadline: float, then: Callable[[Replies], None]) -> None:
        self.open = set(children)
        self.replies: Replies = dict.fromkeys(self.open)
        self.deadline = deadline
        self.then = then


class Asks:
    """All questions that are open."""

    def __init__(self) -> None:
        self._rounds: dict[int, _Round] = {}
        self._count = 0

    def ask(
        self,
        children: Iterable[Child],
        what: str,
        then: Callable[[Replies], None],
        *,
        within: float,
        blob: bytes = b"",
        **words: Any,
    ) -> None:
        """Ask all of them; then: called once with their replies, at once when there is nobody."""
        self._count += 1
        number, asked = self._count, list(children)
        self._rounds[number] = _Round(asked, monotonic() + within, then)
        for child in asked:
            child.channel.send("ask", blob, id=number, what=what, **words)
        self._close(number)

    def hear(self, child: Child, message: Message) -> None:
        """A reply has come."""
        number = message.words["id"]
        asked = self._rounds.get(number)
        if asked is not None and child in asked.open:
            asked.open.discard(child)
            asked.replies[child] = message
            self._close(number)

    def lose(self, child: Child) -> None:
        """It is gone, and won't reply."""
        for number, asked in list(self._rounds.items()):
            asked.open.discard(child)
            self._close(number)

    def look(self, now: float) -> None:
        """Give up waiting where the time is over."""
        for number, asked in list(self._rounds.items()):
            if asked.deadline <= now:
                asked.open.clear()
                self._close(number)

    def _close(self, number: int) -> None:
        asked = self._rounds.get(number)
        if asked is not None and not asked.open:
            del self._rounds[number]
            asked.then(asked.replies)
