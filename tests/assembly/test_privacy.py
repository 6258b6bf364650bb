"""Many visitors with distinct cookies over pages of private, per-cookie, per-segment and public pieces, with failures, purges, and leavers in between:
not one octet of one visitor's in another's page. DESIGN §10, promise 2.

What is made for a visitor says so: {token}; what is made for a segment: <segment>. The same on two hundred thousand requests over sockets: loadtests/bench.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections import Counter
from random import Random
from typing import Any

import pytest

from gateway.semantics.message import Fields, first
from gateway.upstream.origin import OriginRequest
from tests.assembly.corpus_pages import include, page, part
from tests.assembly.site import GUEST, Site, Table
from tests.support.fakes import Visitor, request

SEGMENTS = ("gold", "new", "none")
VISITORS = 100
ROUNDS, TOGETHER = 90, 20

TOKEN = re.compile(rb"\{(\w+)\}")
SEGMENT = re.compile(rb"<(gold|new|none)>")

PRIVATE = {
    "private": ("Cache-Control: private, max-age=60", ()),
    "unsaid": ("", ()),
    "no-store": ("Cache-Control: no-store", ()),
    "no-cache": ("Cache-Control: no-cache", ('ETag: "one"',)),
    "varies": ("Cache-Control: max-age=30, stale-while-revalidate=60, stale-if-error=60", ("Vary: Cookie", "Surrogate-Key: personal")),
    "varies-shared": ("Cache-Control: s-maxage=30, must-revalidate", ("Vary: Cookie", 'ETag: "same"')),
    "varies-star": ("Cache-Control: max-age=30", ("Vary: *",)),
    "private-field": ('Cache-Control: private="x-own", max-age=30', ("Vary: Cookie",)),
}  # fmt: skip


def cookies_of(asked: OriginRequest) -> dict[str, str]:
    text = (first(asked.fields, b"cookie") or b"").decode()
    return dict(pair.split("=") for pair in text.split("; ") if pair)


def tagged(own: str) -> str:
    return f"{{{own}}}"


SAYS = "<esi:vars>{$(HTTP_COOKIE{id}|nobody)}</esi:vars>"


class Shop:
    """What the site says. It fails one time in ten, in many ways."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.version = 0

    def _unsure(self, text: str) -> str:
        chance = self.random.random()
        if chance < 0.05:
            return self.random.choice(["refused", "reset", "timeout", part("no", status=500), part("no", status=404)])
        if chance < 0.10:
            return "broken " + text
        return "slow " + text if chance < 0.3 else text

    def personal(self, kind: str) -> Any:
        control, fields = PRIVATE[kind]

        def answer(asked: OriginRequest) -> str:
            own = cookies_of(asked).get("id", "nobody")
            set_cookie = (f"Set-Cookie: seen={tagged(own)}",) if kind == "no-store" else ()
            return self._unsure(part(tagged(own), *fields, *set_cookie, control=control))

        return answer

    def greeting(self, asked: OriginRequest) -> str:
        """A page of one visitor's own that is assembled itself."""
        own = cookies_of(asked).get("id", "nobody")
        body = tagged(own) + SAYS + include("/my/varies", "onerror=continue")
        return self._unsure(page(body, control="Cache-Control: private"))

    def segment(self, asked: OriginRequest) -> str:
        return self._unsure(part(f"<{asked.target.decode().partition('=')[2]}>", "Surrogate-Key: segments"))

    def public(self, asked: OriginRequest) -> str:
        return self._unsure(part(f"public {self.version}", "Surrogate-Key: public", "Cache-Control: stale-if-error=30"))

    def table(self) -> Table:
        mine = [include(f"/my/{kind}", "onerror=continue") for kind in PRIVATE]
        segment = include("/segment?s=$(HTTP_COOKIE{seg}|none)", "onerror=continue")
        public = include("/public", "onerror=continue")
        pages = {
            "/flat": page("".join(mine) + public, "Surrogate-Key: pages"),
            "/public-only": page(f"1{public}{include('/public?2', 'onerror=continue')}2", "Surrogate-Key: pages"),
            "/says": page(SAYS + segment + public),
            "/says-late": page(public + segment + SAYS, control="Cache-Control: no-store"),
            "/tries": page("".join(f"<esi:try><esi:attempt>{include(f'/my/{kind}')}{public}</esi:attempt><esi:except>{SAYS}{mine[1]}</esi:except></esi:try>"
                                   for kind in PRIVATE)),
            "/nested": page(f"[{include('/flat', 'onerror=continue')}{include('/says', 'onerror=continue')}]"),
            "/hello": self.greeting,
            "/with-hello": page(include("/hello", "onerror=continue") + include("/my/private", "dca=esi onerror=continue")),
            "/evals": page("<esi:eval src='/my/private' onerror='continue'/><esi:eval src='/hello' onerror='continue'/>"),
            "/loops": page("<esi:foreach collection=\"['varies','private','unsaid']\">" + include("/my/$(item)", "onerror=continue") + "</esi:foreach>"),
            "/instead": page("".join(include("/gone", f"alt='/my/{kind}'", SAYS) for kind in PRIVATE)),
            "/tests": page("<esi:choose><esi:when test=\"$(HTTP_COOKIE{seg})=='gold'\">&lt;<esi:vars>$(HTTP_COOKIE{seg})</esi:vars>&gt;"
                           "</esi:when><esi:otherwise>" + mine[4] + "</esi:otherwise></esi:choose>"),
            "/particular": page(include("/my/varies", "setheader='X-Own: $(HTTP_COOKIE{id})' onerror=continue")
                                + include("/my/private", "no-store=on onerror=continue")
                                + include("/my/varies-shared", "maxwait=10s alt='/my/varies' onerror=continue")),
            "/guests": page(include(f"http://{GUEST}/ad", "onerror=continue") + SAYS),
            f"http://{GUEST}/ad": part("ad"),
            "/fresh": page("".join(include(f"/my/{kind}?$(QUERY_STRING{{r}})", "onerror=continue") for kind in PRIVATE)),
            "/segment": self.segment,
            "/public": self.public,
        }  # fmt: skip
        return {**pages, **{f"/my/{kind}": self.personal(kind) for kind in PRIVATE}}


class Canary:
    """Visitors, and what they may see."""

    def __init__(self, seed: int, **how: Any) -> None:
        self.random = Random(seed)
        self.shop = Shop(self.random)
        self.site = Site(self.shop.table(), **how)
        self.seen: Counter[str] = Counter()
        self.tags: dict[str, bytes] = {}
        self.rounds = 0

    def next_request(self) -> tuple[str, str, str, Fields]:
        """A visitor's number (or none), his segment, an address, and fields."""
        random = self.random
        number = random.randrange(VISITORS)
        own = "" if random.random() < 0.1 else f"v{number}"
        segment = SEGMENTS[number % 3] if own else "none"
        url = random.choice(
            [url for url in self.site.table if url.startswith("/")] + ["/flat", "/says", "/hello", "/nested", "/fresh", "/fresh"]
        )
        fields: Fields = [(b"cookie", f"id={own}; seg={segment}".encode())] if own else []
        for chance, field in (
            (0.3, (b"accept-encoding", b"gzip")),
            (0.05, (b"range", b"bytes=0-40")),
            (0.05, (b"cache-control", b"no-cache")),
            (0.1, (b"if-none-match", self.tags.get(url, b'"same"'))),
        ):
            if random.random() < chance:
                fields.append(field)
        if url.startswith("/segment"):
            url = f"/segment?s={segment}"
        elif url in ("/fresh", "/my/varies", "/hello"):  # nothing is known of it yet, and others come for it in the same moment
            url += f"?r={self.rounds}"
        return own, segment, url, fields

    async def round(self) -> None:
        """Some visitors at once, one or two of whom leave; then time passes, and something is purged."""
        random, stage = self.random, self.site.stage
        self.rounds += 1
        waiting: list[tuple[str, str, str, Visitor]] = []
        for _ in range(TOGETHER):
            own, segment, url, fields = self.next_request()
            method = "HEAD" if random.random() < 0.05 else "GET"
            if random.random() < 0.7:
                waiting.append((own, segment, url, await self.site.ask(method, url, fields)))
            else:  # they come in the same moment
                waiting.append((own, segment, url, Visitor(stage, request(method, url, fields))))
        for leaver in random.sample(waiting, random.randrange(3)):
            leaver[3].task.cancel()
            self.seen["left"] += 1
        for _ in range(12):
            stage.clock.turn(0.6)
            await stage._settle()
        for own, segment, url, visitor in waiting:
            await asyncio.wait([visitor.task])
            if not visitor.task.cancelled():
                self.check(own, segment, url, visitor)
        stage.clock.turn(random.choice([0, 0, 1, 20]))
        await self.purge()

    async def purge(self) -> None:
        random, stage = self.random, self.site.stage
        kind = random.choice(
            [
                "tag personal",
                "tag public",
                "tag segments",
                "tag pages",
                "url /my/varies",
                "url /hello",
                "prefix /my/",
                "all",
                "",
                "",
                "",
                "",
            ]
        )
        if kind:
            self.shop.version += 1
            await stage._purge(f"purge {random.choice(['soft', 'hard'])} {kind}")

    def check(self, own: str, segment: str, url: str, visitor: Visitor) -> None:
        """Nothing of anybody else in what has come."""
        response = visitor.response
        assert response is not None, f"{url} never came"
        body = visitor.received
        if first(response.fields(), b"content-encoding") == b"gzip" and response.status == 200:
            body = zlib.decompressobj(31).decompress(body)
        octets = body + b"".join(value for _, value in response.fields())
        for token in TOKEN.findall(octets):
            assert token.decode() in (own, "nobody") if not own else token.decode() == own, (
                f"{url} for {own or 'nobody'}: {octets!r}"
            )
            self.seen["own"] += 1
        for found in SEGMENT.findall(octets):
            assert found.decode() == segment, f"{url} for {segment}: {octets!r}"
            self.seen["segment"] += 1
        if tag := first(response.fields(), b"etag"):
            self.tags[url] = tag
        control = first(response.fields(), b"cache-control") or b""
        if TOKEN.search(octets) and not url.startswith("/my/"):
            assert control == b"private, no-store", f"{url} may be kept: {control!r}"
        self.seen[str(response.status)] += 1
        self.seen["public"] += b"max-age" in control


@pytest.mark.parametrize("gzip", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("hot_lane", [True, False], ids=["both entrances", "answer alone"])
def test_not_one_octet_of_one_visitors_is_in_anothers_page(hot_lane: bool, gzip: bool):
    canary = Canary(20_270_115 + hot_lane + 2 * gzip, hot_lane=hot_lane, gzip=gzip)
    try:
        for _ in range(ROUNDS):
            canary.site.stage.run(canary.round())
        seen, site = canary.seen, canary.site
        assert seen["200"] > ROUNDS * TOGETHER * 0.6, seen
        assert seen["own"] > ROUNDS * TOGETHER * 0.6, "too little that could have been somebody else's"
        assert seen["segment"] > ROUNDS, seen
        assert seen["public"] > ROUNDS, "too little that could be shared"
        assert seen["left"] > ROUNDS / 2
        assert site.asked["/says"] < seen["200"] / 20, "the page is not shared"
        told = site.told[f"http://{GUEST}/ad"].asked
        assert not [name for name, _ in told.fields if name in (b"cookie", b"authorization", b"x-forwarded-for", b"forwarded")]
    finally:
        canary.site.close()


def test_the_canary_would_notice():
    """A site whose private fragment claims to be for all is caught."""
    canary = Canary(1)
    table = canary.site.table
    table["/my/private"] = lambda asked: part(tagged(cookies_of(asked).get("id", "nobody")))

    def play() -> None:
        for _ in range(ROUNDS):
            canary.site.stage.run(canary.round())

    try:
        with pytest.raises(AssertionError, match="for v"):
            play()
    finally:
        canary.site.close()
