"""A process of ours that is told things: one line in, one line back. Origin and relays are such processes, so that what they cost and suffer is their own."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

__all__ = ["Helper", "obey"]

HERE = Path(__file__).parent


class Helper:
    """script: beside this file. words: its arguments."""

    def __init__(self, script: str, *words: str) -> None:
        self._command = [sys.executable, str(HERE / script), *words]
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> str:
        """Its first line, which it says once it is ready."""
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(*self._command, stdin=pipe, stdout=pipe)
        return await self._hear()

    async def tell(self, line: str) -> str:
        """What it answers. Raises RuntimeError when it is not there."""
        return await asyncio.shield(self._tell(line))  # whoever is cancelled meanwhile must not leave the answer to the next one

    async def _tell(self, line: str) -> str:
        async with self._turn:
            if self._process is None or self._process.stdin is None:
                raise RuntimeError(f"{self._command[1]} is not running, and was told: {line}")
            self._process.stdin.write(f"{line}\n".encode())
            return await self._hear()

    async def kill(self) -> None:
        """The hard way; nothing it holds is tidied up."""
        async with self._turn:
            if self._process is not None:
                with contextlib.suppress(ProcessLookupError):
                    self._process.send_signal(signal.SIGKILL)
                await self._process.wait()
                self._process = None

    async def _hear(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        async with asyncio.timeout(30):
            line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._command[1]} has ended")
        return line.decode().strip()


async def obey(ready: str, told: Callable[[list[str]], Awaitable[None]]) -> None:
    """The other side: say `ready`, then do what each line says, until nobody is left who says anything."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    print(ready, flush=True)
    while line := await reader.readline():
        await told(line.decode().split())
        print("done", flush=True)
