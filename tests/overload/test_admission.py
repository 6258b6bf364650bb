"""Who may begin, by hand-turned time: bursts pass, what stays is shed, and room comes back."""

from __future__ import annotations

import pytest

from gateway.flow.admission import FLOOR, MORE, Admission, Pressure, Shed

TICK = 0.05


def pass_time(admission: Admission, seconds: float, lag: float, start: float = 0.0) -> float:
    """Samples of that lag for so long, as often as the loop's timer fires: later, when the loop is late. Gives the time that it is then."""
    now = start
    while now < start + seconds:
        now += TICK + lag
        admission.note_lag(lag, now)
    return now


@pytest.fixture
def admission() -> Admission:
    return Admission(max_in_flight=1_000, max_lag=0.05)


def test_as_many_as_are_allowed_may_begin_and_no_more(admission):
    admission.in_flight = 999
    assert not admission.is_full
    admission.in_flight = 1_000
    assert admission.is_full
    assert admission.pressure is Pressure.IN_FLIGHT


def test_lag_below_its_bound_changes_nothing(admission):
    admission.in_flight = 500
    pass_time(admission, 60, lag=0.049)
    assert admission.limit == 1_000


def test_one_long_turn_is_a_burst(admission):
    """A thousand visitors at once, a long collection: once late is not overloaded, however late. Nobody under way has to go, and some may still come."""
    admission.in_flight = 500
    admission.note_lag(2.0, 10.0)
    assert admission.limit == 500 + MORE
    pass_time(admission, 0.5, lag=0.0, start=10.0)
    assert admission.limit == 1_000


def test_lag_that_stays_lets_in_fewer_than_are_under_way(admission):
    admission.in_flight = 500
    pass_time(admission, 0.5, lag=0.1)
    assert admission.limit < 500
    assert admission.is_full
    assert admission.pressure is Pressure.LAG


def test_it_shrinks_for_as_long_as_the_lag_stays_but_a_few_may_always_begin(admission):
    admission.in_flight = 500
    pass_time(admission, 60, lag=0.1)
    assert admission.limit == FLOOR
    admission.in_flight = FLOOR - 1
    assert not admission.is_full


def test_a_limit_below_the_floor_is_the_floor():
    admission = Admission(max_in_flight=3)
    pass_time(admission, 60, lag=1.0)
    assert admission.limit == 3


def test_lag_that_comes_and_goes_is_no_queue(admission):
    admission.in_flight = 500
    now = 0.0
    for _ in range(100):
        now = pass_time(admission, 0.1, lag=0.08, start=now)
        now = pass_time(admission, 0.05, lag=0.0, start=now)
        assert admission.limit >= 500 + MORE


def test_room_comes_back_within_seconds_of_the_lag_going(admission):
    admission.in_flight = 500
    now = pass_time(admission, 60, lag=0.1)
    admission.in_flight = 0
    pass_time(admission, 3.0, lag=0.0, start=now)
    assert admission.limit == 1_000
    assert admission.pressure is Pressure.IN_FLIGHT


def test_it_does_not_grow_while_the_lag_is_only_just_good_enough(admission):
    """Hysteresis: between half of the bound and the bound it stays as it is."""
    admission.in_flight = 500
    now = pass_time(admission, 1.0, lag=0.1)
    held = admission.limit
    pass_time(admission, 5.0, lag=0.04, start=now)
    assert admission.limit == held


def test_a_bound_of_nothing_never_looks_at_the_lag():
    admission = Admission(max_in_flight=10, max_lag=0.0)
    pass_time(admission, 10, lag=5.0)
    assert admission.limit == 10


def test_renewals_in_the_background_go_at_half(admission):
    assert admission.may_refresh(499)
    assert not admission.may_refresh(500)
    admission.in_flight = 500
    assert not admission.may_refresh(0)


def test_what_was_left_out_is_counted_with_its_cause(admission):
    admission.count(Shed.STALE)
    admission.in_flight = 500
    pass_time(admission, 1.0, lag=0.1)
    admission.count(Shed.REFUSED)
    admission.count(Shed.REFUSED)
    assert admission.shed == {(Shed.STALE, Pressure.IN_FLIGHT): 1, (Shed.REFUSED, Pressure.LAG): 2}
