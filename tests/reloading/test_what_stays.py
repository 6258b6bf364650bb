"""A process outlives its settings: what is stored, connected, counted and under way stays."""

from __future__ import annotations

import asyncio
import gc
import re
import weakref
from pathlib import Path

import pytest

from tests.support.scripted_origin import ScriptedOrigin, ok


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def figure(site, name):
    """Of a scrape; 0 where it is not told."""

    async def value():
        text = (await site.get("/_weft/metrics")).text
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    return value()


def test_stored_pages_are_hits_afterwards(run):
    async def test(site):
        site.page("/p")
        assert (await site.get("/p")).outcome == "uri-miss"
        await site.reload(cache__default_ttl=60)
        assert (await site.get("/p")).outcome == "hit"
        assert site.asked("/p") == 1

    run(test)


def test_fifty_reloads_in_a_row_under_load_fail_nobody(run):
    async def test(site):
        async def storm():
            for number in range(50):
                await site.reload(upstream__first_byte_timeout=10 + number, cache__default_ttl=number, proxy__via=f"via{number}")

        seen = await site.under_load(storm)
        assert set(seen) == {(200, "stored"), (200, "passed")}
        assert site.asked("/stored") == 1

    run(test)


def test_requests_that_wait_for_one_fetch_go_on_waiting_for_it_across_a_reload(run):
    async def test(site):
        with ScriptedOrigin() as slow:
            asked, go_on = asyncio.Event(), asyncio.Event()
            loop = asyncio.get_running_loop()

            def page(peer, request):
                loop.call_soon_threadsafe(asked.set)
                asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(30)
                peer.send(ok(b"cold", b"Cache-Control: max-age=60"))

            slow.script("/cold", page)
            await site.reload(upstream__url=slow.url)
            before = asyncio.ensure_future(site.get("/cold"))
            await asked.wait()
            await site.reload(proxy__via="other")
            after = asyncio.ensure_future(site.get("/cold"))
            while not site.gateway.forwarder.collapsed:
                await asyncio.sleep(0.001)
            go_on.set()
            assert [(await one).text for one in (before, after)] == ["cold", "cold"]
            assert len(slow.received_at("/cold")) == 1

    run(test)


def test_a_download_goes_on_to_its_end_though_its_origin_is_gone_from_the_settings(run):
    async def test(site):
        with ScriptedOrigin() as old:
            loop, go_on = asyncio.get_running_loop(), asyncio.Event()

            def film(peer, request):
                peer.send(b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 2000000\r\n\r\n" + b"a" * 1_000_000)
                asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(30)
                peer.send(b"b" * 1_000_000)

            old.script("/film", film)
            site.page("/", "new", cache="no-store")
            new = site.gateway.settings.upstream.url
            await site.reload(upstream__url=old.url)
            reader, writer = await asyncio.open_connection("127.0.0.1", site.setup.port)
            writer.write(b"GET /film HTTP/1.1\r\nHost: shop.test\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            got = await reader.readexactly(500_000)
            await site.reload(upstream__url=new)
            assert (await site.get("/")).text == "new"
            go_on.set()
            got += await reader.readexactly(1_500_000)
            assert got == b"a" * 1_000_000 + b"b" * 1_000_000
            await site.closes(old)
            writer.close()

    run(test)


def test_a_page_under_way_still_gets_what_it_includes_from_an_origin_that_is_gone_from_the_settings(run):
    """Its fragment is asked for after the reload, by the rules that held when the page was asked for."""

    async def test(site):
        with ScriptedOrigin() as old:
            loop, asked, go_on = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

            def page(peer, request):
                loop.call_soon_threadsafe(asked.set)
                asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(30)
                markup = b'<esi:include src="/piece"/>'
                peer.send(
                    ok(
                        markup,
                        b"Content-Type: text/html",
                        b'Surrogate-Control: content="ESI/1.0"',
                        b"Cache-Control: no-store",
                    )
                )

            old.script("/page", page)
            new = site.gateway.settings.upstream.url
            await site.reload(upstream__url=old.url)
            asking = asyncio.ensure_future(site.get("/page"))
            await asked.wait()
            await site.reload(upstream__url=new)
            go_on.set()
            answer = await asking
            assert (answer.status, answer.text) == (200, "GET /piece")
            assert site.asked("/piece") == 0

    run(test)


def test_an_origin_that_is_asked_as_before_keeps_its_connections_and_another_one_does_not(run):
    async def test(site):
        with ScriptedOrigin() as origin:
            await site.reload(upstream__url=origin.url)
            for changes in ({"cache__default_ttl": 5}, {"routes": '[{"name": "blog", "path": "/blog"}]'}, {"proxy__via": "x"}):
                await site.get("/")
                await site.reload(**changes)
            await site.get("/")
            assert origin.accepted == 1
            await site.reload(upstream__idle_timeout=7)
            await site.closes(origin)
            await site.get("/")
            assert origin.accepted == 2

    run(test)


def test_an_origin_that_is_asked_as_before_keeps_its_breaker(run):
    async def test(site):
        await site.reload(
            upstream__url="http://127.0.0.1:1", upstream__breaker__cooldown=60, upstream__breaker__cooldown_max=60, **FEW
        )
        assert [(await site.get("/")).status for _ in range(3)] == [502, 502, 503]
        await site.reload(cache__default_ttl=5)
        assert (await site.get("/")).status == 503
        await site.reload(upstream__breaker__cooldown_max=61)
        assert (await site.get("/")).status == 502

    run(test)


FEW = {"upstream__breaker__failures": 2}


def test_counters_do_not_go_back(run):
    async def test(site):
        names = (
            'weft_origin_exchanges_total{origin="upstream"}',
            'weft_origin_connects_total{origin="upstream"}',
            'weft_requests_total{cache="bypass",method="GET",route="default",status_class="2xx"}',
            "weft_origin_requests_total",
        )
        await site.reload(cache__mode="bypass")
        site.page("/p")
        for number in range(1, 6):
            await site.get("/p")
            assert [await figure(site, name) for name in names] == [number] * 4
            await site.reload(upstream__first_byte_timeout=5 + number)

    run(test)


def test_failures_of_an_earlier_origin_are_still_counted(run):
    async def test(site):
        there = site.gateway.settings.upstream.url
        await site.reload(upstream__url="http://127.0.0.1:1")
        assert (await site.get("/p")).status == 502
        await site.reload(upstream__url=there)
        assert await figure(site, 'weft_origin_failures_total{origin="upstream",reason="connection_refused"}') == 1

    run(test)


def test_what_was_uncacheable_is_still_known_to_be(run):
    async def test(site):
        site.page("/p", cache="no-store")
        await site.get("/p")
        await site.reload(cache__default_ttl=60)
        assert "uncacheable" in (await site.get("/p"))["cache-status"]

    run(test)


@pytest.mark.parametrize("kind", ["lane", "no lane", "uvicorn"])
def test_it_is_the_same_on_every_server(run, kind):
    async def test(site):
        site.page("/p")
        await site.get("/p")
        await site.reload(cache__mode="bypass")
        assert (await site.get("/p")).outcome == "bypass"
        await site.reload(cache__mode="standard")
        assert (await site.get("/p")).outcome == "hit"

    run(test, kind=kind)


def test_what_was_prepared_and_is_dropped_leaves_nothing(run, tmp_path):
    async def test(site):
        before = open_files()
        for number in range(5):
            settings = site.setup._read({"log.access": "json", "log.file": str(tmp_path / f"{number}.log")})
            await site.gateway.prepare(settings)
        assert open_files() <= before + 1  # the thread that made the last one may still hold it
        assert site.gateway.settings.log.access == "off"

    run(test)


def test_nothing_of_earlier_settings_is_kept_alive(run):
    """By stored pages, connections, counters, or whoever else has met them."""

    async def test(site):
        site.page("/", '<esi:include src="/piece"/>', 'Surrogate-Control: content="ESI/1.0"')
        site.page("/piece", "piece")
        client = await site.connect()
        sites = []
        for number in range(5):
            for target in ("/", "/", "/piece", "/passed", "/_weft/metrics"):
                await site.get(target, client=client)
            sites.append(weakref.ref(site.gateway.site))
            await site.reload(upstream__idle_timeout=20 + number)
        while site.gateway.succession._leaving:
            site.gateway.succession.sweep()
            await asyncio.sleep(0)
        gc.collect()
        assert [each() for each in sites] == [None] * 5
        await client.aclose()

    run(test)
