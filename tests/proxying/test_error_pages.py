"""What a visitor sees when something is wrong: what happened, an id to give, in the form that was asked for; never an address or a trace."""

from __future__ import annotations

import json
import socket

import pytest

from tests.support.gateway_process import GatewayProcess
from tests.support.scripted_origin import Peer, Received, ScriptedOrigin, answer


def get(path: str, *lines: bytes) -> bytes:
    return b"\r\n".join([b"GET " + path.encode() + b" HTTP/1.1", b"Host: errors.test", *lines]) + b"\r\n\r\n"


@pytest.fixture(scope="module")
def nobody() -> str:
    """The URL of an origin that is not there."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        return f"http://127.0.0.1:{unused.getsockname()[1]}"


FORMS = [
    (b"text/html,application/xhtml+xml,*/*;q=0.8", b"text/html; charset=utf-8"),
    (b"application/json", b"application/problem+json"),
    (b"*/*", b"text/plain; charset=utf-8"),
]


@pytest.mark.parametrize(("accept", "media"), FORMS)
def test_an_origin_that_is_not_there_is_told_in_the_form_asked_for(
    start_gateway, nobody: str, accept: bytes, media: bytes
) -> None:
    response = start_gateway({}, upstream=nobody).ask(get("/page", b"Accept: " + accept))
    request_id = response.value(b"x-request-id")
    assert (response.status, response.value(b"content-type")) == (502, media)
    assert request_id
    assert request_id in response.body
    assert response.value(b"cache-control") == b"no-store"
    assert response.value(b"proxy-status") == b"Weft; error=connection_refused"
    assert b"127.0.0.1" not in response.body
    assert nobody.rpartition(":")[2].encode() not in response.body
    assert b"Traceback" not in response.body
    if media == b"application/problem+json":
        assert json.loads(response.body)["status"] == 502


def test_an_open_breaker_is_a_503_with_a_time_to_come_back(start_gateway, nobody: str) -> None:
    gateway = start_gateway({"upstream.breaker.failures": 2, "upstream.breaker.cooldown": 3}, upstream=nobody)
    statuses = [gateway.ask(get(f"/page{number}")).status for number in range(4)]
    assert statuses == [502, 502, 503, 503]
    assert int(gateway.ask(get("/again")).value(b"retry-after")) >= 1


def test_a_silent_origin_is_a_504(start_gateway, origin: ScriptedOrigin, path: str) -> None:
    def silent(peer: Peer, _: Received) -> None:
        peer.closes(within=10)

    origin.script(path, silent)
    gateway = start_gateway({"upstream.first_byte_timeout": 0.3})
    assert gateway.ask(get(path, b"Accept: text/html")).status == 504


def test_an_error_of_the_origin_is_passed_on_as_it_is(gateway: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    origin.script(path, answer(b"HTTP/1.1 500 Oh\r\nContent-Length: 4\r\nX-Own: 1\r\n\r\nours"))
    response = gateway.ask(get(path, b"Accept: text/html"))
    assert (response.status, response.body, response.value(b"x-own")) == (500, b"ours", b"1")


def test_what_a_page_says_is_escaped(gateway: GatewayProcess) -> None:
    response = gateway.ask(get("/<script>alert(1)</script>#x", b"Accept: text/html"))
    assert response.status == 400
    assert b"<script>" not in response.body


def test_a_refused_request_is_told_in_the_form_asked_for_too(gateway: GatewayProcess) -> None:
    response = gateway.ask(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nAccept: text/html\r\n\r\n")
    assert (response.status, response.value(b"content-type")) == (400, b"text/html; charset=utf-8")
