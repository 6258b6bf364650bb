"""Lines to a file descriptor, in batches, from a thread: a reader that stops reading stops the log, never a request."""

from __future__ import annotations

import asyncio
import os
import threading
from queue import SimpleQueue

__all__ = ["LineWriter"]

_FLUSH_AFTER = 0.05
_BACKLOG = 8 << 20


class LineWriter:
    """fd: where lines go. dropped counts lines that had no room because the reader is behind by more than 8 MiB."""

    def __init__(self, fd: int) -> None:
        self.dropped = 0
        self._fd = fd
        self._lines: list[bytes] = []
        self._scheduled = False
        self._backlog = 0
        self._queue: SimpleQueue[tuple[bytes, int] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)
        self._thread.start()

    def write(self, line: bytes) -> None:
        """One line, newline included. Never waits."""
        self._lines.append(line)
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_later(_FLUSH_AFTER, self.flush)

    def flush(self) -> None:
        """Hand over what has come together."""
        self._scheduled = False
        lines, self._lines = self._lines, []
        if not lines:
            return
        if self._backlog > _BACKLOG:
            self.dropped += len(lines)
            return
        data = b"".join(lines)
        self._backlog += len(data)
        self._queue.put((data, len(lines)))

    def close(self) -> None:
        """Write what is left, for a second at most."""
        self.flush()
        self._queue.put(None)
        self._thread.join(timeout=1.0)

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            data, lines = item
            view = memoryview(data)
            try:
                while view:
                    view = view[os.write(self._fd, view) :]
            except OSError:  # the reader is gone: nobody to tell but the counter
                self.dropped += lines
            self._backlog -= len(data)
