"""The workers: who serves in which slot, who is coming, who is leaving. Looked over ten times a second, and whenever one has died.

slot 1   current ── serves                      a slot whose worker has died is filled at once, or when its backoff says
slot 2   current ── serves
         coming ─── starts; will take over slot 2, and then slot 2's worker is told to drain
         leaving ── has been replaced, finishes what it has begun; or has been given up, and ends by SIGKILL
"""

from __future__ import annotations

import contextlib
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
from gateway.processes.child import DUMP, Child, fork
from gateway.processes.memory import at_the_processor, is_stopped, oom_kills
from gateway.processes.watch import START
from gateway.processes.worker import Build, live
from gateway.settings import Settings

__all__ = ["REASONS", "SLACK", "Crew"]

logger = logging.getLogger(__name__)

REASONS = ("exit", "signal", "out_of_memory", "watchdog", "max_rss", "asked", "restart")
"""Why workers are replaced: they ended, were killed, killed for want of memory, given up, too large, told to go by SIGTERM, by a rolling restart."""
SLACK = 2.0
"""Seconds after the time for draining at which a worker is killed: it should have gone by itself."""
_DUMPING = 0.1
"""Seconds that a worker which is given up has, to write down where it stands."""
_LATE = 0.5
"""Seconds; when the parent has not looked for so long, it was the parent who stood still (machine suspended, Ctrl-Z, no processor)."""


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
        self.coming: Child | None = None
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
        self._looked = self._awake_since = monotonic()
        self._oom_kills = oom_kills()

    def everyone(self) -> Iterator[Child]:
        """All processes that there are."""
        yield from list(self.current.values())
        if self.coming is not None:
            yield self.coming
        yield from list(self.leaving)

    @property
    def serving(self) -> list[Child]:
        """Those who serve, and are not leaving."""
        return [child for child in self.current.values() if child.is_ready]

    # ------------------------------------------------------------------------------------------------ coming

    def fill(self) -> None:
        """Start a worker in each slot that has none."""
        for slot in range(1, self.settings.server.workers + 1):
            if slot not in self.current and slot not in self._due:
                self.current[slot] = self.start(slot, self.settings, self.generation)

    def start(self, slot: int, settings: Settings, generation: int) -> Child:
        """Fork a worker for that slot. Not any more once we are ending: it would not have been told."""
        assert not self.is_ending
        child = Child(slot, generation)
        fork(
            child,
            lambda child: live(child, self._build, settings, self._listener, owns_port=self._owns_port),
            self.everyone(),
            self._selector,
        )
        self._selector.register(child.channel, selectors.EVENT_READ, child)
        return child

    def listen_to(self, child: Child) -> None:
        """Its channel has something to say."""
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
        if child.channel.ended:
            self.let_go(child)

    def let_go(self, child: Child) -> None:
        """Listen to it no more."""
        if child.channel in self._selector.get_map():
            self._selector.unregister(child.channel)

    # ------------------------------------------------------------------------------------------------ leaving

    def take_over(self, coming: Child, reason: str) -> Child | None:
        """It serves: the one that had its slot may go, if there is one."""
        before = self.current.get(coming.slot)
        self.current[coming.slot] = coming
        self._due.pop(coming.slot, None)
        if before is not None:
            self.restarts[reason] += 1
            self._dismiss(before)
        return before

    def dismiss_surplus(self) -> None:
        """Let those go whose slot there is no more."""
        for slot in [slot for slot in self.current if slot > self.settings.server.workers]:
            self._dismiss(self.current.pop(slot))

    def _dismiss(self, child: Child) -> None:
        self.leaving.add(child)
        child.deadline = monotonic() + self.settings.server.drain_timeout + SLACK
        child.channel.send("drain", replaced=True)

    # ------------------------------------------------------------------------------------------------ time

    def look(self, now: float) -> None:
        """What time alone brings. now: monotonic seconds."""
        if now - self._looked > _LATE:
            self._awake_since = now
        self._looked = now
        if not self.is_ending:
            for slot in [slot for slot, due in self._due.items() if due <= now]:
                del self._due[slot]
            self.fill()
        for child in self.everyone():
            child.channel.flush()
            if child.dumping_until:
                if child.dumping_until <= now or is_stopped(child.pid):
                    self._give_up(child, now)
            elif child.deadline <= now:
                child.deadline = float("inf")
                logger.warning("worker overdue", extra={"worker": child.slot, "worker_pid": child.pid})
                child.kill()
            else:
                self._watch(child, now)

    def _watch(self, child: Child, now: float) -> None:
        limit = self.settings.server.watchdog
        if not limit or child.is_given_up:
            return

        def waited() -> float:
            ran, over, wants = at_the_processor(child.pid)
            return child.waiting.so_far(ran, over, wants=wants, now=now)

        last = max(child.pulse.last, self._awake_since)
        if child.watch.silence(last, now, limit if child.is_ready else START, waited):
            child.dumping_until = now + _DUMPING
            child.kill(DUMP)

    def _give_up(self, child: Child, now: float) -> None:
        """It won't come back. Its successor does not wait for the kernel to take it away."""
        child.dumping_until = 0.0
        child.is_given_up = True
        child.deadline = float("inf")
        facts: dict[str, object] = {
            "silent": round(now - child.pulse.last, 2),
            "state": "stopped" if is_stopped(child.pid) else "blocked",
            "stacks": child.stacks(),
        }
        child.kill()
        if self.current.get(child.slot) is child:
            del self.current[child.slot]
            self.leaving.add(child)
            self._replace(child, now, "watchdog", facts)
        else:
            logger.warning("worker given up", extra={"worker": child.slot, "worker_pid": child.pid, **facts})

    # ------------------------------------------------------------------------------------------------ death

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
        with contextlib.suppress(LookupError, TypeError, ValueError):  # nonsense, by somebody who is dead
            self.listen_to(child)
        self.let_go(child)
        child.exit_code = code
        now = monotonic()
        if child in self.leaving:
            self.leaving.discard(child)
            logger.info("worker left", extra={"worker": child.slot, "worker_pid": child.pid, "how": child.how})
        elif child is self.coming:
            self.coming = None
        elif self.current.get(child.slot) is child:
            del self.current[child.slot]
            if not self.is_ending:
                self._replace(child, now, self._reason(code), {"how": child.how})
        child.forget()

    def _reason(self, code: int) -> str:
        kills = oom_kills()
        grown, self._oom_kills = kills > self._oom_kills, kills
        if code == -signal.SIGKILL and grown:
            return "out_of_memory"
        return "signal" if code < 0 else "exit"

    def _replace(self, child: Child, now: float, reason: str, facts: dict[str, object]) -> None:
        self.restarts[reason] += 1
        pause = self._backoff.setdefault(child.slot, Backoff()).after(now - child.started)
        self._due[child.slot] = now + pause
        if child.cause:
            facts["cause"] = child.cause
        if pause:
            facts["again_in"] = pause
        logger.warning("worker replaced", extra={"worker": child.slot, "worker_pid": child.pid, "reason": reason, **facts})
        self.look(now)
