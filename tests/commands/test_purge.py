"""`weft purge`, against a running gateway."""

from __future__ import annotations

import http.server
import socket
import threading
from contextlib import closing

import pytest

from tests.support.scripted_origin import answer, ok

TOKEN = "a-token-of-some-length"


@pytest.fixture
def gateway(start_gateway):
    return start_gateway({"purge.tokens": TOKEN})


@pytest.fixture
def purge(weft, gateway):
    def run(*arguments: str):
        return weft("purge", "--gateway", f"http://127.0.0.1:{gateway.port}", "--token", TOKEN, *arguments)

    return run


@pytest.fixture
def status(gateway, origin, path):
    """status(suffix) → Cache-Status of a page with the tags news and its own suffix."""

    def ask(suffix: str = "") -> bytes:
        key = suffix.strip("/") or "top"
        fields = (b"Cache-Control: max-age=60", b"Surrogate-Key: news " + key.encode())
        origin.script(path + suffix, answer(ok(b"x", *fields)))
        return gateway.ask(f"GET {path}{suffix} HTTP/1.1\r\nHost: shop.test\r\n\r\n".encode()).value(b"cache-status")

    return ask


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (("--url", "http://shop.test{path}"), 1),
        (("--prefix", "http://shop.test{path}"), 2),
        (("--prefix", "{path}"), 2),
        (("--tag", "news"), 2),
        (("--tag", "top", "below"), 2),
        (("--tag", "below"), 1),
        (("--route", "default"), 2),
        (("--everything",), 2),
    ],
)
def test_it_says_how_many_it_hit_and_they_are_gone(purge, status, path, arguments, count):
    for suffix in ("", "/below"):
        status(suffix)
        assert b"; hit" in status(suffix)
    outcome = purge("--hard", *(argument.format(path=path) for argument in arguments))
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == f"Purged, hard: {count} stored {'response' if count == 1 else 'responses'}.\n"
    misses = [suffix for suffix in ("", "/below") if b"fwd=uri-miss" in status(suffix)]
    assert len(misses) == count


def test_a_soft_purge_says_so(purge, status):
    status()
    assert purge("--tag", "news").out == "Purged, soft: 1 stored response.\n"


def test_what_is_not_stored_is_not_an_error(purge):
    assert purge("--url", "http://nowhere.test/").out == "Purged, soft: 0 stored responses.\n"


def test_the_token_comes_from_the_environment_or_the_gateways_own_file(weft, gateway, tmp_path, monkeypatch):
    file = tmp_path / "weft.toml"
    file.write_text(f'[upstream]\nurl = "http://o.test"\n[server]\nport = {gateway.port}\n[purge]\ntokens = ["{TOKEN}"]\n')
    assert weft("purge", "--everything", "--config", str(file)).code == 0
    monkeypatch.setenv("WEFT_PURGE_TOKEN", "wrong")
    assert weft("purge", "--everything", "--config", str(file)).code == 1
    monkeypatch.setenv("WEFT_PURGE_TOKEN", TOKEN)
    assert weft("purge", "--everything", "--gateway", f"http://127.0.0.1:{gateway.port}").code == 0


class TestWhatCanGoWrong:
    def test_a_wrong_token(self, weft, gateway):
        outcome = weft("purge", "--gateway", f"http://127.0.0.1:{gateway.port}", "--token", "wrong", "--everything")
        assert outcome.code == 1
        assert "refused, 401" in outcome.err
        assert "purge.tokens" in outcome.err

    def test_purging_is_off(self, weft, start_gateway):
        gateway = start_gateway()
        outcome = weft("purge", "--gateway", f"http://127.0.0.1:{gateway.port}", "--token", TOKEN, "--everything")
        assert outcome.code == 1
        assert "refused, 403: purging is off" in outcome.err

    @pytest.mark.parametrize(
        ("arguments", "wanted"),
        [(("--url", "nonsense"), "expected http://HOST/PATH"), (("--route", "none"), "no route is called")],
    )
    def test_a_wish_that_the_gateway_does_not_understand(self, purge, arguments, wanted):
        outcome = purge(*arguments)
        assert outcome.code == 1
        assert "refused, 400" in outcome.err
        assert wanted in outcome.err

    def test_nobody_there(self, weft):
        with closing(socket.socket()) as unused:
            unused.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{unused.getsockname()[1]}"
            outcome = weft("purge", "--gateway", url, "--token", TOKEN, "--everything")
        assert outcome.code == 1
        assert outcome.err.startswith(f"weft purge: {url} can't be asked: ")
        assert outcome.err.count("\n") == 1

    def test_somebody_else_there(self, weft):
        with http.server.HTTPServer(("127.0.0.1", 0), _Silent) as server:
            threading.Thread(target=server.handle_request, daemon=True).start()
            outcome = weft("purge", "--gateway", f"http://127.0.0.1:{server.server_port}", "--token", TOKEN, "--everything")
        assert outcome.code == 1
        assert "is no Weft gateway" in outcome.err

    @pytest.mark.parametrize(
        ("arguments", "wanted"),
        [(("--token", TOKEN), "nothing to purge"), (("--everything",), "no token")],
        ids=["nothing", "no token"],
    )
    def test_half_a_wish(self, weft, arguments, wanted):
        outcome = weft("purge", *arguments)
        assert outcome.code == 2
        assert wanted in outcome.err

    def test_faults_in_the_gateways_file(self, weft, tmp_path):
        file = tmp_path / "weft.toml"
        file.write_text("nonsense = 1\n")
        outcome = weft("purge", "--everything", "--config", str(file))
        assert outcome.code == 1
        assert "problems in the settings" in outcome.err


class _Silent(http.server.BaseHTTPRequestHandler):
    """Knows no POST, and writes no log."""

    def log_message(self, *_):
        pass
