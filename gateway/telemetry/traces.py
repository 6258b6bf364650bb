"""Traces of requests whose sender holds a token: made as they go, kept for a while, read as rows.

    begin ─▶ Trace (its tree grows) ─▶ head_sent ─▶ finish ─▶ rows, and the tree is let go

Nothing of a visitor is in it: of a request its path and the names of its parameters, of includes what the page says, variables by their place only.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from secrets import token_urlsafe
from time import monotonic
from typing import NamedTuple

from gateway.telemetry.account import Story
from gateway.telemetry.trace import TraceNode

__all__ = ["MAX_TRACES", "Row", "Trace", "Traces", "encode_includes", "shown_target"]

MAX_TRACES = 100
MAX_ROWS = 400
"""Of one trace. A page may have 256 includes, and each of them again."""
MAX_TEXT = 400
"""Letters of a URL or a problem."""
MAX_PROBLEMS = 100
_MAX_MEMBERS = 40
"""Of one response field."""
_TOKEN = re.compile(r"[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*")


class Row(NamedTuple):
    """A node of the tree, in the order of the tree. depth: 0 for the page itself. start, seconds: from the beginning of the page. The rest: see TraceNode."""

    depth: int
    url: str
    rung: str
    outcome: str
    cache: str
    detail: str
    reason: str
    status: int
    octets: int
    start: float
    seconds: float
    is_open: bool
    is_late: bool


class Trace:
    """One request.

    at          epoch seconds of its beginning
    head        seconds until its response's head was sent; None while it was not
    complete    all of the response went out
    left_out    rows that there were beyond MAX_ROWS
    problems    faults of markup: (URL of the page or fragment, what)
    """

    def __init__(self, method: str, url: str, at: float) -> None:
        self.id = token_urlsafe(16)
        self.method = method
        self.at = at
        self.head: float | None = None
        self.is_open = True
        self.complete = False
        self.left_out = 0
        self.root = TraceNode(url)
        self._rows: tuple[Row, ...] = ()
        self._problems: tuple[tuple[str, str], ...] = ()

    def head_sent(self) -> None:
        """The client sees something from now on."""
        self.head = monotonic() - self.root.started

    def finish(self, story: Story, status: int, octets: int, *, complete: bool) -> None:
        """The last octet has been handed over, or nobody wants it. The tree is let go: what is kept has bounds."""
        root = self.root
        reason = story.detail if story.outcome in ("error", "refused") or not complete else ""
        root.end(story.outcome, status, octets, reason)
        root.tell(story)
        self.complete = complete
        self.close()

    def close(self) -> None:
        """Whatever became of it, it is over."""
        if self.is_open:
            self._rows, self._problems = self._read()
            self.is_open = False
            self.root = TraceNode(self.root.label)

    @property
    def rows(self) -> tuple[Row, ...]:
        """All that is known by now, the page first."""
        return self._read()[0] if self.is_open else self._rows

    @property
    def problems(self) -> tuple[tuple[str, str], ...]:
        """All that are known by now."""
        return self._read()[1] if self.is_open else self._problems

    def _read(self) -> tuple[tuple[Row, ...], tuple[tuple[str, str], ...]]:
        rows: list[Row] = []
        problems: list[tuple[str, str]] = []
        begin, now = self.root.started, monotonic()
        nodes = [(self.root, 0)]
        self.left_out = 0
        while nodes:
            node, depth = nodes.pop()
            nodes += [(child, depth + 1) for child in reversed(node.children)]
            problems += [(_cut(node.label), _cut(problem)) for problem in node.problems[: MAX_PROBLEMS - len(problems)]]
            if len(rows) == MAX_ROWS:
                self.left_out += 1
                continue
            end = now if node.is_open else node.ended
            rows.append(
                Row(
                    depth,
                    _cut(node.label),
                    node.rung,
                    node.outcome,
                    node.cache,
                    node.detail,
                    node.reason,
                    node.status,
                    node.octets,
                    node.started - begin,
                    end - node.started,
                    node.is_open,
                    node.is_late,
                )
            )
        return tuple(rows), tuple(problems)


class Traces:
    """The last MAX_TRACES of this process."""

    def __init__(self, size: int = MAX_TRACES) -> None:
        self._size = size
        self._kept: OrderedDict[str, Trace] = OrderedDict()

    def begin(self, method: str, url: str, now: float) -> Trace:
        """A trace of a request that begins now; the oldest makes room. now: epoch seconds."""
        trace = Trace(method, url, now)
        self._kept[trace.id] = trace
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return trace

    def find(self, name: str) -> Trace | None:
        """The one of that id, as long as it is kept."""
        return self._kept.get(name)

    @property
    def recent(self) -> list[Trace]:
        """All that are kept, the newest first."""
        return list(reversed(self._kept.values()))


def shown_target(target: bytes) -> str:
    """A request's target as it may be shown: parameters by their names, since a value may be a secret."""
    path, mark, query = target.decode("latin-1").partition("?")
    names = [f"{name}=…" if equals else name for name, equals, _ in (one.partition("=") for one in query.split("&"))]
    return path + mark + "&".join(names)


def encode_includes(root: TraceNode) -> bytes:
    """The field `weft-includes`: a list of strings with parameters (RFC 9651), each what one include came to when the head went out.

    Not members of Cache-Status: those are caches that a response has come through, in order (RFC 9211 §2), and an include is another response.
    """
    members: list[str] = []
    left_out = 0
    nodes = [(child, 1) for child in reversed(root.children)]
    while nodes:
        node, depth = nodes.pop()
        nodes += [(child, depth + 1) for child in reversed(node.children)]
        if len(members) == _MAX_MEMBERS:
            left_out += 1
            continue
        outcome = node.outcome or ("open" if node.is_open else "failed" if node.reason else node.rung)
        parts = [_string(node.label), f"outcome={outcome}"]
        if node.cache:
            parts.append(f"cache={node.cache}")
        if node.reason:
            parts.append(f"reason={node.reason if _TOKEN.fullmatch(node.reason) else _string(node.reason)}")
        if not node.is_open:
            parts.append(f"ms={(node.ended - node.started) * 1000:.1f}")
        if depth > 1:
            parts.append(f"depth={depth}")
        members.append(";".join(parts))
    if left_out:
        members.append(f"more;count={left_out}")
    return ", ".join(members).encode("ascii")


def _string(text: str) -> str:
    """An sf-string; what it can't hold is percent-encoded."""
    plain = "".join(
        [
            letter if " " <= letter <= "~" else "".join(f"%{octet:02X}" for octet in letter.encode("utf-8", "replace"))
            for letter in _cut(text)
        ]
    )
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
