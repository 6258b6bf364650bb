"""WebSockets through the gateway: a real client, a real server, octets both ways (RFC 6455, RFC 9110 §7.8)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from socket import SHUT_RDWR

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.sync.server import Server, ServerConnection, serve

from tests.support.gateway_process import GatewayProcess
from tests.support.scripted_origin import ScriptedOrigin, answer


@pytest.fixture(scope="module")
def echo() -> Iterator[str]:
    """A server that gives back what it gets, as http://host:port."""

    def handler(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(message)

    server: Server = serve(handler, "127.0.0.1", 0, max_size=1 << 24)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.socket.getsockname()[1]}"
    server.shutdown()
    thread.join()


@pytest.fixture(scope="module")
def through(echo: str) -> Iterator[GatewayProcess]:
    with GatewayProcess(echo) as gateway:
        yield gateway


def test_messages_pass_both_ways(through: GatewayProcess) -> None:
    with connect(f"ws://127.0.0.1:{through.port}/chat") as socket:
        for message in ("hello", b"\x00\xff", "ü" * 1000):
            socket.send(message)
            assert socket.recv(timeout=10) == message


def test_five_megabytes_pass(through: GatewayProcess) -> None:
    data = bytes(range(256)) * 20_000
    with connect(f"ws://127.0.0.1:{through.port}/chat", max_size=1 << 24) as socket:
        socket.send(data)
        assert socket.recv(timeout=30) == data


def test_many_at_once_do_not_mix(through: GatewayProcess) -> None:
    with ExitStack() as stack:
        sockets = [stack.enter_context(connect(f"ws://127.0.0.1:{through.port}/chat")) for _ in range(20)]
        for number, socket in enumerate(sockets):
            socket.send(f"I am {number}")
        assert [socket.recv(timeout=10) for socket in sockets] == [f"I am {number}" for number in range(20)]


def test_a_close_by_the_client_reaches_the_origin_and_back(through: GatewayProcess) -> None:
    with connect(f"ws://127.0.0.1:{through.port}/chat") as socket:
        socket.close(4001, "enough")
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=10)
        assert socket.close_code == 4001


def test_the_gateway_goes_on_when_a_client_vanishes(through: GatewayProcess) -> None:
    with connect(f"ws://127.0.0.1:{through.port}/chat") as socket:
        socket.socket.shutdown(SHUT_RDWR)
    with connect(f"ws://127.0.0.1:{through.port}/chat") as another:
        another.send("still here")
        assert another.recv(timeout=10) == "still here"


def test_an_origin_that_declines_is_heard(gateway: GatewayProcess, origin: ScriptedOrigin, path: str) -> None:
    origin.script(path, answer(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nCache-Control: no-store\r\n\r\nno"))
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://127.0.0.1:{gateway.port}{path}")
    assert refused.value.response.status_code == 403
    assert refused.value.response.body == b"no"
