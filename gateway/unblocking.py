"""Lines to a file descriptor, from a place that must not wait: the process log. A reader that has stopped reading costs lines, never time.

A pipe that is full would hold up whoever writes to it; O_NONBLOCK on it would hold for everybody who has it too. So it is opened a second time, for us alone. A socket takes that wish with
each call. A file never waits for a reader.
"""

from __future__ import annotations

import os
import select
import socket
import stat
from time import monotonic

__all__ = ["Unblocking"]

_ATOMIC = 4096
"""PIPE_BUF: a pipe that is ready takes as much in one piece."""
_BACKLOG = 256 << 10


class Unblocking:
    """fd: where lines go. dropped: how many had no room. backlog: octets that may wait."""

    def __init__(self, fd: int, backlog: int = _BACKLOG) -> None:
        self.dropped = 0
        self._limit = backlog
        self._waiting = bytearray()
        self._fd = self._given = fd
        self._socket: socket.socket | None = None
        self._polls = False
        kind = os.fstat(fd).st_mode
        if stat.S_ISSOCK(kind):
            self._socket = socket.socket(fileno=os.dup(fd))
        elif not stat.S_ISREG(kind):
            try:
                self._fd = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
            except OSError:  # somebody else's pipe, or no /proc: then a look whether it is ready must do
                self._polls = True

    @property
    def is_behind(self) -> bool:
        """Whether lines wait."""
        return bool(self._waiting)

    def write(self, line: bytes) -> None:
        """A line, newline included. Never waits."""
        if len(self._waiting) + len(line) > self._limit:
            self.dropped += 1
            return
        self._waiting += line
        self.flush()

    def flush(self) -> None:
        """Write what waits, as far as it goes."""
        try:
            while self._waiting:
                del self._waiting[: self._send(bytes(self._waiting))]
        except BlockingIOError:
            return
        except OSError:  # nobody reads this any more
            self.dropped += self._waiting.count(b"\n")
            self._waiting.clear()

    def forget(self) -> None:
        """After a fork: what waits is the parent's to write."""
        self._waiting.clear()

    def settle(self, within: float = 0.2) -> None:
        """Give what waits a moment."""
        end = monotonic() + within
        self.flush()
        while self._waiting and (left := end - monotonic()) > 0:
            self._is_ready(left)
            self.flush()

    def close(self) -> None:
        """Give back what was opened for it; fd itself stays."""
        if self._socket is not None:
            self._socket.close()
        elif self._fd != self._given:
            os.close(self._fd)

    def _send(self, data: bytes) -> int:
        if self._socket is not None:
            return self._socket.send(data, socket.MSG_DONTWAIT)
        if self._polls:
            if not self._is_ready(0):
                raise BlockingIOError
            data = data[:_ATOMIC]
        return os.write(self._fd, data)

    def _is_ready(self, within: float) -> bool:
        watch = select.poll()
        watch.register(self._socket if self._socket is not None else self._fd, select.POLLOUT)
        return bool(watch.poll(within * 1000))
