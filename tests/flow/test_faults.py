"""What goes wrong, and who notices: answers that make no sense, faults of our own, requests that come in circles."""

from __future__ import annotations

import asyncio
import logging

import pytest

from gateway.cache.freshness import CachePolicy
from gateway.flow.routes import Route
from tests.support.fakes import NO_COMPRESSION, FakeOrigin, Stage, request


@pytest.mark.parametrize(("failure", "status"), [("refused", 502), ("reset", 502), ("timeout", 504), ("unavailable", 503)])
def test_an_error_is_told_with_its_cause(play, failure, status):
    """RFC 9209 §2: Proxy-Status."""
    error = {"refused": "connection_refused", "reset": "connection_terminated", "timeout": "http_response_timeout"}.get(
        failure, "destination_unavailable"
    )
    for line in ("GET /page", "POST /page", "HEAD /page"):
        play(f"""
            anna    ──▶ {line}
            origin  ◀── {line}
            origin  ──▶ {failure}
            anna    ◀── {status} | Cache-Control: no-store | Proxy-Status: Weft; error={error}
        """)


def test_an_unavailable_origin_says_when_to_come_back(play):
    play("""
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ unavailable
        anna    ◀── 503 | Retry-After: 1
    """)


def test_a_failure_makes_a_page_uncacheable_only_for_a_moment(play):
    play("""
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 503 | «busy»
        anna    ◀── 503 | «busy»
        +3 s
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | «hello»
        anna    ◀── 200 | Cache-Status: stored | «hello»
    """)


def test_a_304_that_nobody_asked_for_is_passed_on_and_forgotten(play):
    play("""
        anna    ──▶ GET /page
        origin  ◀── GET /page | -If-None-Match
        origin  ──▶ 304 | Cache-Control: max-age=60 | ETag: "a"
        anna    ◀── 304 | -Age
    """)
    assert len(play.stage.store) == 0


def test_a_part_that_nobody_asked_for_is_an_error(play):
    """RFC 9110 §15.3.7: 206 answers a request for a part."""
    play("""
        anna    ──▶ GET /page
        origin  ◀── GET /page | -Range
        origin  ──▶ 206 | Cache-Control: max-age=60 | Content-Range: bytes 0-2/10 | «012»
        anna    ◀── 502
    """)
    assert len(play.stage.store) == 0


def test_a_rest_that_may_not_be_stored_is_asked_for_anew(play):
    play("""
        anna    ──▶ GET /page | Range: bytes=0-3
        origin  ◀── GET /page
        origin  ──▶ 206 | Cache-Control: max-age=60 | ETag: "a" | Content-Range: bytes 0-3/10 | «0123»
        anna    ◀── 206 | «0123»
        anna    ──▶ GET /page
        origin  ◀── GET /page | Range: bytes=4-
        origin  ──▶ 206 | Cache-Control: no-store | ETag: "a" | Content-Range: bytes 4-9/10 | «456789»
        origin  ◀── GET /page | -Range
        origin  ──▶ 200 | Cache-Control: no-store | ETag: "a" | «0123456789»
        anna    ◀── 200 | «0123456789»
    """)


def test_a_part_without_a_validator_is_completed_by_its_place_alone_and_not_joined(play):
    """RFC 9111 §3.4: nothing says that both are of one representation."""
    play("""
        anna    ──▶ GET /page | Range: bytes=0-3
        origin  ◀── GET /page
        origin  ──▶ 206 | Cache-Control: max-age=60 | Content-Range: bytes 0-3/10 | «0123»
        anna    ◀── 206 | «0123»
        anna    ──▶ GET /page
        origin  ◀── GET /page | Range: bytes=4- | -If-Range
        origin  ──▶ 206 | Cache-Control: max-age=60 | Content-Range: bytes 4-9/10 | «uvwxyz»
        origin  ◀── GET /page | -Range
        origin  ──▶ 200 | Cache-Control: max-age=60 | «qrstuvwxyz»
        anna    ◀── 200 | «qrstuvwxyz»
    """)


def test_a_range_of_a_whole_that_breaks_off_is_an_error(play):
    play("""
        anna    ──▶ GET /page | Range: bytes=0-3
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | Content-Length: 10 | «012345» …
        origin  ──▶ broken
        anna    ◀── 502
    """)


def test_who_leaves_while_the_whole_of_a_part_comes_leaves_nothing_behind(play):
    play("""
        anna    ──▶ GET /page | Range: bytes=0-3
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | Content-Length: 10 | «012345» …
        anna leaves
        origin  ──▶ «6789»
        ben     ──▶ GET /page
        ben     ◀── 200 | Cache-Status: hit | «0123456789»
    """)


def test_a_confirmation_is_shared_by_all_who_wait_for_it(play):
    play("""
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | ETag: "a" | Vary: X-Form | «hello»
        anna    ◀── 200 | «hello»
        +61 s
        anna    ──▶ GET /page
        ben     ──▶ GET /page
        carla   ──▶ GET /page | Authorization: Basic carla
        origin 1 ◀── GET /page | If-None-Match: "a"
        origin 1 ──▶ 304
        anna    ◀── 200 | Cache-Status: fwd=stale; fwd-status=304 | «hello»
        ben     ◀── 200 | Cache-Status: fwd=stale; fwd-status=304; collapsed | «hello»
        origin 2 ◀── GET /page | Authorization: Basic carla
        origin 2 ──▶ 200 | Cache-Control: private | «for carla»
        carla   ◀── 200 | «for carla»
    """)


def test_a_confirmation_that_a_purge_overtook_is_not_shared(play):
    play("""
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | ETag: "a" | Surrogate-Key: t | «hello»
        anna    ◀── 200 | «hello»
        +61 s
        anna     ──▶ GET /page
        ben      ──▶ GET /page
        origin 1 ◀── GET /page | If-None-Match: "a"
        purge hard tag t
        origin 1 ──▶ 304
        anna     ◀── 200 | «hello»
        origin 2 ◀── GET /page | -If-None-Match
        origin 2 ──▶ 200 | Cache-Control: max-age=60 | «new»
        ben      ◀── 200 | «new»
    """)


def test_a_client_that_has_what_is_just_coming_is_told_so_before_it_has_come(play):
    play("""
        anna    ──▶ GET /page | If-None-Match: "a"
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | ETag: "a" | Content-Type: text/plain | «first» …
        anna    ◀── 304 | ETag: "a" | -Content-Type
        origin  ──▶ «second»
        ben     ──▶ GET /page
        ben     ◀── 200 | Cache-Status: hit | «firstsecond»
    """)


@pytest.mark.parametrize("readers", [1, 3])
def test_a_fault_of_our_own_reaches_all_who_wait_and_is_over(stage_of, readers, caplog):
    stage = stage_of()

    async def scenario() -> None:
        asking = [asyncio.ensure_future(stage.answer(request("GET", "/page"))) for _ in range(readers)]
        while not stage.origin.exchanges:
            await asyncio.sleep(0)
        stage.origin.exchanges[0].answered.set_exception(RuntimeError("a fault of our own"))
        answers = await asyncio.gather(*asking, return_exceptions=True)
        assert [type(answer) for answer in answers] == [RuntimeError] * readers
        assert not stage.forwarder.flights

    with caplog.at_level(logging.CRITICAL):
        stage.run(scenario())
    stage._unclaimed = len(stage.origin.exchanges)
    stage.play("""
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | «hello»
        anna    ◀── 200 | «hello»
    """)


def test_a_request_that_comes_round_again_and_again_is_stopped(play):
    """RFC 9110 §7.6.3: an origin that points back at us."""
    via = ", ".join(["1.1 weft"] * 5)
    play(f"""
        anna    ──▶ GET /page | Via: {via}
        anna    ◀── 508
        anna    ──▶ GET /page | Via: 1.1 other, 1.1 weft
        origin  ◀── GET /page | Via: 1.1 other, 1.1 weft, 1.1 weft
        origin  ──▶ 200 | «hello»
        anna    ◀── 200 | «hello»
    """)


def test_options_and_trace_that_may_go_no_further_do_not(play):
    """RFC 9110 §7.6.2."""
    play("""
        anna    ──▶ OPTIONS /page | Max-Forwards: 0
        anna    ◀── 204
        anna    ──▶ TRACE /page | Max-Forwards: 0
        anna    ◀── 405
        anna    ──▶ OPTIONS /page | Max-Forwards: 3
        origin  ◀── OPTIONS /page | Max-Forwards: 2
        origin  ──▶ 204
        anna    ◀── 204
        anna    ──▶ GET /page | Max-Forwards: 0
        origin  ◀── GET /page
        origin  ──▶ 200 | «hello»
        anna    ◀── 200 | «hello»
    """)


# ── Routes ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def route(name: str, host: str = "", path: str = "/"):
    def make(origin: FakeOrigin) -> Route:
        return Route(name, origin, CachePolicy(), NO_COMPRESSION, host=host, path=path)

    return make


ROUTES = [
    route("any"),
    route("blog", path="/blog"),
    route("deep", path="/blog/deep/"),
    route("shop", "shop.test"),
    route("shop-blog", "shop.test", "/blog"),
    route("wild", "*.test"),
    route("port", "shop.test:81"),
]


@pytest.mark.parametrize(
    ("host", "target", "name"),
    [
        (b"else.where", b"/", "any"),
        (b"else.where", b"/blog", "blog"),
        (b"else.where", b"/blog?x=/", "blog"),
        (b"else.where", b"/blog/", "blog"),
        (b"else.where", b"/blogroll", "any"),
        (b"else.where", b"/blog/deep", "blog"),
        (b"else.where", b"/blog/deep/x", "deep"),
        (b"shop.test", b"/", "shop"),
        (b"shop.test", b"/blog/x", "shop-blog"),
        (b"shop.test:8080", b"/", "shop"),
        (b"shop.test:81", b"/", "port"),
        (b"a.test", b"/blog", "wild"),
        (b"a.b.test", b"/", "wild"),
        (b"test", b"/", "any"),
        (b"[::1]:80", b"/", "any"),
        (b"", b"/", "any"),
        (b"x", b"*", None),
    ],
)
def test_the_most_specific_route_takes_a_request(stage_of, host, target, name):
    """Exact host before wildcard before any; longer path before shorter."""
    stage: Stage = stage_of(routes=lambda origin: [make(origin) for make in ROUTES])
    found = stage.routes.find(host, target)
    assert (found.name if found is not None else None) == name


def test_a_request_that_no_route_takes_is_told_so(stage_of):
    stage_of(routes=lambda origin: [route("shop", "shop.test")(origin), route("blog", "blog.test")(origin)]).play("""
        anna    ──▶ GET http://other.test/
        anna    ◀── 404
        anna    ──▶ GET http://blog.test/
        origin  ◀── GET /
        origin  ──▶ 200 | Cache-Control: max-age=60 | «blog»
        anna    ◀── 200 | «blog»
        anna    ──▶ GET http://blog.test/
        anna    ◀── 200 | Cache-Status: hit | «blog»
    """)
