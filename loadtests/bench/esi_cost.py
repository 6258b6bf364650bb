"""What an assembled page costs in CPU, less the kernel: one EdgeProtocol before a transport to nowhere, all pieces in memory. The pages are those of esi_origin.py.

lane        the page is the same for all: rendered once a second
the others  64 visitors with a cookie each, in turn: the page is assembled for each request

python loadtests/bench/esi_cost.py [--requests 5000] [--rounds 5] [--profile choose] [--gzip]
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import itertools
import os
import pstats
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import esi_origin
import uvloop
from lane_cost import Sink

sys.path.insert(0, str(Path(__file__).parents[2]))

from gateway.app import Gateway, build
from gateway.cache.entry import Entry
from gateway.cache.policy import Stored, judge
from gateway.fastlane import EdgeProtocol
from gateway.flow.assembly.template import compile_body
from gateway.flow.recognise import Visit, selecting_values
from gateway.semantics.message import Fields, Request
from gateway.settings import Settings

PATHS = ("/page", "/cookie", "/choose", "/written")
VISITORS = [(f"v=visitor-{number}; set={'abcdefgh'[number % 8]}").encode() for number in range(64)]


def put(gateway: Gateway, path: str, body: bytes, fields: Fields, asked: Fields = ()) -> None:  # type: ignore[assignment]
    """Store a fresh response as if the origin had sent it just now."""
    now, route = gateway.clock(), gateway.routes.all[0]
    visit = Visit(Request(b"GET", path.encode(), b"shop.test", list(asked)), route, path.encode(), now, "")
    all_fields = [(b"cache-control", b"max-age=3600"), (b"content-type", b"text/html"), *fields]
    terms = judge(b"GET", visit.key, visit.request.fields, 200, all_fields, route.policy, request_time=now, response_time=now)
    assert isinstance(terms, Stored)
    nominated = selecting_values(terms.vary, visit.request, route)
    entry = Entry(visit.key, "default", 200, all_fields, body, terms, nominated=nominated, tags=(), stamp=0)
    if b"<esi:" in body:
        entry.esi, entry.program = True, compile_body(body, b"text/html")
    gateway.store.put(entry)


def filled_gateway() -> Gateway:
    """A gateway that holds every piece of every page, and would never ask an origin for one."""
    gateway = build(Settings.model_validate({"upstream": {"url": "http://127.0.0.1:1"}, "log": {"file": os.devnull}}))
    for path, page in esi_origin.PAGES.items():
        put(gateway, path, page, [])
    for hole in range(esi_origin.HOLES):
        put(gateway, f"/frag/{hole}", esi_origin.FRAGMENT, [])
    for letter in "abcdefgh":
        put(gateway, f"/frag/{letter}0", esi_origin.FRAGMENT, [])
    for cookie in VISITORS:
        put(gateway, "/vary", b"<div>" + cookie.ljust(300, b"f") + b"</div>", [(b"vary", b"Cookie")], [(b"cookie", cookie)])
    return gateway


def asking(path: str, *, gzip: bool) -> list[bytes]:
    """The requests of all visitors."""
    accept = b"Accept-Encoding: gzip\r\n" if gzip else b""
    return [
        b"GET %b HTTP/1.1\r\nHost: shop.test\r\n%bCookie: %b\r\n\r\n" % (path.encode(), accept, cookie) for cookie in VISITORS
    ]


async def cost(protocol: EdgeProtocol, asked: list[bytes], requests: int) -> float:
    """Microseconds of CPU per request. The loop gets a turn now and then, as the log's batches need."""
    begin = time.process_time()
    for number, request in zip(range(requests), itertools.cycle(asked), strict=False):
        protocol.data_received(request)
        if protocol.cycle is not None and protocol.cycle.task is not None:
            await protocol.cycle.task  # not answered at once: the way through ASGI
        if not number % 64:
            await asyncio.sleep(0)
    return (time.process_time() - begin) / requests * 1e6


async def compare(options: argparse.Namespace) -> None:
    """Print the table, or the profile of one row."""
    gateway, sink = filled_gateway(), Sink()
    server = SimpleNamespace(connections=set(), tasks=set())
    loop = asyncio.get_running_loop()
    protocol = EdgeProtocol(gateway.edge, SimpleNamespace(loaded_app=gateway.app), server, {}, _loop=loop)
    protocol.connection_made(sink)
    for path in [options.profile] if options.profile else PATHS:
        asked = asking(path, gzip=options.gzip)
        await cost(protocol, asked, 128)
        sink.writes = 0
        if options.profile:
            profile = cProfile.Profile()
            profile.enable()
            await cost(protocol, asked, options.requests)
            profile.disable()
            pstats.Stats(profile).sort_stats("cumulative").print_stats(60)
            continue
        best = min([await cost(protocol, asked, options.requests) for _ in range(options.rounds)])
        assert sink.writes >= options.rounds * options.requests, "not every request was answered"
        print(f"{path:<12}{best:>8.1f} us of CPU per request, kernel apart", flush=True)
    await gateway.aclose()


def main() -> None:
    """Run it with what the command line asks for."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--requests", type=int, default=5_000)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--profile", choices=PATHS)
    arguments.add_argument("--gzip", action="store_true")
    uvloop.run(compare(arguments.parse_args()))


if __name__ == "__main__":
    main()
