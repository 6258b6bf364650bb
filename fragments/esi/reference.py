"""The tables of docs/esi.md that are drawn from the code: functions of the library, what other houses have and we do not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from fragments.esi.elements import KNOWN_ELSEWHERE
from fragments.esi.functions import FUNCTIONS, UNSUPPORTED_FUNCTIONS

__all__ = ["TABLES"]


def _functions() -> str:
    """In the order of the library: text, encodings, numbers, lists, time."""
    rows = []
    for function in FUNCTIONS.values():
        least, most = function.minimum, function.maximum
        arguments = str(least) if least == most else f"{least} to {most}"
        example = f"`{function.example.expression}` → `{function.example.text}`"
        rows.append((f"`${function.name}`", arguments, function.summary, example))
    return _table(("function", "arguments", "it yields", "example"), rows)


def _unsupported_functions() -> str:
    return _table(("not supported", "why"), [(f"`${name}`", _sentence(reason)) for name, reason in UNSUPPORTED_FUNCTIONS.items()])


def _unsupported_elements() -> str:
    return _table(("known elsewhere", "from"), [(f"`<esi:{name}>`", house) for name, house in sorted(KNOWN_ELSEWHERE.items())])


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join("| " + " | ".join([cell.replace("|", "\\|") for cell in row]) + " |" for row in lines)


TABLES: Mapping[str, Callable[[], str]] = {
    "functions": _functions,
    "unsupported functions": _unsupported_functions,
    "unsupported elements": _unsupported_elements,
}
"""By the name that stands in the page: `<!-- functions: written by make docs -->`, the table, `<!-- end of functions -->`."""
