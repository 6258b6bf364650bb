"""Where in an HTML page a text stands: what decides how request text is escaped. Section numbers are the HTML Standard's."""

from __future__ import annotations

import itertools
import json
import re

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from fragments.esi.html_place import HtmlPlace
from tests.support.chromium import Chromium, find_chromium

MARK = "§"

IN_SCRIPT = {
    "plain": "<script>a='§'</script>",
    "with attributes": "<script type='module' defer data-x=\"a>b\">a='§'</script>",
    "in upper case": "<ScRiPt\ntype=module>a='§'</sCrIpT>",
    "a slash does not close it": "<script defer/>a='§'</script>",
    "a slash in its address": "<script src=/x/>a='§'</script>",
    "after another": "<script>1</script><script>a='§'</script>",
    "an end tag that is not one": "<script>a='</scripts>§'</script>",
    "an end tag in a text does end it, this one not": "<script>a='<\\/script>§'</script>",
    "a comment in it": "<script><!-- a='§' --></script>",
    "a comment in it, and a script": "<script><!-- <script></script> a='§' --></script>",
    "a comment in it that has ended": "<script><!-- <script> --> a='§'</script>",
    "a comment in it that ends at once": "<script><!--><script></script><script>a='§'</script>",
    "after a comment": "<!-- x --><script>a='§'</script>",
    "after a comment that ends with a bang": "<!-- x --!><script>a='§'</script><!-- -->",
    "after the shortest comment": "<!--><script>a='§'</script><!-- -->",
    "after the second shortest": "<!---><script>a='§'</script><!-- -->",
    "after a comment with dashes": "<!-- -- > ---><script>a='§'</script>",
    "after a doctype with a quote": "<!doctype \"><script>a='§'</script>",
    "after an instruction with a quote": "<?x \"><script>a='§'</script>",
    "after a section of character data": "<![CDATA[ <!-- ]]><script>a='§'</script><!-- -->",
    "after an end tag without a name": "</><script>a='§'</script>",
    "after an end tag with a sign for a name": "</ \"><script>a='§'</script>",
    "after a sign": "<<script>a='§'</script>",
    "after a quote within a bare value": "<p title=a'b><script>a='§'</script><p title=a'b>",
    "after a quote in a name": "<p a\"><script>a='§'</script><p b\">",
    "after a quote behind a slash": "<p a/\"><script>a='§'</script><p b/\">",
    "after a quote at the beginning of a name": "<p ='><script>a='§'</script><p ='>",
    "after an empty value": "<p a=><script>a='§'</script><p a='>'>",
    "after an end tag with a value": "</p x='>'><script>a='§'</script>",
    "after a long value": f"<p title='{'x' * 5000} > <!-- '><script>a='§'</script>",
    "after a title": "<title><!-- <b title='</title><script>a='§'</script>",
    "after a title with a slash": "<title/>x</title><script>a='§'</script>",
    "after a text area": "<textarea>'<!-- </textarea><script>a='§'</script>",
    "after a style": "<style>a{b:'<!--'}</style><script>a='§'</script>",
    "after a frame": "<iframe/><!-- </iframe><script>a='§'</script>",
    "after an end tag in capitals": "<xmp><!-- </XMP x='>'><script>a='§'</script>",
    "in svg": "<svg><script>a='§'</script></svg>",
    "in svg after an end tag in a comment": "<svg><script><!-- </script> --> a='§'</script></svg>",
    "in svg after an end tag in character data": "<svg><script><![CDATA[ </script> a='§' ]]></script></svg>",
    "in math": "<math><mtext><script>a='§'</script></mtext></math>",
    "in a template": "<template><script>a='§'</script></template>",
    "in a select": "<select><script>a='§'</script></select>",
    "in noscript, for those without": "<noscript><script>a='§'</script></noscript>",
    "in a title of svg": "<svg><title><b></b><script>a='§'</script></title></svg>",
    "after svg in what looks like a title": "<svg><title><b></svg><script>a='§'</script></title>",
    "in a text area of svg": "<svg><textarea/><script>a='§'</script></svg>",
    "in a document of its own": "<iframe srcdoc=\"<script>a='§'</script>\"></iframe>",
}  # fmt: skip

IN_HTML = {
    "at the beginning": "§",
    "in a paragraph": "<p>§",
    "in quotes": "<p title='§'>",
    "in double quotes": '<p title="§">',
    "after a script": "<script>1</script>§",
    "after a script with a comment": "<script><!-- x --></script>§",
    "after a script with a script in its comment": "<script><!-- <script></script> --></script>§",
    "after a script that writes one": "<script>write('<script>1<\\/script>')</script>§",
    "after a script in a template": "<template><script>1</script></template>§",
    "after a script in a comment": "<!-- <script> -->§",
    "after a script in a value": "<p title='<script>'>§",
    "after a script in a title": "<title><script></title>§",
    "after what begins like one": "<scripts>§</scripts>",
    "in a title": "<title>§</title>",
    "in a comment": "<!-- § -->",
    "among the text of svg": "<svg><text>§</text></svg>",
}

IN_BARE_VALUE = {
    "a value": "<p title=§>",
    "a value behind a blank": "<p title= §>",
    "the rest of a value": "<p title=a§>",
    "an address": "<a href=/a/§>",
    "with a quote in it": "<a href=a'b§>",
    "a name": "<p §>",
    "the rest of a name": "<p data-§='x'>",
    "behind a name": "<p hidden §>",
    "an element": "<p§>",
    "behind a value": "<p title='x'§>",
}


def place_at_mark(markup: str) -> HtmlPlace:
    place = HtmlPlace()
    place.feed(markup.partition(MARK)[0].encode())
    return place


@pytest.mark.parametrize("name", IN_SCRIPT)
def test_what_is_in_a_script_is_seen(name):
    assert place_at_mark(IN_SCRIPT[name]).in_script


@pytest.mark.parametrize("name", [*IN_HTML, *IN_BARE_VALUE])
def test_what_is_not_in_a_script_is_not_taken_for_one(name):
    assert not place_at_mark((IN_HTML | IN_BARE_VALUE)[name]).in_script


@pytest.mark.parametrize("name", [*IN_HTML, *IN_BARE_VALUE, *IN_SCRIPT])
def test_a_value_without_quotes_is_seen(name):
    assert place_at_mark((IN_HTML | IN_BARE_VALUE | IN_SCRIPT)[name]).in_bare_value == (name in IN_BARE_VALUE)


@pytest.mark.parametrize(
    ("markup", "flows"),
    [
        ("<p>§", True),
        ("<html><body>§", True),
        ("<html><head><title>x</title>§", False),
        ("<html><head></head><body class='x'>§", True),
        ("<title>§", False),
        ("<style>§", False),
        ("<script>§", False),
        ("<!-- §", False),
        ("<p §", False),
        ("<p title='§", False),
        ("<select>§", False),
        ("<select></select>§", True),
        ("<template><template></template>§", False),
        ("<template><template></template></template>§", True),
        ("<svg>§", False),
        ("<svg/>§", True),
        ("<svg></svg>§", True),
        ("a <§", False),
        ("a < b§", True),
    ],
)
def test_elements_may_stand_where_they_may(markup, flows):
    assert place_at_mark(markup).is_flow == flows


@pytest.mark.parametrize(
    ("markup", "code"),
    [
        ("<p onclick='§'>", True),
        ("<p OnClick = f(§)>", True),
        ("<p title=x onload=§>", True),
        ("<iframe srcdoc='<p>§'>", True),
        ("<p onclick='f()' title='§'>", False),
        ("<p onclick title='§'>", False),
        ("<p onclick='f()'>§", False),
        ("<p data-on='§'>", False),
    ],
)
def test_what_is_decoded_and_then_read_as_code_is_seen(markup, code):
    """Escaped as for HTML, it would be code again after the first reading."""
    assert place_at_mark(markup).in_script == code
    assert (place_of_octets(markup).in_script, place_of_octets(markup).is_flow) == (code, place_at_mark(markup).is_flow)


def place_of_octets(markup: str) -> HtmlPlace:
    place = HtmlPlace()
    for octet in markup.partition(MARK)[0].encode():
        place.feed(bytes([octet]))
    return place


def test_what_is_written_by_a_variable_may_be_a_value():
    """<p title=$(a) class="b>c">: the second value is in quotes, though nothing stands behind the first sign of equality."""
    place = HtmlPlace()
    place.feed(b"<p title=")
    place.pass_unknown()
    place.feed(b' class="b>c"><script>')
    assert place.in_script


scraps = st.lists(
    st.sampled_from(
        ["<", "<p", "<script", "</script", "<svg", "<title", "</title", "<textarea", "</", "<!--", "-->", "--!>", "<!", "<?", "<![CDATA[", "]]>", ">", "/", "/>",
         " ", "=", "'", '"', "a", "a=", "-", "--", "\n", "!", "<template>", "</template>", "<iframe srcdoc='", "é"]
    ),
    max_size=14,
).map("".join)  # fmt: skip


@given(text=scraps, cuts=st.lists(st.integers(0, 60), max_size=5))
@example(text="<!--->", cuts=[4, 5])
@example(text="<script><!--></script>", cuts=[12])
@example(text="<p a=b/>", cuts=[7])
def test_cuts_make_no_difference(text, cuts):
    octets = text.encode()
    whole, cut, single = HtmlPlace(), HtmlPlace(), HtmlPlace()
    whole.feed(octets)
    for start, stop in itertools.pairwise([0, *sorted(min(place, len(octets)) for place in cuts), len(octets)]):
        cut.feed(octets[start:stop])
    for octet in octets:
        single.feed(bytes([octet]))
    assert facts(whole) == facts(cut) == facts(single)
    for place in (whole, cut, single):
        place.feed(b"\n>' \" --><script>")
    assert facts(whole) == facts(cut) == facts(single)


def facts(place: HtmlPlace) -> tuple[bool, bool, bool]:
    return place.in_script, place.in_bare_value, place.is_flow


# ── What Chromium says ───────────────────────────────────────────────────────────────────────────────────────────────────────────

FIND = """
(markup => {
  let found = 0;
  const walk = root => {
    for (const each of root.querySelectorAll('*')) {
      if (each.localName === 'script' && each.textContent.includes('MARK')) found += 1;
      if (each.content && each.content.querySelectorAll) walk(each.content);
      if (each.localName === 'iframe' && each.srcdoc) walk(parse(each.srcdoc));
    }
  };
  const parse = text => new DOMParser().parseFromString(text, 'text/html');
  walk(parse(markup));
  return found;
})
"""
"""How many scripts of a page have the mark in them; a page as browsers without scripts read it."""


@pytest.mark.browser
@pytest.mark.skipif(find_chromium() is None, reason="no chromium on this machine")
def test_chromium_agrees(tmp_path):
    with Chromium(tmp_path) as browser:
        tab = browser.open("about:blank")
        for name, markup in {**IN_SCRIPT, **IN_HTML, **IN_BARE_VALUE}.items():
            found = tab.value(f"{FIND.strip()}({json.dumps(markup.replace(MARK, 'MARK'))})")
            assert (found > 0) == (name in IN_SCRIPT), name


TAGS = st.lists(
    st.sampled_from(
        ["<script>", "</script>", "<!--", "-->", "--!>", "<title>", "</title>", "<textarea>", "</textarea>", "<svg>", "</svg>", "<math>", "</math>", "<p a='", '<p b="', "'>",
         '">', "<p c=", ">", "<template>", "</template>", "<style>", "</style>", "<iframe>", "</iframe>", "<select>", "</select>", "<noscript>", "</noscript>", "<![CDATA[", "]]>",
         "</p x='", "<script/>", "<script src=/x/>", "x", "<b>", "<foreignObject>", "<mi>"]
    ),
    max_size=10,
).map("".join)  # fmt: skip


@pytest.mark.browser
@pytest.mark.skipif(find_chromium() is None, reason="no chromium on this machine")
def test_whatever_chromium_takes_for_a_script_is_one_here(tmp_path):
    """The other way round there is no need: what is escaped for a script does no harm elsewhere."""
    with Chromium(tmp_path) as browser:
        tab = browser.open("about:blank")

        @settings(max_examples=1_500, suppress_health_check=[HealthCheck.too_slow])
        @given(before=TAGS, after=TAGS)
        def check(before: str, after: str) -> None:
            assume(not (re.search("<(svg|math)", before) and re.search("=['\"]?(<|$)", before)))  # the one thing that is not seen
            found = tab.value(f"{FIND.strip()}({json.dumps(before + 'MARK' + after)})")
            place = HtmlPlace()
            place.feed(before.encode())
            assert found == 0 or place.in_script

        check()
