"""Pages with holes through a real gateway process, before an origin that waits where a test tells it to."""

from __future__ import annotations

import threading

import pytest

from tests.support.fixtures import *  # noqa: F403

ESI = b'Surrogate-Control: content="ESI/1.0"'


class Site:
    """Short words for what a test's origin has."""

    def __init__(self, origin, path):
        self.origin = origin
        self.path = path
        self.gates = []

    def page(self, name, markup, *lines, status=b"200 OK", esi=True):
        """A page; `{}` in its markup is this test's own prefix."""
        fields = [b"Content-Type: text/html", *lines, *([ESI] if esi else [])]
        if not any(line.lower().startswith(b"cache-control") for line in lines):
            fields.append(b"Cache-Control: max-age=600")
        body = markup.replace(b"{}", self.path.encode())
        head = b"HTTP/1.1 %b\r\n%b\r\nContent-Length: %d\r\n\r\n" % (status, b"\r\n".join(fields), len(body))
        self.origin.script(self.path + name, lambda peer, _: peer.send(head + body))
        return self.path + name

    def held(self, name, markup, *lines):
        """A fragment that comes when the returned event is set, or after half a minute."""
        gate = threading.Event()
        self.gates.append(gate)
        fields = b"".join(line + b"\r\n" for line in (b"Content-Type: text/html", b"Cache-Control: no-store", *lines))
        head = b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n" % (fields, len(markup))

        def script(peer, _):
            gate.wait(30)
            peer.send(head + markup)

        self.origin.script(self.path + name, script)
        return gate

    def asked(self, name):
        return self.origin.received_at(self.path + name)


@pytest.fixture
def site(origin, path):
    made = Site(origin, path)
    yield made
    for gate in made.gates:
        gate.set()


@pytest.fixture
def ask():
    """ask(gateway, path, *lines): one GET on a connection of its own."""

    def ask(gateway, path, *lines, method=b"GET"):
        with gateway.connect() as client:
            client.send(
                b"%b %b HTTP/1.1\r\nHost: shop.test\r\n%b\r\n"
                % (method, path.encode(), b"".join(line + b"\r\n" for line in lines))
            )
            return client.response(method)

    return ask
