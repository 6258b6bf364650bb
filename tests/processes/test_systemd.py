"""What is agreed with systemd: words on a socket (sd_notify), a socket that it holds (sd_listen_fds)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.processes.notify import Notifier
from tests.support.gateway_process import GatewayProcess

ACTIVATED = str(Path(__file__).with_name("activated.py"))


class Systemd:
    """Its end of the notify socket."""

    def __init__(self, address: str) -> None:
        self._end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._end.bind(address)
        self._end.settimeout(20)

    def hears(self, word: str) -> dict[str, str]:
        """The next message with that word, as pairs; others are passed over."""
        while True:
            pairs = dict(line.split("=", 1) for line in self._end.recv(4096).decode().splitlines())
            if word in pairs:
                return pairs

    def hears_until(self, status: str) -> set[str]:
        """All words until that status."""
        words: set[str] = set()
        while True:
            pairs = dict(line.split("=", 1) for line in self._end.recv(4096).decode().splitlines())
            if pairs.get("STATUS", "").startswith(status):
                return words
            words |= pairs.keys()

    def close(self) -> None:
        self._end.close()


@pytest.fixture
def notify(tmp_path: Path) -> Iterator[tuple[Systemd, dict[str, str]]]:
    """It, and the environment it gives."""
    address = str(tmp_path / "notify")
    systemd = Systemd(address)
    yield systemd, {"NOTIFY_SOCKET": address}
    systemd.close()


def test_ready_reloading_stopping(serve, notify) -> None:
    systemd, env = notify
    gateway = serve(2, env=env)
    assert systemd.hears("READY")["READY"] == "1"
    gateway.signal(signal.SIGHUP)
    reloading = systemd.hears("RELOADING")
    assert (reloading["RELOADING"], reloading["MONOTONIC_USEC"].isdecimal()) == ("1", True)
    assert systemd.hears("READY")["STATUS"] == "2 of 2 workers serve, settings 2"
    gateway.signal(signal.SIGTERM)
    assert systemd.hears("STOPPING")["STOPPING"] == "1"
    assert gateway.wait() == 0


def test_a_reload_that_is_refused_ends_too(serve, notify, tmp_path: Path) -> None:
    systemd, env = notify
    config = tmp_path / "weft.toml"
    config.write_text("", "utf-8")
    gateway = serve(1, env=env, config=config)
    systemd.hears("READY")
    config.write_text("nonsense", "utf-8")
    gateway.signal(signal.SIGHUP)
    systemd.hears("RELOADING")
    assert systemd.hears("READY")["STATUS"].endswith("settings 1")


def test_it_hears_that_all_is_well_as_often_as_it_wants(serve, notify) -> None:
    systemd, env = notify
    serve(1, env=env | {"WATCHDOG_USEC": "400000"})
    for _ in range(3):
        assert systemd.hears("WATCHDOG")["WATCHDOG"] == "1"


def test_while_nobody_serves_all_is_not_well(serve, notify) -> None:
    systemd, env = notify
    gateway = serve(1, {"server.watchdog": 0}, env=env | {"WATCHDOG_USEC": "400000"})
    systemd.hears("WATCHDOG")
    for times in range(1, 4):
        gateway.until(lambda times=times: len(gateway.events("worker ready")) == times)
        (worker,) = gateway.workers()
        os.kill(worker, signal.SIGKILL)
        gateway.until(lambda times=times: len(gateway.events("worker replaced")) == times)
    for _ in range(3):
        systemd.hears_until("0 of 1")
    assert "WATCHDOG" not in systemd.hears_until("1 of 1"), "until the third successor comes, after two seconds, nobody is well"


@pytest.fixture
def held() -> Iterator[socket.socket]:
    """A socket unit's."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield listener


def test_a_socket_that_systemd_holds_is_served_and_left_to_it(serve, held: socket.socket, path: str) -> None:
    number = held.fileno()
    gateway: GatewayProcess = serve(1, program=(ACTIVATED, str(number)), pass_fds=(number,))
    assert gateway.port == held.getsockname()[1]
    ask = f"GET {path} HTTP/1.1\r\nHost: systemd.test\r\n\r\n".encode()
    assert gateway.ask(ask).status == 200
    gateway.signal(signal.SIGTERM)
    assert gateway.wait() == 0
    with gateway.connect() as early:  # nobody serves now, and systemd has the socket: who comes waits for the next start
        early.send(ask)
        again: GatewayProcess = serve(1, program=(ACTIVATED, str(number)), pass_fds=(number,))
        assert again.port == gateway.port
        assert early.response().status == 200


def test_a_socket_of_no_use_is_named() -> None:
    with socket.socket(socket.AF_UNIX) as other:
        number = other.fileno()
        done = subprocess.run(
            [sys.executable, ACTIVATED, str(number), "serve", "--upstream", "http://127.0.0.1:1"],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])},
            pass_fds=(number,),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "weft serve: expected a listening TCP socket in LISTEN_FDS: ListenStream= with a port\n"


class TestNotifier:
    def test_an_abstract_address(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.bind(f"\0weft-test-{os.getpid()}")
            Notifier({"NOTIFY_SOCKET": f"@weft-test-{os.getpid()}"}).stopping()
            end.settimeout(20)
            assert end.recv(100) == b"STOPPING=1"

    def test_somebody_elses_watchdog_is_not_ours(self) -> None:
        assert Notifier({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}).interval == 0
        assert Notifier({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1000000"}).interval == 0.5

    def test_children_do_not_speak_in_our_name(self) -> None:
        env = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": str(os.getpid()), "HOME": "/"}
        Notifier(env)
        assert env == {"HOME": "/"}

    def test_nobody_there_is_said_once(self, caplog, tmp_path: Path) -> None:
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "none")})
        notifier.stopping()
        notifier.stopping()
        assert [record.message for record in caplog.records] == ["can't notify"]
