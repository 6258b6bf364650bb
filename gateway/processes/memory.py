"""What the kernel tells about a process: memory, waiting, state, and whom it has killed for want of memory. Nothing where it does not tell."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["at_the_processor", "is_stopped", "oom_kills", "rss"]

_PAGE = os.sysconf("SC_PAGE_SIZE")


def rss(pid: int) -> int:
    """Resident octets now, 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * _PAGE
    except OSError:
        return 0


def at_the_processor(pid: int) -> tuple[float, float, bool]:
    """(seconds that its main thread has run, seconds that it has waited for a processor in waits that are over, whether it wants to run now)."""
    try:
        ran, waited = Path(f"/proc/{pid}/schedstat").read_text("ascii").split()[:2]
        return int(ran) / 1e9, int(waited) / 1e9, _state(pid) == "R"
    except (OSError, ValueError):
        return 0.0, 0.0, False


def is_stopped(pid: int) -> bool:
    """By SIGSTOP, or a debugger."""
    return _state(pid) in ("T", "t")


def oom_kills() -> int:
    """How many processes of our control group have been killed for want of memory so far."""
    try:
        group = Path("/proc/self/cgroup").read_text("ascii").rpartition("::")[2].strip()
        lines = Path(f"/sys/fs/cgroup{group}/memory.events").read_text("ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))


def _state(pid: int) -> str:
    """The kernel's letter for it; "" when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()[0]
    except OSError:
        return ""
