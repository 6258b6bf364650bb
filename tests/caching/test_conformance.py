"""The corpus over real sockets: a client, our listener with the hot lane, the gateway with its default settings, an origin."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from time import time

import pytest
import uvloop

from tests.caching.conformance import CASES, judge_case, run_case
from tests.caching.corpus import Case
from tests.support.in_process import Setup

BASE = float(int(time()))


@pytest.fixture(scope="module")
def stage() -> Iterator[tuple[asyncio.Runner, Setup]]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        setup = runner.run(Setup.start("lane", BASE))
        yield runner, setup
        runner.run(setup.aclose())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_gateway_conforms(stage: tuple[asyncio.Runner, Setup], case: Case):
    runner, setup = stage
    judge_case(case, runner.run(run_case(case, setup, BASE)), BASE)


def test_ids_are_unique_and_needs_are_cases():
    ids = [case.id for case in CASES]
    assert len(set(ids)) == len(ids)
    assert {need for case in CASES for need in case.needs} <= set(ids)
    assert {case.kind for case in CASES} == {"required", "good"}
