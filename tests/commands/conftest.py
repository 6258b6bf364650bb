"""Commands are run as a user runs them: `weft` for those that end by themselves (in this process), DemoProcess for the one that stays."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.__main__ import main
from tests.support.fixtures import *  # noqa: F403

_ROOT = Path(__file__).parents[2]
_PATIENCE = 30.0


@dataclass
class Outcome:
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


@pytest.fixture
def weft(capsys, monkeypatch) -> Callable[..., Outcome]:
    """weft("explain", url, …) → Outcome. No WEFT_ variable of the machine is seen."""
    for name in [name for name in os.environ if name.startswith("WEFT_")]:
        monkeypatch.delenv(name)

    def run(*arguments: str) -> Outcome:
        try:
            code = main(arguments)
        except SystemExit as end:  # argparse
            code = int(end.code or 0)
        told = capsys.readouterr()
        return Outcome(code, told.out, told.err)

    return run


class DemoProcess:
    """`weft demo`, once it has said all it says at the start. said: that text; shop: the address of the shop, without the last slash."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "gateway", "demo", *arguments]
        env = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "TMPDIR"} or name.startswith("COV")}
        self.process = subprocess.Popen(
            command,
            cwd=_ROOT,
            env=env | {"PYTHONPATH": str(_ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        watchdog = threading.Timer(_PATIENCE, self.process.kill)
        watchdog.start()
        self.said = ""
        for line in self.process.stdout:
            self.said += line
            if "Ctrl-C" in line:
                break
        watchdog.cancel()
        found = re.search(r"The shop.*(http://127\.0\.0\.1:\d+)/\n", self.said)
        assert found, self.said + self.process.stderr.read()
        self.shop = found[1]

    def end(self, number: int = signal.SIGINT) -> tuple[int, str, str]:
        """Send the signal; exit code, and the rest of standard output and error."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=_PATIENCE)
        return self.process.returncode, out, err

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


@pytest.fixture
def start_demo() -> Iterator[Callable[..., DemoProcess]]:
    started: list[DemoProcess] = []

    def start(*arguments: str) -> DemoProcess:
        started.append(DemoProcess(*arguments))
        return started[-1]

    yield start
    for demo in started:
        demo.close()
