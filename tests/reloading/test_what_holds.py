"""New rules hold from the first answer after a reload: for every section of the settings, in the same second, on connections that were open before."""

from __future__ import annotations

import asyncio
import json

import pytest

from gateway.semantics.message import Request
from tests.support.in_process import ask_once
from tests.support.scripted_origin import ScriptedOrigin


def has(site, target, name):
    """The values of a field as the origin was told them, request by request."""
    return [dict(heard.fields).get(name, b"") for heard in site.origin.heard[target]]


# ── One change each, under load ──────────────────────────────────────────────────────────────────────────────────────────────────

CHANGES = {
    "server.keepalive_timeout": 20,
    "server.max_connections": 500,
    "server.drain_timeout": 2,
    "server.limits.header_count": 50,
    "upstream.connect_timeout": 2,
    "upstream.breaker.cooldown": 2,
    "upstream.health.path": "/health",
    "origins.blog.url": "http://127.0.0.1:1",
    "routes": '[{"name": "blog", "path": "/blog"}]',
    "query.mode": "none",
    "cache.default_ttl": 60,
    "cache.memory.max_bytes": 2**24,
    "esi.mode": "off",
    "esi.hosts": "widgets.test",
    "proxy.via": "other",
    "proxy.trusted_proxies": "127.0.0.0/8",
    "purge.tokens": "new-token",
    "admin.tokens": "new-token",
    "debug.server_timing": "always",
    "log.access": "text",
    "log.level": "warning",
    "metrics.enabled": "false",
    "overload.max_in_flight": 500,
}


@pytest.mark.parametrize("name", CHANGES)
def test_nobody_notices_a_change(run, name, tmp_path):
    async def test(site):
        site.page("/health")

        async def change():
            for value in (CHANGES[name], None, CHANGES[name]):
                site.settings.pop(name, None)
                await site.setup.reload(site.settings | ({} if value is None else {name: value}))

        seen = await site.under_load(change)
        assert set(seen) == {(200, "stored"), (200, "passed")}
        assert site.asked("/stored") == 1
        assert (await site.get("/stored"))["cache-status"].startswith("Weft; hit")

    run(test, log__file=str(tmp_path / "access.log"))


# ── What is stored, and under which key ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_route_that_becomes_a_bypass_is_one_at_once(run):
    """Although the plain answer is rendered already, and would go out for the rest of the second."""

    async def test(site):
        site.page("/p")
        client = await site.connect()
        for _ in range(3):
            answer = await site.get("/p", client=client)
        assert answer.outcome == "hit"
        await site.reload(routes='[{"name": "all", "path": "/", "cache": {"mode": "bypass"}}]')
        assert [(await site.get("/p", client=client)).outcome for _ in range(2)] == ["bypass", "bypass"]
        await client.aclose()
        assert site.asked("/p") == 3

    run(test)


def test_who_asked_before_leaves_no_answer_for_those_who_ask_now(run):
    """A request that is answered by the old rules after the reload: as one that has waited for a large copy to be compressed."""

    async def test(site):
        site.page("/p")
        await site.get("/p")
        old = site.gateway.page
        await site.reload(cache__mode="bypass")
        request = Request(b"GET", b"/p", b"shop.test", [(b"host", b"shop.test")])
        await site.get("/p")  # its header section is known from here on
        assert old.answer_now(request, site.gateway.clock()).status == 200
        assert [(await site.get("/p")).outcome for _ in range(2)] == ["bypass", "bypass"]

    run(test)


def test_a_query_rule_holds_at_once(run):
    async def test(site):
        site.page("/p")
        await site.get("/p")
        assert (await site.get("/p?utm_source=a")).outcome == "uri-miss"
        await site.reload(query__mode="drop", query__names="utm_*")
        assert (await site.get("/p?utm_source=b")).outcome == "hit"
        await site.reload(query__mode="all")
        assert (await site.get("/p?utm_source=c")).outcome == "uri-miss"

    run(test)


def test_how_long_things_are_stored_holds_for_what_is_stored_from_then_on(run):
    async def test(site):
        site.page("/p", cache="")
        assert [(await site.get("/p")).outcome for _ in range(2)] == ["uri-miss", "uri-miss"]
        await site.reload(cache__default_ttl=60, cache__uncacheable_ttl=0)
        site.page("/q", cache="")
        assert [(await site.get("/q")).outcome for _ in range(2)] == ["uri-miss", "hit"]

    run(test)


def test_a_route_goes_to_another_origin(run):
    async def test(site):
        with ScriptedOrigin() as blog:
            await site.reload(f'[origins.blog]\nurl = "{blog.url}"\n[[routes]]\nname = "blog"\npath = "/blog"\norigin = "blog"\n')
            assert (await site.get("/blog/1")).text == "GET /blog/1"
            assert site.asked("/blog/1") == 0

    run(test)


def test_a_smaller_memory_is_made_room_for_and_a_larger_one_is_used(run):
    async def test(site):
        store = site.gateway.store
        for number in range(120):
            site.page(f"/{number}", "x" * 40_000)
            await site.get(f"/{number}")
        assert store.used_bytes > 4_000_000
        await site.reload(cache__memory__max_bytes=2_000_000, cache__max_object_bytes=1_000_000)
        while store.max_bytes != 2_000_000:
            await asyncio.sleep(0)
        assert store.used_bytes <= 2_000_000
        kept = len(store)
        assert 0 < kept < 60
        await site.reload(cache__memory__max_bytes=8_000_000)
        while store.max_bytes != 8_000_000:
            await asyncio.sleep(0)
        for number in range(120):
            await site.get(f"/{number}")
        assert len(store) == 120

    run(test)


# ── Who is believed, who may do what ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_proxy_that_is_trusted_no_longer_is_not_believed_on_the_connection_it_has(run):
    async def test(site):
        site.page("/p", cache="no-store")
        client = await site.connect()
        for trusted in ("127.0.0.0/8", "10.0.0.0/8", "127.0.0.0/8"):
            await site.reload(proxy__trusted_proxies=trusted)
            await site.get("/p", "X-Forwarded-For: 192.0.2.7", client=client)
        await client.aclose()
        assert has(site, b"/p", b"x-forwarded-for") == [b"192.0.2.7, 127.0.0.1", b"127.0.0.1", b"192.0.2.7, 127.0.0.1"]

    run(test)


def test_what_the_origin_is_told_of_us(run):
    async def test(site):
        site.page("/p", cache="no-store")
        await site.get("/p")
        await site.reload(proxy__via="edge-7", proxy__forwarded=False, proxy__request_id_header="x-trace")
        await site.get("/p")
        assert has(site, b"/p", b"via") == [b"1.1 weft", b"1.1 edge-7"]
        assert [bool(value) for value in has(site, b"/p", b"x-forwarded-for")] == [True, False]
        assert [bool(value) for value in has(site, b"/p", b"x-trace")] == [False, True]

    run(test)


@pytest.mark.parametrize(
    ("setting", "asked", "field", "good", "bad"),
    [
        ("purge__tokens", ("POST", "/_weft/purge"), "Authorization: Bearer ", 400, 401),
        ("admin__tokens", ("POST", "/_weft/reload"), "Authorization: Bearer ", 501, 401),
        ("debug__tokens", ("GET", "/_weft/trace/"), "Weft-Debug: ", 200, 401),
    ],
)
def test_tokens_are_rotated(run, setting, asked, field, good, bad):
    """Old, both, new: 501 says that the token was taken, and that nobody here can read settings."""

    async def test(site):
        method, target = asked

        async def statuses():
            return [(await site.get(target, field + token, method=method)).status for token in ("old", "new")]

        assert await statuses() == [good, bad]
        await site.reload(**{setting: '["old", "new"]'})
        assert await statuses() == [good, good]
        await site.reload(**{setting: "new"})
        assert await statuses() == [bad, good]

    run(test, **{setting: "old"})


def test_purging_is_turned_off_and_on(run):
    async def test(site):
        purge = ("/_weft/purge", "Authorization: Bearer token")
        assert (await site.get(*purge, method="POST")).status == 403
        await site.reload(purge__tokens="token")
        assert (await site.get(*purge, method="POST")).status == 400
        await site.reload(purge__method=False)
        site.page("/p")
        assert (await site.get("/p", method="PURGE")).status == 200
        assert site.asked("/p") == 1

    run(test)


def test_a_purge_knows_the_routes_of_now(run):
    async def test(site):
        purge = {"routes": ["blog"]}

        async def status():
            fields = [(b"host", b"shop.test"), (b"authorization", b"Bearer token")]
            return (await ask_once(site.setup, b"POST", b"/_weft/purge", fields, json.dumps(purge).encode()))[0]

        assert await status() == 400
        await site.reload(routes='[{"name": "blog", "path": "/blog"}]')
        assert await status() == 200

    run(test, purge__tokens="token")


def test_who_may_read_metrics(run):
    async def test(site):
        assert (await site.get("/_weft/metrics")).status == 200
        await site.reload(metrics__allow="10.0.0.0/8")
        assert (await site.get("/_weft/metrics")).status == 404
        await site.reload(metrics__allow="127.0.0.0/8", metrics__enabled=False)
        assert (await site.get("/_weft/metrics")).status == 404

    run(test)


def test_limits_hold_on_connections_that_are_open(run):
    """Also for a header section that has been read before."""

    async def test(site):
        site.page("/p")
        client = await site.connect()
        fields = [f"X-{number}: 1" for number in range(20)]
        for _ in range(3):
            assert (await site.get("/p", *fields, client=client)).status == 200
        await site.reload(server__limits__header_count=10)
        assert [(await site.get("/p")).status for _ in range(2)] == [200, 200]  # so that the plain answer lies ready
        assert (await site.get("/p", *fields, client=client)).status == 431
        await client.aclose()

    run(test)


def test_the_hot_lane_can_be_turned_off(run):
    async def test(site):
        site.page("/p")
        client = await site.connect()
        for lane in (True, False, True):
            await site.reload(server__fast_lane=lane)
            assert [(await site.get("/p", client=client)).status for _ in range(3)] == [200] * 3
            assert [one.lane for one in site.gateway.edge.connections] == [lane]
        await client.aclose()

    run(test)


# ── Logs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def lines_of(file, count):
    """The lines of a log once there are so many: they are written by a thread."""
    while len(lines := file.read_text("utf-8").splitlines() if file.exists() else []) < count:
        await asyncio.sleep(0.01)
    return lines


def test_the_access_log_takes_another_form_and_another_file(run, tmp_path):
    one, two = tmp_path / "one.log", tmp_path / "two.log"

    async def test(site):
        site.page("/p")
        client = await site.connect()
        await site.get("/p?a=b", client=client)
        await site.reload(log__access="json", log__file=str(two), log__mask_query=False, log__client_address="full")
        await site.get("/p?a=b", client=client)
        await site.get("/p?a=b", client=client)
        await site.reload(log__access="off")
        await site.get("/p?a=b", client=client)
        await client.aclose()
        assert len(await lines_of(one, 1)) == 1
        told = [json.loads(line) for line in await lines_of(two, 2)]
        assert [(line["query"], line["client"]) for line in told] == [("a=b", "127.0.0.1")] * 2

    run(test, log__access="text", log__file=str(one))


def test_a_file_that_was_moved_away_is_opened_anew(run, tmp_path):
    """As logrotate does it, without copytruncate."""
    log, moved = tmp_path / "access.log", tmp_path / "access.log.1"

    async def test(site):
        site.page("/p")
        await site.get("/p")
        await lines_of(log, 1)
        log.rename(moved)
        await site.get("/p")
        await lines_of(moved, 2)
        await site.reload()
        await site.get("/p")
        assert len(await lines_of(log, 1)) == 1
        assert len(await lines_of(moved, 2)) == 2

    run(test, log__access="json", log__file=str(log))


def test_addresses_are_told_apart_as_before_where_no_key_is_set(run, tmp_path):
    log = tmp_path / "access.log"

    async def test(site):
        site.page("/p")
        await site.get("/p")
        await site.reload(log__mask_query=False)
        await site.get("/p")
        first, second = [json.loads(line)["client"] for line in await lines_of(log, 2)]
        assert first == second

    run(test, log__access="json", log__file=str(log), log__client_address="hmac")


# ── Pages of pieces ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

ESI = 'Surrogate-Control: content="ESI/1.0"'


def test_where_an_include_leads_is_found_out_anew(run):
    """The page is stored and so is the fragment, and the page knows its key; then the fragment's route becomes a bypass."""

    async def test(site):
        site.page("/", '<esi:include src="/piece?utm=1"/>', ESI)
        site.page("/piece", "piece")
        assert [(await site.get("/")).text for _ in range(3)] == ["piece"] * 3
        assert site.asked("/piece") == 1
        await site.reload(routes='[{"name": "pieces", "path": "/piece", "cache": {"mode": "bypass"}}]')
        assert [(await site.get("/")).text for _ in range(2)] == ["piece"] * 2
        assert site.asked("/piece") == 3
        await site.reload(routes="[]", query__mode="none")
        await site.get("/")
        assert site.origin.heard[b"/piece"][-1].target == b"/piece"

    run(test)


def test_rules_of_assembly_hold_for_stored_pages(run):
    async def test(site):
        site.page("/", '<esi:include src="/a"/><esi:include src="/b" onerror="continue"/>', ESI)
        site.page("/a", "a")
        site.page("/b", "b")
        assert (await site.get("/")).text == "ab"
        await site.reload(esi__max_includes=1)
        assert (await site.get("/")).text == "a"
        await site.reload(esi__max_includes=256)
        assert (await site.get("/")).text == "ab"

    run(test)


def test_a_host_that_is_allowed_no_longer_is_not_included_from(run):
    async def test(site):
        with ScriptedOrigin() as widgets:
            host = f"127.0.0.1:{widgets.port}"
            site.page("/", f'<esi:include src="http://{host}/w" onerror="continue"/>', ESI)
            allowed = {"esi__hosts": host, "esi__allow_private": "127.0.0.0/8"}
            await site.reload(**allowed)
            assert (await site.get("/")).text == "GET /w"
            await site.reload(esi__hosts="[]")
            assert (await site.get("/")).text == ""
            await site.closes(widgets)
            await site.reload(**allowed)
            assert (await site.get("/")).text == "GET /w"

    run(test)


# ── Slots ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def templates(tmp_path):
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "hero.html").write_text("old", "utf-8")
    (folder / "other.html").write_text("other", "utf-8")
    return folder


def slots(templates, **files):
    return f'[templates]\ndirectory = "{templates}"\n' + "".join(
        [f'[slots.{name}]\ntemplate = "{file}"\nlifetime = 600\n' for name, file in files.items()]
    )


def test_a_template_that_has_changed_is_shown_at_once_by_itself_and_in_stored_pages(run, templates):
    async def test(site):
        site.page("/", '<esi:include src="/_weft/slots/hero"/>', ESI)
        for _ in range(3):
            assert (await site.get("/")).text == "old"
            assert (await site.get("/_weft/slots/hero")).text == "old"
        (templates / "hero.html").write_text("new", "utf-8")
        assert (await site.get("/")).text == "old"  # until somebody says so
        await site.reload()
        assert (await site.get("/")).text == "new"
        assert (await site.get("/_weft/slots/hero")).text == "new"
        assert site.asked("/") == 1

    run(test, slots(templates, hero="hero.html"))


def test_slots_come_change_and_go(run, templates):
    async def test(site):
        hero = "/_weft/slots/hero"
        assert (await site.get(hero)).status == 404
        site.page("/", f'<esi:include src="{hero}" onerror="continue"/>', ESI)
        assert (await site.get("/")).text == ""
        for file, text in (("hero.html", "old"), ("other.html", "other")):
            await site.reload(slots(templates, hero=file))
            assert (await site.get(hero)).text == text
            assert (await site.get("/")).text == text
        await site.reload("")
        assert (await site.get(hero)).status == 404
        assert (await site.get("/")).text == ""

    run(test)


def test_who_renders_by_the_old_template_keeps_nothing_of_it(run, templates):
    """A page that is still being assembled by the old rules comes to its slot after the reload."""

    async def test(site):
        with ScriptedOrigin() as slow:
            loop, asked, go_on = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

            def page(peer, request):
                head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n"
                peer.send(head + b'Surrogate-Control: content="ESI/1.0"\r\n\r\n')
                peer.send(b"1\r\n[\r\n")
                loop.call_soon_threadsafe(asked.set)
                asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(30)
                rest = b'<esi:include src="/_weft/slots/hero"/>]'
                peer.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(rest), rest))

            slow.script("/page", page)
            await site.reload(upstream__url=slow.url)
            asking = asyncio.ensure_future(site.get("/page"))
            await asked.wait()
            (templates / "hero.html").write_text("new", "utf-8")
            await site.reload()
            go_on.set()
            assert (await asking).text == "[old]"
            assert (await site.get("/_weft/slots/hero")).text == "new"

    run(test, slots(templates, hero="hero.html"))
