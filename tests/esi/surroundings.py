"""A scope with facts of a request, a clock that stands still, and a budget that can be read off."""

from __future__ import annotations

from fragments.esi.errors import EsiLimit
from fragments.esi.values import Tainted, Value, subscript

__all__ = ["FACTS", "Surroundings"]

FACTS: dict[str, Value] = {
    "HTTP_HOST": Tainted("shop.example"),
    "HTTP_COOKIE": {
        "group": Tainted("Advanced"),
        "n": Tainted("7"),
        "evil": Tainted("<b>"),
        "empty": Tainted(""),
        "a-b.c": Tainted("dotted"),
    },
    "HTTP_ACCEPT_LANGUAGE": [Tainted("de"), Tainted("en-GB")],
    "QUERY_STRING": {"page": Tainted("12"), "key": Tainted("group")},
    "count": 3,
    "yes": True,
    "no": False,
    "list": ["a", "b", "c"],
    "nested": [[1, 2], {"k": "v"}],
    "nothing": "",
}
"""Variables of the corpus's request."""


class Surroundings:
    """What an expression is evaluated in. steps: left of the budget."""

    now = 784111777.25

    def __init__(self, steps: int = 10_000) -> None:
        self.steps = steps
        self.spent = 0
        self.asked: list[str] = []

    def variable(self, name: str) -> Value:
        self.asked.append(name)
        return FACTS.get(name)

    def item(self, name: str, key: str) -> Value:
        self.asked.append(f"{name}{{{key}}}")
        return subscript(FACTS.get(name), key)

    def call(self, name: str, arguments: list[Value]) -> Value:
        return {"twice": lambda: [*arguments, *arguments], "first": lambda: arguments[0]}[name]()

    def random(self) -> float:
        return 0.5

    def spend(self, steps: int) -> None:
        assert steps >= 1
        self.spent += steps
        if self.spent > self.steps:
            raise EsiLimit("out of steps")
