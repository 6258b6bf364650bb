"""A real cluster of three."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import RedisUnavailable
from gateway.redis_link import Address, Cluster, NodeRules
from tests.redis.linked import PATIENT, linked_to, run, until_true
from tests.support.redis_fleet import ClusterFleet, until
from tests.support.redis_server import free_port


@pytest.fixture(scope="module")
def fleet():
    with ClusterFleet(node_timeout=30) as fleet:
        yield fleet


@pytest.fixture(autouse=True)
def empty(fleet):
    for server in fleet.servers:
        server.thaw()
        server.command("FLUSHALL")


def test_every_key_is_where_it_belongs_and_comes_back(fleet):
    async def story():
        async with linked_to(Cluster(fleet.seeds[:1], NodeRules(**PATIENT))) as link:
            keys = [b"key-%d" % number for number in range(300)]
            await asyncio.gather(*(link.set(key, b"=" + key, ttl=60) for key in keys))
            assert all(server.command("DBSIZE") > 50 for server in fleet.servers)
            assert await asyncio.gather(*map(link.get, keys)) == [b"=" + key for key in keys]
            assert await link.remove(*keys) == 300
            assert await asyncio.gather(*map(link.get, keys)) == [None] * 300
            assert link.counters()["servers"] == 3
            assert link.is_up

    run(story())


def test_leases_and_streams_work_as_on_one_server(fleet):
    async def story():
        async with linked_to(Cluster(fleet.seeds, NodeRules(**PATIENT))) as link:
            assert await link.add(b"{page}.lease", b"mine", ttl=10)
            assert not await link.add(b"{page}.lease", b"another's", ttl=10)
            assert not await link.remove_if(b"{page}.lease", b"another's")
            assert await link.remove_if(b"{page}.lease", b"mine")
            entry = await link.append(b"{purges}", {b"a": b"b"}, max_entries=10)
            assert await link.entries_after(b"{purges}", b"0-0", count=1, block=1) == [(entry, {b"a": b"b"})]
            assert (await link.stream_bounds(b"{purges}")).last == entry
            assert await link.stream_bounds(b"{nothing}") is None

    run(story())


def test_a_slot_that_has_moved_is_found_where_it_is(fleet):
    async def story():
        async with linked_to(Cluster(fleet.seeds, NodeRules(**PATIENT))) as link:
            await link.set(b"moving", b"1", ttl=60)
            old = fleet.owner_of(b"moving")
            new = next(server for server in fleet.servers if server is not old)
            move(fleet, b"moving", old, new)
            assert fleet.owner_of(b"moving") is new
            assert await asyncio.gather(link.get(b"moving"), link.get(b"other")) == [b"1", None]
            await link.set(b"moving", b"2", ttl=60)
            assert new.command("GET", b"moving") == b"2"
            assert link.is_up

    run(story())


def test_a_key_on_its_way_is_asked_for_at_both_ends(fleet):
    """A slot that is being moved: keys that have gone are ASKed for at the other end, those that haven't are here."""

    async def story():
        async with linked_to(Cluster(fleet.seeds, NodeRules(**PATIENT))) as link:
            await link.set(b"{way}gone", b"1", ttl=60)
            await link.set(b"{way}here", b"2", ttl=60)
            old = fleet.owner_of(b"{way}")
            new = next(server for server in fleet.servers if server is not old)
            slot = old.command("CLUSTER", "KEYSLOT", b"{way}")
            new.command("CLUSTER", "SETSLOT", slot, "IMPORTING", old.command("CLUSTER", "MYID"))
            old.command("CLUSTER", "SETSLOT", slot, "MIGRATING", new.command("CLUSTER", "MYID"))
            old.command("MIGRATE", "127.0.0.1", new.port, b"{way}gone", 0, 5000)
            try:
                assert await asyncio.gather(link.get(b"{way}gone"), link.get(b"{way}here")) == [b"1", b"2"]
                await link.set(b"{way}new", b"3", ttl=60)
                assert await link.get(b"{way}new") == b"3"
            finally:
                for server in (new, old):
                    server.command("CLUSTER", "SETSLOT", slot, "STABLE")

    run(story())


def move(fleet: ClusterFleet, key: bytes, old, new) -> None:
    slot, there = old.command("CLUSTER", "KEYSLOT", key), new.command("CLUSTER", "MYID")
    new.command("CLUSTER", "SETSLOT", slot, "IMPORTING", old.command("CLUSTER", "MYID"))
    old.command("CLUSTER", "SETSLOT", slot, "MIGRATING", there)
    for each in old.command("CLUSTER", "GETKEYSINSLOT", slot, 100):
        old.command("MIGRATE", "127.0.0.1", new.port, each, 0, 5000)
    for server in (new, old, *fleet.servers):
        server.command("CLUSTER", "SETSLOT", slot, "NODE", there)
    until(lambda: fleet.owner_of(key) is new, "a slot's new owner")


def test_while_one_server_is_frozen_the_others_keys_are_served(fleet):
    async def story():
        async with linked_to(Cluster(fleet.seeds, NodeRules(timeout=0.5, connect_timeout=0.5, failures=2))) as link:
            keys = [b"key-%d" % number for number in range(60)]
            await asyncio.gather(*(link.set(key, b"1", ttl=60) for key in keys))
            frozen = fleet.servers[0]
            lost = {key for key in keys if fleet.owner_of(key) is frozen}
            assert 0 < len(lost) < 60
            frozen.freeze()
            try:

                async def others_only() -> bool:
                    values = await asyncio.gather(*map(link.get, keys), return_exceptions=True)
                    assert all(value == b"1" for key, value in zip(keys, values, strict=True) if key not in lost)
                    reasons = {value.reason for value in values if isinstance(value, RedisUnavailable)}
                    return reasons == {"breaker_open"}

                await until_true(others_only)
                assert not link.is_up
            finally:
                frozen.thaw()
            await until_true(lambda: answered(link, keys))
            assert link.is_up

    run(story())


async def answered(link, keys) -> bool:
    return await asyncio.gather(*map(link.get, keys), return_exceptions=True) == [b"1"] * len(keys)


def test_a_cluster_that_isnt_there_costs_nobody_time(caplog):
    async def story():
        nobody = Address("127.0.0.1", free_port())
        async with linked_to(Cluster([nobody], NodeRules(**PATIENT))) as link:
            with pytest.raises(RedisUnavailable) as told:
                await link.get(b"key")
            assert told.value.reason == "cluster_down"
            assert not link.is_up

    run(story())
    assert [record.getMessage() for record in caplog.records] == ["redis_no_cluster asked=1 answered=0"]
