"""One line for each fault: path, wish, value, where the value came from. A secret's value is in none of them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic_core import ErrorDetails

from gateway.settings.shape import Leaf, Path, mentions, node_at, shorten, show_path
from gateway.settings.units import Secret

__all__ = ["Fault", "excerpt", "fault_of", "origin_at"]


class Fault(NamedTuple):
    """A line, and the path it is about (empty when it is about a whole file)."""

    path: Path
    line: str

    @classmethod
    def plain(cls, line: str) -> Fault:
        """Any other line."""
        return cls((), line)

    @classmethod
    def unknown(cls, path: Path, origin: str, hint: str) -> Fault:
        """There is no setting of this name."""
        return cls(path, f"{show_path(path)}: unknown setting{_from(origin)}{hint}")

    @classmethod
    def unset(cls, path: Path) -> Fault:
        """There must be a value."""
        return cls(path, f"{show_path(path)}: required, not set")

    @classmethod
    def wrong(cls, path: Path, wish: str, value: object, origin: str, because: str = "") -> Fault:
        """The value is not what it should be."""
        shown = "***" if holds_secret(path) else excerpt(value)
        return cls(path, f"{show_path(path)}: expected {wish}, got {shown}{_from(origin)}{f': {because}' if because else ''}")


def fault_of(error: ErrorDetails, origins: Mapping[Path, str]) -> Fault:
    """What pydantic found, in our words."""
    path: Path = tuple(part for part in error["loc"] if part != "[key]")
    origin = origin_at(path, origins)
    match error["type"]:
        case "missing":
            return Fault(path, Fault.unset(path).line + _from(origin))
        case "extra_forbidden":
            return Fault.unknown(path, origin, _neighbour(path))
        case _:
            return Fault.wrong(path, _wish(error, path), error["input"], origin)


def origin_at(path: Path, origins: Mapping[Path, str]) -> str:
    """Where the value at a path came from; a part of a list comes from where the list does, a table from where its first value does.

    '' for a default.
    """
    for end in range(len(path), 0, -1):
        if path[:end] in origins:
            return origins[path[:end]]
    return next((origin for each, origin in origins.items() if each[: len(path)] == path), "")


_PASSWORD = re.compile(r"//[^/@\s]*@")


def excerpt(value: object, *, bare: bool = False) -> str:
    """A value as it can stand in a line: one line, at most 80 signs, without a URL's user and password."""
    try:
        text = str(value) if bare else repr(value)
    except (ValueError, RecursionError):  # an int of 5000 digits, a list of 1000 lists
        text = f"<{type(value).__name__}>"
    text = _PASSWORD.sub("//***@", text)
    return shorten(text)


def holds_secret(path: Path) -> bool:
    """Whether what stands at this path, or would stand there, can hold a secret."""
    for end in range(len(path), 0, -1):
        node = node_at(path[:end])
        if node is not None:
            if node.section is not None:
                return any(mentions(field.annotation, Secret) for field in node.section.model_fields.values())
            return node.field is not None and mentions(node.field.annotation, Secret)
    return False


def _from(origin: str) -> str:
    return f" ({origin})" if origin else ""


def _neighbour(path: Path) -> str:
    """What an unknown name in a list of tables could have meant; elsewhere the layers have asked already."""
    table = node_at(path[:-1])
    known = list(table.section.model_fields) if table is not None and table.section is not None else []
    near = difflib.get_close_matches(str(path[-1])[:200], known, n=1, cutoff=0.75)
    return f"; did you mean {show_path((*path[:-1], near[0]))}?" if near else ""


def _wish(error: ErrorDetails, path: Path) -> str:
    node, context = node_at(path), error.get("ctx", {})
    if node is None or node.field is None:
        return error["msg"]
    leaf = Leaf(path, node.field)
    unit = f" {leaf.unit}" if leaf.unit else ""
    within_list = isinstance(path[-1], int)
    symbols = {
        "greater_than_equal": (">=", "ge"),
        "greater_than": (">", "gt"),
        "less_than_equal": ("<=", "le"),
        "less_than": ("<", "lt"),
    }
    wish: Any
    match error["type"]:
        case "value_error":
            wish = context.get("error", error["msg"])
        case kind if kind in symbols:
            symbol, key = symbols[kind]
            wish = f"{symbol} {context[key]:.15g}{unit}" if isinstance(context[key], float) else f"{symbol} {context[key]}{unit}"
        case "literal_error":
            wish = "one of " + ", ".join(map(repr, leaf.words))
        case "too_long":
            wish = f"at most {context['max_length']} values"
        case "string_too_long":
            wish = f"at most {context['max_length']} characters"
        case "string_too_short":
            wish = f"at least {context['min_length']} character{'' if context['min_length'] == 1 else 's'}"
        case "finite_number":
            wish = f"a finite number{f' of{unit}' if unit else ''}"
        case _ if node.form == "section":
            wish = "a table"
        case _ if node.form == "named":
            wish = "a table of tables"
        case _ if node.form == "listed":
            wish = "a table" if within_list else "a list of tables"
        case _:
            wish = leaf.kind.removeprefix("list of ") if within_list else f"{leaf.kind}{unit}"
    return str(wish)
