"""Responses that are passed on as they come: for one client, kept nowhere. Pure."""

from __future__ import annotations

from gateway.cache.entry import encode_block
from gateway.flow.assembly.composite import UNKNOWN
from gateway.flow.assembly.template import Template
from gateway.flow.deliver import may_compress
from gateway.flow.response import Facts, Response
from gateway.flow.routes import Compression
from gateway.semantics.dates import format_date
from gateway.semantics.fields import end_to_end
from gateway.semantics.message import Fields, Request, Section, first, joined
from gateway.upstream.origin import OriginResponse

__all__ = ["pass_on", "passed_fields", "passing_template"]

_FOR_US = frozenset({b"content-length", b"surrogate-control", b"weft-cache-control", b"trailer"})
"""Said to us, or said anew."""


def passed_fields(response: OriginResponse, tag_fields: tuple[bytes, ...]) -> Fields:
    """The header section that goes on to the client."""
    fields = [field for field in end_to_end(response.fields) if field[0] not in _FOR_US and field[0] not in tag_fields]
    if first(fields, b"date") is None:
        fields.append((b"date", format_date(response.response_time)))
    return fields


def passing_template(response: OriginResponse, fields: Fields, compression: Compression) -> Template:
    """A page that is assembled on its way through. Nobody else may have it: nothing is known of whom it is for."""
    plain = b"no-transform" not in (joined(fields, b"cache-control") or b"").lower()
    transform = may_compress(response.status, Section(fields), None, compression, transform=plain)
    return Template(response.status, fields, UNKNOWN, chunks=response.body, transform=transform)


def pass_on(request: Request, response: OriginResponse, fields: Fields, facts: Facts) -> Response:
    """The response itself, with this header section."""
    if response.tunnel is not None:  # said by whoever switches, hop by hop. RFC 9110 §7.8
        fields = [*fields, (b"connection", b"Upgrade"), (b"upgrade", first(response.fields, b"upgrade") or b"")]
    length = response.length
    if length is None and request.method == b"HEAD":
        declared = first(response.fields, b"content-length")
        length = int(declared) if declared is not None and declared.isdigit() else None
    body = response.body
    trailers = body.trailers if body is not None else None
    return Response(response.status, encode_block(fields), body, facts, length=length, trailers=trailers, tunnel=response.tunnel)
