"""The three places that settings come from, each read into one layer: file, environment, flags.

A layer is a pydantic-settings source, so pydantic-settings does the merging. What ours add: a layer remembers where each value came
from, checks every name against the tree, and gathers its faults instead of stopping at the first. Values are not checked here.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path as FilePath
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

from gateway.settings.faults import Fault, excerpt
from gateway.settings.shape import Leaf, Path, node_at, paths, shorten, show_path
from gateway.settings.tree import Settings

__all__ = ["PREFIX", "RESERVED", "SHORT_FLAGS", "Layer", "env_name", "read_environment", "read_file", "read_flags"]

PREFIX = "WEFT_"
RESERVED = frozenset({"WEFT_CONFIG", "WEFT_ADMIN_TOKEN", "WEFT_DEBUG_TOKEN", "WEFT_PURGE_TOKEN"})
"""Names with our prefix that are no settings: which file to read, and what `weft explain --live`, `weft purge` and `weft reload` show a gateway."""


class Layer(PydanticBaseSettingsSource):
    """Values from one place, where each came from, and what was wrong with their names."""

    def __init__(self) -> None:
        super().__init__(Settings)
        self.values: dict[str, Any] = {}
        self.origins: dict[Path, str] = {}
        self.faults: list[Fault] = []

    def put(self, path: Path, value: object, origin: str) -> None:
        """Set one value; the sections on the way are made."""
        table = self.values
        for name in path[:-1]:
            table = table.setdefault(str(name), {})
        table[str(path[-1])] = value
        self.origins[path] = origin

    def without(self, faulty: list[Path]) -> Layer:
        """Return the same layer without the values at these paths, so that the rest can be looked at."""
        clean = Layer()
        clean.values = _prune(self.values, (), faulty)
        return clean

    def __call__(self) -> dict[str, Any]:  # noqa: D102 - pydantic-settings says what it is
        return self.values

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        """Part of pydantic-settings' interface, not asked by ours."""
        return self.values.get(field_name), field_name, False


# ── File ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_file(file: FilePath | None) -> Layer:
    """Read a TOML file; None is an empty layer. Never raises: a file that can't be read is a fault."""
    layer = Layer()
    if file is None:
        return layer
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        layer.faults.append(Fault.plain(f"{file}: can't be read: {error.strerror or error}"))
        return layer
    except ValueError as error:  # UnicodeDecodeError, or a NUL in the file's name
        layer.faults.append(
            Fault.plain(f"{file}: not UTF-8 text{f', at byte {error.start}' if isinstance(error, UnicodeDecodeError) else ''}")
        )
        return layer
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        layer.faults.append(Fault.plain(_syntax(file, text, str(error))))
    except (ValueError, RecursionError) as error:  # a number of 5000 digits, 1000 brackets
        what = "nested too deeply" if isinstance(error, RecursionError) else "a number is too long"
        layer.faults.append(Fault.plain(f"{file}: not TOML that can be read: {what}"))
    else:
        _walk(layer, document, (), file.name, document)
    return layer


_POSITION = re.compile(r"(.*?) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)


def _syntax(file: FilePath, text: str, message: str) -> str:
    match = _POSITION.fullmatch(message)
    if match is None:
        return f"{file}: not TOML: {excerpt(message, bare=True)}"
    lines = text.split("\n")
    line, column = (int(match[2]), int(match[3])) if match[2] else (len(lines), len(lines[-1]) + 1)
    return f"{file}, line {line}, column {column}: not TOML: {match[1]}"


def _walk(layer: Layer, table: Mapping[str, Any], path: Path, origin: str, document: Mapping[str, Any]) -> None:
    for name, value in table.items():
        here: Path = (*path, name)
        node = node_at(here)
        if node is None:
            layer.faults.append(Fault.unknown(here, origin, _meant(here, document, show_path)))
        elif node.form in {"section", "named"}:
            if isinstance(value, dict):
                _walk(layer, value, here, origin, document)
                if not value:
                    _touch(layer, here)
            else:
                layer.faults.append(Fault.wrong(here, "a table", value, origin))
        else:
            layer.put(here, value, origin)


def _touch(layer: Layer, path: Path) -> None:
    """An empty table under a free name is an origin all the same, one without a URL."""
    if len(path) > 1:
        table = layer.values
        for name in path:
            table = table.setdefault(str(name), {})


# ── Environment ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def env_name(path: Path) -> str:
    """('cache', 'memory', 'max_bytes') → 'WEFT_CACHE__MEMORY__MAX_BYTES'."""
    return PREFIX + "__".join(str(part).upper() for part in path)


def read_environment(env: Mapping[str, str]) -> Layer:
    """Read every variable that begins with WEFT_. Lists are JSON or comma-separated, routes are JSON; secrets may come from files."""
    layer = Layer()
    for name in sorted(env):
        if not name.startswith(PREFIX) or name in RESERVED:
            continue
        path, origin = _env_path(name), f"env {shorten(name if name.isprintable() else ascii(name))}"
        node = node_at(path)
        if node is not None and node.form in {"leaf", "listed"} and isinstance(path[-1], str):
            if not _set_twice(layer, path, origin):
                layer.put(path, _from_text(path, env[name]), origin)
        elif name.endswith("_FILE") and _is_secret(secret := _env_path(name.removesuffix("_FILE"))):
            if not _set_twice(layer, secret, origin):
                _read_secret(layer, secret, env[name], origin)
        elif node is not None:
            layer.faults.append(_no_value(path, origin, env_name))
        else:
            layer.faults.append(Fault.unknown(path, origin, _meant(path, {}, env_name)))
    return layer


def _env_path(name: str) -> Path:
    return tuple(name.removeprefix(PREFIX).lower().split("__"))


def _set_twice(layer: Layer, path: Path, origin: str) -> bool:
    if path in layer.origins:
        layer.faults.append(Fault.plain(f"{show_path(path)}: set twice ({layer.origins[path]} and {origin})"))
    return path in layer.origins


def _is_secret(path: Path) -> bool:
    node = node_at(path)
    return node is not None and node.form == "leaf" and node.field is not None and Leaf(path, node.field).is_secret


def _read_secret(layer: Layer, path: Path, file: str, origin: str) -> None:
    """A secret stands in the file's first line; a list of secrets has one a line."""
    try:
        lines = [line.strip() for line in FilePath(file).read_text("utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "not a text file"
        layer.faults.append(Fault.plain(f"{show_path(path)}: can't read {excerpt(file)}: {why} ({origin})"))
        return
    node = node_at(path)
    several = node is not None and node.field is not None and Leaf(path, node.field).is_list
    layer.put(path, lines if several else "\n".join(lines), origin)


def _from_text(path: Path, text: str) -> object:
    """A value from where there is only text. What doesn't read as a list stays text, and is then named as what it is."""
    node = node_at(path)
    if node is None or node.field is None:
        return text
    listed = node.form == "listed"
    if not listed and not Leaf(path, node.field).is_list:
        return text
    if listed or text.lstrip().startswith("["):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return [item.strip() for item in text.split(",") if item.strip()]


# ── Flags ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

SHORT_FLAGS: Mapping[str, Path] = {
    "upstream": ("upstream", "url"),
    "host": ("server", "host"),
    "port": ("server", "port"),
    "workers": ("server", "workers"),
}


def read_flags(flags: Mapping[str, object]) -> Layer:
    """Read what came from the command line: short names (`port`) or paths (`cache.default_ttl`, from --set). None is 'not given'."""
    layer = Layer()
    for name, value in flags.items():
        if value is None:
            continue
        short = SHORT_FLAGS.get(name)
        path: Path = short or tuple(name.split("."))
        origin = f"flag --{name}" if short else f"flag --set {show_path(path)}"
        node = node_at(path)
        if node is None:
            layer.faults.append(Fault.unknown(path, origin, _meant(path, {}, show_path)))
        elif node.form in {"leaf", "listed"}:
            layer.put(path, _from_text(path, value) if isinstance(value, str) else value, origin)
        else:
            layer.faults.append(_no_value(path, origin, show_path))
    return layer


# ── Both ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _meant(path: Path, values: Mapping[str, Any], show: Callable[[Path], str]) -> str:
    """'; did you mean …?' when a setting has nearly this name, else ''."""
    known = {show_path(each): each for each in paths(values)}
    near = difflib.get_close_matches(show_path(path)[:200], known, n=1, cutoff=0.75)
    if not near:  # the right name in the wrong section: `default_ttl` at the top
        near = [text for text, each in known.items() if each[-1] == path[-1]][:1]
    return f"; did you mean {show(known[near[0]])}?" if near else ""


def _no_value(path: Path, origin: str, show: Callable[[Path], str]) -> Fault:
    inside = [each for each in paths() if each[: len(path)] == path and len(each) > len(path)]
    hint = f"; name a setting in it, such as {show(inside[0])}" if inside else ""
    return Fault.plain(f"{show_path(path)}: a section, which takes no value ({origin}){hint}")


def _prune(value: Any, path: Path, faulty: list[Path]) -> Any:
    if isinstance(value, dict):
        return {name: _prune(item, (*path, name), faulty) for name, item in value.items() if (*path, name) not in faulty}
    if isinstance(value, list):
        return [_prune(item, (*path, index), faulty) for index, item in enumerate(value) if (*path, index) not in faulty]
    return value
