"""Trace context on its way to the origin and into the log: what holds, from whom it may come. W3C Trace Context §4."""

from __future__ import annotations

import json
import time

import pytest

from tests.support.gateway_process import GatewayProcess
from tests.support.scripted_origin import ScriptedOrigin, answer, ok

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def get(path: str, *lines: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: trace.test", *lines, "", ""]).encode()


def logged(gateway: GatewayProcess, path: str, count: int) -> list[dict[str, object]]:
    """The lines about path, once there are so many."""
    deadline = time.monotonic() + 20
    while True:
        lines = [json.loads(line) for line in gateway.log().splitlines() if f'"path":"{path}"' in line]
        if len(lines) >= count or time.monotonic() > deadline:
            return lines
        time.sleep(0.01)


@pytest.fixture(scope="module")
def json_gateway(shared_origin: ScriptedOrigin):
    with GatewayProcess(shared_origin.url, {"log.access": "json"}) as gateway:
        yield gateway


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_it_reaches_the_origin_and_the_log(json_gateway, origin: ScriptedOrigin, path: str, method: str) -> None:
    request = get(path, f"TraceParent: {PARENT}", "tracestate: a=1", "tracestate: b=2", "Content-Length: 0")
    json_gateway.ask(request.replace(b"GET", method.encode(), 1))
    (received,) = origin.received_at(path)
    assert received.values(b"traceparent") == [PARENT.encode()]
    assert received.values(b"tracestate") == [b"a=1,b=2"]
    (line,) = logged(json_gateway, path, 1)
    assert line["trace_id"] == TRACE


@pytest.mark.parametrize(
    "lines",
    [
        ["traceparent: 00-garbage"],
        ["traceparent: " + PARENT.upper()],
        ["traceparent: " + PARENT, "traceparent: " + PARENT],
        ["tracestate: a=1"],
        [],
    ],
    ids=["no ids", "capitals", "two", "a state alone", "nothing"],
)
def test_what_does_not_hold_reaches_nobody_and_nothing_takes_its_place(
    json_gateway, origin: ScriptedOrigin, path: str, lines: list[str]
) -> None:
    json_gateway.ask(get(path, *lines))
    (received,) = origin.received_at(path)
    assert received.values(b"traceparent") + received.values(b"tracestate") == []
    (line,) = logged(json_gateway, path, 1)
    assert "trace_id" not in line


def test_hits_are_logged_with_their_own_traces(json_gateway, origin: ScriptedOrigin, path: str) -> None:
    origin.script(path, answer(ok(b"stored", b"Cache-Control: max-age=60")))
    traces = [f"{number:032x}" for number in range(1, 5)]
    with json_gateway.connect() as client:
        for trace in traces:
            client.send(get(path, f"traceparent: 00-{trace}-b7ad6b7169203331-00"))
            client.response()
        client.send(get(path))
        client.response()
    lines = logged(json_gateway, path, 5)
    assert [line.get("trace_id") for line in lines] == [*traces, None]
    assert [line["cache"] for line in lines] == ["uri-miss", *["hit"] * 4]
    assert len(origin.received_at(path)) == 1


def test_includes_belong_to_the_trace_of_their_page(json_gateway, origin: ScriptedOrigin, path: str) -> None:
    page = f'<p><esi:include src="{path}/piece"/></p>'.encode()
    esi = (b"Content-Type: text/html", b'Surrogate-Control: content="ESI/1.0"', b"Cache-Control: no-store")
    origin.script(path, answer(ok(page, *esi)))
    assert b"piece" in json_gateway.ask(get(path, f"traceparent: {PARENT}", "tracestate: a=1")).body
    (piece,) = origin.received_at(f"{path}/piece")
    assert piece.values(b"traceparent") == [PARENT.encode()]
    assert piece.values(b"tracestate") == [b"a=1"]


@pytest.mark.parametrize(
    ("accept", "trusted", "taken"),
    [("all", "", True), ("trusted", "", False), ("trusted", "127.0.0.0/8", True), ("none", "127.0.0.0/8", False)],
)
def test_the_setting_says_whose_word_counts(
    start_gateway, origin: ScriptedOrigin, path: str, accept: str, trusted: str, taken: bool
) -> None:
    gateway = start_gateway(
        {"tracing.accept": accept, "log.access": "json", **({"proxy.trusted_proxies": trusted} if trusted else {})}
    )
    gateway.ask(get(path, f"traceparent: {PARENT}", "tracestate: a=1"))
    (received,) = origin.received_at(path)
    assert received.values(b"traceparent") == ([PARENT.encode()] if taken else [])
    assert received.values(b"tracestate") == ([b"a=1"] if taken else [])
    (line,) = logged(gateway, path, 1)
    assert ("trace_id" in line) == taken
