"""The parent: a plain loop over signals, channels and the time. It never serves, and nothing in it waits for a worker.

SIGTERM, SIGINT   everything drains, then the exit code is 0; another SIGINT, and nobody waits any more
SIGCHLD           a worker has died: crew.py
"""

from __future__ import annotations

import contextlib
import gc
import logging
import selectors
import signal
import socket
import sys
from collections.abc import Iterator
from time import monotonic
from types import FrameType

from gateway.logs import name_speaker
from gateway.processes.channel import Message
from gateway.processes.child import Child
from gateway.processes.crew import Crew
from gateway.processes.worker import Build
from gateway.settings import Settings

__all__ = ["Supervisor"]

logger = logging.getLogger(__name__)

_TICK = 0.1
_SLACK = 2.0
"""Seconds after drain_delay and drain_timeout at which a worker that drains is killed: it should have gone by itself."""
_HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


class Supervisor:
    """build: makes the gateway of a worker. listener: bound, and closed by us at the end. owns_port: nobody outside holds it."""

    def __init__(self, settings: Settings, build: Build, listener: socket.socket, *, owns_port: bool = True) -> None:
        self.listener = listener
        self.owns_port = owns_port
        self.has_served = False
        self.exit_code: int | None = None
        self._selector = selectors.DefaultSelector()
        self._crew = Crew(settings, build, listener, self._selector, self._hear, owns_port=owns_port)
        self._wake, self._woken = socket.socketpair()

    def run(self) -> int:
        """Until a signal ends it, or the first workers can't start; the exit code."""
        name_speaker("parent")
        gc.collect()
        gc.freeze()  # what is there before the fork stays shared: a collection in a worker does not touch it
        with self._signals():
            self._crew.fill()
            while self.exit_code is None:
                self._turn()
        self._selector.close()
        self.listener.close()
        return self.exit_code

    def _turn(self) -> None:
        for key, _ in self._selector.select(_TICK):
            if key.fileobj is self._woken:
                self._obey()
            else:
                self._crew.listen_to(key.data)
        for child in self._crew.reap():
            self._mourn(child)
        self._crew.look(monotonic())
        self._tell_of_start()
        self._tell_of_end()

    # ------------------------------------------------------------------------------------------------ start

    def _tell_of_start(self) -> None:
        if not self.has_served and any(child.is_ready for child in self._crew.current.values()):
            self.has_served = True
            settings, (host, port) = self._crew.settings, self.listener.getsockname()[:2]
            origins = {
                name: ", ".join((origin.url, *origin.servers))
                for name, origin in {"upstream": settings.upstream, **settings.origins}.items()
            }
            scheme = "https" if settings.server.tls.certificates else "http"
            where = {"host": host, "port": port, "scheme": scheme}
            logger.info("listening", extra={**where, "workers": settings.server.workers, "origins": origins})

    def _mourn(self, child: Child) -> None:
        """Nobody has served yet: that a worker can't start is the end, and the reason goes to who started us."""
        if self.has_served or self._crew.is_ending or self.exit_code is not None:
            return
        cause = child.cause or f"a worker ended at its start, {_how(child)}"
        sys.stderr.write(f"{cause if child.cause else f'weft serve: {cause}'}\n")
        self._crew.is_ending = True
        for other in self._crew.everyone():
            other.kill()
        self.exit_code = 1

    # ------------------------------------------------------------------------------------------------ end

    def _end(self, number: int) -> None:
        crew = self._crew
        if not crew.is_ending:
            crew.is_ending = True
            server = crew.settings.server
            logger.info("stopping", extra={"signal": signal.Signals(number).name, "workers": len(list(crew.everyone()))})
            for child in crew.everyone():
                child.channel.send("drain", replaced=False)
                child.deadline = monotonic() + server.drain_delay + server.drain_timeout + _SLACK
        elif number == signal.SIGINT:
            for child in crew.everyone():
                child.channel.send("abort")
                child.deadline = min(child.deadline, monotonic() + 1.0)

    def _tell_of_end(self) -> None:
        if not self._crew.is_ending or self.exit_code is not None:
            return
        rest = list(self._crew.everyone())
        if all(child.has_closed for child in rest):
            self.listener.close()
        if not rest:
            self.exit_code = 0

    # ------------------------------------------------------------------------------------------------ what comes in

    def _hear(self, child: Child, message: Message) -> None:
        """A worker wants something."""
        if message.say == "leave" and not self._crew.is_ending:
            child.channel.send("drain", replaced=True)

    def _obey(self) -> None:
        for number in self._woken.recv(4096):
            if number in (signal.SIGTERM, signal.SIGINT):
                self._end(number)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        before = {number: signal.signal(number, _ignore) for number in _HANDLED}
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._wake.close()
            self._woken.close()


def _ignore(number: int, frame: FrameType | None) -> None:
    """A handler must be there for the wake-up to be written; what is to be done, the loop does."""


def _how(child: Child) -> str:
    code = child.exit_code or 0
    return f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
