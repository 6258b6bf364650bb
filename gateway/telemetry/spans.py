"""Spans: what was done for one request, for whoever follows its trace through several systems. Made only of requests that are followed; nothing waits for them.

begin ─▶ request.trace, and a parent of ours in its fields ─▶ (answer; its tree of TraceNode grows) ─▶ report ─▶ SpanSink

server    the request                          one
internal  an include                           one for each, where the page had to ask for some
client    an exchange with an origin           one for each; the origin is told its id
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Iterator
from time import monotonic, time
from typing import Literal, NamedTuple, Protocol

from gateway.semantics.message import Request
from gateway.semantics.trace_context import TraceContext, trace_of, with_trace
from gateway.telemetry.account import Story
from gateway.telemetry.trace import Exchange, TraceNode

__all__ = ["Span", "SpanSink", "Tracer", "spans_of"]

_NOBODY = b"0" * 16
"""The parent of a span that has none."""
_NEW_FLAGS = 0x03
"""Sampled, and its id is random."""
_MOST = 256
"""Spans of one request."""

Kind = Literal["server", "internal", "client"]
Value = str | int | bool


class Span(NamedTuple):
    """One thing that took some time.

    trace_id, span_id, parent_id: hexadecimal digits, parent_id "" for none. state: `tracestate`.
    start, end: epoch seconds. attributes: by the names of OpenTelemetry's semantic conventions, and ours below `weft.`. error: a word, "" for none.
    """

    name: str
    kind: Kind
    trace_id: str
    span_id: str
    parent_id: str
    state: str
    start: float
    end: float
    attributes: dict[str, Value]
    error: str = ""


class SpanSink(Protocol):
    """Where spans go. `offer` is called while others wait: it never blocks and never raises; what there is no room for is dropped and counted."""

    def offer(self, spans: list[Span]) -> None:
        """Take them, or drop them."""

    def outcomes(self) -> dict[str, int]:
        """What became of spans so far, by word."""


class Tracer:
    """Decides which requests are followed, and tells of them.

    ratio: share of requests without a trace of which one is begun. most: requests a second that are followed at most, since anybody can say that a trace is
    sampled. draw: a random number from 0 to 1.
    """

    def __init__(self, sink: SpanSink, *, draw: Callable[[], float] = random.random) -> None:
        self.sink = sink
        self.ratio = 0.0
        self.most = 0
        self._draw = draw
        self._second = 0
        self._followed = 0

    def draws(self) -> bool:
        """Whether a trace shall be begun for the next request without one."""
        return self.ratio > 0 and self._draw() < self.ratio

    def begin(self, request: Request, *, drawn: bool = False) -> None:
        """Follow request, if it says that somebody does, or chance wills it. drawn: chance was asked already, and does."""
        context = trace_of(request.fields)
        if context is None:
            if not drawn and not self.draws():
                return
            context = TraceContext(secrets.token_hex(16).encode("ascii"), _NOBODY, _NEW_FLAGS)
        elif not context.is_sampled:
            return
        second = int(monotonic())
        if second != self._second:
            self._second, self._followed = second, 0
        if self._followed >= self.most:
            return
        self._followed += 1
        request.trace = context
        request.fields = with_trace(request.fields, context._replace(parent_id=_new_id()))

    def report(
        self, request: Request, started: float, status: int, facts: Story | None, root: TraceNode | None = None, error: str = ""
    ) -> None:
        """Tell of a request that is followed, now that it is over. started: monotonic seconds. root: what was asked for on its behalf. error: why it has no whole response."""
        self.sink.offer(
            list(spans_of(request, started, status, facts, root, error, offset=time() - monotonic(), now=monotonic()))
        )


def spans_of(
    request: Request,
    started: float,
    status: int,
    facts: Story | None,
    root: TraceNode | None,
    error: str,
    *,
    offset: float,
    now: float,
) -> Iterator[Span]:
    """The spans of a request, its own first; nothing when it is not followed. offset: epoch seconds less monotonic ones; started, now: monotonic."""
    outer, inner = request.trace, trace_of(request.fields)
    if outer is None or inner is None:
        return
    trace_id, state, own = outer.trace_id.decode("ascii"), outer.state.decode("ascii"), inner.parent_id.decode("ascii")
    method = request.method.decode("latin-1")
    attributes: dict[str, Value] = {
        "http.request.method": method,
        "url.scheme": request.scheme.decode("ascii"),
        "url.path": _path(request.target),
        "server.address": request.host.decode("latin-1"),
        "network.protocol.version": request.version.decode("ascii"),
    }
    route = ""
    if facts is not None:
        route = facts.route
        attributes |= {"weft.route": facts.route, "weft.cache": facts.outcome}
        if facts.detail:
            attributes["weft.detail"] = facts.detail
    if status:
        attributes["http.response.status_code"] = status
    if not error and status >= 500:
        error = str(status)
    parent = "" if outer.parent_id == _NOBODY else outer.parent_id.decode("ascii")
    name = f"{method} {route}".rstrip()
    yield Span(name, "server", trace_id, own, parent, state, offset + started, offset + now, attributes, error)
    nodes = [(root, own)] if root is not None else []
    left = _MOST - 1
    while nodes and left > 0:
        node, above = nodes.pop()
        here = above
        if node is not root:
            here = node.span_id.decode("ascii")
            yield _include(node, trace_id, above, state, offset, now)
            left -= 1
        for exchange in node.exchanges[:left]:
            yield _exchange(exchange, trace_id, here, state, offset, now)
            left -= 1
        nodes += [(child, here) for child in reversed(node.children)]


def _include(node: TraceNode, trace_id: str, above: str, state: str, offset: float, now: float) -> Span:
    """label, not url: what variables came to is the visitor's business."""
    words = {"weft.outcome": node.outcome, "weft.cache": node.cache, "weft.detail": node.detail}
    attributes: dict[str, Value] = {"weft.include": node.label, "weft.rung": node.rung}
    attributes |= {name: word for name, word in words.items() if word}
    if node.status:
        attributes["http.response.status_code"] = node.status
    end = now if node.is_open else node.ended
    span_id = node.span_id.decode("ascii")
    return Span(
        "include", "internal", trace_id, span_id, above, state, offset + node.started, offset + end, attributes, node.reason
    )


def _exchange(exchange: Exchange, trace_id: str, above: str, state: str, offset: float, now: float) -> Span:
    attributes: dict[str, Value] = {
        "http.request.method": exchange.method,
        "url.path": _path(exchange.target),
        "server.address": exchange.host,
        "weft.origin": exchange.origin,
    }
    if exchange.status:
        attributes["http.response.status_code"] = exchange.status
    error = exchange.reason or (str(exchange.status) if exchange.status >= 400 else "")
    end = exchange.ended if exchange.ended is not None else now
    span_id = exchange.span_id.decode("ascii")
    return Span(
        exchange.method,
        "client",
        trace_id,
        span_id,
        above,
        state,
        offset + exchange.started,
        offset + end,
        attributes,
        error,
    )


def _path(target: bytes) -> str:
    """Without the query: a value there may be a secret."""
    return target.partition(b"?")[0].decode("latin-1")


def _new_id() -> bytes:
    return secrets.token_hex(8).encode("ascii")
