"""One scrape shows all processes, the dead included."""

from __future__ import annotations

import os
import re
import signal

import pytest
from prometheus_client import generate_latest

from gateway.telemetry.adding_up import Summed, add_up, counters_of

SCRAPE = b"GET /_weft/metrics HTTP/1.1\r\nHost: figures.test\r\nConnection: close\r\n\r\n"


def get(path: str) -> bytes:
    return b"GET " + path.encode() + b" HTTP/1.1\r\nHost: figures.test\r\nConnection: close\r\n\r\n"


def scrape(gateway) -> dict[str, float]:
    """Sample with its labels → value."""
    text = gateway.ask(SCRAPE).body.decode()
    return {name: float(value) for name, value in re.findall(r"^([a-z_]+(?:\{.*\})?) (\S+)$", text, re.MULTILINE)}


def requests(gateway) -> float:
    return sum(
        value for name, value in scrape(gateway).items() if name.startswith("weft_requests_total") and 'route="default"' in name
    )


def test_whoever_is_asked_tells_of_all(serve, path: str) -> None:
    gateway = serve(2)
    for number in range(40):
        assert gateway.ask(get(f"{path}?{number}")).status == 200
    assert [requests(gateway) for _ in range(6)] == [40] * 6
    figures = scrape(gateway)
    assert figures['weft_worker_up{worker="1"}'] == figures['weft_worker_up{worker="2"}'] == 1
    assert figures['weft_origin_up{origin="upstream"}'] == 1, "no sum: both ask the same origin"
    assert figures["weft_config_generation"] == figures["weft_config_last_reload_successful"] == 1
    assert figures["process_start_time_seconds"] > 1e9


def test_a_workers_death_takes_nothing_back(serve, path: str) -> None:
    gateway = serve(2)
    for number in range(30):
        gateway.ask(get(f"{path}?{number}"))
    shown = requests(gateway)
    for times, worker in enumerate(gateway.workers(), start=1):
        os.kill(worker, signal.SIGKILL)
        gateway.until(lambda times=times: len(gateway.events("worker ready")) == 2 + times)
        assert requests(gateway) == shown == 30
    assert scrape(gateway)['weft_worker_restarts_total{reason="signal"}'] == 2


def test_the_only_worker_takes_nothing_with_it_either(serve, path: str) -> None:
    gateway = serve()
    for number in range(5):
        gateway.ask(get(f"{path}?{number}"))
    assert requests(gateway) == 5
    os.kill(gateway.workers()[0], signal.SIGKILL)
    assert requests(gateway) == 5


def test_who_leaves_has_the_last_word(serve, path: str) -> None:
    gateway = serve()
    for number in range(5):
        gateway.ask(get(f"{path}?{number}"))
    gateway.signal(signal.SIGHUP)
    gateway.until(lambda: gateway.events("worker left"))
    figures = scrape(gateway)
    assert requests(gateway) == 5, "nobody had asked it before"
    assert figures['weft_worker_restarts_total{reason="restart"}'] == 1
    assert figures["weft_config_generation"] == 2


def test_one_that_does_not_answer_does_not_hold_up_the_scrape(serve, path: str) -> None:
    gateway = serve(2, {"server.watchdog": 0})
    for number in range(20):
        gateway.ask(get(f"{path}?{number}"))
    shown = requests(gateway)
    stopped = gateway.workers()[0]
    os.kill(stopped, signal.SIGSTOP)
    try:
        assert requests(gateway) == shown == 20, "what it said last"
    finally:
        os.kill(stopped, signal.SIGCONT)


def test_a_reload_that_fails_is_seen(serve, tmp_path) -> None:
    config = tmp_path / "weft.toml"
    config.write_text("", "utf-8")
    gateway = serve(1, config=config)
    config.write_text("[server]\nworkers = 0\n", "utf-8")
    gateway.signal(signal.SIGHUP)
    gateway.until(lambda: gateway.events("settings refused"))
    figures = scrape(gateway)
    assert (figures["weft_config_last_reload_successful"], figures["weft_config_generation"]) == (0, 1)


class TestAddingUp:
    def row(self, name: str, how: str, *samples: tuple[dict[str, str], float], kind: str = "gauge") -> list:
        return [name, kind, "Help.", how, [[name, labels, value] for labels, value in samples]]

    @pytest.mark.parametrize(("how", "value"), [("sum", 5.0), ("max", 3.0), ("min", 2.0)])
    def test_each_kind_in_its_way(self, how: str, value: float) -> None:
        (row,) = add_up([[self.row("a", how, ({}, 2.0))], [self.row("a", how, ({}, 3.0))]])
        assert row[4] == [["a", {}, value]]

    def test_by_labels(self) -> None:
        one, other = {"route": "a"}, {"route": "b"}
        (row,) = add_up([[self.row("a", "sum", (one, 1.0), (other, 2.0))], [self.row("a", "sum", (other, 3.0))]])
        assert row[4] == [["a", one, 1.0], ["a", other, 5.0]]

    def test_what_only_one_has_is_there(self) -> None:
        rows = add_up([[self.row("a", "sum", ({}, 1.0))], [self.row("b", "min", ({}, 4.0))]])
        assert [row[0] for row in rows] == ["a", "b"]

    def test_the_dead_leave_what_they_counted_and_no_more(self) -> None:
        counted = self.row("a", "sum", ({}, 1.0), kind="counter")
        assert counters_of([counted, self.row("b", "sum", ({}, 1.0))]) == [counted]

    def test_nothing_given_is_changed(self) -> None:
        report = [self.row("a", "sum", ({}, 1.0))]
        add_up([report, report])
        assert report == [self.row("a", "sum", ({}, 1.0))]

    def test_it_is_written_as_prometheus_reads_it(self) -> None:
        report = [["a", "counter", "Help.", "sum", [["a_total", {"x": 'say "so"'}, 2.0]]]]
        assert (
            generate_latest(Summed(report)).decode()
            == '# HELP a_total Help.\n# TYPE a_total counter\na_total{x="say \\"so\\""} 2.0\n'
        )
