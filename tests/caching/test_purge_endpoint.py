"""Purging over HTTP, as sites and their CMS do it: POST /_weft/purge, and the method PURGE."""

from __future__ import annotations

import json

import pytest

from gateway.semantics.message import Fields, first
from tests.support.in_process import KINDS, Reply, Setup, ask_once

TOKENS = ["old-token-0123456789", "new-token-0123456789"]
AUTHORIZED = [(b"authorization", b"Bearer new-token-0123456789")]
HOST = [(b"host", b"shop.test")]


@pytest.fixture(scope="module", params=KINDS)
def setup(request, live) -> Setup:
    return live.start(request.param, purge__tokens=TOKENS)


@pytest.fixture
def ask(live, setup):
    """ask(method, path, fields, content) → (status, fields, content)."""

    def ask(method: str, path: str, fields: Fields = (), body: bytes = b""):
        return live.run(ask_once(setup, method.encode(), path.encode(), [*HOST, *fields], body))

    return ask


@pytest.fixture
def store(setup, ask):
    """store(path, tags): have it stored; anew, whatever was there."""

    def store(path: str, tags: str = "") -> None:
        fields = [(b"cache-control", b"max-age=3600"), *([(b"surrogate-key", tags.encode())] if tags else [])]
        setup.origin.replies[path.encode()] = Reply(200, fields, b"stored")
        ask("GET", path, [(b"cache-control", b"no-cache")])
        assert is_hit(ask("GET", path))

    return store


def is_hit(answer) -> bool:
    return b"; hit" in first(answer[1], b"cache-status")


def purge(ask, wishes: object, fields: Fields = (), *, authorized: bool = True):
    status, _, body = ask("POST", "/_weft/purge", [*(AUTHORIZED if authorized else []), *fields], json.dumps(wishes).encode())
    return status, json.loads(body)


@pytest.mark.parametrize(
    "wishes",
    [
        {"tags": ["item-1"]},
        {"urls": ["http://shop.test/page"]},
        {"urls": ["http://SHOP.test:80/page"]},
        {"prefixes": ["http://shop.test/pa"]},
        {"prefixes": ["/pa"]},
        {"routes": ["default"]},
        {"everything": True},
        {"tags": ["nothing"], "urls": ["http://shop.test/page"]},
    ],
)
def test_a_hard_purge_by_json(ask, store, wishes):
    store("/page", "item-1 news")
    status, answer = purge(ask, wishes | {"hard": True})
    assert (status, answer["status"], answer["hard"]) == (200, "ok", True)
    assert answer["purged"] >= 1
    assert not is_hit(ask("GET", "/page"))


def test_a_purge_is_soft_unless_asked_otherwise(ask, store):
    store("/page", "item-1")
    assert purge(ask, {"tags": ["item-1"]}) == (
        200,
        {"status": "ok", "purged": 1, "hard": False, "sequence": purge(ask, {"tags": ["x"]})[1]["sequence"] - 1},
    )
    assert is_hit(ask("GET", "/page")), "stale, while one request renews it"


def test_surrogate_keys_in_a_header_as_fastly_takes_them(ask, store):
    store("/one", "a")
    store("/two", "b")
    store("/three", "c")
    status, _, body = ask("POST", "/_weft/purge", [*AUTHORIZED, (b"surrogate-key", b"a b"), (b"fastly-soft-purge", b"0")])
    assert (status, json.loads(body)["purged"], json.loads(body)["hard"]) == (200, 2, True)
    assert [is_hit(ask("GET", path)) for path in ("/one", "/two", "/three")] == [False, False, True]


def test_the_method_purge_is_about_its_own_url(ask, store):
    store("/page")
    store("/page2")
    status, _, body = ask("PURGE", "/page", [*AUTHORIZED, (b"weft-purge", b"hard")])
    assert (status, json.loads(body)["purged"]) == (200, 1)
    assert not is_hit(ask("GET", "/page"))
    assert is_hit(ask("GET", "/page2"))


def test_the_method_purge_with_surrogate_keys(ask, store):
    store("/page", "only-here")
    status, _, body = ask("PURGE", "/", [*AUTHORIZED, (b"surrogate-key", b"only-here"), (b"weft-purge", b"hard")])
    assert (status, json.loads(body)["purged"]) == (200, 1)
    assert not is_hit(ask("GET", "/page"))


@pytest.mark.parametrize(
    "fields",
    [[(b"authorization", b"Bearer " + token.encode())] for token in TOKENS]
    + [[(b"weft-purge-token", TOKENS[0].encode())], [(b"authorization", b"bearer  " + TOKENS[0].encode())]],
)
def test_each_of_the_tokens_opens(ask, fields):
    """Two at once, so that they can be changed without a pause."""
    assert purge(ask, {"tags": ["x"]}, fields, authorized=False)[0] == 200
    assert ask("PURGE", "/x", fields)[0] == 200


@pytest.mark.parametrize(
    "fields",
    [[], [(b"authorization", b"Bearer wrong")], [(b"authorization", b"Bearer")], [(b"authorization", b"Basic " + TOKENS[0].encode())], [(b"weft-purge-token", b"")],
     [(b"authorization", b"Bearer " + TOKENS[0].encode() + b"x")], [(b"authorization", b"Bearer \xff")]],
)  # fmt: skip
def test_nothing_else_does(ask, store, setup, fields):
    store("/page")
    before = setup.gateway.ledger.sequence
    for status, got, _ in (ask("PURGE", "/page", fields), ask("POST", "/_weft/purge", fields, b'{"everything": true}')):
        assert status == 401
        assert first(got, b"www-authenticate") == b"Bearer"
    assert setup.gateway.ledger.sequence == before
    assert is_hit(ask("GET", "/page"))


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"", "expected a JSON object"),
        (b"nonsense", "expected a JSON object"),
        (b"[]", "expected a JSON object"),
        (b"{}", "nothing to purge"),
        (b'{"everything": false}', "nothing to purge"),
        (b'{"tag": ["a"]}', "unknown member 'tag'"),
        (b'{"tags": "a"}', "tags: expected a list"),
        (b'{"tags": [1]}', "tags: expected a list"),
        (b'{"tags": [""]}', "tags: expected a list"),
        (b'{"everything": 1}', "everything: expected true or false"),
        (b'{"tags": ["a"], "hard": "yes"}', "hard: expected true or false"),
        (b'{"routes": ["nowhere"]}', "no route is called 'nowhere'"),
        (b'{"urls": ["/page"]}', "expected http://HOST/PATH"),
        (b'{"urls": ["ftp://shop.test/"]}', "expected http://HOST/PATH"),
        (b'{"urls": ["http://a b/"]}', "expected a host"),
        (b'{"urls": ["http://[/"]}', "IPv6"),
        (b'{"prefixes": ["page"]}', "expected http://HOST/PATH"),
        (b'{"tags": [' + b'"a",' * 10_000 + b'"a"]}', "at most 10000"),
        (b'{"tags": ["' + b"a" * (1 << 20) + b'"]}', "at most 1048576 bytes"),
        (b'{"tags": ["\xff"]}', "expected a JSON object"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_purged(ask, setup, body, word):
    before = setup.gateway.ledger.sequence
    status, _, answer = ask("POST", "/_weft/purge", AUTHORIZED, body)
    assert status == 400
    assert word in json.loads(answer)["error"]
    assert setup.gateway.ledger.sequence == before


def test_tags_that_are_no_ascii_are_the_same_in_json_and_in_a_header(ask, store):
    store("/page", "größe")
    assert purge(ask, {"tags": ["größe"], "hard": True})[1]["purged"] == 1
    store("/page", "größe")
    status, _, body = ask("PURGE", "/", [*AUTHORIZED, (b"surrogate-key", "größe".encode())])
    assert (status, json.loads(body)["purged"]) == (200, 1)


def test_without_tokens_purging_is_off(live):
    setup = live.start()
    for method, path, body in ((b"POST", b"/_weft/purge", b'{"everything": true}'), (b"PURGE", b"/page", b"")):
        status, _, answer = live.run(ask_once(setup, method, path, [*HOST, (b"authorization", b"Bearer x")], body))
        assert status == 403
        assert b"purge.tokens" in answer


def test_a_site_that_has_purge_for_itself_gets_it(live):
    """purge.method = false: the method goes to the origin like any other."""
    setup = live.start(purge__tokens=TOKENS, purge__method=False)
    setup.origin.replies[b"/page"] = Reply(200, [], b"the origin's own")
    assert live.run(ask_once(setup, b"PURGE", b"/page", [*HOST, *AUTHORIZED]))[2] == b"the origin's own"
