"""A page that can't go on must be seen not to be whole, whatever the client speaks."""

from __future__ import annotations

import threading

import pytest

from tests.support.raw_client import CutShort


@pytest.fixture
def broken(site):
    """A page whose second half can't be had, though its first is on its way: (path, gate that lets the include fail)."""
    gate = threading.Event()
    site.gates.append(gate)

    def fails(peer, _):
        gate.wait(30)
        peer.send(b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n")

    site.origin.script(site.path + "/part", fails)
    return site.page("/", b"first half<esi:include src='{}/part'/>second half", b"Cache-Control: no-store"), gate


def test_http_1_1_sees_no_last_chunk(gateway, broken):
    page, gate = broken
    with gateway.connect() as client:
        client.send(b"GET %b HTTP/1.1\r\nHost: shop.test\r\n\r\n" % page.encode())
        gate.set()
        with pytest.raises(CutShort) as cut:
            client.response()
    assert cut.value.partial.body == b"first half"


def test_http_1_0_sees_a_reset(gateway, broken):
    page, gate = broken
    with gateway.connect() as client:
        client.send(b"GET %b HTTP/1.0\r\nHost: shop.test\r\n\r\n" % page.encode())
        while b"first half" not in client.unread:
            client.unread += client.socket.recv(65_536)
        gate.set()
        with pytest.raises(ConnectionResetError):
            client.socket.recv(65_536)


def test_gzip_ends_without_its_trailer(gateway, site, broken, ask):
    page, gate = broken
    site.page("/", b"first half" * 300 + b"<esi:include src='{}/part'/>second half", b"Cache-Control: no-store")
    with gateway.connect() as client:
        client.send(b"GET %b HTTP/1.1\r\nHost: shop.test\r\nAccept-Encoding: gzip\r\n\r\n" % page.encode())
        gate.set()
        with pytest.raises(CutShort) as cut:
            client.response()
    assert cut.value.partial.value(b"content-encoding") == b"gzip"
