"""What an expression can yield: how it is true, compares, prints, and how much of it may be trusted.

    str        the page's own text: passes as it is
    Encoded    text of the request after an encoding function: safe in HTML, still a stranger inside a script or a URL
    Tainted    text of the request: escaped wherever it goes out

What is made of several texts is as little trusted as the least of them (`kin`). So decoding what was encoded gives Tainted again, and the
author's own text is never escaped twice.

Every value holds at most MAX_ITEMS values and nests at most MAX_NESTING deep (`weigh`), so that walking one is always cheap.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from enum import Enum
from operator import eq, ge, gt, le, lt, ne
from typing import Any, TypeAlias
from urllib.parse import quote

from fragments.esi.errors import EsiLimit

__all__ = [
    "COMPARISONS",
    "MAX_INTEGER",
    "MAX_ITEMS",
    "MAX_TEXT",
    "Context",
    "Encoded",
    "Tainted",
    "Value",
    "bounded",
    "compare",
    "encoded",
    "escape",
    "is_empty",
    "is_true",
    "kin",
    "number_of",
    "subscript",
    "tainted_again",
    "text_of",
    "weigh",
]

Value: TypeAlias = "bool | int | str | list[Value] | dict[str, Value] | None"
"""None is "undefined"."""

MAX_TEXT = 65_536
MAX_ITEMS = 10_000
MAX_NESTING = 32
MAX_INTEGER = 2**63
"""Integers stay within ± this."""


class Tainted(str):
    """Text that came from a request."""

    __slots__ = ()


class Encoded(str):
    """Text from a request that went through an encoding function."""

    __slots__ = ()


# ── Trust ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _trust(value: Value) -> int:
    """0: the page's own; 1: Encoded in it; 2: Tainted in it."""
    if isinstance(value, str):
        return 2 if isinstance(value, Tainted) else 1 if isinstance(value, Encoded) else 0
    if isinstance(value, list):
        return max(map(_trust, value), default=0)
    if isinstance(value, dict):
        return max(max(map(_trust, value), default=0), max(map(_trust, value.values()), default=0))
    return 0


def kin(text: str, *sources: Value) -> str:
    """The text, trusted as little as the least trusted of the values that it was made from."""
    worst = max(map(_trust, sources), default=0)
    return text if worst == 0 else Tainted(text) if worst == 2 else Encoded(text)


def encoded(text: str, source: Value) -> str:
    """The result of an encoding function, from source."""
    return Encoded(text) if _trust(source) else text


def tainted_again(text: str, source: Value) -> str:
    """The result of a decoding function, from source."""
    return Tainted(text) if _trust(source) else text


# ── Sizes ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def weigh(value: Value, depth: int = 0) -> int:
    """How many values there are in a value, itself included. Raises EsiLimit when there are too many, or they nest too deep."""
    if not isinstance(value, (list, dict)):
        return 1
    if depth >= MAX_NESTING:
        raise EsiLimit(f"a list or dictionary nests more than {MAX_NESTING} deep")
    total = len(value)
    for member in value.values() if isinstance(value, dict) else value:
        if isinstance(member, (list, dict)):
            total += weigh(member, depth + 1) - 1
        if total > MAX_ITEMS:
            raise EsiLimit(f"a list or dictionary has more than {MAX_ITEMS:,} elements")
    return 1 + total


def bounded(value: Value) -> Value:
    """The value, when it is not too large: whatever an operator or function makes goes through here. Raises EsiLimit."""
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise EsiLimit(f"a text is longer than {MAX_TEXT:,} characters")
    elif isinstance(value, int):
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise EsiLimit("an integer is beyond 64 bits")
    elif value is not None:
        weigh(value)
    return value


# ── Truth, text, numbers, parts ──────────────────────────────────────────────────────────────────────────────────────────────────


def is_empty(value: Value) -> bool:
    """Undefined, or a text, list or dictionary with nothing in it."""
    return value is None or (not isinstance(value, int) and not value)


def is_true(value: Value) -> bool:
    """False are: undefined, false, 0, what is empty, and the text "false"."""
    return bool(value) and value != "false"


def text_of(value: Value) -> str:
    """The value as it is written into a page. Raises EsiLimit when a list or dictionary would be longer than a text may be."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    pieces, length = [], 0
    for piece in _pieces(value):
        pieces.append(piece)
        length += len(piece)
        if length > MAX_TEXT:
            raise EsiLimit(f"a list as text is longer than {MAX_TEXT:,} characters")
    return kin("".join(pieces), value)


def _pieces(value: Value) -> Iterator[str]:
    if isinstance(value, list):
        yield "["
        for position, member in enumerate(value):
            if position:
                yield ", "
            yield from _pieces(member)
        yield "]"
    elif isinstance(value, dict):
        yield "{"
        for position, (key, member) in enumerate(value.items()):
            yield f", {key}: " if position else f"{key}: "
            yield from _pieces(member)
        yield "}"
    else:
        yield text_of(value)


_INTEGER = re.compile(r"[+-]?[0-9]{1,100}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?[0-9]{1,100}\.[0-9]{1,100}", re.ASCII)


_NUMBERS_BEGIN = frozenset("+-.0123456789")


def number_of(value: Value) -> int | float | None:
    """An integer, or text that is one (or a decimal), as a number; None for all else. Booleans are no numbers."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and value[:1] in _NUMBERS_BEGIN:
        if _INTEGER.fullmatch(value):
            return int(value)
        if _DECIMAL.fullmatch(value):
            return float(value)
    return None


def subscript(value: Value, key: str) -> Value:
    """VALUE{key}: the element of a list (from 0, or from the end when negative) or of a dictionary; None when there is none."""
    if isinstance(value, dict):
        return value.get(key)
    if isinstance(value, list) and _INTEGER.fullmatch(key) and -len(value) <= (position := int(key)) < len(value):
        return value[position]
    return None


# ── Comparison ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[[Value, Value], bool]:
    """A comparison as numbers when both sides are numbers, else as text."""

    def compare_values(left: Value, right: Value) -> bool:
        if is_empty(left) or is_empty(right):
            return False
        if (number := number_of(left)) is not None and (other := number_of(right)) is not None:
            return test(number, other)
        return test(text_of(left), text_of(right))

    return compare_values


def _has(left: Value, right: Value) -> bool:
    if is_empty(left) or is_empty(right):
        return False
    wanted = text_of(right)
    if isinstance(left, (list, dict)):
        return any(text_of(member) == wanted for member in left)
    return wanted in text_of(left)


def _has_i(left: Value, right: Value) -> bool:
    if is_empty(left) or is_empty(right):
        return False
    wanted = text_of(right).lower()
    if isinstance(left, (list, dict)):
        return any(text_of(member).lower() == wanted for member in left)
    return wanted in text_of(left).lower()


COMPARISONS: dict[str, Callable[[Value, Value], bool]] = {
    "==": _ordered(eq),
    "!=": _ordered(ne),
    "<": _ordered(lt),
    ">": _ordered(gt),
    "<=": _ordered(le),
    ">=": _ordered(ge),
    "has": _has,
    "has_i": _has_i,
}
"""All but matches, which is in patterns. "If an operand is empty or undefined, the expression will always evaluate to false." ESI 1.0 §5.1"""


def compare(operator: str, left: Value, right: Value) -> bool:
    """One of COMPARISONS. An operand that is undefined or empty makes it false, whatever the operator."""
    return COMPARISONS[operator](left, right)


# ── Escaping ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Context(Enum):
    """Where a text goes out to.

    HTML, XML   text and quoted attribute values. An attribute without quotes, or one that is code (onclick), is not made safe
    SCRIPT      inside a string literal of JavaScript; outside of one, what could do harm is a syntax error
    JSON        inside a string of JSON
    URL         one value in a URL
    QUERY       a whole query string: what separates its parts stays
    PATH        a whole path, at the beginning of a reference: its slashes stay, and it names no host
    TEXT        neither markup nor code: as it is
    """

    HTML = "html"
    SCRIPT = "script"
    JSON = "json"
    XML = "xml"
    TEXT = "text"
    URL = "url"
    QUERY = "query"
    PATH = "path"


_MARKUP = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})
_NOT_FOR_SCRIPT = re.compile("[\x00-\x1f!-+/:-@\\[-^`{-\x7f\u0085\u2028\u2029]")
"""ASCII but letters, digits, space and `_ , - .` (OWASP: all but alphanumerics), and what ends a line."""
_NOT_FOR_JSON = re.compile('[\x00-\x1f"\\\\<>&\x7f\u2028\u2029]')


def _hexadecimal(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}"


def _four_digits(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def escape(text: str, context: Context) -> str:
    """The text as it may go out there. The page's own text passes as it is; so does Encoded, except into scripts and URLs."""
    if not isinstance(text, (Tainted, Encoded)) or context is Context.TEXT:
        return text
    if context is Context.SCRIPT:
        return _NOT_FOR_SCRIPT.sub(_hexadecimal, text)
    if context is Context.JSON:
        return _NOT_FOR_JSON.sub(_four_digits, text)
    was_encoded = isinstance(text, Encoded)
    if context is Context.URL:  # a % in what was encoded begins an octet: it would be encoded twice
        return quote(text, safe=":,@%" if was_encoded else ":,@", errors="surrogateescape")
    if context is Context.QUERY:
        return quote(text, safe=":,@/?!$*()=&%+;", errors="surrogateescape")
    if context is Context.PATH:
        path = quote(text, safe=":,@/!$*()=&%+;", errors="surrogateescape")
        return f"/%2F{path[2:]}" if path.startswith("//") else path
    return text if was_encoded else text.translate(_MARKUP)
