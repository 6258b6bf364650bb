"""The same origin behind our own listener with TLS and behind granian with HTTP/2."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

import pytest

from gateway.listener.certificates import Pair
from tests.http2.servers import GranianProcess
from tests.support.fixtures import *  # noqa: F403
from tests.support.gateway_process import GatewayProcess
from tests.support.scripted_origin import ScriptedOrigin
from tests.tls.conftest import authority, settings_of, trusting, weft_test
from tests.tls.making import Authority

__all__ = ["authority", "trusting", "weft_test"]

StartGranian = Callable[..., GranianProcess]


@pytest.fixture(scope="session")
def own(shared_origin: ScriptedOrigin, weft_test: Pair, trusting) -> Iterator[GatewayProcess]:
    with GatewayProcess(shared_origin.url, settings_of(weft_test), trusting) as process:
        yield process


@pytest.fixture(scope="session")
def granian(shared_origin: ScriptedOrigin, authority: Authority, weft_test: Pair) -> Iterator[GranianProcess]:
    if importlib.util.find_spec("granian") is None:
        pytest.skip("no granian")
    with GranianProcess(authority, weft_test, shared_origin.url, {"debug.tokens": "a-token-for-tests"}) as process:
        yield process


@pytest.fixture
def start_granian(shared_origin: ScriptedOrigin, authority: Authority, weft_test: Pair) -> Iterator[StartGranian]:
    with ExitStack() as stack:

        def start(settings: Mapping[str, object] | None = None) -> GranianProcess:
            return stack.enter_context(GranianProcess(authority, weft_test, shared_origin.url, settings))

        yield start
