"""Where one stands in a page, however it comes: whole, byte by byte, cut everywhere. What browsers do is HTML §13.2.5."""

from __future__ import annotations

import pytest

from fragments.esi.html_place import HtmlPlace

SCRIPT, FLOW, OTHER = "script", "flow", "other"

CASES = [
    (b"", FLOW),
    (b"<body><p>a < b ", FLOW),
    (b'<body><p class="a>b">', FLOW),
    (b"<html><head>", OTHER),
    (b"<html><head><title>a<b></title></head><body>", FLOW),
    (b'<body><a href="', OTHER),
    (b"<body><!-- ", OTHER),
    (b"<body><!-- a -->", FLOW),
    (b"<script>a</script>b", FLOW),
    (b"<script>", SCRIPT),
    (b"<SCRIPT async>x", SCRIPT),
    (b"<script/>", SCRIPT),
    (b"<script src=/x/>", SCRIPT),
    (b'<script>var a="</scr"+"ipt>"', SCRIPT),
    (b"<style>", OTHER),
    (b"<textarea>", OTHER),
    (b"<textarea><script>", SCRIPT),  # for all that is known here it is svg's, and then so is the script
    (b"<svg><script>", SCRIPT),
    (b"<svg><script/>", SCRIPT),  # an element of HTML may have ended svg
    (b"<svg></svg>a", FLOW),
    (b"<math><script>x", SCRIPT),
    (b"<template><script>", SCRIPT),
    (b"<noscript><script>", SCRIPT),
    (b"<select><option>", OTHER),
    (b"<!--><script>", SCRIPT),
    (b"<!---><script>", SCRIPT),
    (b"<!-- a --!><script>", SCRIPT),
    (b"<?x ?>a", FLOW),
    (b"<![CDATA[ <!-- ]]><script>", SCRIPT),
    (b"<p title=a'b><script>", SCRIPT),
    (b'<p a"><script>', SCRIPT),
    (b'</p x=">', OTHER),
    (b'<p x="><script>', SCRIPT),  # a value, but one that may be read once more
    (b"<script><!-- <script></script> x", SCRIPT),
    (b"<script><!-- <script></script> x</script>y", FLOW),
    (b"<script><!-->x</script>y", FLOW),
    (b'<a onclick="f(', SCRIPT),
    (b"<a href='x' ONLOAD = 'g(", SCRIPT),
    (b'<body class="' + b"z" * 5_000 + b'"><p>', FLOW),
]


def place(*pieces):
    found = HtmlPlace()
    for piece in pieces:
        found.feed(piece)
    assert not (found.in_script and found.is_flow)
    return SCRIPT if found.in_script else FLOW if found.is_flow else OTHER


@pytest.mark.parametrize(("text", "expected"), CASES, ids=[repr(text[:40]) for text, _ in CASES])
def test_a_place_is_known_however_the_text_comes(text, expected):
    assert place(text) == expected
    assert place(*[text[at : at + 1] for at in range(len(text))]) == expected
    for cut in range(1, min(len(text), 120)):
        assert place(text[:cut], text[cut:]) == expected, cut


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        (b"<a title=", True),
        (b"<a title=x", True),
        (b"<a title = ", True),
        (b'<a title="', False),
        (b"<a title='x ", False),
        (b"<a ", True),
        (b"<a title='x' ", True),
        (b"<a>", False),
        (b"<a title=x>", False),
    ],
)
def test_what_stands_in_a_tag_without_quotes_is_told_from_what_has_them(text, bare):
    found = HtmlPlace()
    found.feed(text)
    assert found.in_bare_value == bare


def test_it_keeps_little_of_what_it_has_seen():
    found = HtmlPlace()
    for _ in range(2_000):
        found.feed(b"<a title='" + b"x" * 100)
    kept = sum(len(part) for part in (found._name, found._attribute, found._tail))
    assert kept < 5_000
