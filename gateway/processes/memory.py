"""What the kernel tells about a process: memory, waiting, state, and whom it has killed for want of memory. Nothing where it does not tell."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["is_stopped", "oom_kills", "rss", "waited_for_cpu"]

_PAGE = os.sysconf("SC_PAGE_SIZE")


def rss(pid: int) -> int:
    """Resident octets now, 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * _PAGE
    except OSError:
        return 0


def waited_for_cpu(pid: int) -> float:
    """Seconds for which its main thread wanted to run and could not, since its start."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text("ascii").split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


def is_stopped(pid: int) -> bool:
    """By SIGSTOP, or a debugger."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()[0] in ("T", "t")
    except OSError:
        return False


def oom_kills() -> int:
    """How many processes of our control group have been killed for want of memory so far."""
    try:
        group = Path("/proc/self/cgroup").read_text("ascii").rpartition("::")[2].strip()
        lines = Path(f"/sys/fs/cgroup{group}/memory.events").read_text("ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
