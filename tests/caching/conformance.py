"""Running a case of the corpus against a gateway on a socket, and judging what came."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from typing import NamedTuple

import brotli
import zstandard

from gateway.semantics.message import Fields, first, values
from tests.caching import corpus_asking, corpus_reusing, corpus_storing
from tests.caching.corpus import Case, Exchange
from tests.support.fakes import Line, parse_line, with_dates
from tests.support.in_process import Client, Heard, Reply, Setup

__all__ = ["CASES", "SLACK", "Seen", "judge_case", "run_case"]

CASES: list[Case] = [*corpus_storing.CASES, *corpus_reusing.CASES, *corpus_asking.CASES]

HOST = b"shop.test"
SLACK = 300
"""Seconds that a run may take before an age is not what a case says. Ages and lifetimes of the cases are further apart than that."""

DECODERS: dict[bytes, Callable[[bytes], bytes]] = {
    b"gzip": gzip.decompress,
    b"br": brotli.decompress,
    b"zstd": lambda octets: zstandard.ZstdDecompressor().decompress(octets),
}


class Seen(NamedTuple):
    """What came of one exchange: the client's side, and what the origin heard of it."""

    status: int
    fields: Fields
    body: bytes
    heard: list[Heard]


async def run_case(case: Case, setup: Setup, base: float) -> list[Seen]:
    """base: epoch seconds that dates in the case are counted from. Each case has a path and a connection of its own."""
    path = f"/{case.id}"
    client = await Client.connect(setup.port)
    seen = []
    try:
        for exchange in case.exchanges:
            if not client.is_open and seen:
                await client.aclose()
                client = await Client.connect(setup.port)
            seen.append(await _run_exchange(exchange, setup, client, path, base))
    finally:
        await client.aclose()
    return seen


async def _run_exchange(exchange: Exchange, setup: Setup, client: Client, path: str, base: float) -> Seen:
    asks = _line(exchange.asks, path, base)
    method, _, rest = asks.start.partition(" ")
    target = (path + rest).encode()
    place = target.partition(b"?")[0]
    origin = setup.origin
    origin.replies[place] = _reply(exchange.origin, path, base) if exchange.origin is not None else None
    before = len(origin.heard[place])
    status, fields, body = await client.ask(method.encode(), target, [(b"host", HOST), *asks.fields], asks.body or b"")
    if exchange.behind:
        await origin.wait_for(place, before + 1)
        await _until_stored(setup, place)
    heard = origin.heard[place][before:]
    if exchange.origin == "close":
        heard = heard[:1]  # how often it is tried again is not what this is about
    return Seen(status, fields, body, list(heard))


async def _until_stored(setup: Setup, place: bytes) -> None:
    """What was fetched behind the client's back is in: no fetch of that path is under way."""
    while any(name[0][2].partition(b"?")[0] == place for name in setup.gateway.forwarder.flights):
        await asyncio.sleep(0.001)


def judge_case(case: Case, seen: list[Seen], base: float) -> None:
    """Raise AssertionError that says what is not as it should be."""
    for number, (exchange, what) in enumerate(zip(case.exchanges, seen, strict=True), start=1):
        try:
            _judge_exchange(exchange, what, f"/{case.id}", base)
        except AssertionError as error:
            needs = f"; look first at {', '.join(case.needs)}" if case.needs else ""
            raise AssertionError(
                f"{case.kind}, {case.section}, exchange {number}: {exchange.asks}\n    {error}{needs}\n    {what}"
            ) from None


def _judge_exchange(exchange: Exchange, seen: Seen, path: str, base: float) -> None:
    gets = _line(exchange.gets, path, base)
    word, status = gets.start.split(" ")
    if exchange.origin is None:
        assert not seen.heard, "the origin was asked"
    else:
        assert seen.heard, "the origin was not asked"
    assert seen.status == int(status), f"status {seen.status}"
    member = values(seen.fields, b"cache-status")[-1].decode()
    if word == "hit":
        assert member.startswith("Weft; hit"), member
    elif word not in ("refused", "error"):
        assert f"; fwd={word}" in member, member
    _judge_fields(seen.fields, gets)
    body = seen.body
    if (coding := first(seen.fields, b"content-encoding")) is not None and body:
        body = DECODERS[coding](body)
    if gets.body is not None:
        assert body == gets.body, f"content {body[:200]!r}"
    if exchange.told:
        told = _line(exchange.told, path, base)
        assert seen.heard[-1].method == told.start.encode(), "method"
        _judge_fields(seen.heard[-1].fields, told)


def _judge_fields(got: Fields, wanted: Line) -> None:
    for name in {name for name, _ in wanted.fields}:
        expected, found = values(wanted.fields, name), values(got, name)
        if name == b"age":
            assert len(found) == 1, f"Age: {found}"
            assert int(expected[0]) <= int(found[0]) <= int(expected[0]) + SLACK, f"Age: {found}"
        else:
            assert found == expected, f"{name.decode()}: {found}"
    for name in wanted.absent:
        assert first(got, name.encode()) is None, f"{name}: {values(got, name.encode())}"


def _line(text: str, path: str, base: float) -> Line:
    return parse_line(with_dates(text.replace("{path}", path), base))


def _reply(text: str, path: str, base: float) -> Reply:
    if text == "close":
        return Reply(0, [])
    line = _line(text, path, base)
    return Reply(int(line.start), line.fields, line.body or b"", length="content-length" not in line.absent)
