"""Certificates, keys and TLS itself by a reload: new handshakes go by the new settings, connections that are there go on."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.listener.certificates import Pair
from tests.support.gateway_process import GatewayProcess
from tests.support.raw_client import RawClient
from tests.support.scripted_origin import ScriptedOrigin
from tests.tls.making import Authority, client_context

LIVE = b"GET /_weft/health/live HTTP/1.1\r\nHost: weft.test\r\n\r\n"
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """write(pair, …, min_version="1.3"): what the settings say from now on of TLS; the file."""
    file = tmp_path / "weft.toml"

    def write(*pairs: Pair, **more: str) -> Path:
        lines = ["[admin]", 'tokens = ["an-admin-token"]', "[server.tls]"]
        lines += (
            [f"certificates = {[pair.certificate for pair in pairs]}", f"keys = {[pair.key for pair in pairs]}"] if pairs else []
        )
        file.write_text("\n".join([*lines, *(f'{name} = "{value}"' for name, value in more.items())]), "utf-8")
        return file

    return write


def reload(client: RawClient) -> tuple[int, str]:
    """(status, what is said), over a connection that is there."""
    client.send(
        b"POST /_weft/reload HTTP/1.1\r\nHost: weft.test\r\nAuthorization: Bearer an-admin-token\r\nContent-Length: 0\r\n\r\n"
    )
    response = client.response(b"POST")
    return response.status, json.dumps(json.loads(response.body))


def lives(client: RawClient) -> bool:
    client.send(LIVE)
    return client.response().status == 200


def names(client: RawClient) -> list[str]:
    assert isinstance(client.socket, ssl.SSLSocket)
    return [name for _, name in (client.socket.getpeercert() or {}).get("subjectAltName", ())]


def test_other_certificates_and_versions_hold_from_the_next_handshake(
    shared_origin: ScriptedOrigin, authority: Authority, trusting: ssl.SSLContext, weft_test: Pair, write: Write
) -> None:
    with GatewayProcess(shared_origin.url, tls=trusting, config=write(weft_test)) as gateway, gateway.connect() as early:
        assert names(early) == ["weft.test"]
        write(authority.pair("next", "weft.test", "next.test"), min_version="1.3")
        assert reload(early)[0] == 200
        with gateway.connect() as late:
            assert names(late) == ["weft.test", "next.test"]
        with pytest.raises(ssl.SSLError):
            gateway.connect(tls=client_context(authority, maximum_version=ssl.TLSVersion.TLSv1_2))
        assert lives(early)


def test_a_pair_that_is_none_is_refused_and_named(
    shared_origin: ScriptedOrigin, authority: Authority, trusting: ssl.SSLContext, weft_test: Pair, write: Write
) -> None:
    other = authority.pair("not-of-it", "weft.test")
    with GatewayProcess(shared_origin.url, tls=trusting, config=write(weft_test)) as gateway, gateway.connect() as early:
        write(Pair(weft_test.certificate, other.key))
        status, said = reload(early)
        assert status == 422
        assert f"server.tls.keys[0]: {other.key}: is not the key of its certificate" in said
        assert lives(early)
        with gateway.connect() as late:
            assert lives(late)


def test_tls_comes_and_goes(shared_origin: ScriptedOrigin, trusting: ssl.SSLContext, weft_test: Pair, write: Write) -> None:
    with GatewayProcess(shared_origin.url, config=write()) as gateway, gateway.connect() as plain:
        assert lives(plain)
        write(weft_test)
        assert reload(plain)[0] == 200
        with gateway.connect(tls=trusting) as secure:
            assert lives(secure)
            assert lives(plain)
            write()
            assert reload(secure)[0] == 200
            with gateway.connect() as plain_again:
                assert lives(plain_again)
            assert lives(secure)
