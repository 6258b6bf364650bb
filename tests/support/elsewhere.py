"""A gateway process whose command, environment and folder the test decides: as a container, a unit or a pod would start it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.gateway_process import GatewayProcess

__all__ = ["SERVE", "Elsewhere", "bare_environment"]

SERVE = (sys.executable, "-m", "gateway", "serve")


def bare_environment(**ours: str) -> dict[str, str]:
    """What a process needs to find Python's modules, coverage's variables, and ours; no HOME, no TMPDIR."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(__file__).parents[2]),
        **{name: value for name, value in os.environ.items() if name.startswith("COV")},
        **ours,
    }


class Elsewhere(GatewayProcess):
    """Started at once, ready when constructed. The port is read from the log."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], cwd: str = "/", pass_fds: Sequence[int] = ()) -> None:
        self._tls = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop
        self._process = subprocess.Popen(
            list(command),
            cwd=cwd,
            env=dict(env),
            pass_fds=tuple(pass_fds),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self.port = self._await_port()
