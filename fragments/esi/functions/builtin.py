"""What a library function is: a name, how many arguments, one line, an example that a test runs, and the work.

Arguments of a wrong type yield undefined, never an exception. What the work makes is held to the sizes of values.bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fragments.esi.scope import Scope
from fragments.esi.values import Value, bounded, weigh

__all__ = ["MANY", "BuiltinFunction", "Example", "Work", "scalar", "size_of"]

MANY = 16
"""Most arguments that a function with any number of them takes."""

Work = Callable[..., Value]

_ELEMENT = 256
"""Measured: comparing, copying or writing out an element takes as long as some hundred characters."""


class Example(NamedTuple):
    """An expression and the text that it yields (at the epoch second 784111777, the example date of RFC 9110, with 0.5 as chance)."""

    expression: str
    text: str


class BuiltinFunction:
    """One function of the library.

    minimum, maximum    how many arguments
    pure                the same arguments always yield the same
    effort              what a character costs, compared with other functions
    """

    __slots__ = ("_effort", "_work", "example", "maximum", "minimum", "name", "pure", "summary")

    def __init__(
        self,
        name: str,
        work: Work,
        arguments: tuple[int, int],
        summary: str,
        example: tuple[str, str],
        *,
        pure: bool = True,
        effort: int = 1,
    ) -> None:
        self.name = name
        self.minimum, self.maximum = arguments
        self.summary = summary
        self.example = Example(*example)
        self.pure = pure
        self._work = work
        self._effort = effort

    def call(self, scope: Scope, arguments: list[Value]) -> Value:
        """Do it. The number of arguments is right. Raises EsiLimit when the budget is spent or the result is too large."""
        scope.spend(1 + sum(map(size_of, arguments)) * self._effort // 1024)
        result = bounded(self._work(*arguments) if self.pure else self._work(scope, *arguments))
        if (size := size_of(result)) >= 1024:
            scope.spend(size // 1024)
        return result


def size_of(value: Value) -> int:
    """Roughly how much there is to walk through: characters, or elements at all depths, each worth _ELEMENT of them. Raises EsiLimit."""
    if isinstance(value, str):
        return len(value)
    return weigh(value) * _ELEMENT if isinstance(value, (list, dict)) else 1


def scalar(value: Value) -> str | None:
    """The text of a text, number or boolean; None for what has no plain text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else None
