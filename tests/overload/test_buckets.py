"""Token buckets in bounded memory, by hand-turned time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.flow.buckets import Buckets


def passes(buckets: Buckets, key: str, now: float) -> bool:
    if buckets.wait(key, now) > 0:
        return False
    buckets.take(key, now)
    return True


def test_a_burst_passes_and_then_as_many_as_the_rate_allows():
    buckets = Buckets(rate=2.0, burst=5)
    assert sum(passes(buckets, "anna", 100.0) for _ in range(20)) == 5
    assert [passes(buckets, "anna", 100.0 + 0.25 * step) for step in range(1, 9)] == [False, True] * 4


def test_it_says_how_long_to_wait():
    buckets = Buckets(rate=0.5, burst=1)
    assert passes(buckets, "anna", 10.0)
    assert buckets.wait("anna", 10.5) == 1.5
    assert passes(buckets, "anna", 12.0)


def test_asking_takes_nothing():
    buckets = Buckets(rate=1.0, burst=1)
    for _ in range(10):
        assert buckets.wait("anna", 5.0) == 0
    assert len(buckets) == 0


def test_after_a_pause_the_bucket_is_full_and_no_fuller():
    buckets = Buckets(rate=10.0, burst=3)
    assert sum(passes(buckets, "anna", 0.0) for _ in range(9)) == 3
    assert sum(passes(buckets, "anna", 3600.0) for _ in range(9)) == 3


def test_each_has_a_bucket_of_its_own():
    buckets = Buckets(rate=1.0, burst=1)
    assert passes(buckets, "anna", 0.0)
    assert passes(buckets, "ben", 0.0)
    assert not passes(buckets, "anna", 0.0)


def test_a_crowd_fills_no_memory():
    buckets = Buckets(rate=1.0, burst=2, max_keys=1_000)
    for number in range(50_000):
        passes(buckets, f"key {number}", number * 1e-6)
    assert len(buckets) <= 1_000


def test_nobody_gets_rid_of_a_debt_by_bringing_a_crowd():
    """The one who owes most is forgotten last."""
    buckets = Buckets(rate=0.1, burst=100, max_keys=1_000)
    while passes(buckets, "anna", 0.0):
        pass
    for number in range(20_000):
        passes(buckets, f"key {number}", number * 1e-4)
    assert not passes(buckets, "anna", 2.0)


def test_who_owes_nothing_any_more_goes_first():
    buckets = Buckets(rate=1.0, burst=10, max_keys=8)
    for number in range(4):
        passes(buckets, f"old {number}", 0.0)
    for number in range(4):
        passes(buckets, f"owing {number}", 0.9)
        passes(buckets, f"owing {number}", 0.9)
    passes(buckets, "new", 1.5)
    assert len(buckets) == 5


@given(
    st.lists(st.tuples(st.floats(0, 0.5), st.sampled_from("abc")), max_size=200),
    st.sampled_from([0.3, 1.0, 7.0]),
    st.integers(1, 5),
)
def test_whatever_comes_nobody_gets_more_than_burst_and_rate(steps, rate, burst):
    buckets, now, passed = Buckets(rate, burst), 0.0, []
    for pause, key in steps:
        now += pause
        if passes(buckets, key, now):
            passed.append((now, key))
    for start, key in passed:
        for end, other in passed:
            if key == other and end >= start:
                between = sum(start <= moment <= end for moment, each in passed if each == key)
                assert between <= burst + rate * (end - start) + 1e-6
