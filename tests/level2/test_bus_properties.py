"""Whatever becomes of wires and of the log: no process uses a response that was purged after its fetch began, once it can hear again.

Real buses, purgers and ledgers over a log in memory, which can be cut off from each process, emptied, shortened to what a replica had, and trimmed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cache.memory_store import MemoryStore
from gateway.cache.purges import Ledger
from gateway.errors import RedisUnavailable
from gateway.flow.purging import Purger
from gateway.flow.routes import Routes
from gateway.live import redis_log
from gateway.live.redis_bus import RedisBus
from gateway.redis_link import StreamBounds

KEY = (b"http", b"shop.test", b"/")
TAGS = (b"a", b"b")
PROCESSES = 3

Log = list[tuple[tuple[int, int], dict[bytes, bytes]]]


@dataclass
class Server:
    """What Redis holds. clock: its milliseconds, which may be set back."""

    clock: int = field(default_factory=lambda: int(time.time() * 1000))
    log: Log = field(default_factory=list)
    last: tuple[int, int] = (0, 0)
    added: int = 0
    exists: bool = False

    def add(self, fields: Mapping[bytes, bytes], place: tuple[int, int] | None = None) -> bytes:
        self.clock += 1
        if place is None:
            place = (self.clock, 0) if (self.clock, 0) > self.last else (self.last[0], self.last[1] + 1)
        elif place <= self.last:
            raise RedisUnavailable("the ID specified is equal or smaller", "command")
        self.last, self.exists = place, True
        self.log.append((place, dict(fields)))
        self.added += 1
        return b"%d-%d" % place

    def lose(self, count: int) -> None:
        """The last entries are gone, as on a replica that has not got them; all of them: the key is gone too."""
        if count >= len(self.log):
            self.log, self.last, self.added, self.exists = [], (0, 0), 0, False
        elif count:
            del self.log[-count:]
            self.last = self.log[-1][0]
            self.added -= count


class Wire:
    """A process's link to the server; it can be cut."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.is_cut = False

    async def _pass(self) -> None:
        await asyncio.sleep(0)
        if self.is_cut:
            raise RedisUnavailable("cut", "connection")

    async def append(self, stream: bytes, fields: Mapping[bytes, bytes], *, max_entries: int) -> bytes:
        await self._pass()
        return self.server.add(fields)

    async def entries_after(self, stream: bytes, after: bytes, *, count: int, block: float):
        await self._pass()
        milliseconds, _, counter = after.partition(b"-")
        place = (int(milliseconds), int(counter))
        found = [(b"%d-%d" % at, fields) for at, fields in self.server.log if at > place][:count]
        if not found and block:
            await asyncio.sleep(0.0005)
            await self._pass()
        return found

    async def stream_bounds(self, stream: bytes) -> StreamBounds | None:
        await self._pass()
        server = self.server
        if not server.exists:
            return None
        first = b"%d-%d" % server.log[0][0] if server.log else None
        return StreamBounds(first, b"%d-%d" % server.last, b"0-0", server.added)

    async def execute(self, command: str, key: bytes, *arguments):
        await self._pass()
        if command == "XADD":
            milliseconds, _, counter = str(arguments[0]).partition("-")
            return self.server.add({arguments[1]: arguments[2]}, (int(milliseconds), int(counter)))
        if command == "XRANGE":
            return [(arguments[0], fields) for at, fields in self.server.log if b"%d-%d" % at == arguments[0]]
        return {} if command == "HGETALL" else 1


class Process:
    def __init__(self, server: Server) -> None:
        self.wire = Wire(server)
        self.bus = RedisBus(self.wire, "weft", patience=0)
        self.ledger = Ledger()
        self.purger = Purger(self.bus, self.ledger, MemoryStore(1 << 20), Routes(()))


@dataclass
class Fetched:
    """A response in level 2: by its place, tagged, and the number of purges of its tag that anybody had made when its fetch began."""

    place: tuple[int, int] | None
    tag: bytes
    purged_before: int


steps = st.one_of(
    st.tuples(st.just("purge"), st.integers(0, PROCESSES - 1), st.sampled_from(TAGS)),
    st.tuples(st.just("fetch"), st.integers(0, PROCESSES - 1), st.sampled_from(TAGS)),
    st.tuples(st.just("local"), st.integers(0, PROCESSES - 1), st.just(b"")),
    st.tuples(st.sampled_from(["cut", "mend"]), st.integers(0, PROCESSES - 1), st.just(b"")),
    st.tuples(st.sampled_from(["trim", "lose"]), st.integers(0, 4), st.just(b"")),
    st.tuples(st.sampled_from(["rest", "empty", "set back"]), st.just(0), st.just(b"")),
)


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    monkeypatch.setattr(redis_log, "_PAUSE", 0.0005)


async def rest(processes: list[Process]) -> None:
    """Time for everybody to hear what there is to hear."""
    for _ in range(40):
        await asyncio.sleep(0.0005)
    deadline = asyncio.get_running_loop().time() + 20
    while not all(process.wire.is_cut or (process.bus.is_live and not process.bus.pending) for process in processes):
        assert asyncio.get_running_loop().time() < deadline, "a process does not come to hear"
        await asyncio.sleep(0.001)


def harm(server: Server, what: str, count: int) -> None:
    if what == "trim":
        del server.log[:count]
    elif what == "lose":
        server.lose(count)
    elif what == "empty":
        server.lose(len(server.log))
    elif what == "set back":
        server.clock = max(1, server.clock - 500)


async def play(story) -> None:
    server = Server()
    processes = [Process(server) for _ in range(PROCESSES)]
    for process in processes:
        await process.bus.start()
    await rest(processes)
    purges: dict[bytes, int] = dict.fromkeys(TAGS, 0)
    stored: list[Fetched] = []
    for what, number, tag in story:
        if what == "purge":
            purges[tag] += 1
            await processes[number].purger.purge(("tag", tag), hard=True)
        elif what == "fetch":
            ledger = processes[number].ledger
            stored.append(Fetched(ledger.positions.place_of(ledger.sequence), tag, purges[tag]))
        elif what == "local":
            processes[number].ledger.note_passing(KEY)
        elif what in {"cut", "mend"}:
            processes[number].wire.is_cut = what == "cut"
        elif what == "rest":
            await rest(processes)
        else:
            harm(server, what, number)
    for process in processes:
        process.wire.is_cut = False
    await rest(processes)
    await rest(processes)
    for process in processes:
        ledger = process.ledger
        for fetched in stored:
            since = ledger.positions.sequence_at(fetched.place) if fetched.place is not None else None
            if since is None or purges[fetched.tag] == fetched.purged_before:
                continue
            assert ledger.is_hit((b"http", b"shop.test", b"/other"), "shop", (fetched.tag,), since), fetched
    for process in processes:
        await process.bus.aclose()


@given(story=st.lists(steps, max_size=25))
@settings(max_examples=60, deadline=None)
def test_nobody_uses_what_was_purged_after_its_fetch_began(story):
    asyncio.run(play(story))
