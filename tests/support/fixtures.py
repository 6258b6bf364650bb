"""Fixtures for black-box tests: an origin, a gateway in front of it, gateways with settings of their own. One pair for each folder and xdist worker.

A folder takes them by one line in its conftest.py:  from tests.support.fixtures import *  # noqa: F403
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support.gateway_process import GatewayProcess
from tests.support.scripted_origin import ScriptedOrigin

__all__ = ["gateway", "origin", "path", "pytest_runtest_makereport", "shared_origin", "start_gateway"]

_numbers = itertools.count(1)

# A misbehaving origin is what many tests are about: the breaker would answer in its place.
PATIENT_BREAKER = {"upstream.breaker.failures": 1000}

StartGateway = Callable[..., GatewayProcess]


@pytest.fixture(scope="session")
def shared_origin() -> Iterator[ScriptedOrigin]:
    """For fixtures of wider scope; tests take `origin`."""
    with ScriptedOrigin() as origin:
        yield origin


@pytest.fixture
def origin(shared_origin: ScriptedOrigin) -> Iterator[ScriptedOrigin]:
    """The shared origin; what its scripts raised, and anything that reached it and was no request, fails the test that it happened in."""
    yield shared_origin
    faults, junk = shared_origin.faults[:], shared_origin.junk[:]
    shared_origin.faults.clear()
    shared_origin.junk.clear()
    assert not junk, f"not a request, but it reached the origin: {junk[0]!r}"
    if faults:
        raise faults[0]


@pytest.fixture(scope="session")
def gateway(shared_origin: ScriptedOrigin) -> Iterator[GatewayProcess]:
    """`weft serve` with default settings in front of the shared origin."""
    with GatewayProcess(shared_origin.url, PATIENT_BREAKER) as process:
        yield process


@pytest.fixture
def start_gateway(shared_origin: ScriptedOrigin) -> Iterator[StartGateway]:
    """start_gateway({"server.max_connections": 2}, upstream=url): another one, with those settings; ended with the test."""
    with ExitStack() as stack:

        def start(settings: Mapping[str, object] | None = None, upstream: str = "", **options: Any) -> GatewayProcess:
            given = {**PATIENT_BREAKER, **(settings or {})}
            return stack.enter_context(GatewayProcess(upstream or shared_origin.url, given, **options))

        yield start


@pytest.fixture
def path(request: pytest.FixtureRequest) -> str:
    """A path that no other test uses, as text."""
    return f"/{next(_numbers)}-{re.sub(r'[^A-Za-z0-9]+', '-', request.node.name).strip('-')}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what the gateways that the test used have written."""
    report = yield
    if report.failed:
        used = getattr(item, "funcargs", {}).values()
        for process in (one for one in used if isinstance(one, GatewayProcess)):
            report.sections.append(("the gateway's log, last lines", process.log()[-3000:]))
    return report
