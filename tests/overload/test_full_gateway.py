"""`weft serve` with as many requests under way as may be: what still goes, and what comes back at once. Faults A3, E11."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Self

import pytest

from tests.overload.asking import figure, get
from tests.support.gateway_process import GatewayProcess
from tests.support.raw_client import RawClient, Response
from tests.support.scripted_origin import Peer, Received, ScriptedOrigin, answer, ok

HOST = b"Host: busy.test\r\n"


@pytest.fixture(scope="module", params=[True, False], ids=["lane", "no lane"])
def busy(request, shared_origin: ScriptedOrigin) -> Iterator[GatewayProcess]:
    settings = {
        "overload.max_in_flight": 2,
        "overload.retry_after": 7,
        "server.fast_lane": request.param,
        "cache.stale_if_error": 3600,
    }
    with GatewayProcess(shared_origin.url, settings) as gateway:
        yield gateway


class Hold:
    """Two visitors whose requests the origin does not answer until it is told to."""

    def __init__(self, gateway: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
        self.go = threading.Event()
        self.stack = ExitStack()
        held = [threading.Event(), threading.Event()]
        self.clients: list[RawClient] = []
        for number, there in enumerate(held):

            def script(peer: Peer, _: Received, there: threading.Event = there) -> None:
                there.set()
                assert self.go.wait(20)
                peer.send(ok(b"at last"))

            origin.script(f"{path}-held-{number}", script)
            client = self.stack.enter_context(gateway.connect())
            client.send(get(f"{path}-held-{number}"))
            self.clients.append(client)
        for there in held:
            assert there.wait(20)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self.stack:
            self.release()

    def release(self) -> list[Response]:
        """Their answers: there is room again."""
        self.go.set()
        clients, self.clients = self.clients, []
        return [client.response() for client in clients]


def test_a_full_gateway_serves_what_it_has_and_refuses_the_rest_at_once(busy, origin, path):
    origin.script(path, answer(ok(b"stored", b"Cache-Control: max-age=600")))
    assert busy.ask(get(path)).body == b"stored"
    refused = figure(busy, 'weft_shed_total{reason="in_flight",what="refused"}')
    with Hold(busy, origin, path) as hold:
        assert figure(busy, "weft_in_flight") == 2
        with busy.connect() as client:  # a connection outlives a refusal
            for _ in range(3):
                client.send(get(path))
                assert client.response().body == b"stored"
                client.send(get(f"{path}-new", b"Accept: application/json"))
                response = client.response()
                assert response.status == 503
                assert response.value(b"retry-after") == b"7"
                assert b'"reason":"overloaded"' in response.body
        assert busy.is_well()
        assert figure(busy, 'weft_shed_total{reason="in_flight",what="refused"}') == refused + 3
        assert not origin.received_at(f"{path}-new")
        assert [response.body for response in hold.release()] == [b"at last"] * 2
    assert busy.ask(get(f"{path}-new")).status == 200


def test_what_is_stale_goes_out_without_the_origin(busy, origin, path):
    origin.script(path, answer(ok(b"stored", b"Cache-Control: max-age=600", b"Age: 601")))
    busy.ask(get(path))
    asked = len(origin.received_at(path))
    with Hold(busy, origin, path):
        response = busy.ask(get(path))
        assert response.body == b"stored"
        assert b"detail=overloaded" in response.value(b"cache-status")
    assert len(origin.received_at(path)) == asked


def test_content_is_refused_before_it_is_read(busy, origin, path):
    with Hold(busy, origin, path), busy.connect() as client:
        client.send(b"POST " + path.encode() + b" HTTP/1.1\r\n" + HOST + b"Content-Length: 1000000\r\n\r\nbegins")
        response = client.response()
        assert response.status == 503
        assert response.value(b"retry-after") == b"7"
    assert not origin.received_at(path)


def test_a_page_goes_out_without_the_fragment_that_is_missing(busy, origin, path):
    """Its template is in memory, and it says what stands for a fragment that can't be had. Once there is room again, the fragment is there."""
    page = b'<p>warp</p><esi:include src="%s-part">without</esi:include>' % path.encode()
    esi = b'Surrogate-Control: content="ESI/1.0"'
    origin.script(path, answer(ok(page, b"Content-Type: text/html", b"Cache-Control: max-age=600", esi)))
    origin.script(f"{path}-part", answer(ok(b"with")))
    assert busy.ask(get(path)).body == b"<p>warp</p>with"
    with Hold(busy, origin, path):
        assert busy.ask(get(path)).body == b"<p>warp</p>without"
    assert busy.ask(get(path)).body == b"<p>warp</p>with"


# ── Each origin's own bounds ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_origin_with_no_connection_and_no_place_to_wait_is_not_asked(start_gateway, origin, path):
    """503 at once, with a time to come back; or what is stale."""
    gateway = start_gateway({"upstream.max_connections": 2, "upstream.max_waiting": 0})
    origin.script(path, answer(ok(b"stored", b"Cache-Control: max-age=600, stale-if-error=600", b"Age: 601")))
    gateway.ask(get(path))
    with Hold(gateway, origin, path):
        response = gateway.ask(get(f"{path}-new", b"Accept: application/json"))
        assert response.status == 503
        assert response.value(b"retry-after") == b"1"
        assert b'"reason":"connection_limit_reached"' in response.body
        stale = gateway.ask(get(path))
        assert stale.body == b"stored"
        assert b"detail=connection-limit-reached" in stale.value(b"cache-status")
    assert figure(gateway, 'weft_origin_rejected_total{origin="upstream"}') == 2
