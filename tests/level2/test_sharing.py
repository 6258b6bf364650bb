"""What one process has stored, all have."""

from __future__ import annotations

import pytest

from tests.support.fleet import Fleet, figure, get, keys_of, status_of, until


def test_a_page_is_fetched_once_for_all(fleet, origin, path):
    one, two = fleet.gateways[:2]
    first = get(one, path)
    assert "fwd=uri-miss; " in status_of(first)
    assert "stored" in status_of(first)
    until(lambda: keys_of(fleet, path))
    second = get(two, path)
    assert second.body == first.body
    assert "hit" in status_of(second)
    assert "detail=level-2" in status_of(second)
    assert "detail" not in status_of(get(two, path)), "from then on it is in that process's memory"
    assert origin.asked[path] == 1


def test_a_process_that_starts_finds_what_others_have(fleet, origin, path):
    get(fleet.gateways[0], path)
    until(lambda: keys_of(fleet, path))
    assert "detail=level-2" in status_of(get(fleet.add(), path))
    assert origin.asked[path] == 1


def test_variants_stand_by_themselves(fleet, origin, path):
    one, two = fleet.gateways[:2]
    origin.pages[path] = ({"cache-control": "max-age=300", "vary": "x-shape"}, b"as it is")
    for shape in ("round", "square"):
        get(one, path, x_shape=shape)
    until(lambda: len(keys_of(fleet, path)) == 3)
    assert "detail=level-2" in status_of(get(two, path, x_shape="square"))
    assert "detail=level-2" in status_of(get(two, path, x_shape="round"))
    assert "fwd=" in status_of(get(two, path, x_shape="flat"))
    assert origin.asked[path] == 3


def test_what_another_has_renewed_is_not_asked_for_again(fleet, origin, path):
    one, two = fleet.gateways[:2]
    origin.pages[path] = ({"cache-control": "max-age=1", "etag": '"v1"'}, b"old")
    get(one, path)
    until(lambda: "hit" in status_of(get(two, path)))
    asked = origin.asked[path]
    origin.pages[path] = ({"cache-control": "max-age=300", "etag": '"v1"'}, b"old")
    until(lambda: "fwd=stale" in status_of(get(one, path)))
    until(lambda: "ttl=2" in status_of(get(two, path)))
    assert origin.asked[path] == asked + 1
    assert origin.conditional[path] == 1


def test_the_origin_is_dead_and_a_new_process_serves_what_the_others_had(fleet, origin, path):
    """Stale, and stored by somebody else: it stands in all the same."""
    one = fleet.gateways[0]
    origin.pages[path] = ({"cache-control": "max-age=1, stale-if-error=600", "etag": '"v1"'}, b"kept")
    get(one, path)
    until(lambda: keys_of(fleet, path))
    until(lambda: "fwd=" in status_of(get(one, path)))
    origin.status = 500
    origin.pages[path] = ({"cache-control": "no-store"}, b"broken")
    three = fleet.add()
    until(lambda: (answer := get(three, path)).status == 200 and answer.body == b"kept" and "fwd=" in status_of(answer))


def test_pages_of_pieces(fleet, origin, path):
    """The program is not shared, the page is: each process compiles it."""
    one, two = fleet.gateways[:2]
    origin.pages[path] = (
        {"cache-control": "max-age=300", "surrogate-control": 'content="ESI/1.0"', "content-type": "text/html"},
        b'<p>a<esi:include src="/piece"/>c</p>',
    )
    origin.pages["/piece"] = ({"cache-control": "max-age=300", "content-type": "text/html"}, b"b")
    assert get(one, path).body == b"<p>abc</p>"
    until(lambda: keys_of(fleet, path) and keys_of(fleet, "/piece"))
    assert get(two, path).body == b"<p>abc</p>"
    assert (origin.asked[path], origin.asked["/piece"]) == (1, 1)


@pytest.mark.parametrize(
    ("fields", "content"),
    [
        ({"cache-control": "private, max-age=60"}, b"mine"),
        ({"cache-control": "no-store"}, b"x"),
    ],
)
def test_what_is_not_stored_is_not_shared(fleet, origin, path, fields, content):
    one, two = fleet.gateways[:2]
    origin.pages[path] = (fields, content)
    get(one, path)
    get(two, path)
    assert origin.asked[path] == 2
    assert not keys_of(fleet, path)


def test_a_large_one_stays_out(origin, redis):
    origin.pages["/large"] = ({"cache-control": "max-age=300"}, b"x" * 5000)
    fleet = Fleet(origin, redis, 2, redis__cache__max_object_bytes=4096)
    try:
        for gateway in fleet.gateways:
            assert len(get(gateway, "/large").body) == 5000
            assert "hit" in status_of(get(gateway, "/large"))
        assert origin.asked["/large"] == 2
    finally:
        fleet.close()


def test_everything_expires(fleet, redis, path):
    one = fleet.gateways[0]
    get(one, path)
    until(lambda: keys_of(fleet, path))
    for key in redis.command("KEYS", "weft:*"):
        assert 0 < redis.command("TTL", key) <= 2 * 86400 or redis.command("EXISTS", key) == 0, key


def test_junk_under_our_keys_is_a_miss(fleet, origin, redis, path):
    one, two = fleet.gateways[:2]
    get(one, path)
    until(lambda: keys_of(fleet, path))
    (key,) = keys_of(fleet, path)
    redis.command("SET", key, b"wft1" + b"\xff" * 300, "EX", 100)
    assert "fwd=uri-miss" in status_of(get(two, path))
    assert origin.asked[path] == 2
    assert figure(two, "weft_level2_foreign_total") >= 1
