"""What a client gets is the same over our own listener and over the server that speaks HTTP/2: one exchange after the other, both ways."""

from __future__ import annotations

import re
import time
from typing import NamedTuple

import pytest

from tests.http2.servers import GranianProcess
from tests.support.gateway_process import GatewayProcess
from tests.support.raw_client import RawClient
from tests.support.scripted_origin import Peer, Received, Script, ScriptedOrigin, answer, ok

Fields = list[tuple[str, str]]
PUBLIC = b"Cache-Control: max-age=60"
HTML = (b"Content-Type: text/html", b'Surrogate-Control: content="ESI/1.0"', b"Cache-Control: no-store")


class Ask(NamedTuple):
    """One request. path: what follows the case's own."""

    method: str = "GET"
    path: str = ""
    fields: Fields = []  # noqa: RUF012 - never changed
    body: bytes | None = None


class Case(NamedTuple):
    """asks: in order, on one connection. scripts: of the origin, by what follows the case's path. asked: requests that the origin gets."""

    name: str
    asks: list[Ask]
    scripts: dict[str, Script]
    asked: int


def chunked(*chunks: bytes, then: str = "next") -> Script:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nCache-Control: max-age=60\r\n\r\n"
    return answer(
        head, *(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks), b"0\r\n\r\n" if then == "next" else b"", then=then
    )


def page(markup: str) -> Script:
    """$PATH in it is the page's own."""

    def script(peer: Peer, request: Received) -> None:
        peer.send(ok(markup.replace("$PATH", request.path).encode(), *HTML))

    return script


CASES = [
    Case("a hit", [Ask(), Ask(), Ask()], {"": answer(ok(b"stored", PUBLIC))}, 1),
    Case("not stored", [Ask(), Ask()], {"": answer(ok(b"each"))}, 2),
    Case("a query is part of the key", [Ask(path="?a"), Ask(path="?b"), Ask(path="?a")], {"": answer(ok(b"q", PUBLIC))}, 2),
    Case("chunked at the origin", [Ask(), Ask()], {"": chunked(b"one", b"two" * 30_000)}, 1),
    Case("empty", [Ask(), Ask()], {"": answer(ok(b"", PUBLIC))}, 1),
    Case("no content", [Ask("DELETE")], {"": answer(b"HTTP/1.1 204 Gone\r\n\r\n")}, 1),
    Case("head", [Ask("HEAD"), Ask(), Ask("HEAD")], {"": answer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nCache-Control: max-age=60\r\n\r\n")}, 2),
    Case(
        "not modified",
        [Ask(), Ask(fields=[("if-none-match", '"v1"')]), Ask(fields=[("if-none-match", '"v2"')])],
        {"": answer(ok(b"tagged", PUBLIC, b'ETag: "v1"'))},
        1,
    ),
    Case(
        "a part",
        [Ask(), Ask(fields=[("range", "bytes=2-4")]), Ask(fields=[("range", "bytes=90-")])],
        {"": answer(ok(b"0123456789", PUBLIC, b'ETag: "v1"'))},
        1,
    ),
    Case(
        "variants",
        [Ask(fields=[("accept-language", "de")]), Ask(fields=[("accept-language", "en")]), Ask(fields=[("accept-language", "de")])],
        {"": answer(ok(b"said", PUBLIC, b"Vary: Accept-Language"))},
        2,
    ),
    Case("compressed", [Ask(fields=[("accept-encoding", "gzip")])] * 2, {"": answer(ok(b"word " * 2_000, PUBLIC, b"Content-Type: text/css"))}, 1),
    Case("posted", [Ask("POST", body=b"name=value"), Ask("POST", body=b"")], {}, 2),
    Case("posted, and large", [Ask("PUT", body=bytes(range(256)) * 4_000)], {}, 1),
    Case("a post makes what is stored stale", [Ask(), Ask("POST", body=b"x"), Ask()], {"": answer(ok(b"before", PUBLIC))}, 3),
    Case("status and fields", [Ask()], {"": answer(b"HTTP/1.1 418 Pot\r\nX-Own: a\r\nX-Own: b\r\nSet-Cookie: c=d\r\nContent-Length: 3\r\n\r\ntea")}, 1),
    Case("redirect", [Ask()], {"": answer(b"HTTP/1.1 302 There\r\nLocation: /else\r\nContent-Length: 0\r\n\r\n")}, 1),
    Case("the origin fails", [Ask()], {"": answer(then="close")}, 2),
    Case("cut short", [Ask()], {"": answer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart", then="reset")}, 1),
    Case("cut short in a chunk", [Ask()], {"": chunked(b"part", then="reset")}, 1),
    Case("only if cached", [Ask(fields=[("cache-control", "only-if-cached")])], {}, 0),
    Case("debug", [Ask(fields=[("weft-debug", "a-token-for-tests")])] * 2, {"": answer(ok(b"seen", PUBLIC))}, 1),
    Case("loop", [Ask(fields=[("via", "1.1 weft, 1.1 weft, 1.1 weft, 1.1 weft, 1.1 weft")])], {}, 0),
    Case("a page of pieces", [Ask(), Ask()], {"": page('<p><esi:include src="$PATH/a"/><esi:include src="$PATH/b" onerror="continue"/></p>')}, 2),
]  # fmt: skip

REQUEST_ID = re.compile(r"\b[0-9a-f]{12}-[0-9a-f]+\b")
IGNORED = {"date", "connection", "transfer-encoding", "keep-alive", "server", "age", "weft-trace", "server-timing"}


def comparable(status: int, fields: Fields, body: bytes) -> object:
    """Content-Length where there is no content to measure: whether it is known before all has come depends on the moment."""
    kept = sorted((name, value) for name, value in fields if name not in IGNORED and not name.startswith(":"))
    return status, [(name, value.partition("; ttl=")[0]) for name, value in kept if name != "content-length" or not body], body


def over_own(gateway: GatewayProcess, asks: list[Ask], path: str) -> list[object]:
    told: list[object] = []
    client: RawClient | None = None
    for ask in asks:
        client = client or gateway.connect()
        lines = [
            f"{ask.method} {path}{ask.path} HTTP/1.1",
            "Host: weft.test",
            *(f"{name}: {value}" for name, value in ask.fields),
        ]
        if ask.body is not None:
            lines.append(f"Content-Length: {len(ask.body)}")
        client.send("\r\n".join([*lines, "", ""]).encode("latin-1") + (ask.body or b""))
        try:
            response = client.response(ask.method.encode())
            fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.fields]
            told.append(comparable(response.status, fields, response.body))
        except OSError:
            told.append("cut")
        client.close()
        client = None
    return told


def over_http2(server: GranianProcess, asks: list[Ask], path: str) -> list[object]:
    told: list[object] = []
    with server.connect() as client:
        for ask in asks:
            fields = [*ask.fields, ("content-length", str(len(ask.body)))] if ask.body is not None else ask.fields
            stream = client.ask(ask.method, path + ask.path, fields, ends=not ask.body)
            if ask.body:
                client.send(stream, ask.body)
            response = client.response(stream)
            told.append(comparable(response.status, response.fields, response.body) if response.is_whole else "cut")
    return told


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_a_client_gets_the_same(
    own: GatewayProcess, granian: GranianProcess, origin: ScriptedOrigin, path: str, case: Case
) -> None:
    told, asked = [], []
    for name, over in (("one", lambda at: over_own(own, case.asks, at)), ("two", lambda at: over_http2(granian, case.asks, at))):
        at = f"{path}-{name}"
        for below, script in case.scripts.items():
            origin.script(at + below, script)
        told.append(REQUEST_ID.sub("ID", str(over(at)).replace(at, path)))  # both as long as each other, as lengths are compared
        asked.append(len(origin.received_at(at)))
    assert told[0] == told[1]
    assert asked == [case.asked] * 2


def test_what_the_origin_hears_is_the_same_but_for_the_version(
    own: GatewayProcess, granian: GranianProcess, origin: ScriptedOrigin, path: str
) -> None:
    heard = []
    fields = [("user-agent", "one"), ("cookie", "a=b"), ("accept-language", "de"), ("x-own", "1"), ("x-forwarded-for", "9.9.9.9")]
    own.ask(
        "\r\n".join([f"GET {path} HTTP/1.1", "Host: weft.test", *(f"{name}: {value}" for name, value in fields), "", ""]).encode()
    )
    with granian.connect() as client:
        client.get(path, fields)
    for request in origin.received_at(path):
        heard.append(sorted(field for field in request.fields if field[0] not in (b"x-request-id", b"via")))
        heard[-1].append((request.method, request.target))
    assert heard[0] == heard[1]
    assert [request.value(b"via") for request in origin.received_at(path)] == [b"1.1 weft", b"2 weft"]


def test_both_are_followed_in_the_log_with_their_version(granian: GranianProcess, path: str) -> None:
    granian.get(path)
    deadline = time.monotonic() + 20
    while f'"path":"{path}"' not in granian.log() and time.monotonic() < deadline:
        time.sleep(0.01)
    line = next(line for line in granian.log().splitlines() if f'"path":"{path}"' in line)
    assert '"protocol":"HTTP/2"' in line
    assert '"scheme":"https"' in line
