"""Spans of requests that are followed: what they say, whose they are, that nobody waits for them. A real gateway, a real collector."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

import pytest

from tests.support.gateway_process import GatewayProcess
from tests.support.scripted_origin import ScriptedOrigin, answer, ok
from tests.telemetry.collector import Collector, Told

PARENT = "b7ad6b7169203331"
Start = Callable[..., GatewayProcess]


def context(number: int, flags: str = "01") -> tuple[str, str]:
    """(trace id, a `traceparent` of that trace)."""
    trace = f"{number:032x}"
    return trace, f"traceparent: 00-{trace}-{PARENT}-{flags}"


def get(path: str, *lines: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: spans.test", *lines, "", ""]).encode()


def figure(gateway: GatewayProcess, outcome: str) -> float:
    text = gateway.ask(get("/_weft/metrics", "Connection: close")).body.decode()
    return next(
        (float(line.split()[1]) for line in text.splitlines() if line.startswith(f'weft_spans_total{{outcome="{outcome}"')), 0.0
    )


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def start(shared_origin: ScriptedOrigin, collector: Collector) -> Iterator[Start]:
    with ExitStack() as stack:

        def begin(settings: Mapping[str, object] | None = None, endpoint: str = "", **env: str) -> GatewayProcess:
            given = {
                "tracing.spans": True,
                "debug.tokens": "a-token-for-tests",
                "upstream.breaker.failures": 1000,
                **(settings or {}),
            }
            variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint or collector.url, "OTEL_BSP_SCHEDULE_DELAY": "50", **env}
            return stack.enter_context(GatewayProcess(shared_origin.url, given, env=variables))

        yield begin


@pytest.fixture(scope="module")
def followed(start: Start) -> GatewayProcess:
    return start()


def is_within(inner: Told, outer: Told, slack: int = 50_000_000) -> bool:
    """slack: nanoseconds by which clocks may differ that were read one after the other."""
    return outer.start - slack <= inner.start <= inner.end <= outer.end + slack


def test_a_miss_is_a_server_span_and_a_client_span_which_the_origin_is_told_of(
    followed: GatewayProcess, collector: Collector, origin: ScriptedOrigin, path: str
) -> None:
    trace, line = context(1)
    followed.ask(get(f"{path}?secret=1", line, "tracestate: vendor=1"))
    server, client = collector.of(trace, 2)
    assert (server.name, server.kind, server.parent, server.state) == ("GET default", "server", PARENT, "vendor=1")
    assert server.attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "network.protocol.version": "1.1",
        "server.address": "spans.test",
        "url.path": path,
        "url.scheme": "http",
        "weft.cache": "uri-miss",
        "weft.detail": "no-store",
        "weft.route": "default",
    }
    assert (client.name, client.kind, client.parent) == ("GET", "client", server.id)
    assert client.attributes["weft.origin"] == "upstream"
    assert client.attributes["url.path"] == path
    assert client.attributes["http.response.status_code"] == 200
    (received,) = origin.received_at(path)
    assert received.values(b"traceparent") == [f"00-{trace}-{client.id}-01".encode()]
    assert received.values(b"tracestate") == [b"vendor=1"]
    assert is_within(client, server)
    assert abs(server.end / 1e9 - time.time()) < 60
    assert not server.failed
    assert server.resource["service.name"] == "weft"


def test_a_hit_is_one_span(followed: GatewayProcess, collector: Collector, origin: ScriptedOrigin, path: str) -> None:
    origin.script(path, answer(ok(b"stored", b"Cache-Control: max-age=60")))
    followed.ask(get(path))
    for number, lines in ((10, ()), (11, ("Weft-Debug: a-token-for-tests",))):
        trace, line = context(number)
        for _ in range(2):
            followed.ask(get(path, line, *lines))
        spans = collector.of(trace, 2)
        assert [(span.kind, span.attributes["weft.cache"]) for span in spans] == [("server", "hit")] * 2
        assert spans[0].id != spans[1].id


def test_each_include_is_a_span_between(
    followed: GatewayProcess, collector: Collector, origin: ScriptedOrigin, path: str
) -> None:
    inner = f'<b><esi:include src="{path}/deep"/></b>'.encode()
    page = f'<p><esi:include src="{path}/a"/><esi:include src="{path}/b?of=me" onerror="continue"/></p>'.encode()
    esi = (b"Content-Type: text/html", b'Surrogate-Control: content="ESI/1.0"', b"Cache-Control: no-store")
    origin.script(path, answer(ok(page, *esi)))
    origin.script(f"{path}/a", answer(ok(inner, *esi)))
    origin.script(f"{path}/b", answer(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"))
    trace, line = context(20)
    followed.ask(get(path, line))
    spans = collector.of(trace, 8)
    assert len(spans) == 8
    server = spans[0]
    includes = {span.attributes["weft.include"]: span for span in spans if span.kind == "internal"}
    assert set(includes) == {f"{path}/a", f"{path}/b?of=me", f"{path}/deep"}
    assert includes[f"{path}/a"].parent == includes[f"{path}/b?of=me"].parent == server.id
    assert includes[f"{path}/deep"].parent == includes[f"{path}/a"].id
    assert includes[f"{path}/b?of=me"].failed
    assert includes[f"{path}/b?of=me"].attributes["error.type"] == "status_503"
    clients = {span.attributes["url.path"]: span for span in spans if span.kind == "client"}
    for name, above in ((path, server), (f"{path}/a", includes[f"{path}/a"]), (f"{path}/deep", includes[f"{path}/deep"])):
        assert clients[name].parent == above.id
        (received,) = origin.received_at(name)
        assert received.values(b"traceparent") == [f"00-{trace}-{clients[name].id}-01".encode()]
    assert clients[f"{path}/b"].failed


def test_an_origin_that_fails_is_an_error_with_its_reason(
    followed: GatewayProcess, collector: Collector, origin: ScriptedOrigin, path: str
) -> None:
    origin.script(path, answer(then="close"))
    trace, line = context(30)
    assert followed.ask(get(path, line)).status == 502
    server, client = collector.of(trace, 2)
    assert (server.failed, server.attributes["error.type"]) == (True, "502")
    assert client.failed
    assert client.attributes["error.type"].startswith(("http_", "connection_"))


def test_a_response_that_is_cut_short_says_so(
    followed: GatewayProcess, collector: Collector, origin: ScriptedOrigin, path: str
) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\nCache-Control: no-store\r\n\r\n"
    origin.script(path, answer(head + b"x" * 50_000, then="reset"))
    trace, line = context(40)
    with followed.connect() as client:
        client.send(get(path, line))
        client.read_to_end()
    server, _ = collector.of(trace, 2)
    assert (server.failed, server.attributes["error.type"]) == (True, "cut_short")


@pytest.mark.parametrize("flags", ["00", "02"])
def test_what_nobody_follows_makes_no_spans_and_keeps_its_parent(
    followed: GatewayProcess, collector: Collector, origin: ScriptedOrigin, path: str, flags: str
) -> None:
    quiet, line = context(50, flags)
    followed.ask(get(path, line))
    loud, next_line = context(51)
    followed.ask(get(path, next_line))
    collector.of(loud, 2)  # what came before it would be there
    assert not [span for span in collector.spans if span.trace == quiet]
    assert origin.received_at(path)[0].values(b"traceparent") == [line.partition(": ")[2].encode()]


def test_chance_begins_traces_of_those_who_have_none(
    start: Start, collector: Collector, origin: ScriptedOrigin, path: str
) -> None:
    gateway = start({"tracing.ratio": 1, "log.access": "json"}, OTEL_SERVICE_NAME="edge-of-the-shop")
    origin.script(path, answer(ok(b"stored", b"Cache-Control: max-age=60")))
    with gateway.connect() as client:
        for _ in range(4):
            client.send(get(path))
            client.response()
    own = [span for span in collector.spans if span.attributes.get("url.path") == path]
    collector.until(lambda: len([span for span in collector.spans if span.attributes.get("url.path") == path]) >= 5)
    own = [span for span in collector.spans if span.attributes.get("url.path") == path]
    servers = [span for span in own if span.kind == "server"]
    assert sorted(span.attributes["weft.cache"] for span in servers) == ["hit", "hit", "hit", "uri-miss"]
    assert {span.parent for span in servers} == {""}
    assert len({span.trace for span in servers}) == 4
    assert {span.resource["service.name"] for span in own} == {"edge-of-the-shop"}
    (received,) = origin.received_at(path)
    (client_span,) = [span for span in own if span.kind == "client"]
    assert received.values(b"traceparent") == [f"00-{client_span.trace}-{client_span.id}-03".encode()]
    gateway.until(lambda: all(f'"trace_id":"{span.trace}"' in gateway.log() for span in servers), "lines with the ids")


def test_nobody_can_have_more_followed_than_is_allowed(start: Start, collector: Collector, path: str) -> None:
    gateway = start({"tracing.max_per_second": 1})
    traces = [context(number) for number in range(60, 80)]
    with gateway.connect() as client:
        for _, line in traces:
            client.send(get(path, line))
        for _ in traces:
            client.response()
    collector.until(lambda: any(span.trace == traces[0][0] for span in collector.spans))
    followed = {span.trace for span in collector.spans} & {trace for trace, _ in traces}
    assert traces[0][0] in followed
    assert len(followed) < 20


def test_a_collector_that_takes_nothing_is_said_once_and_disturbs_nobody(start: Start, path: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never answers
        gateway = start(
            {}, f"http://127.0.0.1:{silent.getsockname()[1]}", OTEL_EXPORTER_OTLP_TIMEOUT="1", OTEL_BSP_MAX_QUEUE_SIZE="600"
        )
        _, line = context(90)
        with gateway.connect() as client:
            for _ in range(400):
                client.send(get(path, line))
                assert client.response().status == 200
        gateway.until(lambda: figure(gateway, "failed") > 0, "spans that failed")
        assert gateway.log().count("spans not exported") == 1
        assert "Traceback" not in gateway.log()
        gateway.signal(signal.SIGTERM)
        assert gateway.wait(20) == 0


def test_spans_are_exported_again_once_the_collector_takes_them(start: Start, path: str) -> None:
    with Collector(status=400) as collector:
        gateway = start({}, collector.url)
        refused, line = context(91)
        gateway.ask(get(path, line))
        gateway.until(lambda: figure(gateway, "failed") == 2, "spans that failed")
        collector.status = 200
        taken, line = context(92)
        gateway.ask(get(path, line))
        assert len(collector.of(taken, 2)) == 2
        assert not [span for span in collector.spans if span.trace == refused]
        gateway.until(lambda: figure(gateway, "exported") == 2, "spans that were exported")
        assert "spans exported again" in gateway.log()


def test_the_last_spans_leave_with_the_process(start: Start, collector: Collector, path: str) -> None:
    gateway = start({}, OTEL_BSP_SCHEDULE_DELAY="60000")
    trace, line = context(93)
    gateway.ask(get(path, line))
    gateway.signal(signal.SIGTERM)
    assert gateway.wait(20) == 0
    assert len(collector.of(trace, 2)) == 2


def test_their_switch_turns_spans_off(start: Start, collector: Collector, path: str) -> None:
    gateway = start({}, OTEL_SDK_DISABLED="true")
    trace, line = context(94)
    assert gateway.ask(get(path, line)).status == 200
    assert "weft_spans_total" not in gateway.ask(get("/_weft/metrics")).body.decode()
    assert not [span for span in collector.spans if span.trace == trace]


def test_headers_for_the_collector_come_from_the_environment(start: Start, path: str) -> None:
    with Collector() as collector:
        gateway = start({}, collector.url, OTEL_EXPORTER_OTLP_HEADERS="api-key=of-the-collector")
        trace, line = context(95)
        gateway.ask(get(path, line))
        collector.of(trace, 2)
        assert collector.fields[0]["api-key"] == "of-the-collector"
        assert "of-the-collector" not in gateway.log()
