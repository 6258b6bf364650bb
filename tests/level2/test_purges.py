"""A purge reaches every process: those that run, those that were cut off, those that start later."""

from __future__ import annotations

import json

import pytest

from tests.support.fleet import Fleet, figure, get, keys_of, post, purge, status_of, until
from tests.support.redis_server import RedisServer
from tests.support.relay import Relay


@pytest.fixture
def stored(fleet, origin, path):
    """path, tagged with its own name, is in the memory of both gateways and in Redis."""
    tag = path[1:]
    origin.pages[path] = ({"cache-control": "max-age=300", "surrogate-key": tag}, b"old")
    one, two = fleet.gateways[:2]
    get(one, path)
    until(lambda: keys_of(fleet, path))
    assert "level-2" in status_of(get(two, path))
    origin.pages[path] = ({"cache-control": "max-age=300", "surrogate-key": tag}, b"new")
    return path


WISHES = ("tags", "urls", "prefixes", "everything", "routes")


@pytest.mark.parametrize("wish", WISHES)
def test_a_hard_purge_is_everywhere_when_the_answer_comes(fleet, origin, stored, wish):
    one, two = fleet.gateways[:2]
    told = {
        "tags": [stored[1:]],
        "urls": [f"http://shop.test{stored}"],
        "prefixes": [stored],
        "everything": True,
        "routes": ["default"],
    }[wish]
    answer = purge(one, json.dumps({wish: told, "hard": True}))
    assert answer.status == 200
    fleet_told = json.loads(answer.body)["fleet"]
    assert fleet_told == {"sent": True, "processes": len(fleet.gateways), "reached": len(fleet.gateways)}
    assert get(two, stored).body == b"new"
    until(lambda: get(one, stored).body == b"new")
    assert origin.asked[stored] == 2, "the one who asked again did so for all"


def test_a_soft_purge_makes_it_stale_everywhere(fleet, origin, stored):
    one, two = fleet.gateways[:2]
    assert purge(one, json.dumps({"tags": [stored[1:]]})).status == 200
    answer = get(two, stored)
    assert answer.body == b"old"
    assert "stale-while-revalidate" in status_of(answer)
    until(lambda: get(two, stored).body == b"new")
    until(lambda: get(one, stored).body == b"new")
    assert origin.asked[stored] == 2


def test_a_process_that_starts_later_hears_it_too(fleet, origin, redis, stored):
    """What is in Redis is older than the purge, and the newcomer was not there."""
    one = fleet.gateways[0]
    assert purge(one, json.dumps({"tags": [stored[1:]], "hard": True})).status == 200
    assert keys_of(fleet, stored), "nothing was touched"
    assert get(fleet.add(), stored).body == b"new"


def test_nobody_waits_for_a_process_that_has_left(origin, redis):
    fleet = Fleet(origin, redis, 3, redis__prefix="leaving")
    try:
        count = len(fleet.gateways)
        until(lambda: json.loads(purge(fleet.gateways[0], '{"tags": ["x"]}').body)["fleet"]["processes"] == count)
        fleet.gateways.pop().stop()
        for gateway in fleet.gateways:  # whoever looks first leaves the word for the others
            answer = purge(gateway, '{"tags": ["x"]}')
            assert answer.status == 200
            assert json.loads(answer.body)["fleet"] == {"sent": True, "processes": count - 1, "reached": count - 1}
    finally:
        fleet.close()


def test_an_unsafe_request_invalidates_everywhere(fleet, stored):
    one, two = fleet.gateways[:2]
    assert post(one, stored).status == 204
    until(lambda: get(two, stored).body == b"new")
    assert get(one, stored).body == b"new"


def test_an_unsafe_request_through_a_process_that_has_nothing_stored(fleet, stored):
    """It can't know who has."""
    three = fleet.add()
    assert post(three, stored).status == 204
    for gateway in fleet.gateways:
        until(lambda gateway=gateway: get(gateway, stored).body == b"new")


class TestRedisIsAway:
    """A server of their own: they break it."""

    @pytest.fixture
    def apart(self, origin, path):
        with RedisServer() as server, Relay(server.port) as wire:
            fleet = Fleet(origin, server, 1)
            fleet.add(redis__url=f"redis://127.0.0.1:{wire.port}")
            fleet.wire = wire
            origin.pages[path] = ({"cache-control": "max-age=300", "surrogate-key": "news"}, b"old")
            for gateway in fleet.gateways:
                until(lambda gateway=gateway: "hit" in status_of(get(gateway, path)))
            origin.pages[path] = ({"cache-control": "max-age=300", "surrogate-key": "news"}, b"new")
            yield fleet
            fleet.close()

    def test_a_purge_meanwhile_is_pending_and_done_when_redis_is_back(self, apart, path):
        one, two = apart.gateways
        apart.redis.stop()
        answer = purge(one, '{"tags": ["news"], "hard": true}')
        assert answer.status == 202
        told = json.loads(answer.body)
        assert (told["status"], told["purged"], told["fleet"]["sent"]) == ("pending", 1, False)
        assert figure(one, "weft_bus_pending") == 1
        assert get(one, path).body == b"new", "done where it was asked for"
        assert get(two, path).body == b"old", "which serves what it has"
        apart.redis.start()
        until(lambda: get(two, path).body == b"new")
        until(lambda: figure(one, "weft_bus_pending") == 0)
        assert figure(two, "weft_bus_gaps_total") == 0, "nothing else was dropped"

    def test_a_process_that_has_not_come_back_yet_is_not_taken_for_gone(self, apart, path):
        """Redis was restarted, so it has lost the list of who is there; two has no way to it."""
        one, two = apart.gateways
        until(lambda: json.loads(purge(one, '{"tags": ["other"]}').body)["fleet"]["processes"] == 2)
        apart.wire.cut()
        apart.redis.restart()
        until(lambda: figure(one, "weft_bus_live") == 1)
        answer = purge(one, '{"tags": ["news"], "hard": true}')
        told = json.loads(answer.body)
        assert (answer.status, told["fleet"]["processes"], told["fleet"]["reached"]) == (202, 2, 1)
        apart.wire.mend()
        until(lambda: get(two, path).body == b"new")

    def test_frozen(self, apart, path):
        one, two = apart.gateways
        apart.redis.freeze()
        assert purge(one, '{"tags": ["news"], "hard": true}').status == 202
        apart.redis.thaw()
        until(lambda: get(two, path).body == b"new")

    def test_emptied_under_the_eyes_of_all(self, apart, path):
        """The log is gone; a purge after that goes through the next one."""
        one, two = apart.gateways
        apart.redis.command("FLUSHALL")
        assert get(two, path).body == b"old"
        until(lambda: purge(one, '{"tags": ["news"], "hard": true}').status == 200)
        until(lambda: get(two, path).body == b"new")
        assert figure(two, "weft_bus_gaps_total") == 0

    def test_purged_then_emptied_while_somebody_was_cut_off(self, apart, origin, path):
        """Two hears nothing; the log that had the purge is lost; one puts back what it knows."""
        one, two = apart.gateways
        apart.wire.cut()
        purge(one, '{"tags": ["news"], "hard": true}')
        apart.redis.restart()
        until(lambda: figure(one, "weft_bus_begun_anew_total") >= 1)
        until(lambda: figure(one, "weft_bus_live") == 1)
        apart.wire.mend()
        until(lambda: get(two, path).body == b"new")

    def test_the_log_was_trimmed_past_what_somebody_has_heard(self, apart, path):
        one, two = apart.gateways
        apart.wire.cut()
        for number in range(3):
            purge(one, json.dumps({"tags": [f"other-{number}"], "hard": True}))
        apart.redis.command("XTRIM", "weft:purges", "MAXLEN", 1)
        apart.wire.mend()
        until(lambda: get(two, path).body == b"new")
        assert figure(two, "weft_bus_gaps_total") == 1
