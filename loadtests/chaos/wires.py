"""The wires to Redis, one for each gateway: they can be cut, slow, or carry nonsense.

    python wires.py REDIS_PORT COUNT        says its COUNT ports

Lines that it obeys: `cut N` (a number, or `all`), `slow SECONDS`, `garble`, `mend`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from collections import deque

import uvloop
from helper import obey

_DICE = random.Random(1)


class Wire:
    """to: the port of Redis."""

    def __init__(self, to: int) -> None:
        self.to = to
        self.delay = 0.0
        self.garbles = False
        self.through = asyncio.Event()
        self.through.set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a gateway."""
        await self.through.wait()
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.to)
        except ConnectionError:
            writer.transport.abort()
            return
        try:
            await asyncio.gather(self.carry(reader, back, garble=False), self.carry(there, writer, garble=True))
        finally:
            writer.transport.abort()
            back.transport.abort()

    async def carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, garble: bool) -> None:
        """One direction, until its end. garble: may be garbled."""
        loop = asyncio.get_running_loop()
        on_the_way: deque[bytes] = deque()  # all are delayed alike: timers that fire in any order still deliver in order

        def deliver() -> None:
            content = on_the_way.popleft()
            if not sink.is_closing():
                sink.write(content)

        with contextlib.suppress(ConnectionError):
            while octets := await source.read(65_536):
                await self.through.wait()
                content = _DICE.randbytes(len(octets)) if garble and self.garbles else octets
                if not self.delay and not on_the_way:
                    sink.write(content)
                    await sink.drain()
                else:
                    on_the_way.append(content)
                    loop.call_later(self.delay, deliver)
        sink.close()


class Wires:
    """All of them."""

    def __init__(self, to: int, number: int) -> None:
        self.wires = [Wire(to) for _ in range(number)]

    async def listen(self) -> list[int]:
        """Their ports."""
        servers = [await asyncio.start_server(wire.accept, "127.0.0.1", 0) for wire in self.wires]
        return [server.sockets[0].getsockname()[1] for server in servers]

    async def told(self, words: list[str]) -> None:
        """One line of whoever runs us."""
        chosen = [self.wires[int(words[1])]] if words[0] == "cut" and words[1] != "all" else self.wires
        for wire in chosen:
            match words[0]:
                case "cut":
                    wire.through.clear()
                case "slow":
                    wire.delay = float(words[1])
                case "garble":
                    wire.garbles = True
                case _:
                    wire.delay, wire.garbles = 0.0, False
                    wire.through.set()


async def main() -> None:
    """Until nobody is left who tells us anything."""
    wires = Wires(int(sys.argv[1]), int(sys.argv[2]))
    ports = await wires.listen()
    await obey(" ".join(map(str, ports)), wires.told)


if __name__ == "__main__":
    uvloop.run(main())
