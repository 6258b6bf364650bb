"""Settings read anew, by the parent, and put into force: in place in all workers, or by new workers. One at a time.

in place   every worker prepares ──▶ all could ──▶ every worker swaps
                                └──▶ one could not ──▶ all forget, the old settings go on everywhere
restart    rolling.py; in force from the moment that the first new worker serves
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import time
from typing import Literal

from gateway.errors import SettingsError
from gateway.logs import set_up_logging
from gateway.processes.asks import Asks
from gateway.processes.channel import Message
from gateway.processes.child import Child
from gateway.processes.crew import Crew
from gateway.processes.outcome import Outcome
from gateway.processes.rolling import Rolling
from gateway.processes.shipping import pack
from gateway.settings import Settings

__all__ = ["Reading", "Reloading"]

logger = logging.getLogger(__name__)

_PREPARE = 5.0
"""Seconds that a worker has to build what new settings need."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How settings are read anew.

    load      reads them; raises SettingsError
    compare   (old, new) → (path, old, new, effect) of each leaf that differs
    in_force  (running, wished, *effects) → what holds once the changes with these effects are applied
    """

    load: Callable[[], Settings]
    compare: Callable[[Settings, Settings], Sequence[tuple[str, str, str, str]]]
    in_force: Callable[..., Settings]


class Reloading:
    """then, below: gets the outcome, once."""

    def __init__(self, crew: Crew, asks: Asks, reading: Reading) -> None:
        self.rolling: Rolling | None = None
        self.last_succeeded = True
        self.last_success = time()
        self._crew = crew
        self._asks = asks
        self._reading = reading
        self._is_swapping = False
        self._restart_again = False
        self._wishes: dict[Child, str] = {}

    @property
    def is_busy(self) -> bool:
        """Whether another reload has to wait."""
        return self.rolling is not None or self._is_swapping

    def hang_up(self) -> None:
        """SIGHUP: a rolling restart with the settings as they are now; after the one that is under way, if there is one."""
        if self.is_busy:
            self._restart_again = True
        else:
            self.reload(_forget, restart=True)

    def look(self) -> None:
        """Go on with what is under way."""
        if self.rolling is not None:
            self.rolling.step(self._crew)
            if self.rolling.is_over:
                self.rolling = None
        if self.is_busy or self._crew.is_ending:
            return
        if self._restart_again:
            self._restart_again = False
            self.hang_up()
        elif self._wishes:
            child = next(iter(self._wishes))
            reason = self._wishes.pop(child)
            if self._crew.current.get(child.slot) is child:
                self.rolling = Rolling(self._crew.settings, self._crew.generation, [child.slot], reason)
                self.rolling.step(self._crew)

    def replace(self, child: Child, reason: str) -> None:
        """Replace one worker by another of the same settings; after what is under way, unless that has replaced it."""
        if child not in self._wishes:
            self._wishes[child] = reason
        self.look()

    def reload(self, then: Callable[[Outcome], None], *, dry_run: bool = False, restart: bool = False) -> None:
        """Read, check, compare, and put into force unless dry_run."""
        crew = self._crew
        if self.is_busy or crew.is_ending:
            then(self._outcome("busy"))
            return
        try:
            wished = self._reading.load()
        except SettingsError as error:
            if not dry_run:
                self._tell("settings refused", faults=error.problems)
            then(self._outcome("refused", faults=error.problems))
            return
        changes = [list(map(str, change)) for change in self._reading.compare(crew.settings, wished)]
        status: Literal["done", "unchanged"] = "done" if changes else "unchanged"
        settings = self._reading.in_force(crew.settings, wished, "live", *(["workers"] if restart else []))
        if restart and not dry_run:
            self._roll(settings, status, changes, then)
        else:
            self._swap(settings, status, changes, then, dry_run=dry_run)

    # ------------------------------------------------------------------------------------------------ by new workers

    def _roll(
        self, settings: Settings, status: Literal["done", "unchanged"], changes: list[list[str]], then: Callable[[Outcome], None]
    ) -> None:
        generation = self._crew.generation + 1

        def first_serves() -> None:
            self._take(settings, changes)
            then(self._outcome(status, changes=changes, restarted=True))

        def fail(cause: str) -> None:
            if self._crew.generation < generation:
                self._tell("settings failed", faults=[cause])
                then(self._outcome("failed", faults=cause.splitlines(), changes=changes))

        slots = range(1, settings.server.workers + 1)
        self.rolling = Rolling(settings, generation, slots, "restart", first_serves, fail)
        self.look()

    # ------------------------------------------------------------------------------------------------ in place

    def _swap(
        self,
        settings: Settings,
        status: Literal["done", "unchanged"],
        changes: list[list[str]],
        then: Callable[[Outcome], None],
        *,
        dry_run: bool,
    ) -> None:
        """dry_run: one worker prepares, which finds the faults of files that the settings name, and then forgets."""
        self._is_swapping = True
        children = self._crew.serving[:1] if dry_run else self._crew.serving

        def prepared(replies: dict[Child, Message | None]) -> None:
            self._is_swapping = False
            faults = [line for child, reply in replies.items() for line in _faults(child, reply)]
            if not children:
                faults = ["no worker is ready"]
            for child in children:
                child.channel.send("forget" if faults or dry_run else "swap")
            if faults:
                if not dry_run:
                    self._tell("settings failed", faults=faults)
                then(self._outcome("failed", faults=faults, changes=changes))
                return
            if not dry_run:
                self._take(settings, changes)
                for child in children:
                    child.generation = self._crew.generation
            then(self._outcome(status, changes=changes))

        self._asks.ask(children, "prepare", prepared, within=_PREPARE, blob=pack(settings))

    # ------------------------------------------------------------------------------------------------ both

    def _take(self, settings: Settings, changes: list[list[str]]) -> None:
        crew = self._crew
        log, before = settings.log, crew.settings.log
        crew.settings = settings
        crew.generation += 1
        self.last_succeeded = True
        self.last_success = time()
        if (log.level, log.access) != (before.level, before.access):
            set_up_logging(log.level, "text" if log.access == "text" else "json")
        logger.info("settings taken", extra={"generation": crew.generation, "changes": [_words(change) for change in changes]})

    def _tell(self, event: str, faults: list[str]) -> None:
        self.last_succeeded = False
        logger.error(event, extra={"generation": self._crew.generation, "faults": faults})

    def _outcome(
        self,
        status: Literal["done", "unchanged", "refused", "failed", "busy"],
        *,
        faults: Sequence[str] = (),
        changes: Sequence[list[str]] = (),
        restarted: bool = False,
    ) -> Outcome:
        return Outcome(status, self._crew.generation, list(faults), list(changes), restarted)


def _faults(child: Child, reply: Message | None) -> list[str]:
    if reply is None:
        return [f"worker {child.slot}: no answer"]
    return [f"worker {child.slot}: {line}" for line in reply.words["faults"]]


def _words(change: list[str]) -> str:
    path, old, new, effect = change
    return f"{path}: {old} → {new} ({effect})"


def _forget(outcome: Outcome) -> None:
    """Nobody waits for it; the log has it."""
