"""The live page: what it shows, and who may press its buttons."""

from __future__ import annotations

import asyncio
import json
import re

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from gateway.demo.catalogue import build_catalogue
from gateway.demo.console import MAX_WATCHERS, commands_to_try, create_console
from gateway.demo.visitors import Burst, popular_paths, run_burst

TOKEN = "page-token"
OURS = {"x-weft-demo-token": TOKEN, "sec-fetch-site": "same-origin"}
ROOT = "/_weft/demo"


class FakeObservatory:
    """Counts nothing, remembers purges."""

    def __init__(self):
        self.purges = []

    def snapshot(self):
        return {"requests": 3, "hits": 2, "recent": [{"target": "/<script>", "outcome": "hit"}], "tags": []}

    async def purge(self, *, tag=None, url=None, everything=False, hard=False):
        self.purges.append((tag, url, everything, hard))
        return {"purged": 7}


class Stage:
    """A console under its mount, with everything it was given."""

    def __init__(self, client_of, **options):
        self.observatory = FakeObservatory()
        self.visited = []
        options = {"burst": Burst(visits=20, seconds=0.0), "interval": 0.0, "token": TOKEN, **options}
        routes = create_console(self.observatory, self.visit, paths=["/", "/c/lamps", "/blog"], **options)
        self.app = Starlette(routes=[Mount(ROOT, routes=routes)])
        self.client = client_of(self.app, "gateway.test")

    async def visit(self, path):
        self.visited.append(path)


@pytest.fixture
def stage(client_of):
    return Stage(client_of, commands=commands_to_try(purge_token="p<t", admin_token="a"))


def test_the_page_runs_only_its_own_scripts(stage):
    one, other = stage.client.get(f"{ROOT}/"), stage.client.get(f"{ROOT}/")
    assert one.status_code == 200
    assert one.headers["cache-control"] == "private, no-store"
    policy = one.headers["content-security-policy"]
    (nonce,) = set(re.findall(r"'nonce-([^']+)'", policy))
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert f"'nonce-{nonce}'" not in other.headers["content-security-policy"]
    scripts = re.findall(r"<script[^>]*>", one.text)
    assert scripts == [f'<script src="{ROOT}/console.js" nonce="{nonce}" defer>']
    assert not re.findall(r"""\s(?:on[a-z]+|style)=""", one.text)


def test_the_page_carries_the_token_and_the_commands_for_its_own_address(stage):
    text = stage.client.get(f"{ROOT}/").text
    assert f'data-token="{TOKEN}"' in text
    assert "curl -s -X POST http://gateway.test/_weft/purge" in text
    assert "Bearer p&lt;t" in text


def test_every_start_has_another_token(client_of):
    pages = [Stage(client_of, token=None).client.get(f"{ROOT}/").text for _ in range(2)]
    tokens = {re.search('data-token="([^"]+)"', page)[1] for page in pages}
    assert len(tokens) == 2
    assert min(map(len, tokens)) >= 24


def test_a_host_that_is_no_host_is_shown_as_text(stage):
    text = stage.client.get(f"{ROOT}/", headers={"host": 'x"><script>alert(1)</script>'}).text
    assert "<script>alert" not in text


@pytest.mark.parametrize("name", ["console.css", "console.js", "mark.svg"])
def test_its_files_are_there_and_revalidated(stage, name):
    response = stage.client.get(f"{ROOT}/{name}")
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-cache"
    assert stage.client.get(f"{ROOT}/{name}", headers={"if-none-match": response.headers["etag"]}).status_code == 304


def test_the_script_never_writes_markup(stage):
    script = stage.client.get(f"{ROOT}/console.js").text
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert way not in script


def test_the_snapshot_is_there_as_json(stage):
    response = stage.client.get(f"{ROOT}/snapshot")
    assert response.json() == stage.observatory.snapshot()
    assert response.headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize(
    ("body", "purge"),
    [
        ({"tag": "product-x"}, ("product-x", None, False, False)),
        ({"tag": "product-x", "hard": "true"}, ("product-x", None, False, True)),
        ({"url": "/p/x?y=1", "hard": "false"}, (None, "/p/x?y=1", False, False)),
        ({"everything": "true"}, (None, None, True, False)),
        ({"everything": True, "hard": True}, (None, None, True, True)),
    ],
)
def test_a_purge_is_passed_on_as_asked(stage, body, purge):
    response = stage.client.post(f"{ROOT}/purge", json=body, headers=OURS)
    assert response.json() == {"purged": 7}
    assert stage.observatory.purges == [purge]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"tag": ""},
        {"url": ""},
        {"tag": "x", "url": "/"},
        {"tag": "x", "everything": "true"},
        {"everything": "no"},
        {"tag": "x" * 3000},
        ["tag"],
    ],
)
def test_a_purge_of_nothing_or_of_two_things_is_refused(stage, body):
    assert stage.client.post(f"{ROOT}/purge", json=body, headers=OURS).status_code == 400
    assert stage.observatory.purges == []


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"x-weft-demo-token": "wrong", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "same-origin"},
        {"x-weft-demo-token": TOKEN, "sec-fetch-site": "cross-site"},
        {"x-weft-demo-token": TOKEN, "sec-fetch-site": "same-site"},
        {"x-weft-demo-token": TOKEN, "origin": "http://evil.test"},
        {"x-weft-demo-token": TOKEN, "origin": "null"},
    ],
)
@pytest.mark.parametrize("path", ["purge", "visitors"])
def test_other_pages_press_no_buttons(stage, path, fields):
    response = stage.client.post(f"{ROOT}/{path}", json={"everything": "true"}, headers=fields)
    assert response.status_code == 403
    assert stage.observatory.purges == []
    assert stage.visited == []


def test_our_own_origin_is_enough_where_browsers_say_no_more(stage):
    fields = {"x-weft-demo-token": TOKEN, "origin": "http://gateway.test"}
    assert stage.client.post(f"{ROOT}/purge", json={"tag": "x"}, headers=fields).status_code == 200


@pytest.mark.parametrize("path", ["purge", "visitors"])
def test_reading_does_nothing(stage, path):
    assert stage.client.get(f"{ROOT}/{path}", headers=OURS).status_code == 405


def test_visitors_come_in_the_number_announced(stage):
    response = stage.client.post(f"{ROOT}/visitors", json={}, headers=OURS)
    assert response.status_code == 202
    assert response.json() == {"visits": 20, "seconds": 0.0}
    assert len(stage.visited) == 20
    assert set(stage.visited) <= {"/", "/c/lamps", "/blog"}
    assert stage.client.post(f"{ROOT}/visitors", json={}, headers=OURS).status_code == 202


async def _stream(app, events: int, path: str = f"{ROOT}/events") -> tuple[dict, list[bytes]]:
    """Read some events and hang up, which httpx.ASGITransport can't do: it waits for the end."""
    head: dict = {}
    chunks: list[bytes] = []
    enough = asyncio.Event()

    async def receive():
        await enough.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        if message["type"] == "http.response.start":
            head.update(message)
        elif message.get("body"):
            chunks.append(message["body"])
            if len(chunks) >= events:
                enough.set()

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
    }
    scope |= {
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"gateway.test")],
        "client": ("127.0.0.1", 1),
        "server": ("gateway.test", 80),
    }
    await app(scope, receive, send)
    return head, chunks


def test_the_stream_sends_snapshots_until_the_watcher_leaves(stage):
    head, chunks = asyncio.run(_stream(stage.app, 3))
    assert head["status"] == 200
    fields = dict(head["headers"])
    assert fields[b"content-type"].startswith(b"text/event-stream")
    assert fields[b"cache-control"] == b"private, no-store"
    for chunk in chunks[:3]:
        data = next(line for line in chunk.decode().splitlines() if line.startswith("data: "))
        assert json.loads(data.removeprefix("data: ")) == stage.observatory.snapshot()


def test_streams_end_when_the_gateway_closes(client_of):
    ticks = iter([False, False, True])
    stage = Stage(client_of, is_closing=lambda: next(ticks))
    _, chunks = asyncio.run(_stream(stage.app, 99))
    assert len(chunks) == 2


def test_a_watcher_too_many_is_turned_away_and_a_place_that_gets_free_is_given_again(client_of):
    stage = Stage(client_of, interval=0.01)

    async def crowd():
        watching = [asyncio.create_task(_stream(stage.app, 8)) for _ in range(MAX_WATCHERS)]
        await asyncio.sleep(0.02)
        refused, _ = await _stream(stage.app, 1)
        await asyncio.gather(*watching)
        welcome, _ = await _stream(stage.app, 1)
        return refused["status"], welcome["status"]

    assert asyncio.run(crowd()) == (503, 200)


class TestTraces:
    async def trace(self, path):
        if path == "/nowhere":
            raise LookupError("nobody answers")
        return f"trace-of-{path}"

    def test_a_page_is_traced_and_the_page_told_where(self, client_of):
        stage = Stage(client_of, trace=self.trace)
        assert 'id="traces"' in stage.client.get(f"{ROOT}/").text
        response = stage.client.post(f"{ROOT}/traces", json={"path": "/p/x?y=1"}, headers=OURS)
        assert response.json() == {"trace": "trace-of-/p/x?y=1"}
        assert response.headers["cache-control"] == "private, no-store"

    @pytest.mark.parametrize(
        ("path", "status"),
        [
            ("", 400),
            ("p/x", 400),
            ("//evil.test/", 400),
            ("/_weft/purge", 400),
            ("/a\nb", 400),
            ("/" * 3000, 400),
            ("/nowhere", 502),
        ],
    )
    def test_what_is_no_page_is_refused(self, client_of, path, status):
        stage = Stage(client_of, trace=self.trace)
        assert stage.client.post(f"{ROOT}/traces", json={"path": path}, headers=OURS).status_code == status

    def test_other_pages_have_nothing_traced(self, client_of):
        stage = Stage(client_of, trace=self.trace)
        response = stage.client.post(f"{ROOT}/traces", json={"path": "/"}, headers=OURS | {"sec-fetch-site": "cross-site"})
        assert response.status_code == 403

    def test_where_nobody_traces_there_is_no_button(self, stage):
        assert 'id="traces"' not in stage.client.get(f"{ROOT}/").text
        assert stage.client.post(f"{ROOT}/traces", json={"path": "/"}, headers=OURS).status_code == 404


class TestVisitors:
    def test_the_crowd_visits_pages_that_exist_and_prefers_the_first(self, shop):
        paths = popular_paths(build_catalogue())
        assert len(paths) == len(set(paths)) == 1 + 1 + 8 + 12 + 240
        assert all(shop.get(path).status_code == 200 for path in paths[::17])
        chances = iter([step / 1000 for step in range(1000)])
        seen = []

        async def visit(path):
            seen.append(path)

        assert asyncio.run(run_burst(visit, paths, Burst(visits=1000, seconds=0.0), lambda: next(chances))) == 1000
        assert seen.count("/") > 200
        assert len(set(seen)) > 150

    def test_never_more_at_once_than_allowed_and_failures_do_not_matter(self):
        busy, most = 0, 0

        async def visit(_path):
            nonlocal busy, most
            busy += 1
            most = max(most, busy)
            for _ in range(9):  # long enough for others to come meanwhile
                await asyncio.sleep(0)
            busy -= 1
            raise OSError

        assert asyncio.run(run_burst(visit, ["/"], Burst(visits=50, seconds=0.0, at_once=4))) == 0
        assert most == 4

    def test_a_gateway_that_hangs_does_not_keep_the_crowd_for_ever(self):
        async def visit(_path):
            await asyncio.Event().wait()

        assert asyncio.run(run_burst(visit, ["/"], Burst(visits=3, seconds=0.0, patience=0.01))) == 0
