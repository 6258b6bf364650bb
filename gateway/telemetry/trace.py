"""How one page came to be, as a tree: what was asked for, when, what it came to. Kept only for requests whose sender holds a token."""

from __future__ import annotations

from time import monotonic

__all__ = ["TraceNode"]


class TraceNode:
    """One request within a page, or the page itself.

    url         as the page has it
    rung        "page", "src", "alt"
    started, ended  monotonic seconds; ended is started for what was in memory
    cache       how it was answered: the tokens of RFC 9211 §2.2, or "memory", "error"
    status      of its response, 0 when there was none
    octets      of its content
    reason      why it brought nothing, "" when it did
    outcome     what became of the place in the page: "src", "alt", "fallback", "nothing", "failed", "dropped"; "" for the page itself
    children    of a page: what it includes, in the order in which it was asked for
    problems    faults of its markup, for people
    """

    __slots__ = ("cache", "children", "ended", "octets", "outcome", "problems", "reason", "rung", "started", "status", "url")

    def __init__(self, url: str, rung: str = "page") -> None:
        self.url = url
        self.rung = rung
        self.started = self.ended = monotonic()
        self.cache = ""
        self.status = 0
        self.octets = 0
        self.reason = ""
        self.outcome = ""
        self.children: list[TraceNode] = []
        self.problems: list[str] = []

    def child(self, url: str, rung: str) -> TraceNode:
        """One more request for this page, beginning now."""
        node = TraceNode(url, rung)
        self.children.append(node)
        return node

    def end(self, cache: str, status: int, octets: int, reason: str = "") -> None:
        """It is over."""
        self.ended = monotonic()
        self.cache = cache
        self.status = status
        self.octets = octets
        self.reason = reason
