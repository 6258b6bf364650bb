"""`/_weft/trace/`: for who holds a token, and what it shows of a page made of pieces."""

from __future__ import annotations

import base64
import json
import re
import threading

import pytest

from tests.support.chromium import Chromium, find_chromium
from tests.support.gateway_process import GatewayProcess
from tests.support.raw_client import CutShort
from tests.support.scripted_origin import answer, ok

TOKEN = "trace-token-0123456789"
ESI = (b'Surrogate-Control: content="ESI/1.0"', b"Content-Type: text/html", b"Cache-Control: max-age=600")
KEPT = b"Cache-Control: max-age=600"
FAILS = answer(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\nCache-Control: no-store\r\n\r\n")


@pytest.fixture(scope="module")
def weft(shared_origin):
    with GatewayProcess(shared_origin.url, {"debug.tokens": [TOKEN], "upstream.breaker.failures": 1000}) as process:
        yield process


def ask(weft, path: str, *fields: str, method: str = "GET"):
    lines = [f"{method} {path} HTTP/1.1", "Host: shop.test", *fields, "", ""]
    return weft.ask("\r\n".join(lines).encode())


def traced(weft, path: str, *fields: str) -> tuple[object, str]:
    """The response, and where its trace is."""
    response = ask(weft, path, f"Weft-Debug: {TOKEN}", *fields)
    return response, response.value(b"weft-trace").decode()


def told(weft, place: str) -> dict:
    return json.loads(ask(weft, place, f"Weft-Debug: {TOKEN}").body)


def page_at(weft, place: str) -> str:
    return ask(weft, place, f"Weft-Debug: {TOKEN}", "Accept: text/html").body.decode()


def basic(password: str, user: str = "anybody") -> str:
    return "Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def page(origin, path) -> str:
    """A page of five pieces: one comes, one has a piece itself, one by alt, one by its own body, one not at all; and a fault."""
    origin.script(f"{path}/a", answer(ok(b"A", KEPT)))
    origin.script(f"{path}/nest", answer(ok(f'[<esi:include src="{path}/a"/>]'.encode(), *ESI)))
    for name in ("b", "c", "d"):
        origin.script(f"{path}/{name}", FAILS)
    body = (
        f'<esi:include src="{path}/a"/><esi:include src="{path}/nest"/><esi:include src="{path}/b" alt="{path}/a"/>'
        f'<esi:include src="{path}/c">C</esi:include><esi:include src="{path}/d?s=$(HTTP_COOKIE{{session}})" onerror="continue"/>'
        "<esi:nonsense/>"
    )
    origin.script(path, answer(ok(body.encode(), *ESI)))
    return path


def test_a_trace_tells_what_became_of_each_piece(weft, page):
    for _ in range(2):  # from the origin, then from memory
        response, place = traced(weft, page)
        assert response.body == b"A[A]AC"
        about = told(weft, place)
        tree = about["tree"]
        assert (about["status"], about["state"], about["octets"]) == (200, "complete", 6)
        assert (tree["rung"], tree["url"]) == ("page", f"http://shop.test{page}")
        found = sorted(
            (node["url"].removeprefix(page), node["rung"], node["outcome"], node["reason"]) for node in tree["includes"]
        )
        assert found == [
            ("/a", "alt", "alt", ""),
            ("/a", "src", "src", ""),
            ("/b", "src", "", "status_500"),
            ("/c", "src", "fallback", "status_500"),
            ("/d?s=$(...)", "src", "nothing", "status_500"),
            ("/nest", "src", "src", ""),
        ]
        (nested,) = [node for node in tree["includes"] if node["url"] == f"{page}/nest"]
        assert [(node["url"], node["outcome"], node["octets"]) for node in nested["includes"]] == [(f"{page}/a", "src", 1)]
        assert {node["status"] for node in tree["includes"] if node["reason"]} == {500}
        (problem,) = about["problems"]
        assert problem["url"] == f"http://shop.test{page}"
        assert "nonsense" in problem["problem"]
    assert {node["cache"] for node in tree["includes"] if not node["reason"] and node["rung"] == "src"} <= {"memory", "hit"}
    assert tree["cache"] == "hit"


def test_the_response_names_its_includes_and_its_trace(weft, origin, path):
    origin.script(f"{path}/a", answer(ok(b"A", KEPT)))
    origin.script(path, answer(ok(f'<esi:include src="{path}/a"/>'.encode(), *ESI)))
    ask(weft, path)
    response, place = traced(weft, path)
    assert re.fullmatch(rf'"{path}/a";outcome=src;cache=memory;ms=0\.\d'.encode(), response.value(b"weft-includes"))
    assert re.fullmatch(r"/_weft/trace/[\w-]{22}", place)


@pytest.mark.parametrize("fields", [(), ("Weft-Debug: wrong",), (basic(TOKEN),)], ids=["none", "wrong", "password"])
def test_nobody_else_is_traced(weft, page, fields):
    before = len(told(weft, "/_weft/trace/")["traces"])
    response = ask(weft, page, *fields)
    assert response.value(b"weft-trace") is None
    assert response.value(b"weft-includes") is None
    assert len(told(weft, "/_weft/trace/")["traces"]) == before


@pytest.mark.parametrize(
    "fields",
    [
        (),
        ("Weft-Debug: wrong",),
        ("Weft-Debug:",),
        (basic("wrong"),),
        (basic("", TOKEN),),
        ("Authorization: Basic %%%",),
        ("Authorization: Basic",),
        (f"Authorization: Bearer {TOKEN}",),
        ("Weft-Debug: wrong", basic(TOKEN)),
    ],
)
@pytest.mark.parametrize("place", ["/_weft/trace/", "/_weft/trace/no-such-trace"])
def test_without_a_token_there_is_nothing_to_see(weft, place, fields):
    response = ask(weft, place, *fields, "Accept: text/html")
    assert response.status == 401
    assert response.value(b"www-authenticate").startswith(b"Basic ")
    assert response.value(b"cache-control") == b"private, no-store"


@pytest.mark.parametrize("field", [f"Weft-Debug: {TOKEN}", basic(TOKEN), basic(TOKEN, "")], ids=["field", "password", "no user"])
def test_a_token_opens_it_as_a_field_or_as_a_password(weft, page, field):
    _, place = traced(weft, page)
    for path in ("/_weft/trace/", place):
        assert ask(weft, path, field).status == 200


def test_where_no_token_is_set_nobody_is_asked_for_one(gateway):
    response = ask(gateway, "/_weft/trace/", basic(""))
    assert response.status == 403
    assert b"debug.tokens" in response.body


def test_cookies_and_values_of_parameters_are_in_no_trace(weft, page):
    secrets = ("cookie-of-a-visitor", "value-of-a-parameter", "credentials", TOKEN)
    fields = (f"Cookie: session={secrets[0]}", f"Authorization: Bearer {secrets[2]}")
    response, place = traced(weft, f"{page}?token={secrets[1]}", *fields)
    shown = [
        response.value(b"weft-includes").decode(),
        page_at(weft, place),
        json.dumps(told(weft, place)),
        page_at(weft, "/_weft/trace/"),
    ]
    for text in shown:
        assert not [secret for secret in secrets if secret in text]
    assert "?token=…" in shown[1]


def test_a_fault_in_what_a_variable_led_to_does_not_tell_the_variable(weft, origin, path):
    origin.script(f"{path}/secret-of-a-visitor", answer(ok(b"<esi:nonsense/>", KEPT)))
    origin.script(path, answer(ok(f'<esi:eval src="{path}/$(HTTP_COOKIE{{session}})"/>'.encode(), *ESI)))
    _, place = traced(weft, path, "Cookie: session=secret-of-a-visitor")
    (problem,) = told(weft, place)["problems"]
    assert problem["problem"].startswith(f"{path}/$(...): line 1: ")
    assert "secret-of-a-visitor" not in page_at(weft, place)


def test_the_page_runs_no_script_and_loads_nothing(weft, page):
    _, place = traced(weft, page)
    for path in (place, "/_weft/trace/", "/_weft/trace/gone"):
        response = ask(weft, path, f"Weft-Debug: {TOKEN}", "Accept: text/html")
        policy, text = response.value(b"content-security-policy").decode(), response.body.decode()
        assert policy.startswith("default-src 'none'; style-src 'nonce-")
        assert "unsafe" not in policy
        nonce = re.search("nonce-([^']+)'", policy)[1]
        assert re.findall("<style[^>]*>", text) == [f'<style nonce="{nonce}">']
        assert not re.findall(r"<(?:script|img|link|iframe)|\s(?:style|on[a-z]+|src)=", text)
        assert response.value(b"cache-control") == b"private, no-store"


def test_markup_in_a_url_is_shown_as_text(weft, origin, path):
    origin.script(path, answer(ok(b"""<esi:include src="/&lt;script>alert(1)&lt;/script>'x" onerror="continue"/>""", *ESI)))
    _, place = traced(weft, path)
    text = page_at(weft, place)
    assert "alert(1)" in text
    assert "<script" not in text


def test_html_is_for_browsers_and_json_for_everybody_else(weft, page):
    _, place = traced(weft, page)
    for accept, kind in [
        ("Accept: text/html,application/xhtml+xml,*/*;q=0.8", b"text/html"),
        ("Accept: */*", b"application/json"),
        ("Accept: application/json", b"application/json"),
        ("Accept: text/html;q=0.5, application/json", b"application/json"),
    ]:
        for path in (place, "/_weft/trace/"):
            response = ask(weft, path, f"Weft-Debug: {TOKEN}", accept)
            assert response.value(b"content-type").startswith(kind)


def test_a_trace_that_is_gone_is_404_with_the_others(weft, page):
    _, place = traced(weft, page)
    response = ask(weft, "/_weft/trace/gone", f"Weft-Debug: {TOKEN}", "Accept: text/html")
    assert response.status == 404
    assert place in response.body.decode()
    assert ask(weft, "/_weft/trace/gone", f"Weft-Debug: {TOKEN}").status == 404


def test_without_its_slash_the_address_leads_there(weft):
    response = ask(weft, "/_weft/trace", f"Weft-Debug: {TOKEN}")
    assert (response.status, response.value(b"location")) == (308, b"/_weft/trace/")


def test_a_page_under_way_can_be_looked_at(weft, origin, path):
    """The head is out, a piece is missing: the trace says so, and later what came of it."""
    wait, begun = threading.Event(), threading.Event()

    def slow(peer, _request):
        begun.set()
        wait.wait(20)
        peer.send(ok(b"late", KEPT))

    origin.script(f"{path}/slow", slow)
    origin.script(path, answer(ok(f'begin <esi:include src="{path}/slow"/>'.encode(), *ESI)))
    with weft.connect() as client:
        client.send(f"GET {path} HTTP/1.1\r\nHost: shop.test\r\nWeft-Debug: {TOKEN}\r\nConnection: close\r\n\r\n".encode())
        head = client.head()
        assert begun.wait(20)
        place = head.value(b"weft-trace").decode()
        about = told(weft, place)
        assert (about["state"], about["head_ms"] is not None) == ("under way", True)
        assert [node["open"] for node in about["tree"]["includes"]] == [True]
        assert "still open" in page_at(weft, place)
        wait.set()
        assert b"late" in client.read_to_end()
    about = told(weft, place)
    assert [(node["open"], node["outcome"]) for node in about["tree"]["includes"]] == [(False, "src")]


def test_a_page_that_is_cut_short_says_why(weft, origin, path):
    origin.script(f"{path}/b", FAILS)
    origin.script(path, answer(ok(f'begin <esi:include src="{path}/b"/>'.encode(), *ESI)))
    with pytest.raises(CutShort) as cut:
        traced(weft, path)
    about = told(weft, cut.value.partial.value(b"weft-trace").decode())
    assert about["state"] == "cut short"
    assert [(node["outcome"], node["reason"]) for node in about["tree"]["includes"]] == [("failed", "status_500")]
    assert about["without"] == 1


def test_other_requests_leave_traces_too(weft, origin, path):
    origin.script(path, answer(ok(b"plain", KEPT)))
    for expected in ("uri-miss", "hit"):
        _, place = traced(weft, path)
        about = told(weft, place)
        assert (about["cache"], about["includes"], about["octets"]) == (expected, 0, 5)
        assert "nothing was included" in page_at(weft, place)
    response = ask(weft, path, f"Weft-Debug: {TOKEN}", method="HEAD")
    assert told(weft, response.value(b"weft-trace").decode())["method"] == "HEAD"


@pytest.mark.browser
@pytest.mark.skipif(find_chromium() is None, reason="no chromium here")
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_draws_it_without_a_word_in_the_console(weft, page, tmp_path, width):
    """Every bar stands on the axis, none is invisible, and nothing is wider than the window."""
    _, place = traced(weft, page)
    with Chromium(tmp_path) as browser:
        shown = browser.open(f"http://x:{TOKEN}@127.0.0.1:{weft.port}{place}", width=width)
        shown.wait("document.readyState === 'complete' && document.querySelectorAll('.fall rect').length === 8")
        inside = "[...document.querySelectorAll('.fall li svg')].every(svg => { const a = svg.getBoundingClientRect(), "
        inside += "b = svg.querySelector('rect').getBoundingClientRect(); "
        inside += "return b.width >= 1 && b.left >= a.left - 1 && b.right <= a.right + 1 })"
        assert shown.value(inside)
        assert shown.value("document.documentElement.scrollWidth") == width
        assert shown.complaints == []
