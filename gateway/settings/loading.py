"""Settings from a file, the environment and flags, in this order; the later goes before the earlier. All faults at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from pydantic import BaseModel, ValidationError

from gateway.errors import SettingsError
from gateway.settings.faults import Fault, fault_of, origin_at
from gateway.settings.layers import Layer, read_environment, read_file, read_flags
from gateway.settings.shape import Path
from gateway.settings.tree import Settings, contradictions

__all__ = ["Loaded", "load", "read"]


@dataclasses.dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and for each path that is not a default the place it came from ('weft.toml', 'env WEFT_…', 'flag --port')."""

    settings: Settings
    origins: Mapping[Path, str]


def load(config: FilePath | None, env: Mapping[str, str], flags: Mapping[str, object] | None = None) -> Settings:
    """Read the settings. Raises SettingsError with every fault.

    config  a TOML file, or None
    env     os.environ as a rule; only names that begin with WEFT_ are looked at
    flags   short names (upstream, host, port, workers) or paths ("cache.default_ttl"); None is 'not given'
    """
    return read(config, env, flags).settings


def read(config: FilePath | None, env: Mapping[str, str], flags: Mapping[str, object] | None = None) -> Loaded:
    """Do the same and say where each value came from. Raises SettingsError with every fault."""
    layers = (read_flags(flags or {}), read_environment(env), read_file(config))
    origins: dict[Path, str] = {}
    for layer in reversed(layers):
        origins |= layer.origins
    faults = [fault for layer in reversed(layers) for fault in layer.faults]
    settings, wrong = _validate(layers, origins)
    faults += wrong
    if settings is not None:
        faults += _contradicting(settings, origins, [fault.path for fault in faults if fault.path])
    if faults or settings is None:
        raise SettingsError([fault.line for fault in faults])
    return Loaded(settings, origins)


def _validate(layers: tuple[Layer, ...], origins: Mapping[Path, str]) -> tuple[Settings | None, list[Fault]]:
    """Settings from the layers; with faults in them, settings from what is right in the layers, so that contradictions are seen too."""
    try:
        return _build(layers), []
    except ValidationError as error:
        faults = [fault_of(each, origins) for each in error.errors(include_url=False)]
    faulty = [fault.path for fault in faults]
    for _ in range(3):
        try:
            return _build(tuple(layer.without(faulty) for layer in layers)), faults
        except ValidationError as error:  # something that must be there is not: leave out the whole section
            faulty += [fault_of(each, origins).path[:1] for each in error.errors(include_url=False)]
    return None, faults


def _build(layers: tuple[Layer, ...]) -> Settings:
    return Settings(_build_sources=(layers, {}))


def _contradicting(settings: Settings, origins: Mapping[Path, str], reported: list[Path]) -> list[Fault]:
    """The contradictions, without those that only follow from a fault that is reported already."""
    faults = []
    for path, wish, because, other in contradictions(settings):
        if any(_is_about(fault, path) or _is_about(fault, other) for fault in reported):
            continue
        if wish:
            faults.append(Fault.wrong(path, wish, _value_at(settings, path), origin_at(path, origins), because))
        else:
            faults.append(Fault.unset(path))
    return faults


def _is_about(fault: Path, path: Path) -> bool:
    """Whether a fault is at this path, above it or below it."""
    return bool(path) and (path[: len(fault)] == fault or fault[: len(path)] == path)


def _value_at(settings: BaseModel, path: Path) -> Any:
    value: Any = settings
    for part in path:
        value = getattr(value, str(part)) if isinstance(value, BaseModel) else value[part]
    return value
