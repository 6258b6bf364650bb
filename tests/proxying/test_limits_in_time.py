"""Clients that are slow, silent or many. Faults E1 to E4."""

from __future__ import annotations

import time
from contextlib import ExitStack

import pytest

from tests.support.gateway_process import GatewayProcess
from tests.support.raw_client import RawClient
from tests.support.scripted_origin import ScriptedOrigin

HOST = b"Host: slow.test\r\n"


@pytest.fixture(scope="module")
def strict(shared_origin: ScriptedOrigin):
    settings = {
        "server.limits.header_timeout": 1,
        "server.limits.body_timeout": 1,
        "server.keepalive_timeout": 1,
        "server.max_connections": 350,
    }
    with GatewayProcess(shared_origin.url, settings) as gateway:
        yield gateway


def drip(client: RawClient, octets: bytes, pause: float = 0.1) -> None:
    """One octet after the other, until there are no more or the other side has had enough."""
    for octet in octets:
        if not client.send_what_is_taken([bytes([octet])]):
            return
        time.sleep(pause)


def test_a_silent_connection_is_closed(strict: GatewayProcess) -> None:
    with strict.connect() as client:
        assert client.is_closed(within=10)


def test_a_connection_that_stays_idle_is_closed(strict: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    with strict.connect() as client:
        client.send(b"GET " + path.encode() + b" HTTP/1.1\r\n" + HOST + b"\r\n")
        assert client.response().status == 200
        assert client.is_closed(within=10)


def test_a_head_that_drips_gets_a_408(strict: GatewayProcess) -> None:
    with strict.connect() as client:
        drip(client, b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 30)
        response = client.response()
        assert (response.status, response.says_close) == (408, True)


def test_content_that_stops_gets_a_408(strict: GatewayProcess, path: str) -> None:
    with strict.connect() as client:
        client.send(b"POST " + path.encode() + b" HTTP/1.1\r\n" + HOST + b"Content-Length: 100\r\n\r\nhalf")
        assert client.response(b"POST").status == 408


def test_idle_connections_do_not_harm_others(strict: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    with ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(strict.connect())
        assert strict.ask(b"GET " + path.encode() + b" HTTP/1.1\r\n" + HOST + b"\r\n").status == 200


def test_more_connections_than_allowed_are_turned_away(start_gateway, origin: ScriptedOrigin, path: str) -> None:
    gateway = start_gateway({"server.max_connections": 3})
    with ExitStack() as stack:
        held = [stack.enter_context(gateway.connect()) for _ in range(3)]
        for client in held:
            client.send(b"GET " + path.encode() + b" HTTP/1.1\r\n" + HOST + b"\r\n")
            assert client.response().status == 200
        with gateway.connect() as late:
            response = late.response()
            assert (response.status, response.value(b"retry-after"), response.says_close) == (503, b"1", True)
        held[0].send(b"GET " + path.encode() + b" HTTP/1.1\r\n" + HOST + b"\r\n")
        assert held[0].response().status == 200, "those who are in stay in"
