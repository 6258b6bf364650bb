"""A real `weft serve` in a process of its own, as an operator would start it: nothing inherited from the environment, a free port, logs kept for a failure.

with GatewayProcess(origin.url, {"server.limits.header_timeout": 1}) as gateway:
    with gateway.connect() as client: ...
"""

from __future__ import annotations

import json
import os
import re
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.raw_client import RawClient

__all__ = ["GatewayProcess"]

_ROOT = Path(__file__).parents[2]
_LISTENING = re.compile(r"\blistening\b.*?\bport[=\":]+(\d+)")
_PATIENCE = 20.0  # for starting and stopping; a busy machine needs seconds, nothing needs this


class GatewayProcess:
    """Started at once, ready when constructed.

    settings: as `--set` takes them, `upstream.first_byte_timeout` → 1. tls: what clients connect with. program: what Python runs as `weft`. env: more of the environment.
    """

    def __init__(
        self,
        upstream: str,
        settings: Mapping[str, object] | None = None,
        tls: ssl.SSLContext | None = None,
        *,
        config: Path | None = None,
        program: Sequence[str] = ("-m", "gateway"),
        env: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        self._tls = tls
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop
        given = {"log.access": "text", **(settings or {})}
        command = [sys.executable, *program, "serve", "--upstream", upstream, "--port", "0"]
        command += ["--config", str(config)] if config is not None else []
        for name, value in given.items():
            command += ["--set", f"{name}={json.dumps(value) if not isinstance(value, str) else value}"]
        # Coverage of subprocesses is asked for by variables that begin so; all else stays outside.
        kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "TMPDIR"} or name.startswith("COV")}
        env = {**kept, "PYTHONPATH": str(_ROOT), **(env or {})}
        self._process = subprocess.Popen(
            command, cwd=_ROOT, env=env, stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT, **options
        )
        self.port = self._await_port()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            error.add_note(f"── the gateway's log, last lines ──\n{self.log()[-6000:]}")
        self.stop()

    @property
    def pid(self) -> int:
        """The parent's, which never serves."""
        return self._process.pid

    def workers(self) -> list[int]:
        """Pids of the processes that serve, and of those that leave or start."""
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii").split()]

    def until(self, come_true: Callable[[], Any], what: str = "") -> Any:
        """What come_true gives, once it is true. A log that does not say so in time fails the test."""
        deadline = time.monotonic() + _PATIENCE
        while not (value := come_true()):
            assert time.monotonic() < deadline, f"never came true: {what or come_true}"
            time.sleep(0.01)
        return value

    def events(self, name: str) -> list[dict[str, Any]]:
        """The values of the log's lines with that event; needs `log.access` of another form than text."""
        lines = [line for line in self.log().splitlines() if line.startswith("{") and line.endswith("}")]
        return [line for line in map(json.loads, lines) if line.get("event") == name]

    def connect(self, **options: Any) -> RawClient:
        return RawClient(self.port, **{"tls": self._tls, **options})

    def ask(self, request: bytes) -> Any:
        """One request on a connection of its own; its response."""
        with self.connect() as client:
            client.send(request)
            return client.response(request.partition(b" ")[0])

    def is_well(self) -> bool:
        """Whether it still runs and answers by itself."""
        return (
            self._process.poll() is None and self.ask(b"GET /_weft/health/live HTTP/1.1\r\nHost: weft.test\r\n\r\n").status == 200
        )

    def log(self) -> str:
        """All it has written so far."""
        return os.pread(self._log.fileno(), 1 << 24, 0).decode(errors="replace")

    def rss(self) -> int:
        """Resident octets of the workers, now."""
        pages = [int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) for pid in self.workers()]
        return sum(pages) * os.sysconf("SC_PAGE_SIZE")

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self, timeout: float = _PATIENCE) -> int:
        """Its exit status, once it has ended. Raises subprocess.TimeoutExpired."""
        return self._process.wait(timeout)

    def stop(self) -> None:
        """End it, politely first, and forget the log."""
        if self._log.closed:
            return
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            self.signal(signal.SIGTERM)
            time.sleep(0.05)
            self.signal(signal.SIGINT)  # the second signal ends waiting for what runs
            self._process.wait(3)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(_PATIENCE)
        self._log.close()

    def _await_port(self) -> int:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            told = _LISTENING.search(self.log())
            if told is not None and self._answers(int(told[1])):
                return int(told[1])
            time.sleep(0.02)
        log = self.log()
        self._process.kill()
        self._process.wait()
        self._log.close()
        raise RuntimeError(f"the gateway did not start:\n{log}")

    def _answers(self, port: int) -> bool:
        try:
            with RawClient(port, timeout=_PATIENCE, tls=self._tls) as client:
                client.send(b"GET /_weft/health/live HTTP/1.1\r\nHost: weft.test\r\n\r\n")
                return bool(client.response().status == 200)
        except OSError:
            return False
