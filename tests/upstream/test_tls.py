"""TLS to the origin: verified by default; what fails is told apart (RFC 9209 §2.3)."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from gateway.errors import UpstreamRefused, UpstreamTimeout, UpstreamTruncated
from gateway.upstream.http1_origin import Http1Origin
from gateway.upstream.limits import OriginLimits
from tests.upstream.scripted import OK, Peer, Run, ScriptedOrigin, answering, ask, content, get, until

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate with")


def make_certificate(folder: Path, name: str, days: str = "2") -> tuple[Path, Path]:
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", days]
    subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1"]
    subprocess.run([*command, *subject, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    return certificate, key


@pytest.fixture(scope="module")
def localhost(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("tls"), "localhost")


def server_context(pair: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*pair)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def test_an_origin_with_a_trusted_certificate_is_asked_and_its_connection_kept(run: Run, localhost: tuple[Path, Path]) -> None:
    asked_for = []

    def note_name(sock: ssl.SSLObject, name: str, context: ssl.SSLContext) -> None:
        asked_for.append(name)

    async def scenario() -> None:
        context = server_context(localhost)
        context.sni_callback = note_name
        async with ScriptedOrigin(answering(OK), context) as origin:
            client = Http1Origin(f"https://localhost:{origin.port}", tls_ca_file=str(localhost[0]))
            for _ in range(5):
                assert await ask(client) == (200, b"ok")
            assert origin.connections == 1
            assert asked_for == ["localhost"]
            await client.aclose()

    run(scenario())


def test_a_large_body_comes_whole_and_held_back(run: Run, localhost: tuple[Path, Path]) -> None:
    size = 20 << 20

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            for _ in range(size >> 16):
                await peer.send(b"x" * (1 << 16))

    async def scenario() -> None:
        async with ScriptedOrigin(script, server_context(localhost)) as origin:
            client = Http1Origin(origin.url, tls_ca_file=str(localhost[0]))
            for _ in range(2):
                response = await client.exchange(get())
                assert len(await content(response)) == size
            assert origin.connections == 1
            await client.aclose()

    run(scenario())


def test_an_untrusted_certificate_is_refused(run: Run, localhost: tuple[Path, Path]) -> None:
    """B15."""

    async def scenario() -> None:
        async with ScriptedOrigin(answering(OK), server_context(localhost)) as origin:
            client = Http1Origin(origin.url)
            with pytest.raises(UpstreamRefused) as caught:
                await ask(client)
            assert (caught.value.reason, caught.value.status) == ("tls_certificate_error", 502)
            assert client.counters()["connections_open"] == 0
            assert origin.heads == []
            await client.aclose()

    run(scenario())


def test_a_certificate_for_another_name_is_refused(run: Run, tmp_path: Path) -> None:
    pair = make_certificate(tmp_path, "other.test")

    async def scenario() -> None:
        async with ScriptedOrigin(answering(OK), server_context(pair)) as origin:
            client = Http1Origin(f"https://localhost:{origin.port}", tls_ca_file=str(pair[0]))
            with pytest.raises(UpstreamRefused) as caught:
                await ask(client)
            assert caught.value.reason == "tls_certificate_error"
            await client.aclose()

    run(scenario())


def test_checks_can_be_switched_off(run: Run, tmp_path: Path) -> None:
    pair = make_certificate(tmp_path, "other.test")

    async def scenario() -> None:
        async with ScriptedOrigin(answering(OK), server_context(pair)) as origin:
            client = Http1Origin(f"https://localhost:{origin.port}", tls_verify=False)
            assert await ask(client) == (200, b"ok")
            await client.aclose()

    run(scenario())


def test_an_origin_that_speaks_plain_http_is_a_protocol_error(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.read(1)
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = Http1Origin(f"https://127.0.0.1:{origin.port}")
            with pytest.raises(UpstreamRefused) as caught:
                await ask(client)
            assert caught.value.reason == "tls_protocol_error"
            await client.aclose()

    run(scenario())


def test_an_origin_that_leaves_in_the_handshake_is_a_protocol_error(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.read(1)
        peer.reset()

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = Http1Origin(f"https://127.0.0.1:{origin.port}")
            with pytest.raises(UpstreamRefused) as caught:
                await ask(client)
            assert caught.value.reason == "tls_protocol_error"
            await client.aclose()

    run(scenario())


def test_a_handshake_that_hangs_is_given_up(run: Run) -> None:
    async def script(peer: Peer) -> None:
        await peer.closed_by_client()

    async def scenario() -> None:
        async with ScriptedOrigin(script) as origin:
            client = Http1Origin(f"https://127.0.0.1:{origin.port}", OriginLimits(connect_timeout=0.2))
            with pytest.raises(UpstreamTimeout) as caught:
                await ask(client)
            assert caught.value.reason == "connection_timeout"
            assert client.counters()["connections_open"] == 0
            await origin.ended.get()
            await client.aclose()

    run(scenario())


def test_a_cut_body_is_truncated_over_tls_too(run: Run, localhost: tuple[Path, Path]) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await until(lambda: peer.writer.transport.get_write_buffer_size() == 0)

    async def scenario() -> None:
        async with ScriptedOrigin(script, server_context(localhost)) as origin:
            client = Http1Origin(origin.url, tls_ca_file=str(localhost[0]))
            response = await client.exchange(get())
            with pytest.raises(UpstreamTruncated):
                await content(response)
            await client.aclose()

    run(scenario())


def test_a_ca_file_that_cannot_be_read_is_told_at_start() -> None:
    with pytest.raises(OSError, match="No such file"):
        Http1Origin("https://localhost", tls_ca_file="/nowhere.pem")
