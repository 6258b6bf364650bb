"""Every test that takes `run` runs twice: on uvloop, which we ship with, and on asyncio's own loop."""

from __future__ import annotations

import pytest

from tests.upstream.scripted import Run, run_on_asyncio, run_on_uvloop


@pytest.fixture(params=[run_on_uvloop, run_on_asyncio], ids=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Run:
    return request.param
