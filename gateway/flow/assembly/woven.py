"""The response that an assembled page becomes: head and content, plain or stitched from compressed pieces; 304, 206 and 416 where they are asked for.

Pure, but for the compressed forms that it leaves on what will be sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b

from fragments.assembly import Fragment, Output
from fragments.esi.program import Static
from gateway.cache.entry import Entry, encode_block
from gateway.flow.assembly.composite import UNKNOWN, Piece, compose, entity_tag, piece_of, piece_of_filling, piece_of_page
from gateway.flow.assembly.template import Template
from gateway.flow.deliver import MAX_INLINE
from gateway.flow.landing import Filling
from gateway.flow.recognise import Visit
from gateway.flow.response import Facts, Response
from gateway.semantics.conditional import is_weak_match, may_use_range
from gateway.semantics.dates import format_date
from gateway.semantics.message import Fields, Request, first, joined
from gateway.semantics.negotiation import preferred_coding
from gateway.semantics.ranges import parse_range, resolve
from gateway.semantics.stitching import Piece as Packed
from gateway.semantics.stitching import Stitcher, make_piece, make_stored

__all__ = [
    "Loose",
    "Outlet",
    "choose_gzip",
    "head_block",
    "link_fields",
    "octets_of",
    "packed_form",
    "piece_of_fragment",
    "piece_of_response",
    "whole_response",
]

_NOT_OF_THE_WHOLE = frozenset(
    {
        b"etag", b"last-modified", b"expires", b"cache-control", b"age", b"date", b"accept-ranges", b"content-md5", b"content-digest",
        b"repr-digest", b"digest", b"vary", b"content-encoding", b"pragma", b"x-accel-expires", b"edge-control", b"surrogate-control", b"no-vary-search", b"x-cache-control", b"cache-status",
    }
)  # fmt: skip
"""Fields of the template that say nothing true of the page."""
_GZIP = (b"gzip",)
_SMALL = 256
"""Octets up to which what was made for this request is not worth compressing."""


class Loose:
    """A fragment that is stored nowhere: what it says, its cookies, its compressed form."""

    __slots__ = ("packed", "piece")

    def __init__(self, piece: Piece) -> None:
        self.piece = piece
        self.packed: Packed | None = None


def whole_response(
    visit: Visit,
    template: Template,
    outputs: Sequence[Output],
    pieces: Sequence[Piece],
    used: Sequence[str] | set[str],
    facts: Facts,
    member: bytes,
    now: float,
    *,
    guards: tuple[Entry, ...] = (),
    extra: Fields = (),  # type: ignore[assignment]
    dynamic: bool = False,
    grow: Callable[[Entry, int], None] | None = None,
    nonce: bytes = b"",
) -> Response:
    """The page, everything being at hand.

    used: request fields that its variables read. guards: what it consists of, when it is the same for all who may share the template; extra: fields from
    its includes; dynamic: versions of the pieces do not tell all of its content. grow: told when a compressed form is left on a stored response.
    nonce: for what stands for one in the page; then nobody may keep it, and it never answers 304.
    """
    request = visit.request
    control, vary, left = compose([template.piece, *pieces], used)
    if extra:
        control, left = b"private, no-store", None
    body = b"".join([octets_of(output) for output in outputs])
    if any(piece.statement.links for piece in pieces):
        extra = [*extra, *link_fields(pieces)]
    block = head_block(template, control, vary, extra, now) + b"cache-status: %s\r\n" % member
    mark = visit.route.esi.nonce
    if nonce and (mark in body or mark in block):
        body, outputs, guards, left = body.replace(mark, nonce), (body.replace(mark, nonce),), (), None
        block = (
            head_block(template, b"private, no-store", frozenset(), extra, now, mark, nonce) + b"cache-status: %s\r\n" % member
        )
    if visit.inclusion is not None:
        version = blake2b(body, digest_size=12).digest() if left is not None else b""
        response = Response(template.status, block, body, facts)
        response.source = piece_of_page([template.piece, *pieces], control, vary, version, now)
        return response
    coding = choose_gzip(visit, template, len(body))
    if left is not None and template.status == 200:
        etag = entity_tag([template.piece.version, *[piece.version for piece in pieces]] if not dynamic else [body])
        block += b"etag: %s%s\r\n" % (b"W/" if coding else b"", etag)
        special = _conditional(request, block, body, etag, facts, ranges=not coding)
        if special is not None:
            return special
    if coding:
        block += b"content-encoding: gzip\r\n"
        body = b"".join(_stitched(outputs, visit, template.entry, grow))
    if request.method == b"HEAD":
        return Response(template.status, block, None, facts, length=len(body))
    response = Response(template.status, block, body, facts)
    if template.status == 200:
        response.guards = guards
    return response


def link_fields(pieces: Iterable[Piece]) -> Fields:
    """Early hints of the pieces, each once. RFC 8288, RFC 8297."""
    return [(b"link", link) for link in dict.fromkeys(link for piece in pieces for link in piece.statement.links)]


def choose_gzip(visit: Visit, template: Template, length: int) -> bytes | None:
    """gzip, when the page is to go out so; None for as it is. length: of the page in octets."""
    compression = visit.route.compression
    if not template.transform or length < compression.min_bytes or b"gzip" not in compression.codings:
        return None
    if visit.inclusion is not None or first(visit.request.fields, b"range") is not None:
        return None
    return preferred_coding(joined(visit.request.fields, b"accept-encoding"), _GZIP)


def head_block(
    template: Template, control: bytes, vary: frozenset[bytes], extra: Fields, now: float, mark: bytes = b"", nonce: bytes = b""
) -> bytes:
    """The header section of the page, less Cache-Status and validators."""
    entry = template.entry
    base = entry.woven if entry is not None else None
    if base is None:
        base = encode_block([field for field in template.fields if not _speaks_of_template(field[0])])
        if entry is not None:
            entry.woven = base
    names = set(vary)
    if template.transform:
        names.add(b"accept-encoding")
    lines = b"date: %s\r\ncache-control: %s\r\n" % (format_date(now), control)
    if names:
        lines += b"vary: %s\r\n" % b", ".join(sorted(names))
    if mark:
        base = base.replace(mark, nonce)
    return base + lines + encode_block(extra)


def _speaks_of_template(name: bytes) -> bool:
    """A field that says nothing true of the page. Words to any cache count among these: they would go before our Cache-Control. RFC 9213 §2.1."""
    return name in _NOT_OF_THE_WHOLE or name.endswith(b"-cache-control")


def _conditional(request: Request, block: bytes, body: bytes, etag: bytes, facts: Facts, *, ranges: bool) -> Response | None:
    """304, 206 or 416, where the request asks for one of them. RFC 9110 §13.2.2, §14.2; a page made of pieces has no Last-Modified."""
    condition = joined(request.fields, b"if-none-match")
    if condition is not None and is_weak_match(condition, etag):
        return Response(304, _without_content(block), None, facts)
    wanted = parse_range(first(request.fields, b"range")) if ranges and request.method == b"GET" else None
    if wanted is None or not may_use_range(first(request.fields, b"if-range"), etag, None, 0.0):
        return None
    span = resolve(wanted, len(body))
    if span is None:
        return Response(416, _without_content(block) + b"content-range: bytes */%d\r\n" % len(body), b"", facts)
    lines = block + b"content-range: bytes %d-%d/%d\r\n" % (span[0], span[1] - 1, len(body))
    return Response(206, lines, body[span[0] : span[1]], facts)


def _without_content(block: bytes) -> bytes:
    """Less what describes content. RFC 9110 §15.4.5."""
    return b"".join([line + b"\r\n" for line in block.split(b"\r\n") if line and not line.startswith(b"content-")])


def octets_of(output: Output) -> bytes:
    """A piece of the page, plain."""
    if isinstance(output, bytes):
        return output
    return output.data if isinstance(output, Static) else output.body


class Outlet:
    """The octets of a streamed page, in its coding, with its nonce. mark: what stands for the nonce; it may be cut by the edges of pieces.

    page: the stored template, None for one that is not stored yet; grow: told of compressed forms that are left.
    """

    __slots__ = ("_grow", "_held", "_level", "_mark", "_nonce", "_packer", "_page", "_started")

    def __init__(
        self,
        *,
        gzip: bool,
        level: int,
        mark: bytes,
        nonce: bytes,
        page: Entry | None = None,
        grow: Callable[[Entry, int], None] | None = None,
    ) -> None:
        self._page = page
        self._grow = grow
        self._packer = Stitcher() if gzip else None
        self._level = level
        self._mark = mark
        self._nonce = nonce
        self._held = b""
        self._started = False

    def encode(self, outputs: Sequence[Output]) -> bytes:
        """What these become."""
        if self._mark:
            outputs = [self._renew(b"".join([octets_of(output) for output in outputs]))]
        if self._packer is None:
            return b"".join([octets_of(output) for output in outputs])
        parts = [
            self._packer.add(packed_form(output, self._level, self._page, self._grow)) for output in outputs if octets_of(output)
        ]
        return self._start() + b"".join(parts) if parts else b""

    def finish(self) -> bytes:
        """What stands after the last."""
        held, self._held = self._held, b""
        if self._packer is None:
            return held
        rest = self._packer.add(packed_form(held, self._level, None, None)) if held else b""
        return self._start() + rest + self._packer.finish()

    def _start(self) -> bytes:
        if self._started or self._packer is None:
            return b""
        self._started = True
        return self._packer.start()

    def _renew(self, octets: bytes) -> bytes:
        mark = self._mark
        octets = (self._held + octets).replace(mark, self._nonce)
        for length in range(min(len(mark) - 1, len(octets)), 0, -1):
            if mark.startswith(octets[-length:]):
                self._held = octets[-length:]
                return octets[:-length]
        self._held = b""
        return octets


def _stitched(
    outputs: Sequence[Output], visit: Visit, page: Entry | None, grow: Callable[[Entry, int], None] | None
) -> list[bytes]:
    level = visit.route.compression.levels.get(b"gzip", 6)
    stitcher = Stitcher()
    parts = [stitcher.start()]
    parts += [stitcher.add(packed_form(output, level, page, grow)) for output in outputs]
    parts.append(stitcher.finish())
    return parts


def packed_form(output: Output, level: int, page: Entry | None, grow: Callable[[Entry, int], None] | None) -> Packed:
    """A piece of the page as deflate blocks: made once, for what is the same each time, and counted where it is kept. page: the stored template."""
    if isinstance(output, bytes):
        return make_stored(output) if len(output) <= _SMALL else make_piece(output, 1)
    holder = output if isinstance(output, Static) else output.source
    packed: Packed | None = getattr(holder, "packed", None)
    if packed is None:
        octets = octets_of(output)
        packed = make_piece(octets, level if len(octets) <= MAX_INLINE else 1)  # nobody else is served meanwhile
        if holder is not None:
            holder.packed = packed
            kept = holder if isinstance(holder, Entry) else page if isinstance(holder, Static) else None
            if grow is not None and kept is not None:
                grow(kept, len(packed.deflate))
    return packed


def piece_of_fragment(fragment: Fragment, now: float) -> Piece:
    """What a fragment in the page says. now: epoch seconds."""
    source = fragment.source
    return piece_of(source, now) if isinstance(source, Entry) else source.piece


def piece_of_response(response: Response, now: float) -> Piece:
    """What a fragment says that is not itself a stored response: a page, one that is being stored, or nothing, which is private."""
    match response.source:
        case Entry() as entry:
            return piece_of(entry, now)
        case Piece() as piece:
            return piece
        case Filling() as filling:
            return piece_of_filling(filling, now)
    return UNKNOWN
