"""Markup → nodes and problems, in every cut."""

from __future__ import annotations

import sys
from itertools import pairwise

import pytest

from fragments.esi.errors import Problem
from fragments.esi.frames import merge_text
from fragments.esi.nodes import Choose, Node, Text, Try, Vars
from fragments.esi.parser import DEFAULT_LIMITS, MAX_OPEN_INCLUDES, ParseLimits, Parser, parse
from tests.esi.corpus_language import MARKUP, Markup
from tests.esi.dumping import dump


def in_pieces(*pieces: bytes, limits: ParseLimits = DEFAULT_LIMITS) -> tuple[list[Node], list[Problem]]:
    parser = Parser(limits=limits)
    nodes = [node for piece in pieces for node in parser.feed(piece)]
    return merge_text(nodes + parser.close()), parser.problems


def byte_by_byte(page: bytes, limits: ParseLimits = DEFAULT_LIMITS) -> tuple[list[Node], list[Problem]]:
    return in_pieces(*(page[at : at + 1] for at in range(len(page))), limits=limits)


def codes(problems: list[Problem]) -> tuple[str, ...]:
    return tuple(problem.code for problem in problems)


# ── The corpus ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_no_two_cases_have_one_id():
    assert len({case.id for case in MARKUP}) == len(MARKUP)


@pytest.mark.parametrize("case", MARKUP, ids=lambda case: case.id)
def test_markup_becomes_these_nodes_with_these_problems(case: Markup):
    nodes, problems = parse(case.page.encode())
    assert dump(nodes) == case.nodes
    assert codes(problems) == case.problems


@pytest.mark.parametrize("case", MARKUP, ids=lambda case: case.id)
def test_how_markup_is_cut_does_not_matter(case: Markup):
    page = case.page.encode()
    nodes, problems = parse(page)
    whole = dump(nodes)
    for cut in range(len(page) + 1):
        nodes, others = in_pieces(page[:cut], page[cut:])
        assert (dump(nodes), others) == (whole, problems), f"cut at {cut}"
    nodes, others = byte_by_byte(page)
    assert (dump(nodes), others) == (whole, problems)


def spans(nodes: list[Node], page: bytes) -> list[bytes]:
    return [page[node.span.start : node.span.end] for node in nodes]


def test_a_span_reaches_from_the_start_tag_to_behind_the_end_tag():
    page = b'a<esi:include src="/a"/><!--esi b--><esi:vars>c<esi:eval src="/x">d</esi:vars ><esi:text>e</esi:text>f'
    nodes, problems = byte_by_byte(page)
    assert not problems
    assert spans(nodes, page) == [
        b"a",
        b'<esi:include src="/a"/>',
        b" b",
        b'<esi:vars>c<esi:eval src="/x">d</esi:vars >',
        b"<esi:text>e</esi:text>",
        b"f",
    ]
    (inner,) = [node for node in nodes if isinstance(node, Vars)]
    assert spans(inner.body, page) == [b"c", b'<esi:eval src="/x">', b"d"]


def test_a_span_of_an_element_without_end_reaches_to_the_tag_that_ended_it():
    page = b"<esi:try><esi:attempt>a<esi:except>b</esi:except></esi:try>"
    (node,), _ = parse(page)
    assert isinstance(node, Try)
    assert node.span == (0, len(page))
    page = b"<esi:choose><esi:when test='1'>a</esi:choose>"
    (node,), _ = parse(page)
    assert isinstance(node, Choose)
    assert spans(node.whens, page) == [b"<esi:when test='1'>a"]


# ── Problems ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("page", "line", "column", "stretch"),
    [
        ("</esi:vars>", 1, 1, "</esi:vars>"),
        ("a\nb</esi:vars>", 2, 2, "</esi:vars>"),
        ("\n\n</esi:vars>", 3, 1, "</esi:vars>"),
        ("é</esi:vars>", 1, 3, "</esi:vars>"),
        ("\n<esi:vars>\n\n", 2, 1, "<esi:vars>"),
        ("<esi:include src='/a' x='1'/>", 1, 23, "x='1'"),
        ("\n  <esi:include\nsrc='/a'\n  x='1'/>", 4, 3, "x='1'"),
        ("\n  <esi:include src='\n' x='1'/>", 3, 3, "x='1'"),
        ("<!--\n-->\n<!--esi x", 3, 1, "<!--esi"),
        ("<![CDATA[\n\n]]> <esi:nope/>", 3, 5, "<esi:nope/>"),
        ("<esi:text>\n</esi:text><esi:nope/>", 2, 12, "<esi:nope/>"),
        ("\n <esi:choose>\nx</esi:choose>", 2, 2, "<esi:choose>"),
        ("\n <esi:include\n src='/a", 2, 2, "<esi:include\n src='/a"),
    ],
)
def test_a_problem_has_its_place(page, line, column, stretch):
    for _, problems in (parse(page.encode()), byte_by_byte(page.encode())):
        problem = problems[0]
        assert (problem.line, problem.column) == (line, column)
        assert page.encode()[problem.span.start : problem.span.end] == stretch.encode()


@pytest.mark.parametrize(
    ("page", "severity"),
    [
        (b"<esi:nope/>", "error"),
        (b"<esi:debug/>", "unsupported"),
        (b"<esi:include src=a/>", "warning"),
        (b"<esi:include src='a'>", "warning"),
        (b"<esi:include/>", "error"),
        (b"<esi:vars>", "error"),
        (b"<esi:try><esi:attempt/></esi:try>", "warning"),
        (b"<esi:try><esi:except/></esi:try>", "error"),
    ],
)
def test_a_problem_says_how_bad_it_is(page, severity):
    _, (problem,) = parse(page)
    assert problem.severity == severity


def test_a_message_names_what_and_what_was_expected():
    _, (problem,) = parse(b"<esi:vars>x")
    assert problem.message == "<esi:vars> has no end: expected </esi:vars>"
    _, (problem,) = parse(b"<esi:include alt='/x'/>")
    assert problem.message == "<esi:include> needs src: it is dropped"


def test_problems_are_counted_up_to_a_limit_and_then_once_more():
    limits = DEFAULT_LIMITS._replace(max_problems=3)
    for _, problems in (parse(b"<esi:a>" * 50, limits), byte_by_byte(b"<esi:a>" * 50, limits)):
        assert codes(problems) == ("unknown-element",) * 3 + ("too-many-problems",)
    _, problems = parse(b"<esi:a>" * 3, limits)
    assert codes(problems) == ("unknown-element",) * 3


# ── Limits ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_tag_of_the_greatest_length_is_read_and_a_longer_one_is_dropped_to_the_next_end_sign():
    tag = b'<esi:include src="/a"/>'
    fits = DEFAULT_LIMITS._replace(max_tag_bytes=len(tag))
    too_small = DEFAULT_LIMITS._replace(max_tag_bytes=len(tag) - 1)
    page = b"x" + tag + b"y>z"
    for nodes, problems in (parse(page, fits), byte_by_byte(page, fits)):
        assert (dump(nodes), codes(problems)) == ("«x» include(src=/a) «y>z»", ())
    for nodes, problems in (parse(page, too_small), byte_by_byte(page, too_small)):
        assert (dump(nodes), codes(problems)) == ("«xy>z»", ("tag-too-long",))


def test_quotes_do_not_hide_the_end_of_a_tag_that_is_too_long():
    limits = DEFAULT_LIMITS._replace(max_tag_bytes=30)
    page = b'<esi:include src="' + b"a" * 40 + b'>"/>b'
    for nodes, problems in (parse(page, limits), byte_by_byte(page, limits)):
        assert (dump(nodes), codes(problems)) == ('«"/>b»', ("tag-too-long",))


def test_a_tag_that_is_too_long_and_never_ends_takes_the_rest_of_the_page():
    limits = DEFAULT_LIMITS._replace(max_tag_bytes=30)
    nodes, problems = byte_by_byte(b"a<esi:vars " + b"b" * 100, limits)
    assert (dump(nodes), codes(problems)) == ("«a»", ("tag-too-long",))


def test_further_attributes_are_ignored():
    limits = DEFAULT_LIMITS._replace(max_attributes=2)
    nodes, problems = parse(b'<esi:include src="/a" alt="/b" ttl="1" dca="2"/>', limits)
    assert (dump(nodes), codes(problems)) == ("include(src=/a alt=/b)", ("too-many-attributes",))


def test_elements_nest_only_so_deep_and_the_content_of_deeper_ones_goes_on():
    limits = DEFAULT_LIMITS._replace(max_depth=2)
    page = b"<esi:vars>" * 3 + b"x" + b"</esi:vars>" * 3 + b"y"
    nodes, problems = parse(page, limits)
    assert (dump(nodes), codes(problems)) == ("vars[vars[«x»]] «y»", ("too-deep",))
    page = b"<esi:vars>" * 2 + b"<esi:text><esi:vars></esi:text><esi:remove>r</esi:remove><esi:include src='/a'>b</esi:include>"
    nodes, problems = parse(page, limits)
    assert dump(nodes) == "vars[vars[verbatim«<esi:vars>» include(src=/a)[«b»]]]"
    assert "too-deep" not in codes(problems)


def test_an_element_that_has_ended_makes_room_for_another():
    limits = DEFAULT_LIMITS._replace(max_depth=1)
    nodes, problems = parse(b"<esi:vars>x</esi:vars>" * 3, limits)
    assert (dump(nodes), problems) == ("vars[«x»] vars[«x»] vars[«x»]", [])


# ── Streaming ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_text_is_handed_out_at_once_but_for_a_possible_beginning_of_a_marker():
    parser = Parser()
    assert dump(parser.feed(b"one <")) == "«one »"
    assert dump(parser.feed(b"b> two <es")) == "«<b> two »"
    assert dump(parser.feed(b"p> three <!--")) == "«<esp> three »"
    assert dump(parser.feed(b" four --")) == "«<!-- four »"
    assert dump(parser.feed(b"> five")) == "«-->» «five»".replace("» «five", " five")
    assert not parser.close()


def test_a_node_is_handed_out_with_its_last_octet():
    parser = Parser()
    assert not parser.feed(b"<esi:try><esi:attempt>a</esi:attempt><esi:except>b</esi:except></esi:try")
    assert dump(parser.feed(b">")) == "try[«a»|«b»]"
    assert not parser.close()


def test_includes_without_a_slash_hold_back_only_so_many():
    parser = Parser()
    handed = [dump(parser.feed(f'{n}<esi:include src="/{n}">'.encode())) for n in range(MAX_OPEN_INCLUDES + 2)]
    assert handed == ["«0»", *[""] * (MAX_OPEN_INCLUDES - 1), "include(src=/0) «1»", "include(src=/1) «2»"]


def test_what_was_met_is_counted():
    parser = Parser()
    parser.feed(
        b'<esi:include src="/a"/><esi:vars></esi:vars><esi:nope><!--esi x--><!-- <esi:vars> --><esi:text><esi:vars></esi:text>'
    )
    assert parser.found == 5
    parser.feed(b"<esi:remove><esi:remove></esi:remove></esi:remove>")
    assert parser.found == 6


def test_a_page_of_plain_text_is_one_node():
    page = b"<p>\xff\x00 text</p>" * 10
    (node,), problems = parse(page)
    assert isinstance(node, Text)
    assert (node.data, node.span, problems) == (page, (0, len(page)), [])


def test_octets_that_are_no_utf_8_survive_in_attributes():
    (node,), _ = parse(b'<esi:include src="/\xff\xc3\xa9"/>')
    assert node.attributes["src"].encode("utf-8", "surrogateescape") == b"/\xff\xc3\xa9"


# ── Work ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

HOSTILE = {
    "includes that never end": lambda n: b'<esi:include src="/a">x' * n,
    "elements that never end": lambda n: b"<esi:vars>x" * n,
    "choose without end": lambda n: b"<esi:choose><esi:when test='1'>x" * n,
    "tries with forgotten slashes": lambda n: b"<esi:try><esi:attempt><esi:include src='/a'>" * n,
    "unknown elements": lambda n: (
        b"".join(b"<esi:x%d>" % at for at in range(n)) + b"".join(b"</esi:x%d>" % at for at in range(n))
    ),
    "stray end tags": lambda n: b"</esi:vars>" * n,
    "beginnings": lambda n: b"<esi<!-<![CDATA</esi" * n,
    "comments": lambda n: b"<!-- x --><!-->" * n,
    "comments in an ESI comment": lambda n: b"<!--esi" + b"<!-- <!--esi " * n,
    "ESI comments": lambda n: b"<!--esi x-->" * n,
    "CDATA": lambda n: b"<![CDATA[x]]><![CDATA[" * n,
    "dashes": lambda n: b"<!--esi " + b"-" * n * 8,
    "removes": lambda n: b"<esi:remove>x" * n,
    "texts": lambda n: b"<esi:text>x</esi:tex</esi:text>" * n,
    "attributes": lambda n: b"<esi:include src='/a' " + b'a="b" ' * n + b"/>",
    "quotes": lambda n: b"<esi:include " + b"=\"'" * n + b"/>" + b"<esi:include src='" + b'"' * n,
    "equals signs": lambda n: b"<esi:include " + b"a= =" * n + b"/>",
    "entities": lambda n: b'<esi:include src="' + b"&amp;&" * n + b'"/>',
    "lines": lambda n: b"\n</esi:vars>\n" * n,
}


def steps(page: bytes, size: int) -> tuple[int, int]:
    """Calls, of Python and C functions, and octets in the buffers that they looked at."""
    counted = looked_at = 0

    def count(frame, event, argument) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    parser = Parser(limits=DEFAULT_LIMITS._replace(max_tag_bytes=1_000_000, max_attributes=1_000_000))
    sys.setprofile(count)
    try:
        for at in range(0, len(page), size):
            parser.feed(page[at : at + size])
            looked_at += len(parser._lexer._buffer)
        parser.close()
    finally:
        sys.setprofile(None)
    return counted, looked_at


@pytest.mark.parametrize("size", [1, 7, 1_000_000])
@pytest.mark.parametrize("hostile", HOSTILE)
def test_work_grows_as_the_page_does(hostile, size):
    small, large = HOSTILE[hostile](100), HOSTILE[hostile](400)
    (few, little), (many, much) = steps(small, size), steps(large, size)
    growth = len(large) / len(small)
    assert many <= few * growth * 1.2 + 100
    assert much <= little * growth * 1.2 + 100
    assert much <= len(large) * 13


def test_a_megabyte_of_attribute_byte_by_byte():
    page = b'<esi:include src="' + b"a" * 1_000_000 + b'"/>b'
    nodes, problems = byte_by_byte(page)
    assert (dump(nodes), codes(problems)) == ("«b»", ("tag-too-long",))


def test_what_is_held_while_skipping_a_long_tag_is_bounded():
    parser = Parser()
    for _ in range(100):
        parser.feed(b'<esi:include src="' + b"a" * 10_000)
        held = len(parser._lexer._buffer) + sum(map(len, parser._lexer._pieces))
        assert held <= DEFAULT_LIMITS.max_tag_bytes + 10_100


def test_problems_come_in_the_order_of_the_page_where_they_are_of_one_kind():
    _, problems = parse(b"<esi:a/>\n<esi:b/>\n<esi:c/>")
    assert all(before.span.start < after.span.start for before, after in pairwise(problems))
    assert len(problems) == 3
