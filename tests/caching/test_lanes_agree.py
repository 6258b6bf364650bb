"""The same request gives the same response whatever carries it: our listener with the hot lane, without it, and plain uvicorn.

The whole corpus runs against each. Compared are status, fields in their order and content, and what the origin was asked; not compared is what a server
says of the connection, and values that tell the time or the request.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Iterator
from time import time

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.semantics.message import Fields
from tests.caching.conformance import CASES, Seen, judge_case, run_case
from tests.caching.corpus import Case
from tests.support.in_process import KINDS, Client, Reply, Setup

BASE = float(int(time()))

OF_THE_CONNECTION = {b"connection", b"keep-alive", b"transfer-encoding"}
OF_THE_MOMENT = {b"age", b"date", b"x-request-id", b"content-length"}
"""Their presence and place is compared, not their value. Content-Length: of our own error pages, which hold the request's id; of all else the content is compared."""


@pytest.fixture(scope="module")
def setups() -> Iterator[tuple[asyncio.Runner, list[Setup]]]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        setups = [runner.run(Setup.start(kind, BASE)) for kind in KINDS]
        yield runner, setups
        for setup in setups:
            runner.run(setup.aclose())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_lanes_agree(setups: tuple[asyncio.Runner, list[Setup]], case: Case):
    runner, (lane, *others) = setups
    expected = runner.run(run_case(case, lane, BASE))
    for kind, setup in zip(KINDS[1:], others, strict=True):
        seen = runner.run(run_case(case, setup, BASE))
        judge_case(case, seen, BASE)
        for number, (one, other) in enumerate(zip(expected, seen, strict=True), start=1):
            assert comparable(other) == comparable(one), f"{kind}, exchange {number}"


def test_a_hit_is_the_same_however_often_it_is_sent(setups: tuple[asyncio.Runner, list[Setup]]):
    """The first hit is rendered, later ones in the same second are not; on one connection, on others, with fields in another order."""
    runner, setups_ = setups
    case = Case("often", "required", "DESIGN §2", CASES[0].exchanges)
    for setup in setups_:
        runner.run(run_case(case, setup, BASE))
        repeated = Case("often", "required", "DESIGN §2", CASES[0].exchanges[1:] * 50)
        seen = runner.run(run_case(repeated, setup, BASE))
        assert len({repr(comparable(each)) for each in seen}) == 1


PLAIN = b"GET {path} HTTP/1.1\r\nHost: shop.test\r\n\r\n"
WITH_CONTENT = b"GET {path} HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"POST {path} HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "requests",
    [
        [PLAIN, PLAIN],
        [PLAIN, PLAIN, PLAIN],
        [WITH_CONTENT, PLAIN],
        [PLAIN, WITH_CONTENT],
        [PLAIN, WITH_CONTENT, PLAIN],
        [PLAIN, CHUNKED],
        [CHUNKED, PLAIN],
        [b"\r\n" + PLAIN, PLAIN],
    ],
    ids=repr,
)
def test_requests_that_come_together_get_as_many_answers(setups: tuple[asyncio.Runner, list[Setup]], requests: list[bytes]):
    """RFC 9112 §9.3.2. A lane that takes several for one would give the next client of the connection somebody else's answer."""
    runner, setups_ = setups
    path = b"/together-%d" % hash(tuple(requests))
    octets = b"".join(requests).replace(b"{path}", path)

    async def send(setup: Setup) -> None:
        setup.origin.replies[path] = Reply(200, [(b"cache-control", b"max-age=3600")], b"BODY")
        for _ in range(3):
            client = await Client.connect(setup.port)
            await client.ask(b"GET", path, [(b"host", b"shop.test")])
            await client.aclose()
            reader, writer = await asyncio.open_connection("127.0.0.1", setup.port)
            writer.write(octets)
            received = b""
            async with asyncio.timeout(10):
                while received.count(b"BODY") < len(requests):
                    received += await reader.read(65_536)
            assert received.count(b"HTTP/1.1 200") == len(requests)
            writer.close()
            await writer.wait_closed()

    for setup in setups_:
        runner.run(send(setup))


PAGES = {
    b"plain": [(b"cache-control", b"max-age=3600"), (b"etag", b'"a"'), (b"last-modified", b"Fri, 01 Jan 2021 00:00:00 GMT")],
    b"text": [(b"cache-control", b"max-age=3600"), (b"content-type", b"text/html"), (b"etag", b'"a"')],
    b"forms": [(b"cache-control", b"max-age=3600"), (b"vary", b"x-form, accept-language")],
    b"stale": [(b"cache-control", b"max-age=60"), (b"age", b"600"), (b"etag", b'"a"')],
    b"shared": [(b"cache-control", b"s-maxage=3600, public"), (b"vary", b"accept-encoding")],
    b"private": [(b"cache-control", b"private")],
    b"moved": [(b"cache-control", b"max-age=3600"), (b"location", b"/x")],
}
FIELDS = [
    (b"accept-encoding", b"gzip"),
    (b"accept-encoding", b"br, zstd;q=0.5"),
    (b"accept-encoding", b"identity"),
    (b"cache-control", b"no-cache"),
    (b"cache-control", b"max-age=0, max-stale"),
    (b"pragma", b"no-cache"),
    (b"authorization", b"Basic x"),
    (b"cookie", b"id=1"),
    (b"range", b"bytes=1-3"),
    (b"if-range", b'"a"'),
    (b"if-none-match", b'W/"a"'),
    (b"if-modified-since", b"Sat, 02 Jan 2021 00:00:00 GMT"),
    (b"x-form", b"1"),
    (b"accept-language", b"de, en;q=0.5"),
    (b"upgrade", b"h2c"),
    (b"connection", b"keep-alive"),
    (b"te", b"trailers"),
    (b"x-forwarded-for", b"192.0.2.1"),
    (b"accept", b"text/html"),
]
mixes = st.lists(
    st.tuples(
        st.sampled_from(sorted(PAGES)),
        st.sampled_from([b"GET", b"GET", b"GET", b"HEAD", b"POST", b"OPTIONS"]),
        st.lists(st.sampled_from(FIELDS), max_size=4),
    ),
    min_size=1,
    max_size=8,
)
_numbers = itertools.count(1)


@settings(max_examples=80)
@given(mix=mixes)
def test_the_lanes_agree_on_any_mix_of_fields(setups: tuple[asyncio.Runner, list[Setup]], mix: list[tuple[bytes, bytes, Fields]]):
    runner, setups_ = setups
    number = next(_numbers)
    results = [runner.run(_run_mix(setup, number, mix)) for setup in setups_]
    for kind, seen in zip(KINDS[1:], results[1:], strict=True):
        assert seen == results[0], kind


async def _run_mix(setup: Setup, number: int, mix: list[tuple[bytes, bytes, Fields]]) -> list[tuple[object, ...]]:
    for page, fields in PAGES.items():
        path = b"/mix-%d/%b" % (number, page)
        setup.origin.replies[path] = Reply(302 if page == b"moved" else 200, fields, b"<p>the words of this page</p>" * 60)
    client = await Client.connect(setup.port)
    seen = []
    for page, method, fields in mix:
        path = b"/mix-%d/%b" % (number, page)
        before = len(setup.origin.heard[path])
        status, got, body = await client.ask(method, path, [(b"host", b"shop.test"), *fields])
        seen.append(comparable(Seen(status, got, body, list(setup.origin.heard[path][before:]))))
        if not client.is_open:
            await client.aclose()
            client = await Client.connect(setup.port)
    await client.aclose()
    return seen


def comparable(seen: Seen) -> tuple[object, ...]:
    heard = [(each.method, each.target, _comparable_fields(each.fields), each.body) for each in seen.heard]
    return seen.status, _comparable_fields(seen.fields), re.sub(rb"request id: \S+", b"", seen.body), heard


def _comparable_fields(fields: Fields) -> Fields:
    return [(name, _comparable_value(name, value)) for name, value in fields if name not in OF_THE_CONNECTION]


def _comparable_value(name: bytes, value: bytes) -> bytes:
    if name in OF_THE_MOMENT:
        return b"(one)"
    return re.sub(rb"ttl=-?\d+", b"ttl", value) if name == b"cache-status" else value
