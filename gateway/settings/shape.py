"""The tree seen from outside: which paths exist, and what stands at each. Loader, docs, schema and messages all ask here."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.settings.tree import Settings
from gateway.settings.units import Network, Secret

__all__ = ["Leaf", "Node", "Path", "leaves", "mentions", "node_at", "paths", "shorten", "show_path"]

Path = tuple[str | int, ...]
Form = Literal["leaf", "section", "named", "listed"]
"""leaf: a value · section: a table · named: a table of tables under free names · listed: a list of tables."""


class Node(NamedTuple):
    """What stands at a path: its field, and the section below it unless it is a leaf."""

    form: Form
    field: FieldInfo | None
    section: type[BaseModel] | None


class Leaf(NamedTuple):
    """One setting as the docs and the messages show it. `path` has "<name>" for free names and 0 for list items."""

    path: Path
    field: FieldInfo

    @property
    def unit(self) -> str:
        """The unit, or ''."""
        extra = self.field.json_schema_extra
        return str(extra.get("unit", "")) if isinstance(extra, dict) else ""

    @property
    def is_secret(self) -> bool:
        """Whether its value must not be shown."""
        return mentions(self.field.annotation, Secret)

    @property
    def is_list(self) -> bool:
        """Whether it takes several values."""
        return any(typing.get_origin(each) is tuple for each in _alternatives(self.field.annotation))

    @property
    def words(self) -> tuple[str, ...]:
        """The words it is chosen from, if it is one of a few."""
        return _words(self.field.annotation)

    @property
    def kind(self) -> str:
        """The kind of value in one or two words: 'int', 'float', 'true or false', 'text', 'list of text'."""
        kinds = [_kind(each) for each in _alternatives(self.field.annotation)]
        return " or ".join(dict.fromkeys(kinds))

    @property
    def bounds(self) -> str:
        """The bounds in words, without the unit: '1 to 65535', '>= 0', ''."""
        low = high = ""
        for limit in self.field.metadata:
            match limit:
                case Ge():
                    low = f">= {limit.ge:g}" if isinstance(limit.ge, float) else f">= {limit.ge}"
                case Gt():
                    low = f"> {limit.gt}"
                case Le():
                    high = f"<= {limit.le:g}" if isinstance(limit.le, float) else f"<= {limit.le}"
                case Lt():
                    high = f"< {limit.lt}"
                case MinLen():
                    low = f"at least {limit.min_length} long" if limit.min_length > 1 else "not empty"
                case MaxLen():
                    high = f"at most {limit.max_length} {'values' if self.is_list else 'characters'}"
                case _:
                    pass
        return ", ".join(filter(None, (low, high)))


def node_at(path: Path, root: type[BaseModel] = Settings) -> Node | None:
    """What stands at a path, None if nothing does. Free names and indices of any value are followed."""
    node = Node("section", None, root)
    rest = list(path)
    while rest:
        name = rest.pop(0)
        match node.form:
            case "section" if node.section is not None and isinstance(name, str) and name in node.section.model_fields:
                node = _node(node.section.model_fields[name])
            case "named" if isinstance(name, str):
                node = Node("section", node.field, node.section)
            case "listed" if isinstance(name, int):
                node = Node("section", node.field, node.section)
            case "leaf" if isinstance(name, int):
                return node  # an item of a list of values
            case _:
                return None
    return node


def leaves(root: type[BaseModel] = Settings, prefix: Path = ()) -> Iterator[Leaf]:
    """All settings, in the order they are declared."""
    for name, field in root.model_fields.items():
        node = _node(field)
        path: Path = (*prefix, name)
        match node.form:
            case "leaf":
                yield Leaf(path, field)
            case "section" if node.section is not None:
                yield from leaves(node.section, path)
            case "named" if node.section is not None:
                yield from leaves(node.section, (*path, "<name>"))
            case "listed" if node.section is not None:
                yield from leaves(node.section, (*path, 0))
            case _:
                pass


def paths(values: Mapping[str, Any] | None = None) -> list[Path]:
    """Paths a misspelt one could have meant: leaves and sections, with the free names in use in `values`; not what is inside lists."""
    found: dict[Path, None] = {}
    for leaf in leaves():
        used = (values or {}).get(str(leaf.path[0]), {}) if "<name>" in leaf.path else {}
        names = [str(name) for name in used][:100] if isinstance(used, Mapping) else []
        for path in [tuple(name if part == "<name>" else part for part in leaf.path) for name in names or ["<name>"]]:
            for end in range(1, len(path) + 1):
                found.setdefault(path[:end])
    return [path for path in found if "<name>" not in path and not any(isinstance(part, int) for part in path)]


def show_path(path: Path) -> str:
    """('routes', 1, 'cache') → 'routes[1].cache'. A name that is no bare TOML key stands in quotes, cut when long."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        plain = part and part.isascii() and all(sign.isalnum() or sign in "-_<>" for sign in part)
        shown = part if plain else ascii(part)
        text += ("." if text else "") + shorten(shown)
    return text


def shorten(text: str, longest: int = 80) -> str:
    """At most `longest` characters of a text; dots stand for the rest."""
    return text if len(text) <= longest else text[: longest - 3] + "..."


def mentions(annotation: Any, wanted: type) -> bool:
    """Whether a type appears anywhere in an annotation."""
    return annotation is wanted or any(mentions(part, wanted) for part in typing.get_args(annotation))


# ── Annotations ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _node(field: FieldInfo) -> Node:
    for each in _alternatives(field.annotation):
        if isinstance(each, type) and issubclass(each, BaseModel):
            return Node("section", field, each)
        origin, arguments = typing.get_origin(each), typing.get_args(each)
        if arguments and isinstance(origin, type):
            inner = _bare(arguments[-1] if issubclass(origin, Mapping) else arguments[0])
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                return Node("named" if issubclass(origin, Mapping) else "listed", field, inner)
    return Node("leaf", field, None)


def _bare(annotation: Any) -> Any:
    return _bare(typing.get_args(annotation)[0]) if typing.get_origin(annotation) is Annotated else annotation


def _alternatives(annotation: Any) -> list[Any]:
    """The members of a union, without None and without Annotated."""
    annotation = _bare(annotation)
    if annotation == Network:
        return [Network]
    if typing.get_origin(annotation) in {typing.Union, types.UnionType}:
        return [each for part in typing.get_args(annotation) if part is not type(None) for each in _alternatives(part)]
    return [annotation]


def _words(annotation: Any) -> tuple[str, ...]:
    annotation = _bare(annotation)
    if typing.get_origin(annotation) is Literal:
        return typing.get_args(annotation)
    return tuple(word for part in typing.get_args(annotation) for word in _words(part) if part is not annotation)


def _kind(annotation: Any) -> str:
    annotation = _bare(annotation)
    if annotation == Network:
        return "network"
    if typing.get_origin(annotation) is tuple:
        return f"list of {_kind(typing.get_args(annotation)[0])}"
    if typing.get_origin(annotation) is dict:
        return "table"
    if typing.get_origin(annotation) is Literal:
        return "word"
    names: dict[Any, str] = {bool: "true or false", int: "int", float: "float", str: "text", Secret: "secret"}
    return names.get(annotation, "value")
