"""What is served over TLS is what is served without, and everybody is told that it was https."""

from __future__ import annotations

import json
import shutil
import ssl
import threading
import time

import pytest
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve

from gateway.listener.certificates import Pair
from tests.support.gateway_process import GatewayProcess
from tests.support.raw_client import CutShort, RawClient
from tests.support.scripted_origin import Peer, Received, ScriptedOrigin, answer, ok
from tests.tls.conftest import settings_of
from tests.tls.making import Authority
from tests.tls.test_handshakes import figure

PUBLIC = b"Cache-Control: max-age=60"


def get(path: str, *lines: bytes) -> bytes:
    return b"\r\n".join([b"GET " + path.encode() + b" HTTP/1.1", b"Host: weft.test:443", *lines]) + b"\r\n\r\n"


def test_the_origin_is_told_that_it_was_https(tls: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    assert tls.ask(get(path, b"X-Forwarded-Proto: http", b"Forwarded: proto=http")).status == 200
    (request,) = origin.received_at(path)
    assert request.value(b"x-forwarded-proto") == b"https"
    assert request.value(b"x-forwarded-host") == b"weft.test"  # 443 is the scheme's own port
    assert request.value(b"forwarded") == b"for=127.0.0.1;host=weft.test;proto=https"
    assert request.value(b"via") == b"1.1 weft"


def test_stored_responses_have_https_in_their_key(tls: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    origin.script(path, answer(ok(b"page", PUBLIC)))
    with tls.connect() as client:
        client.send(get(path, b"Weft-Debug: a-token-for-tests"))
        assert b"key=https://weft.test/" in (client.response().value(b"weft-debug") or b"")
    assert len(origin.received_at(path)) == 1


def test_the_hot_lane_answers_and_says_https_in_the_log(tls: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    origin.script(path, answer(ok(b"hot", PUBLIC)))
    with tls.connect() as client:
        for _ in range(5):
            client.send(get(path))
            assert client.response().body == b"hot"
    assert len(origin.received_at(path)) == 1
    lines = [json.loads(line) for line in tls.log().splitlines() if f'"{path}"' in line]
    while len(lines) < 5:
        lines = [json.loads(line) for line in tls.log().splitlines() if f'"{path}"' in line]
    assert [line["cache"] for line in lines] == ["uri-miss", *["hit"] * 4]
    assert {line["scheme"] for line in lines} == {"https"}


def test_requests_in_one_record_and_over_many_are_the_same(tls: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    asked = get(path, b"Cookie: a=b")
    with tls.connect() as client:
        client.send(asked * 3)
        client.send(*(bytes([octet]) for octet in asked))
        for _ in range(4):
            assert client.response().body == b"GET " + path.encode()
        client.send(asked[:20])
        client.send(asked[20:] + asked[:20])
        client.send(asked[20:])
        for _ in range(2):
            assert client.response().body == b"GET " + path.encode()


def test_large_bodies_pass_both_ways(tls: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    content = bytes(range(256)) * 80_000

    def echo(peer: Peer, request: Received) -> None:
        peer.send(ok(request.body))

    origin.script(path, echo)
    with tls.connect() as client:
        client.send(b"POST %b HTTP/1.1\r\nHost: weft.test\r\nContent-Length: %d\r\n\r\n" % (path.encode(), len(content)))
        sender = threading.Thread(target=client.send, args=(content,))
        sender.start()
        response = client.response(b"POST")
        sender.join()
    assert response.body == content


def test_a_large_stored_page_is_whole(tls: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    """Content of many records, from the lane: head and content in one write."""
    content = b"0123456789abcdef" * 60_000
    origin.script(path, answer(ok(content, PUBLIC)))
    with tls.connect(window=4096) as client:
        for _ in range(3):
            client.send(get(path))
        assert [client.response().body == content for _ in range(3)] == [True] * 3


def test_a_client_that_does_not_read_is_cut_off(start_tls, origin: ScriptedOrigin, path: str) -> None:
    gateway = start_tls({"server.limits.write_timeout": 1})
    origin.script(path, answer(ok(b"x" * (8 << 20))))
    with gateway.connect(window=4096) as client:
        client.send(get(path))
        deadline = time.monotonic() + 30
        while not figure(gateway, 'weft_refused_total{reason="write_timeout"}') and time.monotonic() < deadline:
            time.sleep(0.1)
        with pytest.raises((CutShort, ConnectionResetError, ssl.SSLError)):
            client.response()


def test_a_body_that_breaks_off_ends_without_close_notify(tls: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    """So that nobody takes the part for the whole, even where the length is not known. RFC 9112 §9.8"""
    origin.script(path, answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n", then="reset"))
    with tls.connect() as client:
        client.send(get(path))
        with pytest.raises((ssl.SSLEOFError, ConnectionResetError)):
            client.response()


def test_an_end_that_is_one_is_said(tls: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    with tls.connect() as client:
        client.send(b"GET " + path.encode() + b" HTTP/1.0\r\nHost: weft.test\r\n\r\n")
        assert client.read_to_end().endswith(b"\r\n\r\nGET " + path.encode())  # ssl.SSLEOFError without close_notify


def test_a_refusal_is_read_by_who_still_sends(tls: GatewayProcess) -> None:
    with tls.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: weft.test\r\nX: " + b"a" * 40_000)
        client.send_what_is_taken([b"b" * 10_000] * 3)
        response = client.response()
        assert (response.status, response.says_close) == (431, True)


def test_a_client_that_has_said_all_gets_its_answer(tls: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    """close_notify closes one direction. RFC 8446 §6.1"""
    asked, go_on = threading.Event(), threading.Event()

    def slow(peer: Peer, _: Received) -> None:
        asked.set()
        assert go_on.wait(20)
        peer.send(ok(b"late"))

    origin.script(path, slow)
    with tls.connect() as client:
        client.send(get(path))
        assert asked.wait(10)
        assert isinstance(client.socket, ssl.SSLSocket)
        client.socket.settimeout(0)
        with pytest.raises(ssl.SSLWantReadError):  # it has said close_notify, and the other side's has not come
            client.socket.unwrap()
        client.socket.settimeout(20)
        go_on.set()
        assert client.response().body == b"late"


def test_a_client_that_leaves_frees_the_origin(tls: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    asked, freed = threading.Event(), threading.Event()

    def silent(peer: Peer, _: Received) -> None:
        asked.set()
        if peer.closes(within=60):
            freed.set()

    origin.script(path, silent)
    with tls.connect() as client:
        client.send(b"POST %b HTTP/1.1\r\nHost: weft.test\r\nContent-Length: 0\r\n\r\n" % path.encode())
        assert asked.wait(10)
    assert freed.wait(30)  # it would be waited for 60 seconds


def test_expectations_are_met(tls: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    with tls.connect() as client:
        client.send(b"PUT %b HTTP/1.1\r\nHost: weft.test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n" % path.encode())
        assert client.head().status == 100
        client.send(b"data")
        assert client.response(b"PUT").status == 200
    assert origin.received_at(path)[0].body == b"data"


def test_websockets_pass(weft_test: Pair, trusting: ssl.SSLContext) -> None:
    def echo(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(message)

    with serve(echo, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        upstream = f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        with GatewayProcess(upstream, settings_of(weft_test), trusting) as gateway:
            address = f"wss://127.0.0.1:{gateway.port}/chat"
            with connect(address, ssl=trusting, server_hostname="weft.test", max_size=1 << 24) as socket:
                for message in ("hello", b"\x00\xff" * 200_000):
                    socket.send(message)
                    assert socket.recv(timeout=20) == message
        server.shutdown()
        thread.join()


def test_the_name_chooses_the_certificate(start_tls, authority: Authority, weft_test: Pair) -> None:
    gateway = start_tls({}, weft_test, authority.pair("shop.test", "shop.test", "*.shop.test"))
    for name in ("weft.test", "shop.test", "www.shop.test"):
        with gateway.connect(name=name) as client:  # raises when the certificate is for another
            client.send(get("/_weft/health/live"))
            assert client.response().status == 200
    with pytest.raises(ssl.SSLCertVerificationError):
        gateway.connect(name="unknown.test")


def test_a_certificate_is_replaced_while_connections_stay(start_tls, authority: Authority, tmp_path) -> None:
    current = Pair(str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))

    def renew(pair: Pair) -> None:
        for source, target in zip(pair, current, strict=True):
            shutil.copyfile(source, target)

    def serial(client: RawClient) -> str:
        assert isinstance(client.socket, ssl.SSLSocket)
        shown = client.socket.getpeercert()
        assert shown is not None
        return str(shown["serialNumber"])

    renew(authority.pair("before", "weft.test", days=10))
    gateway = start_tls({"server.tls.check_interval": 0.1}, current)
    with gateway.connect() as early:
        first = serial(early)
        assert 9 * 86_400 < figure(gateway, "weft_tls_certificate_expiry_seconds") <= 10 * 86_400
        renew(authority.pair("after", "weft.test", days=20))
        latest, deadline = first, time.monotonic() + 30
        while latest == first and time.monotonic() < deadline:
            with gateway.connect() as client:
                latest = serial(client)
        assert latest != first
        assert figure(gateway, "weft_tls_certificate_expiry_seconds") > 19 * 86_400
        (tmp_path / "cert.pem").write_text("broken")
        while "certificates refused" not in gateway.log() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert gateway.is_well()
        with gateway.connect() as client:
            assert serial(client) == latest
        early.send(get("/_weft/health/live"))
        assert early.response().status == 200
    assert gateway.log().count("certificates refused") == 1
    assert gateway.log().count("certificates loaded") == 1
