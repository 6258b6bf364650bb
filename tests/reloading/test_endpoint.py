"""`POST /_weft/reload` as HTTP: who may, what is passed on, which status says what. The parent is played by the test."""

from __future__ import annotations

import json

import pytest

from gateway.processes.outcome import Outcome

TOKEN = "a-token-of-some-length"
ROW = ["cache.default_ttl", "0.0", "60.0", "live"]


class Parent:
    """Notes what it was asked, and says what it was told to."""

    def __init__(self, outcome):
        self.outcome = outcome
        self.asked = []

    async def reload(self, **wishes):
        self.asked.append(wishes)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


def outcome(status, *, faults=(), changes=(), restarted=False):
    return Outcome(status, 7, list(faults), list(changes), restarted)


def asking(site, query="", *lines, token=TOKEN, method="POST"):
    return site.get(f"/_weft/reload{query}", f"Authorization: Bearer {token}", *lines, method=method)


@pytest.mark.parametrize(
    ("told", "status"),
    [
        (outcome("done", changes=[ROW]), 200),
        (outcome("unchanged"), 200),
        (outcome("done", changes=[ROW], restarted=True), 200),
        (outcome("refused", faults=["cache.default_ttl: expected >= 0 seconds, got -1.0 (weft.toml)", "another"]), 422),
        (outcome("failed", faults=["worker 2: slots.hero.template: hero.html, line 3: no such thing"], changes=[ROW]), 422),
        (outcome("busy"), 409),
    ],
    ids=lambda value: value.status if isinstance(value, Outcome) else None,
)
def test_what_became_of_it(run, told, status):
    async def test(site):
        site.gateway.parent = Parent(told)
        answer = await asking(site)
        assert answer.status == status
        assert answer["cache-control"] == "no-store"
        assert json.loads(answer.text) == {
            "status": told.status,
            "generation": 7,
            "changes": [dict(zip(("path", "old", "new", "effect"), row, strict=True)) for row in told.changes],
            "faults": told.faults,
            "restarted": told.restarted,
        }

    run(test, admin__tokens=TOKEN)


@pytest.mark.parametrize(
    ("query", "wishes"),
    [
        ("", {"dry_run": False, "restart": False}),
        ("?dry_run=0&restart=0", {"dry_run": False, "restart": False}),
        ("?dry_run=1", {"dry_run": True, "restart": False}),
        ("?restart=1", {"dry_run": False, "restart": True}),
    ],
)
def test_what_is_wished_for(run, query, wishes):
    async def test(site):
        parent = site.gateway.parent = Parent(outcome("unchanged"))
        assert (await asking(site, query)).status == 200
        assert parent.asked == [wishes]

    run(test, admin__tokens=TOKEN)


@pytest.mark.parametrize("query", ["?dry_run=yes", "?restart=", "?dry_run=1&restart=1"])
def test_a_wish_that_makes_no_sense_is_not_passed_on(run, query):
    async def test(site):
        parent = site.gateway.parent = Parent(outcome("unchanged"))
        answer = await asking(site, query)
        assert answer.status == 400
        assert "expected" in json.loads(answer.text)["error"]
        assert parent.asked == []

    run(test, admin__tokens=TOKEN)


def test_nobody_else_may(run):
    """Not the holder of another kind of token either."""

    async def test(site):
        parent = site.gateway.parent = Parent(outcome("done"))
        for token in ("", "wrong", "a-purge-token", "a-debug-token", TOKEN + "x", TOKEN[:-1]):
            answer = await asking(site, token=token)
            assert (answer.status, answer["www-authenticate"]) == (401, "Bearer")
        assert (await site.get("/_weft/reload", method="POST")).status == 401
        assert (await asking(site, method="GET")).status == 404
        assert parent.asked == []
        assert (await asking(site)).status == 200
        assert (await site.get("/_weft/reload", f"Weft-Admin-Token: {TOKEN}", method="POST")).status == 200

    run(test, admin__tokens=f'["{TOKEN}", "another"]', purge__tokens="a-purge-token", debug__tokens="a-debug-token")


def test_without_tokens_it_is_off(run):
    async def test(site):
        parent = site.gateway.parent = Parent(outcome("done"))
        answer = await asking(site)
        assert (answer.status, json.loads(answer.text)) == (403, {"error": "reloading over HTTP is off: admin.tokens is empty"})
        assert parent.asked == []

    run(test)


def test_where_nobody_reads_settings_it_says_so(run):
    async def test(site):
        assert (await asking(site)).status == 501
        site.gateway.parent = Parent(ConnectionError("gone"))
        assert (await asking(site)).status == 503

    run(test, admin__tokens=TOKEN)
