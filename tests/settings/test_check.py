"""`weft check`, as the one who runs it sees it."""

from __future__ import annotations

import argparse

import pytest

from gateway.commands import check
from gateway.commands.advice import advice
from gateway.commands.ownership import second_owners
from gateway.settings import Settings
from gateway.settings.documents import settings_page, settings_schema

URL = "http://127.0.0.1:9000"
TOKEN = "a-token-long-enough"


@pytest.fixture
def weft_check(capsys, monkeypatch):
    monkeypatch.setattr(check, "second_owners", list)

    def run(*arguments: str, env=None):
        parser = argparse.ArgumentParser()
        check.add_arguments(parser)
        code = check.run(parser.parse_args(arguments), env or {})
        return code, *capsys.readouterr()

    return run


def test_good_settings_are_ok_and_every_value_has_its_origin(weft_check, tmp_path):
    file = tmp_path / "weft.toml"
    file.write_text(f"""
        upstream.url = "{URL}"
        cache.memory.max_bytes = "64MiB"
        origins.blog.url = "http://10.0.0.7"
        [[routes]]
        name = "blog"
        path = "/blog"
        origin = "blog"
        cache.mode = "bypass"
    """)
    code, out, err = weft_check("--config", str(file), "--port", "81", env={"WEFT_PURGE__TOKENS": TOKEN})
    assert (code, err) == (0, "")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == f"ok: {file}"
    assert "server.port 81 (flag --port)" in lines
    assert "cache.memory.max_bytes 67108864 bytes (weft.toml)" in lines
    assert "purge.tokens *** (env WEFT_PURGE__TOKENS)" in lines
    assert "route blog: */blog → http://10.0.0.7, not cached" in lines
    assert f"everything else → {URL}" in lines
    assert "advice" not in out
    assert TOKEN not in out


def test_bad_settings_are_named_all_at_once(weft_check):
    code, out, err = weft_check("--port", "x", "--set", "cache.mod=1")
    assert (code, out) == (1, "")
    assert err.splitlines()[0] == "3 problems in the settings:"


def test_the_file_may_be_named_in_the_environment_and_no_other_is_read(weft_check, tmp_path, monkeypatch):
    (tmp_path / "weft.toml").write_text(f"upstream.url = '{URL}'")
    monkeypatch.chdir(tmp_path)
    assert weft_check()[0] == 1
    assert weft_check(env={"WEFT_CONFIG": "weft.toml"})[0] == 0


def test_advice_fails_only_when_asked_to(weft_check):
    code, out, _ = weft_check("--upstream", URL)
    assert (code, out.split(":")[0]) == (0, "ok")
    assert "advice: purge.tokens is empty" in out
    code, out, _ = weft_check("--upstream", URL, "--strict")
    assert (code, out.split(":")[0]) == (1, "not ok")


def test_set_wants_a_name_and_a_value(weft_check, capsys):
    with pytest.raises(SystemExit):
        weft_check("--set", "cache.mode")
    assert "expected NAME=VALUE, got 'cache.mode'" in capsys.readouterr().err


def test_the_pages_can_be_printed(weft_check):
    assert weft_check("--print-docs") == (0, settings_page(), "")
    assert weft_check("--print-schema") == (0, settings_schema(), "")


def test_a_second_owner_is_an_error(weft_check, monkeypatch):
    monkeypatch.setattr(check, "second_owners", lambda: ["profiles: …"])
    code, out, err = weft_check("--upstream", URL)
    assert (code, out.split(":")[0], err) == (1, "not ok", "two owners of one package name: profiles: …\n")


# ── Advice ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

SOUND = {"upstream": {"url": URL}, "purge": {"tokens": [TOKEN]}}


def test_sound_settings_need_no_advice():
    assert list(advice(Settings(**SOUND))) == []


@pytest.mark.parametrize(
    ("changes", "beginning"),
    [
        ({"purge": {}}, "purge.tokens is empty"),
        ({"purge": {"tokens": [TOKEN, "short"]}}, "purge.tokens[1] is shorter"),
        ({"debug": {"tokens": ["short"]}}, "debug.tokens[0] is shorter"),
        ({"debug": {"server_timing": "always"}}, "debug.server_timing is always"),
        ({"server": {"host": "0.0.0.0"}}, "server.host is 0.0.0.0 and proxy.trusted_proxies is empty"),
        ({"proxy": {"trusted_proxies": ["0.0.0.0/0"]}}, "proxy.trusted_proxies holds everybody"),
        ({"metrics": {"allow": ["::/0"]}}, "metrics.allow holds everybody"),
        ({"log": {"client_address": "full"}}, "log.client_address is full"),
        ({"upstream": {"url": "http://shop.example.com"}}, "upstream.url is plain http to shop.example.com"),
        ({"upstream": {"url": "http://8.8.8.8"}}, "upstream.url is plain http to 8.8.8.8"),
        ({"upstream": {"url": "https://a", "tls_verify": False}}, "upstream.tls_verify is false"),
        ({"upstream": {"url": "https://a", "tls_ca_file": "none.pem"}}, "upstream.tls_ca_file: there is no file none.pem"),
        ({"upstream": {"url": "http://localhost:8080"}}, "upstream.url is where the gateway itself listens"),
        ({"origins": {"a": {"url": "http://a"}}}, "origins.a is named by no route"),
        ({"cache": {"mode": "bypass"}}, "cache.mode is bypass"),
        ({"cache": {"store_cookies": True}}, "cache.store_cookies is true"),
        ({"redis": {"url": "redis://cache.example.com", "password": TOKEN}}, "redis.url is without TLS, and cache.example.com"),
        ({"redis": {"url": "rediss://localhost", "tls_verify": False}}, "redis.tls_verify is false"),
        ({"redis": {"url": "rediss://localhost", "tls_ca_file": "none.pem"}}, "redis.tls_ca_file: there is no file none.pem"),
        ({"redis": {"url": "redis://10.0.0.7"}}, "redis.password is not set"),
        ({"redis": {"url": "redis://localhost", "timeout": 2}}, "redis.timeout is 2 seconds"),
        ({"query": {"mode": "keep"}}, "query.mode is keep and query.names is empty"),
        ({"routes": [{"name": "a", "query": {"mode": "drop"}}]}, "routes[0].query.mode is drop and"),
    ],
)
def test_what_is_legal_and_unwise_is_said(changes, beginning):
    (line,) = advice(Settings(**SOUND | changes))
    assert line.startswith(beginning)


@pytest.mark.parametrize("host", ["10.0.0.7", "shop", "shop.internal", "[::1]", "a.b.svc.cluster.local"])
def test_plain_http_inside_a_network_is_fine(host):
    assert list(advice(Settings(**SOUND | {"upstream": {"url": f"http://{host}"}}))) == []


# ── Owners of our names ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def package(folder, name):
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").touch()
    return folder


def test_alone_is_well(tmp_path):
    home = package(tmp_path / "home", "gateway")
    empty = tmp_path / "empty"
    (empty / "profiles").mkdir(parents=True)  # a folder of data, no package
    assert not list(
        second_owners(path=[str(empty), str(home)], home=home, providers={"gateway": ["Weft_Gateway"], "yaml": ["pyyaml"]})
    )


def test_another_distribution_with_our_name_is_found(tmp_path):
    (line,) = second_owners(
        path=[], home=tmp_path, providers={"profiles": ["weft-gateway", "django-profiles", "django-profiles"]}
    )
    assert line.startswith("profiles: the distribution django-profiles installs a package of this name too")


def test_another_folder_with_our_name_is_found_before_and_after(tmp_path):
    home = package(package(tmp_path / "home", "gateway"), "profiles")
    before, after = package(tmp_path / "before", "profiles"), tmp_path / "after"
    after.mkdir()
    (after / "fragments.py").touch()
    found = list(second_owners(path=[str(before), str(home), str(after), str(before)], home=home, providers={}))
    assert [line.split(";")[0] for line in found] == [
        f"fragments: {after / 'fragments.py'} comes after ours on sys.path",
        f"profiles: {before / 'profiles' / '__init__.py'} comes before ours, in {home}, on sys.path",
    ]


def test_this_environment_has_one_owner():
    assert list(second_owners()) == []
