"""Content of any size in constant memory, each side at the pace of the other, and nothing kept up for a client that has left. Faults E5, E10, B11."""

from __future__ import annotations

import os
import threading
import time

from tests.support.gateway_process import GatewayProcess
from tests.support.scripted_origin import Peer, Received, ScriptedOrigin

MIB = 1 << 20
BIG = int(os.environ.get("WEFT_TEST_BIG_MB", "128")) * MIB
"""Octets of a large upload or download; 1024 for the full size of the issue's promise."""
GROWTH = 48 * MIB
"""What the process may grow by meanwhile: windows and buffers, not content."""
PIECE = b"x" * MIB
HEAD = b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: %d\r\n\r\n"


def get(path: str) -> bytes:
    return b"GET " + path.encode() + b" HTTP/1.1\r\nHost: big.test\r\n\r\n"


def send_all(peer: Peer, _: Received) -> None:
    peer.send(HEAD % BIG)
    for _ in range(BIG // MIB):
        peer.send(PIECE)


def send_without_end(peer: Peer, _: Received) -> None:
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nCache-Control: no-store\r\n\r\n")
    while True:
        peer.send(b"100000\r\n" + PIECE + b"\r\n")


def test_a_large_download_takes_no_memory(gateway: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    origin.script(path, send_all)
    before, most, left = gateway.rss(), 0, BIG
    with gateway.connect() as client:
        client.send(get(path))
        assert client.head().status == 200
        while left:
            left -= len(client.read(min(left, MIB)))
            most = max(most, gateway.rss())
    assert most - before < GROWTH


def test_a_large_upload_takes_no_memory(gateway: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    taken = []

    def take(peer: Peer, request: Received) -> None:
        left = int(request.value(b"content-length") or 0)
        while left:
            left -= len(peer.read(min(left, MIB)))
        taken.append(left)
        peer.send(HEAD % 0)

    origin.script(path, take, reads_content=False)
    before, most = gateway.rss(), 0
    with gateway.connect(timeout=60) as client:
        client.send(b"POST " + path.encode() + b" HTTP/1.1\r\nHost: big.test\r\nContent-Length: %d\r\n\r\n" % BIG)
        for _ in range(BIG // MIB):
            client.send(PIECE)
            most = max(most, gateway.rss())
        assert client.response(b"POST").status == 200
    assert taken == [0]
    assert most - before < GROWTH


def test_a_client_that_does_not_read_holds_the_origin_back(gateway: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    sent = []

    def script(peer: Peer, _: Received) -> None:
        peer.send(HEAD % BIG)
        for _ in range(BIG // MIB):
            peer.send(PIECE)
            sent.append(1)

    origin.script(path, script)
    before = gateway.rss()
    with gateway.connect(window=4096) as client:
        client.send(get(path))
        assert client.head().status == 200
        held = -1
        while held != len(sent):  # until the origin gets no further
            held = len(sent)
            time.sleep(0.3)
        assert held < BIG // MIB
        assert gateway.rss() - before < GROWTH


def test_a_client_that_does_not_read_is_given_up(start_gateway, origin: ScriptedOrigin, path: str) -> None:
    gateway = start_gateway({"server.limits.write_timeout": 1})
    origin.script(path, send_all)
    with gateway.connect(window=4096) as client:
        client.send(get(path))
        assert client.head().status == 200
        assert eventually(lambda: b"write_timeout" in metrics(gateway))


def test_an_origin_that_does_not_read_holds_the_client_back(start_gateway, origin: ScriptedOrigin, path: str) -> None:
    gateway = start_gateway({"server.limits.body_min_rate": 0})
    go_on = threading.Event()

    def slow(peer: Peer, request: Received) -> None:
        assert go_on.wait(30)
        peer.content(request)
        peer.send(HEAD % 0)

    origin.script(path, slow, reads_content=False)
    before = gateway.rss()
    with gateway.connect(timeout=1) as client:
        client.send(b"POST " + path.encode() + b" HTTP/1.1\r\nHost: big.test\r\nContent-Length: %d\r\n\r\n" % (64 * MIB))
        sent = 0
        try:
            while sent < 64 * MIB:
                sent += client.socket.send(PIECE[: 64 * MIB - sent])
        except TimeoutError:
            pass
        assert sent < 64 * MIB
        assert gateway.rss() - before < GROWTH
        go_on.set()
        client.socket.settimeout(30)
        while sent < 64 * MIB:
            sent += client.socket.send(PIECE[: 64 * MIB - sent])
        assert client.response(b"POST").status == 200


def test_a_client_that_leaves_in_the_middle_of_a_download_frees_the_origin(
    gateway: GatewayProcess, origin: ScriptedOrigin, path: str
) -> None:
    ended = threading.Event()

    def script(peer: Peer, request: Received) -> None:
        try:
            send_without_end(peer, request)
        except OSError:
            ended.set()
            raise

    origin.script(path, script)
    with gateway.connect() as client:
        client.send(get(path))
        assert client.head().status == 200
        client.read(MIB)
    assert ended.wait(5)


def test_a_client_that_leaves_while_it_waits_frees_the_origin(gateway: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    asked, freed = threading.Event(), []

    def silent(peer: Peer, _: Received) -> None:
        asked.set()
        freed.append(peer.closes(within=8))

    origin.script(path, silent)
    with gateway.connect() as client:
        client.send(b"POST " + path.encode() + b" HTTP/1.1\r\nHost: big.test\r\nContent-Length: 0\r\n\r\n")
        assert asked.wait(10)
        client.reset()
    assert eventually(lambda: freed == [True])


def test_a_client_that_leaves_in_the_middle_of_an_upload_frees_the_origin(
    gateway: GatewayProcess, origin: ScriptedOrigin, path: str
) -> None:
    freed = []

    def take(peer: Peer, _: Received) -> None:
        while peer.some():
            pass
        freed.append(True)

    origin.script(path, take, reads_content=False)
    with gateway.connect() as client:
        client.send(b"PUT " + path.encode() + b" HTTP/1.1\r\nHost: big.test\r\nContent-Length: 1000000\r\n\r\n", b"x" * 1000)
        assert eventually(lambda: bool(origin.received_at(path)))
        client.reset()
    assert eventually(lambda: freed == [True])


def metrics(gateway: GatewayProcess) -> bytes:
    body: bytes = gateway.ask(b"GET /_weft/metrics HTTP/1.1\r\nHost: weft.test\r\n\r\n").body
    return body


def eventually(holds) -> bool:
    """Whether it comes to hold within ten seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.05)
    return bool(holds())
