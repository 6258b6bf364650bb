"""What is unusual and right: every one of these must be answered, and reach the origin as it was meant."""

from __future__ import annotations

import random
import threading

import pytest

from tests.support.gateway_process import GatewayProcess
from tests.support.raw_client import Closed
from tests.support.scripted_origin import Peer, Received, ScriptedOrigin, answer, ok

HOST = b"Host: accepted.test\r\n"


def get(path: str, *lines: bytes, method: bytes = b"GET", version: bytes = b"HTTP/1.1") -> bytes:
    return b"\r\n".join([method + b" " + path.encode() + b" " + version, b"Host: accepted.test", *lines]) + b"\r\n\r\n"


def post(path: str, body: bytes, *lines: bytes) -> bytes:
    return get(path, b"Content-Length: %d" % len(body), *lines, method=b"POST") + body


def chunked(path: str, content: bytes, *lines: bytes) -> bytes:
    return get(path, b"Transfer-Encoding: chunked", *lines, method=b"POST") + content


def one(origin: ScriptedOrigin, path: str) -> Received:
    """The one request that came for path."""
    (received,) = origin.received_at(path)
    return received


# ── heads ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

HEADS = [
    ("16-kb-of-fields", [b"X-%02d: " % n + b"a" * 500 for n in range(32)]),
    ("100-fields", [b"X-%02d: a" % n for n in range(100)]),
    ("one-field-of-16-kb", [b"Cookie: a=" + b"b" * 16_000]),
    ("no-blank-after-colon", [b"X-A:b"]),
    ("blanks-around-the-value", [b"X-A: \t b \t "]),
    ("blanks-around-a-length", [b"Content-Length: \t 0 \t"]),
    ("empty-value", [b"X-A:", b"X-B: ", b"X-C:\t"]),
    ("value-of-colons", [b"X-A: ::a:b::"]),
    ("8-bit-value", ["X-A: schön".encode(), b"X-B: \xff\xfe"]),
    ("tab-in-value", [b"X-A: a\tb"]),
    ("all-token-characters", [b"!#$%&'*+-.^_`|~09azAZ: b"]),
    ("same-name-twice", [b"X-A: 1", b"X-A: 2"]),
    ("name-in-odd-case", [b"x-A: 1", b"ACCEPT: */*"]),
    ("unknown-connection-option", [b"Connection: keep-alive, x-nothing"]),
]


@pytest.mark.parametrize("lines", [lines for _, lines in HEADS], ids=[name for name, _ in HEADS])
def test_an_odd_head_is_read(gateway: GatewayProcess, origin: ScriptedOrigin, path: str, lines: list[bytes]) -> None:
    with gateway.connect() as client:
        client.send(get(path, *lines))
        assert client.response().status == 200
        client.send(get(path, *lines))
        assert client.response().status == 200
    assert len(origin.received_at(path)) == 2


@pytest.mark.parametrize(
    "host",
    [
        b"a.test ",
        b" \t a.test",
        b"a.test:",
        b"A.TEST",
        b"a.test:8080",
        b"127.0.0.1:80",
        b"[::1]",
        b"[::1]:8080",
        b"a_b.test",
        b"a.test.",
    ],
)
def test_an_odd_host_is_a_host(gateway: GatewayProcess, path: str, host: bytes) -> None:
    """RFC 9110 §7.2."""
    assert gateway.ask(b"GET %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (path.encode(), host)).status == 200


def test_a_target_of_8000_octets_arrives_whole(gateway: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    """RFC 9110 §4.1."""
    target = path + "?" + "q" * (7999 - len(path))
    assert gateway.ask(get(target)).status == 200
    assert one(origin, path).target == target.encode()


@pytest.mark.parametrize(
    "query", [b"?", b"?a=%00%ff", b"?a[]=1&b={}|^`", b"?a=//..//", b"?" + b"%41" * 50, b";p=1?x=;", b"/%2e%2e/%2F?a=b?c", b"?%zz"]
)
def test_a_target_goes_on_as_it_is(gateway: GatewayProcess, origin: ScriptedOrigin, path: str, query: bytes) -> None:
    target = path.encode() + query
    before = len(origin.received)
    assert gateway.ask(b"POST " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n").status == 200
    assert origin.received[before].target == target


@pytest.mark.parametrize("lead", [b"\r\n", b"\r\n\r\n", b"\r\n" * 10])
def test_empty_lines_before_a_request_are_skipped(gateway: GatewayProcess, path: str, lead: bytes) -> None:
    """RFC 9112 §2.2; also between two requests, where old clients put one after a POST."""
    with gateway.connect() as client:
        for _ in range(2):
            client.send(lead + post(path, b"hello"))
            assert client.response().status == 200


def test_an_empty_line_after_a_request_does_not_begin_another(start_gateway, path: str) -> None:
    """A connection that is merely idle is not told that its request took too long."""
    gateway = start_gateway({"server.limits.header_timeout": 0.5, "server.keepalive_timeout": 2})
    with gateway.connect() as client:
        client.send(post(path, b"hello") + b"\r\n")
        assert client.response().status == 200
        assert client.is_closed()


@pytest.mark.parametrize("how", ["get", "post", "chunked"])
def test_a_request_cut_at_every_position_is_one_request(
    gateway: GatewayProcess, origin: ScriptedOrigin, path: str, how: str
) -> None:
    sent = {
        "get": get(path, b"X-A: b"),
        "post": post(path, b"hello"),
        "chunked": chunked(path, b"5;x=y\r\nhello\r\n0\r\nX-T: 1\r\n\r\n"),
    }[how]
    with gateway.connect() as client:
        for cut in range(1, len(sent)):
            client.send(sent[:cut], sent[cut:])
            assert client.response().status == 200, cut
        client.send(*[sent[at : at + 1] for at in range(len(sent))])
        assert client.response().status == 200
    received = origin.received_at(path)
    assert len(received) == len(sent)
    assert {request.body for request in received} == {b"" if how == "get" else b"hello"}
    assert all(request.complete for request in received)


# ── forms of the target. RFC 9112 §3.2 ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("url", "host", "target"),
    [
        (b"http://b.test/x?y", b"b.test", b"/x?y"),
        (b"http://b.test", b"b.test", b"/"),
        (b"http://b.test?y", b"b.test", b"/?y"),
        (b"HTTP://B.test:80/x", b"b.test", b"/x"),
        (b"http://b.test:8080/x", b"b.test:8080", b"/x"),
        (b"http://[::1]:8080/x", b"[::1]:8080", b"/x"),
    ],
)
def test_the_host_of_an_absolute_target_replaces_the_field(
    gateway: GatewayProcess, origin: ScriptedOrigin, url: bytes, host: bytes, target: bytes
) -> None:
    """RFC 9112 §3.2.2: the received Host must be ignored."""
    before = len(origin.received)
    assert gateway.ask(b"POST " + url + b" HTTP/1.1\r\nHost: other.test\r\nContent-Length: 0\r\n\r\n").status == 200
    (received,) = origin.received[before:]
    assert (received.target, received.value(b"host")) == (target, host)


def test_options_may_ask_about_the_whole_server(gateway: GatewayProcess, origin: ScriptedOrigin) -> None:
    """RFC 9112 §3.2.4."""
    before = len(origin.received)
    assert gateway.ask(b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n").status == 200
    (received,) = origin.received[before:]
    assert (received.method, received.target) == (b"OPTIONS", b"*")


# ── HTTP/1.0. RFC 9112 §9.3 ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_http_1_0_is_answered_and_closed(gateway: GatewayProcess, path: str) -> None:
    with gateway.connect() as client:
        client.send(get(path, version=b"HTTP/1.0"))
        assert client.response().status == 200
        assert client.is_closed()


def test_http_1_0_needs_no_host(gateway: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    assert gateway.ask(b"GET %s HTTP/1.0\r\n\r\n" % path.encode()).status == 200
    assert one(origin, path).value(b"host"), "HTTP/1.1 to the origin needs one"


@pytest.mark.parametrize("lines", [(), (b"Cache-Control: max-age=60",)], ids=["miss", "hit"])
def test_http_1_0_is_kept_alive_when_it_asks_and_told_so(
    gateway: GatewayProcess, origin: ScriptedOrigin, path: str, lines: tuple[bytes, ...]
) -> None:
    """RFC 9112 §9.3; appendix C.2.2."""
    origin.script(path, answer(ok(b"hello", *lines)))
    with gateway.connect() as client:
        for _ in range(3):
            client.send(get(path, b"Connection: keep-alive", version=b"HTTP/1.0"))
            response = client.response()
            assert response.body == b"hello"
            assert response.value(b"connection") == b"keep-alive"


@pytest.mark.parametrize("asks", [(), (b"Connection: keep-alive",)], ids=["plain", "keep-alive"])
def test_http_1_0_gets_unknown_lengths_until_close(
    gateway: GatewayProcess, origin: ScriptedOrigin, path: str, asks: tuple[bytes, ...]
) -> None:
    """RFC 9112 §6.1: no transfer coding to a client that may not know it."""
    sent = b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n"
    origin.script(path, answer(sent))
    with gateway.connect() as client:
        client.send(get(path, *asks, version=b"HTTP/1.0"))
        response = client.response()
        assert (response.body, response.value(b"transfer-encoding"), response.says_close) == (b"hello", None, True)


def test_http_1_0_never_sees_an_interim_response(gateway: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    """RFC 9110 §15.2."""
    origin.script(path, answer(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok(b"hello")))
    assert gateway.ask(get(path, b"Expect: 100-continue", version=b"HTTP/1.0")).interims == []


# ── persistence and pipelining. RFC 9112 §9.3 ────────────────────────────────────────────────────────────────────────────────────────


def test_close_is_heeded_and_said(gateway: GatewayProcess, path: str) -> None:
    with gateway.connect() as client:
        client.send(get(path, b"Connection: close"))
        assert client.response().says_close
        assert client.is_closed()


@pytest.mark.parametrize("hot", [True, False], ids=["hits", "misses"])
def test_pipelined_requests_are_answered_in_order(gateway: GatewayProcess, origin: ScriptedOrigin, path: str, hot: bool) -> None:
    def number(peer: Peer, request: Received) -> None:
        body = request.target.partition(b"?")[2]
        peer.send(ok(body, b"Cache-Control: max-age=60" if hot else b"Cache-Control: no-store"))

    origin.script(path, number)
    if hot:
        for n in range(20):
            gateway.ask(get(f"{path}?{n}"))
    sent = b"".join(get(f"{path}?{n}") for n in range(20))
    dice = random.Random(path)
    cuts = sorted(dice.sample(range(1, len(sent)), 5))
    for pieces in ([sent], [sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True)]):
        with gateway.connect() as client:
            client.send(*pieces)
            assert [client.response().body for _ in range(20)] == [b"%d" % n for n in range(20)]


def test_hits_and_misses_pipelined_together_keep_their_order(gateway: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    origin.script(path, answer(ok(b"hit", b"Cache-Control: max-age=60")))
    origin.script(f"{path}/miss", answer(ok(b"miss")))
    gateway.ask(get(path))
    with gateway.connect() as client:
        client.send(b"".join([get(path), get(f"{path}/miss")] * 10))
        assert [client.response().body for _ in range(20)] == [b"hit", b"miss"] * 10


def test_a_get_behind_a_post_in_one_packet_waits_for_it(gateway: GatewayProcess, path: str) -> None:
    with gateway.connect() as client:
        client.send(
            post(f"{path}/1", b"hello") + get(f"{path}/2") + chunked(f"{path}/3", b"5\r\nhello\r\n0\r\n\r\n") + get(f"{path}/4")
        )
        assert [client.response().body[-2:] for _ in range(4)] == [b"/1", b"/2", b"/3", b"/4"]


def test_a_post_behind_a_slow_get_gets_all_of_its_content(gateway: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    """The answer to the first comes while the content of the second is on its way."""
    goes_on, content = threading.Event(), b"x" * 300_000

    def slow(peer: Peer, _: Received) -> None:
        assert goes_on.wait(10)
        peer.send(ok(b"slow"))

    origin.script(f"{path}/slow", slow)
    with gateway.connect() as client:
        client.send(
            get(f"{path}/slow") + get(f"{path}/post", b"Content-Length: %d" % len(content), method=b"POST") + content[:1000]
        )
        goes_on.set()
        assert client.response().body == b"slow"
        client.send(content[1000:], get(f"{path}/after"))
        assert client.response().status == 200
        assert client.response().body.endswith(b"/after")
    assert one(origin, f"{path}/post").body == content


def test_a_hit_before_a_post_whose_content_comes_later(gateway: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    """Twice, because the second time the head of the packet has been seen before: what follows a head in a packet is no part of it."""
    origin.script(path, answer(ok(b"hit", b"Cache-Control: max-age=60")))
    gateway.ask(get(path))
    for _ in range(3):
        with gateway.connect() as client:
            client.send(get(path) + get(f"{path}/post", b"Content-Length: 5", method=b"POST"))
            assert client.response().body == b"hit"
            client.send(b"hello" + get(path))
            assert client.response().body.startswith(b"POST ")
            assert client.response().body == b"hit"
    assert [request.body for request in origin.received_at(f"{path}/post")] == [b"hello"] * 3


def test_the_rest_of_a_head_is_never_taken_for_a_request(gateway: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    """The first packet ends within a field of the second request; the next packet looks like a request for what is stored, and is the field's value."""
    origin.script(path, answer(ok(b"hit", b"Cache-Control: max-age=60")))
    for _ in range(2):
        gateway.ask(get(path))
    with gateway.connect() as client:
        client.send(get(path) + b"POST %s/post HTTP/1.1\r\n" % path.encode() + HOST + b"Content-Length: 0\r\nX-Rest: ")
        assert client.response().body == b"hit"
        client.send(get(path).replace(b"Host:", b"X-Host:"))
        assert client.response().body.startswith(b"POST ")
    assert one(origin, f"{path}/post").value(b"x-rest") == f"GET {path} HTTP/1.1".encode()


def test_an_endless_head_behind_a_slow_request_is_refused_in_its_turn(
    gateway: GatewayProcess, origin: ScriptedOrigin, path: str
) -> None:
    """Limits hold while another request is being answered, too."""
    goes_on = threading.Event()

    def slow(peer: Peer, _: Received) -> None:
        assert goes_on.wait(10)
        peer.send(ok(b"slow"))

    origin.script(path, slow)
    before = gateway.rss()
    with gateway.connect() as client:
        client.send(get(path) + b"GET /endless HTTP/1.1\r\n" + HOST)
        for _ in range(300):
            client.send(b"X-Aaaa: %s\r\n" % (b"b" * 100_000))
        assert gateway.rss() - before < 20 << 20
        goes_on.set()
        assert client.response().body == b"slow"
        assert client.response().status == 431
        assert client.is_closed()


@pytest.mark.parametrize("hot", [True, False], ids=["hit", "miss"])
def test_a_client_that_closes_its_side_gets_all_its_answers(
    gateway: GatewayProcess, origin: ScriptedOrigin, path: str, hot: bool
) -> None:
    """RFC 9112 §9.6 forbids nobody to half-close; `printf … | nc` does."""

    def slow(peer: Peer, _: Received) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n")
        threading.Event().wait(0.2)
        peer.send(b"Cache-Control: %s\r\n\r\nhello" % (b"max-age=60" if hot else b"no-store"))

    origin.script(path, slow)
    if hot:
        gateway.ask(get(path))
    with gateway.connect() as client:
        client.send(get(path) + post(path, b"hello") + get(path))
        client.half_close()
        assert [client.response().body for _ in range(3)] == [b"hello"] * 3
        assert client.is_closed()


def test_a_client_that_closes_its_side_may_wait_long(gateway: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    """It may see a 102 meanwhile, by which a client that has left is found out; the answer comes all the same."""

    def slow(peer: Peer, _: Received) -> None:
        threading.Event().wait(3)
        peer.send(ok(b"hello"))

    origin.script(path, slow)
    with gateway.connect() as client:
        client.send(get(path))
        client.half_close()
        response = client.response()
        assert response.body == b"hello"
        assert {status for status, _ in response.interims} <= {102}


# ── content ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


CHUNKINGS = [
    ("plain", b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
    ("empty", b"0\r\n\r\n", b""),
    ("extensions", b'3;a=b;c="d e";f\r\nhel\r\n2;x\r\nlo\r\n0;end\r\n\r\n', b"hello"),
    ("hex", b"1A\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n", b"abcdefghijklmnopqrstuvwxyz"),
    ("hex-lower", b"1a\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n", b"abcdefghijklmnopqrstuvwxyz"),
    ("leading-zeros", b"0000005\r\nhello\r\n000\r\n\r\n", b"hello"),
    ("line-ends-as-content", b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", b"\r\n0\r\n\r\n"),
    (
        "request-as-content",
        b"26\r\nGET /hidden HTTP/1.1\r\nHost: a.test\r\n\r\n\r\n0\r\n\r\n",
        b"GET /hidden HTTP/1.1\r\nHost: a.test\r\n\r\n",
    ),
    ("single-octets", b"".join(b"1\r\n%c\r\n" % octet for octet in b"hello" * 200) + b"0\r\n\r\n", b"hello" * 200),
    ("large", b"40000\r\n" + b"x" * 0x40000 + b"\r\n0\r\n\r\n", b"x" * 0x40000),
]


@pytest.mark.parametrize(("sent", "content"), [case[1:] for case in CHUNKINGS], ids=[case[0] for case in CHUNKINGS])
def test_a_chunked_upload_arrives(
    gateway: GatewayProcess, origin: ScriptedOrigin, path: str, sent: bytes, content: bytes
) -> None:
    """RFC 9112 §7.1."""
    with gateway.connect() as client:
        client.send(chunked(path, sent) + get(f"{path}/next"))
        assert client.response().status == 200
        assert client.response().body.endswith(b"/next")
    assert one(origin, path).body == content


def test_trailers_of_a_request_reach_the_origin_but_for_those_that_change_its_meaning(
    gateway: GatewayProcess, origin: ScriptedOrigin, path: str
) -> None:
    """RFC 9110 §6.5.1."""
    trailers = (
        b"X-Sum: 1\r\nX-Sum: 2\r\nHost: evil.test\r\nX-Forwarded-For: 9.9.9.9\r\nCookie: a=b\r\nAuthorization: x\r\nX-Empty:\r\n"
    )
    with gateway.connect() as client:
        client.send(chunked(path, b"5\r\nhello\r\n0\r\n" + trailers + b"\r\n", b"Trailer: X-Sum"))
        assert client.response().status == 200
    received = one(origin, path)
    assert received.body == b"hello"
    assert received.trailers == [(b"x-sum", b"1"), (b"x-sum", b"2"), (b"x-empty", b"")]


@pytest.mark.parametrize("method", [b"GET", b"DELETE", b"OPTIONS", b"PUT", b"PATCH"])
def test_any_method_may_have_content(gateway: GatewayProcess, origin: ScriptedOrigin, path: str, method: bytes) -> None:
    """RFC 9110 §9.3: no defined meaning is no reason to lose count."""
    with gateway.connect() as client:
        client.send(post(path, b"hello").replace(b"POST", method, 1) + get(f"{path}/next"))
        assert client.response().status == 200
        assert client.response().body.endswith(b"/next")
    assert one(origin, path).body == b"hello"


# ── 100 Continue. RFC 9110 §10.1.1 ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_100_of_the_origin_lets_the_client_go_on(gateway: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    def patient(peer: Peer, request: Received) -> None:
        assert request.value(b"expect") == b"100-continue"
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        peer.content(request)
        peer.send(ok(request.body))

    origin.script(path, patient, reads_content=False)
    with gateway.connect() as client:
        client.send(get(path, b"Content-Length: 5", b"Expect: 100-continue", method=b"POST"))
        assert client.head().status == 100
        client.send(b"hello" + get(f"{path}/next"))
        response = client.response()
        assert (response.body, response.interims) == (b"hello", [])
        assert client.response().body.endswith(b"/next")


def test_an_origin_that_does_not_know_100_does_not_block_the_client(
    gateway: GatewayProcess, origin: ScriptedOrigin, path: str
) -> None:
    with gateway.connect() as client:
        client.send(get(path, b"Content-Length: 5", b"Expect: 100-Continue", method=b"POST"))
        assert client.head().status == 100
        client.send(b"hello")
        assert client.response().status == 200
    assert one(origin, path).body == b"hello"


def test_a_final_answer_instead_of_100_reaches_the_client_which_need_not_send(
    gateway: GatewayProcess, origin: ScriptedOrigin, path: str
) -> None:
    origin.script(path, answer(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno"), reads_content=False)
    with gateway.connect() as client:
        client.send(get(path, b"Content-Length: 5000000", b"Expect: 100-continue", method=b"POST"))
        response = client.response()
        assert (response.status, response.body, response.interims, response.says_close) == (413, b"no", [], True)
        assert client.is_closed()


def test_an_answer_before_the_content_has_come_is_not_lost_in_a_reset(
    gateway: GatewayProcess, origin: ScriptedOrigin, path: str
) -> None:
    """RFC 9112 §9.6: the client goes on sending and reads the answer afterwards."""
    origin.script(path, answer(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"), reads_content=False)
    with gateway.connect() as client:
        client.send(get(path, b"Content-Length: 5000000", method=b"POST"))
        client.send_what_is_taken([b"x" * 100_000] * 50)
        response = client.response()
        assert (response.status, response.body, response.says_close) == (403, b"no", True)
        assert client.is_closed()


# ── Upgrade that leads nowhere. RFC 9110 §7.8 ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("upgrade", [b"websocket", b"h2c", b"TLS/1.2", b"something/2"])
def test_a_request_to_upgrade_that_the_origin_ignores_is_a_plain_request(
    gateway: GatewayProcess, path: str, upgrade: bytes
) -> None:
    lines = [b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: " + upgrade, b"HTTP2-Settings: AAMAAABkAAQAAP__"]
    with gateway.connect() as client:
        client.send(get(f"{path}/1", *lines) + get(f"{path}/2") + post(f"{path}/3", b"hello") + get(f"{path}/4", *lines))
        assert [client.response().body[-2:] for _ in range(4)] == [b"/1", b"/2", b"/3", b"/4"]
        client.send(get(f"{path}/5"))
        assert client.response().body[-2:] == b"/5"


def test_h2c_is_never_offered_to_the_origin(gateway: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    """A tunnel to an origin's HTTP/2 would pass by everything that the gateway is there for."""
    gateway.ask(get(path, b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__"))
    received = one(origin, path)
    assert received.values(b"upgrade") + received.values(b"connection") + received.values(b"http2-settings") == []


def test_a_stored_page_is_served_to_who_would_rather_upgrade(gateway: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    origin.script(path, answer(ok(b"hit", b"Cache-Control: max-age=60")))
    gateway.ask(get(path))
    with gateway.connect() as client:
        client.send(get(path, b"Connection: Upgrade", b"Upgrade: h2c") + get(path))
        assert [client.response().body for _ in range(2)] == [b"hit", b"hit"]
    assert len(origin.received_at(path)) == 1


@pytest.mark.parametrize("how", ["length", "chunked", "nothing"])
def test_a_post_that_asks_to_upgrade_keeps_its_content(
    gateway: GatewayProcess, origin: ScriptedOrigin, path: str, how: str
) -> None:
    """Java's client sends such by default."""
    lines = [b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c"]
    sent = {
        "length": post(path, b"hello", *lines),
        "chunked": chunked(path, b"5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n", *lines),
        "nothing": post(path, b"", *lines),
    }[how]
    for pieces in (
        [sent + get(f"{path}/next")],
        [sent, get(f"{path}/next")],
        [bytes([octet]) for octet in sent + get(f"{path}/next")],
    ):
        with gateway.connect() as client:
            client.send(*pieces)
            assert client.response().status == 200
            assert client.response().body.endswith(b"/next")
    assert [request.body for request in origin.received_at(path)] == [b"" if how == "nothing" else b"hello"] * 3


# ── and when nothing is said ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_connecting_and_leaving_harms_nobody(gateway: GatewayProcess) -> None:
    for leave in ("close", "reset", "half_close"):
        for _ in range(10):
            with gateway.connect() as client:
                getattr(client, leave)()
                if leave == "half_close":
                    with pytest.raises(Closed):
                        client.response()
    assert gateway.is_well()


# ── header sections that were read before ────────────────────────────────────────────────────────────────────────────────────────────

TARGETS = ["/", "//a", "/a;b=c/d", "/a?", "/a?b=c&d=%2F", "/%zz", "/a|b", '/"a"', "/{a}", "/[a]", "/a^b", "/a\\b", "/a`b", "/<a>"]


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_is_the_same_before_a_header_section_that_was_read_already(
    gateway: GatewayProcess, origin: ScriptedOrigin, path: str, target: str
) -> None:
    """The second request is read by llhttp; of the third only the target is (docs/decisions/0002-lanes.md)."""
    asked = path + target
    place = asked.partition("?")[0]
    with gateway.connect() as client:
        for number in range(3):
            origin.script(place, answer(ok(b"%d" % number)))
            section = (
                b"X-Path: " + path.encode() if number else b"X-Path: another"
            )  # from the second on it is known to be uncacheable
            client.send(get(asked, section, b"Cookie: a=b"))
            response = client.response()
            assert (response.status, response.body) == (200, b"%d" % number)
    _, first, second = origin.received_at(place)
    ours = {b"x-request-id"}
    assert [field for field in second.fields if field[0].lower() not in ours] == [
        field for field in first.fields if field[0].lower() not in ours
    ]
    assert second.target == first.target == asked.encode()
