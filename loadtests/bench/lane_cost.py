"""What a hot hit costs in CPU, less the kernel: one EdgeProtocol with a transport that throws everything away, fed with the same request again and again.

    python loadtests/bench/lane_cost.py [--requests 60000] [--rounds 5]

Two requests: the smallest, and one with the header section of a browser. Seven ways to read each:

    lane           a header section seen before, an answer rendered earlier in this second
    counted        the same where a rate limit counts hits
    refused        a new page while nobody more may ask an origin
    new section    a header section never seen (each request has another cookie): llhttp reads it, `Page.answer_now` answers, the section is remembered
    answer_now     the same section again and again, lane off: what a hit costs when nothing is remembered
    llhttp, ours   llhttp alone with the callbacks that any server needs: target, and fields in lower case
    llhttp         llhttp alone, nobody listens

Access log (to a file that forgets) and metrics are on, as in production. The cheapest of --rounds counts: the others measure the neighbours.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import httptools
import uvloop

sys.path.insert(0, str(Path(__file__).parents[2]))

from gateway.app import Gateway, build
from gateway.cache.entry import Entry
from gateway.cache.policy import Stored, judge
from gateway.fastlane import EdgeProtocol
from gateway.semantics.message import Fields
from gateway.settings import Settings

SMALL = b"GET /page HTTP/1.1\r\nHost: shop.test\r\n\r\n"
BROWSER = (
    b"GET /page HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-GB,en;q=0.7,de;q=0.3\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\nReferer: http://shop.test/c/lamps\r\nConnection: keep-alive\r\n"
    b"Cookie: basket=aino-desk-lamp.1; seen=3\r\nUpgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: document\r\n"
    b"Sec-Fetch-Mode: navigate\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-User: ?1\r\nPriority: u=0, i\r\n\r\n"
)
BODY = b"x" * 10_240


class Sink(asyncio.Transport):
    """A transport to nowhere."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.writes = 0

    def write(self, _data: object) -> None:
        """Count it."""
        self.writes += 1

    def writelines(self, _pieces: object) -> None:
        """Count them as one."""
        self.writes += 1

    def pause_reading(self) -> None:
        """Nothing to pause."""

    def resume_reading(self) -> None:
        """Nothing to resume."""

    def is_closing(self) -> bool:
        """Never."""
        return False

    def close(self) -> None:
        """Would mean that the request was not understood."""
        raise AssertionError("the connection was closed")


class Listener:
    """The callbacks without which there is no request."""

    url = b""

    def __init__(self) -> None:
        self.fields: Fields = []

    def on_message_begin(self) -> None:
        """A new one."""
        self.url = b""
        self.fields = []

    def on_url(self, url: bytes) -> None:
        """Its target."""
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One of its fields."""
        self.fields.append((name.lower(), value))

    def on_message_complete(self) -> None:
        """Its end."""


def gateway_with_a_page(**settings: object) -> Gateway:
    """A gateway that holds a fresh page of 10 KB, and would never ask an origin for it."""
    usual = {"upstream": {"url": "http://127.0.0.1:1"}, "log": {"file": os.devnull}}
    gateway = build(Settings.model_validate({**usual, **settings}))
    now = gateway.clock()
    fields = [(b"cache-control", b"max-age=3600"), (b"content-type", b"text/html"), (b"etag", b'"abc"')]
    key = (b"http", b"shop.test", b"/page")
    terms = judge(b"GET", key, [], 200, fields, gateway.routes.all[0].policy, request_time=now, response_time=now)
    assert isinstance(terms, Stored)
    gateway.store.put(Entry(key, "default", 200, fields, BODY, terms, nominated=(), tags=(), stamp=0))
    return gateway


def connected(gateway: Gateway, sink: Sink) -> EdgeProtocol:
    """A connection to gateway whose answers go to sink."""
    config, state = SimpleNamespace(loaded_app=None), SimpleNamespace(connections=set(), tasks=set())
    protocol = EdgeProtocol(gateway.edge, config, state, {}, _loop=asyncio.get_running_loop())
    protocol.connection_made(sink)
    return protocol


async def cost(feed: Callable[[bytes], object], request: bytes, requests: int) -> float:
    """Microseconds of CPU per request. The loop gets a turn now and then, as the log's batches need."""
    begin = time.process_time()
    for number in range(requests):
        feed(request)
        if not number % 64:
            await asyncio.sleep(0)
    return (time.process_time() - begin) / requests * 1e6


async def compare(requests: int, rounds: int) -> None:
    """Print the table."""
    gateway = gateway_with_a_page()
    counting = gateway_with_a_page(rate_limits={"all": {"rate": 1_000_000, "burst": 1_000_000, "applies": "all"}})
    sink = Sink()
    protocol, counted = connected(gateway, sink), connected(counting, sink)
    numbers = itertools.count()

    full = gateway_with_a_page()
    full.admission.limit = 0.0
    refusing = connected(full, sink)

    def feed_missing(request: bytes) -> None:
        refusing.data_received(b"GET /%d%b" % (next(numbers), request[9:]))

    def feed_new(request: bytes) -> None:
        protocol.data_received(b"%b\r\nCookie: visitor=%d\r\n\r\n" % (request[:-4], next(numbers)))

    ways: dict[str, Callable[[bytes], object]] = {
        "lane": protocol.data_received,
        "counted": counted.data_received,
        "refused": feed_missing,
        "new section": feed_new,
        "answer_now": protocol.data_received,
        "llhttp, ours": httptools.HttpRequestParser(Listener()).feed_data,
        "llhttp": httptools.HttpRequestParser(object()).feed_data,
    }
    print(f"µs of CPU per request, best of {rounds} x {requests}, kernel apart")
    print(f"{'':<14}{'small':>10}{'browser':>10}      ({len(SMALL)} and {len(BROWSER)} octets)")
    for name, feed in ways.items():
        protocol.lane = name != "answer_now"
        sink.writes = 0
        figures = [min([await cost(feed, request, requests) for _ in range(rounds)]) for request in (SMALL, BROWSER)]
        assert sink.writes in {0, 2 * rounds * requests}, "not every request was answered at once"
        print(f"{name:<14}{figures[0]:>10.2f}{figures[1]:>10.2f}", flush=True)
    await gateway.aclose()
    await counting.aclose()
    await full.aclose()


def main() -> None:
    """Run it with what the command line asks for."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--requests", type=int, default=30_000)
    arguments.add_argument("--rounds", type=int, default=5)
    asked = arguments.parse_args()
    uvloop.run(compare(asked.requests, asked.rounds))


if __name__ == "__main__":
    main()
