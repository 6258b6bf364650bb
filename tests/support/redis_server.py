"""Real Redis servers on loopback, each with a folder of its own and nothing on disk that outlives it.

with RedisServer() as server:                       .stop() .start() .freeze() .thaw() .restart() .flush()
    link = RedisLink(OneServer(server.address, NodeRules()))
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
import redis

from gateway.redis_link import Address

__all__ = ["RedisServer", "free_port", "redis_program"]

_PATIENCE = 20.0  # for starting and stopping; a busy machine needs seconds, nothing needs this


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def redis_program() -> str:
    """Debian's redis-server. Skips the test where there is none (in CI that fails)."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    return program


class RedisServer:
    """Started at once, ready when constructed. arguments: as redis-server takes them. client: how `command` connects (redis.Redis' arguments). tls: only TLS on its port."""

    def __init__(
        self,
        arguments: Sequence[str] = (),
        *,
        port: int | None = None,
        client: Mapping[str, Any] | None = None,
        tls: bool = False,
    ) -> None:
        self.port = port or free_port()
        self.address = Address("127.0.0.1", self.port)
        self.folder = Path(tempfile.mkdtemp(prefix="weft-redis-"))
        self._arguments = list(arguments)
        self._tls = tls
        self._client = {"host": "127.0.0.1", "port": self.port, "socket_timeout": 10, "protocol": 2, **(client or {})}
        self._log = (self.folder / "log").open("ab")
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def words(self) -> list[str]:
        """The command that starts it."""
        listening = ["--port", "0", "--tls-port", str(self.port)] if self._tls else ["--port", str(self.port)]
        here = ["--bind", "127.0.0.1", "--dir", str(self.folder), "--save", "", "--appendonly", "no", "--daemonize", "no"]
        return [redis_program(), *listening, *here, *self._arguments]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            error.add_note(f"── redis-server's log, last lines ──\n{self.log()[-3000:]}")
        self.close()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        self._process = subprocess.Popen(
            self.words(), cwd=self.folder, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log
        )
        deadline = time.monotonic() + _PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"redis-server did not start:\n{self.log()}")
            time.sleep(0.01)

    def stop(self, number: int = signal.SIGKILL) -> None:
        """End it; nobody listens on its port then."""
        if self._process is not None:
            self.thaw()
            self._process.send_signal(number)
            self._process.wait(_PATIENCE)

    def restart(self) -> None:
        """End it and start it anew, on the same port: all keys are lost."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Its sockets stay open and take bytes; it answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        if self._process is not None and self._process.poll() is None:
            os.kill(self.pid, signal.SIGCONT)

    def command(self, *arguments: Any) -> Any:
        """What it answers to one command, by a client of the test's own."""
        with redis.Redis(**self._client) as client:
            return client.execute_command(*arguments)

    def log(self) -> str:
        """All it has written so far."""
        return (self.folder / "log").read_text("utf-8", errors="replace")

    def close(self) -> None:
        """End it and remove its folder."""
        if self._process is not None and self._process.poll() is None:
            self.stop()
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            return bool(self.command("PING"))
        except redis.ConnectionError:
            return False
