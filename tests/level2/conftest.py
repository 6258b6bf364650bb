"""A real Redis, an origin and two gateways for each file; a path of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.fleet import Fleet, Origin
from tests.support.redis_server import RedisServer


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    origin = Origin()
    yield origin
    origin.close()


@pytest.fixture(scope="module")
def fleet(origin, redis) -> Iterator[Fleet]:
    """Two gateways; what a test adds stays for the rest of its file."""
    fleet = Fleet(origin, redis, 2)
    yield fleet
    fleet.close()


@pytest.fixture
def path(request, origin) -> Iterator[str]:
    """A page that nobody has asked for yet."""
    yield f"/{abs(hash(request.node.nodeid))}"
    origin.status, origin.delay = 200, 0.0
