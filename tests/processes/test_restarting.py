"""SIGHUP: settings read anew, workers replaced one by one, nobody notices."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest

from tests.support.raw_client import Closed, CutShort, RawClient
from tests.support.scripted_origin import Peer, Received, ScriptedOrigin, ok


def get(path: str) -> bytes:
    return b"GET " + path.encode() + b" HTTP/1.1\r\nHost: restarting.test\r\n\r\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "weft.toml"
    file.write_text('[debug]\nserver_timing = "never"\n', "utf-8")
    return file


class Visitors:
    """Clients that keep their connections and ask without pause; a connection that has said `close` is followed by another."""

    def __init__(self, port: int, path: str, count: int) -> None:
        self.answered = 0
        self.failed: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._visit, args=(port, path)) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def leave(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(20)

    def _visit(self, port: int, path: str) -> None:
        while not self._stop.is_set():
            try:
                with RawClient(port) as client:
                    while not self._stop.is_set():
                        client.send(get(path))
                        response = client.response()
                        assert response.status == 200
                        self.answered += 1
                        if response.says_close:
                            break
            except (Closed, CutShort, OSError, AssertionError) as error:
                self.failed.append(repr(error))


def test_nobody_who_asks_meanwhile_notices(serve, path: str) -> None:
    gateway = serve(2)
    gateway.ask(get(path))
    visitors = Visitors(gateway.port, path, 6)
    for times in range(1, 6):
        before = visitors.answered
        old = set(gateway.workers())
        gateway.signal(signal.SIGHUP)
        gateway.until(lambda times=times: len(gateway.events("workers replaced")) == times)
        gateway.until(lambda old=old: not old & set(gateway.workers()), "the old ones have left")
        gateway.until(lambda before=before: visitors.answered > before + 20)
    visitors.leave()
    assert not visitors.failed
    assert [told["count"] for told in gateway.events("workers replaced")] == [2] * 5


def test_what_the_old_one_has_begun_it_finishes(serve, origin: ScriptedOrigin, path: str) -> None:
    gateway = serve()
    asked, go_on = threading.Event(), threading.Event()

    def slow(peer: Peer, _: Received) -> None:
        asked.set()
        assert go_on.wait(20)
        peer.send(ok(b"done"))

    origin.script(path, slow)
    (old,) = gateway.workers()
    with gateway.connect() as client:
        client.send(get(path))
        assert asked.wait(20)
        gateway.signal(signal.SIGHUP)
        gateway.until(lambda: gateway.events("draining"))
        assert old in gateway.workers()
        assert gateway.is_well(), "the new one serves beside it"
        go_on.set()
        response = client.response()
        assert (response.body, response.says_close) == (b"done", True)
    gateway.until(lambda: old not in gateway.workers())


def test_a_connection_that_was_promised_to_stay_answers_once_more(serve, origin: ScriptedOrigin, path: str) -> None:
    """Its response had begun before the worker was told to leave, so it could not say `close`: who asks on, asks on that connection."""
    gateway = serve()
    go_on = threading.Event()

    def slow(peer: Peer, _: Received) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 8\r\n\r\nhalf")
        assert go_on.wait(20)
        peer.send(b"half")

    origin.script(path, slow)
    with gateway.connect() as client:
        client.send(get(path))
        assert not client.head().says_close
        assert client.read(4) == b"half"
        gateway.signal(signal.SIGHUP)
        gateway.until(lambda: gateway.events("draining"))
        go_on.set()
        assert client.read(4) == b"half"
        client.send(get(f"{path}/next"))
        response = client.response()
        assert (response.status, response.says_close) == (200, True)
        assert client.is_closed()


def test_the_gateway_stays_ready_while_a_worker_leaves(serve) -> None:
    gateway = serve()
    ready = get("/_weft/health/ready")
    with gateway.connect() as client:
        client.send(ready)
        assert client.response().status == 200
        gateway.signal(signal.SIGHUP)
        gateway.until(lambda: gateway.events("draining"))
        client.send(ready)
        response = client.response()
        assert (response.status, response.says_close) == (200, True), "one leaves, the gateway does not"


def test_new_settings_hold_once_it_is_over(serve, config: Path, path: str) -> None:
    gateway = serve(1, config=config)
    assert gateway.ask(get(path)).value(b"server-timing") is None
    config.write_text('[debug]\nserver_timing = "always"\n', "utf-8")
    gateway.signal(signal.SIGHUP)
    gateway.until(lambda: gateway.events("workers replaced"))
    assert gateway.ask(get(path)).value(b"server-timing") is not None
    (told,) = gateway.events("settings taken")
    assert told["generation"] == 2


def wrong(file: Path) -> None:
    file.write_text('[debug]\nserver_timing = "sometimes"\n[server]\nworkers = -3\n', "utf-8")


def torn(file: Path) -> None:
    file.write_text("[debug\n", "utf-8")


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [(wrong, "debug.server_timing"), (torn, "not TOML"), (Path.unlink, "weft.toml"), (folder, "weft.toml")],
    ids=["wrong values", "no TOML", "no file", "a folder"],
)
def test_faulty_settings_change_nothing_and_are_named(serve, config: Path, path: str, spoil, says: str) -> None:
    gateway = serve(1, config=config)
    workers = gateway.workers()
    spoil(config)
    gateway.signal(signal.SIGHUP)
    (told,) = gateway.until(lambda: gateway.events("settings refused"))
    assert any(says in fault for fault in told["faults"])
    if spoil is wrong:
        assert len(told["faults"]) == 2, "all of them at once"
    assert gateway.workers() == workers
    assert gateway.ask(get(path)).status == 200


def test_settings_that_no_worker_can_be_built_from_change_nothing(serve, config: Path, tmp_path: Path, path: str) -> None:
    gateway = serve(1, config=config)
    workers = gateway.workers()
    config.write_text(f'[templates]\ndirectory = "{tmp_path}"\n[slots.hello]\ntemplate = "missing.html"\n', "utf-8")
    gateway.signal(signal.SIGHUP)
    (told,) = gateway.until(lambda: gateway.events("settings failed"))
    assert "missing.html" in str(told["faults"])
    gateway.until(lambda: gateway.workers() == workers, "nobody but the old one")
    assert gateway.ask(get(path)).status == 200
    config.write_text("", "utf-8")
    gateway.signal(signal.SIGHUP)
    gateway.until(lambda: gateway.events("settings taken"), "the next try is a new one")


def test_signals_that_come_too_fast_are_taken_together(serve) -> None:
    gateway = serve()
    for _ in range(10):
        gateway.signal(signal.SIGHUP)
    gateway.until(lambda: gateway.events("workers replaced"))
    gateway.until(lambda: len(gateway.workers()) == 1)
    assert gateway.is_well()
    assert len(gateway.events("settings taken")) <= 10
