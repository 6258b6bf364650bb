"""The parent: a plain loop over signals, channels and the time. It never serves, and nothing in it waits for a worker.

SIGTERM, SIGINT   everything drains, then the exit code is 0; another SIGINT, and nobody waits any more
SIGHUP            a rolling restart with the settings read anew: reloading.py
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

from gateway.logs import go_on_logging, name_speaker
from gateway.processes.asks import Asks
from gateway.processes.channel import Message
from gateway.processes.child import Child
from gateway.processes.crew import SLACK, Crew
from gateway.processes.figures import Figures
from gateway.processes.memory import rss
from gateway.processes.notify import Notifier
from gateway.processes.outcome import Outcome
from gateway.processes.reloading import Reading, Reloading
from gateway.processes.worker import Build
from gateway.settings import Settings

__all__ = ["Supervisor"]

logger = logging.getLogger(__name__)

_TICK = 0.1
_HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class Supervisor:
    """build: makes the gateway of a worker. listener: bound, and closed by us at the end. owns_port: nobody outside holds it."""

    def __init__(
        self,
        settings: Settings,
        build: Build,
        listener: socket.socket,
        reading: Reading,
        notifier: Notifier,
        *,
        owns_port: bool = True,
    ) -> None:
        self.listener = listener
        self.owns_port = owns_port
        self.has_served = False
        self.exit_code: int | None = None
        self._selector = selectors.DefaultSelector()
        self._crew = Crew(settings, build, listener, self._selector, self._hear, owns_port=owns_port)
        self._asks = Asks()
        self._reloading = Reloading(self._crew, self._asks, reading)
        self._figures = Figures(self._crew, self._asks, self._reloading)
        self._notifier = notifier
        self._told = (0, 0)
        self._is_reloading = False
        self._weighed = monotonic()
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
                self._listen_to(key.data)
        for child in self._crew.reap():
            self._asks.lose(child)
            self._figures.lose(child)
            self._mourn(child)
        now = monotonic()
        self._crew.look(now)
        self._asks.look(now)
        self._reloading.look()
        self._weigh(now)
        self._tell_of_start()
        self._tell_who_is_up(now)
        self._tell_of_end()

    def _listen_to(self, child: Child) -> None:
        """A worker handles strangers' octets; whatever it says, the parent goes on."""
        try:
            self._crew.listen_to(child)
        except (LookupError, TypeError, ValueError):  # no message of ours: orjson's error is a ValueError
            logger.exception("worker talks nonsense", extra={"worker": child.slot, "worker_pid": child.pid})
            self._crew.let_go(child)
            child.kill()

    def _weigh(self, now: float) -> None:
        """Once a second: who has grown too large is replaced, one after the other."""
        if now - self._weighed < 1.0:
            return
        self._weighed = now
        go_on_logging()
        limit = self._crew.settings.server.max_rss
        if limit and not self._crew.is_ending and not self._reloading.is_busy:
            for child in self._crew.serving:
                if (held := rss(child.pid)) > limit:
                    logger.warning("worker too large", extra={"worker": child.slot, "worker_pid": child.pid, "rss": held})
                    self._reloading.replace(child, "max_rss")
                    return

    # ------------------------------------------------------------------------------------------------ start

    def _tell_of_start(self) -> None:
        if not self.has_served and any(child.is_ready for child in self._crew.current.values()):
            self.has_served = True
            self._notifier.ready(self._status)
            settings, (host, port) = self._crew.settings, self.listener.getsockname()[:2]
            origins = {
                name: ", ".join((origin.url, *origin.servers))
                for name, origin in {"upstream": settings.upstream, **settings.origins}.items()
            }
            scheme = "https" if settings.server.tls.certificates else "http"
            where = {"host": host, "port": port, "scheme": scheme}
            logger.info("listening", extra={**where, "workers": settings.server.workers, "origins": origins})

    def _tell_who_is_up(self, now: float) -> None:
        """To the workers, whose health page says it, and to systemd."""
        crew, notifier = self._crew, self._notifier
        up = (len(crew.serving), crew.settings.server.workers)
        if up != self._told:
            self._told = up
            if self.has_served:
                notifier.status(self._status)
        for child in crew.everyone():
            if child.told != up:
                child.told = up
                child.channel.send("crew", up=up[0], of=up[1])
        if up[0] or crew.is_ending:
            notifier.well(now)
        if self._is_reloading and not self._reloading.is_busy:
            self._is_reloading = False
            notifier.ready(self._status)

    @property
    def _status(self) -> str:
        return f"{self._told[0]} of {self._told[1]} workers serve, settings {self._crew.generation}"

    def _mourn(self, child: Child) -> None:
        """Nobody has served yet: that a worker can't start is the end, and the reason goes to who started us."""
        if self.has_served or self._crew.is_ending or self.exit_code is not None:
            return
        cause = child.cause or f"a worker ended at its start, {child.how}"
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
            self._notifier.stopping()
            server = crew.settings.server
            logger.info("stopping", extra={"signal": signal.Signals(number).name, "workers": len(list(crew.everyone()))})
            for child in crew.everyone():
                child.channel.send("drain", replaced=False)
                child.deadline = monotonic() + server.drain_delay + server.drain_timeout + SLACK
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
        """A worker wants something, or replies."""
        match message.say:
            case "answer":
                self._asks.hear(child, message)
            case "leave":
                self._reloading.replace(child, "asked")
            case "figures":
                self._figures.keep(child, message.blob)
            case "ask" if message.words["what"] == "others":
                self._pass_on(child, message)
            case "ask" if message.words["what"] == "figures":
                self._figures.answer(child, message)
            case "ask" if message.words["what"] == "reload":
                number, words = message.words["id"], message.words

                def answer(outcome: Outcome) -> None:
                    child.channel.send("answer", id=number, outcome=list(outcome))

                self._reloading.reload(answer, dry_run=words["dry_run"], restart=words["restart"])

    def _pass_on(self, child: Child, message: Message) -> None:
        """A worker asks all others, for whom it can't know."""
        number, words = message.words["id"], message.words["words"]
        others = [other for other in self._crew.everyone() if other is not child and other.is_ready]

        def tell(replies: dict[Child, Message | None]) -> None:
            told = [reply.words["told"] for reply in replies.values() if reply is not None]
            child.channel.send("answer", id=number, replies=told)

        self._asks.ask(others, message.words["of"], tell, within=0.5, **words)

    def _obey(self) -> None:
        for number in self._woken.recv(4096):
            if number in (signal.SIGTERM, signal.SIGINT):
                self._end(number)
            elif number == signal.SIGHUP and not self._crew.is_ending:
                self._is_reloading = True
                self._notifier.reloading()
                self._reloading.hang_up()

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
