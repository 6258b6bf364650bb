"""Mark 5 of assembly: what fragment origins can do wrong, and what becomes of the page: the ladder's promised outcome each time, within the deadline.

Rows are the ways in which a fragment fails; columns the rungs that are left to the page:

    alt         alt is had instead                          stale     an older copy is had, where the fragment said stale-if-error
    body        the element's own body                      nested    what the fragment includes fails: so does the fragment, and alt is had
    nothing     onerror="continue"                          eval      alt of an eval
    except      the attempt gives way                       lenient   nothing, since the route says continue; required: fails all the same
    first       nothing left and nothing sent: an error status        late      a browser gets the page at once, and alt at its end
    after       nothing left, but text was sent: cut, visibly; HTTP/1.0 too (there the connection is reset)

Each page is asked for cold and then stored. In the cells is what came; `!` after it: not as promised. The last table is of the page itself.
Nothing of a fault may be in a page, and no address that is not public may be dialled: a server that notes who comes stands there. Exit code 1 on a miss.

    python loadtests/bench/esi_faults.py [--ways hang-head short]
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import itertools
import json
import socket
from collections.abc import Iterator

import brotli
import zstandard
from bench import free_port, weft
from esi_raw import Answer, Asked, Connection, RawOrigin, head, reply

ESI = 'Surrogate-Control: content="ESI/1.0"'
KEEP, NO_STORE = "Cache-Control: max-age=600", "Cache-Control: no-store"
BRIEFLY = "Cache-Control: max-age=1, stale-if-error=600"
DEADLINE, SLACK = 0.6, 0.4
LIMIT = 4096
BAD = b"<i>BAD</i>" * 20
BROWSER = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36",
    "Sec-Fetch-Dest: document",
)

SERVED = (
    "hang-head", "hang-body", "drip", "status-404", "status-500", "status-503", "partial", "short", "unended", "bad-chunk", "reset", "no-answer",
    "not-http", "too-large", "too-large-chunked", "moved-private", "moved-own", "bad-gzip", "odd-coding",
)  # fmt: skip
"""Ways of an origin that is asked."""
REFUSED = (
    "refused-port", "unknown-name", "unlisted-host", "private-name", "own-name", "private-address", "private-v6", "mapped-v6", "decimal-address",
    "metadata", "user-info", "other-scheme", "guest-moved", "guest-hangs", "guest-short",
)  # fmt: skip
"""Ways of an address; see `addresses`."""
CODINGS = {"gzip": gzip.compress, "br": brotli.compress, "zstd": zstandard.ZstdCompressor().compress}
GUEST = "127.0.0.2"
"""The one private address that may be asked (esi.allow_private): foreign hosts live there."""
RUNGS = (
    "alt", "body", "nothing", "except", "first", "after", "after-1.0", "nested", "eval", "lenient", "required", "late", "stale",
)  # fmt: skip


def markup(rung: str, url: str) -> str:
    """A page in which url fails."""
    return {
        "alt": f'BEFORE<esi:include src="{url}" alt="/good/alt"/>AFTER',
        "body": f'BEFORE<esi:include src="{url}">BODY</esi:include>AFTER',
        "nothing": f'BEFORE<esi:include src="{url}" onerror="continue"/>AFTER',
        "except": f'BEFORE<esi:try><esi:attempt>ATTEMPT<esi:include src="{url}"/></esi:attempt><esi:except>EXCEPT</esi:except></esi:try>AFTER',
        "first": f'<esi:include src="{url}"/>AFTER',
        "after": f'BEFORE<esi:include src="{url}"/>AFTER',
        "after-1.0": f'BEFORE<esi:include src="{url}"/>AFTER',
        "nested": f'BEFORE<esi:include src="/nested/?{url}" alt="/good/alt"/>AFTER',
        "eval": f'BEFORE<esi:eval src="{url}" alt="/good/alt"/>AFTER',
        "lenient": f'BEFORE<esi:include src="{url}"/>AFTER',
        "required": f'<esi:include src="{url}" required="true"/>AFTER',
        "late": f'BEFORE<esi:include src="{url}" alt="/good/alt"/>AFTER',
        "stale": f'BEFORE<esi:include src="{url}" alt="/good/alt"/>AFTER',
    }[rung]


PROMISED = {
    "alt": {"alt"},
    "body": {"body"},
    "nothing": {"nothing"},
    "except": {"except"},
    "first": {"502", "504"},
    "after": {"cut"},
    "after-1.0": {"cut"},
    "nested": {"alt"},
    "eval": {"alt"},
    "lenient": {"nothing"},
    "required": {"502", "504"},
    "late": {"alt"},
    "stale": {"stale"},
}
ITSELF = {
    "hang-head": {"504"},
    "no-answer": {"502"},
    "not-http": {"502"},
    "odd-coding": {"502"},
    "partial": {"502"},  # nobody asked for a part
    "hang-body": {"cut"},
    "short": {"cut"},
    "unended": {"cut"},
    "reset": {"cut"},
    "bad-chunk": {"cut", "502"},  # it may show before anything was sent
    "bad-gzip": {"cut", "502"},
    "too-large": {"whole"},  # a fragment's limit
    "too-large-chunked": {"whole"},
    "moved-private": {"302"},
    "moved-own": {"302"},
}
"""What becomes of a page that fails itself; the statuses of others pass."""
NOT_STALE = {"status-404", "partial", "moved-private", "moved-own", *REFUSED}
"""Ways that are answers, not failures of the origin, or no question at all: stale-if-error does not speak of them. RFC 5861 §4."""
EITHER = {
    "hang-body",
    "drip",
    "short",
    "unended",
    "bad-chunk",
    "reset",
    "too-large-chunked",
    "bad-gzip",
    "odd-coding",
    "not-http",
    "too-large",
}
"""Ways that show only while content comes, or that are no error of the origin for a cache: an older copy or the next rung, both are fair."""


class Site:
    """All origins. good: fragments behave, so that an older copy is stored."""

    def __init__(self) -> None:
        self.good = False

    async def __call__(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        """One request."""
        path, _, query = asked.target.partition("?")
        kind, _, rest = path.removeprefix("/").partition("/")
        if kind == "page":
            rung = rest.partition("/")[0]
            writer.write(reply(markup(rung, query).encode(), ESI, KEEP))
        elif kind == "nested":
            writer.write(reply(f'NESTED<esi:include src="{query}"/>'.encode(), ESI, NO_STORE))
        elif kind == "coded":
            writer.write(reply(CODINGS[rest](b"CODED"), KEEP, f"Content-Encoding: {rest}"))
        elif kind == "good":
            writer.write(reply(f"GOOD-{rest}".encode(), KEEP))
        elif kind == "itself":
            await self._fail(rest, writer, b"BEFORE" + BAD, ESI)
        elif self.good:
            writer.write(reply(b"GOOD-stale", BRIEFLY))
        else:
            await self._fail(rest.partition("/")[0], writer, BAD)

    async def _fail(self, way: str, writer: asyncio.StreamWriter, content: bytes, *fields: str) -> None:
        """Do wrong. content: what would be spliced in by who does not look."""
        writer.write(self._octets(way, content, (*fields, BRIEFLY)))
        if way.startswith("hang"):
            await asyncio.sleep(60)
        while way == "drip" and not writer.is_closing():
            writer.write(b"1\r\nB\r\n")
            await asyncio.sleep(0.02)
        if way in ("short", "unended", "no-answer"):
            writer.close()
        if way == "reset":
            await writer.drain()
            await asyncio.sleep(0.02)
            writer.transport.abort()

    def _octets(self, way: str, content: bytes, said: tuple[str, ...]) -> bytes:
        """What it writes."""
        chunk = b"%x\r\n%b\r\n" % (len(content), content)
        promised_more = head(*said, length=len(content) + 10) + content
        corrupt = gzip.compress(content)[:-12] + b"BADBADBADBAD"
        return {
            "hang-body": promised_more,
            "short": promised_more,
            "drip": head(*said),
            "status-404": reply(content, *said, status=404),
            "status-500": reply(content, *said, status=500),
            "status-503": reply(content, *said, status=503),
            "partial": reply(content, *said, f"Content-Range: bytes 0-{len(content) - 1}/1000", status=206),
            "unended": head(*said) + chunk,
            "bad-chunk": head(*said) + chunk + b"no length\r\nBAD\r\n0\r\n\r\n",
            "reset": head(*said, length=len(content)) + content[:-1],
            "not-http": b"220 smtp.example ESMTP BAD\r\n\r\n",
            "too-large": reply(content * 100, *said),
            "too-large-chunked": head(*said) + chunk * 100 + b"0\r\n\r\n",
            "moved-private": reply(content, *said, f"Location: http://127.0.0.1:{self.secret}/BAD", status=302),
            "moved-own": reply(content, *said, "Location: /good/moved", status=302),
            "bad-gzip": reply(corrupt, *said, "Content-Encoding: gzip"),
            "odd-coding": reply(content, *said, "Content-Encoding: bad-coding"),
        }.get(way, b"")

    secret = 0


def addresses(guest: int, secret: int) -> dict[str, str]:
    """URLs of includes that must not be asked for, or can't be. guest: a port that answers; secret: the one of the server that notes who comes."""
    return {
        "refused-port": f"http://{GUEST}:{free_port()}/BAD",
        "unknown-name": "http://no-such-host.invalid/BAD",
        "unlisted-host": f"http://{GUEST}:{secret}/BAD",
        "private-name": f"http://localhost:{secret}/BAD",
        "own-name": f"http://{socket.gethostname()}:{secret}/BAD",
        "private-address": f"http://127.0.0.1:{secret}/BAD",
        "private-v6": f"http://[::1]:{secret}/BAD",
        "mapped-v6": f"http://[::ffff:127.0.0.1]:{secret}/BAD",
        "decimal-address": f"http://2130706433:{secret}/BAD",
        "metadata": "http://169.254.169.254/BAD",
        "user-info": f"http://{GUEST}:{guest}@127.0.0.1:{secret}/BAD",
        "other-scheme": "gopher://localhost/BAD",
        "guest-moved": f"http://{GUEST}:{guest}/bad/moved-private",
        "guest-hangs": f"http://{GUEST}:{guest}/bad/hang-head",
        "guest-short": f"http://{GUEST}:{guest}/bad/short",
    }


def may_include(refused: dict[str, str], guest: int) -> list[str]:
    """esi.hosts: nearly all of them are listed, since names alone must not decide."""
    listed = {
        url.split("/")[2]
        for way, url in refused.items()
        if way not in ("unlisted-host", "user-info", "other-scheme", "decimal-address")
    }
    return sorted(listed | {f"{GUEST}:{guest}"})


def outcome(rung: str, answer: Answer) -> str:
    """What came, in a word."""
    body = answer.body.decode("latin-1")
    if "BAD" in body or "ATTEMPT" in body or "NESTED" in body:
        return "SPLICED"
    if not answer.status:
        return "reset"
    if answer.status != 200:
        return str(answer.status)
    if not answer.whole:
        return "cut" if body == "BEFORE" else "cut early" if not body else f"cut {body[:30]}"
    if rung == "late":
        return "alt" if "GOOD-alt" in body and "AFTER" in body else f"late without {'alt' if 'AFTER' in body else 'the rest'}"
    words = {"GOOD-alt": "alt", "BODY": "body", "EXCEPT": "except", "GOOD-stale": "stale", "CODED": "coded", "": "nothing"}
    if not body.endswith("AFTER"):
        return "ends early"
    middle = body.removeprefix("BEFORE").removesuffix("AFTER")
    return words.get(middle, body[:30])


def is_promised(way: str, rung: str, what: str) -> bool:
    """Whether it may come."""
    if rung == "stale" and way in NOT_STALE:
        return what == "alt"
    if rung == "stale" and way in EITHER:
        return what in ("alt", "stale")
    return what in PROMISED[rung]


class Trial:
    """All of it. missed: how many cells are not as promised; slowest: seconds."""

    def __init__(self, strict: int, lenient: int) -> None:
        self.ports = {"strict": strict, "lenient": lenient}
        self.missed = 0
        self.slowest = 0.0
        self._numbers = itertools.count()

    async def ask(self, rung: str, target: str) -> Answer:
        """One page, as the rung needs it asked for."""
        port = self.ports["lenient" if rung in ("lenient", "required", "late") else "strict"]
        connection = Connection(port)
        version = "1.0" if rung.endswith("1.0") else "1.1"
        answer = await connection.get(target, *(BROWSER if rung == "late" else ()), version=version)
        connection.close()
        return answer

    async def cell(self, way: str, rung: str, url: str) -> str:
        """What came, cold and stored; with ! where it was not as promised."""
        target = f"/page/{rung}/{next(self._numbers)}?{url}"
        seen = []
        for _ in ("cold", "stored"):
            answer = await self.ask(rung, target)
            what = outcome(rung, answer)
            self.slowest = max(self.slowest, answer.took)
            late = answer.took > DEADLINE + SLACK
            fine = is_promised(way, rung, what) and not late
            self.missed += not fine
            seen.append(what + (f" {answer.took:.1f}s" if late else "") + ("" if fine else "!"))
        return seen[0] if seen[0] == seen[1] else "/".join(seen)

    async def itself(self, way: str) -> str:
        """What becomes of a page that fails itself: an error before its head, cut after it."""
        answer = await self.ask("after", f"/itself/{way}")
        body = answer.body.decode("latin-1")
        what = str(answer.status) if answer.status != 200 else "whole" if answer.whole else "cut"
        fine = what in ITSELF.get(way, {way.removeprefix("status-")})
        self.missed += not fine
        return f"{what}{'' if fine else f'! {body[:40]}'}"


def cells(ways: list[str], places: dict[str, str]) -> Iterator[tuple[str, str]]:
    """(way, URL of what fails so)."""
    for way in ways:
        yield way, places.get(way, f"/bad/{way}")


async def measure(options: argparse.Namespace) -> int:
    """Ask for everything, and print the tables."""
    site = Site()
    async with RawOrigin(site) as origin, RawOrigin(site) as bad, RawOrigin(site, GUEST) as guest, RawOrigin(Site()) as secret:
        site.secret = secret.port
        refused = addresses(guest.port, secret.port)
        settings = [
            "log.access=off",
            f"esi.deadline={DEADLINE}",
            f"esi.max_fragment_bytes={LIMIT}",
            f"esi.hosts={json.dumps(may_include(refused, guest.port))}",
            f'esi.allow_private=["{GUEST}/32"]',
            "cache.stale_wait=0.2",
            "upstream.breaker.failures=1000",
            "upstream.first_byte_timeout=2",
            "upstream.idle_timeout=2",
            f"origins.pieces.url=http://127.0.0.1:{bad.port}",
            "origins.pieces.breaker.failures=1000",
            f"routes={json.dumps([{'name': 'pieces', 'path': '/bad/', 'origin': 'pieces'}])}",
        ]
        ports = free_port(), free_port()
        with (
            weft(ports[0], origin.port, *settings, log=options.log),
            weft(
                ports[1],
                origin.port,
                *settings,
                "esi.on_failure=continue",
                "esi.late=true",
                "esi.late_after=0.02",
                log=options.log + ".lenient",
            ),
        ):
            trial = Trial(*ports)
            await older_copies(trial, site, options.ways)
            guest_page = await trial.ask("alt", f"/page/alt/guest?http://{GUEST}:{guest.port}/good/alt")
            if outcome("alt", guest_page) != "alt":
                raise SystemExit(f"a foreign host that may be asked is not: {guest_page}")
            print(f"{'':18}", *(f"{rung:10}" for rung in RUNGS))
            for way, url in cells(options.ways, refused):
                row = []
                for rung in RUNGS:
                    place = f"{url}/older" if rung == "stale" and way in SERVED else f"{url}/{rung}"
                    row.append(await trial.cell(way, rung, url if way in REFUSED else place))
                print(f"{way:18}", *(f"{told:10}" for told in row), flush=True)
            print("\ncompressed fragments:", end=" ")
            for coding in CODINGS:
                what = outcome("alt", await trial.ask("alt", f"/page/alt/{coding}?/coded/{coding}"))
                trial.missed += what != "coded"
                print(f"{coding} {what}{'' if what == 'coded' else '!'}", end="; ")
            print("\nthe page itself:", end=" ")
            for way in options.ways:
                if way in SERVED and way != "drip":  # a page may drip as long as it likes
                    print(f"{way} {await trial.itself(way)}", end="; ", flush=True)
        seen = secret.asked
    print(f"\nslowest {trial.slowest:.2f} s at a deadline of {DEADLINE} s; requests at the address that nobody may ask: {seen}")
    print(f"{trial.missed} not as promised" if trial.missed or seen else "all as promised")
    return 1 if trial.missed or seen else 0


async def older_copies(trial: Trial, site: Site, ways: list[str]) -> None:
    """Have the fragments of the column `stale` stored, and let them get stale."""
    site.good = True
    for way in ways:
        if way in SERVED:
            await trial.ask("stale", f"/bad/{way}/older")
    await asyncio.sleep(1.1)  # their lifetime
    site.good = False


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ways", nargs="*", choices=SERVED + REFUSED, default=SERVED + REFUSED)
    parser.add_argument("--log", default="/dev/null", help="where the gateways' own logs go")
    return asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    raise SystemExit(main())
