"""Who asks, all the time, whatever is broken: readers of pages, editors who purge, people who post, who read slowly, who stay connected."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from itertools import count
from pathlib import Path

from client import Client, Lost
from fleet import TOKEN, Fleet, Gateway
from judge import CALM, LIMIT, Failure, Judge, Period
from pages import ANYBODY, BRIEF, CACHEABLE, HOT, LARGE, TAGGED, TAGS, WOVEN, blocks, cacheable_paths, expected

__all__ = ["Load", "trouble_of"]

READERS = 8
"""Connections of readers to each gateway."""
STAY = 500
"""Requests after which a reader begins a new connection."""
MIX = {"hot": 50, "brief": 16, "woven": 16, "tagged": 8, "own": 4, "miss": 3, "post": 2, "large": 1}
PATIENCE = 15.0
"""Seconds that a client waits for what needs an origin."""
SPARE = 3.0
"""Seconds past its limit for which an answer is waited for: it may be there, and we too busy to see it."""
SETTLED, RETURNED = 12.0, CALM
"""Seconds after which a purge must be everywhere though its answer said `pending`: after it (a dead process counts as one to wait for, for ten), and after the fault."""
CROWDED = 0.4
"""Share of the time in which somebody waits for a processor, from which a machine is crowded. The load alone makes a tenth on two cores."""
FILLING = 260
"""Pages of 64 KiB for each worker: more than its memory takes."""


class Load:
    """rate: requests a second of all readers together."""

    def __init__(self, fleet: Fleet, judge: Judge, rate: float, seed: int) -> None:
        self.fleet = fleet
        self.judge = judge
        self.dice = random.Random(seed)
        self.posted: dict[str, bool] = {}
        """Each POST, and whether it was answered well."""
        self.stood_still = 0.0
        """Seconds for which we ourselves did nothing, all together: they are nobody's fault but the machine's."""
        self._pause = READERS * len(fleet.gateways) / rate
        self._numbers = count(1)
        self._published = [0] * TAGS
        self._purged: list[list[tuple[float, Period | None, int]]] = [[] for _ in range(TAGS)]
        """Of each tag: when a purge was answered, the period that an unfinished one waits for, the version from then on."""
        self._tasks: list[asyncio.Task[None]] = []

    async def warm_up(self) -> None:
        """Every page that is to be in the cache, several times at each gateway; then more than memory takes, so that it is as full as it gets."""
        await asyncio.gather(*(self._warm(gateway) for gateway in self.fleet.gateways))

    async def _warm(self, gateway: Gateway) -> None:
        async def some(paths: list[str]) -> None:
            with Client(gateway.port, "warm", gzip=self.dice.random() < 0.5) as client:
                for path in paths:
                    answer = await client.ask(path, limit=60)
                    if trouble := trouble_of(path, "warm", answer.status, answer.body, 0):
                        raise RuntimeError(f"{gateway.name} could not be warmed up: {path}: {trouble[0]} {trouble[1]}")

        workers = max(1, len(gateway.workers()))
        filling = [f"/filler/{next(self._numbers)}" for _ in range(FILLING * workers)]
        await asyncio.gather(*(some(filling[start::8]) for start in range(8)))
        await asyncio.gather(*(some(cacheable_paths()) for _ in range(8 * workers)))

    def start(self) -> None:
        """Everybody comes."""
        for gateway in self.fleet.gateways:
            works = [self._read(gateway, number) for number in range(READERS)]
            works += [self._fill(gateway), self._read_slowly(gateway), self._download(gateway), self._stay_connected(gateway)]
            self._tasks += [asyncio.create_task(work) for work in works]
        self._tasks.append(asyncio.create_task(self._edit()))
        self._tasks.append(asyncio.create_task(self._watch_ourselves()))

    def check(self) -> None:
        """Raises what has ended somebody: a fault of ours."""
        for task in self._tasks:
            if task.done():
                task.result()

    async def end(self) -> None:
        """Nobody asks any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ------------------------------------------------------------------------------------------------ people

    async def _read(self, gateway: Gateway, number: int) -> None:
        visitor = f"{gateway.name}-{number}"
        kinds, weights = list(MIX), list(MIX.values())
        while True:
            with Client(gateway.port, visitor, gzip=number % 2 == 0) as client:
                for _ in range(self.dice.randint(STAY // 2, STAY * 3 // 2)):
                    begun = time.monotonic()
                    kind = self.dice.choices(kinds, weights)[0]
                    await self.ask(gateway, client, visitor, kind, self._path(kind))
                    await asyncio.sleep(max(0.0, self._pause * self.dice.uniform(0.5, 1.5) - (time.monotonic() - begun)))

    def _path(self, kind: str) -> str:
        many = {"hot": HOT, "brief": BRIEF, "woven": WOVEN, "large": LARGE}
        if kind == "tagged":
            return f"/tagged/{self.dice.randrange(TAGS)}/{self.dice.randrange(TAGGED)}"
        return f"/{kind}/{self.dice.randrange(many[kind]) if kind in many else next(self._numbers)}"

    async def _fill(self, gateway: Gateway) -> None:
        """Keeps memory full, also that of new workers."""
        while True:
            with Client(gateway.port, ANYBODY) as client:
                await self.ask(gateway, client, ANYBODY, "filler", self._path("filler"))
            await asyncio.sleep(0.2)

    async def _read_slowly(self, gateway: Gateway) -> None:
        """Takes its time over a page in memory."""
        while True:
            with Client(gateway.port, ANYBODY, receive_buffer=8192) as client:
                await self.ask(gateway, client, ANYBODY, "slow", self._path("large"), pause=0.3, limit=60.0)

    async def _download(self, gateway: Gateway) -> None:
        """Three seconds each."""
        while True:
            with Client(gateway.port, ANYBODY) as client:
                await self.ask(gateway, client, ANYBODY, "stream", self._path("stream"))
            await asyncio.sleep(0.5)

    async def _stay_connected(self, gateway: Gateway) -> None:
        """A WebSocket for some ten seconds: what it sends comes back."""
        while True:
            with Client(gateway.port, ANYBODY) as client:
                begun = time.monotonic()
                try:
                    reader, writer = await client.upgrade("/socket", limit=PATIENCE)
                    await _converse(reader, writer)
                    self.judge.answered("socket", 0.0)
                except Lost as lost:
                    self._fail("socket", lost.trouble, gateway, client, begun, str(lost))
                except (OSError, EOFError, TimeoutError) as error:
                    self._fail("socket", "cut", gateway, client, begun, repr(error))
            await asyncio.sleep(0.5)

    # ------------------------------------------------------------------------------------------------ purges

    async def _edit(self) -> None:
        """A new version is published and its tag purged, every second, at some gateway."""
        while True:
            tag, gateway = self.dice.randrange(TAGS), self.dice.choice(self.fleet.gateways)
            self._published[tag] += 1
            await self.publish()
            with Client(gateway.port, "editor") as client:
                await self._purge(gateway, client, tag)
            await asyncio.sleep(1.0)

    async def _purge(self, gateway: Gateway, client: Client, tag: int) -> None:
        version, begun = self._published[tag], time.monotonic()
        words = f"Authorization: Bearer {TOKEN}\r\nSurrogate-Key: tag-{tag}\r\nWeft-Purge: hard\r\n"
        try:
            answer = await client.ask("/_weft/purge", method="POST", fields=words, body=b" ", limit=PATIENCE)
        except Lost as lost:
            self._fail("purge", lost.trouble, gateway, client, begun, str(lost))
            return
        if answer.status not in (200, 202):
            self._fail("purge", f"status {answer.status}", gateway, client, begun, answer.body[:200].decode())
            return
        self.judge.answered("purge", 0.0)
        waits_for = self.judge.now if answer.status == 202 else None
        self._purged[tag] = [*self._purged[tag][-50:], (time.monotonic(), waits_for, version)]

    async def publish(self) -> None:
        """The origin learns what the versions are; also one that was started anew."""
        for tag, version in enumerate(self._published):
            try:
                await self.fleet.origin.tell(f"publish {tag} {version}")
            except (RuntimeError, ConnectionError):
                return  # it is dead just now; whoever starts it publishes

    def floor(self, path: str, begun: float) -> tuple[int, str]:
        """The oldest version that may be served to who asks at that moment, and why."""
        if not path.startswith("/tagged/"):
            return 0, ""
        oldest, why = 0, ""
        for answered, waits_for, version in self._purged[int(path.split("/")[2])]:
            everywhere = answered + 1.0 if waits_for is None else max(answered + SETTLED, waits_for.ended + RETURNED)
            if begun >= everywhere and version > oldest:
                told = "everywhere" if waits_for is None else "pending"
                oldest, why = version, f"its purge was answered {told} {begun - answered:.2f} s before"
        return oldest, why

    # ------------------------------------------------------------------------------------------------ asking

    async def ask(
        self, gateway: Gateway, client: Client, visitor: str, kind: str, path: str, *, pause: float = 0.0, limit: float = 0.0
    ) -> bool:
        """One request, judged. limit: seconds; 0: as the kind has it."""
        is_post = kind == "post"
        body = b"x" * 2048 if is_post else b""
        if is_post:
            self.posted[path] = False
        begun = time.monotonic()
        limit = limit or (LIMIT if kind in CACHEABLE else PATIENCE)
        stood_still = self.stood_still
        try:
            answer = await client.ask(path, limit=limit + SPARE, method="POST" if is_post else "GET", body=body, pause=pause)
        except Lost as lost:
            self._fail(kind, lost.trouble, gateway, client, begun, f"{path} {lost}")
            return False
        if time.monotonic() - begun - (self.stood_still - stood_still) > limit:
            self._fail(kind, "late", gateway, client, begun, path)
            return False
        floor, why = self.floor(path, begun)
        if trouble := trouble_of(path, visitor, answer.status, answer.body, floor):
            said = f"{path} {trouble[1]} {why} {answer.fields.get('cache-status', '')}"
            self._fail(kind, trouble[0], gateway, client, begun, said)
            return False
        if is_post:
            self.posted[path] = True
        self.judge.answered(kind, time.monotonic() - begun)
        return True

    def _fail(self, kind: str, trouble: str, gateway: Gateway, client: Client, begun: float, detail: str) -> None:
        self.judge.failed(
            Failure(kind, trouble, gateway.name, client.own_port, begun, time.monotonic(), client.is_fresh, detail[:300])
        )

    def count_posts(self) -> None:
        """After the end: what the origin got, beside what was answered."""
        got = Counter(self.fleet.posted.read_text(encoding="ascii").split())
        for path, answered in self.posted.items():
            if got[path] > 1 or (answered and got[path] != 1):
                said = "answered" if answered else "not answered"
                self.judge.breaches.append(f"POST {path} was {said}, and the origin got it {got[path]} times")

    async def _watch_ourselves(self) -> None:
        """How late our own loop is; how large the workers are; how crowded the machine."""
        weighed, waited = time.monotonic(), waited_for_processors()
        while True:
            due = time.monotonic() + 0.02
            await asyncio.sleep(0.02)
            now = time.monotonic()
            self.judge.now.lag = max(self.judge.now.lag, now - due)
            self.stood_still += now - due
            if now - weighed >= 1.0:
                before, waited = waited, waited_for_processors()
                if (waited - before) / (now - weighed) > CROWDED:
                    self.judge.crowded.append(now)
                weighed = now
                self.judge.weigh(now, {pid: size for gateway in self.fleet.gateways for pid, size in gateway.sizes().items()})


def waited_for_processors() -> float:
    """Seconds for which at least one process of this machine wanted to run and could not, since it was started; 0 where the kernel does not tell (PSI)."""
    try:
        return int(Path("/proc/pressure/cpu").read_text(encoding="ascii").split("total=")[1].split()[0]) / 1e6
    except (OSError, IndexError):
        return 0.0


async def _converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Ten seconds. Raises Lost, OSError, EOFError, TimeoutError."""
    for turn in range(20):
        said = b"%010d" % turn
        writer.write(said)
        async with asyncio.timeout(PATIENCE):
            if await reader.readexactly(len(said)) != said:
                raise Lost("damaged")
        await asyncio.sleep(0.5)


def trouble_of(path: str, visitor: str, status: int, body: bytes, floor: int) -> tuple[str, str] | None:
    """What is wrong with an answer, a word and its details; None: nothing. floor: the oldest version that may be served."""
    if status != 200:
        return f"status {status}", ""
    try:
        found = blocks(body)
    except ValueError as error:
        return "damaged", str(error)
    for block in found:
        due = visitor if block.path.startswith(("/own/", "/post/")) else ANYBODY
        if block.visitor != due:
            return "foreign", f"{block.path} for {block.visitor}, shown to {visitor}"
        if block.version < floor:
            return "old", f"{block.path} version {block.version} instead of {floor}:"
    paths = [block.path for block in found]
    wanted = expected(path)
    if paths != wanted and paths != [each for each in wanted if each != "/own/part"]:
        return "wrong", f"made of {paths}"
    return None
