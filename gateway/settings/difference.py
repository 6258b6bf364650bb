"""What differs between two versions of the settings, and what it takes for a difference to hold. Pure.

    live      a reload: swapped in place, nothing is dropped, the cache stays
    workers   a rolling restart: new processes, one after the other
    start     a new start: the listening socket, and who holds it

EFFECTS says which setting is which. It names sections whole where all of a section is one kind, and `server` leaf by leaf: so whoever adds a setting there, or
a section, has to say what it takes (tests/settings/test_difference.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.settings.faults import excerpt
from gateway.settings.shape import Leaf, Path, node_at
from gateway.settings.tree import Settings

__all__ = ["EFFECTS", "Change", "Effect", "compare", "effect_of", "in_force"]


_Tree = TypeVar("_Tree", bound=BaseModel)


class Effect(StrEnum):
    """What it takes for a new value to hold."""

    LIVE = "live"
    WORKERS = "workers"
    START = "start"


EFFECTS: Mapping[Path, Effect] = {
    ("server", "host"): Effect.START,
    ("server", "port"): Effect.START,
    ("server", "backlog"): Effect.START,
    ("server", "workers"): Effect.WORKERS,
    ("server", "watchdog"): Effect.LIVE,
    ("server", "max_rss"): Effect.LIVE,
    ("server", "max_connections"): Effect.LIVE,
    ("server", "max_connections_per_client"): Effect.LIVE,
    ("server", "keepalive_timeout"): Effect.LIVE,
    ("server", "drain_delay"): Effect.LIVE,
    ("server", "drain_timeout"): Effect.LIVE,
    ("server", "fast_lane"): Effect.LIVE,
    ("server", "limits"): Effect.LIVE,
    ("server", "tls"): Effect.LIVE,
    ("upstream",): Effect.LIVE,
    ("origins",): Effect.LIVE,
    ("routes",): Effect.LIVE,
    ("query",): Effect.LIVE,
    ("cache",): Effect.LIVE,
    ("esi",): Effect.LIVE,
    ("redis",): Effect.WORKERS,
    ("templates",): Effect.LIVE,
    ("slots",): Effect.LIVE,
    ("rate_limits",): Effect.LIVE,
    ("proxy",): Effect.LIVE,
    ("purge",): Effect.LIVE,
    ("admin",): Effect.LIVE,
    ("debug",): Effect.LIVE,
    ("log",): Effect.LIVE,
    ("metrics",): Effect.LIVE,
    ("tracing",): Effect.LIVE,
    ("tracing", "spans"): Effect.WORKERS,
    ("overload",): Effect.LIVE,
}
"""By path, or by the path of the section that it stands in."""


class Change(NamedTuple):
    """One setting that differs. old, new: texts that anybody may see; a route goes by its name, as in `routes[blog].path`."""

    path: str
    old: str
    new: str
    effect: Effect

    @property
    def line(self) -> str:
        """As people read it."""
        waits = {Effect.LIVE: "", Effect.WORKERS: "   (with new workers)", Effect.START: "   (with a new start)"}[self.effect]
        return f"{self.path}: {self.old} -> {self.new}{waits}"


def compare(old: Settings, new: Settings) -> list[Change]:
    """Every setting that differs, in the order of the tree; the order of routes is no difference. For trees that load() has passed."""
    return list(_sections((), "", old, new))


def in_force(running: Settings, wished: Settings, *applied: Effect | str) -> Settings:
    """What holds once the changes with these effects are applied: wished, and as in running whatever needs more than that."""
    return _held((), running, wished, frozenset(applied))


def effect_of(path: Path) -> Effect:
    """What a setting takes. path: as in shape.Leaf, with "<name>" and 0. KeyError for one that EFFECTS forgets."""
    for end in range(len(path), 0, -1):
        if path[:end] in EFFECTS:
            return EFFECTS[path[:end]]
    raise KeyError(path)


# ── Walking ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _sections(path: Path, shown: str, old: BaseModel, new: BaseModel) -> Iterator[Change]:
    for name, field in type(new).model_fields.items():
        here: Path = (*path, name)
        yield from _field(here, f"{shown}.{name}" if shown else name, field, getattr(old, name), getattr(new, name))


def _field(path: Path, shown: str, field: FieldInfo, old: Any, new: Any) -> Iterator[Change]:
    node = node_at(path)
    assert node is not None
    if node.form == "named":
        yield from _tables((*path, "<name>"), f"{shown}.{{}}", node.section, old, new)
    elif node.form == "listed":
        yield from _tables(
            (*path, 0), f"{shown}[{{}}]", node.section, {each.name: each for each in old}, {each.name: each for each in new}
        )
    elif isinstance(old, BaseModel) and isinstance(new, BaseModel):
        yield from _sections(path, shown, old, new)
    elif node.form == "section" and (old is None) != (new is None):  # a table that a route has, or has not
        yield Change(shown, *(("not set", "added") if old is None else ("set", "removed")), effect_of(path))
        if isinstance(new, BaseModel):
            yield from _sections(path, shown, type(new)(), new)
    elif old != new:
        yield Change(shown, *_texts(Leaf(path, field), old, new), effect_of(path))


def _tables(
    path: Path, shown: str, section: type[BaseModel] | None, old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[Change]:
    """Tables under names: those that came with what they say, those that went, and what differs in the others."""
    assert section is not None
    for name in {**old, **new}:
        here = shown.format(name)
        if name not in new:
            yield Change(here, "set", "removed", effect_of(path))
        elif name in old:
            yield from _sections(path, here, old[name], new[name])
        else:
            yield Change(here, "not set", "added", effect_of(path))
            plain = section(name=name) if "name" in section.model_fields else section()
            yield from _sections(path, here, plain, new[name])


def _texts(leaf: Leaf, old: Any, new: Any) -> tuple[str, str]:
    if leaf.is_secret:
        return "***" if old else "not set", "(changed)" if new else "not set"
    return _text(old), _text(new)


def _text(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, tuple):
        value = [each if isinstance(each, str | int) else str(each) for each in value]
    return excerpt(value)


def _held(path: Path, running: _Tree, wished: _Tree, applied: frozenset[Effect | str]) -> _Tree:
    kept: dict[str, Any] = {}
    for name, field in type(wished).model_fields.items():
        here: Path = (*path, name)
        node = node_at(here)
        old, new = getattr(running, name), getattr(wished, name)
        if node is not None and node.form == "section" and isinstance(old, BaseModel) and isinstance(new, BaseModel):
            kept[name] = _held(here, old, new, applied)
        elif node is not None and node.form == "leaf" and effect_of(Leaf(here, field).path) not in applied:
            kept[name] = old
    return wished.model_copy(update=kept)
