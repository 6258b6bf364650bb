"""Origins that break off, say too much, say nonsense or say nothing: a 502 or 504, or a cut that the client can see; never stored, and never part of the next answer.

The responses are those of tests/upstream/corpus.py, here with a real gateway between.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.fixtures import PATIENT_BREAKER
from tests.support.gateway_process import GatewayProcess
from tests.support.raw_client import CutShort, RawClient, Response
from tests.support.scripted_origin import Peer, Received, Script, ScriptedOrigin, answer, ok
from tests.upstream.corpus import BAD, GOOD, Bad, Good

STORED = b"Cache-Control: max-age=60"
LATER = ok(b"later")


def get(path: str, *lines: bytes, method: bytes = b"GET") -> bytes:
    return b"\r\n".join([method + b" " + path.encode() + b" HTTP/1.1", b"Host: origins.test", *lines]) + b"\r\n\r\n"


def post(path: str, body: bytes = b"hello") -> bytes:
    return get(path, b"Content-Length: %d" % len(body), method=b"POST") + body


def ask(client: RawClient, sent: bytes) -> Response | None:
    """The answer; None when it was cut short."""
    client.send(sent)
    try:
        return client.response(sent.partition(b" ")[0])
    except CutShort:
        return None


def once(script: Script, later: bytes = LATER) -> Script:
    """That script for the first request that comes, a plain answer for all others."""
    turns = iter([script])

    def chosen(peer: Peer, request: Received) -> None:
        next(turns, answer(later))(peer, request)

    return chosen


@pytest.fixture(scope="module")
def hasty(shared_origin: ScriptedOrigin) -> Iterator[GatewayProcess]:
    """A gateway that waits for origins one second."""
    times = ["first_byte_timeout", "unsafe_first_byte_timeout", "idle_timeout", "connect_timeout"]
    with GatewayProcess(shared_origin.url, PATIENT_BREAKER | {f"upstream.{name}": 1 for name in times}) as process:
        yield process


# ── the corpus ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("bad", BAD, ids=lambda case: case.id)
def test_a_malformed_response_is_a_502_or_a_visible_cut_and_is_not_stored(
    gateway: GatewayProcess, origin: ScriptedOrigin, path: str, bad: Bad
) -> None:
    """Fault B9."""
    tempting = bad.sent.replace(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n" + STORED + b"\r\n")
    origin.script(path, once(answer(tempting, then="close")))
    with gateway.connect() as client:
        response = ask(client, get(path, method=bad.method))
        if (
            bad.sent or response is None or response.status != 200
        ):  # a kept connection that closes in silence: asked once more, rightly
            assert response is None or response.status == 502
            assert response is None or response.value(b"proxy-status"), "RFC 9209: whose fault it is"
    with gateway.connect() as client:
        for _ in range(2):
            response = ask(client, get(path))
            assert response is not None
            assert (response.status, response.body) == (200, b"later")


@pytest.mark.parametrize("good", [one for one in GOOD if one.status != 304], ids=lambda case: case.id)
def test_an_odd_response_is_delivered_and_what_is_too_much_reaches_nobody(
    gateway: GatewayProcess, origin: ScriptedOrigin, path: str, good: Good
) -> None:
    """Fault B8: the declared octets are delivered, the connection is dropped, the next answer is the next request's own."""
    then = "close" if not good.reusable and not good.surplus else "next"
    origin.script(path, once(answer(good.sent, then=then)))
    with gateway.connect() as client:
        response = ask(client, get(path, b"Cache-Control: no-store", method=good.method))
        assert response is not None
        assert (response.status, response.body) == (good.status, good.content)
        if response.value(b"transfer-encoding") is not None:
            assert response.trailers == good.trailers
        assert tuple(status for status, _ in response.interims) == tuple(one for one in good.interims if one != 100)
        for _ in range(3):
            response = ask(client, get(path))
            assert response is not None
            assert (response.status, response.body) == (200, b"later")
    received = origin.received_at(path)
    assert (received[0].connection == received[1].connection) == good.reusable


# ── surplus ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
SURPLUS = {
    "length": (b"GET", ok(b"mine") + EVIL, 200),
    "cacheable": (b"GET", ok(b"mine", STORED) + EVIL, 200),
    "zero-length": (b"GET", ok(b"") + EVIL, 200),
    "last-chunk": (b"GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nmine\r\n0\r\n\r\n" + EVIL, 200),
    "head": (b"HEAD", ok(b"mine") + EVIL, 200),
    "204": (b"GET", b"HTTP/1.1 204 No Content\r\n\r\n" + EVIL, 204),
    "204-with-length": (b"POST", b"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil" + EVIL, 204),
    "post": (b"POST", ok(b"mine") + EVIL, 200),
}


@pytest.mark.parametrize("idle", [False, True], ids=["at-once", "while-idle"])
@pytest.mark.parametrize("case", SURPLUS)
def test_surplus_never_becomes_the_next_answer(
    gateway: GatewayProcess, origin: ScriptedOrigin, path: str, case: str, idle: bool
) -> None:
    """It may come with the answer, or at any time before the next request goes out."""
    method, sent, status = SURPLUS[case]
    answered, spilt = threading.Event(), threading.Event()

    def too_much(peer: Peer, _: Received) -> None:
        if idle:
            peer.send(sent.removesuffix(EVIL))
            assert answered.wait(10)
            peer.send(EVIL)
        else:
            peer.send(sent)
        spilt.set()

    for turn in range(5):
        place = f"{path}/{turn}"
        origin.script(place, too_much)
        answered.clear()
        spilt.clear()
        with gateway.connect() as client:
            response = ask(client, get(place, b"Content-Length: 0", method=method))
            assert response is not None
            assert response.status == status
            answered.set()
            assert spilt.wait(10)  # from here on the octets are in the gateway's socket, whether its loop has seen them or not
            for number in range(3):
                response = ask(client, get(f"{place}/next?{number}"))
                assert response is not None
                assert response.body == f"GET {place}/next?{number}".encode()


def test_a_304_with_a_body_leaks_nothing(gateway: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    """RFC 9112 §6.3 item 1: it has none, whatever it declares."""
    not_modified = b'HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=60\r\nETag: "a"\r\nContent-Length: 4\r\n\r\nevil' + EVIL
    origin.script(path, once(answer(ok(b"mine", b"Cache-Control: max-age=0", b'ETag: "a"')), later=not_modified))
    with gateway.connect() as client:
        for _ in range(3):
            response = ask(client, get(path))
            assert response is not None
            assert response.body == b"mine"
        response = ask(client, get(f"{path}/next"))
        assert response is not None
        assert response.body == f"GET {path}/next".encode()


# ── too little ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

CUT = {
    "length": b"HTTP/1.1 200 OK\r\n" + STORED + b"\r\nContent-Length: 1000\r\n\r\nhalf",
    "chunk": b"HTTP/1.1 200 OK\r\n" + STORED + b"\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n5\r\nx",
    "last-chunk": b"HTTP/1.1 200 OK\r\n" + STORED + b"\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    "trailers": b"HTTP/1.1 200 OK\r\n" + STORED + b"\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\nX-A: b\r\n",
}


@pytest.mark.parametrize("then", ["close", "reset"])
@pytest.mark.parametrize("cut", CUT)
@pytest.mark.parametrize("stored", [True, False], ids=["cacheable", "uncacheable"])
def test_a_cut_body_is_seen_as_cut_and_never_stored(
    gateway: GatewayProcess, origin: ScriptedOrigin, path: str, cut: str, then: str, stored: bool
) -> None:
    """Fault B3; RFC 9111 §3.3: an incomplete response is none."""
    sent = CUT[cut] if stored else CUT[cut].replace(STORED, b"Cache-Control: no-store")
    goes_on = threading.Event()

    def breaks_off(peer: Peer, request: Received) -> None:
        peer.send(sent)
        goes_on.wait(10)
        answer(then=then)(peer, request)

    origin.script(path, once(breaks_off))
    with gateway.connect() as client:
        client.send(get(path))
        head = client.head()
        assert head.status == 200
        assert client.unread or client.socket.recv(1)  # content goes on to the client before it is complete
        goes_on.set()
        rest = client.read_to_end()
        assert not rest.endswith(b"0\r\n\r\n")
    with gateway.connect() as client:
        response = ask(client, get(path))
        assert response is not None
        assert response.body == b"later"


def test_those_who_wait_for_a_body_together_all_see_its_cut(gateway: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    goes_on = threading.Event()

    def breaks_off(peer: Peer, _: Received) -> None:
        peer.send(CUT["length"])
        goes_on.wait(10)
        peer.close()

    origin.script(path, once(breaks_off))
    clients = [gateway.connect() for _ in range(5)]
    for client in clients:
        client.send(get(path))
    for client in clients:
        assert client.head().status == 200
    goes_on.set()
    for client in clients:
        assert client.read_to_end() in {b"", b"half"}
        client.close()
    assert len(origin.received_at(path)) == 1


# ── connections that break ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("sent", [b"", b"HTT", b"HTTP/1.1 200 OK\r\nConte"], ids=["before", "in-the-version", "in-the-head"])
@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_a_connection_that_breaks_before_the_answer_is_a_502(
    gateway: GatewayProcess, origin: ScriptedOrigin, path: str, how: str, sent: bytes, method: bytes
) -> None:
    """Fault B3. On a new connection, where nothing says that the origin has not acted: it is asked once."""

    def first_on_its_connection(peer: Peer, request: Received) -> None:
        answer(*([sent] if sent else []), then=how)(peer, request)

    with ScriptedOrigin() as fresh:
        fresh.script(path, first_on_its_connection)
        with GatewayProcess(fresh.url, PATIENT_BREAKER) as lonely, lonely.connect() as client:
            response = ask(client, get(path, b"Content-Length: 0", method=method))
            assert response is not None
            assert response.status == 502
            response = ask(client, get(f"{path}/next"))
            assert response is not None
            assert response.status == 200
        assert len(fresh.received_at(path)) == 1


@pytest.mark.parametrize("how", ["close", "reset"])
def test_an_origin_that_breaks_off_at_accept_is_a_502(start_gateway, path: str, how: str) -> None:
    def greet(peer: Peer) -> bool:
        getattr(peer, how)()
        return True

    with ScriptedOrigin(greet) as rude:
        gateway = start_gateway(upstream=rude.url)
        for method in (b"GET", b"POST"):
            response = gateway.ask(get(path, b"Content-Length: 0", method=method))
            assert response.status == 502


def test_an_origin_that_is_not_there_is_a_502(start_gateway, path: str) -> None:
    with ScriptedOrigin() as gone:
        url = gone.url
    gateway = start_gateway(upstream=url)
    assert gateway.ask(get(path)).status == 502


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_kept_connection_that_the_origin_closes_costs_no_get(
    gateway: GatewayProcess, origin: ScriptedOrigin, path: str, how: str
) -> None:
    """Fault B6: 25 of 25, the close coming after the answer, as the next request goes out, or upon it."""
    closing = threading.Event()

    def then_close(peer: Peer, request: Received) -> None:
        peer.send(ok(b"one"))
        closing.set()
        answer(then=how)(peer, request)

    for turn in range(25):
        closing.clear()
        origin.script(f"{path}/{turn}", then_close)
        with gateway.connect() as client:
            response = ask(client, get(f"{path}/{turn}"))
            assert response is not None
            assert response.body == b"one"
            if turn % 2:
                assert closing.wait(5)
                time.sleep(0.001 * (turn % 5))
            response = ask(client, get(f"{path}/{turn}/next"))
            assert response is not None
            assert (response.status, response.body) == (200, f"GET {path}/{turn}/next".encode())


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_get_that_kills_its_kept_connection_is_asked_once_more(
    gateway: GatewayProcess, origin: ScriptedOrigin, path: str, how: str
) -> None:
    """RFC 9112 §9.3.1: upon the request itself, 25 of 25."""

    def unless_fresh(peer: Peer, request: Received) -> None:
        if any(other.connection == peer.number for other in origin.received[: origin.received.index(request)]):
            answer(then=how)(peer, request)
        else:
            peer.send(ok(b"fresh"))

    for turn in range(25):
        place = f"{path}/{turn}"
        origin.script(place, unless_fresh)
        with gateway.connect() as client:
            ask(client, get(f"{place}/warm"))
            response = ask(client, get(place))
            assert response is not None
            assert response.body == b"fresh"


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_post_reaches_the_origin_exactly_once(gateway: GatewayProcess, origin: ScriptedOrigin, path: str, how: str) -> None:
    """Fault B7: what is not idempotent is never sent twice, on a kept connection either."""
    for turn in range(10):
        place = f"{path}/{turn}"
        origin.script(place, answer(then=how))
        with gateway.connect() as client:
            ask(client, get(f"{place}/warm"))
            response = ask(client, post(place))
            assert response is not None
            assert response.status == 502
        assert [request.body for request in origin.received_at(place)] == [b"hello"]


# ── silence and slowness ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Le"], ids=["nothing", "half-a-head"])
@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_silence_is_a_504_in_time(hasty: GatewayProcess, origin: ScriptedOrigin, path: str, said: bytes, method: bytes) -> None:
    """Fault B2."""
    freed = threading.Event()

    def silent(peer: Peer, _: Received) -> None:
        peer.send(said)
        if peer.closes(10):
            freed.set()

    origin.script(path, silent)
    with hasty.connect(timeout=8) as client:
        response = ask(client, get(path, b"Content-Length: 0", method=method))
        assert response is not None
        assert response.status == 504
        assert freed.wait(5), "the connection is dropped: its answer may still come"
        response = ask(client, get(f"{path}/next"))
        assert response is not None
        assert response.body == f"GET {path}/next".encode()


def test_a_head_that_drips_is_a_504_in_time(hasty: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    """Fault B4: the time is for the whole head, not for each octet."""

    def drip(peer: Peer, _: Received) -> None:
        for octet in b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 200:
            peer.send(bytes([octet]))
            time.sleep(0.1)

    origin.script(path, drip)
    with hasty.connect(timeout=8) as client:
        response = ask(client, get(path))
        assert response is not None
        assert response.status == 504


def test_endless_interim_responses_come_to_an_end(gateway: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    origin.script(path, answer(*[b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"] * 100))
    response = gateway.ask(get(path))
    assert response.status == 502
    assert len(response.interims) <= 20


def test_an_endless_head_comes_to_an_end(gateway: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    before = gateway.rss()
    origin.script(path, answer(b"HTTP/1.1 200 OK\r\n", *[b"X-Aaaa: %s\r\n" % (b"a" * 10_000)] * 3000))
    assert gateway.ask(get(path)).status == 502
    assert gateway.rss() - before < 20 << 20


@pytest.mark.parametrize("framing", [b"Content-Length: 1000", b"Transfer-Encoding: chunked", b"Connection: close"])
def test_a_body_that_stops_is_cut_in_time(hasty: GatewayProcess, origin: ScriptedOrigin, path: str, framing: bytes) -> None:
    def stops(peer: Peer, _: Received) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\n" + STORED + b"\r\n" + framing + b"\r\n\r\n")
        if b"chunked" in framing:
            peer.send(b"4\r\nhalf\r\n")
        assert peer.closes(10)

    origin.script(path, once(stops))
    with hasty.connect(timeout=8) as client:
        assert ask(client, get(path)) is None
        assert client.is_closed()
    with hasty.connect() as client:
        response = ask(client, get(path))
        assert response is not None
        assert response.body == b"later"


def test_a_body_that_drips_is_passed_on_and_holds_up_nobody(hasty: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    """Fault B4: slow is not broken while octets come."""

    def drip(peer: Peer, _: Received) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 20\r\n\r\n")
        for _ in range(20):
            time.sleep(0.1)
            peer.send(b"x")

    origin.script(path, drip)
    with hasty.connect() as slow, hasty.connect(timeout=2) as quick:
        slow.send(get(path))
        for number in range(20):
            assert ask(quick, get(f"{path}/{number}")) is not None
        assert slow.response().body == b"x" * 20
