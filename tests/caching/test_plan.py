"""What is done with a request, given what is stored: the rules of RFC 9111 §4 as a table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cache.plan import Forward, ForwardReason, Refuse, Reuse, parse_ask, plan
from gateway.semantics.cache_control import MAX_DELTA
from gateway.semantics.message import Section
from tests.caching.entries import NOW, make_entry


def ask(control: str = "", **fields: str):
    lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()]
    return parse_ask(Section([*lines, *([(b"cache-control", control.encode())] if control else [])]))


# words: fresh; stale; stale+ (a renewal is to be started); else the reason to ask the origin; refused
PLANS = [
    # at, control, entry, expected
    (0, "", {}, "fresh"),
    (59.9, "", {}, "fresh"),
    (60, "", {}, "stale-forward"),
    (59.9, "no-store", {}, "fresh"),  # §5.2.1.5 speaks of storing
    (10, "no-cache", {}, "request"),
    (10, "max-age=10", {}, "fresh"),
    (10.1, "max-age=10", {}, "request"),
    (11, "max-age=10, max-stale=1", {}, "fresh"),
    (12, "max-age=10, max-stale=1", {}, "request"),
    (12, "max-age=10, max-stale", {}, "fresh"),
    (10, "min-fresh=50", {}, "fresh"),
    (10, "min-fresh=51", {}, "request"),
    (10, "max-age=x", {}, "fresh"),  # malformed: as if not said
    (70, "max-stale=10", {}, "stale"),
    (71, "max-stale=10", {}, "stale-forward"),
    (9_999, "max-stale", {}, "stale"),
    (70, "max-stale=x", {}, "stale-forward"),
    (70, "max-stale", {"on_request": False}, "stale-forward"),
    (70, "max-stale", {"flags": frozenset({"no-cache"})}, "stale-forward"),
    (10, "", {"flags": frozenset({"no-cache"})}, "stale-forward"),
    (61, "", {"revalidate": 10}, "stale+"),
    (70, "", {"revalidate": 10}, "stale-forward"),
    (61, "max-age=100", {"revalidate": 10}, "stale-forward"),
    (61, "max-age=100, max-stale", {"revalidate": 10}, "stale+"),
    (61, "min-fresh=1", {"revalidate": 10}, "stale-forward"),
    (61, "no-cache", {"revalidate": 10}, "request"),
    (61, "", {"if_error": 10}, "stale-forward"),  # only once the origin has failed
    (61, "", {"if_error": 10, "retry_at": 62}, "stale"),
    (62, "", {"if_error": 10, "retry_at": 62}, "stale-forward"),
    (71, "", {"if_error": 10, "retry_at": 80}, "stale-forward"),
    (10, "only-if-cached", {}, "fresh"),
    (61, "only-if-cached", {"revalidate": 10}, "stale+"),
    (70, "only-if-cached, max-stale", {}, "stale"),
    (70, "only-if-cached", {}, "refused"),
    (10, "only-if-cached, no-cache", {}, "refused"),
    (10, "only-if-cached, max-age=1", {}, "refused"),
    (10, "only-if-cached, min-fresh=51", {}, "refused"),
    (10, "only-if-cached", None, "refused"),
    (10, "", None, "uri-miss"),
    (10, "no-cache", None, "uri-miss"),
]  # fmt: skip


@pytest.mark.parametrize(("at", "control", "entry", "expected"), PLANS)
def test_the_plan(at, control, entry, expected):
    stored = None
    if entry is not None:
        entry = dict(entry)
        retry_at = entry.pop("retry_at", 0)
        stored = make_entry(**entry)
        stored.retry_at = NOW + retry_at
    assert word_of(plan(stored, ask(control), NOW + at), stored) == expected


def word_of(decision, stored) -> str:
    if isinstance(decision, Reuse):
        assert decision.entry is stored
        return "fresh" if not decision.stale else "stale+" if decision.refresh else "stale"
    if isinstance(decision, Refuse):
        return "refused"
    assert isinstance(decision, Forward)
    assert decision.entry is stored
    return "stale-forward" if decision.reason is ForwardReason.STALE else decision.reason.value


def test_credentials_get_only_what_is_for_all():
    """RFC 9111 §3.5. What is stored for others is not even used to validate."""
    shared, unshared = make_entry(flags=frozenset({"public"})), make_entry()
    assert isinstance(plan(shared, ask(authorization="Basic x"), NOW), Reuse)
    decision = plan(unshared, ask(authorization="Basic x"), NOW)
    assert isinstance(decision, Forward)
    assert (decision.reason, decision.entry) == (ForwardReason.REQUEST, None)
    assert isinstance(plan(unshared, ask("only-if-cached", authorization="Basic x"), NOW), Refuse)


def test_a_miss_tells_whether_something_else_is_there():
    """RFC 9211 §2.2: uri-miss and vary-miss."""
    assert plan(None, ask(), NOW).reason is ForwardReason.URI_MISS
    assert plan(None, ask(), NOW, others=True).reason is ForwardReason.VARY_MISS


@pytest.mark.parametrize(
    ("control", "expected"),
    [
        ("max-stale", {"max_stale": MAX_DELTA}),
        ("max-stale=5", {"max_stale": 5}),
        ("max-stale=x", {"max_stale": None}),
        ('max-age="5"', {"max_age": 5}),
        ("MAX-AGE=5, No-Cache", {"max_age": 5, "no_cache": True}),
        ("min-fresh=5, no-store, only-if-cached", {"min_fresh": 5, "no_store": True, "only_if_cached": True}),
    ],
)
def test_what_a_request_asks_for(control, expected):
    found = ask(control)
    assert {name: getattr(found, name) for name in expected} == expected


def test_pragma_counts_where_there_is_no_cache_control():
    """RFC 9111 §5.4."""
    assert ask(pragma="No-Cache").no_cache
    assert not ask(pragma="x").no_cache
    assert not ask("max-age=5", pragma="no-cache").no_cache


def test_a_site_that_takes_no_wishes_still_sees_credentials():
    fields = [(b"cache-control", b"no-cache"), (b"pragma", b"no-cache"), (b"authorization", b"x")]
    found = parse_ask(Section(fields), obey=False)
    assert (found.no_cache, found.authorized) == (False, True)


@given(st.binary(max_size=40), st.binary(max_size=10), st.floats(0, 1_000))
def test_no_octets_make_it_raise(control, pragma, at):
    found = parse_ask(Section([(b"cache-control", control), (b"pragma", pragma)]))
    plan(make_entry(), found, NOW + at)
