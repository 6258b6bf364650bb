"""Whether a response may be stored: at least one row for each rule, with its section (RFC 9111 §3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cache.freshness import CachePolicy
from gateway.cache.policy import RULES, Case, NotStored, Reason, Stored, decide, judge, steps
from gateway.semantics.dates import format_date
from gateway.semantics.message import Section

NOW = 1_800_000_000.0
URL = (b"http", b"shop.test", b"/page")

POLICY = CachePolicy(max_object_bytes=1_000, tag_bytes=20)

MODIFIED = ("last-modified", format_date(NOW - 1_000).decode())
COOKIE = (b"cookie", b"id=1")
FRESH = ("cache-control", "max-age=60")
ETAG = ("etag", '"a"')


def case(
    *fields: tuple[str, str],
    status: int = 200,
    method: str = "GET",
    sent: list | None = None,
    policy: CachePolicy = POLICY,
    **more,
) -> Case:
    return Case(
        method.encode(),
        URL,
        Section(sent or []),
        status,
        Section([(name.encode(), value.encode()) for name, value in fields]),
        policy,
        request_time=NOW - 1,
        response_time=NOW,
        **more,
    )


REFUSED = [
    # reason, section, case
    (Reason.REQUEST_NO_STORE, "§5.2.1.5", case(FRESH, no_store=True)),
    (Reason.TOO_LARGE, "cache.max_object_bytes", case(FRESH, length=1_001)),
    (Reason.BAD_RANGE, "§3.3", case(FRESH, status=206)),
    (Reason.BAD_RANGE, "§3.3", case(FRESH, ("content-range", "bytes */10"), status=206)),
    (Reason.TAGS_TOO_LONG, "cache.tag_bytes", case(FRESH, ("surrogate-key", "a" * 21))),
    (Reason.TAGS_TOO_LONG, "cache.tag_bytes", case(FRESH, ("cache-tag", "a" * 10), ("cache-tag", "a" * 10))),
    (Reason.METHOD, "§3", case(FRESH, method="HEAD")),
    (Reason.METHOD, "§3", case(FRESH, method="PUT")),
    (Reason.METHOD, "§9.3.3", case(FRESH, method="POST")),
    (Reason.METHOD, "§9.3.3", case(FRESH, ("content-location", "/other"), method="POST")),
    (Reason.METHOD, "§9.3.3", case(FRESH, ("content-location", "/page"), method="POST", status=201)),
    (Reason.REQUEST_BODY, "§9.3.1", case(FRESH, has_body=True)),
    (Reason.NOT_FINAL, "§3", case(FRESH, status=103)),
    (Reason.NOT_FINAL, "§3", case(FRESH, status=304)),
    *[(Reason.ABOUT_REQUEST, "§15.5", case(FRESH, status=status)) for status in (412, 416, 417, 431)],
    (Reason.NOT_UNDERSTOOD, "§5.2.2.3", case(("cache-control", "max-age=60, must-understand"), status=299)),
    (Reason.NOT_UNDERSTOOD, "§5.2.2.3", case(("cache-control", "max-age=60, must-understand, no-store"), status=599)),
    (Reason.NO_STORE, "§5.2.2.5", case(("cache-control", "max-age=60, no-store"))),
    (Reason.NO_STORE, "§5.2.2.5", case(("cache-control", "max-age=60"), ("cache-control", "No-Store"))),
    (Reason.NO_STORE, "§5.2.2.5", case(("cdn-cache-control", "no-store"), FRESH)),
    (Reason.NO_STORE, "§5.2.2.5", case(("surrogate-control", "no-store"), FRESH)),
    (Reason.PRIVATE, "§5.2.2.7", case(("cache-control", "private, max-age=60, s-maxage=60"))),
    (Reason.PRIVATE, "§5.2.2.7", case(("cache-control", 'private="x", private, max-age=60'))),
    (Reason.PRIVATE, "§5.2.2.7", case(("cache-control", 'private="", max-age=60'))),
    (Reason.AUTHORIZATION, "§3.5", case(FRESH, sent=[(b"authorization", b"Basic x")])),
    (Reason.AUTHORIZATION, "§3.5", case(("cache-control", 'max-age=60, proxy-revalidate, no-cache="x"'), sent=[(b"authorization", b"")])),
    (Reason.VARY_STAR, "§4.1", case(FRESH, ("vary", "*"))),
    (Reason.VARY_STAR, "§4.1", case(FRESH, ("vary", "accept"), ("vary", "x, *"))),
    (Reason.SERVER_ERROR, "§4.2", case(ETAG, ("cache-control", "max-age=0"), status=500)),
    (Reason.SERVER_ERROR, "§4.2", case(ETAG, ("cache-control", "no-cache, max-age=60"), status=503)),
    (Reason.NO_FRESHNESS, "§3", case(ETAG, status=302)),
    (Reason.NO_FRESHNESS, "§3", case(MODIFIED, status=201)),
    (Reason.NO_FRESHNESS, "§3", case(("cache-control", "no-cache"), ETAG, status=403)),
    (Reason.NO_FRESHNESS, "§4.2", case()),
    (Reason.NO_FRESHNESS, "§4.2", case(("cache-control", "max-age=0"))),
    (Reason.NO_FRESHNESS, "§4.2", case(("cache-control", "no-cache, max-age=60"))),
    (Reason.NO_FRESHNESS, "§4.2", case(("cache-control", "no-cache, stale-if-error=60"))),
    (Reason.NO_FRESHNESS, "§4.2", case(("expires", "0"))),
    (Reason.NO_FRESHNESS, "§9.3.3", case(MODIFIED, ("content-location", "/page"), method="POST")),
    (Reason.SET_COOKIE, "§7.3", case(MODIFIED, ("set-cookie", "a=b"))),
    (Reason.SET_COOKIE, "§7.3", case(FRESH, ("set-cookie", "a=b"), sent=[COOKIE])),
    (Reason.SET_COOKIE, "§7.3", case(("cache-control", "max-age=60, must-revalidate"), ("set-cookie", "a=b"), sent=[COOKIE])),
    (Reason.SET_COOKIE, "§7.3", case(ETAG, ("cache-control", "no-cache"), ("set-cookie", "a=b"))),
    (Reason.COOKIE, "§7.3", case(MODIFIED, sent=[COOKIE])),
    (Reason.COOKIE, "§7.3", case(MODIFIED, ("vary", "Cookie"), sent=[COOKIE])),
    (Reason.COOKIE, "§7.3", case(ETAG, ("cache-control", "max-age=0"), sent=[COOKIE])),
    (Reason.COOKIE, "§7.3", case(("cache-control", "public"), MODIFIED, sent=[COOKIE])),
]  # fmt: skip

KEPT = [
    case(FRESH),
    case(("expires", format_date(NOW + 60).decode())),
    case(MODIFIED),
    case(ETAG),
    case(ETAG, ("cache-control", "no-cache")),
    case(("cache-control", "max-age=0, stale-while-revalidate=60")),
    case(("cache-control", "stale-if-error=60")),
    case(FRESH, length=1_000),
    case(FRESH, status=302),
    case(FRESH, status=599),
    case(FRESH, status=503),
    case(FRESH, ("content-range", "bytes 0-1/10"), status=206),
    case(FRESH, status=206, held=True),
    case(("cache-control", "public"), MODIFIED, status=302),
    case(("cache-control", "max-age=60, must-understand, no-store")),
    case(("cache-control", 'max-age=60, private="x-user", no-cache="set-cookie"')),
    case(("cdn-cache-control", "max-age=60"), ("cache-control", "no-store")),
    case(("cdn-cache-control", "no-store, &"), FRESH),
    case(("cache-control", "max-age=60, public"), sent=[(b"authorization", b"x")]),
    case(("cache-control", "s-maxage=60"), sent=[(b"authorization", b"x")]),
    case(("cache-control", "max-age=60, must-revalidate"), sent=[(b"authorization", b"x")]),
    case(FRESH, ("vary", "accept, cookie")),
    case(FRESH, ("content-location", "/page"), method="POST"),
    case(FRESH, ("content-location", "http://shop.test/page"), method="POST"),
    case(FRESH, ("set-cookie", "a=b")),
    case(("cache-control", "public, max-age=60"), ("set-cookie", "a=b"), sent=[COOKIE]),
    case(FRESH, ("set-cookie", "a=b"), sent=[COOKIE], policy=CachePolicy(store_cookies=True)),
    case(FRESH, sent=[COOKIE]),
    case(policy=CachePolicy(default_ttl=60.0)),
]


@pytest.mark.parametrize(("reason", "section", "refused"), REFUSED)
def test_what_is_not_stored_and_why(reason, section, refused):
    verdict = decide(refused)
    assert isinstance(verdict, NotStored)
    assert verdict.reason is reason
    *passed, (rule, stopped) = steps(refused)
    assert stopped
    assert rule.reason is reason
    assert section in rule.section
    assert not any(stopped for _, stopped in passed)


@pytest.mark.parametrize("kept", KEPT)
def test_what_is_stored(kept):
    assert isinstance(decide(kept), Stored), [rule.wish for rule, stopped in steps(kept) if stopped]
    assert [rule for rule, _ in steps(kept)] == list(RULES)


def test_every_rule_stops_something_in_the_table():
    stopping = [list(steps(refused))[-1][0] for _, _, refused in REFUSED]
    assert [rule.wish for rule in RULES if rule not in stopping] == []


def test_every_rule_says_where_it_comes_from_and_what_it_wishes():
    for rule in RULES:
        assert "RFC" in rule.section or rule.section.startswith("cache."), rule
        assert rule.wish


@pytest.mark.parametrize(
    ("control", "expected"),
    [
        (
            "max-age=60",
            {"validate": False, "shared": False, "transform": True, "explicit": True, "lifetime": 60.0, "omit": frozenset()},
        ),
        ("max-age=60, no-cache", {"validate": True}),
        ("max-age=60, public", {"shared": True}),
        ("s-maxage=70, max-age=60", {"shared": True, "lifetime": 70.0}),
        ("max-age=60, must-revalidate", {"shared": True}),
        ("max-age=60, proxy-revalidate", {"shared": False}),
        ("max-age=60, no-transform", {"transform": False}),
        ('max-age=60, no-cache="X-A", private="x-b, X-C"', {"validate": False, "omit": {b"x-a", b"x-b", b"x-c"}}),
    ],
)
def test_the_terms_it_is_stored_on(control, expected):
    terms = decide(case(("cache-control", control), ETAG))
    assert isinstance(terms, Stored)
    assert {name: getattr(terms, name) for name in expected} == expected


def test_a_guessed_lifetime_is_not_explicit():
    terms = decide(case(MODIFIED))
    assert (terms.explicit, terms.lifetime) == (False, 100.0)


def test_judge_is_decide_on_a_case():
    fields = [(b"cache-control", b"max-age=60")]
    assert isinstance(judge(b"GET", URL, [], 200, fields, POLICY, request_time=NOW, response_time=NOW), Stored)
    verdict = judge(b"GET", URL, [], 200, fields, POLICY, request_time=NOW, response_time=NOW, has_body=True)
    assert isinstance(verdict, NotStored)
    assert verdict.reason is Reason.REQUEST_BODY


names = st.sampled_from(
    [b"cache-control", b"cdn-cache-control", b"surrogate-control", b"expires", b"date", b"age", b"last-modified", b"etag", b"vary", b"pragma", b"set-cookie",
     b"content-location", b"content-range", b"surrogate-key"]
)  # fmt: skip


@given(
    st.lists(st.tuples(names, st.binary(max_size=30)), max_size=6),
    st.integers(100, 599),
    st.sampled_from([b"GET", b"POST", b"HEAD", b"DELETE"]),
    st.lists(st.sampled_from([COOKIE, (b"authorization", b"x")]), max_size=2),
)
def test_no_response_makes_it_raise(fields, status, method, sent):
    verdict = judge(method, URL, sent, status, fields, POLICY, request_time=NOW - 1, response_time=NOW)
    if isinstance(verdict, Stored):
        assert verdict.lifetime >= 0
        assert verdict.born <= NOW
