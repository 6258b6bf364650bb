"""Who may, and how it is spoken to: ACL, TLS, a database of one's own; each from the settings that an operator would write."""

from __future__ import annotations

import re
import shutil
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.composition.redis import build_redis_link
from gateway.errors import RedisUnavailable
from gateway.settings import Settings
from tests.redis.linked import run, until_true
from tests.support.redis_server import RedisServer

ROOT = Path(__file__).parents[2]
PASSWORD = "correct-horse-battery-staple"


@asynccontextmanager
async def linked_by(**settings: object):
    patient = {"timeout": 5, "connect_timeout": 5}
    link = build_redis_link(Settings.model_validate({"upstream": {"url": "http://127.0.0.1:1"}, "redis": patient | settings}))
    assert link is not None
    await link.start()
    try:
        yield link
    finally:
        await link.aclose()


async def reason_of(call) -> str:
    with pytest.raises(RedisUnavailable) as told:
        await call
    assert PASSWORD not in str(told.value)
    return str(told.value.reason)


# ── ACL ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def guarded():
    """A server with the rule of docs/redis.md and no other way in."""
    text = (ROOT / "docs/redis.md").read_text("utf-8")
    rule = re.search(r"^```\n(user weft .*?)^```", text, re.DOTALL | re.MULTILINE)[1].replace("PASSWORD", PASSWORD).split()
    administrator = {"username": "administrator", "password": PASSWORD}
    users = ["--user", "default", "off", "--user", *f"administrator on >{PASSWORD} ~* &* +@all".split(), "--user", *rule[1:]]
    with RedisServer(users, client=administrator) as server:
        yield server


def test_the_acl_of_the_documentation_is_enough_for_everything(guarded):
    async def story():
        async with linked_by(url=f"redis://{guarded.address}/1", username="weft", password=PASSWORD) as link:
            await link.set(b"weft:key", b"1", ttl=60)
            assert await link.get(b"weft:key") == b"1"
            assert await link.add(b"weft:lease", b"mine", ttl=60)
            assert await link.remove_if(b"weft:lease", b"mine")
            assert await link.remove(b"weft:key") == 1
            entry = await link.append(b"weft:stream", {b"a": b"b"}, max_entries=10)
            assert await link.entries_after(b"weft:stream", b"0-0", count=1, block=1) == [(entry, {b"a": b"b"})]
            assert (await link.stream_bounds(b"weft:stream")).last == entry
            assert await link.execute("HSET", b"weft:members", b"me", b"1") == 1
            assert await link.execute("EXPIRE", b"weft:members", 60) == 1
            assert await link.execute("HGETALL", b"weft:members") == [b"me", b"1"]
            assert await link.execute("HDEL", b"weft:members", b"me") == 1

    run(story())


def test_what_the_acl_does_not_grant_has_its_word(guarded):
    async def story():
        async with linked_by(url=f"redis://{guarded.address}", username="weft", password=PASSWORD) as link:
            assert await reason_of(link.get(b"another's")) == "permission"
            assert await reason_of(link.execute("FLUSHALL", b"weft:key")) == "permission"
            assert link.is_up

    run(story())


@pytest.mark.parametrize("given", [{}, {"password": "wrong-password"}, {"username": "weft", "password": "wrong-password"}])
def test_a_wrong_password_has_its_word_and_the_breaker_opens(guarded, given, caplog):
    async def story():
        async with linked_by(url=f"redis://{guarded.address}", failures=2, **given) as link:
            for _ in range(2):
                assert await reason_of(link.get(b"weft:key")) == "authentication"
            assert not link.is_up

    run(story())
    assert "wrong-password" not in caplog.text


def test_a_password_that_is_put_right_is_noticed(guarded):
    async def story():
        async with linked_by(url=f"redis://{guarded.address}", username="late", password=PASSWORD, failures=1) as link:
            assert await reason_of(link.get(b"weft:key")) == "authentication"
            guarded.command("ACL", "SETUSER", "late", "on", f">{PASSWORD}", "~*", "+@all")

            async def is_up() -> bool:
                return link.is_up

            await until_true(is_up)
            assert await link.get(b"weft:key") is None

    run(story())


# ── TLS ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    """Folder with server.pem, client.pem, stranger.pem and their keys, each signed by itself."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    for name in ("server", "client", "stranger"):
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        subject = ["-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        where = ["-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem")]
        subprocess.run([*command, *subject, *where], check=True, capture_output=True)
    (folder / "both.pem").write_text((folder / "server.pem").read_text() + (folder / "client.pem").read_text())
    return folder


@pytest.fixture(scope="module")
def sealed(papers):
    """A server that speaks TLS only, and only with who has client.pem."""
    arguments = [
        *("--tls-cert-file", str(papers / "server.pem"), "--tls-key-file", str(papers / "server.key")),
        *("--tls-ca-cert-file", str(papers / "both.pem"), "--tls-auth-clients", "yes"),
    ]
    client = {
        "ssl": True,
        "ssl_ca_certs": str(papers / "server.pem"),
        "ssl_certfile": str(papers / "client.pem"),
        "ssl_keyfile": str(papers / "client.key"),
    }
    with RedisServer(arguments, tls=True, client=client) as server:
        yield server


def pem(papers, **files: str) -> dict[str, str]:
    return {f"tls_{name}_file": str(papers / file) for name, file in files.items()}


def test_tls_with_a_certificate_of_ones_own(sealed, papers):
    async def story():
        files = pem(papers, ca="server.pem", cert="client.pem", key="client.key")
        async with linked_by(url=f"rediss://localhost:{sealed.port}/3", **files) as link:
            await link.set(b"weft:key", b"x" * 1_000_000, ttl=60)
            assert await link.get(b"weft:key") == b"x" * 1_000_000

    run(story())


@pytest.mark.parametrize(
    ("url", "files"),
    [
        ("rediss://localhost:{}", {"ca": "server.pem"}),  # no certificate
        ("rediss://localhost:{}", {"ca": "server.pem", "cert": "stranger.pem", "key": "stranger.key"}),
        ("rediss://localhost:{}", {"ca": "stranger.pem", "cert": "client.pem", "key": "client.key"}),  # not who we trust
        ("rediss://localhost.localdomain:{}", {"ca": "server.pem", "cert": "client.pem", "key": "client.key"}),
        ("redis://localhost:{}", {}),  # plain to TLS
    ],
)
def test_what_does_not_fit_is_no_connection(sealed, papers, url, files):
    async def story():
        async with linked_by(url=url.format(sealed.port), **pem(papers, **files)) as link:
            assert await reason_of(link.get(b"weft:key")) == "connection"

    run(story())


def test_tls_to_a_server_that_speaks_none_is_no_connection(server):
    """Redis takes the greeting for the beginning of a long command, and waits for more."""

    async def story():
        async with linked_by(url=f"rediss://127.0.0.1:{server.port}", timeout=0.2) as link:
            assert await reason_of(link.get(b"weft:key")) == "timeout"

    run(story())


def test_verifying_can_be_turned_off_for_a_test_bench(sealed, papers):
    async def story():
        files = pem(papers, cert="client.pem", key="client.key")
        async with linked_by(url=f"rediss://127.0.0.1:{sealed.port}", tls_verify=False, **files) as link:
            assert await link.get(b"weft:key") is None

    run(story())
