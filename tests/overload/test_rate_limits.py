"""`weft serve` with rate limits: who is counted, what is counted, what a refused client is told. Fault E13."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack

import pytest
import uvloop

from gateway.app import build
from gateway.flow.buckets import Buckets
from gateway.flow.rate_limits import Limit, RateLimits, client_key
from gateway.flow.scope import plain_path
from gateway.semantics.message import Fields, Request
from gateway.settings import Settings
from tests.overload.asking import figure, get
from tests.support.gateway_process import GatewayProcess
from tests.support.in_process import Reply, Setup, ask_once
from tests.support.raw_client import RawClient
from tests.support.scripted_origin import answer, ok

SLOW = 0.001
"""A rate at which no test sees a second token."""


def limited(**named: dict[str, object]) -> dict[str, object]:
    """Settings of limits by name."""
    return {f"rate_limits.{name}.{key}": value for name, limit in named.items() for key, value in limit.items()}


def statuses(client: RawClient, *requests: bytes) -> list[int]:
    found = []
    for request in requests:
        client.send(request)
        found.append(client.response(request.partition(b" ")[0]).status)
    return found


# ── What is counted ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("lane", [True, False], ids=["lane", "no lane"])
def test_what_memory_can_answer_is_not_counted_unless_it_is_to_be(start_gateway, origin, path, lane):
    origin.script(path, answer(ok(b"stored", b"Cache-Control: max-age=600")))
    gateway = start_gateway({"server.fast_lane": lane, **limited(visitors={"rate": SLOW, "burst": 3})})
    with gateway.connect() as client:
        assert statuses(client, *[get(path)] * 10) == [200] * 10
        assert statuses(client, *[get(f"{path}/{number}") for number in range(4)]) == [200, 200, 429, 429]
        assert statuses(client, get(path)) == [200]  # the connection and memory are still there
    assert figure(gateway, 'weft_rate_limited_total{limit="visitors"}') == 2
    assert figure(gateway, 'weft_rate_limit_clients{limit="visitors"}') == 1


@pytest.mark.parametrize("lane", [True, False], ids=["lane", "no lane"])
def test_all_requests_are_counted_where_that_is_asked_for_hits_of_the_lane_too(start_gateway, origin, path, lane):
    origin.script(path, answer(ok(b"stored", b"Cache-Control: max-age=600")))
    gateway = start_gateway({"server.fast_lane": lane, **limited(visitors={"rate": SLOW, "burst": 8, "applies": "all"})})
    with gateway.connect() as client:
        assert statuses(client, *[get(path)] * 12) == [200] * 8 + [429] * 4
        assert gateway.is_well()
    assert figure(gateway, 'weft_rate_limited_total{limit="visitors"}') == 4


def test_a_refused_client_is_told_when_to_come_back(start_gateway, path):
    """RFC 6585 §4, draft-ietf-httpapi-ratelimit-headers-10."""
    gateway = start_gateway(limited(visitors={"rate": SLOW, "burst": 2}))
    with gateway.connect() as client:
        statuses(client, get(path), get(path))
        client.send(get(path, b"Accept: application/json"))
        response = client.response()
    assert response.status == 429
    assert response.value(b"ratelimit-policy") == b'"visitors";q=2;w=2000'
    wait = response.value(b"retry-after")
    assert response.value(b"ratelimit") == b'"visitors";r=0;t=' + wait
    assert 900 <= int(wait) <= 1000
    assert response.value(b"cache-control") == b"no-store"
    assert b'"reason":"rate_limited"' in response.body


def test_a_limit_is_for_its_part_of_the_site_and_its_methods(start_gateway, path):
    login = {"rate": SLOW, "burst": 1, "path": "/login", "methods": ["POST"]}
    gateway = start_gateway(limited(login=login))
    post = b"POST /login HTTP/1.1\r\nHost: busy.test\r\nContent-Length: 2\r\n\r\nhi"
    assert [gateway.ask(post).status for _ in range(3)] == [200, 429, 429]
    for target in ("/login/", "/%6Cogin", "//login", "/a/../login", "/login/again?x=1"):
        assert gateway.ask(post.replace(b"/login", target.encode(), 1)).status == 429, target
    assert gateway.ask(get("/login")).status == 200
    assert gateway.ask(post.replace(b"/login", b"/loginpage", 1)).status == 200
    assert gateway.ask(post.replace(b"/login", path.encode(), 1)).status == 200


def test_several_limits_must_all_have_room_and_a_refusal_takes_from_none(start_gateway, path):
    gateway = start_gateway(
        limited(narrow={"rate": SLOW, "burst": 1, "path": path}, wide={"rate": SLOW, "burst": 4, "path": "/"}),
    )
    assert [gateway.ask(get(path)).status for _ in range(6)] == [200] + [429] * 5
    assert [gateway.ask(get("/else")).status for _ in range(4)] == [200] * 3 + [429]
    assert figure(gateway, 'weft_rate_limited_total{limit="narrow"}') == 5
    assert figure(gateway, 'weft_rate_limited_total{limit="wide"}') == 1


def test_health_metrics_and_purging_are_never_limited(start_gateway, path):
    settings = limited(all={"rate": SLOW, "burst": 1, "applies": "all"})
    gateway = start_gateway({"purge.tokens": ["sesame-opens-the-hill"], **settings})
    assert [gateway.ask(get(path)).status for _ in range(2)] == [200, 429]
    for target in ("/_weft/health/live", "/_weft/health/ready", "/_weft/metrics"):
        assert [gateway.ask(get(target)).status for _ in range(3)] == [200] * 3
    purge = b"PURGE /x HTTP/1.1\r\nHost: busy.test\r\nAuthorization: Bearer sesame-opens-the-hill\r\n\r\n"
    assert [gateway.ask(purge).status for _ in range(3)] == [200] * 3


# ── Who is counted ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_clients_behind_a_trusted_proxy_are_counted_each_by_itself(start_gateway, path):
    """And what a stranger writes left of its own address counts for nothing."""
    gateway = start_gateway({"proxy.trusted_proxies": ["127.0.0.0/8"], **limited(visitors={"rate": SLOW, "burst": 1})})
    ask = [b"X-Forwarded-For: 198.51.100.7", b"X-Forwarded-For: 198.51.100.8", b"X-Forwarded-For: 203.0.113.99, 198.51.100.8"]
    assert [gateway.ask(get(path, line)).status for line in ask] == [200, 200, 429]


def test_without_a_trusted_proxy_nobody_chooses_who_he_is(start_gateway, path):
    gateway = start_gateway(limited(visitors={"rate": SLOW, "burst": 1}))
    assert gateway.ask(get(path, b"X-Forwarded-For: 198.51.100.7")).status == 200
    assert gateway.ask(get(path, b"X-Forwarded-For: 198.51.100.8")).status == 429


@pytest.mark.parametrize(
    ("per", "first", "second"),
    [
        ("header:x-api-key", b"X-Api-Key: sesame", b"X-Api-Key: barley"),
        ("cookie:session", b"Cookie: a=b; session=sesame", b"Cookie: session=barley; a=b"),
    ],
    ids=["header", "cookie"],
)
def test_a_key_makes_a_client_and_who_has_none_is_counted_by_address(start_gateway, path, per, first, second):
    gateway = start_gateway(limited(keys={"rate": SLOW, "burst": 1, "per": per}))
    asked = [get(path, first), get(path, first), get(path, second), get(path), get(path)]
    assert [gateway.ask(each).status for each in asked] == [200, 429, 200, 200, 429]
    while gateway.log().count(path) < 5:
        time.sleep(0.01)  # lines are written in batches
    for text in (gateway.log(), gateway.ask(get("/_weft/metrics")).body.decode()):
        assert "sesame" not in text


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("unknown", "unknown", True),
    ],
)
def test_a_client_is_an_ipv4_address_or_an_ipv6_line(one, other, same):
    """RFC 6177 §2: a site gets a /64 at least, and all its addresses are its to choose."""
    assert (client_key(one) == client_key(other)) is same


def test_a_secret_that_makes_a_client_is_not_kept():
    limits = RateLimits([Limit("keys", Buckets(1.0, 1), per="header:x-api-key")], b"salt")
    fields: Fields = [(b"x-api-key", b"sesame")]
    assert limits.refusal(Request(b"GET", b"/", b"busy.test", fields, client="192.0.2.1"), 0.0) is None
    kept = limits.all[0].key(fields, "", b"salt")
    assert b"sesame" not in kept
    assert kept != limits.all[0].key(fields, "", b"pepper")


@pytest.mark.parametrize(
    ("target", "plain"),
    [
        (b"/a?b=/../c", b"/a"),
        (b"/a/", b"/a/"),
        (b"/%2e%2E/a", b"/a"),
        (b"//a///b/", b"/a/b/"),
        (b"/a/./b/../c", b"/a/c"),
        (b"/..", b"/"),
        (b"/%61%00", b"/a\0"),
        (b"/a.b/c", b"/a.b/c"),
    ],
)
def test_a_path_is_read_as_servers_read_it(target, plain):
    assert plain_path(target) == plain


# ── Connections ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_client_has_only_so_many_connections(start_gateway, path):
    """E13. Closing one makes room for another."""
    gateway = start_gateway({"server.max_connections_per_client": 3})
    with ExitStack() as stack:
        clients = [stack.enter_context(gateway.connect()) for _ in range(3)]
        assert [statuses(client, get(path)) for client in clients] == [[200]] * 3
        with gateway.connect() as client:
            response = client.response()
            assert (response.status, response.value(b"retry-after"), response.says_close) == (429, b"1", True)
        clients[0].close()
        assert _is_let_in(gateway, path)
        refused = statuses(clients[1], get("/_weft/metrics"))
        assert refused == [200]


def test_a_trusted_proxy_has_as_many_as_it_wants(start_gateway, path):
    gateway = start_gateway({"server.max_connections_per_client": 1, "proxy.trusted_proxies": ["127.0.0.0/8"]})
    with ExitStack() as stack:
        clients = [stack.enter_context(gateway.connect()) for _ in range(5)]
        assert [statuses(client, get(path)) for client in clients] == [[200]] * 5


def _is_let_in(gateway: GatewayProcess, path: str) -> bool:
    """Whether a new connection is answered, once the gateway has heard that the other one is closed."""
    for _ in range(200):
        with gateway.connect() as client:
            client.send_what_is_taken([get(path)])
            if client.response().status == 200:
                return True
    return False


# ── On another server ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_another_asgi_server_counts_as_ours_does():
    """uvicorn's own protocol in front of the application: hits are free, the rest is counted once."""

    async def scenario() -> list[int]:
        setup = await Setup.start("uvicorn", time.time(), {"rate_limits.visitors.rate": SLOW, "rate_limits.visitors.burst": 3})
        setup.origin.replies |= {
            b"/stored": Reply(200, [(b"cache-control", b"max-age=600")], b"stored"),
            b"/new": Reply(200, [(b"cache-control", b"no-store")], b"new"),
        }
        host = [(b"host", b"busy.test")]
        asked = [b"/stored", b"/stored", b"/stored", b"/new", b"/new", b"/new", b"/stored"]
        try:
            return [(await ask_once(setup, b"GET", target, host))[0] for target in asked]
        finally:
            await setup.aclose()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(scenario()) == [200, 200, 200, 200, 200, 429, 200]


# ── A reload ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_limit_that_a_reload_leaves_alone_goes_on_counting():
    """Others are made anew; a client does not get a full bucket because something else was changed."""

    def settings(**limits: dict[str, object]) -> Settings:
        return Settings.model_validate({"upstream": {"url": "http://127.0.0.1:1"}, "rate_limits": limits})

    async def scenario() -> list[bool]:
        gateway = build(settings(same={"rate": 1}, other={"rate": 1}))
        before = {limit.name: limit for limit in gateway.edge.rate_limits.all}
        (await gateway.prepare(settings(same={"rate": 1}, other={"rate": 2}, new={})))()
        after = {limit.name: limit for limit in gateway.edge.rate_limits.all}
        kept = [after["same"] is before["same"], after["other"] is before["other"], "new" in after]
        (await gateway.prepare(settings()))()
        kept.append(gateway.edge.rate_limits is None)
        await gateway.aclose()
        return kept

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(scenario()) == [True, False, True, True]
