"""Every fault of the settings, all at once, each with path, wish, value and origin."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import SettingsError
from gateway.settings import load

GOOD = {"WEFT_UPSTREAM__URL": "http://127.0.0.1:9000"}


def problems(config=None, env=None, flags=None) -> list[str]:
    """What is wrong; fails when nothing is."""
    with pytest.raises(SettingsError) as caught:
        load(config, GOOD if env is None else env, flags)
    return caught.value.problems


@pytest.fixture
def weft_toml(tmp_path):
    def write(text: str) -> Path:
        file = tmp_path / "weft.toml"
        file.write_text(text, "utf-8")
        return file

    return write


def test_all_faults_come_at_once_and_look_like_the_style_guide_says(weft_toml):
    file = weft_toml("""
        [upstream]
        conect_timeout = 3
        [cache]
        default_ttl = -5.0
        store.kind = "disk"
    """)
    with pytest.raises(SettingsError) as caught:
        load(file, {"WEFT_CACHE__MEMORY__MAX_BYTES": "lots"})
    assert str(caught.value).splitlines()[0] == "5 problems in the settings:"
    assert sorted(caught.value.problems) == sorted(
        [
            "upstream.conect_timeout: unknown setting (weft.toml); did you mean upstream.connect_timeout?",
            "upstream.url: required, not set",
            "cache.default_ttl: expected >= 0 seconds, got -5.0 (weft.toml)",
            "cache.store.kind: expected one of 'memory', got 'disk' (weft.toml)",
            "cache.memory.max_bytes: expected int bytes, got 'lots' (env WEFT_CACHE__MEMORY__MAX_BYTES)",
        ]
    )


@pytest.mark.parametrize(
    ("toml", "line"),
    [
        ("server.port = 70000", "server.port: expected <= 65535, got 70000 (weft.toml)"),
        ("server.port = true", "server.port: expected int, got True (weft.toml)"),
        ("server.port = 1.5", "server.port: expected int, got 1.5 (weft.toml)"),
        ("server.port = []", "server.port: expected int, got [] (weft.toml)"),
        ("cache.default_ttl = inf", "cache.default_ttl: expected a finite number of seconds, got inf (weft.toml)"),
        ("server.drain_delay = '5s'", "server.drain_delay: expected float seconds, got '5s' (weft.toml)"),
        ("server.fast_lane = 'perhaps'", "server.fast_lane: expected true or false, got 'perhaps' (weft.toml)"),
        ("server.keepalive_timeout = 0", "server.keepalive_timeout: expected > 0 seconds, got 0 (weft.toml)"),
        ("server = 5", "server: expected a table, got 5 (weft.toml)"),
        ("server.limits = []", "server.limits: expected a table, got [] (weft.toml)"),
        ("routes = 5", "routes: expected a list of tables, got 5 (weft.toml)"),
        ("routes = [5]", "routes[0]: expected a table, got 5 (weft.toml)"),
        ("[[routes]]\npath = '/a'", "routes[0].name: required, not set (weft.toml)"),
        (
            "[[routes]]\nname = 'a'\ncahce = {}",
            "routes[0].cahce: unknown setting (weft.toml); did you mean routes[0].cache?",
        ),
        (
            "[[routes]]\nname = 'a'\ncache.mode = 'off'",
            "routes[0].cache.mode: expected one of 'standard', 'bypass', got 'off' (weft.toml)",
        ),
        (
            "[[routes]]\nname = 'a'\norigin = 'blog'",
            "routes[0].origin: expected a name in origins (none), got 'blog' (weft.toml)",
        ),
        (
            "[[routes]]\nname = 'a'\n[[routes]]\nname = 'a'\npath = '/b'",
            "routes[1].name: expected a name of its own: routes[0] has it already, got 'a' (weft.toml)",
        ),
        (
            "[[routes]]\nname = 'a'\n[[routes]]\nname = 'b'",
            "routes[1].path: expected another host or path than routes[0], got '/' (weft.toml)",
        ),
        ("[origins.blog]", "origins.blog.url: required, not set"),
        (
            "[origins.blog]\nurl = 'http://a'\nretries = 1",
            "origins.blog.retries: unknown setting (weft.toml); did you mean origins.blog.retry?",
        ),
        (
            "[origins.'a b']\nurl = 'http://a'",
            "origins.'a b': expected a name of 1 to 64 letters, digits, dots, dashes and underscores, got 'a b' (weft.toml)",
        ),
        (
            "upstream.breaker.cooldown = 20",
            "upstream.breaker.cooldown_max: expected >= cooldown (20.0 seconds), got 3.0",
        ),
        (
            "cache.memory.max_bytes = '1MiB'",
            "cache.max_object_bytes: expected <= cache.memory.max_bytes (1048576 bytes), got 16777216",
        ),
        (
            "proxy.trusted_proxies = ['10.0.0.0/8', '10.0.0.1/8', 7]",
            "proxy.trusted_proxies[1]: expected a network such as 10.0.0.0/8 or one address, got '10.0.0.1/8' (weft.toml)",
        ),
        (
            "cache.compress.codings = ['gzip', 'zip']",
            "cache.compress.codings[1]: expected one of 'zstd', 'br', 'gzip', got 'zip' (weft.toml)",
        ),
        ("cache.languages = 'en'", "cache.languages: expected list of text, got 'en' (weft.toml)"),
        (
            "purge.tokens = ['x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x']",
            "purge.tokens: expected at most 16 values, got *** (weft.toml)",
        ),
        ("default_ttl = 5", "default_ttl: unknown setting (weft.toml); did you mean cache.default_ttl?"),
        ("xyzzy = 5", "xyzzy: unknown setting (weft.toml)"),
    ],
)
def test_a_fault_in_the_file_is_named(weft_toml, toml, line):
    assert line in problems(weft_toml(toml))


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("WEFT_SERVER__PORT", "http", "server.port: expected int, got 'http' (env WEFT_SERVER__PORT)"),
        (
            "WEFT_UPSTREAM_URL",
            "http://a",
            "upstream_url: unknown setting (env WEFT_UPSTREAM_URL); did you mean WEFT_UPSTREAM__URL?",
        ),
        ("WEFT_XYZZY", "1", "xyzzy: unknown setting (env WEFT_XYZZY)"),
        ("WEFT_", "1", "'': unknown setting (env WEFT_)"),
        (
            "WEFT_SERVER",
            "1",
            "server: a section, which takes no value (env WEFT_SERVER); name a setting in it, such as WEFT_SERVER__HOST",
        ),
        ("WEFT_ROUTES__0__NAME", "a", "routes.0.name: unknown setting (env WEFT_ROUTES__0__NAME)"),
        ("WEFT_ROUTES", "[[[", "routes: expected a list of tables, got '[[[' (env WEFT_ROUTES)"),
        ("WEFT_ROUTES", "[" * 100_000, f"routes: expected a list of tables, got '{'[' * 76}... (env WEFT_ROUTES)"),
        (
            "WEFT_CACHE__LANGUAGES",
            "en,?",
            "cache.languages[1]: expected a language tag such as en or pt-BR, got '?' (env WEFT_CACHE__LANGUAGES)",
        ),
    ],
)
def test_a_fault_in_the_environment_is_named(name, value, line):
    assert line in problems(env={**GOOD, name: value})


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ({"port": "70000"}, "server.port: expected <= 65535, got '70000' (flag --port)"),
        ({"cache.mod": "x"}, "cache.mod: unknown setting (flag --set cache.mod); did you mean cache.mode?"),
        ({"cache": "x"}, "cache: a section, which takes no value (flag --set cache); name a setting in it, such as cache.mode"),
        (
            {"workers": "4"},
            (
                "server.workers: expected 1 where redis.url is empty, got 4 (flag --workers): "
                "without Redis, a purge reaches one process and each fetches for itself"
            ),
        ),
    ],
)
def test_a_fault_in_a_flag_is_named(flags, line):
    assert line in problems(flags=flags)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"[server\nport = 1", "{file}, line 1, column 8: not TOML: Expected ']' at the end of a table declaration"),
        (b"a = 1\nb = ", "{file}, line 2, column 5: not TOML: Invalid value"),
        (b"a = 1\na = 2\n", "{file}, line 2, column 6: not TOML: Cannot overwrite a value"),
        (b"a = '\xff'", "{file}: not UTF-8 text, at byte 5"),
        (b"a = " + b"9" * 5000, "{file}: not TOML that can be read: a number is too long"),
        (b"a = " + b"[" * 5000, "{file}: not TOML that can be read: nested too deeply"),
    ],
)
def test_a_file_that_is_no_toml_is_named_with_line_and_column(tmp_path, content, line):
    file = tmp_path / "weft.toml"
    file.write_bytes(content)
    assert problems(file) == [line.format(file=file)]


def test_a_file_that_is_not_there_is_a_fault(tmp_path):
    assert problems(tmp_path / "none.toml") == [f"{tmp_path / 'none.toml'}: can't be read: No such file or directory"]
    assert problems(tmp_path) == [f"{tmp_path}: can't be read: Is a directory"]


def test_a_fault_does_not_bring_forth_others(weft_toml):
    """A bad URL is not also a missing one; a broken route says nothing about upstream; one bad leaf hides no contradiction."""
    assert problems(env={"WEFT_UPSTREAM__URL": "ftp://a"}) == [
        "upstream.url: expected http://HOST[:PORT] or https://HOST[:PORT], no path, no user name, got 'ftp://a' (env WEFT_UPSTREAM__URL)"
    ]
    broken = weft_toml("[origins.a]\nurl = 'http://a'\n[[routes]]\norigin = 'a'\nname = ''")
    assert [line.split(":")[0] for line in problems(broken, env={})] == ["routes[0].name"]
    assert [line.split(":")[0] for line in problems(flags={"port": "x", "workers": "2"})] == ["server.port", "server.workers"]


@pytest.mark.parametrize(
    "url",
    ["shop", "http://", "http://a/b", "http://u:pw@a", "http://a?b", "http://a:0", "http://a:65536", "http://a b", "http://a\n"],
)
def test_an_origin_is_scheme_host_and_port_and_nothing_else(url):
    (line,) = problems(env={"WEFT_UPSTREAM__URL": url})
    assert line.startswith("upstream.url: expected http://HOST[:PORT]")
    assert "pw" not in line


@pytest.mark.parametrize(
    ("toml", "env"),
    [
        ("purge.tokens = 'hush-hush'", {}),
        ("purge.tokens = [['hush-hush']]", {}),
        ("purge = 'hush-hush'", {}),
        ("purge.token = 'hush-hush'", {}),
        ("purge.tokens = ['hush-hush and blanks']", {}),
        ("", {"WEFT_PURGE__TOKENS": "hush-hush é"}),
        ("", {"WEFT_PURGE__TOKENS": '["hush-hush"'}),
        ("", {"WEFT_PURGE__TOKEN": "hush-hush"}),
        ("", {"WEFT_PURGE": "hush-hush"}),
        ("", {"WEFT_LOG__ADDRESS_KEY": "hush-hush é"}),
        ("", {"WEFT_UPSTREAM__URL": "http://me:hush-hush@a"}),
    ],
)
def test_no_fault_shows_a_secret(weft_toml, toml, env):
    assert "hush" not in "\n".join(problems(weft_toml(toml), {**GOOD, **env}))
