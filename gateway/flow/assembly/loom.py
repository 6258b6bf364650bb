"""What assembly has learned and counted: it stays when the rules change, and so when a new weaver takes over."""

from __future__ import annotations

from fragments.esi.program import Program
from gateway.flow.assembly.fetching import Manifest

__all__ = ["Loom"]


class Loom:
    """One for the process.

    manifest    what each page led to when it was last assembled
    pages       assembled; raw_tags: ESI tags in pages that were not
    outcomes    includes, by what they came to; problems: faults of pages' markup, by code
    """

    __slots__ = ("manifest", "outcomes", "pages", "problems", "raw_tags")

    def __init__(self) -> None:
        self.manifest = Manifest()
        self.pages = 0
        self.raw_tags = 0
        self.outcomes: dict[str, int] = {}
        self.problems: dict[str, int] = {}

    def count_page(self, includes: int) -> None:
        """One page from memory, all of whose includes were there."""
        self.pages += 1
        self.outcomes["src"] = self.outcomes.get("src", 0) + includes

    def note_page(self, program: Program | None, raw: int) -> None:
        """A page was compiled to be stored; or is none, and has raw ESI tags in it."""
        self.raw_tags += raw
        for problem in program.problems if program is not None else ():
            self.count_problem(problem.code)

    def count(self, outcome: str) -> None:
        """One include, by what it came to."""
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1

    def count_problem(self, code: str) -> None:
        """One fault of a page's markup, by its code."""
        self.problems[code] = self.problems.get(code, 0) + 1
