"""Whatever a page holds: nothing raises, cuts don't matter, and what is not ESI passes unchanged."""

from __future__ import annotations

import re
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from fragments.esi.elements import ELEMENTS
from fragments.esi.frames import merge_text
from fragments.esi.nodes import Choose, Node, Text, Try
from fragments.esi.parser import ParseLimits, Parser, parse
from tests.esi.dumping import dump

LIMITS = ParseLimits(max_tag_bytes=60, max_depth=5, max_problems=20, max_attributes=3)

_names = st.sampled_from([*ELEMENTS, "nope", "debug", ""])
_values = st.sampled_from(["/a", "1", "", "a>b", "a&lt;b", "$(X)=='y'", "\n", "é", "-->", "]]>", "<esi:vars>", "</esi:text>"])
_attributes = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from([" ", "\n", "  "]),
    st.sampled_from(["src", "alt", "name", "value", "test", "collection", "x", "src"]),
    st.sampled_from(["=", " = ", "", "=="]),
    st.sampled_from(["'{}'", '"{}"', "{}", "'{}", '"{}']).flatmap(lambda quoted: _values.map(quoted.format)),
    st.just(""),
)
_start_tags = st.builds(
    "<esi:{}{}{}".format,
    _names,
    st.lists(_attributes, max_size=4).map("".join),
    st.sampled_from([">", "/>", " >", " / >", "", "<"]),
)
_end_tags = st.builds("</esi:{}{}".format, _names, st.sampled_from([">", " >", ""]))
_scraps = st.sampled_from(
    [
        "<",
        "<e",
        "<esi",
        "<esi:",
        "</",
        "</esi:",
        "<!-",
        "<!--",
        "<!--e",
        "<!--esi",
        "<!--esi ",
        "-",
        "--",
        "-->",
        ">",
        "<![CDATA[",
        "]]",
        "]]>",
        " ",
        "\n",
        "a",
        "é",
        '"',
        "'",
        "=",
        "\0",
    ]
)
_pages = st.lists(st.one_of(_start_tags, _end_tags, _scraps, st.text(max_size=5)), max_size=25).map(
    lambda parts: "".join(parts).encode()
)


def pieces_of(page: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(page) + 1) for cut in cuts), len(page)]
    return [page[start:end] for start, end in pairwise(edges)]


@given(_pages, st.lists(st.integers(0, 10_000), max_size=6))
@example(b"<!--esi-->", [8])
@example(b"<esi:text></esi:text", [15])
def test_no_page_raises_and_how_it_is_cut_does_not_matter(page: bytes, cuts: list[int]):
    nodes, problems = parse(page, LIMITS)
    for pieces in (pieces_of(page, cuts), [page[at : at + 1] for at in range(len(page))]):
        parser = Parser(limits=LIMITS)
        found = [node for piece in pieces for node in parser.feed(piece)]
        found = merge_text(found + parser.close())
        assert dump(found) == dump(nodes)
        assert parser.problems == problems
        assert [node.span for node in found] == [node.span for node in nodes]


@given(st.binary(max_size=60), st.lists(st.integers(0, 10_000), max_size=4))
@example(b"</esi:", [])
def test_octets_of_any_kind_do_not_raise(page: bytes, cuts: list[int]):
    parser = Parser(limits=LIMITS)
    nodes = [node for piece in pieces_of(page, cuts) for node in parser.feed(piece)]
    text = b"".join(node.data for node in nodes + parser.close() if isinstance(node, Text))
    assert text == page or b"esi:" in page or b"<!--esi" in page


@given(_pages)
def test_a_page_without_esi_is_its_own_text(page: bytes):
    page = page.replace(b"esi", b"x")
    nodes, problems = parse(page, LIMITS)
    assert not problems
    assert b"".join(node.data for node in nodes if isinstance(node, Text)) == page
    assert len(nodes) == (page != b"")


def everything(nodes: list[Node]) -> list[Node]:
    """The nodes, and all that are inside of them."""
    found: list[Node] = []
    for node in nodes:
        found.append(node)
        if isinstance(node, Try):
            inner = [*node.attempt, *node.except_]
        elif isinstance(node, Choose):
            inner = [each for when in node.whens for each in when.body] + (node.otherwise or [])
        else:
            inner = getattr(node, "body", None) or []
        found += everything(inner)
    return found


@given(_pages)
def test_markup_of_esi_is_never_text(page: bytes):
    """Outside of comments and CDATA, where it is content; and unless a tag that is dropped stood in the middle of it."""
    page = re.sub(rb"(?<!esi):", b";", re.sub(rb"(?<!<)(?<!</)esi:", b"x", page.replace(b"<!", b"<?")))
    nodes, _ = parse(page, LIMITS)
    texts = [node.data for node in everything(nodes) if isinstance(node, Text)]
    assert not [text for text in texts if b"<esi:" in text or b"</esi:" in text]


@given(_pages)
def test_spans_are_in_order_and_inside_of_the_page(page: bytes):
    nodes, problems = parse(page, LIMITS)
    end = 0
    for node in nodes:
        assert end <= node.span.start <= node.span.end <= len(page)
        end = node.span.end
    for problem in problems:
        assert 0 <= problem.span.start < problem.span.end <= len(page)
        before = page[: problem.span.start]
        assert problem.line == before.count(b"\n") + 1
        assert problem.column == len(before) - (before.rfind(b"\n") + 1) + 1


@given(_pages)
def test_adjacent_text_is_one_node_everywhere(page: bytes):
    def check(nodes: list[Node]) -> None:
        assert not [1 for before, after in pairwise(nodes) if isinstance(before, Text) and isinstance(after, Text)]

    nodes, _ = parse(page, LIMITS)
    check(nodes)
    for node in everything(nodes):
        if isinstance(node, Try):
            check(node.attempt)
            check(node.except_)
        elif isinstance(node, Choose):
            for when in node.whens:
                check(when.body)
            check(node.otherwise or [])
        else:
            check(getattr(node, "body", None) or [])
