"""The judge of `make chaos` (loadtests/chaos/judge.py, pages.py), fed by hand: it must see what it is there to see, and explain no more than a fault excuses."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "loadtests/chaos"


@pytest.fixture(scope="module")
def modules():
    """The modules of loadtests/chaos by name: scripts of their own, which find each other beside them."""
    before = set(sys.modules)
    sys.path.insert(0, str(FOLDER))
    yield {name: importlib.import_module(name) for name in ("judge", "pages", "load", "faults")}
    sys.path.remove(str(FOLDER))
    for name in set(sys.modules) - before:
        if str(FOLDER) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def judge(modules):
    """A thousand good answers, and a fault from 100 to 110 that excuses late misses at `north` and explains `redis_state`."""
    judge = modules["judge"].Judge(0.0)
    judge.now.ended = 0.0
    for _ in range(1000):
        judge.answered("hot", 0.01)
    excuse = modules["judge"].Excuse(frozenset({"miss"}), ("late",), "north", after=4.0)
    judge.begin("a fault", 100.0, [excuse], (r"^redis_state",)).ended = 110.0
    return judge


@pytest.fixture
def fail(judge, modules):
    """fail(): what the fault excuses; fail(kind="hot"): something else."""

    def fail(**other):
        values = {"kind": "miss", "trouble": "late", "gateway": "north", "port": 5000, "begun": 101.0, "ended": 103.0, **other}
        judge.failed(modules["judge"].Failure(**values))

    return fail


@pytest.fixture
def say(judge, modules):
    def say(event, at, text="{}"):
        judge.lines.append(modules["judge"].Line("north", at, "warning", event, text))

    return say


def test_a_run_without_failures_keeps_the_promise(judge):
    assert judge.verdict(10.0) == []
    assert judge.cacheable() == (1000, 1000)


def test_what_a_fault_excuses_is_explained(judge, fail):
    fail()
    fail(begun=113.9, ended=120.0)
    assert judge.verdict(10.0) == []


@pytest.mark.parametrize(
    "other",
    [
        {"kind": "own"},
        {"trouble": "reset"},
        {"gateway": "south"},
        {"begun": 98.0, "ended": 99.0},
        {"begun": 114.1, "ended": 120.0},
        {"trouble": "foreign"},
        {"trouble": "damaged"},
        {"trouble": "twice"},
        {"trouble": "old"},
    ],
    ids=lambda other: " ".join(map(str, other.values())),
)
def test_whatever_else_fails_is_not(judge, fail, other):
    fail(**other)
    assert len(judge.unexplained_failures()) == 1
    assert any("unexplained" in breach for breach in judge.verdict(10.0))


def test_content_of_another_is_not_excused_even_where_anything_may_fail(judge, modules, fail):
    judge.now.excuses.append(modules["judge"].Excuse())
    fail(trouble="reset", kind="own")
    fail(trouble="foreign")
    fail(trouble="old")
    assert [failure.trouble for failure in judge.unexplained_failures()] == ["foreign", "old"]


def test_only_connections_of_the_dead_worker_are_excused(judge, modules, fail):
    judge.now.excuses.append(modules["judge"].Excuse(gateway="north", ports={5001}))
    fail(kind="hot", trouble="reset", port=5001)
    fail(kind="hot", trouble="reset", port=5002)
    assert [failure.port for failure in judge.unexplained_failures()] == [5002]


def test_explained_failures_count_against_the_ratio_all_the_same(judge, modules, fail):
    judge.now.excuses.append(modules["judge"].Excuse())
    fail(kind="hot", trouble="reset")
    assert judge.cacheable() == (1001, 1000)
    assert judge.verdict(10.0) == ["1000 of 1001 cacheable requests answered well, promised 99.99%"]


def test_failures_of_what_can_not_be_cached_do_not(judge, fail):
    fail()
    assert judge.cacheable() == (1000, 1000)


def test_a_run_without_requests_keeps_nothing(modules):
    assert modules["judge"].Judge(0.0).verdict(10.0) == ["0 of 0 cacheable requests answered well, promised 99.99%"]


def test_log_lines_are_explained_by_a_fault_under_way_or_just_over(judge, say):
    say("redis_state server=a state=down", 101.0)
    say("redis_state server=a state=up", 120.0)
    assert judge.unexplained_lines() == []
    say("redis_state server=a state=down", 90.0)
    say("redis_state server=a state=down", 130.0)
    say("origin_state origin=a state=open", 101.0)
    assert [line.at for line in judge.unexplained_lines()] == [90.0, 130.0, 101.0]


def test_a_crowded_machine_explains_that_redis_seems_slow_and_nothing_else(judge, say):
    judge.crowded.append(500.0)
    say("redis_state server=a state=down", 501.0)
    say("worker replaced", 501.0)
    assert [line.event for line in judge.unexplained_lines()] == ["worker replaced"]


def test_a_traceback_is_never_explained(judge, say):
    say("redis_state server=a", 101.0, '{"traceback":"Traceback (most recent call last):"}')
    assert len(judge.unexplained_lines()) == 1


def test_growth_is_looked_for_in_calm_from_an_age_on(judge, modules):
    mib = 1 << 20
    judge.weigh(0.0, {1: 10 * mib, 2: 10 * mib})  # young
    judge.now.ended = float("inf")
    judge.weigh(99.0, {1: 500 * mib, 2: 10 * mib})  # while something is broken
    judge.now.ended = 110.0
    judge.weigh(120.0, {1: 100 * mib, 2: 100 * mib})
    judge.weigh(240.0, {1: 112 * mib, 2: 114 * mib})
    assert modules["judge"].growth(judge.sizes, 100.0) == ["worker 2 grew from 100 MiB at 120 s to 114 MiB at 240 s"]
    assert modules["judge"].growth(judge.sizes, 130.0) == []  # too short a time to say


def test_a_body_is_read_back_as_the_blocks_it_was_made_of(modules):
    pages = modules["pages"]
    body = pages.make_block("/hot/1", 0, "-", 100) + pages.make_block("/own/part", 2, "v1", 0)
    assert pages.blocks(body) == [pages.Block("/hot/1", 0, "-"), pages.Block("/own/part", 2, "v1")]


def test_a_body_that_lacks_an_octet_or_has_another_is_seen(modules):
    pages = modules["pages"]
    body = pages.make_block("/hot/1", 0, "-", 100)
    spoiled = [body[:at] + body[at + 1 :] for at in range(len(body))] + [
        body[:at] + b"!" + body[at + 1 :] for at in range(len(body))
    ]
    for each in spoiled:
        try:
            assert pages.blocks(each) != pages.blocks(body)
        except ValueError:
            continue


@pytest.mark.parametrize(
    ("path", "made", "trouble"),
    [
        ("/hot/1", [("/hot/1", 0, "-")], None),
        ("/hot/1", [("/hot/2", 0, "-")], "wrong"),
        ("/own/1", [("/own/1", 0, "me")], None),
        ("/own/1", [("/own/1", 0, "you")], "foreign"),
        ("/own/1", [("/own/1", 0, "-")], "foreign"),
        ("/tagged/1/1", [("/tagged/1/1", 3, "-")], None),
        ("/tagged/1/1", [("/tagged/1/1", 2, "-")], "old"),
        (
            "/woven/1",
            [("/woven/1", 3, "-"), ("/part/1", 3, "-"), ("/part/4", 3, "-"), ("/own/part", 3, "me"), ("/woven/1/end", 3, "-")],
            None,
        ),
        ("/woven/1", [("/woven/1", 3, "-"), ("/part/1", 3, "-"), ("/part/4", 3, "-"), ("/woven/1/end", 3, "-")], None),
        ("/woven/1", [("/woven/1", 3, "-"), ("/part/4", 3, "-"), ("/own/part", 3, "me"), ("/woven/1/end", 3, "-")], "wrong"),
        (
            "/woven/1",
            [("/woven/1", 3, "-"), ("/part/1", 3, "-"), ("/part/4", 3, "-"), ("/own/part", 3, "you"), ("/woven/1/end", 3, "-")],
            "foreign",
        ),
    ],
)
def test_an_answer_is_judged_by_what_it_is_made_of(modules, path, made, trouble):
    body = b"".join(modules["pages"].make_block(*block, 50) for block in made)
    found = modules["load"].trouble_of(path, "me", 200, body, 3 if "tagged" in path else 0)
    assert (found[0] if found else None) == trouble


def test_an_error_page_is_no_good_answer(modules):
    assert modules["load"].trouble_of("/hot/1", "me", 503, b"", 0) == ("status 503", "")


def test_faults_have_names_of_their_own_and_end_in_time(modules):
    faults = modules["faults"].ALL
    assert len({fault.name for fault in faults}) == len(faults)
    assert all(0 < fault.lasts <= 20 for fault in faults)
