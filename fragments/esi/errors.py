"""What can be wrong with a page: a Problem has a stable word, a sentence and a place. Nothing here is raised across the border of fragments.esi.

EsiError    an expression or a tag can't be understood; becomes a Problem where its place in the page is known
EsiLimit    a budget is spent while evaluating: too many steps, too long a text, too large a list
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ERROR", "UNSUPPORTED", "WARNING", "EsiError", "EsiLimit", "Place", "Problem", "ProblemList", "Span"]

ERROR = "error"
UNSUPPORTED = "unsupported"
WARNING = "warning"


class Span(NamedTuple):
    """A stretch of the page, in octets from its beginning: start included, end not."""

    start: int
    end: int


class Place(NamedTuple):
    """Where something begins: octets from the beginning of the page; line and column count from 1, the column in octets."""

    offset: int
    line: int
    column: int


class Problem(NamedTuple):
    """One thing that is wrong in a page, or that we do not do.

    code        a stable word, as "unterminated-tag"
    message     for people: names what, and what was expected
    severity    "error", "unsupported" (known elsewhere, not here) or "warning" (taken as it was meant)
    """

    code: str
    message: str
    span: Span
    line: int
    column: int
    severity: str


class EsiError(Exception):
    """An expression or interpolation that can't be understood. offset: characters from the beginning of its text."""

    def __init__(self, code: str, message: str, offset: int) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.offset = offset


class EsiLimit(Exception):
    """An evaluation went beyond its budget. The message names the limit."""


class ProblemList:
    """Problems in the order in which they were met, up to a limit; then one more that says so, and no others."""

    __slots__ = ("limit", "problems")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.problems: list[Problem] = []

    @property
    def is_full(self) -> bool:
        """Further problems are not kept, so their places need not be computed."""
        return len(self.problems) > self.limit

    def add(self, code: str, message: str, place: Place, end: int, severity: str = ERROR) -> None:
        """Keep a problem of the octets from place to end."""
        if self.is_full:
            return
        span = Span(place.offset, end)
        if len(self.problems) == self.limit:
            code, severity = "too-many-problems", ERROR
            message = f"more than {self.limit} problems: further ones are not listed"
        self.problems.append(Problem(code, message, span, place.line, place.column, severity))
