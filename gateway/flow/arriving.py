"""From a response that is on its way to the one that a client gets meanwhile: its head, and its octets as they come. What is stored already goes by deliver.py."""

from __future__ import annotations

from gateway.cache.collapse import SpoolReader
from gateway.cache.entry import encode_block
from gateway.flow.deliver import NOT_IN_304
from gateway.flow.landing import Filling
from gateway.flow.response import Facts, Response, allows_content
from gateway.semantics.conditional import is_not_modified
from gateway.semantics.message import Request, first

__all__ = ["pass_arriving"]


def pass_arriving(
    filling: Filling, request: Request, reader: SpoolReader | None, facts: Facts, member: bytes, now: float
) -> Response:
    """reader: on its octets; None for a new one, where there is content. member: ours of Cache-Status. now: epoch seconds."""
    age = max(0, int(now - filling.terms.born))
    made = b"age: %d\r\ncache-status: %s\r\n" % (age, member)
    etag, modified = first(filling.fields, b"etag"), first(filling.fields, b"last-modified")
    if (
        filling.status == 200
        and request.method == b"GET"
        and is_not_modified(request.fields, etag, modified, filling.terms.date, now)
    ):
        kept = [field for field in filling.fields if field[0] not in NOT_IN_304]
        return Response(304, encode_block(kept) + made, None, facts)
    block = encode_block(filling.fields) + made
    if filling.extent is not None:
        start, stop, complete = filling.extent
        block += b"content-range: bytes %d-%d/%s\r\n" % (start, stop - 1, b"*" if complete is None else b"%d" % complete)
    if reader is None and allows_content(filling.status):
        reader = filling.spool.read()  # stored, yet what this client gets is not what would come from the store
    response = Response(filling.status, block, reader, facts, length=filling.length)
    response.source = filling
    return response
