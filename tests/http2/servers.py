"""Weft behind others that speak HTTP/2 for it: granian, which runs its application, and proxies in front of its own listener."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.listener.certificates import Pair
from tests.http2.h2_client import Gone, H2Client, Response
from tests.tls.making import Authority, client_context

__all__ = ["GranianProcess", "ProxyProcess", "documented"]

_ROOT = Path(__file__).parents[2]
_PATIENCE = 30.0


class _Process:
    """Something that speaks HTTP/2 with TLS on a free port, once constructed."""

    def __init__(self, authority: Authority, port: int, command: list[str], env: Mapping[str, str]) -> None:
        self.port = port
        self._authority = authority
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop
        self._process = subprocess.Popen(
            command, cwd=_ROOT, env=env, stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT
        )
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(OSError), self.connect() as client:
                if client.get("/_weft/health/live").status == 200:
                    return
            time.sleep(0.05)
        log = self.log()
        self.stop()
        raise RuntimeError(f"{command[0]} did not start:\n{log}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            error.add_note(f"── its log, last lines ──\n{self.log()[-6000:]}")
        self.stop()

    def connect(self) -> H2Client:
        return H2Client(self.port, client_context(self._authority))

    def get(self, path: str) -> Response:
        """One request on a connection of its own."""
        with self.connect() as client:
            return client.get(path)

    def is_well(self) -> bool:
        try:
            return self._process.poll() is None and self.get("/_weft/health/live").status == 200
        except (Gone, OSError):
            return False

    def rss(self) -> int:
        """Resident octets, now, of all its processes."""
        return sum(
            int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) for pid in self._pids(self._process.pid)
        ) * os.sysconf("SC_PAGE_SIZE")

    def log(self) -> str:
        return os.pread(self._log.fileno(), 1 << 24, 0).decode(errors="replace")

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self, timeout: float = _PATIENCE) -> int:
        return self._process.wait(timeout)

    def stop(self) -> None:
        pids = self._pids(self._process.pid)
        if self._process.poll() is None:
            self.signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
        for pid in pids[1:]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(_PATIENCE)
        self._log.close()

    def _pids(self, pid: int) -> list[int]:
        """It and its children."""
        with suppress(OSError):
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
            return [pid, *(each for child in children for each in self._pids(int(child)))]
        return []


class GranianProcess(_Process):
    """granian with gateway.asgi. settings: by path, as in the file."""

    def __init__(self, authority: Authority, pair: Pair, upstream: str, settings: Mapping[str, object] | None = None) -> None:
        given = {"upstream.url": upstream, "log.access": "json", "upstream.breaker.failures": 1000, **(settings or {})}
        env = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "TMPDIR"}}
        env |= {f"WEFT_{name.upper().replace('.', '__')}": str(value) for name, value in given.items()}
        port = _free_port()
        # The options are those of docs/http2.md; only where to listen and what to show is the test's.
        command = [sys.executable, "-m", *documented("granian")]
        command = [word.replace("443", str(port)).replace("0.0.0.0", "127.0.0.1") for word in command]
        command = [
            pair.certificate if word.endswith("cert.pem") else pair.key if word.endswith("key.pem") else word for word in command
        ]
        super().__init__(authority, port, command, env | {"PYTHONPATH": str(_ROOT)})


class ProxyProcess(_Process):
    """nginx or haproxy with the configuration of docs/http2.md in front of a gateway. folder: for its files."""

    def __init__(self, name: str, authority: Authority, pair: Pair, gateway_port: int, folder: Path) -> None:
        port = _free_port()
        both = folder / "both.pem"
        both.write_bytes(Path(pair.certificate).read_bytes() + Path(pair.key).read_bytes())
        text = documented(name)[0]
        replaced = {
            r"\b443\b": f"127.0.0.1:{port}" if name == "nginx" else str(port),
            r"\b127\.0\.0\.1:8080\b": f"127.0.0.1:{gateway_port}",
            r"/etc/weft/cert\.pem": pair.certificate,
            r"/etc/weft/key\.pem": pair.key,
            r"/etc/weft/both\.pem": str(both),
        }
        for pattern, value in replaced.items():
            text = re.sub(pattern, value, text)
        file = folder / f"{name}.conf"
        if name == "nginx":
            paths = "".join(
                f"{kind}_temp_path {folder}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            )
            text = f"daemon off; pid {folder}/pid; error_log stderr; events {{}} http {{ access_log off; {paths} {text} }}"
            command = ["nginx", "-p", str(folder), "-c", str(file), "-e", "stderr"]
        else:
            command = ["haproxy", "-db", "-f", str(file)]
        file.write_text(text)
        super().__init__(authority, port, command, {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})


def documented(name: str) -> list[str]:
    """What docs/http2.md says: the words of a command, or one configuration file."""
    page = (_ROOT / "docs/http2.md").read_text("utf-8")
    if name == "granian":
        found = re.search(r"^\$ (?:\w+=\S+ )*(granian .*?)(?<!\\)$", page, re.MULTILINE | re.DOTALL)
        assert found is not None
        return found[1].replace("\\\n", " ").split()
    found = re.search(rf"^```{name}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert found is not None
    return [found[1]]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
