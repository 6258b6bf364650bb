"""HTTP/2 as granian speaks it in front of our application: streams, flow control, clients that leave, requests that are none. RFC 9113"""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable

import pytest

from tests.http2.h2_client import Gone, Response
from tests.http2.servers import GranianProcess
from tests.support.scripted_origin import Peer, Received, ScriptedOrigin, answer, ok

PUBLIC = b"Cache-Control: max-age=60"
PSEUDO = [(":method", "GET"), (":scheme", "https"), (":authority", "weft.test")]


def endless(freed: threading.Event) -> Callable[[Peer, Received], None]:
    def script(peer: Peer, _: Received) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                peer.send(b"400\r\n" + b"x" * 1024 + b"\r\n")
                time.sleep(0.005)
        except OSError:
            freed.set()

    return script


def test_many_streams_at_once(granian: GranianProcess, origin: ScriptedOrigin, path: str) -> None:
    origin.script(path, answer(ok(b"shared" * 2_000, PUBLIC)))
    with granian.connect() as client:
        streams = [client.ask("GET", path if number % 2 else f"{path}/{number}") for number in range(100)]
        responses = [client.response(stream) for stream in streams]
    assert [response.status for response in responses] == [200] * 100
    assert [response.body for response in responses[::2]] == [f"GET {path}/{number}".encode() for number in range(0, 100, 2)]
    assert {response.body for response in responses[1::2]} == {b"shared" * 2_000}
    assert len(origin.received_at(path)) == 1


def test_content_needs_no_length(granian: GranianProcess, origin: ScriptedOrigin, path: str) -> None:
    with granian.connect() as client:
        stream = client.ask("POST", path, ends=False)
        client.send(stream, b"con", ends=False)
        client.send(stream, b"tent")
        assert client.response(stream).status == 200
    (request,) = origin.received_at(path)
    assert (request.body, request.value(b"transfer-encoding")) == (b"content", b"chunked")


def test_a_hundred_megabytes_pass_in_little_memory(granian: GranianProcess, origin: ScriptedOrigin, path: str) -> None:
    size = 100 << 20
    taken = [0]

    def take(peer: Peer, request: Received) -> None:
        while taken[0] < size:
            taken[0] += len(peer.some())
        peer.send(ok(b"done"))

    def give(peer: Peer, _: Received) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size >> 16):
            peer.send(b"x" * (1 << 16))

    origin.script(path, take, reads_content=False)
    origin.script(f"{path}/down", give)
    before, peak, done = granian.rss(), [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            peak[0] = max(peak[0], granian.rss())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with granian.connect() as client:
            stream = client.ask("POST", path, [("content-length", str(size))], ends=False)
            client.send(stream, bytes(size))
            assert client.response(stream).status == 200
            received = 0
            stream = client.ask("GET", f"{path}/down")
            found = client.responses[stream]
            while not found.is_whole:
                client.step()
                received += len(found.body)
                found.body = b""
            assert received == size
    finally:
        done.set()
        watcher.join()
    assert peak[0] - before < 32 << 20


def test_who_does_not_read_holds_up_the_origin_and_nobody_else(
    granian: GranianProcess, origin: ScriptedOrigin, path: str
) -> None:
    sent = [0]

    def big(peer: Peer, _: Received) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: %d\r\n\r\n" % (256 << 20))
        for _ in range(256 << 4):
            peer.send(b"x" * (1 << 16))
            sent[0] += 1 << 16

    origin.script(path, big)
    before = granian.rss()
    with granian.connect() as slow:
        slow.holds = True
        slow.head(slow.ask("GET", path))
        last = -1
        while last != sent[0]:  # until nothing moves any more
            last = sent[0]
            time.sleep(1)
        assert sent[0] < 32 << 20
        assert granian.rss() - before < 32 << 20
        assert granian.is_well()
        assert slow.response(slow.ask("HEAD", f"{path}/other")).status == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("how", ["reset", "close"])
def test_who_leaves_frees_the_origin(granian: GranianProcess, origin: ScriptedOrigin, path: str, method: str, how: str) -> None:
    freed = threading.Event()
    origin.script(path, endless(freed))
    with granian.connect() as client:
        stream = client.ask(method, path, ends=method == "GET")
        if method == "POST":
            client.send(stream, b"content")
        client.head(stream)
        if how == "reset":
            client.reset(stream)
            assert freed.wait(20)
            assert client.get(f"{path}/next").status == 200
    assert freed.wait(20)


def test_who_leaves_before_the_answer_frees_the_origin(granian: GranianProcess, origin: ScriptedOrigin, path: str) -> None:
    asked, freed = threading.Event(), threading.Event()

    def silent(peer: Peer, _: Received) -> None:
        asked.set()
        if peer.closes(within=25):
            freed.set()

    origin.script(path, silent)
    with granian.connect() as client:
        stream = client.ask("POST", path, ends=False)
        client.send(stream, b"content")
        assert asked.wait(10)
        client.reset(stream)
        assert freed.wait(20)


def test_opening_and_resetting_is_stopped(granian: GranianProcess, origin: ScriptedOrigin, path: str) -> None:
    """CVE-2023-44487: each request costs the client two small frames."""
    with pytest.raises((Gone, OSError)), granian.connect() as client:  # noqa: PT012 - at some point of it
        for number in range(5_000):
            client.reset(client.ask("GET", f"{path}/{number}"))
        while True:
            client.step()
    assert len([request for request in origin.received if request.path.startswith(path)]) < 2_500
    assert granian.is_well()


@pytest.mark.parametrize(
    "fields",
    [
        [*PSEUDO, (":path", "/a"), ("x", "a\r\nb: c")],
        [*PSEUDO, (":path", "/a"), ("X-Upper", "1")],
        [*PSEUDO, (":path", "/a"), ("transfer-encoding", "chunked")],
        [*PSEUDO, (":path", "/a"), ("connection", "keep-alive")],
        [*PSEUDO, (":path", "/a"), (":path", "/b")],
        [*PSEUDO, ("x", "1"), (":path", "/a")],
        PSEUDO,
        [*PSEUDO, (":path", "/a"), ("a b", "c")],
        [*PSEUDO, (":path", "/a b")],
        [*PSEUDO, (":path", "/a\r\nX: y")],
        [*PSEUDO, (":path", "http://other.test/")],
        [*PSEUDO, (":path", "")],
        [(":method", "GE T"), *PSEUDO[1:], (":path", "/a")],
        [(":method", "CONNECT"), (":authority", "other.test:443")],
        [*PSEUDO[:2], (":authority", "user@weft.test"), (":path", "/a")],
        [*PSEUDO, (":path", "/a"), ("content-length", "3")],
        [*PSEUDO, (":path", "/a"), ("content-length", "x")],
    ],
    ids=lambda fields: (
        f"{fields[-1][0]}-{fields[-1][1]}"[:30].encode("unicode_escape").decode() if fields is not PSEUDO else "no path"
    ),
)
def test_what_is_no_request_reaches_no_origin(
    granian: GranianProcess, origin: ScriptedOrigin, fields: list[tuple[str, str]]
) -> None:
    before = len(origin.received)
    try:
        with granian.connect() as client:
            response = client.response(client.ask_by(fields))
    except Gone:
        response = Response(reset=1)
    assert response.reset is not None or 400 <= response.status < 600
    assert response.status != 500
    # What an earlier test has left behind may come late; its paths begin with a number.
    assert not [request for request in origin.received[before:] if not request.target[1:2].isdigit()]
    assert granian.is_well()


def test_content_that_is_not_as_long_as_it_says_is_no_request(granian: GranianProcess, origin: ScriptedOrigin, path: str) -> None:
    for size in (3, 30):
        with granian.connect() as client:
            stream = client.ask("POST", path, [("content-length", str(size))], ends=False)
            client.send(stream, b"content")
            assert client.response(stream).reset is not None
    assert not [request for request in origin.received_at(path) if request.complete]


def test_limits_on_heads_are_ours(start_granian, path: str) -> None:
    granian = start_granian(
        {"server.limits.header_bytes": 8192, "server.limits.header_count": 20, "server.limits.url_bytes": 1000}
    )
    with granian.connect() as client:
        assert client.get(path, [("x", "a" * 9_000)]).status == 431
        assert client.get(path, [(f"x-{number}", "1") for number in range(30)]).status == 431
        assert client.get(path + "a" * 1_000).status == 414
        assert client.get(path).status == 200


def test_content_beyond_the_limit_is_refused(start_granian, origin: ScriptedOrigin, path: str) -> None:
    granian = start_granian({"server.limits.body_bytes": 1000})
    with granian.connect() as client:
        stream = client.ask("POST", path, [("content-length", "2000")], ends=False)
        assert client.response(stream).status == 413
        stream = client.ask("POST", path, ends=False)
        client.send(stream, b"x" * 2_000)
        assert client.response(stream).status == 413
    assert not [request for request in origin.received_at(path) if request.complete]


def test_a_body_that_breaks_off_is_a_reset(granian: GranianProcess, origin: ScriptedOrigin, path: str) -> None:
    origin.script(path, answer(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 50_000, then="reset"))
    with granian.connect() as client:
        response = client.get(path)
        assert (response.status, response.is_whole) == (200, False)
        assert response.reset is not None
        assert client.get(f"{path}/next").status == 200  # the connection goes on


def test_at_the_end_what_runs_is_finished(start_granian, origin: ScriptedOrigin, path: str) -> None:
    granian = start_granian()
    asked, go_on = threading.Event(), threading.Event()

    def slow(peer: Peer, _: Received) -> None:
        asked.set()
        assert go_on.wait(20)
        peer.send(ok(b"late"))

    origin.script(path, slow)
    url = f"https://127.0.0.1:{granian.port}{path}"
    with subprocess.Popen(["curl", "-sk", "--http2", "-m", "30", url], stdout=subprocess.PIPE) as curl:
        assert asked.wait(20)
        granian.signal(signal.SIGTERM)
        time.sleep(0.3)
        go_on.set()
        out, _ = curl.communicate()
    assert out == b"late"
    assert granian.wait(30) == 0
