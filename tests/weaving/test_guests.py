"""Foreign hosts and clients that call themselves by their names: each hears and stores only its own."""

from __future__ import annotations

import time

import pytest

from tests.support.scripted_origin import ScriptedOrigin


@pytest.fixture
def guest():
    with ScriptedOrigin() as made:
        yield made


@pytest.fixture
def hosting(start_gateway, guest):
    return start_gateway({"esi.hosts": f'["127.0.0.1:{guest.port}"]', "esi.allow_private": '["127.0.0.1/32"]'})


def says(origin, path, body, control=b"max-age=600"):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nCache-Control: %b\r\nContent-Length: %d\r\n\r\n" % (control, len(body))
    origin.script(path, lambda peer, _: peer.send(head + body))


def ask_as(gateway, host, path):
    with gateway.connect() as client:
        client.send(b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (path.encode(), host.encode()))
        return client.response().body


def until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_client_by_the_name_of_a_guest_gets_nothing_of_the_guests(hosting, guest, site, ask):
    path, name = site.path + "/w", f"127.0.0.1:{guest.port}"
    page = site.page("/", b"[<esi:include src='http://%b%b'/>]" % (name.encode(), path.encode()))
    says(guest, path, b"guest")
    site.page("/w", b"ours", esi=False)
    assert ask(hosting, page).body == b"[guest]"
    assert ask_as(hosting, name, path) == b"ours"
    assert ask(hosting, page).body == b"[guest]"


def test_a_guests_fragment_is_refreshed_under_its_own_key(hosting, guest, site, ask):
    """Stale at once, and refreshed in the background: what comes must not be stored as the answer to a client's request."""
    path, name = site.path + "/w", f"127.0.0.1:{guest.port}"
    page = site.page("/", b"[<esi:include src='http://%b%b'/>]" % (name.encode(), path.encode()))
    says(guest, path, b"guest", b"max-age=0, stale-while-revalidate=600")
    site.page("/w", b"ours", esi=False)
    assert ask(hosting, page).body == b"[guest]"
    assert ask(hosting, page).body == b"[guest]"
    until(lambda: len(guest.received_at(path)) == 2)
    says(guest, path, b"newer", b"max-age=600")
    until(lambda: ask(hosting, page).body == b"[newer]")
    assert ask_as(hosting, name, path) == b"ours"
