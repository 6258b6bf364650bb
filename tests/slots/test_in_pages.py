"""Slots that fail, slots in strange places: the page's ladder holds, and nothing that a visitor sent gains power."""

from __future__ import annotations

import pytest

SLOTS = """
[slots.good]
template = "good.html"
lifetime = 60

[slots.bad]
template = "bad.html"
lifetime = 60

[slots.echo]
template = "echo.html"
lifetime = 60
needs = ["query"]

[slots.greeting]
template = "greeting.html"
scope = "visitor"
needs = ["language"]
"""
TEMPLATES = {
    "good.html": "good",
    "bad.html": "<p>\n{{ language }}</p>",
    "echo.html": "{{ query.q }}",
    "greeting.html": "({{ language }})",
}


OPTIONAL = 'onerror="continue"'


@pytest.fixture
def face(open_face):
    return open_face(SLOTS, TEMPLATES)


def include(name, attributes="", own=""):
    return (
        f'<esi:include src="/_weft/slots/{name}" {attributes}>{own}</esi:include>'
        if own
        else f'<esi:include src="/_weft/slots/{name}" {attributes}/>'
    )


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "as it comes"])
@pytest.mark.parametrize(
    ("markup", "shown"),
    [
        (include("bad", 'onerror="continue"'), ""),
        (include("bad", 'alt="/_weft/slots/good"'), "good"),
        (include("nobody", 'alt="/_weft/slots/good"'), "good"),
        (include("bad", 'alt="/_weft/slots/bad"', "own"), "own"),
        (include("bad", "", "own"), "own"),
        (f"<esi:try><esi:attempt>a{include('bad')}</esi:attempt><esi:except>{include('good')}</esi:except></esi:try>", "good"),
        (f"<esi:choose><esi:when test=\"1==1\">{include('good')}</esi:when></esi:choose>", "good"),
        ("<esi:foreach collection=\"['good', 'good']\"><esi:include src=\"/_weft/slots/$(item)\"/></esi:foreach>", "goodgood"),
        ('<esi:include src="http://shop.test/_weft/slots/good"/>', "good"),
        ('<esi:include src="/deep/down/../../_weft/slots/good"/>', "good"),
        (include("good") + include("good"), "goodgood"),
    ],
)  # fmt: skip
def test_a_slot_is_filled_or_its_place_is_as_for_any_fragment(face, markup, shown, whole):
    face.page("/", f"[{markup}]", whole=whole)
    for _ in range(3):
        assert face.get("/").text == f"[{shown}]"
    assert face.asked("/") == 1


def test_a_page_that_can_not_be_without_it_fails(face):
    face.page("/", f"[{include('bad')}]")
    assert face.get("/").status == 502
    _, problems = face.told("/")
    assert problems == [
        "/_weft/slots/bad: slot bad: bad.html, line 2: the template asks for 'language', which is not among the needs of the slot"
    ]


def test_a_slot_that_fails_says_why_and_its_page_is_not_for_keeps(face):
    alone = face.get("/_weft/slots/bad")
    assert (alone.status, alone["cache-control"]) == (503, "no-store")
    assert '"slot_undefined"' in alone.text
    face.page("/", include("bad", 'onerror="continue"'))
    page = face.get("/")
    assert (page["cache-control"], page["etag"]) == ("private, no-store", None)
    includes, _ = face.told("/")
    assert includes["/_weft/slots/bad"] == {"outcome": "nothing", "reason": "slot_undefined"}


def test_the_debug_header_tells_of_a_slot_that_came(face):
    face.page("/", include("good"))
    includes, problems = face.told("/")
    assert includes["/_weft/slots/good"] == {"outcome": "src", "cache": "memory"}
    assert not problems


@pytest.mark.parametrize(
    "attack",
    [
        "<esi:include src='/secret'/>",
        "$(HTTP_COOKIE{a})",
        "<script>alert(1)</script>",
        '" onload="x',
        "{{ 7*7 }}",
        "<!--esi $(HTTP_COOKIE) -->",
    ],
)
def test_what_a_visitor_sends_gains_no_power_in_a_page(face, attack):
    face.page("/", '[<esi:include src="/_weft/slots/echo?q=$url_encode($(QUERY_STRING{q}))"/>]', "Cache-Control: no-store")
    face.page("/vars", '[<esi:include src="/_weft/slots/echo?q=$(QUERY_STRING{q})"/>]', "Cache-Control: no-store")
    quoted = "".join(f"%{octet:02x}" for octet in attack.encode())
    shown = attack.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&#34;").replace("'", "&#39;")
    assert face.get(f"/_weft/slots/echo?q={quoted}").text == shown
    assert face.get(f"/vars?q={quoted}", "Cookie: a=mine").text == f"[{shown}]"
    assert face.asked("/secret") == 0


@pytest.mark.parametrize(
    "markup",
    [
        '<esi:eval src="/_weft/slots/echo?q=$(HTTP_COOKIE)" onerror="continue"/>',
        '<esi:include src="/_weft/slots/echo?q=x" dca="esi" onerror="continue"/>',
        '<esi:include src="/_weft/slots/echo?q=x" method="POST" entity="a" onerror="continue"/>',
        '<esi:include src="/_weft/slots/echo?q=x" setheader="Accept-Language: de" onerror="continue"/>',
    ],
)
def test_a_slot_is_neither_run_as_markup_nor_asked_in_particular_ways(face, markup):
    face.page("/", f"[{markup}]", "Cache-Control: no-store")
    assert face.get("/", "Cookie: a=mine").text == "[]"
    _, problems = face.told("/")
    assert len(problems) == 1
    assert "a slot takes no request of the page's own making" in problems[0]


def test_no_store_of_an_include_has_it_made_anew_and_kept_nowhere(face):
    face.page("/", include("good", 'no-store="on"'))
    assert face.get("/").text == "good"
    assert face.setup.gateway.store.keys() == ["http://shop.test/"]


def test_what_reaches_slots_in_pages_is_what_the_site_lets_reach_fragments(open_face):
    face = open_face(SLOTS, TEMPLATES, **{"esi.request_fields": ["user-agent"]})
    face.page("/", include("greeting"))
    assert face.get("/", "Accept-Language: de").text == "()"


def test_a_slot_in_a_fragment_of_the_page_sees_the_same(face):
    face.page("/", '[<esi:include src="/part"/>]')
    face.page("/part", include("greeting"))
    for language in ("de", "fr"):
        assert face.get("/", f"Accept-Language: {language}").text == f"[({language})]"


def test_slots_count_among_the_includes_of_a_page(open_face):
    face = open_face(SLOTS, TEMPLATES, **{"esi.max_includes": 3})
    face.page("/", include("good", 'onerror="continue"') * 5)
    for _ in range(3):
        assert face.get("/").text == "good" * 3


def test_a_fragment_longer_than_the_page_takes_is_left_out(open_face):
    face = open_face(SLOTS, TEMPLATES | {"good.html": "x" * 100}, **{"esi.max_fragment_bytes": 99})
    face.page("/", f"[{include('good', OPTIONAL)}]")
    for _ in range(3):
        assert face.get("/").text == "[]"


def test_without_any_slots_there_are_none(open_face):
    face = open_face("", {})
    face.page("/", f"[{include('good', OPTIONAL)}]")
    assert face.get("/").text == "[]"
    assert face.get("/_weft/slots/good").status == 404
