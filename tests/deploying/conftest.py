"""Gateways that start where and as whom a test says; an origin; a Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

import pytest

from tests.support.elsewhere import Elsewhere
from tests.support.fixtures import *  # noqa: F403
from tests.support.redis_server import RedisServer


@pytest.fixture
def start_elsewhere() -> Iterator[Callable[..., Elsewhere]]:
    """start_elsewhere(command, env, cwd): ended with the test."""
    with ExitStack() as stack:

        def start(command: Sequence[str], env: dict[str, str], **options: object) -> Elsewhere:
            return stack.enter_context(Elsewhere(command, env, **options))

        yield start


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server
