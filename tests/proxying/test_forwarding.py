"""What reaches the origin and what comes back: methods, fields of one connection, who we say is asking, trailers, 1xx. RFC 9110 §7.6, §15.2; RFC 7239."""

from __future__ import annotations

import threading

import pytest

from tests.support.gateway_process import GatewayProcess
from tests.support.scripted_origin import Peer, Received, ScriptedOrigin, answer, ok


def ask(path: str, *lines: bytes, method: bytes = b"GET", body: bytes = b"") -> bytes:
    length = [b"Content-Length: %d" % len(body)] if body else []
    return b"\r\n".join([method + b" " + path.encode() + b" HTTP/1.1", b"Host: shop.test", *lines, *length]) + b"\r\n\r\n" + body


def one(origin: ScriptedOrigin, path: str) -> Received:
    (received,) = origin.received_at(path)
    return received


@pytest.mark.parametrize(
    "method", [b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"PROPFIND", b"REPORT", b"M-SEARCH", b"QUERY"]
)
def test_a_method_passes(gateway: GatewayProcess, origin: ScriptedOrigin, path: str, method: bytes) -> None:
    body = b"" if method in {b"GET", b"HEAD", b"OPTIONS"} else b"content"
    response = gateway.ask(ask(path, method=method, body=body))
    if method == b"QUERY" and response.status == 501:
        return  # llhttp's list decides; docs/proxy.md says so
    assert response.status == 200
    assert (one(origin, path).method, one(origin, path).body) == (method, body)


def test_purge_goes_to_the_origin_when_it_is_not_ours(start_gateway, origin: ScriptedOrigin, path: str) -> None:
    gateway = start_gateway({"purge.method": False})
    assert gateway.ask(ask(path, method=b"PURGE")).status == 200
    assert one(origin, path).method == b"PURGE"


def test_fields_of_one_connection_go_no_further(gateway: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    response_head = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nCache-Control: no-store\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\n"
        b"X-Hop: 1\r\nX-End: 2\r\nProxy-Authenticate: Basic\r\n\r\nhi"
    )
    origin.script(path, answer(response_head))
    lines = [
        b"Connection: keep-alive, X-Mine",
        b"Keep-Alive: 5",
        b"X-Mine: 1",
        b"TE: gzip",
        b"Proxy-Authorization: x",
        b"X-Through: 3",
    ]
    response = gateway.ask(ask(path, *lines))
    names = {name for name, _ in one(origin, path).fields}
    assert not names & {b"keep-alive", b"x-mine", b"te", b"proxy-authorization", b"proxy-connection"}
    assert one(origin, path).value(b"x-through") == b"3"
    assert response.value(b"x-end") == b"2"
    assert not {name for name, _ in response.fields} & {b"keep-alive", b"x-hop", b"proxy-authenticate"}


def test_connection_can_not_be_used_to_remove_what_the_origin_decides_by(
    gateway: GatewayProcess, origin: ScriptedOrigin, path: str
) -> None:
    gateway.ask(ask(path, b"Connection: Cookie, Authorization, Host", b"Cookie: a=b", b"Authorization: Basic eA=="))
    received = one(origin, path)
    assert (received.value(b"cookie"), received.value(b"authorization")) == (b"a=b", b"Basic eA==")


def test_the_origin_hears_who_asks_in_our_words_only(gateway: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    lines = [b"X-Forwarded-For: 6.6.6.6", b"X-Forwarded-Proto: https", b"X-Forwarded-Host: evil.test", b"Forwarded: for=6.6.6.6"]
    gateway.ask(ask(path, *lines, b"X-Real-IP: 6.6.6.6", b"Via: 1.0 other"))
    received = one(origin, path)
    assert received.value(b"host") == b"shop.test"
    assert received.value(b"x-forwarded-for") == b"127.0.0.1"
    assert received.value(b"x-forwarded-proto") == b"http"
    assert received.value(b"x-forwarded-host") == b"shop.test"
    assert received.value(b"forwarded") == b"for=127.0.0.1;host=shop.test;proto=http"
    assert received.value(b"via") == b"1.0 other, 1.1 weft"
    assert received.value(b"x-request-id")
    assert received.value(b"x-real-ip") is None


def test_a_trusted_proxy_is_believed_up_to_the_first_stranger(start_gateway, origin: ScriptedOrigin, path: str) -> None:
    gateway = start_gateway({"proxy.trusted_proxies": ["127.0.0.0/8", "10.0.0.0/8"]})
    gateway.ask(ask(path, b"X-Forwarded-For: 6.6.6.6, 203.0.113.9, 10.1.2.3", b"X-Forwarded-Proto: https"))
    received = one(origin, path)
    assert received.value(b"x-forwarded-for") == b"203.0.113.9, 10.1.2.3, 127.0.0.1"
    assert received.value(b"x-forwarded-proto") == b"https"


def test_a_trusted_proxy_may_say_it_by_forwarded(start_gateway, origin: ScriptedOrigin, path: str) -> None:
    gateway = start_gateway({"proxy.trusted_proxies": ["127.0.0.0/8"]})
    gateway.ask(ask(path, b'Forwarded: for=6.6.6.6, for="[2001:db8::1]:443";proto=https'))
    received = one(origin, path)
    assert received.value(b"x-forwarded-for") == b"2001:db8::1, 127.0.0.1"
    assert received.value(b"x-forwarded-proto") == b"https"


@pytest.mark.parametrize(
    "name",
    [
        b"X-Forwarded-Host",
        b"X-Forwarded-Scheme",
        b"X-Original-URL",
        b"X-Rewrite-URL",
        b"X-HTTP-Method-Override",
        b"X-Method-Override",
        b"X-Host",
    ],
)
def test_what_could_change_a_stored_page_does_not_reach_the_origin(
    gateway: GatewayProcess, origin: ScriptedOrigin, path: str, name: bytes
) -> None:
    gateway.ask(ask(path, name + b": poison"))
    assert b"poison" not in b" ".join(value for _, value in one(origin, path).fields)


def test_host_can_be_set_for_the_origin(start_gateway, origin: ScriptedOrigin, path: str) -> None:
    gateway = start_gateway({"upstream.host_header": "cms.internal"})
    gateway.ask(ask(path))
    assert one(origin, path).value(b"host") == b"cms.internal"
    assert one(origin, path).value(b"x-forwarded-host") == b"shop.test"


def test_a_request_that_goes_round_in_circles_is_stopped(start_gateway) -> None:
    gateway = start_gateway({"proxy.via": "circle"})
    assert gateway.ask(ask("/round", b"Via: " + b", ".join([b"1.1 circle"] * 4))).status == 200
    assert gateway.ask(ask("/round", b"Via: " + b", ".join([b"1.1 circle"] * 5))).status == 508


def test_trailers_of_a_response_pass(gateway: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nCache-Control: no-store\r\nTrailer: X-Sum\r\n\r\n"
    origin.script(path, answer(head, b"5\r\nhello\r\n", b"0\r\nX-Sum: 42\r\n\r\n"))
    response = gateway.ask(ask(path))
    assert (response.body, response.trailers) == (b"hello", [(b"x-sum", b"42")])


def test_interim_responses_pass_in_their_order(gateway: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
    origin.script(path, answer(b"HTTP/1.1 102 Processing\r\n\r\n", hints, ok(b"done")))
    response = gateway.ask(ask(path))
    assert response.interims == [(102, []), (103, [(b"link", b"</a.css>; rel=preload")])]
    assert response.body == b"done"


def test_a_stream_reaches_the_client_as_it_comes(gateway: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    """Head and first octets are there while the origin still holds back the rest."""
    go_on = threading.Event()

    def script(peer: Peer, _: Received) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert go_on.wait(20)
        go_on.clear()
        peer.send(b"9\r\ndata: 1\n\n\r\n")
        assert go_on.wait(20)
        peer.send(b"0\r\n\r\n")

    origin.script(path, script)
    with gateway.connect() as client:
        client.send(ask(path))
        assert client.head().status == 200
        go_on.set()
        assert client.read(14) == b"9\r\ndata: 1\n\n\r\n"
        go_on.set()
        assert client.read(5) == b"0\r\n\r\n"
