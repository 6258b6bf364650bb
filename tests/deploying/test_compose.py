"""compose.yaml and deploy/haproxy: what it sets is what the gateway knows; and live, without containers: two gateways, a Redis, the shop, HAProxy in front."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from gateway.settings import load
from tests.support.deploy_files import DEPLOY, ROOT, check_settings, compose, image_environment, seconds
from tests.support.elsewhere import SERVE, bare_environment
from tests.support.raw_client import RawClient
from tests.support.redis_server import free_port

HAPROXY = DEPLOY / "haproxy/haproxy.cfg"
GATEWAYS = ("gateway-1", "gateway-2")
TOKEN = "a-token-for-compose-0123"


def environment(name: str, **given: str) -> dict[str, str]:
    return {**image_environment(), **compose(given)["services"][name]["environment"]}


# ── What it says ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", GATEWAYS)
def test_the_gateway_would_start_with_what_compose_sets(name):
    """What is advised against holds for a demo: Redis has no password, on a network of its own."""
    done = check_settings(environment(name, WEFT_PURGE_TOKEN=TOKEN))
    assert done.returncode == 0, done.stderr
    (advice,) = [line for line in done.stdout.splitlines() if "advice:" in line]
    assert "redis.password" in advice
    document = compose()
    assert document["networks"]["store"]["internal"]
    assert {service for service, each in document["services"].items() if "store" in each.get("networks", [])} == {
        "redis",
        *GATEWAYS,
    }


def test_without_a_token_nobody_can_purge():
    assert "nobody can purge" in check_settings(environment("gateway-1")).stdout


@pytest.mark.parametrize("name", GATEWAYS)
def test_docker_waits_for_as_long_as_a_gateway_drains(name):
    server = load(None, environment(name)).server
    assert seconds(compose()["services"][name]["stop_grace_period"]) >= server.drain_delay + server.drain_timeout + 5


@pytest.mark.parametrize("name", ["front", *GATEWAYS, "redis", "shop"])
def test_no_service_may_write_or_has_rights_to_spare(name):
    service = compose()["services"][name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")
    assert set(compose()["services"]) == {"front", *GATEWAYS, "redis", "shop"}


def test_names_and_ports_agree():
    services = compose()["services"]
    settings = load(None, environment("gateway-1"))
    assert settings.upstream.url == f"http://shop:{services['shop']['command'][-1]}"
    assert settings.redis.url == "redis://redis:6379"
    assert [str(network) for network in settings.proxy.trusted_proxies] == [
        compose()["networks"]["default"]["ipam"]["config"][0]["subnet"]
    ]
    servers = re.findall(r"^\s*server (\S+) (\S+):(\d+)", HAPROXY.read_text("utf-8"), re.MULTILINE)
    assert servers == [(name, name, str(settings.server.port)) for name in GATEWAYS]
    (bound,) = re.findall(r"^\s*bind :(\d+)", HAPROXY.read_text("utf-8"), re.MULTILINE)
    assert [mapping.rpartition(":")[2] for mapping in services["front"]["ports"]] == [bound]


def test_what_is_mounted_is_there():
    (volume,) = compose()["services"]["front"]["volumes"]
    assert (ROOT / volume.split(":")[0]) == HAPROXY


def test_the_front_is_more_patient_than_the_gateway_with_its_origin():
    """Else it cuts off what the gateway would still have answered."""
    text = HAPROXY.read_text("utf-8")
    (timeout,) = re.findall(r"^\s*timeout server (\S+)", text, re.MULTILINE)
    upstream = load(None, environment("gateway-1")).upstream
    assert seconds(timeout) > max(upstream.first_byte_timeout, upstream.unsafe_first_byte_timeout)


def test_the_front_notices_a_gateway_that_drains_in_time():
    """The looks that it takes, and one that it has just missed; each may take as long as it takes to connect."""
    text = HAPROXY.read_text("utf-8")
    (rule,) = re.findall(r"^\s*default-server check (.*)$", text, re.MULTILINE)
    (interval,), (falls,) = re.findall(r"inter (\S+)", rule), re.findall(r"fall (\d+)", rule)
    assert load(None, environment("gateway-1")).server.drain_delay > (int(falls) + 1) * seconds(interval)


# ── Live ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def shop():
    """The shop as compose starts it, on a free port."""
    port = free_port()
    command = compose()["services"]["shop"]
    program, *rest = [*command["entrypoint"], *command["command"]]
    assert program == "python"
    rest[-1] = str(port)
    process = subprocess.Popen([sys.executable, *rest], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        await_port(port)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def await_port(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            RawClient(port).close()
        except OSError:
            assert time.monotonic() < deadline, f"nobody listens on {port}"
            time.sleep(0.05)
        else:
            return


@pytest.fixture
def gateways(shop, redis_server, start_elsewhere):
    """Both, with compose's environment; only addresses are those of this machine."""
    here = {
        "WEFT_UPSTREAM__URL": f"http://127.0.0.1:{shop}",
        "WEFT_REDIS__URL": f"redis://127.0.0.1:{redis_server.port}",
        "WEFT_REDIS__TIMEOUT": "2",
        "WEFT_REDIS__CONNECT_TIMEOUT": "2",
        "WEFT_PROXY__TRUSTED_PROXIES": "127.0.0.1/32",
        "WEFT_SERVER__HOST": "127.0.0.1",
        "WEFT_SERVER__PORT": "0",
    }
    ours = [environment(name, WEFT_PURGE_TOKEN=TOKEN) | here for name in GATEWAYS]
    return [start_elsewhere(SERVE, bare_environment(**{n: v for n, v in env.items() if n.startswith("WEFT_")})) for env in ours]


@pytest.fixture
def front(gateways, tmp_path):
    """The port of an HAProxy with deploy/haproxy's configuration; only addresses are those of this machine."""
    program = shutil.which("haproxy")
    if program is None:
        pytest.skip("haproxy is not installed")
    port = free_port()
    text = HAPROXY.read_text("utf-8").replace("bind :8080", f"bind 127.0.0.1:{port}")
    for name, gateway in zip(GATEWAYS, gateways, strict=True):
        text = text.replace(f"server {name} {name}:8080", f"server {name} 127.0.0.1:{gateway.port}")
    (tmp_path / "haproxy.cfg").write_text(text, "utf-8")
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([program, "-db", "-f", tmp_path / "haproxy.cfg"], stdout=log, stderr=log)
    try:
        await_port(port)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def ask(port: int, path: str, *fields: str, method: str = "GET", content: str = ""):
    with RawClient(port) as client:
        lines = "".join(
            f"{field}\r\n" for field in ("Host: shop.test", *fields, f"Content-Length: {len(content)}", "Connection: close")
        )
        client.send(f"{method} {path} HTTP/1.1\r\n{lines}\r\n{content}".encode())
        return client.response(method.encode())


def test_a_page_fetched_by_one_gateway_is_had_by_the_other_and_purged_from_both(front, gateways):
    for gateway in gateways:
        gateway.until(lambda g=gateway: b"weft_bus_live 1.0" in ask(g.port, "/_weft/metrics").body, "hears the other's purges")
    seen = [dict(ask(front, "/").fields)[b"cache-status"] for _ in range(4)]
    assert b"fwd=" in seen[0]
    assert sum(b"hit" in status or b"level-2" in status for status in seen) == 3
    assert (
        ask(
            front, "/_weft/purge", f"Authorization: Bearer {TOKEN}", method="POST", content='{"everything": true, "hard": true}'
        ).status
        == 200
    )
    after = [dict(ask(front, "/").fields)[b"cache-status"] for _ in range(4)]
    assert b"fwd=" in after[0]
    assert b"level-2" not in after[0]


def test_figures_are_not_to_be_had_through_the_front(front, gateways):
    assert ask(front, "/_weft/metrics").status == 404
    assert ask(gateways[0].port, "/_weft/metrics").status == 200


def test_a_gateway_that_stops_costs_no_request(front, gateways):
    """Readiness says no, HAProxy takes it out, it finishes and goes: nobody who asks meanwhile is failed."""
    outcomes: list[int] = []
    gone = threading.Event()

    def visit() -> None:
        while not gone.is_set():
            outcomes.append(ask(front, "/").status)

    visitors = [threading.Thread(target=visit) for _ in range(4)]
    for visitor in visitors:
        visitor.start()
    try:
        gateways[0].until(lambda: len(outcomes) > 20)
        gateways[0].signal(signal.SIGTERM)
        code = gateways[0].wait(60)
        seen = len(outcomes)
        gateways[1].until(lambda: len(outcomes) > seen + 20)
    finally:
        gone.set()
        for visitor in visitors:
            visitor.join(60)
    assert code == 0
    assert set(outcomes) == {200}
