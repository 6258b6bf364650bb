"""What a response says about how it came to be, and to whom (docs/operations.md)."""

from __future__ import annotations

import pytest

from gateway.semantics.message import Fields, first
from tests.support.in_process import KINDS, Reply, Setup, ask_once

TOKEN = b"debug-token-0123456789"


def ask(live, setup: Setup, path: bytes, *fields: tuple[bytes, bytes], host: bytes = b"shop.test") -> Fields:
    return live.run(ask_once(setup, b"GET", path, [(b"host", host), *fields]))[1]


@pytest.fixture(scope="module", params=KINDS)
def setup(request, live) -> Setup:
    setup = live.start(request.param, debug__tokens=[TOKEN.decode()])
    setup.origin.replies[b"/page"] = Reply(
        200, [(b"cache-control", b"max-age=3600"), (b"surrogate-key", b"a b"), (b"vary", b"accept")], b"x"
    )
    setup.origin.replies[b"/private"] = Reply(200, [(b"cache-control", b"private")], b"x")
    return setup


def test_the_holder_of_a_token_sees_key_reason_and_tags(live, setup):
    ask(live, setup, b"/page?a=1")
    fields = ask(live, setup, b"/page?a=1", (b"weft-debug", TOKEN))
    told = first(fields, b"weft-debug")
    for word in (
        b"key=http://shop.test/page?a=1",
        b"route=default",
        b"outcome=hit",
        b"tags=a b",
        b"vary=accept",
        b"lifetime=3600",
    ):
        assert word in told
    assert first(fields, b"server-timing").startswith(b"cache;desc=hit")


def test_of_what_is_not_stored_it_sees_why(live, setup):
    told = first(ask(live, setup, b"/private", (b"weft-debug", TOKEN)), b"weft-debug")
    assert b"outcome=uri-miss" in told
    assert b"detail=private" in told


@pytest.mark.parametrize("token", [b"wrong", b"", b"debug-token-0123456789x"])
def test_nobody_else_sees_anything(live, setup, token):
    for path in (b"/page", b"/private"):
        fields = ask(live, setup, path, (b"weft-debug", token))
        assert first(fields, b"weft-debug") is None
        assert first(fields, b"server-timing") is None


def test_a_token_does_not_reach_the_origin_and_makes_no_difference_to_what_is_stored(live, setup):
    ask(live, setup, b"/page?b=1", (b"weft-debug", TOKEN))
    assert first(setup.origin.heard[b"/page"][-1].fields, b"weft-debug") is None
    fields = ask(live, setup, b"/page?b=1")
    assert first(fields, b"weft-debug") is None
    assert b"; hit" in first(fields, b"cache-status")


@pytest.mark.parametrize("kind", KINDS)
def test_a_site_may_show_server_timing_to_all(live, kind):
    setup = live.start(kind, debug__server_timing="always")
    setup.origin.replies[b"/page"] = Reply(200, [(b"cache-control", b"max-age=3600")], b"x")
    for expected in (b"cache;desc=uri-miss, origin;dur=", b"cache;desc=hit", b"cache;desc=hit"):
        assert first(ask(live, setup, b"/page"), b"server-timing").startswith(expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_on_a_request_that_no_route_takes(live, kind):
    setup = live.start(kind, debug__tokens=[TOKEN.decode()])
    via = b", ".join([b"1.1 weft"] * 5)
    fields = ask(live, setup, b"/page", (b"weft-debug", TOKEN), (b"via", via))
    assert b"loop-detected" in first(fields, b"cache-status")
