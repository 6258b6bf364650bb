"""What stands where a Redis should: one that says what the test wants, and a way to a real one that is slow or cut."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

import hiredis

from gateway.redis_link import Address

__all__ = ["FakeRedis", "Relay"]

Script = Callable[[list[bytes]], bytes]


class _Listener:
    """Serves connections of 127.0.0.1 until it is left."""

    def __init__(self) -> None:
        self.connections = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.address = Address("127.0.0.1", self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self.serve(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError


class FakeRedis(_Listener):
    """Answers each command by its name, bytes for bytes; `b""` answers nothing, what isn't listed gets +OK. commands: all that came."""

    def __init__(self, answers: Mapping[bytes, bytes]) -> None:
        super().__init__()
        self.answers = dict(answers)
        self.commands: list[list[bytes]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests = hiredis.Reader(notEnoughData=Ellipsis)
        while data := await reader.read(65536):
            requests.feed(data)
            while (command := requests.gets()) is not Ellipsis:
                self.commands.append(command)
                writer.write(self.answers.get(command[0], b"+OK\r\n"))


class Relay(_Listener):
    """To a real server, `delay` seconds later each way; while cut, nothing comes through and nobody is told, as when a cable is pulled."""

    def __init__(self, to: Address) -> None:
        super().__init__()
        self._to = to
        self.delay = 0.0
        self.open = asyncio.Event()
        self.open.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.open.wait()
        far_reader, far_writer = await asyncio.open_connection(*self._to)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(reader, far_writer))
                group.create_task(self._carry(far_reader, writer))
        finally:
            far_writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while data := await reader.read(65536):
            if self.delay or not self.open.is_set():
                due = loop.time() + self.delay
                await self.open.wait()
                await asyncio.sleep(max(0.0, due - loop.time()))
            writer.write(data)
            await writer.drain()
        writer.close()
