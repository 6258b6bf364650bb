"""What an expression may ask of the outside: variables, functions of the page, the time, chance, and a budget."""

from __future__ import annotations

from typing import Protocol

from fragments.esi.values import Value

__all__ = ["Scope"]


class Scope(Protocol):
    """One evaluation's surroundings. Within one page it is the same page over: `now` does not move.

    All methods answer at once and may be called any number of times. Text from the request comes as Tainted.
    """

    @property
    def now(self) -> float:
        """Epoch seconds."""

    def variable(self, name: str) -> Value:
        """An assigned or request variable, whole; None when it is undefined."""

    def item(self, name: str, key: str) -> Value:
        """NAME{key}; None when there is no such variable or item."""

    def call(self, name: str, arguments: list[Value]) -> Value:
        """What a function defined in the page returns. Raises KeyError when there is none of that name."""

    def random(self) -> float:
        """A number, 0 ≤ x < 1."""

    def spend(self, steps: int) -> None:
        """Take steps off the budget. Raises EsiLimit when it is spent."""
