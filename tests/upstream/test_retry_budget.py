"""How much may be sent a second time, by hand-turned time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.retry_budget import RetryBudget


def test_a_quiet_site_may_retry_a_few():
    budget = RetryBudget(0.2)
    assert [budget.take(5.0) for _ in range(102)] == [True] * 100 + [False] * 2


def test_a_busy_site_may_retry_a_share():
    budget = RetryBudget(0.2)
    for _ in range(1_000):
        budget.note(5.0)
    assert sum(budget.take(5.5) for _ in range(1_000)) == 300


def test_ten_seconds_later_there_is_a_new_one():
    budget = RetryBudget(0.2)
    assert sum(budget.take(5.0) for _ in range(150)) == 100
    assert not budget.take(14.9)
    assert budget.take(15.0)


def test_old_requests_allow_nothing():
    budget = RetryBudget(0.2)
    for _ in range(1_000):
        budget.note(5.0)
    assert sum(budget.take(60.0) for _ in range(150)) == 100


def test_a_budget_of_nothing_allows_nothing():
    budget = RetryBudget(0.0)
    budget.note(1.0)
    assert not budget.take(1.0)


@given(st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=300))
def test_whatever_comes_retries_stay_within_the_share_of_any_ten_seconds(steps):
    """Looked at where a retry is allowed: within the slots that still count then."""
    budget, now, asked, retried = RetryBudget(0.2), 0.0, [], []
    for pause, is_retry in steps:
        now += pause
        if not is_retry:
            budget.note(now)
            asked.append(now)
        elif budget.take(now):
            retried.append(now)
            oldest = int(now) - 9
            assert sum(int(each) >= oldest for each in retried) <= 100 + 0.2 * sum(int(each) >= oldest for each in asked) + 1
