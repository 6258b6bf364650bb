"""What became of a reload, and whom a worker asks for one. Plain values: anybody above the endpoints may import them."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Protocol

__all__ = ["Outcome", "Parent"]


class Outcome(NamedTuple):
    """The answer to a reload.

    status      done · unchanged: the settings are in force · refused: they have faults · failed: a worker could not build them · busy: another is under way
    generation  of the settings in force now; 1 at the start, one more for each that was taken
    faults      lines; of the settings (refused), or with the worker's number in front (failed): the old ones go on everywhere
    changes     rows (path, old, new, effect), as gateway/settings/difference.py words them
    restarted   a rolling restart was asked for, and has begun
    """

    status: Literal["done", "unchanged", "refused", "failed", "busy"]
    generation: int
    faults: list[str]
    changes: list[list[str]]
    restarted: bool


class Parent(Protocol):
    """The parent, as a worker can ask it."""

    async def reload(self, *, dry_run: bool = False, restart: bool = False) -> Outcome:
        """Read the settings anew and put them into force in all workers.

        dry_run: only read, check and compare. restart: by new workers, one after the other; the answer comes once the first of them serves.
        Raises ConnectionError when the parent is gone.
        """

    async def figures(self, own: bytes) -> list[Any]:
        """Reports (gateway/telemetry/adding_up.py) of everybody else: other workers, dead ones, the parent. own: this worker's, as JSON.

        Raises ConnectionError when the parent is gone.
        """

    async def others(self, what: Literal["trace", "traces"], **words: object) -> list[dict[str, Any]]:
        """What the other workers say to a question; those who don't answer within half a second are left out.

        trace (name, here, page)   {"shown": (header fields, content) or None}, as endpoints/trace.py shows it
        traces                     {"summaries": [...]}, the last ones

        Raises ConnectionError when the parent is gone.
        """
