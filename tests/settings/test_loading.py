"""Where settings come from, and which one wins."""

from __future__ import annotations

import ipaddress
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.errors import SettingsError
from gateway.settings import Secret, Settings, load, read
from gateway.settings.layers import env_name
from gateway.settings.shape import leaves

URL = "http://127.0.0.1:9000"
GOOD = {"WEFT_UPSTREAM__URL": URL}


def test_one_url_is_enough():
    settings = load(None, {}, {"upstream": URL})
    assert settings.upstream.url == URL
    assert settings.server.port == 8080


def test_a_flag_goes_before_the_environment_which_goes_before_the_file(tmp_path):
    file = tmp_path / "weft.toml"
    file.write_text("[server]\nport = 1\nbacklog = 2\nmax_connections = 3\n[upstream]\nurl = 'http://a'\n")
    loaded = read(file, {"WEFT_SERVER__PORT": "4", "WEFT_SERVER__BACKLOG": "5"}, {"port": 6, "host": None})
    server = loaded.settings.server
    assert (server.port, server.backlog, server.max_connections, server.host) == (6, 5, 3, "127.0.0.1")
    assert loaded.origins == {
        ("server", "port"): "flag --port",
        ("server", "backlog"): "env WEFT_SERVER__BACKLOG",
        ("server", "max_connections"): "weft.toml",
        ("upstream", "url"): "weft.toml",
    }


def test_the_environment_of_the_process_is_not_read_behind_ones_back(monkeypatch):
    monkeypatch.setenv("WEFT_SERVER__PORT", "1")
    monkeypatch.setenv("SERVER", '{"port": 1}')
    assert Settings().server.port == 8080
    assert load(None, GOOD).server.port == 8080


def test_a_setting_can_be_changed_by_nobody():
    settings = load(None, {**GOOD, "WEFT_ORIGINS__BLOG__URL": URL})
    with pytest.raises(ValidationError):
        settings.server.port = 1
    with pytest.raises(ValidationError):
        settings.cache = settings.cache
    with pytest.raises(TypeError):
        settings.origins["x"] = settings.upstream


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4096", 4096),
        ("4KiB", 4096),
        ("64MiB", 64 << 20),
        ("1.5 GB", 1_500_000_000),
        ("2g", 2_000_000_000),
        ("0", 0),
        ("1Ti", 1 << 40),
    ],
)
def test_a_size_is_a_number_or_a_text_with_a_unit(text, size):
    assert load(None, {**GOOD, "WEFT_SERVER__LIMITS__BODY_BYTES": text}).server.limits.body_bytes == size


def test_lists_in_the_environment_are_comma_separated_or_json():
    networks = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1"))
    for text in ("10.0.0.0/8, ::1", '["10.0.0.0/8", "::1"]'):
        assert load(None, {**GOOD, "WEFT_PROXY__TRUSTED_PROXIES": text}).proxy.trusted_proxies == networks
    assert load(None, {**GOOD, "WEFT_METRICS__ALLOW": ""}).metrics.allow == ()


def test_routes_can_come_from_the_environment_as_json():
    routes = json.dumps([{"name": "blog", "host": "*.Example.com", "path": "/blog", "origin": "blog"}])
    settings = load(None, {"WEFT_ROUTES": routes, "WEFT_ORIGINS__BLOG__URL": URL})
    assert settings.routes[0].host == "*.example.com"
    assert settings.origin_of(settings.routes[0]).url == URL


def test_no_upstream_is_needed_when_every_route_names_an_origin():
    origins = {"WEFT_ORIGINS__BLOG__URL": URL}
    assert load(None, {**origins, "WEFT_ROUTES": '[{"name": "a", "origin": "blog"}]'}).upstream.url == ""
    with pytest.raises(SettingsError, match=r"upstream\.url: required, not set"):
        load(None, {**origins, "WEFT_ROUTES": '[{"name": "a", "origin": "blog"}, {"name": "b", "path": "/b"}]'})


def test_a_route_overrides_only_what_it_names():
    settings = Settings(
        cache={"default_ttl": 60, "stale_if_error": 5},
        query={"mode": "drop", "names": ["utm_*"]},
        routes=[
            {"name": "a", "cache": {"default_ttl": 0, "languages": [], "mode": "bypass"}},
            {"name": "b", "path": "/b", "query": {"sort": True}},
        ],
    )
    first, second = settings.routes
    assert settings.cache_of(first) == settings.cache.model_copy(update={"default_ttl": 0, "mode": "bypass"})
    assert settings.cache_of(second) == settings.cache_of(None) == settings.cache
    assert settings.query_of(first) == settings.query_of(None) == settings.query
    assert settings.query_of(second).mode == "all"


def test_a_route_overrides_within_the_bounds_of_what_it_overrides():
    own = {leaf.path[-1]: leaf for leaf in leaves() if leaf.path[:3] == ("routes", 0, "cache")}
    general = {leaf.path[-1]: leaf for leaf in leaves() if leaf.path[:-1] == ("cache",)}
    assert set(own) < set(general)
    for name, leaf in own.items():
        assert (leaf.bounds, leaf.unit, leaf.kind, leaf.words) == tuple(
            getattr(general[name], key) for key in ("bounds", "unit", "kind", "words")
        )


# ── Secrets ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_secret_shows_itself_only_when_asked():
    settings = load(None, {**GOOD, "WEFT_PURGE__TOKENS": "hush-hush,hush-older", "WEFT_LOG__ADDRESS_KEY": "hush-key"})
    token = settings.purge.tokens[0]
    shown = [repr(settings), str(settings), f"{token}", repr(token), repr(settings.model_dump()), settings.model_dump_json()]
    assert not [text for text in shown if "hush" in text]
    assert repr(token) == str(token) == "***"
    assert token.reveal() == "hush-hush"


def test_a_secret_compares_with_text_and_bytes():
    assert Secret("abc").matches("abc")
    assert Secret("abc").matches(b"abc")
    assert not Secret("abc").matches(b"abd\xff")
    assert not Secret("abc").matches("\udcff")
    assert Secret("abc") == Secret("abc") != Secret("abd")


def test_a_secret_may_stand_in_a_file(tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("new-token\nold-token\n\n")
    key = tmp_path / "key"
    key.write_text("a-key\n")
    loaded = read(None, {**GOOD, "WEFT_PURGE__TOKENS_FILE": str(tokens), "WEFT_LOG__ADDRESS_KEY_FILE": str(key)})
    assert [token.reveal() for token in loaded.settings.purge.tokens] == ["new-token", "old-token"]
    assert loaded.settings.log.address_key == Secret("a-key")
    assert loaded.origins["purge", "tokens"] == "env WEFT_PURGE__TOKENS_FILE"


def test_a_secret_from_a_file_has_its_own_faults(tmp_path):
    none = str(tmp_path / "none")
    with pytest.raises(SettingsError) as caught:
        load(None, {**GOOD, "WEFT_PURGE__TOKENS_FILE": none, "WEFT_DEBUG__TOKENS_FILE": none, "WEFT_DEBUG__TOKENS": "x"})
    assert caught.value.problems[0] == "debug.tokens: set twice (env WEFT_DEBUG__TOKENS and env WEFT_DEBUG__TOKENS_FILE)"
    assert caught.value.problems[1].startswith("purge.tokens: can't read '")
    assert caught.value.problems[1].endswith("No such file or directory (env WEFT_PURGE__TOKENS_FILE)")


def test_only_a_secret_is_read_from_a_file():
    with pytest.raises(SettingsError, match=r"server\.port_file: unknown setting"):
        load(None, {**GOOD, "WEFT_SERVER__PORT_FILE": "/etc/hostname"})


# ── Anything at all ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

PATHS = [leaf.path for leaf in leaves()]
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["10.0.0.0/8", "", "1MiB", "http://a"])
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=6
)
names = st.sampled_from([env_name(path) for path in PATHS] + ["WEFT_PURGE__TOKENS_FILE", "WEFT_ROUTES", "WEFT_ORIGINS"])


def loads_or_says_why(*sources) -> None:
    problems = None
    try:
        load(*sources)
    except SettingsError as error:
        problems = error.problems
    assert problems is None or (problems and all(line and "\n" not in line for line in problems))


@given(st.dictionaries(names | st.text(max_size=12).map("WEFT_".__add__), st.text(max_size=30) | values.map(repr), max_size=5))
@example({"WEFT_ORIGINS____URL": "http://a"})
@example({"WEFT_ROUTES": '[{"name": 1, "cache": {"mode": []}}, null]', "WEFT_SERVER__PORT": "\udcff"})
@example({"WEFT_PURGE__TOKENS_FILE": "\0"})
@example({"WEFT_CACHE__LANGUAGES": "[" * 100_000})
@example({"WEFT_SERVER__PORT": "9" * 5000})
def test_any_environment_loads_or_says_why(env):
    loads_or_says_why(None, env)


@given(st.dictionaries(st.sampled_from([".".join(map(str, path)) for path in PATHS]) | st.text(max_size=12), values, max_size=5))
@example({"cache.default_ttl": 10**5000})
@example({"upstream.url": "http://a", "routes": [{"name": "a", "query": None}, 5]})
def test_any_flags_load_or_say_why(flags):
    loads_or_says_why(None, {}, flags)


SNIPPETS = [
    "[",
    "]",
    "=",
    "\n",
    '"',
    "'",
    ".",
    ",",
    "{",
    "}",
    "server",
    "routes",
    "[[routes]]\n",
    "port = ",
    "1",
    "true",
    "origins.a",
    "\\u",
    "\0",
    "é",
]


@given(
    st.lists(st.sampled_from(SNIPPETS) | st.text(max_size=3), max_size=20).map("".join).map(str.encode) | st.binary(max_size=60)
)
@example(b'[origins."a\\nb"]\nx = 1')
@example(b'"a\\u0000\\n" = 1')
def test_any_file_loads_or_says_why(tmp_path_factory, content):
    file = tmp_path_factory.mktemp("any", numbered=True) / "weft.toml"
    file.write_bytes(content)
    loads_or_says_why(file, {})
