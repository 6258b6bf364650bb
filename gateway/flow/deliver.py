"""From a stored response to the one that a client gets: coding, precondition, range, head. Pure, but for compressed copies that it leaves on the entry.

entry + request ──▶ coding? ──▶ 304? ──▶ 206 / 416? ──▶ 200
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import brotli
import zstandard

from gateway.cache.entry import Entry, decode_block, encode_block
from gateway.cache.parts import find_part
from gateway.cache.status import encode_hit
from gateway.flow.response import Facts, Response
from gateway.flow.routes import Compression
from gateway.semantics.conditional import CONDITIONAL, is_not_modified, is_strong, may_use_range
from gateway.semantics.fields import list_members
from gateway.semantics.message import Fields, Request, Section, first
from gateway.semantics.negotiation import preferred_coding
from gateway.semantics.ranges import parse_range, resolve

__all__ = [
    "COMPRESSORS",
    "MAX_INLINE",
    "NOT_IN_304",
    "compress",
    "deliver",
    "may_compress",
    "vary_on_encoding",
    "wants_part_of",
    "why_not_compressed",
]

MAX_INLINE = 256 << 10
"""Bodies up to this many octets are compressed on the spot (some ms at most); larger ones stay as they are."""

COMPRESSORS: dict[bytes, Callable[[bytes, int], bytes]] = {
    b"zstd": lambda body, level: zstandard.ZstdCompressor(level=level, write_content_size=True).compress(body),
    b"br": lambda body, level: brotli.compress(body, quality=level),
    b"gzip": lambda body, level: zlib.compress(body, level, wbits=31),
}

# A 304 carries what a cache would want to know and nothing that describes content. RFC 9110 §15.4.5
NOT_IN_304 = frozenset(
    {b"content-type", b"content-encoding", b"content-language", b"content-range", b"content-md5", b"content-disposition"}
)


def deliver(
    entry: Entry,
    request: Request,
    compression: Compression,
    now: float,
    *,
    server: bytes,
    facts: Facts,
    member: bytes | None = None,
    grow: Callable[[Entry, int], None] | None = None,
) -> Response | None:
    """The answer to request from entry; None when entry holds only parts and not the one wanted.

    now: epoch seconds. server: our name in Cache-Status. member: our Cache-Status member, by default that of a hit. grow: told when a
    compressed copy is left on the entry.
    """
    asked = request.section
    ranged = asked.get(b"range")
    facts.ttl = int(entry.fresh_until - now)
    made = b"age: %d\r\ncache-status: %s\r\n" % (entry.age(now), member or encode_hit(server, facts.ttl))
    coding = None
    if entry.transform and entry.parts is None and ranged is None:
        coding = choose_coding(entry, asked.joined(b"accept-encoding"), compression, grow)
    fields, body = _coded(entry, coding) if coding else (None, entry.body)
    block = entry.block if fields is None else encode_block(fields)

    conditional = request.method in (b"GET", b"HEAD") and not CONDITIONAL.isdisjoint(asked)
    if conditional and _answers_304(entry, request, now):
        kept = [field for field in (fields or entry.fields()) if field[0] not in NOT_IN_304]
        return Response(304, encode_block(kept) + made, None, facts)

    wanted = parse_range(ranged) if ranged is not None and request.method == b"GET" else None
    if wanted is not None and may_use_range(asked.get(b"if-range"), entry.etag, entry.modified, now):
        if entry.parts is not None:
            return _partial_from_parts(entry, block, made, facts, request)
        if entry.status == 200:
            span = resolve(wanted, entry.length or 0)
            if span is None:
                lines = block_without_content(entry) + b"content-range: bytes */%d\r\n" % (entry.length or 0)
                return Response(416, lines + made, b"", facts)
            start, stop = span
            lines = block + b"content-range: bytes %d-%d/%d\r\n" % (start, stop - 1, entry.length or 0)
            return Response(206, lines + made, entry.body[start:stop], facts)
    if entry.parts is not None:
        return None
    if request.method == b"HEAD":
        return Response(entry.status, block + made, None, facts, length=len(body))
    if entry.status == 204:
        return Response(204, block + made, None, facts)
    return Response(entry.status, block + made, body, facts)


def _answers_304(entry: Entry, request: Request, now: float) -> bool:
    """Only what would be a 200 can be Not Modified (RFC 9110 §13.2.1); If-Match and If-Unmodified-Since are the origin's to judge (RFC 9111 §4.3.2)."""
    return entry.status in (200, 203, 206) and is_not_modified(request.fields, entry.etag, entry.modified, entry.date, now)


def _partial_from_parts(entry: Entry, block: bytes, made: bytes, facts: Facts, request: Request) -> Response | None:
    wanted = parse_range(first(request.fields, b"range"))
    assert wanted is not None and entry.parts is not None  # noqa: PT018 - the caller looked
    found = find_part(entry.parts, entry.length, wanted)
    if found is None:
        return None
    start, octets = found
    complete = b"*" if entry.length is None else b"%d" % entry.length
    lines = block + b"content-range: bytes %d-%d/%s\r\n" % (start, start + len(octets) - 1, complete)
    return Response(206, lines + made, octets, facts)


def wants_part_of(entry: Entry, request: Request, now: float) -> bool:
    """Whether what is held of an incomplete entry answers the request."""
    if entry.parts is None:
        return True
    wanted = parse_range(first(request.fields, b"range")) if request.method == b"GET" else None
    if wanted is None or not may_use_range(first(request.fields, b"if-range"), entry.etag, entry.modified, now):
        return False
    return find_part(entry.parts, entry.length, wanted) is not None


def block_without_content(entry: Entry) -> bytes:
    """The header lines less those that describe content which is not sent."""
    return encode_block([field for field in entry.fields() if field[0] not in NOT_IN_304])


def choose_coding(
    entry: Entry, accept: bytes | None, compression: Compression, grow: Callable[[Entry, int], None] | None
) -> bytes | None:
    """The content coding to answer with, its compressed copy made when this is its first use; None for none.

    A stored copy costs nothing on the next use, so what is preferred is the client's weight, then our order.
    """
    if accept is None:
        return None
    coding = preferred_coding(accept, compression.codings)
    if coding is None:
        return None
    if coding not in entry.codings:
        if len(entry.body) > MAX_INLINE:
            return None
        copy = compress(entry.body, coding, compression)
        entry.codings[coding] = copy
        if copy is not None and grow is not None:
            grow(entry, len(copy))
    return coding if entry.codings[coding] is not None else None


def compress(body: bytes, coding: bytes, compression: Compression) -> bytes | None:
    """body in that coding; None when it would not get smaller."""
    packed = COMPRESSORS[coding](body, compression.levels.get(coding, 5))
    return packed if len(packed) < len(body) else None


def _coded(entry: Entry, coding: bytes) -> tuple[Fields, bytes]:
    """Header section and content of a compressed copy. Its entity tag is weak: the same meaning, other octets (RFC 9110 §8.8.1)."""
    fields = []
    for name, value in decode_block(entry.block):
        if name == b"etag" and is_strong(value):
            fields.append((name, b"W/" + value))
        elif name not in (b"content-md5", b"content-digest", b"repr-digest", b"accept-ranges"):
            fields.append((name, value))
    fields.append((b"content-encoding", coding))
    body = entry.codings[coding]
    assert body is not None
    return fields, body


def may_compress(status: int, said: Section, length: int | None, compression: Compression, *, transform: bool) -> bool:
    """Whether compressed copies of a response may be made and are worth it.

    length: octets of its content, None while unknown. transform: it does not say `no-transform`.
    """
    return not why_not_compressed(status, said, length, compression, transform=transform)


def why_not_compressed(status: int, said: Section, length: int | None, compression: Compression, *, transform: bool) -> str:
    """What speaks against compressed copies, for people; "" when nothing does."""
    if not compression.codings:
        return "cache.compress is off"
    if not transform:
        return "the response says no-transform (RFC 9110 §7.7)"
    if status != 200:
        return "only a 200 is compressed"
    if length is not None and length < compression.min_bytes:
        return f"shorter than cache.compress.min_bytes, {compression.min_bytes}"
    if b"content-encoding" in said:
        return "the origin has encoded it already"
    return "" if compression.suits(said.get(b"content-type")) else "its type is none of cache.compress.types"


def vary_on_encoding(said: Section) -> Fields:
    """The fields, saying that the answer depends on Accept-Encoding: true for every form of something that is kept compressed too."""
    fields = said.fields
    if b"vary" in said and b"accept-encoding" in {member.lower() for member in list_members(fields, b"vary")}:
        return fields
    return [*fields, (b"vary", b"Accept-Encoding")]
