"""Settings as octets, from the parent to its workers. Never the other way: a pickle may do anything where it is opened."""

from __future__ import annotations

import copyreg
import io
import pickle
from types import MappingProxyType
from typing import Any

from gateway.settings import Settings

__all__ = ["pack", "unpack"]


def _mapping(pairs: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(pairs)


class _Pickler(pickle.Pickler):
    dispatch_table = copyreg.dispatch_table | {MappingProxyType: lambda mapping: (_mapping, (dict(mapping),))}


def pack(settings: Settings) -> bytes:
    """Settings, secrets and all."""
    octets = io.BytesIO()
    _Pickler(octets).dump(settings)
    return octets.getvalue()


def unpack(octets: bytes) -> Settings:
    """What `pack` made."""
    settings: Settings = pickle.loads(octets)  # noqa: S301 - from the parent, over a pair of sockets that nobody else has
    return settings
