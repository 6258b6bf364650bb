"""`weft serve` before three servers of one origin: faults B12, B13, and a server that is gone."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from tests.overload.asking import figure, get
from tests.support.gateway_process import GatewayProcess
from tests.support.scripted_origin import Peer, Received, ScriptedOrigin, ok


class Server(ScriptedOrigin):
    """Answers every path with its status, which may be changed at any time."""

    def __init__(self, name: bytes) -> None:
        super().__init__()
        self.status = 200
        self.name = name

    def answer(self, peer: Peer, request: Received) -> None:
        """What a path's script does."""
        del request
        peer.send(ok(self.name).replace(b"200 OK", b"%d Said" % self.status))


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    made = [Server(name) for name in (b"a", b"b", b"c")]
    yield made
    for server in made:
        server.close()


def settings(servers: list[Server], **more: object) -> dict[str, object]:
    return {
        "upstream.servers": [server.url for server in servers[1:]],
        "upstream.breaker.cooldown": 0.2,
        "upstream.breaker.cooldown_max": 0.2,
        **{name.replace("__", "."): value for name, value in more.items()},
    }


def ask(gateway: GatewayProcess, servers: list[Server], path: str, times: int) -> list[int]:
    """Statuses of that many requests, each for a page of its own."""
    statuses = []
    with gateway.connect() as client:
        for number in range(times):
            for server in servers:
                server.script(f"{path}/{number}", server.answer)
            client.send(get(f"{path}/{number}"))
            statuses.append(client.response().status)
    return statuses


def up(gateway: GatewayProcess, server: Server) -> float:
    return figure(gateway, f'weft_server_up{{origin="upstream",server="{server.url}"}}')


def test_servers_take_turns_and_one_that_fails_is_left_out_until_it_is_well(servers, path):
    """B12: at most six errors that a visitor sees, though it is tried again all the time."""
    with GatewayProcess(servers[0].url, settings(servers)) as gateway:
        assert ask(gateway, servers, path, 30) == [200] * 30
        assert {len(server.received) for server in servers} == {10}
        servers[1].status = 500
        statuses = ask(gateway, servers, path, 300)
        assert statuses.count(500) == 5
        assert up(gateway, servers[0]) == 1
        assert figure(gateway, f'weft_server_failures_total{{origin="upstream",server="{servers[1].url}"}}') >= 5
        servers[1].status = 200
        while not up(gateway, servers[1]):
            assert ask(gateway, servers, path, 3) == [200] * 3
        before = len(servers[1].received)
        assert ask(gateway, servers, path, 30) == [200] * 30
        assert len(servers[1].received) > before


def test_a_server_that_is_gone_is_no_visitors_concern(servers, path):
    with GatewayProcess(servers[0].url, settings(servers)) as gateway:
        servers[2].close()
        assert ask(gateway, servers[:2], path, 60) == [200] * 60
        assert figure(gateway, 'weft_origin_moves_total{origin="upstream"}') >= 5


def test_when_all_fail_all_are_asked_all_the_same(servers, path):
    """B13: who is thought ill may have come back, and nobody else would find out."""
    with GatewayProcess(
        servers[0].url, settings(servers, upstream__breaker__cooldown=60, upstream__breaker__cooldown_max=60)
    ) as gateway:
        for server in servers:
            server.status = 500
        ask(gateway, servers, path, 60)
        assert figure(gateway, 'weft_origin_up{origin="upstream"}') == 0
        for server in servers:
            server.status = 200
        assert ask(gateway, servers, path, 30) == [200] * 30
        assert figure(gateway, 'weft_origin_panics_total{origin="upstream"}') >= 30


def test_checks_bring_a_server_back_without_a_visitor(servers, path):
    checked = settings(
        servers,
        upstream__health__path="/healthz",
        upstream__health__interval=0.1,
        upstream__health__timeout=20,
        upstream__health__unhealthy_after=1,
        upstream__health__healthy_after=1,
    )
    for server in servers:
        server.script("/healthz", server.answer)
    with GatewayProcess(servers[0].url, checked) as gateway:
        servers[1].status = 500
        while up(gateway, servers[1]):
            pass  # each look is a request
        assert ask(gateway, servers, path, 30) == [200] * 30
        servers[1].status = 200
        while not up(gateway, servers[1]):
            pass
        ready = json.loads(gateway.ask(get("/_weft/health/ready")).body)
        assert ready["origins"] == {"upstream": "closed"}


def test_without_a_budget_nothing_is_sent_twice(path):
    """A server that closes kept connections when the next request comes: the retry that is made otherwise. How far a budget goes, tests/upstream/ shows."""

    def close_when_asked_again(peer: Peer) -> bool:
        while peer.line():
            pass
        peer.send(ok(b"first"))
        peer.line()
        peer.reset()
        return True

    for budget, statuses in ((0.2, [200, 200, 200]), (0.0, [200, 502, 200])):
        with ScriptedOrigin(close_when_asked_again) as closing:
            settings = {"upstream.max_connections": 1, "upstream.retry_budget": budget}
            with GatewayProcess(closing.url, settings) as gateway, gateway.connect() as client:
                for number, status in enumerate(statuses):
                    client.send(get(f"{path}/{number}"))
                    assert client.response().status == status
                withheld = figure(gateway, 'weft_origin_retries_withheld_total{origin="upstream"}')
                retried = figure(gateway, 'weft_origin_retries_total{origin="upstream"}')
                assert (retried, withheld) == ((2, 0) if budget else (0, 1))


def test_servers_that_are_none_are_named_at_start():
    spare = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{spare.getsockname()[1]}"
    with spare, pytest.raises(RuntimeError, match=r"upstream.servers\[0\]: expected another server than url"):
        GatewayProcess(url, {"upstream.servers": [url]})
