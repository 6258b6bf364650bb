"""The workers: who serves in which slot, who is coming, who is leaving. Looked over ten times a second, and whenever one has died.

slot 1   current ── serves                      a slot whose worker has died is filled at once, or when its backoff says
slot 2   current ── serves
         coming ─── starts; will take over slot 2, and then slot 2's worker is told to drain
         leaving ── has been replaced, finishes what it has begun
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from time import monotonic

from gateway.processes.backoff import Backoff
from gateway.processes.channel import Message
from gateway.processes.child import Child, fork
from gateway.processes.worker import Build, live
from gateway.settings import Settings

__all__ = ["Crew"]

logger = logging.getLogger(__name__)


class Crew:
    """settings: what the next worker is made from. hear: gets what workers say, but for what is about themselves."""

    def __init__(
        self,
        settings: Settings,
        build: Build,
        listener: socket.socket,
        selector: selectors.BaseSelector,
        hear: Callable[[Child, Message], None],
        *,
        owns_port: bool,
    ) -> None:
        self.settings = settings
        self.generation = 1
        self.current: dict[int, Child] = {}
        self.leaving: set[Child] = set()
        self.restarts: Counter[str] = Counter()
        """Workers replaced, by reason."""
        self.is_ending = False
        """No worker is replaced any more."""
        self._build = build
        self._listener = listener
        self._selector = selector
        self._hear = hear
        self._owns_port = owns_port
        self._backoff: dict[int, Backoff] = {}
        self._due: dict[int, float] = {}

    def everyone(self) -> Iterator[Child]:
        """All processes that there are."""
        yield from self.current.values()
        yield from self.leaving

    def fill(self) -> None:
        """Start a worker in each slot that has none."""
        for slot in range(1, self.settings.server.workers + 1):
            if slot not in self.current and slot not in self._due:
                self.current[slot] = self.start(slot)

    def start(self, slot: int) -> Child:
        """Fork a worker for that slot."""
        child = Child(slot, self.generation)
        settings = self.settings
        fork(
            child,
            lambda child: live(child, self._build, settings, self._listener, owns_port=self._owns_port),
            list(self.everyone()),
            self._selector,
        )
        self._selector.register(child.channel, selectors.EVENT_READ, child)
        return child

    def listen_to(self, child: Child) -> None:
        """Its channel has something to say, or can take more."""
        child.channel.flush()
        for message in child.channel.receive():
            match message.say:
                case "ready":
                    child.is_ready = True
                    logger.info("worker ready", extra={"worker": child.slot, "worker_pid": child.pid})
                case "failed":
                    child.cause = str(message.words["cause"])
                case "closed":
                    child.has_closed = True
                case _:
                    self._hear(child, message)
        if child.channel.ended and child.channel in self._selector.get_map():
            self._selector.unregister(child.channel)

    def look(self, now: float) -> None:
        """What time alone brings: start who is due, kill who is overdue. now: monotonic seconds."""
        if not self.is_ending:
            for slot in [slot for slot, due in self._due.items() if due <= now]:
                del self._due[slot]
            self.fill()
        for child in list(self.everyone()):
            if child.deadline <= now:
                child.deadline = float("inf")
                logger.warning("worker overdue", extra={"worker": child.slot, "worker_pid": child.pid})
                child.kill()

    def reap(self) -> Iterator[Child]:
        """Those who have died since, after what had to be done about it."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = next((child for child in self.everyone() if child.pid == pid), None)
            if child is not None:
                self._bury(child, os.waitstatus_to_exitcode(status))
                yield child

    def _bury(self, child: Child, code: int) -> None:
        self.listen_to(child)
        if child.channel in self._selector.get_map():
            self._selector.unregister(child.channel)
        child.exit_code = code
        now = monotonic()
        if child in self.leaving:
            self.leaving.discard(child)
            logger.info("worker left", extra={"worker": child.slot, "worker_pid": child.pid, "exit": code})
        elif self.current.get(child.slot) is child:
            del self.current[child.slot]
            if not self.is_ending:
                self._replace(child, code, now)
        child.forget()

    def _replace(self, child: Child, code: int, now: float) -> None:
        reason = child.fate or ("signal" if code < 0 else "exit")
        self.restarts[reason] += 1
        pause = self._backoff.setdefault(child.slot, Backoff()).after(now - child.started)
        self._due[child.slot] = now + pause
        facts: dict[str, object] = {"worker": child.slot, "worker_pid": child.pid, "reason": reason}
        if code < 0:
            facts["signal"] = signal.Signals(-code).name
        else:
            facts["exit"] = code
        if child.cause:
            facts["cause"] = child.cause
        if pause:
            facts["again_in"] = pause
        logger.warning("worker replaced", extra=facts)
        self.look(now)
