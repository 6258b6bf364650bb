"""Nobody sees bytes made for somebody else, and nobody can change what others see (DESIGN §10, promise 2)."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.cache.freshness import CachePolicy
from gateway.flow.recognise import OVERRIDES
from gateway.semantics.message import Fields, first
from gateway.upstream.origin import OriginRequest
from tests.support.fakes import Answer, Stage

# ── Authorization ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("word", ["public", "s-maxage=60", "must-revalidate"])
def test_what_says_that_it_is_for_all_is_shared_though_credentials_came(play, word):
    """RFC 9111 §3.5."""
    play(f"""
        anna    ──▶ GET /page | Authorization: Basic anna
        origin  ◀── GET /page | Authorization: Basic anna
        origin  ──▶ 200 | Cache-Control: max-age=60, {word} | «for all»
        anna    ◀── 200 | Cache-Status: stored | «for all»
        ben     ──▶ GET /page | Authorization: Basic ben
        ben     ◀── 200 | Cache-Status: hit | «for all»
        carla   ──▶ GET /page
        carla   ◀── 200 | Cache-Status: hit | «for all»
    """)


def test_what_does_not_say_so_is_for_the_one_who_asked(play):
    """RFC 9111 §3.5."""
    play("""
        anna    ──▶ GET /page | Authorization: Basic anna
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | «for anna»
        anna    ◀── 200 | -Age | «for anna»
        ben     ──▶ GET /page | Authorization: Basic ben
        origin  ◀── GET /page | Authorization: Basic ben
        origin  ──▶ 200 | Cache-Control: max-age=60 | «for ben»
        ben     ◀── 200 | «for ben»
        carla   ──▶ GET /page
        origin  ◀── GET /page | -Authorization
        origin  ──▶ 200 | Cache-Control: max-age=60 | «for all»
        carla   ◀── 200 | «for all»
        ben     ──▶ GET /page | Authorization: Basic ben
        origin  ◀── GET /page | Authorization: Basic ben
        origin  ──▶ 200 | Cache-Control: max-age=60 | «for ben»
        ben     ◀── 200 | «for ben»
        carla   ──▶ GET /page
        carla   ◀── 200 | Cache-Status: hit | «for all»
    """)


def test_who_waits_for_somebody_elses_answer_does_not_get_it_when_it_was_personal(play):
    play("""
        anna     ──▶ GET /page | Authorization: Basic anna
        ben      ──▶ GET /page
        origin 1 ◀── GET /page | Authorization: Basic anna
        origin 1 ──▶ 200 | Cache-Control: max-age=60 | «for anna»
        anna     ◀── 200 | «for anna»
        origin 2 ◀── GET /page | -Authorization
        origin 2 ──▶ 200 | Cache-Control: max-age=60 | «for all»
        ben      ◀── 200 | «for all»
    """)


def test_credentials_do_not_get_what_anonymous_visitors_share(play):
    play("""
        anna     ──▶ GET /page
        ben      ──▶ GET /page | Authorization: Basic ben
        origin 1 ◀── GET /page | -Authorization
        origin 1 ──▶ 200 | Cache-Control: max-age=60 | «for all»
        anna     ◀── 200 | «for all»
        origin 2 ◀── GET /page | Authorization: Basic ben
        origin 2 ──▶ 200 | Cache-Control: max-age=60 | «for ben»
        ben      ◀── 200 | «for ben»
    """)


# ── Cookies ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "fields",
    ["Last-Modified: {-1000}", 'ETag: "a"', 'Cache-Control: no-cache | ETag: "a"', "Cache-Control: stale-while-revalidate=60"],
)
def test_an_answer_to_a_cookie_is_not_taken_for_everybodys_without_a_word(play, fields):
    """docs/decisions/0003-cookies.md."""
    for name in ("anna", "ben"):
        play(f"""
            {name}  ──▶ GET /page | Cookie: id={name}
            origin  ◀── GET /page | Cookie: id={name}
            origin  ──▶ 200 | {fields} | «for {name}»
            {name}  ◀── 200 | -Age | «for {name}»
        """)


@pytest.mark.parametrize("fields", ["Last-Modified: {-1000}", 'ETag: "a"', ""])
def test_no_visitor_meets_his_own_old_page_again_on_a_guess(stage_of, fields):
    """`Vary: Cookie` keeps it from others; a lifetime of our own making would still show it to him after his next click."""
    stage_of(policy=CachePolicy(default_ttl=60)).play(f"""
        anna    ──▶ GET /page | Cookie: id=anna
        origin  ◀── GET /page | Cookie: id=anna
        origin  ──▶ 200 | {fields or "X-A: b"} | Vary: Cookie | «basket: 0»
        anna    ◀── 200 | «basket: 0»
        anna    ──▶ GET /page | Cookie: id=anna
        origin  ◀── GET /page | Cookie: id=anna | -If-None-Match | -If-Modified-Since
        origin  ──▶ 200 | {fields or "X-A: b"} | Vary: Cookie | «basket: 1»
        anna    ◀── 200 | «basket: 1»
        ben     ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | {fields or "X-A: b"} | Vary: Cookie | «basket: none»
        ben     ◀── 200 | Cache-Status: stored | «basket: none»
    """)


@pytest.mark.parametrize(
    "fields", ["Cache-Control: max-age=60", "Expires: {+60}", "Cache-Control: s-maxage=60", "CDN-Cache-Control: max-age=60"]
)
def test_explicit_freshness_is_the_origins_word_that_it_is_for_all(play, fields):
    play(f"""
        anna    ──▶ GET /page | Cookie: id=anna
        origin  ◀── GET /page | Cookie: id=anna
        origin  ──▶ 200 | {fields} | «for all»
        anna    ◀── 200 | Cache-Status: stored | «for all»
        ben     ──▶ GET /page | Cookie: id=ben
        ben     ◀── 200 | Cache-Status: hit | «for all»
    """)


@pytest.mark.parametrize("fields", ["Cache-Control: max-age=60", "Cache-Control: max-age=60, must-revalidate", "Expires: {+60}"])
def test_a_cookie_set_in_answer_to_a_cookie_is_given_to_nobody_else(play, fields):
    """RFC 9111 §7.3. must-revalidate speaks of freshness, not of cookies."""
    play(f"""
        anna    ──▶ GET /page | Cookie: id=anna
        origin  ◀── GET /page
        origin  ──▶ 200 | {fields} | Set-Cookie: id=anna2 | «hello anna»
        anna    ◀── 200 | Set-Cookie: id=anna2 | «hello anna»
        ben     ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: no-store | «hello»
        ben     ◀── 200 | -Set-Cookie | «hello»
    """)


@pytest.mark.parametrize("fields", ["Last-Modified: {-1000}", 'ETag: "a"'])
def test_a_cookie_set_without_a_word_of_freshness_is_given_to_nobody_else(play, fields):
    play(f"""
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | {fields} | Set-Cookie: id=anna | «hello»
        anna    ◀── 200 | Set-Cookie: id=anna | «hello»
        ben     ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | {fields} | Set-Cookie: id=ben | «hello»
        ben     ◀── 200 | Set-Cookie: id=ben | «hello»
    """)


def test_a_cookie_that_a_response_for_all_sets_is_for_all(play):
    """`public`, s-maxage or a targeted field says so."""
    play("""
        anna    ──▶ GET /page | Cookie: id=anna
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: public, max-age=60 | Set-Cookie: theme=dark | «hello»
        anna    ◀── 200 | Set-Cookie: theme=dark | «hello»
        ben     ──▶ GET /page | Cookie: id=ben
        ben     ◀── 200 | Set-Cookie: theme=dark | Cache-Status: hit | «hello»
    """)


def test_a_site_may_keep_cookies_with_pages(stage_of):
    """cache.store_cookies."""
    stage_of(policy=CachePolicy(store_cookies=True)).play("""
        anna    ──▶ GET /page | Cookie: id=anna
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | Set-Cookie: a=b | «hello»
        anna    ◀── 200 | Cache-Status: stored | Set-Cookie: a=b | «hello»
    """)


def test_a_page_that_varies_on_cookies_has_one_form_for_each(play):
    play("""
        anna    ──▶ GET /page | Cookie: id=anna
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | Vary: Cookie | «for anna»
        anna    ◀── 200 | «for anna»
        ben     ──▶ GET /page | Cookie: id=ben
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | Vary: Cookie | «for ben»
        ben     ◀── 200 | Cache-Status: fwd=vary-miss | «for ben»
        anna    ──▶ GET /page | Cookie: id=anna
        anna    ◀── 200 | Cache-Status: hit | «for anna»
        carla   ──▶ GET /page | Cookie: id=anna, x
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | Vary: Cookie | «for carla»
        carla   ◀── 200 | «for carla»
    """)


def test_a_304_that_sets_a_cookie_gives_it_to_the_one_who_asked(play):
    play("""
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | ETag: "a" | «hello»
        anna    ◀── 200 | «hello»
        +61 s
        ben     ──▶ GET /page | Cookie: id=ben
        origin  ◀── GET /page | If-None-Match: "a"
        origin  ──▶ 304 | ETag: "a" | Set-Cookie: id=ben2
        ben     ◀── 200 | Set-Cookie: id=ben2 | «hello»
        carla   ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | «hello»
        carla   ◀── 200 | -Set-Cookie | «hello»
    """)


# ── The canary ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────

IDENTITIES = ("", "anna", "ben", "carla")

CONTROLS = (
    "",
    "no-store",
    "private",
    "private, max-age=60",
    "no-cache",
    "max-age=60",
    "max-age=60, must-revalidate",
    "public",
    "public, max-age=60",
    "s-maxage=60",
    "max-age=0, stale-while-revalidate=60",
    "max-age=1, stale-if-error=60",
    'private="set-cookie", max-age=60',
    "must-understand, no-store, max-age=60",
)

visits = st.lists(
    st.fixed_dictionaries(
        {
            "cookie": st.sampled_from(IDENTITIES),
            "authorization": st.sampled_from(IDENTITIES),
            "path": st.sampled_from(("/a", "/b")),
            "control": st.sampled_from(CONTROLS),
            "vary": st.sampled_from(("", "Cookie", "Authorization", "Cookie, Authorization", "Accept")),
            "validator": st.booleans(),
            "modified": st.booleans(),
            "set_cookie": st.booleans(),
            "range": st.sampled_from(("", "", "bytes=0-3")),
            "method": st.sampled_from(("GET", "GET", "GET", "HEAD", "POST")),
            "wish": st.sampled_from(("", "", "no-cache", "max-stale", "no-store")),
            "wait": st.sampled_from((0, 0, 2, 70)),
            "fails": st.booleans(),
            "confirms": st.booleans(),
        }
    ),
    min_size=2,
    max_size=8,
)

PLAIN = {
    "cookie": "", "authorization": "", "path": "/a", "control": "max-age=60", "vary": "", "validator": False, "modified": False, "set_cookie": False,
    "range": "", "method": "GET", "wish": "", "wait": 0, "fails": False, "confirms": False,
}  # fmt: skip


def is_declared_shareable(visit: dict, *, sent_cookie: str, sent_authorization: str) -> bool:
    """Whether the origin's answer says, by the standard and docs/decisions/0003-cookies.md, that others may have it."""
    control = visit["control"]
    if "no-store" in control and "must-understand" not in control:
        return False
    if control.startswith("private") and not control.startswith("private="):
        return False
    explicit = "max-age=60" in control or "max-age=1," in control or "s-maxage" in control
    if sent_authorization and not ("public" in control or "s-maxage" in control or "must-revalidate" in control):
        return False
    if visit["set_cookie"] and not ("public" in control or "s-maxage" in control or (explicit and not sent_cookie)):
        return False
    return explicit or not sent_cookie


class EchoingOrigin:
    """Writes into each answer who it was made for, and keeps a note of what it said of sharing it."""

    def __init__(self) -> None:
        self.visit = dict(PLAIN)
        self.answers: dict[bytes, tuple[str, str, dict]] = {}
        self.count = 0

    def respond(self, asked: OriginRequest) -> Answer:
        visit = self.visit
        if visit["fails"]:
            return Answer(503, [(b"cache-control", b"no-store")], b"busy")
        cookie, authorization = (first(asked.fields, name) or b"" for name in (b"cookie", b"authorization"))
        self.count += 1
        body = b"answer %04d made for %s / %s" % (self.count, cookie or b"-", authorization or b"-")
        self.answers[body[:11]] = (cookie.decode(), authorization.decode(), visit)
        confirmed = first(asked.fields, b"if-none-match") if visit["confirms"] and asked.method == b"GET" else None
        fields: Fields = (
            [(b"content-type", b"text/plain")] if confirmed else [(b"content-type", b"text/plain"), (b"x-serial", body[:11])]
        )
        for name, value in (("cache-control", visit["control"]), ("vary", visit["vary"])):
            if value:
                fields.append((name.encode(), value.encode()))
        if visit["validator"]:
            fields.append((b"etag", confirmed or b'"%d"' % self.count))
        if visit["modified"]:
            fields.append((b"last-modified", b"Fri, 01 Jan 2021 00:00:00 GMT"))
        if visit["set_cookie"]:
            fields.append((b"set-cookie", b"for=" + body[:11]))
        return Answer(304, fields) if confirmed else Answer(200, fields, body)


def check_may_have(origin: EchoingOrigin, serial: bytes, visit: dict) -> None:
    cookie, authorization, said = origin.answers[serial]
    if (cookie, authorization) == (visit["cookie"], visit["authorization"]):
        return
    assert is_declared_shareable(said, sent_cookie=cookie, sent_authorization=authorization), serial
    assert "Cookie" not in said["vary"] or cookie == visit["cookie"], serial
    assert "Authorization" not in said["vary"] or authorization == visit["authorization"], serial


@settings(max_examples=300)
@given(visits)
@example([PLAIN | {"cookie": "anna", "set_cookie": True, "control": "max-age=60, must-revalidate"}, PLAIN | {"cookie": "ben"}])
@example(
    [
        PLAIN | {"validator": True},
        PLAIN | {"cookie": "ben", "wait": 70, "set_cookie": True, "validator": True, "confirms": True},
        PLAIN | {"cookie": "carla"},
    ]
)
@example([PLAIN | {"authorization": "anna", "control": "max-age=60"}, PLAIN])
@example([PLAIN | {"cookie": "anna", "control": "", "modified": True}, PLAIN | {"cookie": "ben"}])
def test_no_visitor_gets_what_was_made_for_another_unless_the_origin_said_so(visits):
    """The origin writes into each body whom it saw. Whatever mix of fields, waits and failures: bytes that reach somebody else were declared shareable."""
    origin = EchoingOrigin()
    stage = Stage(respond=origin.respond, policy=CachePolicy())
    try:
        for visit in visits:
            origin.visit = visit
            stage.clock.turn(visit["wait"])
            fields: Fields = []
            for name, value in (
                ("cookie", visit["cookie"]),
                ("authorization", visit["authorization"]),
                ("range", visit["range"]),
                ("cache-control", visit["wish"]),
            ):
                if value:
                    fields.append((name.encode(), value.encode()))
            response, _ = stage.run(stage.ask(visit["method"], visit["path"], fields))
            cookie = first(response.fields(), b"set-cookie")
            for serial in (first(response.fields(), b"x-serial"), cookie and cookie.removeprefix(b"for=")):
                if serial is not None:
                    check_may_have(origin, serial, visit)
    finally:
        stage.close()


# ── Poisoning ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", sorted(name.decode() for name in OVERRIDES))
@pytest.mark.parametrize("how", ["GET", "POST"])
def test_a_field_by_which_a_client_could_override_who_what_or_where_never_reaches_the_origin(play, name, how):
    """CWE-444, CWE-525. The origin gets what we say ourselves, or nothing."""
    play.stage.origin.respond = lambda asked: Answer(
        200, [(b"cache-control", b"max-age=60")], b"|".join(value for _, value in asked.fields)
    )
    response, body = play.stage.run(play.stage.ask(how, "/page", [(name.encode(), b"evil.test")]))
    assert response.status == 200
    assert b"evil.test" not in body


def test_what_no_key_holds_can_not_make_two_bodies_of_one_page(play):
    """Whatever an origin does with these fields, the second visitor gets what a visitor without them would."""
    stage = play.stage

    def respond(asked: OriginRequest) -> Answer:
        told = [value for name, value in asked.fields if name in OVERRIDES and name not in (b"forwarded", b"x-forwarded-for")]
        return Answer(200, [(b"cache-control", b"max-age=60")], b"links to " + b",".join(sorted(told)))

    stage.origin.respond = respond
    _, plain = stage.run(stage.ask("GET", "/first"))
    evil = [(name, b"evil.test") for name in sorted(OVERRIDES)]
    _, poisoned = stage.run(stage.ask("GET", "/second", evil))
    _, after = stage.run(stage.ask("GET", "/second"))
    assert plain == poisoned == after


def test_a_get_with_content_is_answered_for_its_sender_alone(play):
    """RFC 9110 §9.3.1: content of a GET means nothing, yet an origin may act on it; it is in no key."""
    play("""
        anna    ──▶ GET /page | «name=anna»
        origin  ◀── GET /page | «name=anna»
        origin  ──▶ 200 | Cache-Control: max-age=60 | «for anna»
        anna    ◀── 200 | -Age | «for anna»
        ben     ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | «for all»
        ben     ◀── 200 | «for all»
        anna    ──▶ GET /page | «name=anna»
        origin  ◀── GET /page | «name=anna»
        origin  ──▶ 200 | Cache-Control: max-age=60 | «for anna»
        anna    ◀── 200 | «for anna»
    """)


def test_connection_can_not_be_used_to_take_a_field_from_what_the_origin_sees(play):
    """RFC 9110 §7.6.1 forbids to list such fields; following it would let a client make an anonymous page of a personal one."""
    play("""
        anna    ──▶ GET /page | Connection: Cookie, Authorization, X-Hop | Cookie: id=anna | Authorization: Basic anna | X-Hop: 1
        origin  ◀── GET /page | Cookie: id=anna | Authorization: Basic anna | -X-Hop | -Connection
        origin  ──▶ 200 | Cache-Control: private | «for anna»
        anna    ◀── 200 | «for anna»
    """)


def test_a_request_to_switch_protocols_is_never_answered_from_the_cache(play):
    """RFC 9110 §7.8. A stored page under the address of a socket would keep it shut."""
    play("""
        anna    ──▶ GET /live
        origin  ◀── GET /live
        origin  ──▶ 200 | Cache-Control: max-age=60 | «use a socket»
        anna    ◀── 200 | «use a socket»
        anna    ──▶ GET /live | Connection: Upgrade | Upgrade: websocket
        origin  ◀── GET /live
        origin  ──▶ 200 | Cache-Control: no-store | «not now»
        anna    ◀── 200 | Cache-Status: fwd=bypass | «not now»
    """)
