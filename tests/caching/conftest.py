"""Gateways on real sockets for this folder (tests/support/in_process.py)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from time import time

import pytest
import uvloop

from tests.support.in_process import Setup


class Live:
    """A setup and the loop that it runs in."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self.runner = runner
        self.base = float(int(time()))
        self.setups: list[Setup] = []

    def start(self, kind: str = "lane", **settings: object) -> Setup:
        """settings: by path, with two underscores for each dot."""
        named = {name.replace("__", "."): value for name, value in settings.items()}
        self.setups.append(self.runner.run(Setup.start(kind, self.base, named)))
        return self.setups[-1]

    def run(self, work):
        return self.runner.run(work)


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        live = Live(runner)
        yield live
        for setup in live.setups:
            runner.run(setup.aclose())
