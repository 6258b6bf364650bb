"""How one page came to be, as a tree: what was asked for, when, what it came to. Kept only for requests whose sender holds a token, or whose trace is followed."""

from __future__ import annotations

import secrets
from time import monotonic

from gateway.semantics.trace_context import TraceContext
from gateway.telemetry.account import Story

__all__ = ["Exchange", "TraceNode"]


class Exchange:
    """One exchange with an origin, up to the head of its response, of a request that is followed.

    origin: its name in the settings; host: the authority that it was asked as. span_id: 16 hexadecimal digits, which the origin was told. started, ended: monotonic
    seconds, ended None while it runs. status: 0 for no response, and then reason says why.
    """

    __slots__ = ("ended", "host", "method", "origin", "reason", "span_id", "started", "status", "target")

    def __init__(self, origin: str, host: str, method: str, target: bytes) -> None:
        self.origin = origin
        self.host = host
        self.method = method
        self.target = target
        self.span_id = _new_id()
        self.started = monotonic()
        self.ended: float | None = None
        self.status = 0
        self.reason = ""

    def end(self, status: int, reason: str = "") -> None:
        """The head is there, or never will be."""
        self.ended = monotonic()
        self.status = status
        self.reason = reason


class TraceNode:
    """One request within a page, or the page itself.

    url         as it was asked for
    label       as the page has it: what its variables came to is the visitor's business. For who looks at traces of others
    rung        "page", "src", "alt"
    started, ended  monotonic seconds; ended is started for what was in memory
    is_open     nothing is known yet of what it came to
    is_late     the page went on without it, and what came follows at its end
    cache       how it was answered: the tokens of RFC 9211 §2.2, or "memory", "error"; "" when it was not
    detail      more of that: the words of Cache-Status
    status      of its response, 0 when there was none
    octets      of its content
    reason      why it brought nothing, "" when it did
    outcome     what became of the place in the page: "src", "alt", "fallback", "nothing", "failed", "dropped"; "" for the page itself
    context     the trace that is followed, None for none; exchanges are noted for it
    exchanges   what origins were asked for its sake
    children    of a page: what it includes, in the order in which it was asked for
    problems    faults of its markup, for people
    """

    __slots__ = (
        "_span_id",
        "cache",
        "children",
        "context",
        "detail",
        "ended",
        "exchanges",
        "is_late",
        "is_open",
        "label",
        "octets",
        "outcome",
        "problems",
        "reason",
        "rung",
        "started",
        "status",
        "url",
    )

    def __init__(self, url: str, rung: str = "page", label: str = "") -> None:
        self.url = url
        self.label = label or url
        self.rung = rung
        self.started = self.ended = monotonic()
        self.is_open = True
        self.is_late = False
        self.cache = ""
        self.detail = ""
        self.status = 0
        self.octets = 0
        self.reason = ""
        self.outcome = ""
        self.context: TraceContext | None = None
        self._span_id = b""
        self.exchanges: list[Exchange] = []
        self.children: list[TraceNode] = []
        self.problems: list[str] = []

    def child(self, url: str, rung: str, label: str = "") -> TraceNode:
        """One more request for this page, beginning now."""
        node = self.apart(url, rung, label)
        self.children.append(node)
        return node

    def apart(self, url: str, rung: str, label: str = "") -> TraceNode:
        """The same, for what will join the tree later or never."""
        node = TraceNode(url, rung, label)
        node.context = self.context
        return node

    @property
    def span_id(self) -> bytes:
        """16 hexadecimal digits of its own."""
        self._span_id = self._span_id or _new_id()
        return self._span_id

    def adopt(self, other: TraceNode) -> None:
        """It was under way already, as other: begun then, with what that led to."""
        self.started = other.started
        self.children = other.children
        self.exchanges = other.exchanges
        self.problems = other.problems

    def end(self, cache: str, status: int, octets: int, reason: str = "") -> None:
        """It is over."""
        self.ended = monotonic()
        self.is_open = False
        self.cache = cache
        self.status = status
        self.octets = octets
        self.reason = reason

    def tell(self, story: Story) -> None:
        """What the cache did for it, in words. Its reason for what failed is told as `reason`."""
        flags = {"stale": story.stale, "stored": story.stored, "collapsed": story.collapsed}
        words = [word for word, holds in flags.items() if holds]
        if story.detail and story.detail not in ("stale", self.reason):
            words.append(story.detail)
        self.detail = ", ".join(words)


def _new_id() -> bytes:
    return secrets.token_hex(8).encode("ascii")
