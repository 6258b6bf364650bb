"""The load tests' verdict (loadtests/budgets.py), fed by hand: it must fail when it should."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

FILE = Path(__file__).resolve().parents[2] / "loadtests/budgets.py"


@pytest.fixture(scope="module")
def budgets():
    spec = importlib.util.spec_from_file_location("loadtests_budgets", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def tally(budgets):
    """A hundred good answers: one page, missed once and hit ever after."""
    tally = budgets.Tally()
    for number in range(100):
        tally.note("/page", "Weft; hit; ttl=9" if number else "Weft; fwd=uri-miss; stored")
    return tally


@pytest.mark.parametrize(
    ("header", "word"),
    [
        ("Weft; hit; ttl=3", "hit"),
        ("Weft; fwd=stale; fwd-status=304", "stale"),
        ("Other; hit, Weft; fwd=uri-miss; detail=no-store", "uri-miss"),
        ("Other; hit", "none"),
        ("", "none"),
        (None, "none"),
    ],
)
def test_our_own_member_of_cache_status_counts(budgets, header, word):
    assert budgets.cache_word(header) == word


def test_the_first_request_for_a_page_can_be_no_hit_and_is_not_held_against_it(budgets, tally):
    assert tally.hit_share == 1.0
    assert tally.broken(budgets.Budget(hits=1.0)) == []


def test_too_few_hits_break_a_budget(budgets, tally):
    for _ in range(20):
        tally.note("/page", "Weft; fwd=stale")
    assert tally.broken(budgets.Budget(hits=0.9)) == ["hits: 83.2% of 119 shared pages asked for again, expected at least 90%"]


def test_failures_break_a_budget_and_name_their_causes(budgets, tally):
    tally.note("/page", None, "/page: status 502")
    (line,) = tally.broken(budgets.Budget(errors=0.001))
    assert line == "errors: 1 of 101, expected at most 0.10%: 1 x /page: status 502"


def test_answers_that_say_nothing_break_a_budget(budgets, tally):
    tally.note("/page", None)
    assert tally.broken(budgets.Budget(hits=0.5)) == ["Cache-Status: missing 1 times in 101, expected at most 0.00%"]


def test_a_private_page_from_the_cache_breaks_every_budget(budgets, tally):
    tally.note(None, "Weft; fwd=uri-miss; detail=no-store")
    assert tally.broken(budgets.Budget()) == []
    tally.note(None, "Weft; hit; ttl=3")
    assert tally.broken(budgets.Budget()) == ["privacy: 1 answers for one visitor came from the cache, expected none"]


def test_a_run_that_saw_nothing_proves_nothing(budgets):
    assert budgets.Tally().broken(budgets.Budget()) == ["too few requests to judge: 0, expected at least 100"]
