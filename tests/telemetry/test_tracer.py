"""Who is followed, and what settings can't be: without a process."""

from __future__ import annotations

import importlib.util

import pytest

from gateway.composition.tracing import build_sink
from gateway.errors import SettingsError
from gateway.semantics.message import Request
from gateway.semantics.trace_context import trace_of
from gateway.settings import load
from gateway.telemetry.spans import Span, Tracer

TRACE, PARENT = b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331"
SETTINGS = {"upstream": "http://127.0.0.1:1"}


class Sink:
    def __init__(self) -> None:
        self.spans: list[Span] = []

    def offer(self, spans: list[Span]) -> None:
        self.spans += spans

    def outcomes(self) -> dict[str, int]:
        return {}


def request(*lines: bytes) -> Request:
    return Request(b"GET", b"/a?b", b"a.test", [(b"traceparent", line) for line in lines])


def tracer(chance: float = 0.5, ratio: float = 0.0, most: int = 100) -> Tracer:
    made = Tracer(Sink(), draw=lambda: chance)
    made.ratio, made.most = ratio, most
    return made


@pytest.mark.parametrize(
    ("ratio", "chance", "follows"), [(0, 0.0, False), (0.5, 0.49, True), (0.5, 0.5, False), (1, 0.999, True)]
)
def test_chance_decides_about_requests_without_a_trace(ratio: float, chance: float, follows: bool) -> None:
    asked = request()
    tracer(chance, ratio).begin(asked)
    assert (asked.trace is not None) == follows
    assert (trace_of(asked.fields) is not None) == follows


def test_chance_is_not_asked_twice() -> None:
    asked = request()
    tracer(0.9, 0.1).begin(asked, drawn=True)
    assert asked.trace is not None


@pytest.mark.parametrize(("flags", "follows"), [(b"00", False), (b"01", True)])
def test_the_caller_decides_about_requests_with_one(flags: bytes, follows: bool) -> None:
    line = b"00-%b-%b-%b" % (TRACE, PARENT, flags)
    asked = request(line)
    tracer(0.0, 1.0).begin(asked)
    assert (asked.trace is not None) == follows
    within = trace_of(asked.fields)
    assert within is not None
    assert within.trace_id == TRACE
    assert (within.parent_id != PARENT) == follows


def test_a_request_that_is_not_followed_has_no_spans() -> None:
    one = tracer()
    one.report(request(), 0.0, 200, None)
    assert one.sink.spans == []  # type: ignore[attr-defined]


def test_beyond_the_most_of_a_second_requests_pass_as_they_came() -> None:
    one = tracer(most=2)
    line = b"00-%b-%b-01" % (TRACE, PARENT)
    asked = [request(line) for _ in range(500)]
    for each in asked:
        one.begin(each)
    followed = [each for each in asked if each.trace is not None]
    assert 2 <= len(followed) <= 4  # the second may end in between
    assert all(each.fields == [(b"traceparent", line)] for each in asked if each.trace is None)


def test_what_is_not_installed_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert build_sink(load(None, {}, SETTINGS)) is None
    with pytest.raises(SettingsError, match=r"tracing\.spans: .*pip install 'weft-gateway\[otel\]'"):
        build_sink(load(None, {}, {**SETTINGS, "tracing.spans": True}))


def test_chance_needs_spans() -> None:
    with pytest.raises(SettingsError, match=r"tracing\.ratio: expected 0 where tracing\.spans is false"):
        load(None, {}, {**SETTINGS, "tracing.ratio": 0.1})
