"""However many processes and clients: one request to the origin, where one suffices."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from tests.support.fleet import Fleet, get, status_of, until


async def ask_all(fleet, path: str, each: int) -> list[bytes]:
    """each clients of every gateway ask at once; the contents they get."""

    async def ask(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        head, _, content = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        return content

    return await asyncio.gather(*(ask(gateway.port) for gateway in fleet.gateways for _ in range(each)))


def test_a_cold_page(fleet, origin, path):
    origin.delay = 0.3
    contents = asyncio.run(ask_all(fleet, path, 50))
    assert origin.asked[path] == 1
    assert len(set(contents)) == 1


def test_a_page_that_nobody_can_share(fleet, origin, path):
    """Nobody waits for what is of no use to him; each process finds out by itself, and then asks for everybody."""
    origin.pages[path] = ({"cache-control": "private"}, b"mine")
    contents = asyncio.run(ask_all(fleet, path, 10))
    assert set(contents) == {b"mine"}
    assert origin.asked[path] == 10 * len(fleet.gateways)


def test_a_stale_page_is_renewed_once(fleet, origin, path):
    origin.pages[path] = ({"cache-control": "max-age=1, stale-while-revalidate=600"}, b"old")
    for gateway in fleet.gateways:
        until(lambda gateway=gateway: "hit" in status_of(get(gateway, path)))
    asked = origin.asked[path]
    origin.pages[path] = ({"cache-control": "max-age=300"}, b"new")
    origin.delay = 0.2
    until(lambda: "stale-while-revalidate" in status_of(get(fleet.gateways[0], path)))
    for gateway in fleet.gateways:
        until(lambda gateway=gateway: get(gateway, path).body == b"new")
    assert origin.asked[path] == asked + 1


@pytest.mark.parametrize("status", [500, 404])
def test_who_fetched_got_an_error(fleet, origin, path, status):
    """The others don't wait for it to expire."""
    origin.status = status
    origin.pages[path] = ({"cache-control": "no-store"}, b"no")
    for gateway in fleet.gateways:
        assert get(gateway, path).status == status


def test_who_fetches_is_killed(origin, redis, path):
    """The others wait as long as his lease, no longer; and a fetch that takes long keeps it."""
    fleet = Fleet(origin, redis, 2)
    one, two = fleet.gateways
    origin.delay = 5.0  # longer than a lease
    try:
        with one.connect() as client:
            client.send(f"GET {path} HTTP/1.1\r\nHost: shop.test\r\n\r\n".encode())
            until(lambda: origin.asked[path] == 1)
            with two.connect() as other:
                other.send(f"GET {path} HTTP/1.1\r\nHost: shop.test\r\n\r\n".encode())
                assert other.response(b"GET").status == 200
            assert origin.asked[path] == 1, "it was prolonged"

            slow = f"{path}-killed"
            client.response(b"GET")
            client.send(f"GET {slow} HTTP/1.1\r\nHost: shop.test\r\n\r\n".encode())
            until(lambda: origin.asked[slow] == 1)
            for worker in one.workers():
                os.kill(worker, signal.SIGKILL)
            assert get(two, slow).status == 200
            assert origin.asked[slow] == 2
    finally:
        fleet.close()
