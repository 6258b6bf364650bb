"""A slot asked for over HTTP and a slot in a page are one thing: the same octets, the same words on who may keep them."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.in_process import KINDS, ask_once

HERO = """
[slots.hero]
template = "hero.html"
lifetime = 60
tags = ["heroes"]
data = {headline = "Made <here>"}
"""
HERO_HTML = {"hero.html": "<h2>{{ data.headline }}</h2>"}
HERO_BODY = "<h2>Made &lt;here&gt;</h2>"

GREETING = """
[slots.greeting]
template = "greeting.html"
lifetime = 60
scope = "{}"
audience = ["language"]
needs = ["language"]
"""
GREETING_HTML = {"greeting.html": "{{ {'de': 'Hallo', 'fr': 'Salut'}.get(language, 'Hello') }}"}

INCLUDE = '<esi:include src="/_weft/slots/{}"/>'


@pytest.mark.parametrize("kind", KINDS)
def test_an_include_brings_what_the_address_brings_and_no_request_is_made_for_it(open_face, kind):
    face = open_face(HERO, HERO_HTML, kind=kind)
    face.page("/", f"[{INCLUDE.format('hero')}]")
    for _ in range(3):
        assert face.get("/").text == f"[{HERO_BODY}]"
    alone = face.get("/_weft/slots/hero")
    assert (alone.status, alone.text, alone["content-type"]) == (200, HERO_BODY, "text/html; charset=utf-8")
    assert face.asked("/") == 1
    assert face.asked("/_weft/slots/hero") == 0


def test_what_a_public_slot_says_of_itself_is_what_its_page_says_too(open_face):
    face = open_face(HERO, HERO_HTML)
    alone = face.get("/_weft/slots/hero")
    assert alone["cache-control"] == "public, max-age=60"
    assert alone["vary"] is None
    face.page("/", INCLUDE.format("hero"))
    page = face.get("/")
    lifetime = int(page["cache-control"].removeprefix("max-age="))
    assert 0 < lifetime <= 60 - int(alone["age"])
    assert page["vary"] is None


def test_a_page_with_a_slot_has_one_tag_and_answers_304_from_memory(open_face):
    face = open_face(HERO, HERO_HTML)
    face.page("/", f"[{INCLUDE.format('hero')}]")
    face.get("/")
    tags = {face.get("/")["etag"] for _ in range(3)}
    assert len(tags) == 1
    again = face.get("/", f"If-None-Match: {tags.pop()}")
    assert (again.status, again.body) == (304, b"")


def test_a_slot_answers_conditions_and_head(open_face):
    face = open_face(HERO, HERO_HTML)
    whole = face.get("/_weft/slots/hero")
    head = face.get("/_weft/slots/hero", method="HEAD")
    assert (head.status, head.body, head["content-length"]) == (200, b"", str(len(HERO_BODY)))
    for name in ("etag", "cache-control", "content-type"):
        assert head[name] == whole[name]
    for condition in (whole["etag"], f'"other", W/{whole["etag"]}', "*"):
        kept = face.get("/_weft/slots/hero", f"If-None-Match: {condition}")
        assert (kept.status, kept.body, kept["etag"], kept["content-type"]) == (304, b"", whole["etag"], None)
    assert face.get("/_weft/slots/hero", 'If-None-Match: "other"').status == 200


def test_a_name_that_there_is_not_is_404_with_a_reason_and_an_include_of_it_fails_with_the_same(open_face):
    face = open_face(HERO, HERO_HTML)
    for target in ("/_weft/slots/nobody", "/_weft/slots/", "/_weft/slots/hero/more", "/_weft/slots/%68ero"):
        answer = face.get(target)
        assert answer.status == 404
        assert '"no_such_fragment"' in answer.text
        assert answer["cache-control"] == "no-store"
    face.page("/", '[<esi:include src="/_weft/slots/nobody" onerror="continue"/>]', "Cache-Control: no-store")
    assert face.get("/").text == "[]"
    includes, _ = face.told("/")
    assert includes["/_weft/slots/nobody"]["reason"] == "no_such_fragment"


def test_each_language_gets_its_own_and_the_page_says_what_it_varies_on(open_face):
    face = open_face(GREETING.format("public"), GREETING_HTML)
    face.page("/", INCLUDE.format("greeting"))
    for _ in range(2):
        for accept, text in (
            ("de", "Hallo"),
            ("fr;q=0.5, en;q=0.4", "Salut"),
            ("fr;q=0.5, de", "Hallo"),
            ("", "Hello"),
            ("*", "Hello"),
        ):
            line = [f"Accept-Language: {accept}"] if accept else []
            page, alone = face.get("/", *line), face.get("/_weft/slots/greeting", *line)
            assert page.text == alone.text == text
            assert page["vary"] == "accept-language"
            assert alone["vary"] == "accept-language"


def test_the_sites_languages_are_the_choice_where_it_names_some(open_face):
    face = open_face("[cache]\nlanguages = ['fr', 'de']" + GREETING.format("public"), GREETING_HTML)
    for accept, text in (("de-AT, fr;q=0.9", "Hallo"), ("en", "Salut"), ("it, de;q=0.1", "Hallo")):
        assert face.get("/_weft/slots/greeting", f"Accept-Language: {accept}").text == text


def test_what_is_for_an_audience_is_kept_here_and_by_nobody_behind_us(open_face):
    face = open_face(GREETING.format("audience"), GREETING_HTML)
    face.page("/", INCLUDE.format("greeting"))
    before = len(face.setup.gateway.store)
    for _ in range(2):
        for language, text in (("de", "Hallo"), ("fr", "Salut")):
            page, alone = (
                face.get("/", f"Accept-Language: {language}"),
                face.get("/_weft/slots/greeting", f"Accept-Language: {language}"),
            )
            assert page.text == alone.text == text
            assert (page["cache-control"], page["etag"]) == ("private, no-store", None)
            assert alone["cache-control"] == "private, no-cache"
    assert len(face.setup.gateway.store) == before + 3  # the page, and a rendering for each language


def test_what_is_for_one_visitor_is_kept_nowhere(open_face):
    settings = '[slots.mine]\ntemplate = "greeting.html"\nscope = "visitor"\nneeds = ["language"]\n'
    face = open_face(settings, GREETING_HTML)
    face.page("/", INCLUDE.format("mine"))
    for language, text in (("de", "Hallo"), ("fr", "Salut"), ("de", "Hallo")):
        page, alone = face.get("/", f"Accept-Language: {language}"), face.get("/_weft/slots/mine", f"Accept-Language: {language}")
        assert page.text == alone.text == text
        assert page["cache-control"] == alone["cache-control"] == "private, no-store"
    assert face.setup.gateway.store.keys() == ["http://shop.test/"]


def test_nobody_gets_the_language_of_another(open_face):
    """Many at once, in pages and alone."""
    face = open_face(GREETING.format("audience"), GREETING_HTML)
    face.page("/", f"<{INCLUDE.format('greeting')}>")
    wanted = [("de", b"Hallo"), ("fr", b"Salut"), ("en", b"Hello")] * 20

    async def ask():
        asked = [
            ask_once(face.setup, b"GET", target, [(b"host", b"shop.test"), (b"accept-language", language.encode())])
            for language, _ in wanted
            for target in (b"/", b"/_weft/slots/greeting")
        ]
        return [body for _, _, body in await asyncio.gather(*asked)]

    expected = [body for _, text in wanted for body in (b"<%b>" % text, text)]
    assert face.runner.run(ask()) == expected


QUERY = """
[slots.echo]
template = "echo.html"
lifetime = 60
needs = ["query", "host", "path"]
"""
ECHO_HTML = {"echo.html": "{% for name, value in query.items()|sort %}{{ name }}={{ value }} {% endfor %}at {{ host }}{{ path }}"}


def test_a_slot_sees_its_own_address_the_same_both_ways(open_face):
    face = open_face(QUERY, ECHO_HTML)
    for query, shown in (
        ("?b=2&a=1", "a=1 b=2 "),
        ("?a=1&a=2", "a=1 "),
        ("?a=%C3%A9+x&c", "a=é x c= "),
        ("?a=%ff", "a=\ufffd "),
        ("", ""),
    ):
        face.page("/", f'<esi:include src="/_weft/slots/echo{query.replace("&", "&amp;")}"/>', "Cache-Control: no-store")
        expected = f"{shown}at shop.test/_weft/slots/echo"
        assert face.get("/page-query-is-another?a=9").status == 599
        assert face.get("/").text == expected
        assert face.get(f"/_weft/slots/echo{query}").text == expected


def test_parameters_that_no_template_asks_for_make_no_copies(open_face):
    face = open_face(HERO, HERO_HTML)
    for number in range(20):
        assert face.get(f"/_weft/slots/hero?utm={number}").status == 200
    assert face.setup.gateway.store.keys() == ["http://shop.test/_weft/slots/hero"]


def test_more_parameters_than_any_form_has_are_refused(open_face):
    face = open_face(QUERY, ECHO_HTML)
    answer = face.get("/_weft/slots/echo?" + "&".join(f"a{n}=1" for n in range(101)))
    assert (answer.status, '"bad_url"' in answer.text) == (400, True)


@pytest.mark.parametrize(
    "what", [{"tags": ["heroes"]}, {"prefixes": ["/_weft/slots/"]}, {"urls": ["http://shop.test/_weft/slots/hero"]}]
)
@pytest.mark.parametrize("hard", [False, True])
def test_a_purge_drops_what_was_rendered(open_face, what, hard):
    """And leaves what it does not name."""
    other = '[slots.other]\ntemplate = "hero.html"\nlifetime = 60\ndata = {headline = "x"}\n'
    face = open_face(HERO + other, HERO_HTML)
    entries = {}

    def kept(name):
        return face.setup.gateway.store.shelf((b"http", b"shop.test", b"/_weft/slots/" + name)).sole

    for name in ("hero", "other"):
        face.get(f"/_weft/slots/{name}")
        entries[name] = kept(name.encode())
    assert face.purge(**what, hard=hard) == (2 if "prefixes" in what else 1)
    face.page("/", INCLUDE.format("hero") + INCLUDE.format("other"))
    face.get("/")
    assert kept(b"hero") is not entries["hero"]
    assert (kept(b"other") is entries["other"]) == ("prefixes" not in what)


def test_a_page_of_slots_comes_compressed_like_any_other(open_face):
    face = open_face(HERO, HERO_HTML, **{"cache.compress.min_bytes": 1})
    face.page("/", "page " * 100 + INCLUDE.format("hero"))
    plain = face.get("/")
    for _ in range(2):
        packed = face.get("/", "Accept-Encoding: gzip")
        assert packed["content-encoding"] == "gzip"
        assert packed.body == plain.body


def test_the_mark_of_a_nonce_is_seen_by_nobody(open_face):
    """Whoever knows it could write scripts that run."""
    face = open_face(HERO, {"hero.html": '<script nonce="THE-MARK">1</script>'}, **{"esi.nonce": "THE-MARK"})
    seen = set()
    face.page("/", INCLUDE.format("hero"))
    for target in ("/", "/_weft/slots/hero") * 2:
        answer = face.get(target)
        assert "THE-MARK" not in answer.text
        assert (answer["etag"], "no-store" in answer["cache-control"]) == (None, True)
        seen.add(answer.text)
    assert len(seen) == 4
