"""The purge ledger: never too little, exact while it remembers, bounded for ever."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.cache.purges import Ledger, Verdict, prefix_matches
from tests.caching.entries import key, make_entry

PATHS = ("/a", "/a/b", "/c")
TAGS = (b"t", b"u", b"group:g")
ROUTES = ("shop", "blog")

verdicts = st.sampled_from([Verdict.SOFT, Verdict.HARD])
scopes = st.one_of(
    st.tuples(st.just("tag"), st.sampled_from(TAGS)),
    st.tuples(st.just("url"), st.sampled_from(PATHS).map(key)),
    st.tuples(st.just("route"), st.sampled_from(ROUTES)),
    st.tuples(st.just("group"), st.just((b"http", b"shop.test", b"group:g"))),
    st.just(("all", None)),
    st.tuples(
        st.just("prefix"), st.sampled_from([(b"", b"", b"/a"), (b"http", b"shop.test", b"/a/"), (b"http", b"other.test", b"/")])
    ),
)
purges = st.tuples(st.just("purge"), scopes, verdicts)
fetches = st.tuples(st.just("fetch"), st.sampled_from(PATHS), st.sampled_from(ROUTES), st.sets(st.sampled_from(TAGS)).map(tuple))
looks = st.just(("look",))
histories = st.lists(st.one_of(purges, purges, fetches, looks), max_size=20)


def hits(scope, entry) -> bool:
    """Whether a purge is about an entry: the model's own words."""
    kind, value = scope
    match kind:
        case "all":
            return True
        case "tag":
            return value in entry.tags
        case "url":
            return entry.key == value
        case "route":
            return entry.route == value
        case "group":
            return value[2] in entry.tags and entry.key[:2] == value[:2]
        case _:
            return value[0] in (b"", entry.key[0]) and value[1] in (b"", entry.key[1]) and entry.key[2].startswith(value[2])


def play(history, ledger: Ledger):
    """Play a history; yield (verdict, what the model says) for each look at each entry that is not gone."""
    entries, noted = [], []
    for step in history:
        if step[0] == "purge":
            _, scope, verdict = step
            sequence = ledger.purge_prefix(scope[1], verdict) if scope[0] == "prefix" else ledger.purge(scope, verdict)
            noted.append((sequence, scope, verdict))
        elif step[0] == "fetch":
            entries.append((make_entry(step[1], route=step[2], tags=step[3], stamp=ledger.sequence), ledger.sequence))
        else:
            for place, (entry, since) in enumerate(entries):
                expected = max(
                    (verdict for sequence, scope, verdict in noted if sequence > since and hits(scope, entry)),
                    default=Verdict.KEEP,
                )
                yield ledger.is_hit(entry.key, entry.route, entry.tags, since), ledger.verdict(entry), expected
                entries[place] = (entry, ledger.sequence)


@settings(max_examples=300)
@given(histories)
@example([("fetch", "/a", "shop", ()), ("purge", ("all", None), Verdict.HARD), ("purge", ("all", None), Verdict.SOFT), ("look",)])
def test_an_entry_is_hit_by_what_came_after_its_fetch_began_and_by_nothing_else(history):
    for is_hit, verdict, expected in play([*history, ("look",)], Ledger()):
        assert verdict == expected
        assert is_hit is (expected is not Verdict.KEEP)


@settings(max_examples=300)
@given(histories, st.integers(1, 4))
@example(
    [
        ("fetch", "/a", "shop", (b"t",)),
        ("purge", ("tag", b"t"), Verdict.HARD),
        *[("purge", ("url", key(path)), Verdict.SOFT) for path in PATHS],
        ("look",),
    ],
    2,
)
def test_a_ledger_that_has_forgotten_purges_rather_too_much_than_too_little(history, limit):
    """After a purge no entry whose fetch began before is ever valid again, however little is remembered."""
    for is_hit, verdict, expected in play([*history, ("look",)], Ledger(limit=limit)):
        assert verdict >= expected
        assert is_hit or expected is Verdict.KEEP


def test_a_second_look_finds_nothing_new():
    ledger = Ledger()
    entry = make_entry(tags=(b"t",))
    ledger.purge(("tag", b"t"), Verdict.SOFT)
    assert [ledger.verdict(entry), ledger.verdict(entry)] == [Verdict.SOFT, Verdict.KEEP]


def test_an_entry_fetched_after_the_purge_is_kept():
    ledger = Ledger()
    sequence = ledger.purge(("tag", b"t"), Verdict.HARD)
    assert ledger.verdict(make_entry(tags=(b"t",), stamp=sequence)) is Verdict.KEEP
    assert not ledger.is_hit(key(), "default", (b"t",), sequence)


def test_a_soft_purge_does_not_soften_an_earlier_hard_one():
    ledger = Ledger()
    entry = make_entry(tags=(b"t",))
    ledger.purge(("tag", b"t"), Verdict.HARD)
    ledger.purge(("tag", b"t"), Verdict.SOFT)
    assert ledger.verdict(entry) is Verdict.HARD


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        (Verdict.SOFT, Verdict.SOFT, Verdict.SOFT),
        (Verdict.SOFT, Verdict.HARD, Verdict.HARD),
        (Verdict.HARD, Verdict.SOFT, Verdict.HARD),
        (Verdict.HARD, Verdict.HARD, Verdict.HARD),
    ],
)
def test_a_prefix_that_is_purged_again_and_again_takes_the_place_of_one(first, second, verdict):
    """Else a thousand reloads would count as a purge of whatever was not looked at since."""
    ledger = Ledger()
    prefix = (b"", b"", b"/_weft/slots/")
    before, other = make_entry("/_weft/slots/hero"), make_entry("/a")
    ledger.purge_prefix(prefix, first)
    for _ in range(2_000):
        ledger.purge_prefix(prefix, second)
    assert ledger.verdict(before) is verdict
    assert ledger.verdict(other) is Verdict.KEEP


def test_space_is_bounded_in_scopes_and_in_prefixes():
    ledger = Ledger(limit=100)
    for number in range(10_000):
        ledger.purge(("tag", b"%d" % number), Verdict.SOFT)
        ledger.purge_prefix((b"", b"", b"/%d" % number), Verdict.SOFT)
    assert len(ledger._scopes) <= 100
    assert len(ledger._prefixes) <= 1_000


def test_what_was_purged_softly_and_forgotten_counts_as_soft_until_something_hard_is_forgotten():
    ledger = Ledger(limit=2)
    for tag in (b"a", b"b", b"c"):
        ledger.purge(("tag", tag), Verdict.SOFT)
    assert ledger.verdict(make_entry()) is Verdict.SOFT
    ledger.purge(("tag", b"hard"), Verdict.HARD)
    for number in range(3):
        ledger.purge(("tag", b"%d" % number), Verdict.SOFT)
    assert ledger.verdict(make_entry()) is Verdict.HARD


def test_what_was_looked_at_since_is_not_hit_by_what_was_forgotten_before():
    ledger = Ledger(limit=2)
    entry = make_entry()
    for number in range(20):
        ledger.purge(("tag", b"%d" % number), Verdict.HARD)
        assert ledger.verdict(entry) is Verdict.KEEP


def test_groups_are_purged_within_their_origin():
    """RFC 9875 §2."""
    ledger = Ledger()
    ours, theirs = make_entry(tags=(b"group:g",)), make_entry(host="other.test", tags=(b"group:g",))
    ledger.purge(("group", (b"http", b"shop.test", b"group:g")), Verdict.HARD)
    assert ledger.verdict(ours) is Verdict.HARD
    assert ledger.verdict(theirs) is Verdict.KEEP
    ledger.purge(("tag", b"group:g"), Verdict.SOFT)
    assert ledger.verdict(theirs) is Verdict.SOFT


@pytest.mark.parametrize(
    ("prefix", "matches"),
    [
        ((b"", b"", b"/"), True),
        ((b"", b"", b"/a"), True),
        ((b"http", b"", b"/a/b"), True),
        ((b"", b"shop.test", b"/a/b?"), False),
        ((b"https", b"", b"/"), False),
        ((b"http", b"shop", b"/"), False),
        ((b"http", b"shop.test", b"/b"), False),
    ],
)
def test_a_key_lies_under_a_prefix_part_by_part(prefix, matches):
    assert prefix_matches(prefix, key("/a/b")) is matches
