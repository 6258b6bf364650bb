"""Text of an attribute or of a page → what can be evaluated for a request: an Expression (a test, a value) or an Interpolation (text with variables in it).

Parsing raises EsiError with an offset into the text. Evaluating raises EsiLimit, and nothing else: what has no value is undefined.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from fragments.esi.errors import EsiError, EsiLimit
from fragments.esi.expression_parser import ExpressionParser, Match
from fragments.esi.functions import FUNCTIONS, UNSUPPORTED_FUNCTIONS
from fragments.esi.operators import Evaluate
from fragments.esi.patterns import match_groups
from fragments.esi.scope import Scope

__all__ = [
    "EsiError",
    "EsiLimit",
    "Expression",
    "Interpolation",
    "Scope",
    "match_groups",
    "parse_expression",
    "parse_interpolation",
]


class Expression:
    """A compiled expression.

    evaluate    scope → value
    reads       names of the variables that it reads, whole or in part
    whole       those of them that it reads whole: $(NAME)
    items       (name, key) of each $(NAME{key}); the key is "*" when it is computed
    constant    it reads nothing: the same for all requests, at all times
    match       the operands of its last `matches`, for match_groups to find the groups; None when it has none
    """

    __slots__ = ("constant", "evaluate", "items", "match", "reads", "whole")

    def __init__(self, evaluate: Evaluate, parser: ExpressionParser) -> None:
        self.evaluate = evaluate
        self.reads = frozenset(parser.names)
        self.whole = frozenset(parser.whole)
        self.items = frozenset(parser.items)
        self.constant = parser.is_pure
        self.match: Match | None = parser.match


class Interpolation:
    """Text with expressions in it. parts: in order, no two texts beside each other. constant: the text, when there is nothing to evaluate."""

    __slots__ = ("constant", "items", "parts", "reads", "whole")

    def __init__(self, parts: tuple[str | Expression, ...]) -> None:
        self.parts = parts
        expressions = [part for part in parts if isinstance(part, Expression)]
        self.reads: frozenset[str] = frozenset().union(*(each.reads for each in expressions))
        self.whole: frozenset[str] = frozenset().union(*(each.whole for each in expressions))
        self.items: frozenset[tuple[str, str]] = frozenset().union(*(each.items for each in expressions))
        self.constant: str | None = None if expressions else "".join(part for part in parts if isinstance(part, str))


def parse_expression(text: str, *, functions: Collection[str] = ()) -> Expression:
    """An expression that takes up the whole text. functions: names of those that the page defines. Raises EsiError."""
    parser = ExpressionParser(text, functions)
    operand = parser.parse_whole()
    return Expression(operand.evaluate, parser)


def _after_failure(text: str, opened: list[int]) -> int:
    """Where to look for the next variable. Those that were open inside of the failed one failed with it: not to read them again keeps this linear."""
    calls = (start for start in opened if text[start + 1] != "(")
    return next(calls, opened[-1] + 2)


_CANDIDATE = re.compile(r"\$(?:\(\s*[A-Za-z_]|([A-Za-z_][A-Za-z0-9_]*)\()")


def parse_interpolation(text: str, *, functions: Collection[str] = ()) -> Interpolation:
    """Text with $(VAR…) and $function(…) in it.

    What is no variable ("$5", "$('.x')", "$(a b)") stays as text, and so does the call of a function that nobody knows. A known function
    with wrong arguments, or one that is not supported, raises EsiError.
    """
    parts: list[str | Expression] = []
    behind = at = 0
    while (candidate := _CANDIDATE.search(text, at)) is not None:
        name = candidate[1]
        if name is not None and name not in functions and name not in FUNCTIONS and name not in UNSUPPORTED_FUNCTIONS:
            at = candidate.end()
            continue
        parser = ExpressionParser(text, functions, candidate.start())
        try:
            evaluate = parser.reference()
        except EsiError:
            if name is not None:
                raise
            at = _after_failure(text, parser.opened)
            continue
        if candidate.start() > behind:
            parts.append(text[behind : candidate.start()])
        parts.append(Expression(evaluate, parser))
        behind = at = parser.at
    if behind < len(text):
        parts.append(text[behind:])
    return Interpolation(tuple(parts))
