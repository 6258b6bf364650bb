"""An authority, and a gateway that shows what it signed."""

from __future__ import annotations

import shutil
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

import pytest

from gateway.listener.certificates import Pair
from tests.support.fixtures import *  # noqa: F403
from tests.support.gateway_process import GatewayProcess
from tests.support.scripted_origin import ScriptedOrigin
from tests.tls.making import Authority, client_context

StartTls = Callable[..., GatewayProcess]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make certificates with")
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def trusting(authority: Authority) -> ssl.SSLContext:
    return client_context(authority)


@pytest.fixture(scope="session")
def weft_test(authority: Authority) -> Pair:
    return authority.pair("weft.test", "weft.test")


@pytest.fixture(scope="session")
def tls(shared_origin: ScriptedOrigin, weft_test: Pair, trusting: ssl.SSLContext) -> Iterator[GatewayProcess]:
    """`weft serve` with TLS and an access log in JSON in front of the shared origin."""
    with GatewayProcess(shared_origin.url, settings_of(weft_test), trusting) as process:
        yield process


@pytest.fixture
def start_tls(shared_origin: ScriptedOrigin, weft_test: Pair, trusting: ssl.SSLContext) -> Iterator[StartTls]:
    """start_tls({"server.tls.min_version": "1.3"}, pairs): another one."""
    with ExitStack() as stack:

        def start(settings: Mapping[str, object] | None = None, *pairs: Pair, tls: ssl.SSLContext = trusting) -> GatewayProcess:
            given = {**settings_of(*(pairs or (weft_test,))), **(settings or {})}
            return stack.enter_context(GatewayProcess(shared_origin.url, given, tls))

        yield start


def settings_of(*pairs: Pair) -> dict[str, object]:
    return {
        "server.tls.certificates": ",".join(pair.certificate for pair in pairs),
        "server.tls.keys": ",".join(pair.key for pair in pairs),
        "upstream.breaker.failures": 1000,
        "log.access": "json",
        "debug.tokens": "a-token-for-tests",
    }
