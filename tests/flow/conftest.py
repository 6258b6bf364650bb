"""The stage for transcripts (tests/support/fakes.py). Each test plays twice: as the listener does, and by the slow entrance alone; both must give the same."""

from __future__ import annotations

import pytest

from tests.support.fakes import Stage


@pytest.fixture(params=[True, False], ids=["both entrances", "answer alone"])
def stage_of(request):
    """Make a stage with settings of its own: stage_of(policy=…)."""
    stages = []

    def make(**settings) -> Stage:
        stages.append(Stage(hot_lane=request.param, **settings))
        return stages[-1]

    yield make
    for stage in stages:
        stage.close()


@pytest.fixture
def play(stage_of):
    """Play a transcript on a stage with plain settings. play.stage is the stage."""
    stage = stage_of()

    def play(transcript: str) -> None:
        stage.play(transcript)

    play.stage = stage
    return play
