"""The wall clock is set forth or back while we run; freshness does not jump with it."""

from __future__ import annotations

import pytest

from gateway import clock as module
from gateway.clock import Clock

YEAR = 365 * 86_400


class Hands:
    """Both clocks, turned by hand."""

    def __init__(self) -> None:
        self.wall, self.steady = 1_800_000_000.0, 5_000.0

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


@pytest.fixture
def hands(monkeypatch) -> Hands:
    hands = Hands()
    monkeypatch.setattr(module, "time", lambda: hands.wall)
    monkeypatch.setattr(module, "monotonic", lambda: hands.steady)
    return hands


@pytest.mark.parametrize("jump", [3_600, -3_600, 10 * YEAR, -10 * YEAR, 1])
def test_a_jump_is_not_followed_at_once(hands: Hands, jump: float) -> None:
    clock = Clock()
    before = clock()
    hands.wall += jump
    assert clock() == before
    hands.pass_by(1)
    clock.follow()
    assert clock() == pytest.approx(before + 1, abs=0.006)


@pytest.mark.parametrize("jump", [3_600, -3_600])
def test_time_never_goes_back_and_hardly_faster(hands: Hands, jump: float) -> None:
    clock = Clock()
    hands.wall += jump
    last = clock()
    for _ in range(3_600):
        hands.pass_by(1)
        clock.follow()
        assert 0.99 < clock() - last < 1.01
        last = clock()
    assert abs(hands.wall - last) == pytest.approx(3_600 - 3_600 * 0.005, abs=1), "half a per cent of the way"


def test_a_small_difference_is_caught_up_with(hands: Hands) -> None:
    clock = Clock()
    hands.wall += 1.0  # a leap second
    for _ in range(250):
        hands.pass_by(1)
        clock.follow()
    assert clock() == pytest.approx(hands.wall)
