"""Clients that ask without pause while something is done to a gateway.

with Visitors(gateway.port, ["/page", "/other"]) as visitors:
    ...
    visitors.answers(20)    # so many more
assert not visitors.failed
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from tests.support.raw_client import Closed, CutShort, RawClient

__all__ = ["Visitors"]

_PATIENCE = 30.0


class Visitors:
    """count threads, each with a connection of its own; one that has said `close` is followed by another. failed: what was no 200."""

    def __init__(self, port: int, paths: Sequence[str], count: int = 4) -> None:
        self.answered = 0
        self.failed: list[str] = []
        self._port = port
        self._paths = paths
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._visit) for _ in range(count)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(_PATIENCE)

    def answers(self, more: int) -> None:
        """Wait until so many more have come, or one has failed."""
        goal, deadline = self.answered + more, time.monotonic() + _PATIENCE
        while self.answered < goal and not self.failed:
            assert time.monotonic() < deadline, f"{goal - self.answered} answers never came"
            time.sleep(0.01)

    def _visit(self) -> None:
        while not self._stop.is_set():
            try:
                with RawClient(self._port) as client:
                    while not self._stop.is_set() and self._ask(client):
                        pass
            except (Closed, CutShort, OSError, AssertionError) as error:
                self.failed.append(repr(error))

    def _ask(self, client: RawClient) -> bool:
        """Each page once. False: the connection ends here."""
        for path in self._paths:
            client.send(f"GET {path} HTTP/1.1\r\nHost: visited.test\r\n\r\n".encode())
            response = client.response()
            if response.status != 200:
                self.failed.append(f"{path}: {response.status}")
            self.answered += 1
            if response.says_close:
                return False
        return True
