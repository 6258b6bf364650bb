"""Content that follows later in the same response: what goes over the wire, and what a real browser makes of it."""

from __future__ import annotations

import re
import threading

import pytest

from tests.support.chromium import Chromium

PAGE = (
    b"<!doctype html><html><head><title>t</title></head><body><h1>Shop</h1>"
    b'<div id=recs><esi:include src="{}/recs">wait a moment</esi:include></div><p id=end>end</p></body></html>'
)
BROWSER = (b"Sec-Fetch-Dest: document", b"User-Agent: Mozilla/5.0 (X11; Linux) Firefox/150.0")
NATIVE = (b"Sec-Fetch-Dest: document", b"User-Agent: Mozilla/5.0 Chrome/156.0", b'Sec-CH-UA: "Chromium";v="156", "Not A";v="9"')


@pytest.fixture
def late(start_gateway):
    return start_gateway({"esi.late": True, "esi.late_after": 0, "esi.deadline": 20})


def until(client, mark):
    """What has come of a response when mark has."""
    came = b""
    while mark not in came:
        more = client.socket.recv(65_536)
        assert more, came
        came += more
    return came


def watch(gateway, page, gate, lines):
    """(what came before the fragment was there, what came after)."""
    with gateway.connect() as client:
        client.send(b"GET %b HTTP/1.1\r\nHost: shop.test\r\n%b\r\n" % (page.encode(), b"".join(line + b"\r\n" for line in lines)))
        late = client.socket.recv(65_536)
        while b"<div id=recs>" not in late:
            late += client.socket.recv(65_536)
        if gate is not None:
            gate.set()
        return late, until(client, b"0\r\n\r\n")


def test_a_page_streams_past_a_slow_hole_and_the_content_follows(late, site):
    page, gate = site.page("/", PAGE), site.held("/recs", b"<b>for you</b>")
    with late.connect() as client:
        client.send(b"GET %b HTTP/1.1\r\nHost: shop.test\r\n%b\r\n\r\n" % (page.encode(), b"\r\n".join(BROWSER)))
        before = until(client, b"</html>")
        gate.set()
        after = until(client, b"0\r\n\r\n")
    placed = re.search(rb'<div id=recs>(?:\r\n[0-9a-f]+\r\n)?<\?start name="(weft-[0-9a-f]+-1)">wait a moment<\?end>', before)
    assert placed is not None, before
    assert b"for you" not in before
    assert b'<template for="%b"><b>for you</b></template><script>' % placed[1] in after
    assert after.count(b"<script>") == 1


def test_a_browser_that_patches_by_itself_gets_no_script(late, site):
    page, gate = site.page("/", PAGE), site.held("/recs", b"<b>for you</b>")
    with late.connect() as client:
        client.send(b"GET %b HTTP/1.1\r\nHost: shop.test\r\n%b\r\n\r\n" % (page.encode(), b"\r\n".join(NATIVE)))
        until(client, b"</html>")
        gate.set()
        assert re.search(rb'<template for="weft-[0-9a-f]+-1"><b>for you</b></template>\r\n', until(client, b"0\r\n\r\n"))


@pytest.mark.parametrize(
    "lines",
    [
        (),
        (b"User-Agent: Mozilla/5.0 Firefox/150.0",),
        (b"Sec-Fetch-Dest: document", b"User-Agent: Googlebot/2.1"),
        (b"Sec-Fetch-Dest: empty", b"User-Agent: Mozilla/5.0 Firefox/150.0"),
    ],
    ids=["curl", "no word of a document", "a robot", "fetch()"],
)
def test_who_is_no_browser_gets_document_order(late, site, lines):
    page, gate = site.page("/", PAGE), site.held("/recs", b"<b>for you</b>")
    before, after = watch(late, page, gate, lines)
    assert b"<?start" not in before + after
    assert after.index(b"for you") < after.index(b"<p id=end>")


def test_without_the_sites_leave_everybody_gets_document_order(gateway, site):
    page, gate = site.page("/", PAGE), site.held("/recs", b"<b>for you</b>")
    before, after = watch(gateway, page, gate, BROWSER)
    assert b"<?start" not in before + after
    assert after.index(b"for you") < after.index(b"<p id=end>")


def test_a_page_with_a_policy_of_its_own_gets_no_script_of_ours(late, site):
    page, gate = site.page("/", PAGE, b"Content-Security-Policy: script-src 'self'"), site.held("/recs", b"<b>for you</b>")
    before, after = watch(late, page, gate, BROWSER)
    assert b"<?start" not in before + after
    assert b"<script" not in after


@pytest.mark.parametrize(
    "markup",
    [
        b"<html><head><title><div id=recs><esi:include src='{}/recs'/></title></head><body>end</body></html>",
        b"<html><body><div id=recs><a href=\"<esi:include src='{}/recs'/>\">x</a>end</body></html>",
        b"<html><body><div id=recs><script>let a = '<esi:include src=\"{}/recs\"/>'</script>end</body></html>",
    ],
    ids=["title", "attribute", "script"],
)
def test_a_hole_where_no_element_may_stand_is_waited_for(late, site, markup):
    page, gate = site.page("/", markup), site.held("/recs", b"word")
    before, after = watch(late, page, gate, BROWSER)
    assert b"<?start" not in before + after
    assert after.index(b"word") < after.index(b"end")


def test_a_late_hole_that_fails_takes_its_own_body(late, site, ask):
    page = site.page("/", PAGE)
    site.page("/recs", b"broken", b"Cache-Control: no-store", status=b"500 Broken", esi=False)
    body = ask(late, page, *BROWSER).body
    assert b"wait a moment" in body
    assert b"broken" not in body


def test_a_late_hole_that_can_t_be_had_at_all_cuts_the_page_short(late, site, ask):
    page, gate = site.page("/", PAGE.replace(b">wait a moment</esi:include>", b"/>")), threading.Event()

    def fails(peer, _):
        gate.wait(20)
        peer.send(b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n")

    site.origin.script(site.path + "/recs", fails)
    with late.connect() as client:
        client.send(b"GET %b HTTP/1.1\r\nHost: shop.test\r\n%b\r\n\r\n" % (page.encode(), b"\r\n".join(BROWSER)))
        until(client, b"</html>")
        gate.set()
        assert b"0\r\n\r\n" not in client.read_to_end()


@pytest.mark.browser
@pytest.mark.parametrize("script", [False, True], ids=["natively", "by the script"])
def test_chromium_puts_late_content_in_its_place(late, site, tmp_path, script):
    site.page("/", PAGE)
    gate = site.held("/recs", b"<b>for you</b>")
    with Chromium(tmp_path) as browser:
        page = browser.open("about:blank")
        brand = {"brand": "Plain", "version": "1"} if script else {"brand": "Chromium", "version": "156"}
        agent = {"userAgent": "Mozilla/5.0 (X11; Linux x86_64) Plain/1.0", "userAgentMetadata": {**HINTS, "brands": [brand]}}
        page.ask("Network.setUserAgentOverride", agent)
        page.ask("Page.navigate", {"url": f"http://127.0.0.1:{late.port}{site.path}/"})
        page.wait("document.querySelector('#end')")
        assert page.value("document.querySelector('#recs').textContent") == "wait a moment"
        gate.set()
        page.wait("document.querySelector('#recs b')?.textContent === 'for you' && document.readyState === 'complete'")
        assert page.value("document.querySelector('#recs').innerHTML") == "<b>for you</b>"
        assert page.value("document.querySelectorAll('template').length") == 0
        assert page.value("document.scripts.length") == (1 if script else 0)


HINTS = {
    "fullVersionList": [],
    "platform": "Linux",
    "platformVersion": "",
    "architecture": "",
    "model": "",
    "mobile": False,
}
