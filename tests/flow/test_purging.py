"""Purging: by URL, prefix, tag, route, or everything; soft and hard; how many it hit; never overtaken by what began before."""

from __future__ import annotations

import pytest

from gateway.cache.freshness import CachePolicy
from gateway.cache.key import QueryRule
from gateway.flow.routes import Route
from tests.support.fakes import NO_COMPRESSION, FakeOrigin, Stage


def two_routes(origin: FakeOrigin) -> list[Route]:
    policy = CachePolicy(stale_if_error=0.0)
    return [
        Route("blog", origin, policy, NO_COMPRESSION, path="/blog"),
        Route("shop", origin, policy, NO_COMPRESSION, query=QueryRule("drop", ("utm_*",))),
    ]


@pytest.fixture
def stage(stage_of) -> Stage:
    stage = stage_of(routes=two_routes)
    stage.play("".join(store(*page) for page in PAGES))
    return stage


PAGES = [
    ("/shop/1", "shop item-1"),
    ("/shop/2", "shop item-2"),
    ("/shopping", "other"),
    ("/blog/a", "news item-1"),
    ("/blog/b?page=2", "news"),
    ("http://other.test/shop/1", "shop"),
]


def store(url: str, tags: str, window: str = "") -> str:
    path = url.partition(".test")[2] or url
    return f"""
        visitor ──▶ GET {url}
        origin  ◀── GET {path}
        origin  ──▶ 200 | Cache-Control: max-age=60{window} | ETag: "old" | Surrogate-Key: {tags} | «old {url}»
        visitor ◀── 200 | «old {url}»
    """


def is_stored(url: str) -> str:
    return f"""
        visitor ──▶ GET {url}
        visitor ◀── 200 | Cache-Status: hit | «old {url}»
    """


def is_gone(url: str) -> str:
    path = url.partition(".test")[2] or url
    return f"""
        visitor ──▶ GET {url}
        origin  ◀── GET {path} | -If-None-Match
        origin  ──▶ 200 | Cache-Control: max-age=60 | «new {url}»
        visitor ◀── 200 | «new {url}»
    """


@pytest.mark.parametrize(
    ("what", "hit"),
    [
        ("url /shop/1", ["/shop/1"]),
        ("url /shop/1?utm_source=mail", ["/shop/1"]),
        ("url /nowhere", []),
        ("prefix /shop", ["/shop/1", "/shop/2", "/shopping"]),
        ("prefix /shop/", ["/shop/1", "/shop/2"]),
        ("prefix http://other.test/", ["http://other.test/shop/1"]),
        ("tag shop", ["/shop/1", "/shop/2", "http://other.test/shop/1"]),
        ("tag item-1", ["/shop/1", "/blog/a"]),
        ("tag item", []),
        ("route blog", ["/blog/a", "/blog/b?page=2"]),
        ("all", [url for url, _ in PAGES]),
    ],
)
def test_a_hard_purge_hits_what_it_names_and_nothing_else(stage, what, hit):
    stage.play(f"purge hard {what} ──▶ {len(hit)}")
    stage.play("".join(is_gone(url) if url in hit else is_stored(url) for url, _ in PAGES))


@pytest.mark.parametrize("what", ["url /page", "prefix /", "tag a", "route shop", "all"])
def test_a_soft_purge_lets_it_be_served_while_it_is_renewed(stage_of, what):
    stage = stage_of(routes=two_routes)
    stage.play(store("/page", "a"))
    stage.play(f"""
        purge soft {what} ──▶ 1
        anna    ──▶ GET /page
        anna    ◀── 200 | Cache-Status: hit; ttl=0 | «old /page»
        origin  ◀── GET /page | If-None-Match: "old"
        ben     ──▶ GET /page
        ben     ◀── 200 | Cache-Status: hit | «old /page»
        origin  ──▶ 200 | Cache-Control: max-age=60 | ETag: "new" | «new»
        carla   ──▶ GET /page
        carla   ◀── 200 | Cache-Status: hit; ttl=60 | «new»
    """)


def test_after_its_grace_a_softly_purged_response_waits_for_its_renewal(stage_of):
    """purge.soft_grace."""
    stage = stage_of(routes=two_routes)
    stage.play(store("/page", "a"))
    stage.play("""
        purge soft tag a ──▶ 1
        anna    ──▶ GET /page
        anna    ◀── 200 | «old /page»
        origin  ◀── GET /page
        origin  ──▶ refused
        +61 s
        anna    ──▶ GET /page
        origin  ◀── GET /page | If-None-Match: "old"
        origin  ──▶ 304
        anna    ◀── 200 | Cache-Status: fwd=stale | «old /page»
    """)


def test_a_soft_purge_does_not_make_servable_what_may_not_be_stale(stage_of):
    """RFC 9111 §5.2.2.2: must-revalidate."""
    stage = stage_of(routes=two_routes)
    stage.play(store("/page", "a", ", must-revalidate"))
    stage.play("""
        purge soft tag a ──▶ 1
        anna    ──▶ GET /page
        origin  ◀── GET /page | If-None-Match: "old"
        origin  ──▶ 304
        anna    ◀── 200 | Cache-Status: fwd=stale; fwd-status=304 | «old /page»
    """)


def test_a_hard_purge_goes_beyond_a_soft_one(stage):
    stage.play("purge soft tag item-1 ──▶ 2" + "\npurge hard tag item-1")
    stage.play(is_gone("/shop/1") + is_gone("/blog/a"))


def test_a_soft_purge_after_a_hard_one_brings_nothing_back(stage):
    stage.play("purge hard tag item-1 ──▶ 2" + "\npurge soft tag item-1 ──▶ 0")
    stage.play(is_gone("/shop/1") + is_gone("/blog/a"))


def test_what_was_stored_after_a_purge_is_not_hit_by_it(stage):
    stage.play("purge hard tag shop ──▶ 3")
    stage.play(is_gone("/shop/1"))
    stage.play("""
        visitor ──▶ GET /shop/1
        visitor ◀── 200 | Cache-Status: hit | «new /shop/1»
    """)


def test_a_purge_counts_what_came_back_and_not_what_is_gone(stage):
    stage.play("purge hard tag shop ──▶ 3" + "\npurge hard tag shop ──▶ 0")
    stage.play(store("/shop/3", "shop") + "purge soft tag shop ──▶ 1")


@pytest.mark.parametrize("strength", ["soft", "hard"])
@pytest.mark.parametrize("what", ["url /page", "prefix /", "tag a", "route shop", "all"])
def test_a_fetch_that_began_before_a_purge_never_brings_old_bytes_back(stage_of, strength, what):
    stage = stage_of(routes=two_routes)
    stage.play(f"""
        anna    ──▶ GET /page
        origin  ◀── GET /page
        purge {strength} {what}
        origin  ──▶ 200 | Cache-Control: max-age=60 | Surrogate-Key: a | «before»
        anna    ◀── 200 | «before»
        ben     ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | Surrogate-Key: a | «after»
        ben     ◀── 200 | «after»
        ben     ──▶ GET /page
        ben     ◀── 200 | Cache-Status: hit | «after»
    """)


@pytest.mark.parametrize("strength", ["soft", "hard"])
@pytest.mark.parametrize("what", ["url /page", "tag a", "all"])
def test_nor_when_the_purge_comes_in_the_middle_of_its_content(stage_of, strength, what):
    stage = stage_of(routes=two_routes)
    stage.play(f"""
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | Surrogate-Key: a | «be» …
        anna    ◀── 200 | «be» …
        purge {strength} {what}
        ben     ──▶ GET /page
        origin 2 ◀── GET /page
        origin  ──▶ «fore»
        anna    ◀── 200 | «before»
        origin 2 ──▶ 200 | Cache-Control: max-age=60 | Surrogate-Key: a | «after»
        ben     ◀── 200 | «after»
        ben     ──▶ GET /page
        ben     ◀── 200 | Cache-Status: hit | «after»
    """)


@pytest.mark.parametrize("what", ["url /page", "tag a", "route shop", "all"])
def test_who_waits_for_a_fetch_that_was_purged_does_not_get_what_it_brings(stage_of, what):
    stage = stage_of(routes=two_routes)
    stage.play(f"""
        anna     ──▶ GET /page
        ben      ──▶ GET /page
        origin 1 ◀── GET /page
        purge hard {what}
        origin 1 ──▶ 200 | Cache-Control: max-age=60 | Surrogate-Key: a | «before»
        anna     ◀── 200 | «before»
        origin 2 ◀── GET /page
        origin 2 ──▶ 200 | Cache-Control: max-age=60 | Surrogate-Key: a | «after»
        ben      ◀── 200 | «after»
    """)


@pytest.mark.parametrize("strength", ["soft", "hard"])
def test_a_confirmation_that_began_before_a_purge_confirms_nothing(stage_of, strength):
    stage = stage_of(routes=two_routes)
    stage.play(store("/page", "a"))
    stage.play(f"""
        +61 s
        anna    ──▶ GET /page
        origin  ◀── GET /page | If-None-Match: "old"
        purge {strength} tag a
        origin  ──▶ 304
        anna    ◀── 200 | «old /page»
        ben     ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | «new»
        ben     ◀── 200 | «new»
    """)


def test_a_part_that_was_purged_is_not_joined_to_a_new_one(stage_of):
    stage = stage_of(routes=two_routes)
    stage.play("""
        anna    ──▶ GET /page | Range: bytes=0-2
        origin  ◀── GET /page
        origin  ──▶ 206 | Cache-Control: max-age=60 | ETag: "a" | Surrogate-Key: a | Content-Range: bytes 0-2/6 | «OLD»
        anna    ◀── 206 | «OLD»
        purge hard tag a ──▶ 1
        anna    ──▶ GET /page | Range: bytes=3-5
        origin  ◀── GET /page
        origin  ──▶ 206 | Cache-Control: max-age=60 | ETag: "a" | Surrogate-Key: a | Content-Range: bytes 3-5/6 | «new»
        anna    ◀── 206 | «new»
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | «NEWnew»
        anna    ◀── 200 | «NEWnew»
    """)


def test_tags_of_every_kind_can_be_purged_by(stage_of):
    """Surrogate-Key and Cache-Tag, by blanks or commas; Cache-Groups (RFC 9875 §2) with a mark of their own. None of the first two is sent on."""
    stage = stage_of(routes=two_routes)
    for tag in ("a", "b", "c", "d", "group:e", "group:f g"):
        stage.play("""
            visitor ──▶ GET /page
            origin  ◀── GET /page
            origin  ──▶ 200 | Cache-Control: max-age=60 | Surrogate-Key: a b | Cache-Tag: c,d | Cache-Groups: "e", "f g" | «x»
            visitor ◀── 200 | -Surrogate-Key | -Cache-Tag | Cache-Groups: "e", "f g" | «x»
        """)
        assert stage.run(stage.purger.purge(("tag", tag.encode()), hard=True)).entries == 1
        assert stage.store.shelf((b"http", b"shop.test", b"/page")) is not None, "a purge touches nothing"
    stage.play(is_gone("/page"))


def test_more_tags_than_are_read_are_not_stored(stage_of):
    """Half of the tags would make half of the purges miss it."""
    stage = stage_of(policy=CachePolicy(tag_bytes=10))
    stage.play("""
        visitor ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | Surrogate-Key: 0123456789a | «x»
        visitor ◀── 200 | -Age | -Surrogate-Key | «x»
    """)


def test_a_confirmation_keeps_the_tags_or_brings_new_ones(stage_of):
    stage = stage_of(routes=two_routes)
    stage.play(store("/page", "a"))
    stage.play("""
        +61 s
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 304
        anna    ◀── 200 | «old /page»
        purge soft tag b ──▶ 0
        +61 s
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 304 | Surrogate-Key: b
        anna    ◀── 200 | «old /page»
        purge soft tag a ──▶ 0
        purge hard tag b ──▶ 1
    """)
    stage.play(is_gone("/page"))


def test_every_form_of_a_url_is_purged(stage_of):
    stage = stage_of(routes=two_routes)
    for form in ("a", "b"):
        stage.play(f"""
            visitor ──▶ GET /page | X-Form: {form}
            origin  ◀── GET /page
            origin  ──▶ 200 | Cache-Control: max-age=60 | Vary: X-Form | «{form}»
            visitor ◀── 200 | «{form}»
        """)
    stage.play("purge hard url /page ──▶ 2")
    for form in ("a", "b"):
        stage.play(f"""
            visitor ──▶ GET /page | X-Form: {form}
            origin  ◀── GET /page
            origin  ──▶ 200 | Cache-Control: max-age=60 | Vary: X-Form | «new {form}»
            visitor ◀── 200 | «new {form}»
        """)
