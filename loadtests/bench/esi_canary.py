"""Mark 4 of assembly: not one octet of one client's private fragment in another's page, whatever goes on.

Many requests of a thousand clients with distinct cookies, over pages with private, segment and public fragments, while purges and failures are under way.

Whatever the origin makes for a client carries a mark, `[who:c0417-…]`, from the cookie that it got; what it makes for a segment carries `[seg:…]`. Clients take any of
the connections, as they would behind a proxy in front. Every page is searched: a mark that is not the asking client's own is counted as foreign, and so
are a CSRF token, a nonce or a Set-Cookie that is somebody else's, a page without its client's mark where it must have one, and content of a
fragment that was cut or failed. Fragments fail in every way now and then; purges, soft and hard, go on all the time; some clients leave in the middle.

Exit code 1 on anything foreign, or when a page, a kind of mark or a failure did not come up at all: then nothing was shown.

    python loadtests/bench/esi_canary.py [--requests 200000] [--connections 64] [--seed 1]
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import random
import re
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from bench import free_port, get, weft
from esi_raw import Answer, Asked, Connection, RawOrigin, head, reply

ESI = 'Surrogate-Control: content="ESI/1.0"'
PUBLIC, PRIVATE, NO_STORE = (
    "Cache-Control: max-age=2, stale-while-revalidate=1",
    "Cache-Control: private",
    "Cache-Control: no-store",
)
SEGMENTS = 8
NONCE = "NONCE-OF-THE-SITE"
MARK = re.compile(rb"\[(\w+):([^\]\[]*)\]")
SETTINGS = (
    "log.access=off",
    'purge.tokens=["t"]',
    'esi.request_fields=["accept-language","authorization","cookie","user-agent","x-segment"]',
    'esi.cookies_from=["/login"]',
    "esi.deadline=0.4",
    "esi.late=true",
    "esi.late_after=0.02",
    f"esi.nonce={NONCE}",
    "esi.csrf_cookie=csrf",
    "upstream.breaker.failures=1000",
)

MIXED = """<esi:include src="/public/nav"/><esi:include src="/private/basket"/><esi:include src="/segment/offers"/>
<esi:choose><esi:when test="$(HTTP_COOKIE{'group'}) == '1'"><esi:include src="/public/one"/></esi:when>
<esi:otherwise><esi:include src="/public/other"/></esi:otherwise></esi:choose><esi:include src="/nested/public"/>"""
WRITTEN = """<esi:vars>[who:$(HTTP_COOKIE{'who'})][csrf:$(CSRF_TOKEN)]</esi:vars>[nonce:NONCE-OF-THE-SITE]<esi:include src="/public/nav"/>"""
FAILING = """<esi:include src="/flaky/a" alt="/private/alt" onerror="continue"/>
<esi:try><esi:attempt><esi:include src="/flaky/b"/></esi:attempt><esi:except><esi:include src="/private/except"/></esi:except></esi:try>
<esi:include src="/flaky/c">[pub:body]</esi:include><esi:include src="/flaky/public" onerror="continue"/>"""
EVALUATED = """<esi:eval src="/evaluated/who"/><esi:vars>[who:$(seen)]</esi:vars><esi:include src="/private/a" dca="esi"/>"""
OWN = """<esi:include src="/private/a"/><esi:include src="/public/nav"/>"""
VARIED = """<esi:include src="/varied/name"/><esi:include src="/segment/offers"/>"""
CREDENTIALS = """<esi:include src="/credentials/me"/><esi:include src="/public/nav"/>"""
KEPT = """<esi:include src="/private/a" ttl="30s"/><esi:include src="/private/b" no-store="on"/>"""
BROKEN = """<esi:include src="/private/a"/><esi:include src="/flaky/d"/><esi:include src="/private/b"/>"""
DEEP = """<esi:include src="/nested/private"/><esi:include src="/nested/public"/>"""
PAGES: dict[str, tuple[str, tuple[str, ...], set[str]]] = {
    "/pages/mixed": (MIXED, (PUBLIC, "Surrogate-Key: mixed"), {"who", "seg", "pub"}),
    "/pages/written": (
        WRITTEN,
        (PUBLIC, f"Content-Security-Policy: script-src 'nonce-{NONCE}'"),
        {"who", "csrf", "nonce", "pub"},
    ),
    "/pages/own": (OWN, (PRIVATE,), {"who", "pub", "tpl"}),
    "/pages/varied": (VARIED, (PUBLIC, "Vary: Cookie"), {"who", "seg", "tpl"}),
    "/pages/login": ("""<esi:include src="/login/box"/><esi:include src="/private/a"/>""", (PUBLIC,), {"who"}),
    "/pages/credentials": (CREDENTIALS, (PUBLIC,), {"who", "pub"}),
    "/pages/evaluated": (EVALUATED, (PUBLIC,), {"who"}),
    "/pages/kept": (KEPT, (PUBLIC,), {"who"}),
    "/pages/failing": (FAILING, (PUBLIC,), set()),
    "/pages/broken": (BROKEN, (NO_STORE,), {"who"}),
    "/pages/same": (
        """<esi:include src="/public/nav"/><esi:include src="/public/foot"/>""",
        (PUBLIC, "Surrogate-Key: same"),
        {"pub"},
    ),
    "/pages/deep": (DEEP, (PUBLIC,), {"who", "pub"}),
}
"""Path: its markup, its Cache-Control and the like, the marks without which a whole page is wrong."""


class Client(NamedTuple):
    """One visitor. csrf: its token, "" for one that has none yet."""

    name: str
    segment: str
    fields: list[str]
    csrf: str


def make_client(number: int, chance: random.Random) -> Client:
    """A visitor whose name nobody could guess."""
    name = f"c{number:04}-{chance.randbytes(6).hex()}"
    segment = f"s{number % SEGMENTS}"
    csrf = f"t-{name}" if number % 3 else ""
    cookies = [f"who={name}", f"group={number % 4}", *([f"csrf={csrf}"] if csrf else [])]
    chance.shuffle(cookies)
    fields = [f"Cookie: {'; '.join(cookies)}", f"X-Segment: {segment}"]
    if number % 2:
        fields.append("User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36")
        fields.append("Sec-Fetch-Dest: document")
    return Client(name, segment, fields, csrf)


class Site:
    """The origin. failures: how often a fragment failed, by way."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.failures: Counter[str] = Counter()
        self.version = 0

    async def __call__(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        """One request."""
        path = asked.target.partition("?")[0]
        who = self._who(asked)
        self.version += 1
        if path in PAGES:
            markup, fields, _ = PAGES[path]
            own = f"[tpl:{who}]" if "tpl" in PAGES[path][2] else ""
            padding = f"<p>[pub:{path}.{self.version}]{'lorem ipsum ' * self.chance.choice((1, 100))}</p>"
            writer.write(reply(f"<html>{own}{padding}{markup}</html>".encode(), ESI, *fields))
            return
        kind = path.split("/")[1]
        await asyncio.sleep(self.chance.choice((0.0, 0.0, 0.0, 0.002, 0.03)))
        if kind == "flaky":
            await self._flaky(path, who, writer)
        else:
            writer.write(self._fragment(kind, path, who, asked))

    @staticmethod
    def _who(asked: Asked) -> str:
        """Whose request it is, from its cookies."""
        found = re.search(r"(?:^|; )who=([^;]*)", asked.fields.get("cookie", ""))
        return found[1] if found else "nobody"

    def _fragment(self, kind: str, path: str, who: str, asked: Asked) -> bytes:
        mine = f"<i>[who:{who}]</i>".encode().ljust(self.chance.choice((0, 2000)), b".")
        everybodys = f"<i>[pub:{path}.{self.version}]</i>".encode()
        match kind:
            case "public":
                return reply(everybodys, PUBLIC, "Surrogate-Key: public")
            case "segment":
                told = f"<i>[seg:{asked.fields.get('x-segment', 'none')}]</i>".encode()
                return reply(told, PUBLIC, "Vary: X-Segment", "Surrogate-Key: segment")
            case "nested":
                inner = "private/inner" if path.endswith("private") else "public/inner"
                return reply(everybodys + f'<esi:include src="/{inner}"/>'.encode(), PUBLIC, ESI)
            case "varied":
                return reply(mine, PUBLIC, "Vary: Cookie")
            case "login":
                return reply(mine, NO_STORE, f"Set-Cookie: session={who}; Path=/")
            case "credentials":
                told = base64.b64decode(asked.fields.get("authorization", "Basic bm9ib2R5Og==").split(" ")[1]).decode()
                return reply(f"<i>[who:{told.partition(':')[0]}]</i>".encode(), PUBLIC)
            case "evaluated":
                return reply(f'<esi:assign name="seen" value="\'{who}\'"/>'.encode(), PRIVATE)
        return reply(mine, PRIVATE)

    async def _flaky(self, path: str, who: str, writer: asyncio.StreamWriter) -> None:
        """Good content for some, nothing good for others; what must not be spliced in says `cut`."""
        public = path.endswith("public")
        mark, control = (f"[pub:{path}]", PUBLIC) if public else (f"[who:{who}]", PRIVATE)
        cut = f"<i>[cut:{path}]{mark}</i>".encode()
        way = self.chance.choice(("good", "good", "good", "status", "short", "unended", "reset", "nothing", "late", "moved"))
        self.failures[way] += 1
        match way:
            case "good":
                writer.write(reply(f"<i>{mark}</i>".encode(), control))
            case "status":
                writer.write(reply(cut, control, status=self.chance.choice((404, 500, 503))))
            case "short":
                writer.write(head(control, length=len(cut) + 10) + cut)
                writer.close()
            case "unended":
                writer.write(head(control) + b"%x\r\n%b\r\n" % (len(cut), cut))
                writer.close()
            case "reset":
                writer.write(head(control, length=len(cut)) + cut[:-1])
                await writer.drain()
                writer.transport.abort()
            case "nothing":
                writer.close()
            case "moved":
                writer.write(reply(cut, control, "Location: http://127.0.0.1:1/private", status=302))
            case "late":
                await asyncio.sleep(self.chance.choice((0.1, 0.6)))
                writer.write(reply(f"<i>{mark}</i>".encode(), control))


class Judge:
    """What came of it. foreign: what must not be, told up to a few."""

    def __init__(self, clients: list[Client]) -> None:
        self.counts: Counter[str] = Counter()
        self.pages: Counter[str] = Counter()
        self.marks: Counter[str] = Counter()
        self.foreign: Counter[str] = Counter()
        self.examples: list[str] = []
        self._names = {client.name for client in clients}
        self._nonces: set[bytes] = set()
        self._tokens: set[str] = set()

    def look(self, client: Client, path: str, answer: Answer, *, part: bool) -> None:
        """Search one answer. part: it is only a part, so marks may be missing or cut."""
        self.counts[str(answer.status) if answer.whole else "cut"] += 1
        said_of_cache = answer.fields.get("cache-status", ";none").split(";")[1].strip()
        self.counts[said_of_cache.partition("=")[2] or said_of_cache] += 1
        try:
            body = self._plain(answer)
        except zlib.error as error:
            self._accuse("content coding", f"{path}: {error}")
            return
        said = f"{answer.fields}".encode()
        for kind, value in [*MARK.findall(body), *((b"name", name) for name in re.findall(rb"c\d{4}-[0-9a-f]{12}", body + said))]:
            self._judge_mark(client, path, kind.decode(), value.decode("latin-1"), answer)
        if answer.status == 200 and answer.whole and not part:
            self.pages[path] += 1
            kinds = {kind.decode() for kind, _ in MARK.findall(body)}
            if missing := PAGES[path][2] - kinds:
                self._accuse("a mark is missing", f"{path}: {missing} for {client.name}: {body[:300]!r}")
            if b"<esi:" in body or b"</esi:" in body or NONCE.encode() in body + said:
                self._accuse("markup in a page", f"{path}: {body[:300]!r}")
        self._judge_cookies(client, path, answer)

    @staticmethod
    def _plain(answer: Answer) -> bytes:
        if answer.fields.get("content-encoding") != "gzip":
            return answer.body
        unpacked = zlib.decompressobj(wbits=31)
        body = unpacked.decompress(answer.body)
        if answer.whole and answer.body and not unpacked.eof:
            raise zlib.error("the end is missing")
        return body

    def _judge_mark(self, client: Client, path: str, kind: str, value: str, answer: Answer) -> None:
        self.marks[kind] += 1
        good = True
        if value in ("", "nobody"):
            self._accuse(
                "content without its client", f"{path}: [{kind}:{value}] for {client.name} ({answer.status}, {answer.fields})"
            )
            return
        match kind:
            case "who" | "tpl" | "name":
                good = value == client.name
            case "seg":
                good = value == client.segment
            case "csrf" if client.csrf:
                good = value == client.csrf
            case "csrf":
                good = value not in self._tokens and f"csrf={value}" in answer.fields.get("set-cookie", "")
                self._tokens.add(value)
            case "nonce":
                nonce = value.encode()
                good = nonce not in self._nonces and f"'nonce-{value}'" in answer.fields.get("content-security-policy", "")
                self._nonces.add(nonce)
            case "cut":
                good = False
        if not good:
            self._accuse(kind, f"{path}: [{kind}:{value}] for {client.name} {client.segment} ({answer.status}, {answer.fields})")

    def _judge_cookies(self, client: Client, path: str, answer: Answer) -> None:
        cookie = answer.fields.get("set-cookie", "")
        if path == "/pages/login" and answer.status == 200 and "session=" in cookie:
            self.marks["session"] += 1
        if "session=" in cookie and f"session={client.name};" not in cookie:
            self._accuse("cookie", f"{path}: {cookie} for {client.name}")

    def _accuse(self, what: str, story: str) -> None:
        self.foreign[what] += 1
        if len(self.examples) < 20:
            self.examples.append(story)

    def verdict(self, failures: Counter[str]) -> list[str]:
        """What speaks against it."""
        faults = [f"{what}: {count} times" for what, count in self.foreign.items()]
        faults += [f"{path} never came whole" for path in PAGES if not self.pages[path]]
        faults += [
            f"no mark [{kind}:…] came"
            for kind in ("who", "tpl", "seg", "pub", "csrf", "nonce", "session")
            if not self.marks[kind]
        ]
        return faults + [
            f"no fragment failed by way of {way}" for way in ("status", "short", "reset", "late") if not failures[way]
        ]


async def ask(connection: Connection, clients: list[Client], numbers: Iterator[int], chance: random.Random, judge: Judge) -> None:
    """One connection: any client, any page, again and again."""
    paths = list(PAGES)
    for _ in numbers:
        client, path = chance.choice(clients), chance.choice(paths)
        fields = list(client.fields)
        if chance.random() < 0.5:
            fields.append("Accept-Encoding: gzip")
        if path == "/pages/credentials":
            fields.append("Authorization: Basic " + base64.b64encode(f"{client.name}:x".encode()).decode())
        method = "HEAD" if chance.random() < 0.02 else "GET"
        part = method == "HEAD" or chance.random() < 0.02
        if part and method == "GET":
            fields.append("Range: bytes=0-499")
        if chance.random() < 0.01:
            await leave(connection, path, fields, chance)
            judge.counts["left"] += 1
            continue
        async with asyncio.timeout(30):
            answer = await connection.get(path, *fields, method=method)
        judge.look(client, path, answer, part=part)


async def leave(connection: Connection, path: str, fields: list[str], chance: random.Random) -> None:
    """Ask, and be gone before the answer is there."""
    reader, writer = await connection.open()
    writer.write("\r\n".join([f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *fields, "", ""]).encode())
    if chance.random() < 0.5:
        await reader.read(1)
    connection.close()


async def purge(port: int, chance: random.Random, judge: Judge) -> None:
    """One purge after the other, of every kind."""
    paths = list(PAGES)
    while True:
        await asyncio.sleep(0.05)
        wish = chance.choice(
            (
                '{"tags": ["public"], "hard": %s}',
                '{"tags": ["segment", "mixed"], "hard": %s}',
                '{"urls": ["http://127.0.0.1' + chance.choice(paths) + '"], "hard": %s}',
                '{"prefixes": ["/nested/"], "hard": %s}',
                '{"everything": true, "hard": %s}',
            )
        )
        body = wish % chance.choice(("true", "false"))
        status, _, told = await get(port, "/_weft/purge", "POST", "Authorization: Bearer t\r\n", body)
        if status != 200:
            raise SystemExit(f"a purge was not taken: {status} {told!r}")
        judge.counts["purges"] += 1


async def tell(judge: Judge) -> None:
    """How far it has come, now and then."""
    began = time.monotonic()
    while True:
        await asyncio.sleep(30)
        foreign = f", FOREIGN: {dict(judge.foreign)}, {judge.examples[-1]}" if judge.foreign else ""
        print(f"  {judge.pages.total()} whole pages after {time.monotonic() - began:.0f} s{foreign}", flush=True)


async def measure(options: argparse.Namespace) -> int:
    """Run it, and tell."""
    chance = random.Random(options.seed)
    clients = [make_client(number, chance) for number in range(1000)]
    judge, site, port = Judge(clients), Site(chance), free_port()
    numbers = iter(range(options.requests))
    async with RawOrigin(site) as origin:
        with weft(port, origin.port, *SETTINGS, *options.set, log=options.log):
            connections = [Connection(port) for _ in range(options.connections)]
            async with asyncio.TaskGroup() as beside:
                others = [beside.create_task(purge(port, chance, judge)), beside.create_task(tell(judge))]
                async with asyncio.TaskGroup() as group:
                    for connection in connections:
                        group.create_task(ask(connection, clients, numbers, chance, judge))
                for task in others:
                    task.cancel()
            for connection in connections:
                connection.close()
        print(
            f"{options.requests} requests of {len(clients)} clients: {dict(judge.counts)}; the origin was asked {origin.asked} times"
        )
    print(f"whole pages: {dict(judge.pages)}")
    print(f"marks looked at: {dict(judge.marks)}; fragments that could fail: {dict(site.failures)}")
    for example in judge.examples:
        print("  ", example)
    faults = judge.verdict(site.failures)
    print("; ".join(faults) or "nothing foreign in any page")
    return 1 if faults else 0


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--set", nargs="*", default=[], help="settings of the gateway")
    parser.add_argument("--log", default="/dev/null", help="where the gateway's own log goes")
    return asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    raise SystemExit(main())
