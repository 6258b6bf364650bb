"""Before a connection is one: handshakes that fail, stall, or are none. Each is a connection all the same, with its limits."""

from __future__ import annotations

import json
import signal
import ssl
from contextlib import ExitStack

import pytest

from gateway.listener.certificates import Pair
from tests.support.gateway_process import GatewayProcess
from tests.support.raw_client import RawClient
from tests.tls.making import Authority, client_context

LIVE = b"GET /_weft/health/live HTTP/1.1\r\nHost: weft.test\r\nConnection: close\r\n\r\n"


def hello() -> bytes:
    """The first flight of a client."""
    sent = ssl.MemoryBIO()
    client = client_context(None).wrap_bio(ssl.MemoryBIO(), sent, server_hostname="weft.test")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return sent.read()


def figure(gateway: GatewayProcess, name: str) -> float:
    """A figure of the metrics, 0 when there is none."""
    text = gateway.ask(b"GET /_weft/metrics HTTP/1.1\r\nHost: weft.test\r\nConnection: close\r\n\r\n").body.decode()
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))


def refused(gateway: GatewayProcess, reason: str) -> float:
    return figure(gateway, f'weft_refused_total{{reason="{reason}"}}')


def test_a_browser_that_comes_with_http_is_told(tls: GatewayProcess) -> None:
    before = refused(tls, "plain_http")
    with tls.connect(tls=None) as client:
        client.send(LIVE)
        response = client.response()
        assert (response.status, response.says_close) == (400, True)
        assert b"https" in response.body
        client.send_what_is_taken([b"more of it\r\n"])
        assert client.is_closed(within=10)
    assert refused(tls, "plain_http") == before + 1


@pytest.mark.parametrize(
    "noise", [b"\x00" * 100, b"\xff\xfe\xfd", b"\n\n\n", b"\x80\x2e\x01\x00\x02"], ids=["zeros", "high", "lines", "SSL 2"]
)
def test_noise_gets_no_answer(tls: GatewayProcess, noise: bytes) -> None:
    with tls.connect(tls=None) as client:
        client.send(noise)
        assert client.is_closed(within=10)
    assert tls.is_well()


def test_noise_that_begins_like_tls_gets_an_alert(tls: GatewayProcess) -> None:
    before = refused(tls, "tls_handshake")
    with tls.connect(tls=None) as client:
        client.send(b"\x16\x03\x01\x00\x05hello")
        said = client.read_to_end()
    assert said[:1] == b"\x15"  # an alert record. RFC 8446 §6
    assert refused(tls, "tls_handshake") == before + 1


def test_tls_on_the_plain_port_gets_a_quick_end(gateway: GatewayProcess) -> None:
    with gateway.connect() as client:
        client.send(hello())
        assert client.response().status == 400
        assert client.is_closed(within=10)
    assert gateway.is_well()


def test_a_handshake_may_come_octet_by_octet(tls: GatewayProcess, trusting: ssl.SSLContext) -> None:
    with tls.connect(tls=None) as raw:
        to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = trusting.wrap_bio(to_client, to_server, server_hostname="weft.test")
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                raw.send(*(bytes([octet]) for octet in to_server.read()))
                to_client.write(raw.socket.recv(1 << 16))
        client.write(LIVE)
        raw.send(*(bytes([octet]) for octet in to_server.read()))
        to_client.write(raw.read_to_end())
        answer = b""
        while piece := client.read(1 << 16):  # b"" is close_notify: without it, this raises
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("begun", [False, True], ids=["silent", "begun"])
def test_one_that_stalls_is_cut_off(start_tls, begun: bool) -> None:
    gateway = start_tls({"server.limits.header_timeout": 1})
    with gateway.connect(tls=None) as client:
        if begun:
            client.send(hello()[:-1])
        assert client.is_closed(within=20)
    assert refused(gateway, "tls_timeout") == 1


def test_the_handshake_counts_within_the_time_of_the_first_head(start_tls) -> None:
    gateway = start_tls({"server.limits.header_timeout": 1})
    with gateway.connect() as client:
        assert client.is_closed(within=20)  # closed, with close_notify, and not refused: nothing was asked
    assert refused(gateway, "tls_timeout") == 0


def test_handshakes_are_connections_and_counted_as_such(start_tls) -> None:
    gateway = start_tls({"server.max_connections": 5, "server.limits.header_timeout": 5})
    with ExitStack() as stack:
        held = [stack.enter_context(gateway.connect(tls=None)) for _ in range(5)]
        for client in held:
            client.send(hello()[:9])
        with gateway.connect(tls=None) as one_more:
            assert one_more.is_closed(within=10)
    while not gateway._answers(gateway.port):  # the five are gone, which the gateway will notice
        pass
    assert refused(gateway, "max_connections") >= 1


def test_handshakes_count_among_the_connections_of_their_client(start_tls) -> None:
    gateway = start_tls({"server.max_connections_per_client": 3})
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(gateway.connect(tls=None)).send(hello()[:9])
        whole = stack.enter_context(gateway.connect())
        with gateway.connect(tls=None) as one_more:
            assert one_more.is_closed(within=10)
        whole.send(LIVE)
        assert whole.response().status == 200
        assert whole.read_to_end() == b""
    gateway.until(gateway.is_well, "room for others")
    assert refused(gateway, "max_connections_per_client") >= 1


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_are_spoken(tls: GatewayProcess, authority: Authority, version: ssl.TLSVersion) -> None:
    context = client_context(authority, minimum_version=version, maximum_version=version)
    with tls.connect(tls=context) as client:
        client.send(LIVE)
        assert client.response().status == 200
        assert client.read_to_end() == b""  # close_notify


def test_a_version_below_the_setting_is_refused(start_tls, authority: Authority) -> None:
    gateway = start_tls({"server.tls.min_version": "1.3"})
    with pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"):
        gateway.connect(tls=client_context(authority, maximum_version=ssl.TLSVersion.TLSv1_2))
    assert gateway.is_well()


def test_sessions_are_resumed(tls: GatewayProcess, authority: Authority) -> None:
    context = client_context(authority, maximum_version=ssl.TLSVersion.TLSv1_2)
    before = figure(tls, 'weft_tls_handshakes_total{resumed="yes"')
    with tls.connect(tls=context) as client:
        assert isinstance(client.socket, ssl.SSLSocket)
        session = client.socket.session
    raw = RawClient(tls.port)
    with raw, context.wrap_socket(raw.socket, server_hostname="weft.test", session=session) as again:
        assert again.session_reused
    assert figure(tls, 'weft_tls_handshakes_total{resumed="yes"') == before + 1


def test_http_1_1_is_what_is_agreed_on(tls: GatewayProcess, authority: Authority) -> None:
    context = client_context(authority)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with tls.connect(tls=context) as client:
        assert isinstance(client.socket, ssl.SSLSocket)
        assert client.socket.selected_alpn_protocol() == "http/1.1"


def test_clients_show_certificates_where_the_setting_asks_for_them(start_tls, authority: Authority) -> None:
    badge = authority.pair("badge", "badge.test")
    bearer = client_context(authority)
    bearer.load_cert_chain(*badge)
    gateway = start_tls({"server.tls.client_ca": str(authority.file)}, tls=bearer)
    assert gateway.is_well()
    with gateway.connect(tls=client_context(authority)) as client:
        client.send_what_is_taken([LIVE])
        with pytest.raises((ssl.SSLError, ConnectionError)):
            client.response()
    assert refused(gateway, "tls_handshake") == 1


def test_who_refuses_our_certificate_is_counted_and_nothing_else(tls: GatewayProcess) -> None:
    before = refused(tls, "tls_handshake")
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody
    with pytest.raises(ssl.SSLCertVerificationError):
        tls.connect(tls=stranger)
    assert tls.is_well()
    assert refused(tls, "tls_handshake") == before + 1
    assert "Traceback" not in tls.log()


def test_a_handshake_that_runs_does_not_hold_up_the_end(start_tls) -> None:
    gateway = start_tls({"server.limits.header_timeout": 2})
    with gateway.connect(tls=None) as client:
        client.send(hello()[:20])
        gateway.signal(signal.SIGTERM)
        assert gateway.wait(20) == 0


def test_the_log_of_the_process_says_that_it_speaks_tls(tls: GatewayProcess) -> None:
    line = next(json.loads(line) for line in tls.log().splitlines() if '"listening"' in line)
    assert line["scheme"] == "https"


def test_it_does_not_start_with_a_pair_that_is_none(shared_origin, weft_test: Pair, authority: Authority) -> None:
    other = authority.pair("mismatched", "weft.test")
    settings = {"server.tls.certificates": weft_test.certificate, "server.tls.keys": other.key}
    with pytest.raises(RuntimeError, match=r"server\.tls\.keys\[0\]: \S+mismatched\.key: is not the key of its certificate"):
        GatewayProcess(shared_origin.url, settings)
