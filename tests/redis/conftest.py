"""One plain server for the folder, empty and well before each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.redis_server import RedisServer


@pytest.fixture(scope="session")
def redis_for_all() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def server(redis_for_all: RedisServer) -> Iterator[RedisServer]:
    """Tests that break it put it right themselves or by this."""
    redis_for_all.command("FLUSHALL")
    yield redis_for_all
    redis_for_all.thaw()
