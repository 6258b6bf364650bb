"""What goes in and out of an assembler: holes with their needs, fragments that fill them, pieces of the page; and what a page may cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from fragments.esi.program import Fetch, Program, Static
from fragments.esi.values import Context

if TYPE_CHECKING:
    from fragments.assembly.stage import Sink, Thread

__all__ = ["DEFAULT_BUDGET", "Budget", "Fragment", "Hole", "Output"]


class Budget(NamedTuple):
    """What one page may cost.

    steps       of programs and expressions (a loop that appends a letter takes about five); some tens of ms, half a second for the worst page known
    holes       includes and evals
    octets      written by variables and loops, the page's own text outside loops apart
    functions   calls inside each other
    """

    steps: int = 100_000
    holes: int = 256  # Fastly, Akamai: 256 and less
    octets: int = 8 * 2**20
    functions: int = 32


DEFAULT_BUDGET = Budget()


class Fragment:
    """What came for a hole. reason: why nothing did; then body is empty. source: the caller's own."""

    __slots__ = ("body", "programs", "reason", "source")

    def __init__(self, body: bytes, source: Any = None, reason: str = "") -> None:
        self.body = body
        self.source = source
        self.reason = reason
        self.programs: dict[tuple[Context, frozenset[str]], Program] | None = None  # what evals made of it

    @classmethod
    def failed(cls, reason: str, source: Any = None) -> Fragment:
        """Nothing came."""
        return cls(b"", source, reason)


Output: TypeAlias = "Static | bytes | Fragment"
"""A piece of the page: the same for all, made for this request, or fetched."""


class Hole:
    """A place in the page whose content comes from elsewhere.

    url         reference to ask for now, as the page has it
    waits       it is an eval: what follows waits for it
    stage       what is tried now: "src", "alt", "fallback"; "done"; "dropped" (its attempt failed)
    outcome     what it came to: "src", "alt", "fallback", "nothing", "failed", "dropped"
    reasons     why src and alt brought nothing
    fragment    what came
    note        the caller's own
    """

    __slots__ = (
        "around",
        "fetch",
        "fragment",
        "note",
        "out",
        "outcome",
        "reasons",
        "section",
        "stage",
        "thread",
        "url",
        "variables",
        "waits",
    )

    def __init__(self, fetch: Fetch, url: str, thread: Thread, *, waits: bool) -> None:
        self.fetch = fetch
        self.url = url
        self.section = thread.section
        self.thread = thread
        self.around = thread.frames[-1]
        self.variables = thread.variables
        self.waits = waits
        self.stage = "src"
        self.outcome = ""
        self.reasons: list[str] = []
        self.fragment: Fragment | None = None
        self.out: Sink = []
        self.note: Any = None

    @property
    def label(self) -> str:
        """The reference as the page has it, its variables by their place only: what they came to may be a cookie's value."""
        fetch = self.fetch
        text = fetch.alt if fetch.alt is not None and "alt" in (self.stage, self.outcome) else fetch.src
        return text.constant or "".join([part if isinstance(part, str) else "$(...)" for part in text.parts])

    @property
    def is_open(self) -> bool:
        """It waits for a fragment."""
        return self.stage in ("src", "alt")
