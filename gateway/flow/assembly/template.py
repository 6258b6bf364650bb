"""A page to be assembled: compiled, or as its octets come."""

from __future__ import annotations

from typing import Any

from fragments.esi.compiler import compile_page, context_of
from fragments.esi.program import Program
from gateway.cache.entry import Entry
from gateway.flow.assembly.composite import Piece, piece_of
from gateway.flow.recognise import Visit
from gateway.semantics.message import Fields, Section

__all__ = ["COMPILED_AT_ONCE", "Template", "compile_body", "is_page", "template_of"]


COMPILED_AT_ONCE = 128 << 10
"""Octets of a page up to which it is compiled where it is stored (some ms; dense markup takes 1.5 µs an octet); a longer one by a thread, when first wanted."""


class Template:
    """A page to be assembled: an entry's program, or octets as they come.

    fields      its header section, as it would go to the client
    piece       what it says of itself
    program     compiled; None while chunks come
    transform   it may be compressed
    markup      its ESI is run as it comes; else only its nonce is made anew
    """

    __slots__ = ("chunks", "entry", "fields", "markup", "piece", "program", "status", "transform")

    def __init__(
        self,
        status: int,
        fields: Fields,
        piece: Piece,
        *,
        program: Program | None = None,
        chunks: Any = None,
        transform: bool,
        entry: Entry | None = None,
        markup: bool = True,
    ) -> None:
        self.status = status
        self.fields = fields
        self.piece = piece
        self.program = program
        self.chunks = chunks
        self.transform = transform
        self.entry = entry
        self.markup = markup


def compile_body(body: bytes, content_type: bytes | None, *, markup: bool = True) -> Program:
    """A page at hand, compiled for its media type. markup False: its ESI is text like the rest."""
    if not markup:
        return Program.of_text(body)
    return compile_page(body, context_of((content_type or b"").decode("latin-1")))


def template_of(entry: Entry, now: float) -> Template:
    """A stored page as a template. now: epoch seconds."""
    return Template(
        entry.status, entry.fields(), piece_of(entry, now), program=entry.program, transform=entry.transform, entry=entry
    )


def is_page(visit: Visit, entry: Entry) -> bool:
    """Whether a stored response is to be assembled for visit: it asks for that, or the include that brings it does."""
    if entry.esi:
        return True
    inclusion = visit.inclusion
    return inclusion is not None and inclusion.esi and visit.route.esi.applies(entry.status, Section(entry.fields()), forced=True)
