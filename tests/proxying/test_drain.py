"""Stopping: what was accepted is answered, nothing hangs, the exit code says that all went well."""

from __future__ import annotations

import signal
import threading
import time

from tests.support.raw_client import Closed, CutShort, RawClient
from tests.support.scripted_origin import Peer, Received, ScriptedOrigin, ok


def get(path: str, *lines: bytes) -> bytes:
    return b"\r\n".join([b"GET " + path.encode() + b" HTTP/1.1", b"Host: drain.test", *lines]) + b"\r\n\r\n"


def test_a_request_that_runs_is_finished(start_gateway, origin: ScriptedOrigin, path: str) -> None:
    gateway = start_gateway()
    asked, go_on = threading.Event(), threading.Event()

    def slow(peer: Peer, _: Received) -> None:
        asked.set()
        assert go_on.wait(20)
        peer.send(ok(b"done"))

    origin.script(path, slow)
    with gateway.connect() as client:
        client.send(get(path))
        assert asked.wait(10)
        gateway.signal(signal.SIGTERM)
        time.sleep(0.3)  # draining has begun, whatever a test could see of it
        go_on.set()
        response = client.response()
        assert (response.body, response.says_close) == (b"done", True)
    assert gateway.wait() == 0


def test_nobody_who_was_let_in_under_load_is_lost(start_gateway, origin: ScriptedOrigin, path: str) -> None:
    gateway = start_gateway()
    gateway.ask(get(path))
    lost: list[str] = []
    answered = [0]

    def visit() -> None:
        while True:
            try:
                client = RawClient(gateway.port)
            except OSError:
                return  # not let in any more
            with client:
                try:
                    client.send(get(path, b"Connection: close"))
                    assert client.response().status == 200
                    answered[0] += 1
                except (Closed, CutShort, OSError) as error:
                    lost.append(repr(error))

    visitors = [threading.Thread(target=visit) for _ in range(8)]
    for visitor in visitors:
        visitor.start()
    time.sleep(1)
    gateway.signal(signal.SIGTERM)
    assert gateway.wait() == 0
    for visitor in visitors:
        visitor.join(20)
    assert answered[0] > 50
    assert not lost


def test_idle_connections_do_not_keep_it(start_gateway, path: str) -> None:
    gateway = start_gateway()
    with gateway.connect() as client, gateway.connect():
        client.send(get(path))
        assert client.response().status == 200
        gateway.signal(signal.SIGTERM)
        assert gateway.wait(10) == 0


def test_what_does_not_end_is_ended(start_gateway, origin: ScriptedOrigin, path: str) -> None:
    gateway = start_gateway({"server.drain_timeout": 0.5})

    def endless(peer: Peer, _: Received) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        peer.closes(within=15)

    origin.script(path, endless)
    with gateway.connect() as client:
        client.send(get(path))
        assert client.head().status == 200
        gateway.signal(signal.SIGTERM)
        assert gateway.wait(10) == 0


def test_a_second_interrupt_does_not_wait(start_gateway, origin: ScriptedOrigin, path: str) -> None:
    gateway = start_gateway({"server.drain_timeout": 60})

    def silent(peer: Peer, _: Received) -> None:
        peer.closes(within=15)

    origin.script(path, silent)
    with gateway.connect() as client:
        client.send(get(path))
        time.sleep(0.3)
        gateway.signal(signal.SIGINT)
        time.sleep(0.3)
        gateway.signal(signal.SIGINT)
        assert gateway.wait(10) == 0
    assert "Traceback" not in gateway.log()


def test_not_ready_comes_before_not_serving(start_gateway, path: str) -> None:
    gateway = start_gateway({"server.drain_delay": 1.5})
    ready = b"GET /_weft/health/ready HTTP/1.1\r\nHost: weft.test\r\n\r\n"
    assert gateway.ask(ready).status == 200
    gateway.signal(signal.SIGTERM)
    deadline = time.monotonic() + 10
    while gateway.ask(ready).status == 200 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert gateway.ask(ready).status == 503
    assert gateway.ask(get(path)).status == 200, "it serves on until the load balancer has noticed"
    assert gateway.wait() == 0
