"""A rolling restart: worker by worker, the new one serves before the old one drains. At most one is coming, and at most one leaving in each slot."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from gateway.processes.child import Child
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.processes.crew import Crew

__all__ = ["Rolling"]

logger = logging.getLogger(__name__)


class Rolling:
    """settings, generation: for the new ones. reason: a word of weft_worker_restarts_total.

    on_first: called when the first new one serves: the settings can be built. on_failure: called when a new one can't start; those not yet replaced stay.
    """

    def __init__(
        self,
        settings: Settings,
        generation: int,
        slots: Iterable[int],
        reason: str,
        on_first: Callable[[], None] | None = None,
        on_failure: Callable[[str], None] | None = None,
    ) -> None:
        self.settings = settings
        self.generation = generation
        self.reason = reason
        self.replaced = 0
        self.is_over = False
        self._slots = list(slots)
        self._coming: Child | None = None
        self._going: Child | None = None
        self._on_first = on_first
        self._on_failure = on_failure

    def step(self, crew: Crew) -> None:
        """Go on as far as it goes now."""
        if crew.is_ending:  # who is coming has been told to go, as everybody has
            self._give_up("the gateway stops")
        while not self.is_over:
            coming = self._coming
            if self._going is not None and not self._going.has_closed and self._going.exit_code is None:
                return  # it may still take connections, and would answer them by the old settings
            if coming is None:
                if not self._slots:
                    self._end(crew)
                    return
                if any(child.slot == self._slots[0] for child in crew.leaving):
                    return  # its last one has not gone yet: processes must not pile up
                self._coming = crew.coming = crew.start(self._slots.pop(0), self.settings, self.generation)
                return
            if coming.exit_code is not None:
                self._fail(coming)
                return
            if not coming.is_ready:
                return
            self._coming = crew.coming = None
            self._going = crew.take_over(coming, self.reason)
            self.replaced += 1
            if self._on_first is not None and self.replaced == 1:
                self._on_first()

    def _end(self, crew: Crew) -> None:
        self.is_over = True
        crew.dismiss_surplus()
        logger.info("workers replaced", extra={"reason": self.reason, "count": self.replaced, "generation": self.generation})

    def _fail(self, coming: Child) -> None:
        cause = coming.cause or f"ended at its start, {coming.how}"
        logger.error("restart failed", extra={"worker": coming.slot, "cause": cause, "replaced": self.replaced})
        self._give_up(cause)

    def _give_up(self, cause: str) -> None:
        self.is_over = True
        if self._on_failure is not None:
            self._on_failure(cause)
