"""Two gateways that share a Redis behind sentinels, a Redis Cluster, a Redis that lets them do only what docs/redis.md lists: a page is fetched once, a purge is heard by both."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fleet import Fleet, figure, get, purge, status_of, until
from tests.support.redis_fleet import ClusterFleet, SentinelFleet
from tests.support.redis_server import RedisServer

ROOT = Path(__file__).parents[2]
PASSWORD = "correct-horse-battery-staple"


@pytest.fixture(scope="module")
def service() -> Iterator[SentinelFleet]:
    with SentinelFleet("weft") as service:
        yield service


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterFleet]:
    with ClusterFleet(node_timeout=30) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def guarded() -> Iterator[RedisServer]:
    text = (ROOT / "docs/redis.md").read_text("utf-8")
    rule = re.search(r"^```\n(user weft .*?)^```", text, re.DOTALL | re.MULTILINE)[1].replace("PASSWORD", PASSWORD).split()
    users = ["--user", "default", "off", "--user", *f"administrator on >{PASSWORD} ~* &* +@all".split(), "--user", *rule[1:]]
    with RedisServer(users, client={"username": "administrator", "password": PASSWORD}) as server:
        yield server


def shared_and_purged(gateways: Fleet, servers: list[RedisServer], path: str) -> None:
    """A page of one is a hit of the other; a purge at the other is done at the first when the answer comes."""
    one, two = gateways.gateways
    gateways.origin.pages[path] = ({"cache-control": "max-age=300", "surrogate-key": path[1:]}, b"old")
    get(one, path)
    until(lambda: any(f'"{path}"'.encode() in (server.command("GET", key) or b"") for server in servers for key in pages(server)))
    answer = get(two, path)
    assert answer.body == b"old"
    assert "detail=level-2" in status_of(answer)
    gateways.origin.pages[path] = ({"cache-control": "max-age=300"}, b"new")
    told = purge(two, json.dumps({"tags": [path[1:]], "hard": True}))
    assert told.status == 200
    assert json.loads(told.body)["fleet"] == {"sent": True, "processes": 2, "reached": 2}
    assert get(one, path).body == b"new"
    assert gateways.origin.asked[path] == 2


def pages(server: RedisServer) -> list[bytes]:
    return [key for key in server.command("KEYS", "weft:{*") if server.command("TYPE", key) == b"string"]


def test_with_no_more_rights_than_the_documentation_gives(origin, guarded, path):
    fleet = Fleet(origin, guarded, 2, redis__username="weft", redis__password=PASSWORD)
    try:
        shared_and_purged(fleet, [guarded], path)
        for gateway in fleet.gateways:
            assert figure(gateway, "weft_redis_errors_total", reason="permission") == 0
            assert PASSWORD not in gateway.log()
    finally:
        fleet.close()


def test_on_a_cluster(origin, cluster, path):
    hosts = ",".join(map(str, cluster.seeds))
    fleet = Fleet(origin, cluster.servers[0], 2, redis__url=f"redis://{hosts}", redis__cluster=True)
    try:
        for number in range(3):
            shared_and_purged(fleet, cluster.servers, f"{path}-{number}")
        assert figure(fleet.gateways[0], "weft_redis_servers") == 3
    finally:
        fleet.close()


def test_behind_sentinels_before_and_after_a_failover(origin, service, path):
    sentinels = [str(address) for address in service.sentinels]
    fleet = Fleet(origin, service.leader, 2, redis__url="redis://weft", redis__sentinels=sentinels)
    try:
        shared_and_purged(fleet, [service.leader], f"{path}-before")
        old = service.leader
        service.fail_over()
        assert service.leader is not old
        fleet.await_live()
        until(lambda: all(f"redis_master service=weft server={service.leader.address}" in each.log() for each in fleet.gateways))
        fleet.await_live()
        shared_and_purged(fleet, [service.leader], f"{path}-after")
    finally:
        fleet.close()
