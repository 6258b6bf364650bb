"""Assembled pages through the real flow: the corpus by both entrances, and both say the same; and once more in gzip."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterable
from typing import Any

import pytest

from gateway.semantics.message import Fields, first
from tests.assembly.corpus_pages import CASES, Case, include, page, part
from tests.assembly.site import Site, play_steps
from tests.support.fakes import Visitor, request

DEFECTS: dict[str, str] = {}
"""What is known to be wrong, and why."""

OF_THE_PLAIN_FORM = ("{etag}", "| Range:", "Content-Encoding", "Accept-Encoding", "page-in", "HEAD ", "416")
"""Steps that make no sense in gzip."""


def marked(cases: Iterable[Case]) -> list[Any]:
    return [
        pytest.param(
            case, id=case.id, marks=[pytest.mark.xfail(strict=True, reason=DEFECTS[case.id])] if case.id in DEFECTS else []
        )
        for case in cases
    ]


def play(case: Case, **how: Any) -> list[tuple[int, Fields, bytes]]:
    site = Site(case.table, esi=case.esi, **how)
    try:
        return play_steps(site, case.steps)
    finally:
        site.close()


def comparable(seen: list[tuple[int, Fields, bytes]]) -> Any:
    return [
        (status, sorted((name, b"" if name == b"etag" else value) for name, value in fields), body)
        for status, fields, body in seen
    ]


def as_far_as_both(one, other):
    """How much of a response that is cut gets through depends on who reads when; what does is the same."""
    least = min(len(one[2]), len(other[2]))
    return (*one[:2], one[2][:least]), (*other[:2], other[2][:least])


@pytest.mark.parametrize("case", marked(CASES))
def test_a_page_of_pieces_is_what_it_should_be_by_both_entrances(case: Case):
    both = [play(case, hot_lane=hot_lane) for hot_lane in (True, False)]
    if any(isinstance(step, str) and step.startswith("cut") for step in case.steps):
        both = list(zip(*map(as_far_as_both, *both), strict=True))
    assert comparable(both[0]) == comparable(both[1])


IN_GZIP = [
    case
    for case in CASES
    if case.id not in DEFECTS
    and not any(word in step for step in case.steps if isinstance(step, str) for word in OF_THE_PLAIN_FORM)
]


@pytest.mark.parametrize("case", IN_GZIP, ids=lambda case: case.id)
def test_a_page_of_pieces_is_the_same_in_gzip(case: Case):
    """Stitched from pieces, whole or as they get ready; cut short, it is a beginning that a browser can read."""
    for hot_lane in (True, False):
        play(case, hot_lane=hot_lane, gzip=True)


def test_most_of_the_corpus_is_compressed_there():
    """Else the test above would say little."""
    compressed = 0
    for case in IN_GZIP:
        site = Site(case.table, esi=case.esi, gzip=True)
        try:
            play_steps(site, case.steps)
        finally:
            site.close()
        compressed += site.compressed
    assert compressed >= len(IN_GZIP), compressed


def test_ids_of_the_corpus_are_its_own():
    assert len({case.id for case in CASES}) == len(CASES)


# ── What a case can not say ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(params=[True, False], ids=["both entrances", "answer alone"])
def site_of(request):
    """Make a site: site_of(table, esi=…)."""
    sites = []

    def make(table, **how) -> Site:
        sites.append(Site(table, hot_lane=request.param, **how))
        return sites[-1]

    yield make
    for site in sites:
        site.close()


def fields_of(site: Site, *fields: tuple[bytes, bytes], method: str = "GET", url: str = "/") -> tuple[int, Fields, bytes]:
    response, body = site.stage.run(site.stage.ask(method, url, [(b"accept-encoding", b"gzip"), *fields]))
    return response.status, response.fields(), body


def test_a_page_in_gzip_says_so_and_has_a_weak_tag_that_is_answered_with_304(site_of):
    """RFC 9110 §8.8.1, §12.5.5: the same page, in other octets."""
    site = site_of({"/": page(f"<p>{'words ' * 50}{include()}</p>"), "/a": part("A" * 300)}, gzip=True)
    fields_of(site)
    status, fields, body = fields_of(site)
    assert gzip.decompress(body) == b"<p>" + b"words " * 50 + b"A" * 300 + b"</p>"
    assert len(body) < 300
    assert (status, first(fields, b"content-encoding"), first(fields, b"vary")) == (200, b"gzip", b"accept-encoding")
    tag = first(fields, b"etag") or b""
    assert tag.startswith(b'W/"')
    assert first(fields, b"content-length") == b"%d" % len(body)
    status, fields, body = fields_of(site, (b"if-none-match", tag))
    assert (status, first(fields, b"etag"), first(fields, b"content-encoding"), body) == (304, tag, None, b"")


def test_a_visitor_without_gzip_gets_the_page_plain_from_the_same_pieces(site_of):
    site = site_of({"/": page(f"1{include()}2"), "/a": part("A")}, gzip=True)
    for coding in (b"gzip", b"identity", b"gzip", b"br", b"identity"):
        response, body = site.stage.run(site.stage.ask("GET", "/", [(b"accept-encoding", coding)]))
        plain = gzip.decompress(body) if first(response.fields(), b"content-encoding") == b"gzip" else body
        assert plain == b"1A2"
    assert (site.asked["/"], site.asked["/a"]) == (1, 1)


def test_a_page_is_answered_from_memory_at_once_however_its_pieces_came_there(site_of):
    """Flat pages, pages with variables, nested ones, attempts: no task is started for any of them."""
    table = {
        "/flat": page(f"1{include()}2"),
        "/says": page(f"<esi:vars>$(HTTP_HOST)</esi:vars>{include()}"),
        "/nested": page(include("/flat")),
        "/tries": page(f"<esi:try><esi:attempt>{include()}</esi:attempt><esi:except>no</esi:except></esi:try>"),
        "/varies": page(include("/v")),
        "/v": part("V", "Vary: Cookie"),
        "/a": part("A"),
    }
    site = site_of(table)
    for url, body in {"/flat": b"1A2", "/says": b"shop.testA", "/nested": b"1A2", "/tries": b"A", "/varies": b"V"}.items():
        site.stage.run(site.stage.ask("GET", url))
        response = site.stage.page.answer_now(request("GET", url), site.clock())
        assert response is not None, url
        assert response.body == body


def test_a_page_that_lacks_a_piece_is_not_answered_at_once(site_of):
    site = site_of({"/": page(f"1{include()}2"), "/a": part("A", control="Cache-Control: max-age=10")})
    site.stage.run(site.stage.ask("GET", "/"))
    assert site.stage.page.answer_now(request("GET", "/"), site.clock()) is not None
    site.stage.clock.turn(11)
    assert site.stage.page.answer_now(request("GET", "/"), site.clock()) is None


def test_visitors_who_come_together_share_the_page_and_its_fragments(site_of):
    """RFC 9111 §4: one fetch for all of them, of each."""
    site = site_of({"/": "slow " + page("x" * 20 + include() + "y" * 20), "/a": "slow " + part("AA")})

    async def come() -> list[Visitor]:
        visitors = [await site.ask("GET", "/", []) for _ in range(5)]
        for _ in range(4):
            site.stage.clock.turn(1)
            await site.stage._settle()
        return visitors

    visitors = site.stage.run(come())
    assert {visitor.received for visitor in visitors} == {b"x" * 20 + b"AA" + b"y" * 20}
    assert (site.asked["/"], site.asked["/a"]) == (1, 1)


@pytest.mark.parametrize("way", ["/a", "/"])
def test_a_visitor_who_leaves_takes_nothing_from_the_others(site_of, way):
    site = site_of({"/": page(f"1{include()}2"), "/a": "slow " + part("AA")})

    async def come_and_go() -> Visitor:
        first_come = await site.ask("GET", way, [])
        second = await site.ask("GET", "/", [])
        first_come.task.cancel()
        await asyncio.wait([first_come.task])
        site.stage.clock.turn(1)
        await site.stage._settle()
        return second

    assert site.stage.run(come_and_go()).received == b"1AA2"


def test_nothing_of_the_page_is_left_running_when_a_visitor_leaves(site_of):
    """But for what the origin was asked: that may come to be of use to others, and has time limits of its own."""
    site = site_of({"/": page(f"1{include()}{include('/b')}2", control="Cache-Control: no-store"), "/a": "hangs", "/b": "hangs"})

    async def come_and_go() -> set[Any]:
        visitor = await site.ask("GET", "/", [])
        assert visitor.received == b"1"
        visitor.task.cancel()
        await asyncio.wait([visitor.task])
        site.stage.clock.turn(60)
        await site.stage._settle()
        return asyncio.all_tasks() - {asyncio.current_task()} - site.stage.forwarder._tasks

    assert site.stage.run(come_and_go()) == set()
