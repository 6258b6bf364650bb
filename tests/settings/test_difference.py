"""The difference of two versions of the settings: complete, silent about secrets, and with what each change takes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings import Settings, load
from gateway.settings.difference import EFFECTS, Change, Effect, compare, effect_of, in_force
from gateway.settings.shape import leaves, node_at, show_path


def settings(**flags) -> Settings:
    return load(None, {}, {"upstream": "http://127.0.0.1:1"} | {name.replace("__", "."): value for name, value in flags.items()})


def tree(**sections) -> Settings:
    return Settings.model_validate({"upstream": {"url": "http://127.0.0.1:1"}} | sections)


LEAVES = list(leaves())


# ── What each takes ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: show_path(leaf.path))
def test_every_setting_says_what_it_takes(leaf):
    assert effect_of(leaf.path) in Effect


def test_every_word_on_effects_is_about_something_that_can_be_set():
    assert [path for path in EFFECTS if node_at(path) is None] == []


def test_settings_of_the_process_are_listed_one_by_one():
    """So that a new one can't be forgotten: most of what waits for a restart stands here."""
    assert ("server",) not in EFFECTS


def test_what_stands_under_free_names_is_all_live():
    """in_force could not tell which table of the one side belongs to which of the other."""
    waiting = [leaf for leaf in LEAVES if effect_of(leaf.path) is not Effect.LIVE]
    assert not [leaf for leaf in waiting if "<name>" in leaf.path or 0 in leaf.path]
    assert waiting


# ── What differs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

PLAIN = {
    "cache.default_ttl": st.floats(0, 1e6, allow_nan=False),
    "cache.mode": st.sampled_from(["standard", "bypass"]),
    "cache.languages": st.sampled_from([(), ("en",), ("en", "de")]),
    "cache.compress.gzip": st.integers(1, 9),
    "server.port": st.integers(0, 65535),
    "server.drain_delay": st.floats(0, 600, allow_nan=False),
    "proxy.trusted_proxies": st.sampled_from([(), ("10.0.0.0/8",), ("10.0.0.0/8", "::1")]),
    "log.access": st.sampled_from(["json", "text", "off"]),
    "esi.hosts": st.sampled_from([(), ("a.test",), ("a.test", "*.b.test")]),
    "debug.tokens": st.sampled_from([(), ("one",), ("one", "two")]),
}
versions = st.fixed_dictionaries({}, optional=PLAIN)


@given(versions)
def test_a_version_does_not_differ_from_itself(flags):
    assert compare(settings(**flags), settings(**flags)) == []


@given(versions, versions)
def test_exactly_what_differs_is_told(before, after):
    old, new = settings(**before), settings(**after)

    def value(tree, path):
        for part in path.split("."):
            tree = getattr(tree, part)
        return tree

    assert {change.path for change in compare(old, new)} == {path for path in PLAIN if value(old, path) != value(new, path)}


@given(versions, versions)
def test_what_waits_is_all_that_still_differs_from_what_is_in_force(before, after):
    old, new = settings(**before), settings(**after)
    now = in_force(old, new, Effect.LIVE)
    assert {change.effect for change in compare(old, now)} <= {Effect.LIVE}
    assert compare(now, new) == [change for change in compare(old, new) if change.effect is not Effect.LIVE]
    assert compare(in_force(old, new, *Effect), new) == []


def test_a_change_has_path_old_and_new_value():
    assert compare(
        settings(), settings(**{"cache.default_ttl": 60, "server.port": 9090, "proxy.trusted_proxies": "10.0.0.0/8"})
    ) == [
        Change("server.port", "8080", "9090", Effect.START),
        Change("cache.default_ttl", "0.0", "60.0", Effect.LIVE),
        Change("proxy.trusted_proxies", "[]", "['10.0.0.0/8']", Effect.LIVE),
    ]


def test_the_order_of_routes_is_no_difference():
    shop, blog = {"name": "shop", "path": "/shop"}, {"name": "blog", "path": "/blog"}
    assert compare(tree(routes=[shop, blog]), tree(routes=[blog, shop])) == []


def test_a_route_goes_by_its_name():
    shop, blog = {"name": "shop", "path": "/shop"}, {"name": "blog", "path": "/blog"}
    later = {"name": "blog", "path": "/blog", "cache": {"mode": "bypass"}, "query": {"mode": "none"}}
    assert [change[:3] for change in compare(tree(routes=[shop, blog]), tree(routes=[later, shop]))] == [
        ("routes[blog].cache.mode", "not set", "'bypass'"),
        ("routes[blog].query", "not set", "added"),
        ("routes[blog].query.mode", "'all'", "'none'"),
    ]


def test_tables_that_come_and_go_are_told_with_what_they_say():
    before = tree(origins={"old": {"url": "http://127.0.0.1:2"}})
    after = tree(
        origins={"new": {"url": "http://127.0.0.1:3", "breaker": {"failures": 9}}}, slots={"hero": {"template": "h.html"}}
    )
    assert [change[:3] for change in compare(before, after)] == [
        ("origins.old", "set", "removed"),
        ("origins.new", "not set", "added"),
        ("origins.new.url", "''", "'http://127.0.0.1:3'"),
        ("origins.new.breaker.failures", "5", "9"),
        ("slots.hero", "not set", "added"),
        ("slots.hero.template", "''", "'h.html'"),
    ]


# ── Secrets ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

SECRETS = [leaf for leaf in LEAVES if leaf.is_secret]


def test_there_are_secrets_to_keep():
    assert {show_path(leaf.path) for leaf in SECRETS} >= {"purge.tokens", "debug.tokens", "log.address_key", "esi.nonce"}


@pytest.mark.parametrize("leaf", SECRETS, ids=lambda leaf: show_path(leaf.path))
def test_no_secret_is_shown(leaf):
    def having(secret: str) -> Settings:
        value: object = [secret] if leaf.is_list else secret
        for part in reversed(leaf.path):
            value = [value] if part == 0 else {"one" if part == "<name>" else part: value}
        assert isinstance(value, dict)
        for route in value.get("routes", ()):
            route["name"] = "one"
        return tree(**({"upstream": {"url": "http://127.0.0.1:1"}} | value))

    for before, after in (
        (having("tell-nobody-1"), having("tell-nobody-2")),
        (tree(), having("tell-nobody-3")),
        (having("tell-nobody-4"), tree()),
    ):
        changes = compare(before, after)
        assert changes
        assert "tell-nobody" not in json.dumps(changes)
        assert "tell-nobody" not in "".join(change.line for change in changes)


def test_a_password_in_a_text_is_not_shown():
    changes = compare(tree(log={"file": "//user:hidden@host/x"}), tree())
    assert changes
    assert "hidden" not in json.dumps(changes)
