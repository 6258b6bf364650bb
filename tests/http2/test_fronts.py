"""The recommended fronts, as docs/http2.md configures them: HTTP/2 to them, HTTP/1.1 from them, and Weft believes what they say of the client."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from h2.exceptions import InvalidBodyLengthError

from gateway.listener.certificates import Pair
from tests.http2.servers import ProxyProcess
from tests.support.fixtures import PATIENT_BREAKER
from tests.support.gateway_process import GatewayProcess
from tests.support.scripted_origin import ScriptedOrigin, answer, ok
from tests.tls.making import Authority


@pytest.fixture(scope="module")
def behind(shared_origin: ScriptedOrigin):
    with GatewayProcess(shared_origin.url, {**PATIENT_BREAKER, "proxy.trusted_proxies": "127.0.0.1"}) as gateway:
        yield gateway


@pytest.fixture(scope="module", params=["nginx", "haproxy"])
def front(request: pytest.FixtureRequest, authority: Authority, weft_test: Pair, behind: GatewayProcess, tmp_path_factory):
    if shutil.which(request.param, path="/usr/sbin:/usr/bin") is None:
        pytest.skip(f"no {request.param}")
    folder: Path = tmp_path_factory.mktemp(request.param)
    with ProxyProcess(request.param, authority, weft_test, behind.port, folder) as process:
        yield process


def test_the_origin_is_told_of_the_client_and_of_https(front: ProxyProcess, origin: ScriptedOrigin, path: str) -> None:
    with front.connect() as client:
        client.get(path, [("x-forwarded-for", "9.9.9.9"), ("x-forwarded-proto", "http")])
    (request,) = origin.received_at(path)
    assert request.value(b"host") == b"weft.test"
    assert request.value(b"x-forwarded-proto") == b"https"
    assert (request.value(b"x-forwarded-for") or b"").split(b", ")[-2:] == [b"127.0.0.1", b"127.0.0.1"]
    assert b"9.9.9.9" not in (request.value(b"x-forwarded-for") or b"")
    assert (request.value(b"forwarded") or b"").endswith(b"host=weft.test;proto=https")


def test_stored_responses_and_streams(front: ProxyProcess, origin: ScriptedOrigin, path: str) -> None:
    origin.script(path, answer(ok(b"stored" * 5_000, b"Cache-Control: max-age=60")))
    with front.connect() as client:
        streams = [client.ask("GET", path) for _ in range(20)]
        assert {client.response(stream).body for stream in streams} == {b"stored" * 5_000}
    assert len(origin.received_at(path)) == 1


def test_content_without_a_length_passes(front: ProxyProcess, origin: ScriptedOrigin, path: str) -> None:
    with front.connect() as client:
        stream = client.ask("POST", path, ends=False)
        client.send(stream, b"content" * 30_000)
        assert client.response(stream).status == 200
    assert origin.received_at(path)[0].body == b"content" * 30_000


def test_a_body_that_breaks_off_is_seen(front: ProxyProcess, origin: ScriptedOrigin, path: str) -> None:
    origin.script(path, answer(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 50_000, then="reset"))
    with front.connect() as client:
        stream = client.ask("GET", path)
        # HAProxy ends the stream before its length is reached: a client takes that for malformed. RFC 9113 §8.1.1
        with suppress(InvalidBodyLengthError):
            assert client.response(stream).is_whole is False
