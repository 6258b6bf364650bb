"""SIGTERM reaches everybody, and everybody finishes. What one worker does then, tests/proxying/test_drain.py shows."""

from __future__ import annotations

import contextlib
import os
import signal
import threading

import pytest

from tests.support.raw_client import RawClient
from tests.support.scripted_origin import Peer, Received, ScriptedOrigin, ok


def get(path: str) -> bytes:
    return b"GET " + path.encode() + b" HTTP/1.1\r\nHost: stopping.test\r\n\r\n"


def is_refused(port: int) -> bool:
    """Whether nobody listens. Between the last one let in and the close there is a moment in which a connection is made, and reset."""
    try:
        RawClient(port).close()
    except ConnectionRefusedError:
        return True
    except ConnectionError:
        return False
    return False


def test_all_workers_finish_what_they_have_begun(serve, origin: ScriptedOrigin, path: str) -> None:
    gateway = serve(2)
    asked, go_on = threading.Semaphore(0), threading.Event()

    def slow(peer: Peer, _: Received) -> None:
        asked.release()
        assert go_on.wait(20)
        peer.send(ok(b"done"))

    origin.script(path, slow)
    clients = [gateway.connect() for _ in range(10)]
    for number, client in enumerate(clients):
        client.send(get(f"{path}?{number}"))
        assert asked.acquire(timeout=20)
    gateway.signal(signal.SIGTERM)
    gateway.until(lambda: len(gateway.events("draining")) == 2, "both drain")
    gateway.until(lambda: is_refused(gateway.port), "the port is closed")
    go_on.set()
    for client in clients:
        with client:
            response = client.response()
            assert (response.body, response.says_close) == (b"done", True)
    assert gateway.wait() == 0


def test_a_second_interrupt_ends_all_at_once(serve, origin: ScriptedOrigin, path: str) -> None:
    gateway = serve(2, {"server.drain_timeout": 60, "server.drain_delay": 60})
    asked = threading.Event()

    def silent(peer: Peer, _: Received) -> None:
        asked.set()
        peer.closes(within=20)

    origin.script(path, silent)
    with gateway.connect() as client:
        client.send(get(path))
        assert asked.wait(20)
        gateway.signal(signal.SIGINT)
        gateway.until(lambda: len(gateway.events("draining")) == 2)
        gateway.signal(signal.SIGINT)
        assert gateway.wait() == 0
    assert "Traceback" not in gateway.log()


def test_a_stopped_worker_does_not_keep_the_others(serve) -> None:
    gateway = serve(2, {"server.drain_timeout": 0.2, "server.watchdog": 0})
    stopped = gateway.workers()[0]
    os.kill(stopped, signal.SIGSTOP)
    gateway.signal(signal.SIGTERM)
    assert gateway.wait() == 0
    assert [each["worker_pid"] for each in gateway.events("worker overdue")] == [stopped]


@pytest.mark.parametrize("order", ["parent first", "workers first", "while a restart is under way"])
def test_everybody_may_be_told_at_once(serve, order: str) -> None:
    """systemd sends SIGTERM to each process of the unit, in whichever order."""
    gateway = serve(2)
    told = [gateway.pid, *gateway.workers()]
    if order == "workers first":
        told.reverse()
    if order == "while a restart is under way":
        gateway.signal(signal.SIGHUP)
    for pid in told:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    assert gateway.wait() == 0
    assert "Traceback" not in gateway.log()
