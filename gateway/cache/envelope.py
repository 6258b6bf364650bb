"""Stored responses as octets, for a level 2 that other processes and other versions of this program read too. Pure.

    magic (4) | CRC-32 of the rest (4) | octets of the heading (4) | heading, JSON | header section | content

What another version wrote, what was cut, and what somebody else put there reads as nothing: a miss. Nothing in it is executed. The header section is kept
as the entry has it; numbers are big-endian.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from gateway.cache.entry import Entry, decode_block
from gateway.cache.freshness import StaleWindows
from gateway.cache.key import Key
from gateway.cache.policy import Stored
from gateway.cache.positions import Position
from gateway.cache.targeted import Directives
from gateway.cache.variant import NominatedValues, VaryNames

__all__ = ["Recalled", "decode", "encode_entry", "encode_vary"]

_MAGIC = b"wft1"
_FRAME = struct.Struct(">4sII")
_SILENT = Directives(b"", {}, frozenset())


@dataclass(slots=True)
class Recalled:
    """A response out of level 2. is_text: its ESI is text like the rest."""

    entry: Entry
    terms: Stored
    is_text: bool


def encode_entry(entry: Entry, place: Position, *, is_text: bool) -> bytes:
    """A whole stored response. place: up to where its maker had heard purges when its fetch began."""
    heading = {
        "key": _texts(entry.key),
        "route": entry.route,
        "status": entry.status,
        "block": len(entry.block),
        "vary": _texts(entry.vary),
        "selected": _digest(entry.nominated),
        "tags": _texts(entry.tags),
        "place": place,
        "born": entry.born,
        "date": entry.date,
        "lifetime": entry.lifetime,
        "windows": [entry.stale_until - entry.fresh_until, entry.stale_error_until - entry.fresh_until, entry.stale_on_request],
        "flags": [entry.explicit, entry.validate, entry.shared, entry.transform, entry.esi, is_text],
    }
    return _seal(heading, entry.block, entry.body)


def encode_vary(key: Key, names: VaryNames) -> bytes:
    """A signpost: responses of this key vary on names, and stand under names of their own."""
    return _seal({"key": _texts(key), "names": _texts(names)}, b"", b"")


def decode(
    octets: bytes,
    key: Key,
    select: Callable[[VaryNames], NominatedValues],
    sequence_at: Callable[[Position], int | None],
) -> Recalled | VaryNames | None:
    """What octets hold for key: a response, or the names that its responses vary on; None for anything else.

    select: the request's values for what a response varies on; one that was stored for others is none.
    sequence_at: see Positions; a response of a time that nothing is known of is none.
    """
    try:
        magic, check, length = _FRAME.unpack_from(octets)
        if magic != _MAGIC or zlib.crc32(memoryview(octets)[8:]) != check:
            return None
        start = _FRAME.size + length
        heading = orjson.loads(octets[_FRAME.size : start])
        if tuple(heading["key"]) != tuple(_texts(key)):
            return None
        if "names" in heading:
            return _octets(heading["names"])
        names = _octets(heading["vary"])
        nominated = select(names)
        if heading["selected"] != _digest(nominated):
            return None
        return _recall(heading, octets, start, key, names, nominated, sequence_at)
    except (struct.error, orjson.JSONDecodeError, KeyError, TypeError, ValueError, UnicodeError):
        return None  # not ours, or of another version: a miss


def _recall(
    heading: dict[str, Any],
    octets: bytes,
    start: int,
    key: Key,
    names: VaryNames,
    nominated: NominatedValues,
    sequence_at: Callable[[Position], int | None],
) -> Recalled | None:
    milliseconds, counter = heading["place"]
    stamp = sequence_at((milliseconds, counter))
    if stamp is None:
        return None
    explicit, validate, shared, transform, esi, is_text = heading["flags"]
    while_revalidate, if_error, on_request = heading["windows"]
    terms = Stored(
        _SILENT,
        born=heading["born"],
        date=heading["date"],
        lifetime=heading["lifetime"],
        windows=StaleWindows(while_revalidate, if_error, on_request=on_request),
        explicit=explicit,
        vary=names,
    )
    terms.validate, terms.shared, terms.transform = validate, shared, transform
    body = start + heading["block"]
    entry = Entry(
        key,
        heading["route"],
        heading["status"],
        decode_block(octets[start:body]),
        octets[body:],
        terms,
        nominated=nominated,
        tags=_octets(heading["tags"]),
        stamp=stamp,
    )
    entry.esi = esi
    return Recalled(entry, terms, is_text)


def _digest(values: NominatedValues) -> str:
    """Of the values that a response was selected by. They may be a visitor's cookies, which have no business in Redis."""
    told = b"".join(b"-" if value is None else b"%d:%s" % (len(value), value) for value in values)
    return blake2b(told, digest_size=16).hexdigest()


def _seal(heading: dict[str, object], block: bytes, body: bytes) -> bytes:
    told = orjson.dumps(heading)
    rest = b"".join((struct.pack(">I", len(told)), told, block, body))
    return _MAGIC + struct.pack(">I", zlib.crc32(rest)) + rest


def _texts(values: tuple[bytes, ...]) -> list[str]:
    return [value.decode("latin-1") for value in values]


def _octets(values: list[str]) -> tuple[bytes, ...]:
    return tuple(value.encode("latin-1") for value in values)
