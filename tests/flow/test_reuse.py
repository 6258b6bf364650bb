"""What is stored, and when it is used again (RFC 9111 §3, §4)."""

from __future__ import annotations

import pytest

from gateway.cache.freshness import CachePolicy
from gateway.cache.key import QueryRule


def test_a_fresh_response_is_reused_without_asking_the_origin(play):
    """RFC 9111 §4, §4.2."""
    play("""
        visitor ──▶ GET /page
        origin  ◀── GET /page | Host: shop.test
        origin  ──▶ 200 | Cache-Control: max-age=60 | Content-Type: text/plain | «hello»
        visitor ◀── 200 | Age: 0 | Content-Type: text/plain | Cache-Status: fwd=uri-miss; stored; ttl=60 | «hello»
        +30 s
        visitor ──▶ GET /page
        visitor ◀── 200 | Age: 30 | Content-Type: text/plain | Cache-Status: hit; ttl=30 | «hello»
        visitor ──▶ GET /page
        visitor ◀── 200 | Age: 30 | Cache-Status: hit; ttl=30 | «hello»
        +29 s
        visitor ──▶ GET /page
        visitor ◀── 200 | Age: 59 | Cache-Status: hit; ttl=1 | «hello»
        +1 s
        visitor ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | «new»
        visitor ◀── 200 | Age: 0 | Cache-Status: fwd=stale; stored; ttl=60 | «new»
    """)


def test_another_path_query_host_or_scheme_is_another_page(play):
    """RFC 9111 §2: the primary key."""
    for url in ("/page", "/page?", "/page?a=1", "/Page", "/page/", "http://other.test/page", "https://shop.test/page"):
        path = url.partition(".test")[2] or url
        play(f"""
            visitor ──▶ GET {url}
            origin  ◀── GET {path}
            origin  ──▶ 200 | Cache-Control: max-age=60 | «{url}»
            visitor ◀── 200 | «{url}»
            visitor ──▶ GET {url}
            visitor ◀── 200 | Cache-Status: hit | «{url}»
        """)


def test_a_response_from_another_cache_is_as_old_as_that_says(play):
    """RFC 9111 §4.2.3."""
    play("""
        visitor ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Age: 40 | Cache-Control: max-age=60 | «hello»
        visitor ◀── 200 | Age: 40 | «hello»
        +19 s
        visitor ──▶ GET /page
        visitor ◀── 200 | Age: 59 | Cache-Status: hit; ttl=1 | «hello»
        +1 s
        visitor ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | «new»
        visitor ◀── 200 | Age: 0 | «new»
    """)


def test_the_time_an_answer_took_counts_as_age(play):
    """RFC 9111 §4.2.3: corrected_age_value."""
    play("""
        visitor ──▶ GET /page
        origin  ◀── GET /page
        +7 s
        origin  ──▶ 200 | Cache-Control: max-age=60 | Date: {-7} | «hello»
        visitor ◀── 200 | Age: 7 | «hello»
    """)


def test_a_response_without_date_gets_one(play):
    """RFC 9110 §6.6.1."""
    play("""
        visitor ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | -Date | «hello»
        visitor ◀── 200 | Date: {+0} | Age: 0 | «hello»
        +9 s
        visitor ──▶ GET /page
        visitor ◀── 200 | Date: {-9} | Age: 9 | «hello»
        visitor ──▶ GET /other
        origin  ◀── GET /other
        origin  ──▶ 200 | Cache-Control: no-store | -Date | «hello»
        visitor ◀── 200 | Date: {+0} | «hello»
    """)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ("Cache-Control: no-store", 200),
        ("Cache-Control: max-age=60, no-store", 200),
        ("Cache-Control: private, max-age=60", 200),
        ("Cache-Control: max-age=60 | Vary: *", 200),
        ("Cache-Control: max-age=0", 200),
        ("Expires: {+60} | Cache-Control: max-age=0", 200),
        ("Expires: 0", 200),
        ("X-Nothing: said", 200),
        ("X-Nothing: said", 302),
        ('ETag: "a"', 302),
        ("Last-Modified: {-1000}", 302),
        ("Last-Modified: {-1000}", 201),
        ("Cache-Control: max-age=60", 304),
    ],
)
def test_what_may_not_be_stored_is_asked_for_each_time(play, fields, status):
    """RFC 9111 §3. The last ones: neither explicit freshness nor a status that is heuristically cacheable."""
    for body in ("one", "two"):
        shown = f"| «{body}»" if status != 304 else ""
        play(f"""
            visitor ──▶ GET /page
            origin  ◀── GET /page | -If-None-Match | -If-Modified-Since
            origin  ──▶ {status} | {fields} {shown}
            visitor ◀── {status} | -Age {shown}
        """)
    assert len(play.stage.store) == 0


@pytest.mark.parametrize("status", [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501])
def test_a_response_that_says_nothing_is_fresh_for_a_tenth_of_its_age(play, status):
    """RFC 9111 §4.2.2, RFC 9110 §15.1."""
    shown = "| «old»" if status != 204 else ""
    play(f"""
        visitor ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ {status} | Last-Modified: {{-1000}} {shown}
        visitor ◀── {status} | Cache-Status: stored; ttl=100 {shown}
        +99 s
        visitor ──▶ GET /page
        visitor ◀── {status} | Cache-Status: hit; ttl=1 {shown}
    """)


@pytest.mark.parametrize("status", [201, 202, 302, 303, 307, 400, 403, 451, 500, 502, 503, 504, 599])
def test_any_final_status_may_be_stored_when_its_freshness_is_stated(play, status):
    """RFC 9111 §3; negative caching."""
    play(f"""
        visitor ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ {status} | Cache-Control: max-age=60 | «word»
        visitor ◀── {status} | «word»
        visitor ──▶ GET /page
        visitor ◀── {status} | Cache-Status: hit | «word»
    """)


@pytest.mark.parametrize("status", [412, 416, 417, 431])
def test_a_status_about_the_fields_of_one_request_is_no_answer_for_others(play, status):
    """Those fields are not in the key: one client could make a page an error for all (CPDoS)."""
    play(f"""
        visitor ──▶ GET /page | Range: bytes=9000-
        origin  ◀── GET /page
        origin  ──▶ {status} | Cache-Control: max-age=60 | «no»
        visitor ◀── {status} | «no»
        ben     ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | «yes»
        ben     ◀── 200 | «yes»
    """)


def test_the_site_may_give_a_lifetime_to_what_says_nothing(stage_of):
    """cache.default_ttl: below explicit freshness and the heuristic, above nothing."""
    stage_of(policy=CachePolicy(default_ttl=30.0)).play("""
        visitor ──▶ GET /silent
        origin  ◀── GET /silent
        origin  ──▶ 200 | «a»
        visitor ◀── 200 | Cache-Status: stored; ttl=30 | «a»
        visitor ──▶ GET /dated
        origin  ◀── GET /dated
        origin  ──▶ 200 | Last-Modified: {-1000} | «b»
        visitor ◀── 200 | Cache-Status: stored; ttl=100 | «b»
        visitor ──▶ GET /moved
        origin  ◀── GET /moved
        origin  ──▶ 302 | Location: / | «c»
        visitor ◀── 302 | Location: / | «c»
        visitor ──▶ GET /moved
        origin  ◀── GET /moved
        origin  ──▶ 302 | Location: / | «c»
        visitor ◀── 302 | «c»
    """)


def test_a_lifetime_meant_for_shared_caches_goes_before_the_one_for_all(play):
    """RFC 9111 §4.2.1."""
    play("""
        visitor ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=1, s-maxage=60 | Expires: {+5} | «hello»
        visitor ◀── 200 | Cache-Status: stored; ttl=60 | «hello»
    """)


def test_fields_addressed_to_us_decide_and_go_no_further(play):
    """RFC 9213 §2.2; CDN-Cache-Control is for every CDN on the way, so it goes on."""
    play("""
        visitor ──▶ GET /ours
        origin  ◀── GET /ours
        origin  ──▶ 200 | Weft-Cache-Control: max-age=60 | CDN-Cache-Control: max-age=20 | Cache-Control: no-store | «a»
        visitor ◀── 200 | Cache-Status: stored; ttl=60 | -Weft-Cache-Control | CDN-Cache-Control: max-age=20 | Cache-Control: no-store | «a»
        visitor ──▶ GET /cdn
        origin  ◀── GET /cdn
        origin  ──▶ 200 | CDN-Cache-Control: max-age=20 | Surrogate-Control: max-age=30 | Cache-Control: private | «b»
        visitor ◀── 200 | Cache-Status: stored; ttl=20 | -Surrogate-Control | «b»
        visitor ──▶ GET /surrogate
        origin  ◀── GET /surrogate
        origin  ──▶ 200 | Surrogate-Control: max-age=30 | Cache-Control: private | «c»
        visitor ◀── 200 | Cache-Status: stored; ttl=30 | -Surrogate-Control | Cache-Control: private | «c»
        visitor ──▶ GET /refused
        origin  ◀── GET /refused
        origin  ──▶ 200 | CDN-Cache-Control: no-store | Cache-Control: max-age=60 | Surrogate-Control: max-age=60 | Surrogate-Key: a | «d»
        visitor ◀── 200 | -Surrogate-Control | -Surrogate-Key | -Age | «d»
    """)


def test_a_targeted_field_that_is_no_structured_field_is_as_if_it_were_not_there(play):
    """RFC 9213 §2.1, §2.2."""
    play("""
        visitor ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | CDN-Cache-Control: max-age=20, &&& | Cache-Control: max-age=60 | «a»
        visitor ◀── 200 | Cache-Status: stored; ttl=60 | «a»
        visitor ──▶ GET /empty
        origin  ◀── GET /empty
        origin  ──▶ 200 | CDN-Cache-Control: | Cache-Control: max-age=50 | «a»
        visitor ◀── 200 | Cache-Status: stored; ttl=50 | «a»
    """)


def test_must_understand_lets_a_known_status_be_stored_and_no_other(play):
    """RFC 9111 §5.2.2.3."""
    play("""
        visitor ──▶ GET /known
        origin  ◀── GET /known
        origin  ──▶ 200 | Cache-Control: must-understand, no-store, max-age=60 | «a»
        visitor ◀── 200 | Cache-Status: stored | «a»
        visitor ──▶ GET /unknown
        origin  ◀── GET /unknown
        origin  ──▶ 299 | Cache-Control: must-understand, max-age=60 | «b»
        visitor ◀── 299 | -Age | «b»
        visitor ──▶ GET /unknown
        origin  ◀── GET /unknown
        origin  ──▶ 299 | Cache-Control: must-understand, no-store, max-age=60 | «b»
        visitor ◀── 299 | «b»
    """)


def test_fields_of_one_connection_are_not_stored(play):
    """RFC 9111 §3.1, RFC 9110 §7.6.1."""
    play("""
        visitor ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | Connection: X-Hop, close | X-Hop: 1 | Keep-Alive: timeout=5 | Proxy-Authenticate: Basic | X-Stays: 2 | «a»
        visitor ◀── 200 | -Connection | -X-Hop | -Keep-Alive | -Proxy-Authenticate | X-Stays: 2 | «a»
        visitor ──▶ GET /page
        visitor ◀── 200 | -Connection | -X-Hop | -Keep-Alive | -Proxy-Authenticate | X-Stays: 2 | Cache-Status: hit | «a»
    """)


def test_repeated_fields_stay_repeated_and_in_order(play):
    play("""
        visitor ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | Link: <a> | X-Between: 1 | Link: <b> | «a»
        visitor ◀── 200 | Link: <a> | Link: <b> | «a»
        visitor ──▶ GET /page
        visitor ◀── 200 | Link: <a> | Link: <b> | Cache-Status: hit | «a»
    """)


def test_another_caches_status_stands_before_ours(play):
    """RFC 9211 §2: a list, the member nearest to the origin first."""
    for fields in ("Cache-Control: no-store", "Cache-Control: max-age=60"):
        play(f"""
            visitor ──▶ GET /{fields[-4:]}
            origin  ◀── GET /{fields[-4:]}
            origin  ──▶ 200 | {fields} | Cache-Status: inner; hit | «a»
            visitor ◀── 200 | Cache-Status: Weft; fwd=uri-miss | «a»
        """)
        (response, _) = play.stage.run(play.stage.ask("GET", f"/{fields[-4:]}")) if "max-age" in fields else (None, b"")
        if response is not None:
            members = [value.partition(b";")[0] for name, value in response.fields() if name == b"cache-status"]
            assert members == [b"inner", b"Weft"]


# ── Vary ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_vary_names_selects_the_response(play):
    """RFC 9111 §4.1."""
    play("""
        anna    ──▶ GET /page | X-Form: short
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | Vary: X-Form | «short»
        anna    ◀── 200 | Cache-Status: fwd=uri-miss | «short»
        ben     ──▶ GET /page | X-Form: long
        origin  ◀── GET /page | X-Form: long
        origin  ──▶ 200 | Cache-Control: max-age=60 | Vary: X-Form | «long»
        ben     ◀── 200 | Cache-Status: fwd=vary-miss; stored | «long»
        carla   ──▶ GET /page
        origin  ◀── GET /page | -X-Form
        origin  ──▶ 200 | Cache-Control: max-age=60 | Vary: X-Form | «neither»
        carla   ◀── 200 | Cache-Status: fwd=vary-miss; stored | «neither»
        anna    ──▶ GET /page | X-Form: short
        anna    ◀── 200 | Cache-Status: hit | «short»
        ben     ──▶ GET /page | X-Form: long
        ben     ◀── 200 | Cache-Status: hit | «long»
        carla   ──▶ GET /page
        carla   ◀── 200 | Cache-Status: hit | «neither»
    """)


def test_blanks_in_a_list_and_the_order_of_languages_make_no_variant(play):
    """RFC 9111 §4.1: normalisation."""
    play("""
        anna    ──▶ GET /page | Accept: text/html, text/plain | Accept-Language: de, en;q=0.5
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | Vary: Accept, Accept-Language | «hallo»
        anna    ◀── 200 | «hallo»
        ben     ──▶ GET /page | Accept: text/html,text/plain | Accept-Language: EN;q=0.5,DE
        ben     ◀── 200 | Cache-Status: hit | «hallo»
        carla   ──▶ GET /page | Accept: text/plain,text/html | Accept-Language: de, en;q=0.5
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | Vary: Accept, Accept-Language | «other»
        carla   ◀── 200 | «other»
    """)


def test_a_stored_language_answers_whoever_puts_it_first(play):
    """RFC 9111 §4.1 with RFC 9110 §12.5.4: the origin has shown that it has it."""
    play("""
        anna    ──▶ GET /page | Accept-Language: de, en;q=0.5
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | Vary: Accept-Language | Content-Language: de | «hallo»
        anna    ◀── 200 | «hallo»
        ben     ──▶ GET /page | Accept-Language: de, fr;q=0.9
        ben     ◀── 200 | Cache-Status: hit | «hallo»
        carla   ──▶ GET /page | Accept-Language: de, fr
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | Vary: Accept-Language | Content-Language: fr | «salut»
        carla   ◀── 200 | «salut»
    """)


def test_a_site_that_names_its_languages_has_one_variant_for_each(stage_of):
    """cache.languages; RFC 4647 §3.4."""
    stage_of(languages=("en", "de")).play("""
        anna    ──▶ GET /page | Accept-Language: de-AT, fr;q=0.5
        origin  ◀── GET /page | Accept-Language: de
        origin  ──▶ 200 | Cache-Control: max-age=60 | Vary: Accept-Language | «hallo»
        anna    ◀── 200 | «hallo»
        ben     ──▶ GET /page | Accept-Language: de;q=0.1
        ben     ◀── 200 | Cache-Status: hit | «hallo»
        carla   ──▶ GET /page
        origin  ◀── GET /page | Accept-Language: en
        origin  ──▶ 200 | Cache-Control: max-age=60 | Vary: Accept-Language | «hello»
        carla   ◀── 200 | «hello»
        dan     ──▶ GET /page | Accept-Language: fr
        dan     ◀── 200 | Cache-Status: hit | «hello»
    """)


def test_the_newest_of_several_that_suit_is_used(play):
    """RFC 9111 §4.1."""
    play("""
        anna    ──▶ GET /page | X-Form: a
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=600 | Vary: X-Form | «old»
        anna    ◀── 200 | «old»
        +10 s
        ben     ──▶ GET /page | X-Form: b | X-Other: c
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=600 | Vary: X-Other | «new»
        ben     ◀── 200 | «new»
        carla   ──▶ GET /page | X-Form: a | X-Other: c
        carla   ◀── 200 | Cache-Status: hit | Age: 0 | «new»
        dan     ──▶ GET /page | X-Form: a
        dan     ◀── 200 | Cache-Status: hit | Age: 10 | «old»
    """)


@pytest.mark.parametrize("name", ["Host", "X-Forwarded-Host", "X-Forwarded-Proto"])
def test_varying_on_what_the_key_holds_is_no_variant(stage_of, name):
    """Scheme and host are in the key; what we tell the origin of them is the same for all who ask for one page."""
    for host_header in ("", "cms.internal"):
        stage_of(host_header=host_header).play(f"""
            visitor ──▶ GET /page
            origin  ◀── GET /page
            origin  ──▶ 200 | Cache-Control: max-age=60 | Vary: {name} | «a»
            visitor ◀── 200 | Vary: {name} | «a»
            ben     ──▶ GET /page | Host: SHOP.TEST:80
            ben     ◀── 200 | Cache-Status: hit | Vary: {name} | «a»
        """)


def test_codings_are_told_to_the_origin_in_one_spelling(play):
    """Where we do not compress ourselves: of what clients send, br and gzip make variants, and nothing else does."""
    play("""
        anna    ──▶ GET /page | Accept-Encoding: gzip, deflate, br
        origin  ◀── GET /page | Accept-Encoding: br, gzip
        origin  ──▶ 200 | Cache-Control: max-age=60 | Vary: Accept-Encoding | Content-Encoding: br | «coded»
        anna    ◀── 200 | Content-Encoding: br | «coded»
        ben     ──▶ GET /page | Accept-Encoding: br;q=0.9 | Accept-Encoding: gzip;q=0.8, zstd
        ben     ◀── 200 | Cache-Status: hit | «coded»
        carla   ──▶ GET /page
        origin  ◀── GET /page | Accept-Encoding: identity
        origin  ──▶ 200 | Cache-Control: max-age=60 | Vary: Accept-Encoding | «plain»
        carla   ◀── 200 | «plain»
        dan     ──▶ GET /page | Accept-Encoding: deflate
        dan     ◀── 200 | Cache-Status: hit | «plain»
    """)


# ── Query rules ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_parameters_that_do_not_count_are_neither_in_the_key_nor_sent(stage_of):
    """Neither can then tell what the other can't."""
    stage_of(query=QueryRule("drop", ("utm_*", "gclid"), sort=True)).play("""
        anna    ──▶ GET /page?utm_source=x&b=2&a=1&gclid=7
        origin  ◀── GET /page?a=1&b=2
        origin  ──▶ 200 | Cache-Control: max-age=60 | «a»
        anna    ◀── 200 | «a»
        ben     ──▶ GET /page?a=1&b=2&utm_medium=y
        ben     ◀── 200 | Cache-Status: hit | «a»
        carla   ──▶ GET /page?utm_source=x
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | «none»
        carla   ◀── 200 | «none»
    """)


def test_a_route_may_have_no_query_at_all(stage_of):
    stage_of(query=QueryRule("none")).play("""
        anna    ──▶ GET /page?a=1
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | «a»
        anna    ◀── 200 | «a»
        ben     ──▶ GET /page
        ben     ◀── 200 | Cache-Status: hit | «a»
    """)


def test_a_route_may_bypass_the_cache(stage_of):
    stage_of(bypass=True).play("""
        anna    ──▶ GET /page | If-None-Match: "x" | Accept-Encoding: gzip
        origin  ◀── GET /page | If-None-Match: "x" | Accept-Encoding: gzip
        origin  ──▶ 200 | Cache-Control: max-age=60 | «a»
        anna    ◀── 200 | Cache-Status: fwd=bypass | «a»
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | «a»
        anna    ◀── 200 | Cache-Status: fwd=bypass | «a»
    """)
