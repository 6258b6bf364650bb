"""The breaker with a hand-turned clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.breaker import Breaker, BreakerSettings, BreakerState

CLOSED, HALF_OPEN, OPEN = BreakerState


def opened(settings: BreakerSettings | None = None) -> Breaker:
    breaker = Breaker(settings)
    for _ in range((settings or BreakerSettings()).failures):
        assert breaker.may_try(0.0)
        breaker.failed(0.0)
    return breaker


def test_five_failures_in_a_row_open_it() -> None:
    breaker = Breaker()
    for _ in range(4):
        breaker.failed(0.0)
    breaker.succeeded(0.0)  # not in a row any more
    for _ in range(4):
        breaker.failed(0.0)
    assert (breaker.state, breaker.may_try(0.0)) == (CLOSED, True)
    breaker.failed(0.0)
    assert (breaker.state, breaker.may_try(0.0)) == (OPEN, False)
    assert breaker.opened == 1


def test_after_the_cool_down_one_probe_goes_through() -> None:
    breaker = opened()
    assert not breaker.may_try(0.99)
    assert breaker.retry_after(0.75) == 0.25
    assert breaker.would_try(1.0)
    assert breaker.state is OPEN
    assert breaker.may_try(1.0)
    assert breaker.state is HALF_OPEN
    assert not breaker.may_try(1.0)
    assert breaker.retry_after(1.0) == 10.0


def test_a_probe_that_succeeds_closes_it() -> None:
    breaker = opened()
    breaker.may_try(1.0)
    breaker.succeeded(1.1, 1.0)
    assert breaker.state is CLOSED
    assert breaker.may_try(1.1)
    assert breaker.may_try(1.1)


def test_each_failed_probe_doubles_the_cool_down_up_to_ten_seconds_and_recovery_resets_it() -> None:
    breaker, now, waits = opened(), 0.0, []
    for _ in range(6):
        wait = breaker.retry_after(now)
        waits.append(wait)
        now += wait
        assert breaker.may_try(now)
        breaker.failed(now, now)
    assert waits == [1, 2, 4, 8, 10, 10]
    now += breaker.retry_after(now)
    assert breaker.may_try(now)
    breaker.succeeded(now, now)
    for _ in range(5):
        breaker.failed(now, now)
    assert breaker.retry_after(now) == 1.0
    assert breaker.opened == 2


def test_a_probe_whose_client_left_makes_room_for_the_next() -> None:
    breaker = opened()
    assert breaker.may_try(1.0)
    breaker.abandoned(1.2, 1.0)
    assert breaker.may_try(1.2)


def test_a_probe_that_never_ends_blocks_for_ten_seconds_only() -> None:
    breaker = opened()
    assert breaker.may_try(1.0)
    assert not breaker.may_try(10.9)
    assert breaker.may_try(11.0)


def test_late_news_of_earlier_exchanges_changes_nothing() -> None:
    """A hundred exchanges hang while the origin is away and time out one by one after it came back."""
    breaker = opened()
    breaker.failed(0.5, -20.0)
    breaker.succeeded(0.6, -20.0)  # and an old success doesn't close it
    assert (breaker.state, breaker.retry_after(0.6)) == (OPEN, 0.4)
    assert breaker.may_try(1.0)
    breaker.failed(1.1, -5.0)
    breaker.abandoned(1.1, -5.0)
    assert breaker.state is HALF_OPEN
    assert not breaker.may_try(1.1)
    breaker.succeeded(1.2, 1.0)
    for _ in range(100):
        breaker.failed(2.0, 0.9)
    assert breaker.state is CLOSED


@pytest.mark.parametrize("fault", [{"failures": 0}, {"cool_down": 0}, {"cool_down": 20}, {"probe_timeout": -1}])
def test_settings_that_make_no_sense_are_refused(fault: dict) -> None:
    with pytest.raises(ValueError, match="expected"):
        BreakerSettings(**fault)


@given(st.lists(st.tuples(st.floats(0, 3), st.sampled_from(["try", "ok", "bad", "gone"]))))
def test_it_never_stays_shut_for_longer_than_its_longest_time(steps: list[tuple[float, str]]) -> None:
    """Whatever happened: after max_cool_down or probe_timeout somebody may try. Recovery is always within seconds."""
    breaker, now, began = Breaker(), 0.0, 0.0
    for wait, step in steps:
        now += wait
        if step == "try":
            would = breaker.would_try(now)
            assert breaker.may_try(now) is would
            began = now if would else began
        else:
            {"ok": breaker.succeeded, "bad": breaker.failed, "gone": breaker.abandoned}[step](now, began)
        assert 0 <= breaker.retry_after(now) <= 10.0
        assert breaker.would_try(now + 10.001)
        assert (breaker.retry_after(now) == 0) is breaker.would_try(now)
