"""What names a stored response, and what a query counts for (RFC 9111 §2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cache.key import QueryRule, key_text

queries = st.text("ab=&%+_?", max_size=20).map(str.encode)


def test_the_parts_of_a_key_do_not_run_into_each_other():
    assert (b"http", b"ab", b"c") != (b"http", b"a", b"bc")
    assert len({(b"http", b"a", b"/b"), (b"http", b"a/", b"b"), (b"https", b"a", b"/b"), (b"http", b"a", b"/b?")}) == 4


def test_a_key_as_text():
    assert key_text((b"https", b"shop.test:8443", b"/a?b=\xe9")) == "https://shop.test:8443/a?b=é"


@pytest.mark.parametrize(
    ("rule", "target", "expected"),
    [
        (QueryRule(), b"/a?b=2&a=1&&utm_x", b"/a?b=2&a=1&&utm_x"),
        (QueryRule(), b"/a?", b"/a?"),
        (QueryRule("none"), b"/a?b=2", b"/a"),
        (QueryRule("none"), b"/a", b"/a"),
        (QueryRule("drop", ("utm_*", "gclid")), b"/a?b=2&utm_source=x&gclid=1&utm_medium", b"/a?b=2"),
        (QueryRule("drop", ("utm_*",)), b"/a?utm_source=x", b"/a"),
        (QueryRule("drop", ("utm_*",)), b"/a?UTM_source=x&autm_=1", b"/a?UTM_source=x&autm_=1"),
        (QueryRule("drop", ("gclid",)), b"/a?gclid&gclid=&xgclid=1", b"/a?xgclid=1"),
        (QueryRule("drop", ()), b"/a?b", b"/a?b"),
        (QueryRule("keep", ("page", "q*")), b"/a?x=1&page=2&query=3&q", b"/a?page=2&query=3&q"),
        (QueryRule("keep", ()), b"/a?x=1", b"/a"),
        (QueryRule(sort=True), b"/a?b=2&a=1&c", b"/a?a=1&b=2&c"),
        (QueryRule(sort=True), b"/a?b=2&a=9&a=1&b=1", b"/a?a=9&a=1&b=2&b=1"),
        (QueryRule(sort=True), b"/a?a=1?b=2", b"/a?a=1?b=2"),
        (QueryRule("drop", ("[ab]",)), b"/a?a=1&b=1&c=1", b"/a?c=1"),
        (QueryRule("drop", ("a\n",)), b"/a?a=1", b"/a?a=1"),
        (QueryRule("drop", ("?",)), b"/a?a=1&bb=1", b"/a?bb=1"),
        (QueryRule("drop", ("a",)), b"/a?%61=1", b"/a?%61=1"),  # what is encoded stays as it is: the origin gets it so
    ],
)
def test_what_of_a_query_counts(rule, target, expected):
    assert rule.apply(target) == expected


@pytest.mark.parametrize(
    "rule",
    [QueryRule(), QueryRule("none"), QueryRule("drop", ("a*",), sort=True), QueryRule("keep", ("a", "b_")), QueryRule(sort=True)],
)
@given(query=queries)
def test_a_rule_applied_twice_changes_nothing_more(rule, query):
    once = rule.apply(b"/p?" + query)
    assert rule.apply(once) == once
    assert once.partition(b"?")[0] == b"/p"


@given(queries, st.randoms(use_true_random=False))
def test_sorted_queries_forget_the_order_of_names_but_not_that_of_values(query, random):
    rule = QueryRule(sort=True)
    names = {}
    for parameter in query.split(b"&"):
        names.setdefault(parameter.partition(b"=")[0], []).append(parameter)
    groups = list(names.values())
    random.shuffle(groups)
    shuffled = b"&".join(parameter for group in groups for parameter in group)
    assert rule.apply(b"/p?" + shuffled) == rule.apply(b"/p?" + query)


def test_only_a_rule_that_could_change_something_is_applied():
    assert not QueryRule().changes
    assert QueryRule("none").changes
    assert QueryRule(sort=True).changes
