"""Workers and parents die; whoever is left goes on."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from pathlib import Path

from tests.support.raw_client import Closed, CutShort
from tests.support.scripted_origin import Peer, Received, ScriptedOrigin, ok


def get(path: str) -> bytes:
    return b"GET " + path.encode() + b" HTTP/1.1\r\nHost: deaths.test\r\n\r\n"


def test_a_worker_that_is_killed_is_replaced_and_its_reason_logged_once(serve, path: str) -> None:
    gateway = serve()
    (first,) = gateway.workers()
    os.kill(first, signal.SIGKILL)
    assert gateway.ask(get(path)).status == 200, "who knocks meanwhile waits in the kernel's queue"
    assert first not in gateway.workers()
    (told,) = gateway.events("worker replaced")
    assert (told["worker"], told["worker_pid"], told["reason"], told["how"]) == (1, first, "signal", "by SIGKILL")
    assert (told["from"], told["pid"]) == ("parent", gateway.pid)


def test_only_what_the_dead_one_had_in_hand_is_lost(serve, origin: ScriptedOrigin, path: str) -> None:
    gateway = serve(2)
    asked, go_on = threading.Semaphore(0), threading.Event()

    def slow(peer: Peer, _: Received) -> None:
        asked.release()
        assert go_on.wait(20)
        peer.send(ok(b"done"))

    origin.script(path, slow)
    clients = [gateway.connect() for _ in range(12)]
    for number, client in enumerate(clients):
        client.send(get(f"{path}?{number}"))
    for _ in clients:
        assert asked.acquire(timeout=20)
    victim, survivor = gateway.workers()
    in_hand = len(connections(victim)), len(connections(survivor))
    os.kill(victim, signal.SIGKILL)
    gateway.until(lambda: gateway.events("worker replaced"))
    go_on.set()
    whole = lost = 0
    for client in clients:
        with client:
            try:
                whole += client.response().body == b"done"
            except (Closed, CutShort, OSError):
                lost += 1
    assert (lost, whole) == in_hand
    assert gateway.is_well()


def connections(pid: int) -> set[str]:
    """Sockets of a process that are connections of clients of ours: those whose peer is on this machine and whose port is the gateway's."""
    held = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            held.add(str(descriptor.readlink()))
    rows = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
    listening = {row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in held}
    return {row[9] for row in rows if row[3] == "01" and row[1] in listening and f"socket:[{row[9]}]" in held}


def test_one_that_dies_again_and_again_is_tried_again_later(serve) -> None:
    gateway = serve()
    for times in range(1, 4):
        (worker,) = gateway.until(gateway.workers)
        os.kill(worker, signal.SIGKILL)
        gateway.until(lambda times=times: len(gateway.events("worker replaced")) == times)
    told = gateway.events("worker replaced")
    assert [each.get("again_in", 0) for each in told] == [0, 1, 2]
    gateway.until(gateway.workers)
    assert gateway.is_well()


def test_when_the_parent_is_killed_nobody_holds_the_port(serve, is_gone, orphans: list[int]) -> None:
    gateway = serve(2)
    workers = gateway.workers()
    orphans += workers
    os.kill(workers[0], signal.SIGSTOP)
    gateway.signal(signal.SIGKILL)
    gateway.wait()
    gateway.until(lambda: all(is_gone(worker) for worker in workers), "the workers end")
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", gateway.port))
        again.listen()


def test_a_worker_told_to_go_is_followed_by_another(serve, path: str) -> None:
    gateway = serve()
    (first,) = gateway.workers()
    with gateway.connect() as client:
        client.send(get(path))
        assert not client.response().says_close
        os.kill(first, signal.SIGTERM)
        gateway.until(lambda: gateway.events("draining"))
        client.send(get(path))
        assert client.response().says_close, "a kept connection gets one more answer"
    gateway.until(lambda: gateway.workers() not in ([], [first]))
    assert gateway.is_well()
