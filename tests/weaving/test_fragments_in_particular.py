"""Includes that are asked for early, hints of theirs that reach the page, fragments with an address, markup that nobody runs, time for an alt."""

from __future__ import annotations

import threading

import pytest

from tests.support.gateway_process import GatewayProcess


def test_what_a_page_led_to_last_time_is_asked_for_together_with_the_page(gateway, site, ask):
    """The origin holds the page back until it has been asked for the fragment: it would wait for ever otherwise."""
    asked = threading.Event()
    fields = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nCache-Control: no-store\r\n"

    def fragment(peer, _):
        asked.set()
        peer.send(fields + b"Content-Length: 4\r\n\r\npart")

    markup = b"<esi:include src='" + site.path.encode() + b"/part'/>"
    content = b"[%b]" % markup
    head = fields + b'Surrogate-Control: content="ESI/1.0"\r\nContent-Length: %d\r\n\r\n' % len(content)

    def page(peer, _):
        assert asked.wait(20), "the fragment was not asked for while the page was on its way"
        peer.send(head + content)

    site.origin.script(site.path + "/part", fragment)
    site.origin.script(site.path + "/", lambda peer, _: peer.send(head + content))
    assert ask(gateway, site.path + "/").body == b"[part]"
    asked.clear()
    site.origin.script(site.path + "/", page)
    assert ask(gateway, site.path + "/").body == b"[part]"
    assert len(site.asked("/part")) == 2  # once for each page


def test_what_the_page_no_longer_leads_to_is_forgotten(gateway, site, ask):
    page = site.page("/", b"<esi:include src='{}/part'/>", b"Cache-Control: no-store")
    site.page("/part", b"part", b"Cache-Control: no-store", esi=False)
    ask(gateway, page)
    site.page("/", b"nothing", b"Cache-Control: no-store")
    assert ask(gateway, page).body == b"nothing"
    assert ask(gateway, page).body == b"nothing"
    assert len(site.asked("/part")) <= 2  # once for the page, once for what it was last time


def test_preloads_of_fragments_reach_the_page_and_other_links_do_not(gateway, site, ask):
    page = site.page("/", b"<esi:include src='{}/a'/><esi:include src='{}/b'/>", b"Link: </site.css>; rel=preload; as=style")
    site.page("/a", b"a", b"Link: </a.css>; rel=preload; as=style, </next>; rel=next", esi=False)
    site.page("/b", b"b", b'Link: </a.css>; rel=preload; as=style, <relative.css>; rel="preload"', esi=False)
    ask(gateway, page)
    answer = ask(gateway, page)
    assert answer.body == b"ab"
    assert answer.values(b"link") == [b"</site.css>; rel=preload; as=style", b"</a.css>; rel=preload; as=style"]


def test_an_inline_fragment_that_is_fetchable_has_an_address_of_its_own(gateway, site, ask):
    page = site.page("/", b'<esi:inline name="{}/menu" fetchable="yes">MENU</esi:inline>[<esi:include src="{}/menu"/>]')
    assert ask(gateway, page).body == b"[MENU]"
    answer = ask(gateway, site.path + "/menu")
    assert answer.body == b"MENU"
    assert b"hit" in answer.value(b"cache-status")
    assert not site.asked("/menu")


def test_an_inline_fragment_that_is_not_fetchable_is_the_pages_own(gateway, site, ask):
    page = site.page("/", b'<esi:inline name="{}/menu" fetchable="no">MENU</esi:inline>[<esi:include src="{}/menu"/>]')
    site.page("/menu", b"the origin has it", esi=False)
    assert ask(gateway, page).body == b"[MENU]"
    assert ask(gateway, site.path + "/menu").body == b"the origin has it"


def test_an_inline_fragment_does_not_take_the_place_of_what_the_origin_says(gateway, site, ask):
    site.page("/menu", b"the origin has it", esi=False)
    assert ask(gateway, site.path + "/menu").body == b"the origin has it"
    ask(gateway, site.page("/", b'<esi:inline name="{}/menu" fetchable="yes">MENU</esi:inline>'))
    assert ask(gateway, site.path + "/menu").body == b"the origin has it"


RAW = b"<p>a</p><esi:include src='/x'/><esi:remove>old</esi:remove>b"


def metric(gateway, ask, name):
    text = ask(gateway, "/_weft/metrics").body.decode()
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


def test_markup_that_reaches_a_browser_is_counted(start_gateway, site, ask):
    gateway = start_gateway()
    assert ask(gateway, site.page("/", RAW, esi=False)).body == RAW
    assert metric(gateway, ask, "weft_esi_raw_tags_total") == 2


@pytest.mark.parametrize("cut", [*range(1, len(RAW), 4)])
def test_markup_is_taken_out_where_the_route_says_so(start_gateway, stripping, site, ask, cut):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nCache-Control: no-store\r\nContent-Length: %d\r\n\r\n" % len(RAW)
    site.origin.script(site.path + "/", lambda peer, _: peer.send(head + RAW[:cut], RAW[cut:]))
    assert ask(stripping, site.path + "/").body == b"<p>a</p>oldb"


@pytest.fixture(scope="module")
def stripping(shared_origin):
    with GatewayProcess(shared_origin.url, {"esi.strip": True}) as process:
        yield process


def test_a_source_that_hangs_leaves_time_for_its_alt(start_gateway, site, ask):
    gateway = start_gateway({"esi.deadline": 1.0})
    page = site.page("/", b"[<esi:include src='{}/hangs' alt='{}/alt'/>]", b"Cache-Control: no-store")
    site.held("/hangs", b"never")
    site.page("/alt", b"instead", b"Cache-Control: no-store", esi=False)
    assert ask(gateway, page).body == b"[instead]"


@pytest.mark.parametrize("on_failure", ["fail", "continue"])
def test_a_tree_of_pages_that_include_each_other_is_bounded(start_gateway, site, ask, on_failure):
    """Ten branches each, five deep, would be 111,110 requests."""
    gateway = start_gateway({"esi.on_failure": on_failure, "esi.deadline": 20})
    page = site.page("/", b"[" + b"<esi:include src='{}/'/>" * 10 + b"]", b"Cache-Control: no-store")
    with gateway.connect() as client:
        client.send(b"GET %b HTTP/1.1\r\nHost: shop.test\r\n\r\n" % page.encode())
        if on_failure == "continue":
            assert client.response().body.startswith(b"[[")
        else:
            assert b"0\r\n\r\n" not in client.read_to_end()
    assert len(site.asked("/")) <= 257


def test_a_page_with_megabytes_of_markup_does_not_stall(gateway, site, ask):
    """What has gone out makes room, though it was tags and no text."""
    piece = b"<esi:comment text='" + b"x" * 30_000 + b"'/>."
    assert ask(gateway, site.page("/", piece * 100, b"Cache-Control: no-store")).body == b"." * 100


def test_a_nested_page_too_large_to_be_spliced_in_is_not_taken_into_memory_whole(start_gateway, site, ask):
    gateway = start_gateway({"esi.max_fragment_bytes": 10_000})
    page = site.page("/", b"[<esi:include src='{}/large'>instead</esi:include>]", b"Cache-Control: no-store")
    site.page("/large", b"y" * 50_000 + b"<esi:include src='{}/part'/>", b"Cache-Control: no-store")
    site.page("/part", b"part", esi=False)
    assert ask(gateway, page).body == b"[instead]"


def test_the_origin_may_be_named_by_the_address_that_we_have_it_at(gateway, site, ask):
    """Pages of frameworks that build absolute URLs from what they listen on. Loopback, and allowed: it is the configured origin."""
    page = site.page("/", b"[<esi:include src='%b{}/part'/>]" % site.origin.url.encode())
    site.page("/part", b"part", esi=False)
    assert ask(gateway, page).body == b"[part]"
    assert ask(gateway, page).body == b"[part]"
    assert site.asked("/part")[0].value(b"host") == b"shop.test"


def test_another_port_of_the_same_address_is_a_stranger(gateway, site, ask):
    page = site.page("/", b"[<esi:include src='http://127.0.0.1:9/part' onerror='continue'/>]")
    assert ask(gateway, page).body == b"[]"
