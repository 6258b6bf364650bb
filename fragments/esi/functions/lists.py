"""Functions of lists. They make new lists; no list ever changes."""

from __future__ import annotations

from fragments.esi.errors import EsiLimit
from fragments.esi.functions.builtin import BuiltinFunction, scalar
from fragments.esi.values import MAX_INTEGER, MAX_ITEMS, MAX_TEXT, Value, kin, number_of, text_of

__all__ = ["LISTS", "integers_between"]


def integers_between(first: Value, last: Value) -> Value:
    """The list of integers from first to last, both included; undefined if they are none. Raises EsiLimit when there are too many."""
    start, end = number_of(first), number_of(last)
    if not isinstance(start, int) or not isinstance(end, int) or max(abs(start), abs(end)) > MAX_INTEGER:
        return None
    if end - start >= MAX_ITEMS:
        raise EsiLimit(f"a range has more than {MAX_ITEMS:,} elements")
    return list(range(start, end + 1))


def _join(value: Value, separator: Value = " ") -> Value:
    mark = scalar(separator)
    if not isinstance(value, list) or mark is None:
        return None
    pieces, length = [], -len(mark)
    for member in value:
        pieces.append(text_of(member))
        length += len(pieces[-1]) + len(mark)
        if length > MAX_TEXT:
            raise EsiLimit(f"joining makes a text longer than {MAX_TEXT:,} characters")
    return kin(mark.join(pieces), value, separator)


def _list_delitem(value: Value, position: Value) -> Value:
    number = number_of(position)
    if not isinstance(value, list) or not isinstance(number, int):
        return None
    if not -len(value) <= number < len(value):
        return value
    number %= len(value)
    return value[:number] + value[number + 1 :]


LISTS = (
    BuiltinFunction(
        "join",
        _join,
        (1, 2),
        "The elements of a list as one text, a separator (or a space) between.",
        ("$join([1, 2], '/')", "1/2"),
    ),
    BuiltinFunction(
        "list_delitem",
        _list_delitem,
        (2, 2),
        "The list without the element at a position.",
        ("$list_delitem(['a', 'b', 'c'], 1)", "[a, c]"),
    ),
    BuiltinFunction(
        "range",
        integers_between,
        (2, 2),
        "The list of integers from one to another, both included.",
        ("$range(1, 3)", "[1, 2, 3]"),
    ),
)
