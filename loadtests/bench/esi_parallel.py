"""Mark 3 of assembly: includes go out at once, the page comes as its origin sends it, and memory stays as it is.

    whole page  ten uncacheable fragments of 50 ms each: time of the page by that of its slowest fragment, the median of --rounds
    first byte  cold pages: from the moment at which the origin wrote to that at which the client read, plain and gzip
    drip        the same for every piece of a page that comes 40 octets at a time, a slow fragment at its end
    stream      100 MB of page with 100 includes in between: growth of the server's memory, content by its hash; to a client that pauses, and with a
                first fragment that is slow while the page waits behind it

Exit code 1 when one of them is not as promised: 1.3 x, 5 ms, 64 MiB.

    python loadtests/bench/esi_parallel.py [--rounds 20]
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import statistics
import time
import zlib
from collections.abc import AsyncIterator

from bench import free_port, process_tree, rss_bytes, weft
from esi_raw import Asked, Connection, RawOrigin, head, reply

HOLES, DELAY = 10, 0.05
MEGABYTES = 100
ESI = 'Surrogate-Control: content="ESI/1.0"'
NO_STORE, KEEP = "Cache-Control: no-store", "Cache-Control: max-age=3600"
BLOCK = (b"<p>" + b"lorem ipsum " * 85 + b"</p>\n").ljust(1024, b".") * 64
"""64 KiB of page."""
INCLUDE = '<esi:include src="/piece/{}-{}"/>'


class Origin:
    """What it answers, and when it wrote.

    slowest     seconds of the slowest fragment since the last look
    written     when (perf_counter) each piece of the page under way was written, and how many octets of text had been then
    """

    def __init__(self) -> None:
        self.slowest = 0.0
        self.written: list[tuple[float, int]] = []

    async def __call__(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        """One request."""
        kind, _, rest = asked.target.removeprefix("/").partition("/")
        await {
            "ten": self._ten,
            "slow": self._slow,
            "early": self._early,
            "drip": self._drip,
            "piece": self._piece,
            "stream": self._stream,
        }[kind](rest.partition("?")[0], writer)

    async def _ten(self, rest: str, writer: asyncio.StreamWriter) -> None:
        holes = b"".join(b'<p>text</p><esi:include src="/slow/%d"/>' % hole for hole in range(HOLES))
        writer.write(reply(b"<html>" + holes + b"</html>", NO_STORE if rest == "cold" else KEEP, ESI))

    async def _slow(self, _: str, writer: asyncio.StreamWriter) -> None:
        began = time.perf_counter()
        await asyncio.sleep(DELAY)
        writer.write(reply(b"<div>slow</div>", NO_STORE))
        self.slowest = max(self.slowest, time.perf_counter() - began)

    async def _early(self, _: str, writer: asyncio.StreamWriter) -> None:
        """Half of a page, and the rest later."""
        text = b"<p>" + b"early " * 170 + b"</p>"
        body = text + b'<esi:include src="/slow/1"/>' + text
        self.written = [(time.perf_counter(), len(text))]
        writer.write(head(KEEP, ESI, length=len(body)) + body[: len(text)])
        await asyncio.sleep(0.1)
        writer.write(body[len(text) :])

    async def _drip(self, _: str, writer: asyncio.StreamWriter) -> None:
        """A hundred pieces of 40 octets, markup and line ends in them."""
        piece = b"<p class='drip'>a piece of the page</p>\n"
        tail = b'<esi:include src="/slow/2"/>'
        self.written = []
        writer.write(head(NO_STORE, ESI, length=100 * len(piece) + len(tail)))
        for number in range(100):
            self.written.append((time.perf_counter(), (number + 1) * len(piece)))
            writer.write(piece)
            await asyncio.sleep(0.005)
        writer.write(tail)

    async def _piece(self, rest: str, writer: asyncio.StreamWriter) -> None:
        if rest == "slow-0":
            await asyncio.sleep(1.0)
        writer.write(reply(fragment(rest), KEEP))

    async def _stream(self, rest: str, writer: asyncio.StreamWriter) -> None:
        """100 MB: 16 blocks, an include, and so on."""
        writer.write(head(NO_STORE, ESI))
        for number in range(MEGABYTES):
            for piece in (INCLUDE.format(rest, number).encode(), *[BLOCK] * 16):
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                await writer.drain()
        writer.write(b"0\r\n\r\n")


def fragment(name: str) -> bytes:
    """About a kilobyte that differs from the others."""
    return f"<div>fragment {name}</div>".encode().ljust(1024, b"+")


def stream_digest(rest: str) -> str:
    """Of the page of 100 MB, assembled."""
    digest = hashlib.sha256()
    for number in range(MEGABYTES):
        digest.update(fragment(f"{rest}-{number}"))
        digest.update(BLOCK * 16)
    return digest.hexdigest()


async def whole_page(port: int, origin: Origin, kind: str, rounds: int) -> float:
    """Time of the page by that of its slowest fragment, the median."""
    client, ratios = Connection(port), []
    await client.get(f"/ten/{kind}")
    for _ in range(rounds):
        origin.slowest = 0.0
        answer = await client.get(f"/ten/{kind}")
        assert answer.body.count(b"<div>slow</div>") == HOLES, "a fragment is missing"
        ratios.append(answer.took / origin.slowest)
    client.close()
    return statistics.median(ratios)


async def lags(port: int, origin: Origin, path: str, *, gzip: bool) -> list[float]:
    """Milliseconds from each moment at which the origin wrote to that at which the client had read as much."""
    client, arrived = Connection(port), list[tuple[float, int]]()
    octets, unpack = 0, zlib.decompressobj(wbits=31)

    async def seen(data: bytes) -> None:
        nonlocal octets
        octets += len(unpack.decompress(data) if gzip else data)
        arrived.append((time.perf_counter(), octets))

    await client.open()
    answer = await client.get(path, *(["Accept-Encoding: gzip"] if gzip else []), seen=seen)
    client.close()
    assert answer.whole, "cut short"
    assert (answer.fields.get("content-encoding") == "gzip") is gzip, "not the coding that was meant"
    return [(next(when for when, had in arrived if had >= length) - moment) * 1000 for moment, length in origin.written if length]


async def growth(port: int, pid: int, path: str, *, pauses: bool, gzip: bool) -> tuple[float, str]:
    """MiB by which the server grew while it sent the page, and the digest of what came."""
    client, digest, unpack = Connection(port), hashlib.sha256(), zlib.decompressobj(wbits=31)
    octets = paused = 0
    before = peak = rss_bytes(pid)

    async def seen(data: bytes) -> None:
        nonlocal octets, paused, peak
        text = unpack.decompress(data) if gzip else data
        octets += len(text)
        digest.update(text)
        if pauses and octets >> 25 > paused:  # each 32 MiB
            paused += 1
            await asyncio.sleep(1.0)

    async def watch() -> None:
        nonlocal peak
        while True:
            peak = max(peak, rss_bytes(pid))
            await asyncio.sleep(0.02)

    watcher = asyncio.create_task(watch())
    answer = await client.get(path, *(["Accept-Encoding: gzip"] if gzip else []), seen=seen)
    watcher.cancel()
    client.close()
    return (max(peak, rss_bytes(pid)) - before) / 2**20, digest.hexdigest() if answer.whole else f"cut after {octets} octets"


async def rows(port: int, pid: int, origin: Origin, rounds: int) -> AsyncIterator[tuple[str, str, bool]]:
    """(what, figure, whether it is as promised), one after the other."""
    for kind in ("cold", "stored"):
        ratio = await whole_page(port, origin, kind, rounds)
        yield f"ten fragments of 50 ms, page {kind}", f"{ratio:.2f} x the slowest fragment (at most 1.3)", ratio <= 1.3
    for gzip in (False, True):
        coding = "gzip" if gzip else "plain"
        found = [(await lags(port, origin, f"/early/{coding}{number}", gzip=gzip))[0] for number in range(rounds)]
        middle = statistics.median(found)
        yield f"first byte of a cold page, {coding}", f"{middle:.2f} ms, worst {max(found):.2f} (median at most 5)", middle <= 5
        found = await lags(port, origin, f"/drip/{coding}", gzip=gzip)
        middle = statistics.median(found)
        yield f"pieces of a page that drips, {coding}", f"{middle:.2f} ms, worst {max(found):.2f} (median at most 5)", middle <= 5
    cases: list[tuple[str, str, bool, bool]] = [
        ("to a quick client", "quick", False, False),
        ("to a client that pauses", "paused", True, False),
        ("behind a fragment of 1 s", "slow", False, False),
        ("as gzip", "gzip", False, True),
    ]
    for name, rest, pauses, gzip in cases:
        grown, digest = await growth(port, pid, f"/stream/{rest}", pauses=pauses, gzip=gzip)
        same = digest == stream_digest(rest)
        told = "content as it should be" if same else f"CONTENT DIFFERS ({digest})"
        yield f"100 MB {name}", f"server grew by {grown:.1f} MiB (at most 64), {told}", same and grown <= 64


async def measure(options: argparse.Namespace) -> bool:
    """Print the table; whether all is as promised."""
    origin, kept = Origin(), True
    async with RawOrigin(origin) as raw:
        port = free_port()
        with weft(port, raw.port, "log.access=off", *options.set) as process:
            pid = process_tree(process.pid)[-1]
            async for what, figure, good in rows(port, pid, origin, options.rounds):
                print(f"{'ok  ' if good else 'MISS'} {what:42} {figure}", flush=True)
                kept = kept and good
    return kept


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--set", nargs="*", default=[], help="settings of the gateway")
    return 0 if asyncio.run(measure(parser.parse_args())) else 1


if __name__ == "__main__":
    raise SystemExit(main())
