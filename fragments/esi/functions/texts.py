"""Functions that cut, change and search text. Positions count characters, from 0; negative ones from the end."""

from __future__ import annotations

from collections.abc import Callable

from fragments.esi.errors import EsiLimit
from fragments.esi.functions.builtin import BuiltinFunction, scalar
from fragments.esi.values import MAX_ITEMS, MAX_TEXT, Value, kin, number_of

__all__ = ["TEXTS"]


def _changed(change: Callable[[str], str]) -> Callable[[Value], Value]:
    def work(value: Value) -> Value:
        text = scalar(value)
        return None if text is None else kin(change(text), value)

    return work


def _stripped(strip: Callable[[str, str | None], str]) -> Callable[..., Value]:
    def work(value: Value, characters: Value = None) -> Value:
        text = scalar(value)
        return None if text is None else kin(strip(text, scalar(characters)), value)

    return work


def _len(value: Value) -> Value:
    if isinstance(value, (list, dict)):
        return len(value)
    return len(scalar(value) or "")


def _substr(value: Value, start: Value, length: Value = None) -> Value:
    text, first = scalar(value), number_of(start)
    if text is None or not isinstance(first, int):
        return None
    if first < 0:
        first = max(0, len(text) + first)
    if length is None:
        return kin(text[first:], value)
    count = number_of(length)
    if not isinstance(count, int):
        return None
    return kin(text[first : first + count] if count >= 0 else text[first:count], value)


def _index(value: Value, wanted: Value) -> Value:
    text, part = scalar(value), scalar(wanted)
    return None if text is None or part is None else text.find(part)


def _rindex(value: Value, wanted: Value) -> Value:
    text, part = scalar(value), scalar(wanted)
    return None if text is None or part is None else text.rfind(part)


def _replace(value: Value, old: Value, new: Value, count: Value = None) -> Value:
    text, part, instead = scalar(value), scalar(old), scalar(new)
    times = -1 if count is None else number_of(count)
    if text is None or part is None or instead is None or not isinstance(times, int):
        return None
    if not part:
        return value
    found = text.count(part)
    found = found if times < 0 else min(found, times)
    if len(text) + found * (len(instead) - len(part)) > MAX_TEXT:
        raise EsiLimit(f"replacing makes a text longer than {MAX_TEXT:,} characters")
    return kin(text.replace(part, instead, found), value, new)


def _string_split(value: Value, separator: Value = " ", most: Value = None) -> Value:
    text, mark = scalar(value), scalar(separator)
    times = -1 if most is None else number_of(most)
    if text is None or not mark or not isinstance(times, int):
        return None
    pieces = text.split(mark, MAX_ITEMS if times < 0 else min(times, MAX_ITEMS))
    return [kin(piece, value) for piece in pieces]


def _reverse(value: Value) -> Value:
    if isinstance(value, list):
        return value[::-1]
    text = scalar(value)
    return None if text is None else kin(text[::-1], value)


def _always(text: str) -> Callable[[], Value]:
    return lambda: text


TEXTS = (
    BuiltinFunction("lower", _changed(str.lower), (1, 1), "The text in lower case.", ("$lower('ÀB1')", "àb1")),
    BuiltinFunction("upper", _changed(str.upper), (1, 1), "The text in upper case.", ("$upper('àb1')", "ÀB1")),
    BuiltinFunction(
        "len", _len, (1, 1), "How many characters a text has, or elements a list; 0 if undefined.", ("$len('abc')", "3")
    ),
    BuiltinFunction(
        "substr",
        _substr,
        (2, 3),
        "A part of the text: from a position, of a length (else to the end; a negative length leaves off as many).",
        ("$substr('abcdef', 2, 3)", "cde"),
    ),
    BuiltinFunction(
        "index", _index, (2, 2), "Where a text first occurs in another; -1 if it does not.", ("$index('banana', 'an')", "1")
    ),
    BuiltinFunction(
        "rindex", _rindex, (2, 2), "Where a text last occurs in another; -1 if not.", ("$rindex('banana', 'an')", "3")
    ),
    BuiltinFunction(
        "replace",
        _replace,
        (3, 4),
        "The text with each occurrence of a second one replaced by a third; only the first ones, if a number is given.",
        ("$replace('a-b-c', '-', '+', 1)", "a+b-c"),
    ),
    BuiltinFunction(
        "strip",
        _stripped(str.strip),
        (1, 2),
        "The text without white space (or any of the given characters) at both ends.",
        ("$strip('  a b ')", "a b"),
    ),
    BuiltinFunction(
        "lstrip", _stripped(str.lstrip), (1, 2), "As strip, at the beginning only.", ("$lstrip('xxaxx', 'x')", "axx")
    ),
    BuiltinFunction("rstrip", _stripped(str.rstrip), (1, 2), "As strip, at the end only.", ("$rstrip('xxaxx', 'x')", "xxa")),
    BuiltinFunction(
        "string_split",
        _string_split,
        (1, 3),
        "A list of the parts between separators (a space, if not given), after at most as many cuts as given.",
        ("$string_split('a,b,c', ',', 1)", "[a, b,c]"),
    ),
    BuiltinFunction("reverse", _reverse, (1, 1), "The text or list from its end to its beginning.", ("$reverse('abc')", "cba")),
    BuiltinFunction("dollar", _always("$"), (0, 0), "A dollar sign.", ("$dollar() + '(X)'", "$(X)")),
    BuiltinFunction("dquote", _always('"'), (0, 0), "A double quotation mark.", ("$dquote()", '"')),
    BuiltinFunction("squote", _always("'"), (0, 0), "A single quotation mark.", ("$squote()", "'")),
)
