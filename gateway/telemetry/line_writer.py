"""Lines to a file descriptor, in batches, from a thread: a reader that stops reading stops the log, never a request."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from queue import SimpleQueue

__all__ = ["LineWriter"]

_FLUSH_AFTER = 0.05
_BACKLOG = 8 << 20


class LineWriter:
    """fd: where lines go; is_own: it is closed in the end. dropped counts lines that had no room because the reader is behind by more than 8 MiB."""

    def __init__(self, fd: int, *, is_own: bool = False) -> None:
        self.dropped = 0
        self._fd = fd
        self._release = weakref.finalize(self, os.close, fd) if is_own else None
        self._lines: list[bytes] = []
        self._scheduled = False
        self._backlog = 0
        self._queue: SimpleQueue[tuple[bytes, int] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def writes_to(self, place: int | str) -> bool:
        """Whether place, a descriptor or a path, is where lines go: under the same path there may be another file by now."""
        try:
            return os.path.samestat(os.stat(place), os.fstat(self._fd))  # noqa: PTH116 - a Path is no descriptor
        except OSError:
            return False

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
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)
            self._thread.start()
        data = b"".join(lines)
        self._backlog += len(data)
        self._queue.put((data, len(lines)))

    def close(self) -> None:
        """Write what is left, for a second at most."""
        self.flush()
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(timeout=1.0)
            if self._thread.is_alive():
                return  # its reader doesn't read: whoever ends the process ends this too
        if self._release is not None:
            self._release()

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
