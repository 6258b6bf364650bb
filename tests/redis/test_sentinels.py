"""A service behind three real sentinels: whoever leads is asked, and only who leads."""

from __future__ import annotations

import asyncio
import logging

import pytest

from gateway.errors import RedisUnavailable
from gateway.redis_link import Address, NodeRules, SentinelMaster
from tests.redis.linked import PATIENT, linked_to, run, until_true
from tests.support.redis_fleet import SentinelFleet
from tests.support.redis_server import free_port


@pytest.fixture(scope="module")
def fleet():
    with SentinelFleet("weft") as fleet:
        yield fleet


def by_sentinels(fleet: SentinelFleet, service: str = "weft") -> SentinelMaster:
    return SentinelMaster(fleet.sentinels, service, NodeRules(**PATIENT))


async def written(link, key: bytes) -> bool:
    try:
        await link.set(key, b"1", ttl=60)
    except RedisUnavailable:
        return False
    return True


def test_a_sentinel_that_slept_through_a_failover_does_not_make_us_write_to_a_replica(fleet):
    """All it knows is the old leader; that one says that it doesn't lead."""

    async def story():
        replica = next(server for server in fleet.servers if server is not fleet.leader)
        sleeper = await asyncio.start_server(lambda reader, writer: tell(reader, writer, replica.port), "127.0.0.1", 0)
        address = Address(*sleeper.sockets[0].getsockname()[:2])
        topology = SentinelMaster([address], "weft", NodeRules(**PATIENT))
        async with linked_to(topology) as link:
            with pytest.raises(RedisUnavailable) as told:
                await link.get(b"key")
            assert told.value.reason == "read_only"
        sleeper.close()
        await sleeper.wait_closed()

    run(story())


async def tell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    while await reader.read(4096):
        writer.write(b"*2\r\n$9\r\n127.0.0.1\r\n$%d\r\n%d\r\n" % (len(str(port)), port))
    writer.close()


def test_one_sentinel_of_three_is_enough(fleet):
    async def story():
        nobody = Address("127.0.0.1", free_port())
        topology = SentinelMaster([nobody, nobody, fleet.sentinels[2]], "weft", NodeRules(**PATIENT))
        async with linked_to(topology) as link:
            assert await written(link, b"key")

    run(story())


def test_a_service_that_nobody_knows_is_said_once_and_costs_nobody_time(fleet, caplog):
    async def story():
        async with linked_to(by_sentinels(fleet, "unknown")) as link:
            for _ in range(5):
                with pytest.raises(RedisUnavailable) as told:
                    await link.get(b"key")
                assert told.value.reason == "no_master"
            assert not link.is_up
            assert link.counters()["trouble_no_master"] == 5

    with caplog.at_level(logging.INFO, "gateway.redis_link"):
        run(story())
    assert [record.getMessage() for record in caplog.records] == ["redis_no_master service=unknown sentinels=3 answered=3"]


def test_a_failover_is_followed_and_who_waits_for_a_stream_does_not_wait_at_the_old_leader(fleet):
    async def story():
        async with linked_to(by_sentinels(fleet)) as link:
            old = fleet.leader
            await link.set(b"before", b"1", ttl=60)
            assert old.command("GET", b"before") == b"1"
            reader = asyncio.create_task(link.entries_after(b"stream", b"0-0", count=1, block=50))
            await asyncio.to_thread(fleet.fail_over)
            with pytest.raises(RedisUnavailable):
                await reader
            await until_true(lambda: written(link, b"after"))
            assert fleet.leader is not old
            assert fleet.leader.command("GET", b"after") == b"1"
            entry = await link.append(b"stream", {b"a": b"b"}, max_entries=10)
            assert await link.entries_after(b"stream", b"0-0", count=1, block=1) == [(entry, {b"a": b"b"})]

    run(story())


def test_a_leader_that_is_frozen_is_replaced(fleet):
    async def story():
        old = fleet.leader
        async with linked_to(SentinelMaster(fleet.sentinels, "weft", NodeRules())) as link:
            old.freeze()
            try:
                await until_true(lambda: written(link, b"thawed"))
                assert fleet.leader is not old
            finally:
                old.thaw()

    run(story())
