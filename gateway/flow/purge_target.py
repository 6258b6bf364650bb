"""What a purge names, as a value, as a message between processes, and in the ledger. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import orjson

from gateway.cache.key import Key
from gateway.cache.purges import Ledger, Verdict

__all__ = ["Message", "Target", "apply_target", "decode_message", "encode_message"]

Target: TypeAlias = (
    tuple[Literal["url", "prefix"], Key]
    | tuple[Literal["group"], tuple[bytes, bytes, bytes]]
    | tuple[Literal["tag"], bytes]
    | tuple[Literal["route"], str]
    | tuple[Literal["all"], None]
)
"""group: (scheme, host, b"group:" + name), a cache group of one origin (RFC 9875 §2)."""

_FORMAT = 1


class Message(NamedTuple):
    """targets, and what becomes of them. quiet: nobody asked for it; an unsafe request went through (RFC 9111 §4.4)."""

    targets: tuple[Target, ...]
    verdict: Verdict
    quiet: bool


def encode_message(targets: Sequence[Target], verdict: Verdict, *, quiet: bool = False) -> bytes:
    """For the bus."""
    return orjson.dumps(
        {
            "v": _FORMAT,
            "targets": [[kind, _plain(value)] for kind, value in targets],
            "hard": verdict is Verdict.HARD,
            "quiet": quiet,
        }
    )


def decode_message(message: bytes) -> Message:
    """The inverse. Raises ValueError for what is no such message, or one of another version."""
    try:
        told = orjson.loads(message)
        if told["v"] != _FORMAT:
            raise ValueError(f"expected a purge of format {_FORMAT}, got {told['v']!r}")
        targets = tuple(_target(kind, value) for kind, value in told["targets"])
        return Message(targets, Verdict.HARD if told["hard"] else Verdict.SOFT, bool(told["quiet"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"expected a purge, got {message[:80]!r}: {error!r}") from None


def apply_target(ledger: Ledger, target: Target, verdict: Verdict) -> None:
    """Note it in the ledger."""
    kind, value = target
    if kind == "prefix":
        assert isinstance(value, tuple)
        ledger.purge_prefix(value, verdict)
    else:
        ledger.purge((kind, value), verdict)


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [part.decode("latin-1") for part in value]
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _target(kind: str, plain: object) -> Target:
    if kind in {"url", "prefix", "group"} and isinstance(plain, list):
        scheme, host, rest = (part.encode("latin-1") for part in plain)
        return (kind, (scheme, host, rest))  # type: ignore[return-value]  # one of the three
    if kind == "tag" and isinstance(plain, str):
        return ("tag", plain.encode("latin-1"))
    if kind == "route" and isinstance(plain, str):
        return ("route", plain)
    if kind == "all" and plain is None:
        return ("all", None)
    raise ValueError(f"expected url, prefix, group, tag, route or all with its value, got {kind!r}: {plain!r}")
