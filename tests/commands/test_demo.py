"""`weft demo`: one process, and what it promises when it starts."""

from __future__ import annotations

import re
import signal
import socket
from contextlib import closing, suppress

import httpx
import pytest

from tests.support.chromium import Chromium, find_chromium


@pytest.fixture
def client():
    with httpx.Client(trust_env=False, timeout=20) as client:
        yield client


def test_it_says_where_to_look_and_each_place_is_there(start_demo, client):
    demo = start_demo("--port", "0")
    assert f"{demo.shop}/_weft/demo/" in demo.said
    assert len(demo.said.splitlines()) < 25
    assert "\033" not in demo.said, "no colours where there is no terminal"
    assert client.get(f"{demo.shop}/").status_code == 200
    page = client.get(f"{demo.shop}/_weft/demo", follow_redirects=True)
    assert page.url.path == "/_weft/demo/"
    assert "What the cache does, live" in page.text


def test_a_shop_page_comes_from_the_cache_the_second_time(start_demo, client):
    demo = start_demo("--port", "0", "--delay", "0")
    first, second = (client.get(f"{demo.shop}/p/aino-desk-lamp") for _ in range(2))
    assert "fwd=uri-miss" in first.headers["cache-status"]
    assert "; hit" in second.headers["cache-status"]
    assert first.content == second.content
    snapshot = client.get(f"{demo.shop}/_weft/demo/snapshot").json()
    assert (snapshot["requests"], snapshot["hits"], snapshot["misses"], snapshot["origin_requests"]) == (
        2,
        1,
        1,
        4,
    )  # the page, 3 pieces
    assert [entry["outcome"] for entry in snapshot["recent"]] == ["hit", "uri-miss"]
    assert {"tag": "category-lamps", "entries": 1} in snapshot["tags"]
    assert snapshot["latency_hit_us"]["p50"] > 0
    assert 0 < snapshot["bytes"] < snapshot["max_bytes"]


def test_a_shop_page_is_put_together_with_the_basket_of_its_visitor_and_of_nobody_else(start_demo, client):
    demo = start_demo("--port", "0", "--delay", "0")
    page = f"{demo.shop}/p/aino-desk-lamp"
    baskets = {"": None, "anvil-teapot.2": "Basket, 2 things", "ferry-tote.1~anvil-teapot.4": "Basket, 5 things"}
    for _ in range(2):  # from the shop, then from memory
        for basket, words in baskets.items():
            text = client.get(page, headers={"cookie": f"basket={basket}"} if basket else {}).text
            assert "<esi:" not in text
            assert "Goes well with it" in text
            assert "</footer>" in text
            assert re.findall(r'aria-label="(Basket, \d things)', text) == ([words] if words else [])
    snapshot = client.get(f"{demo.shop}/_weft/demo/snapshot").json()
    assert snapshot["includes"].keys() == {"src"}
    assert snapshot["woven"] >= 6


def test_a_new_price_reaches_the_pages_that_recommend_the_product(start_demo, client):
    """The page itself is not purged: the fragment in it is another response, with tags of its own."""
    demo = start_demo("--port", "0", "--delay", "0")
    page = client.get(f"{demo.shop}/p/aino-desk-lamp").text
    slug = re.findall(r'href="/p/([a-z-]+)"', page.partition("Goes well with it")[2])[0]
    admin, purge = re.findall(r"Authorization: Bearer ([^']+)'", demo.said)
    fields = {"authorization": f"Bearer {admin}"}
    client.post(f"{demo.shop}/admin/products/{slug}", headers=fields, data={"price": "1234.5"})
    assert client.get(f"{demo.shop}/p/aino-desk-lamp").text == page
    fields = {"authorization": f"Bearer {purge}", "surrogate-key": f"product-{slug}", "weft-purge": "hard"}
    assert client.post(f"{demo.shop}/_weft/purge", headers=fields).json()["purged"] == 1
    response = client.get(f"{demo.shop}/p/aino-desk-lamp")
    assert "; hit" in response.headers["cache-status"]
    assert "€1,234.50" in response.text


def test_the_live_page_leads_to_traces(start_demo, client):
    demo = start_demo("--port", "0", "--delay", "0")
    token = re.search('data-token="([^"]+)"', client.get(f"{demo.shop}/_weft/demo/").text)[1]
    fields = {"x-weft-demo-token": token, "sec-fetch-site": "same-origin"}
    made = client.post(f"{demo.shop}/_weft/demo/traces", headers=fields, json={"path": "/p/aino-desk-lamp"}).json()["trace"]
    (listed,) = client.get(f"{demo.shop}/_weft/demo/snapshot").json()["traces"]
    assert (listed["id"], listed["includes"], listed["without"]) == (made, 4, 0)
    page = client.get(f"{demo.shop}/_weft/demo/trace/{made}", headers={"accept": "text/html"})
    assert page.status_code == 200
    for piece in ("header/lamps", "cart", "related/aino-desk-lamp", "footer"):
        assert f"/fragments/{piece}<" in page.text
    assert client.get(f"{demo.shop}/_weft/trace/{made}").status_code == 401
    (debug,) = re.findall(r"Weft-Debug: ([^']+)'", demo.said)
    assert client.get(f"{demo.shop}/_weft/trace/{made}", auth=("", debug)).status_code == 200


def test_the_commands_it_shows_do_what_they_say(start_demo, client):
    """Fetch, change the price at the shop, see the old page, purge the tag, see the new one."""
    demo = start_demo("--port", "0", "--delay", "0")
    page = f"{demo.shop}/p/aino-desk-lamp"
    before = client.get(page).text
    admin, purge = re.findall(r"Authorization: Bearer ([^']+)'", demo.said)
    assert f"curl -s {demo.shop}/admin/products/aino-desk-lamp" in demo.said
    edited = client.post(
        f"{demo.shop}/admin/products/aino-desk-lamp", headers={"authorization": f"Bearer {admin}"}, data={"price": "49"}
    )
    assert edited.status_code == 200
    assert client.get(page).text == before
    purged = client.post(
        f"{demo.shop}/_weft/purge",
        headers={"authorization": f"Bearer {purge}", "surrogate-key": "product-aino-desk-lamp", "weft-purge": "hard"},
    )
    assert purged.json()["purged"] == 1
    assert "€49.00" in client.get(page).text


def test_a_purge_by_path_reaches_every_host(start_demo, client):
    demo = start_demo("--port", "0", "--delay", "0")
    hosts = ("a.test", "b.test")
    for host in hosts:
        client.get(f"{demo.shop}/blog", headers={"host": host})
    page = client.get(f"{demo.shop}/_weft/demo/").text
    token = re.search('data-token="([^"]+)"', page)[1]
    answer = client.post(
        f"{demo.shop}/_weft/demo/purge",
        json={"url": "/blog?utm_source=x", "hard": "true"},
        headers={"x-weft-demo-token": token, "sec-fetch-site": "same-origin"},
    )
    assert answer.json() == {"purged": 2}
    for host in hosts:
        assert "fwd=uri-miss" in client.get(f"{demo.shop}/blog", headers={"host": host}).headers["cache-status"]


def test_a_watcher_does_not_stop_the_rest(start_demo, client):
    """An event stream waits for the client's end by `receive`; that call must wait too, and not spin."""
    demo = start_demo("--port", "0")
    with client.stream("GET", f"{demo.shop}/_weft/demo/events") as events:
        assert next(events.iter_lines()) != ""
        for _ in range(3):
            assert client.get(f"{demo.shop}/_weft/health/live").status_code == 200


def test_a_crowd_under_way_does_not_hold_up_the_connection_that_called_it(start_demo, client):
    demo = start_demo("--port", "0", "--delay", "0")
    page = client.get(f"{demo.shop}/_weft/demo/")
    token = re.search('data-token="([^"]+)"', page.text)[1]
    fields = {"x-weft-demo-token": token, "sec-fetch-site": "same-origin"}
    called = client.post(f"{demo.shop}/_weft/demo/visitors", headers=fields, json={})
    assert called.status_code == 202
    assert client.get(f"{demo.shop}/_weft/demo/snapshot").json()["requests"] < called.json()["visits"]
    assert "date" in called.headers


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_it_ends_cleanly_though_somebody_watches(start_demo, client, number):
    demo = start_demo("--port", "0")
    with client.stream("GET", f"{demo.shop}/_weft/demo/events") as events:
        next(events.iter_lines())
        code, out, err = demo.end(number)
        assert (code, out.strip(), err) == (0, "Stopped.", "")


def test_a_port_that_is_taken_is_one_line_and_exit_1(weft):
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        outcome = weft("demo", "--port", str(port))
    assert outcome.code == 1
    assert outcome.err == f"weft demo: can't listen on 127.0.0.1:{port}: Address already in use\n"


def test_without_a_wish_the_next_free_port_is_taken_and_said(start_demo, client):
    with closing(socket.socket()) as other:
        with suppress(OSError):  # somebody has it already, which is as good
            other.bind(("127.0.0.1", 8080))
            other.listen()
        demo = start_demo()
        assert demo.said.startswith("Port 8080 is taken; this one is free.")
        assert not demo.shop.endswith(":8080")
        assert client.get(demo.shop).status_code == 200


@pytest.mark.parametrize("arguments", [("--port", "70000"), ("--port", "x"), ("--delay", "-1"), ("--delay", "soon")])
def test_nonsense_is_refused_with_what_was_expected(weft, arguments):
    outcome = weft("demo", *arguments)
    assert outcome.code == 2
    assert "expected" in outcome.err


@pytest.mark.browser
@pytest.mark.skipif(find_chromium() is None, reason="no chromium here")
def test_the_live_page_follows_a_crowd_without_a_word_in_the_console(start_demo, tmp_path):
    demo = start_demo("--port", "0", "--delay", "0")
    with Chromium(tmp_path) as browser:
        shop = browser.open(f"{demo.shop}/")
        shop.wait("document.readyState === 'complete' && document.images[0].naturalWidth > 0")
        page = browser.open(f"{demo.shop}/_weft/demo")
        page.wait("document.getElementById('state').textContent === 'live'")
        page.value("document.getElementById('visitors').click()")
        page.wait("Number(document.querySelector('[data-count=hits]').textContent) > 20")
        page.wait("document.querySelectorAll('#recent tr').length > 10")
        page.value("document.querySelector('[data-everything=false]').click()")
        page.wait("document.getElementById('said').textContent.startsWith('Purged everything')")
        page.wait("Number(document.querySelector('[data-count=stale]').textContent) > 0")
        page.wait("Number(document.querySelector('[data-outcome=src]').textContent.replace(',', '')) > 20")
        page.wait("document.querySelectorAll('#traces a').length > 3")
        page.value("document.querySelector('#by-path button').click()")
        page.wait("location.pathname.startsWith('/_weft/demo/trace/') && document.querySelectorAll('.fall rect').length > 4")
        assert shop.complaints == []
        assert page.complaints == []
        code, _, err = demo.end()
        assert (code, err) == (0, "")
