"""Closures for what an expression is made of: each takes a Scope and yields a Value. The parser builds them once, a request only calls them.

Long chains (`a + b + c`, `a & b & c`) are one closure with a loop, so that their length is no depth of calls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fragments.esi.functions import BuiltinFunction
from fragments.esi.functions.builtin import size_of
from fragments.esi.functions.lists import integers_between
from fragments.esi.patterns import cost, is_match
from fragments.esi.scope import Scope
from fragments.esi.values import COMPARISONS, Value, bounded, is_empty, is_true, kin, number_of, subscript, text_of

__all__ = [
    "Evaluate",
    "all_of",
    "any_of",
    "arithmetic",
    "built_in_call",
    "comparison",
    "constant",
    "dictionary",
    "integer_range",
    "item",
    "list_of",
    "negation",
    "negative",
    "page_call",
    "part",
    "variable",
    "with_default",
]

Evaluate = Callable[[Scope], Value]


def constant(value: Value) -> Evaluate:
    """A literal."""
    return lambda _scope: value


# ── Variables ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def variable(name: str) -> Evaluate:
    """$(NAME)."""
    return lambda scope: scope.variable(name)


def item(name: str, key: Evaluate | str) -> Evaluate:
    """$(NAME{key}), with a literal key or a computed one."""
    if isinstance(key, str):
        return lambda scope: scope.item(name, key)
    return lambda scope: scope.item(name, _key_text(key, scope))


def part(value: Evaluate, key: Evaluate | str) -> Evaluate:
    """A further {key} on what the first one yields."""
    if isinstance(key, str):
        return lambda scope: subscript(value(scope), key)
    return lambda scope: subscript(value(scope), _key_text(key, scope))


def _key_text(key: Evaluate, scope: Scope) -> str:
    value = key(scope)
    scope.spend(1 + size_of(value) // 1024)
    return text_of(value)


def with_default(value: Evaluate, default: Evaluate) -> Evaluate:
    """`|default`: what stands in for an undefined or empty value."""

    def evaluate(scope: Scope) -> Value:
        found = value(scope)
        return default(scope) if is_empty(found) else found

    return evaluate


# ── Truth ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def negation(operand: Evaluate) -> Evaluate:
    """!x."""

    def evaluate(scope: Scope) -> Value:
        scope.spend(1)
        return not is_true(operand(scope))

    return evaluate


def all_of(operands: Sequence[Evaluate]) -> Evaluate:
    """x & y & …: stops at the first that is false."""

    def evaluate(scope: Scope) -> Value:
        for operand in operands:
            scope.spend(1)
            if not is_true(operand(scope)):
                return False
        return True

    return evaluate


def any_of(operands: Sequence[Evaluate]) -> Evaluate:
    """x | y | …: stops at the first that is true."""

    def evaluate(scope: Scope) -> Value:
        for operand in operands:
            scope.spend(1)
            if is_true(operand(scope)):
                return True
        return False

    return evaluate


def comparison(operator: str, left: Evaluate, right: Evaluate) -> Evaluate:
    """One of values.COMPARISONS, or matches and matches_i."""
    if operator.startswith("matches"):
        ignore_case = operator == "matches_i"

        def evaluate_match(scope: Scope) -> Value:
            subject, pattern = left(scope), right(scope)
            scope.spend(cost(pattern, subject))
            return is_match(pattern, subject, ignore_case=ignore_case)

        return evaluate_match

    compare = COMPARISONS[operator]

    def evaluate(scope: Scope) -> Value:
        first, second = left(scope), right(scope)
        scope.spend(1 + (size_of(first) + size_of(second)) // 1024)
        return compare(first, second)

    return evaluate


# ── Arithmetic ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _add(left: Value, right: Value) -> Value:
    """Integers are added, lists joined; all else is put together as text. Undefined is no text: nothing is added."""
    if type(left) is int and type(right) is int:
        return left + right
    if isinstance(left, list) and isinstance(right, list):
        return left + right
    return kin(text_of(left) + text_of(right), left, right)


def _integers(left: Value, right: Value) -> tuple[int, int] | None:
    first, second = number_of(left), number_of(right)
    return (first, second) if isinstance(first, int) and isinstance(second, int) else None


def _subtract(left: Value, right: Value) -> Value:
    return pair[0] - pair[1] if (pair := _integers(left, right)) else None


def _multiply(left: Value, right: Value) -> Value:
    return pair[0] * pair[1] if (pair := _integers(left, right)) else None


def _divide(left: Value, right: Value) -> Value:
    """Toward zero."""
    pair = _integers(left, right)
    if pair is None or pair[1] == 0:
        return None
    quotient = abs(pair[0]) // abs(pair[1])
    return quotient if (pair[0] < 0) == (pair[1] < 0) else -quotient


def _remainder(left: Value, right: Value) -> Value:
    """What _divide leaves: it has the sign of the dividend."""
    pair = _integers(left, right)
    if pair is None or pair[1] == 0:
        return None
    rest = abs(pair[0]) % abs(pair[1])
    return rest if pair[0] >= 0 else -rest


_ARITHMETIC: dict[str, Callable[[Value, Value], Value]] = {
    "+": _add,
    "-": _subtract,
    "*": _multiply,
    "/": _divide,
    "%": _remainder,
}


def arithmetic(first: Evaluate, rest: Sequence[tuple[str, Evaluate]]) -> Evaluate:
    """x + y - z …, from left to right. What is no integer makes the result undefined, except with +."""
    steps = [(_ARITHMETIC[operator], operand) for operator, operand in rest]

    def evaluate(scope: Scope) -> Value:
        result = first(scope)
        for operate, operand in steps:
            other = operand(scope)
            scope.spend(1 + (size_of(result) + size_of(other)) // 1024)
            result = bounded(operate(result, other))
        return result

    return evaluate


def negative(operand: Evaluate) -> Evaluate:
    """-x; undefined when x is no integer."""

    def evaluate(scope: Scope) -> Value:
        scope.spend(1)
        number = number_of(operand(scope))
        return bounded(-number) if isinstance(number, int) else None

    return evaluate


# ── Lists, dictionaries, calls ───────────────────────────────────────────────────────────────────────────────────────────────────


def list_of(members: Sequence[Evaluate]) -> Evaluate:
    """[a, b, …]."""

    def evaluate(scope: Scope) -> Value:
        made = bounded([member(scope) for member in members])
        scope.spend(1 + size_of(made) // 1024)
        return made

    return evaluate


def dictionary(entries: Sequence[tuple[Evaluate, Evaluate]]) -> Evaluate:
    """{key: value, …}; keys are texts, the last of the same wins."""

    def evaluate(scope: Scope) -> Value:
        made = bounded({_key_text(key, scope): value(scope) for key, value in entries})
        scope.spend(1 + size_of(made) // 1024)
        return made

    return evaluate


def integer_range(first: Evaluate, last: Evaluate) -> Evaluate:
    """[first..last]."""

    def evaluate(scope: Scope) -> Value:
        members = integers_between(first(scope), last(scope))
        scope.spend(1 + size_of(members) // 1024)
        return members

    return evaluate


def built_in_call(function: BuiltinFunction, arguments: Sequence[Evaluate]) -> Evaluate:
    """$name(…) of the library."""
    call = function.call
    return lambda scope: call(scope, [argument(scope) for argument in arguments])


def page_call(name: str, arguments: Sequence[Evaluate]) -> Evaluate:
    """$name(…) of the page; undefined when it has none of that name after all."""

    def evaluate(scope: Scope) -> Value:
        values = [argument(scope) for argument in arguments]
        scope.spend(1 + sum(map(size_of, values)) // 1024)
        try:
            return scope.call(name, values)
        except KeyError:
            return None

    return evaluate
