"""What is generated: docs/settings.md for people and docs/settings.schema.json for editors, both from the tree and nothing else; tables in docs/esi.md."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from fragments.esi.reference import TABLES
from gateway.settings.difference import Effect, effect_of
from gateway.settings.layers import env_name
from gateway.settings.shape import Leaf, Path, leaves, node_at, show_path
from gateway.settings.tree import Settings

__all__ = ["PAGES", "PAGES_WITH_TABLES", "settings_page", "settings_schema", "with_tables"]

_HEAD = """\
# Settings

<!-- Written by `make docs` from gateway/settings/. Don't edit. -->

Settings come from a TOML file (`weft serve --config weft.toml`, or its path in `WEFT_CONFIG`), then the environment, then flags; the later goes
before the earlier. `weft check` reads them the same way, names every fault at once, and says where each value in force came from.

- **Environment**: the path in capitals, `WEFT_` before it, two underscores for each dot: `cache.memory.max_bytes` is `WEFT_CACHE__MEMORY__MAX_BYTES`.
  Lists are comma-separated or JSON. Names under `origins` are in lower case there.
- **Flags**: `--upstream`, `--host`, `--port`, `--workers` for the usual ones, `--set cache.default_ttl=60` for all.
- **Secrets** can stand in a file: `WEFT_PURGE__TOKENS_FILE=/run/secrets/purge`, one token a line. Nothing prints them.
- **Reload**: `weft reload` puts a new value into force in place, except where the tables say that it takes more ([what holds when](operations.md#reload)).
- **Bytes** are whole numbers or texts such as `"64MiB"`, `"1.5 GB"`; **seconds** are numbers, fractions allowed.

For completion and checks in an editor, begin the file with `#:schema docs/settings.schema.json`.
"""


_TAKES = {Effect.LIVE: "", Effect.WORKERS: " *Takes new workers.*", Effect.START: " *Takes a new start.*"}


def settings_page() -> str:
    """docs/settings.md: a table for each section."""
    sections: dict[Path, list[Leaf]] = {}
    for leaf in leaves():
        if leaf.path[0] != "origins":
            sections.setdefault(leaf.path[:-1], []).append(leaf)
    parts = [_HEAD]
    for path, members in sections.items():
        parts.append(_section(path, members))
        if path == ("upstream", "health"):
            parts.append(_origins())
    return "\n".join(parts)


def _section(path: Path, members: list[Leaf]) -> str:
    node = node_at(path)
    assert node is not None
    assert node.section is not None
    inside_list = any(isinstance(part, int) for part in path)
    title = show_path(path).replace("[0]", "[]").replace("<name>", "&lt;name&gt;")
    lines = [f"## {title}", "", _sentence(node.section), ""]
    if path == ("routes", 0):
        lines += [
            'A list of tables, each headed `[[routes]]`; in the environment `WEFT_ROUTES=\'[{"name": "blog", "path": "/blog"}]\'`.',
            "",
        ]
    columns = ["name", "value", "default", "bounds", "what it does"]
    lines += [f"| {' | '.join(columns)} |", "|" + " --- |" * len(columns)]
    for leaf in members:
        name = f"`{leaf.path[-1]}`" if inside_list else f"`{leaf.path[-1]}`<br>`{env_name(leaf.path)}`"
        cells = [name, _value(leaf), _default(leaf), leaf.bounds, f"{leaf.field.description}{_TAKES[effect_of(leaf.path)]}"]
        lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    lines.append("")
    return "\n".join(lines)


def _origins() -> str:
    lines = [
        "## origins.&lt;name&gt;",
        "",
        "Other origins, each with the settings of `upstream`, its own `breaker` and `health` included. `url` is required.",
        "",
        "```toml",
        "[origins.blog]",
        'url = "http://10.0.0.7:8000"',
        "```",
        "",
        "In the environment: `WEFT_ORIGINS__BLOG__URL`.",
        "",
    ]
    return "\n".join(lines)


def _sentence(section: type[BaseModel]) -> str:
    return (section.__doc__ or "").strip()


def _value(leaf: Leaf) -> str:
    if leaf.words:
        words = ", ".join(f"`{word}`" for word in leaf.words)
        return f"list of {words}" if leaf.is_list else words
    return f"{leaf.kind}, {leaf.unit}" if leaf.unit else leaf.kind


def _default(leaf: Leaf) -> str:
    default = leaf.field.default
    if leaf.field.is_required():
        return "required"
    if default is None:
        return f"as `cache.{leaf.path[-1]}`" if leaf.path[:3] == ("routes", 0, "cache") else "not set"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        return "`[]`" if not default else "<br>".join(f"`{item}`" for item in default)
    if isinstance(default, str):
        return f"`{default}`" if default else "empty"
    if leaf.unit == "bytes" and (text := _round_size(default)):
        return f"`{default}` ({text})"
    return f"`{default:.12g}`" if isinstance(default, float) else f"`{default}`"


def _round_size(size: int) -> str:
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= factor and size % factor == 0:
            return f"{size // factor} {unit}"
    return ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


# ── Schema ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def settings_schema() -> str:
    """docs/settings.schema.json, JSON Schema 2020-12."""
    schema = Settings.model_json_schema(schema_generator=GenerateJsonSchema)
    for name, definition in [("Settings", schema), *schema["$defs"].items()]:
        for field, entry in definition.get("properties", {}).items():
            _tidy(entry, field)
        definition.pop("title", None)
        assert definition["additionalProperties"] is False, name
    head = {
        "$schema": GenerateJsonSchema.schema_dialect,
        "title": "Weft settings",
        "description": "weft.toml, see docs/settings.md",
    }
    return (
        json.dumps(head | {key: value for key, value in schema.items() if key not in head}, indent=2, ensure_ascii=False) + "\n"
    )


SIZE_PATTERN = r"^\s*[0-9]+(\.[0-9]+)?\s*([kKmMgGtT][iI]?)?[bB]?\s*$"


def _tidy(entry: dict[str, Any], field: str) -> None:
    """Titles and tables of defaults repeat what stands elsewhere: out. A size may be text. TOML has no null, so 'or null' goes too."""
    entry.pop("title", None)
    if "$ref" in entry or entry.get("default", ...) is None:
        entry.pop("default", None)
    choices = [choice for choice in entry.get("anyOf", []) if choice != {"type": "null"}]
    if len(choices) == 1:
        del entry["anyOf"]
        for key, value in choices[0].items():
            entry.setdefault(key, value)
    for key, symbol in (("minimum", "ge"), ("maximum", "le"), ("exclusiveMinimum", "gt")):
        if symbol in entry:  # pydantic leaves a bound of an optional value under its own name
            entry[key] = entry.pop(symbol)
    if entry.get("unit") == "bytes":
        number = {key: entry.pop(key) for key in ("type", "minimum", "maximum", "exclusiveMinimum") if key in entry}
        entry["anyOf"] = [number, {"type": "string", "pattern": SIZE_PATTERN}]
    assert "description" in entry or "$ref" in entry, field


PAGES = {"docs/settings.md": settings_page, "docs/settings.schema.json": settings_schema}
"""What `make docs` writes and `make check` compares."""


# ── Tables in pages that are written by hand ─────────────────────────────────────────────────────────────────────────────────────

PAGES_WITH_TABLES: Mapping[str, Mapping[str, Callable[[], str]]] = {"docs/esi.md": TABLES}
"""Between `<!-- NAME: written by make docs -->` and `<!-- end of NAME -->`."""


def with_tables(page: str, tables: Mapping[str, Callable[[], str]]) -> str:
    """The page with its tables as they are now. Raises ValueError when it lacks the place of one."""
    for name, table in tables.items():
        opening, closing = f"<!-- {name}: written by make docs -->", f"<!-- end of {name} -->"
        before, found, rest = page.partition(opening)
        _, closed, after = rest.partition(closing)
        if not (found and closed):
            raise ValueError(f"expected {opening} and {closing}")
        page = f"{before}{opening}\n\n{table()}\n\n{closing}{after}"
    return page
