"""A real gateway before a scripted origin; the stage for transcripts, as the listener plays it."""

from __future__ import annotations

import pytest

from tests.flow.conftest import play, stage_of  # noqa: F401 - fixtures
from tests.support.fixtures import *  # noqa: F403


@pytest.fixture
def full(play):  # noqa: F811 - the fixture
    """full(): from now on nobody more may ask an origin; full(False): there is room again."""

    def set_full(is_full: bool = True) -> None:
        admission = play.stage.page.admission
        admission.limit = 0.0 if is_full else float(admission.max_in_flight)

    return set_full
