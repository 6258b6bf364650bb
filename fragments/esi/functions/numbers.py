"""Functions of numbers, truth and existence."""

from __future__ import annotations

import re

from fragments.esi.functions.builtin import MANY, BuiltinFunction
from fragments.esi.scope import Scope
from fragments.esi.values import MAX_INTEGER, Value, is_empty, is_true, number_of, text_of

__all__ = ["NUMBERS"]

_DEFAULT_RANGE = 100_000_000
"""Akamai: $rand() is less than this."""
_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,20}\s*", re.ASCII)


def _int(value: Value) -> Value:
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str) and _INTEGER.fullmatch(value) and -MAX_INTEGER <= (number := int(value)) <= MAX_INTEGER:
        return number
    return None


def _integers(values: tuple[Value, ...]) -> list[int] | None:
    """All of them, or of the list that is the only one, as integers."""
    members = values[0] if len(values) == 1 and isinstance(values[0], list) else values
    found = [number for each in members if isinstance(number := number_of(each), int)]
    return found if found and len(found) == len(members) else None


def _min(*values: Value) -> Value:
    integers = _integers(values)
    return None if integers is None else min(integers)


def _max(*values: Value) -> Value:
    integers = _integers(values)
    return None if integers is None else max(integers)


def _abs(value: Value) -> Value:
    number = number_of(value)
    return abs(number) if isinstance(number, int) else None


def _rand(scope: Scope, below: Value = _DEFAULT_RANGE) -> Value:
    number = number_of(below)
    return int(scope.random() * number) if isinstance(number, int) and 0 < number <= MAX_INTEGER else None


NUMBERS = (
    BuiltinFunction("int", _int, (1, 1), "The text as an integer; undefined if it is none.", ("$int(' 42 ') + 1", "43")),
    BuiltinFunction("str", text_of, (1, 1), "The value as text.", ("$str(4) + 2", "42")),
    BuiltinFunction("bool", is_true, (1, 1), "Whether the value is true.", ("$bool('false')", "false")),
    BuiltinFunction(
        "exists",
        lambda value: not is_empty(value),
        (1, 1),
        "Whether the value is defined and not empty.",
        ("$exists($(NO_SUCH))", "false"),
    ),
    BuiltinFunction("is_empty", is_empty, (1, 1), "Whether the value is undefined or empty.", ("$is_empty('')", "true")),
    BuiltinFunction("min", _min, (1, MANY), "The least of the integers, or of a list of them.", ("$min(3, 1, 2)", "1")),
    BuiltinFunction("max", _max, (1, MANY), "The greatest of the integers, or of a list of them.", ("$max([3, 1, 2])", "3")),
    BuiltinFunction("abs", _abs, (1, 1), "The integer without its sign.", ("$abs(-3)", "3")),
    BuiltinFunction(
        "rand",
        _rand,
        (0, 1),
        "A random integer from 0 to below the given one (100,000,000 if not given).",
        ("$rand(10)", "5"),
        pure=False,
    ),
)
