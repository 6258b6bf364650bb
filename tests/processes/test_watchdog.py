"""Workers that live and do not serve: stopped, blocked, too large."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from gateway.processes.child import Child
from gateway.processes.crew import Crew
from gateway.processes.watch import Waiting, Watch
from gateway.settings import load
from tests.support.raw_client import Closed, CutShort

MISBEHAVING = (str(Path(__file__).with_name("misbehaving.py")),)


def get(path: str) -> bytes:
    return b"GET " + path.encode() + b" HTTP/1.1\r\nHost: watchdog.test\r\n\r\n"


def test_a_stopped_worker_is_replaced(serve, path: str) -> None:
    gateway = serve(1, {"server.watchdog": 0.5})
    (first,) = gateway.workers()
    os.kill(first, signal.SIGSTOP)
    assert gateway.ask(get(path)).status == 200, "who came meanwhile is answered by the next one"
    (told,) = gateway.events("worker replaced")
    assert (told["worker_pid"], told["reason"], told["state"]) == (first, "watchdog", "stopped")
    gateway.until(lambda: first not in gateway.workers(), "it is gone")


@pytest.mark.parametrize("how", ["block", "spin"])
def test_a_blocked_loop_is_seen_and_the_log_says_where_it_stood(serve, path: str, how: str) -> None:
    gateway = serve(1, {"server.watchdog": 0.5}, program=MISBEHAVING)
    with gateway.connect() as client:
        client.send(get(f"/_weft/{how}"))
        with pytest.raises((Closed, CutShort, OSError)):
            client.response()
    assert gateway.ask(get(path)).status == 200
    (told,) = gateway.events("worker replaced")
    assert (told["reason"], told["state"]) == ("watchdog", "blocked")
    assert f"in {how}" in told["stacks"]


def test_nobody_else_notices(serve, path: str) -> None:
    gateway = serve(2, {"server.watchdog": 0.5})
    first, _ = gateway.workers()
    gateway.ask(get(path))
    stop = threading.Event()
    failed: list[str] = []
    answered = [0]

    def visit() -> None:
        while not stop.is_set():
            try:
                assert gateway.ask(get(path)).status == 200
                answered[0] += 1
            except (Closed, CutShort, OSError) as error:
                failed.append(repr(error))

    os.kill(first, signal.SIGSTOP)
    visitors = [threading.Thread(target=visit) for _ in range(4)]
    for visitor in visitors:
        visitor.start()
    gateway.until(lambda: gateway.events("worker replaced"))
    before = answered[0]
    gateway.until(lambda: answered[0] > before + 50)
    stop.set()
    for visitor in visitors:
        visitor.join(20)
    assert not failed, "a connection that nobody has accepted waits for somebody who does"


def test_whoever_was_suspended_together_goes_on_together(serve) -> None:
    """Ctrl-Z, a suspended machine: all deadlines have passed, and nobody is to blame."""
    gateway = serve(2, {"server.watchdog": 0.5})
    workers = gateway.workers()
    everybody = [gateway.pid, *workers]
    for pid in everybody:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(1.5)  # thrice the time after which a worker is given up
    for pid in everybody:
        os.kill(pid, signal.SIGCONT)
    assert gateway.is_well()
    gateway.ask(get("/_weft/health/live"))
    time.sleep(1)  # nothing can be awaited: what is shown is that nothing happens
    assert gateway.workers() == workers
    assert not gateway.events("worker replaced")


def test_switched_off_it_kills_nobody(serve) -> None:
    gateway = serve(1, {"server.watchdog": 0})
    (worker,) = gateway.workers()
    os.kill(worker, signal.SIGSTOP)
    time.sleep(2.5)  # longer than the default
    assert gateway.workers() == [worker]
    os.kill(worker, signal.SIGCONT)
    assert gateway.is_well()


def test_one_that_has_grown_too_large_is_replaced_and_finishes_first(serve, path: str) -> None:
    limits = {"cache.memory.max_bytes": "1MiB", "cache.max_object_bytes": "1MiB", "server.max_rss": "120MiB"}
    gateway = serve(2, limits, program=MISBEHAVING)
    before = set(gateway.workers())
    with gateway.connect() as client:
        client.send(get("/_weft/grow"))
        assert client.response().body == b"large"
        gateway.until(lambda: gateway.events("draining"))
        client.send(get(path))
        response = client.response()
        assert (response.status, response.says_close) == (200, True)
    gateway.until(lambda: gateway.events("worker left"))
    (told,) = gateway.events("worker too large")
    assert told["worker_pid"] in before
    assert told["rss"] > 120 << 20
    assert told["worker_pid"] not in gateway.workers()
    assert len(gateway.workers()) == 2


def test_one_that_talks_nonsense_is_replaced_and_the_parent_goes_on(serve, path: str) -> None:
    gateway = serve(1, program=MISBEHAVING)
    (first,) = gateway.workers()
    with gateway.connect() as client:
        client.send(get("/_weft/babble"))
        with contextlib.suppress(Closed, CutShort, OSError):
            client.response()
    gateway.until(lambda: gateway.events("worker replaced"))
    (told,) = gateway.events("worker talks nonsense")
    assert told["worker_pid"] == first
    assert gateway.ask(get(path)).status == 200


class TestSilence:
    """The rule itself, with the time as an argument."""

    def test_it_is_measured_from_the_last_sign_of_life(self) -> None:
        watch = Watch()
        assert watch.silence(10.0, 11.4, 1.5, lambda: 0.0) == 0.0
        assert watch.silence(10.0, 11.6, 1.5, lambda: 0.0) == pytest.approx(1.6)

    def test_time_without_a_processor_does_not_count(self) -> None:
        watch = Watch()
        watch.silence(10.0, 11.0, 1.5, lambda: 100.0)
        assert watch.silence(10.0, 12.0, 1.5, lambda: 100.9) == 0.0
        assert watch.silence(10.0, 12.5, 1.5, lambda: 100.9) == pytest.approx(1.6)

    def test_waiting_before_the_silence_is_no_excuse(self) -> None:
        watch = Watch()
        assert watch.silence(10.0, 12.0, 1.5, lambda: 500.0) == pytest.approx(2.0)

    def test_a_sign_of_life_begins_anew(self) -> None:
        watch = Watch()
        watch.silence(10.0, 11.0, 1.5, lambda: 100.0)
        watch.silence(11.0, 11.1, 1.5, lambda: 100.0)
        watch.silence(11.0, 12.0, 1.5, lambda: 101.0)
        assert watch.silence(11.0, 12.6, 1.5, lambda: 101.0) == pytest.approx(1.6), "what it waited before is forgotten"

    def test_the_kernel_is_only_asked_when_it_is_needed(self) -> None:
        def never() -> float:
            raise AssertionError

        assert Watch().silence(10.0, 10.7, 1.5, never) == 0.0


class TestWaiting:
    """A wait is written down by the kernel when it is over, not before."""

    def test_a_wait_that_goes_on_counts(self) -> None:
        waiting, watch = Waiting(), Watch()
        for now in (10.8, 11.2, 11.6, 13.0, 20.0):
            assert watch.silence(10.0, now, 1.5, lambda: waiting.so_far(3.0, 5.0, wants=True, now=now)) == 0.0  # noqa: B023 - called at once

    def test_it_does_not_count_twice_when_it_is_over(self) -> None:
        waiting = Waiting()
        assert waiting.so_far(3.0, 5.0, wants=True, now=10.0) == 5.0
        assert waiting.so_far(3.0, 5.0, wants=True, now=12.0) == 7.0
        assert waiting.so_far(3.1, 7.0, wants=True, now=12.1) == 7.0

    def test_who_runs_or_sleeps_does_not_wait(self) -> None:
        waiting = Waiting()
        for now in range(10, 20):
            assert waiting.so_far(float(now), 5.0, wants=True, now=now) == 5.0  # a loop that spins
        waiting.so_far(30.0, 5.0, wants=False, now=30.0)
        assert waiting.so_far(30.0, 5.0, wants=False, now=40.0) == 5.0  # one that is blocked


def test_a_worker_that_takes_its_time_to_die_is_given_up_once(caplog) -> None:
    settings = load(None, {}, {"upstream.url": "http://127.0.0.1:1", "server.watchdog": 0.5})
    selector = selectors.DefaultSelector()
    with socket.create_server(("127.0.0.1", 0)) as listener, subprocess.Popen(["sleep", "60"]) as process, selector:
        crew = Crew(settings, lambda *_: None, listener, selector, lambda *_: None, owns_port=True)
        crew.is_ending = True
        child = Child(1, 1)
        child.pid, child.is_ready = process.pid, True
        crew.leaving.add(child)
        start = time.monotonic()
        for tenths in range(50):  # nobody reaps it
            crew.look(start + tenths / 10)
        child.worker_end.close()
        os.close(child.dump_write)
        child.forget()
    assert [record.message for record in caplog.records] == ["worker given up"]
