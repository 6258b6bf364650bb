"""Pages that come compressed and must be read: their content decoded as it comes, within bounds, and the header section to match."""

from __future__ import annotations

from collections.abc import AsyncIterator

from gateway.cache.freshness import CachePolicy
from gateway.cache.targeted import governing_directives
from gateway.errors import UpstreamMalformed
from gateway.flow.assembly.rules import EsiRules
from gateway.semantics.decoding import Decoder, DecodingError, TooLarge, decoder_for
from gateway.semantics.message import Fields, Section, joined
from gateway.upstream.origin import OriginBody, OriginResponse

__all__ = ["make_readable", "with_lifetime"]

_FORBID = frozenset({"private", "no-store", "no-cache"})
_OURS = b"weft-cache-control"
"""Our own targeted field. RFC 9213."""
_OF_THE_CODED_FORM = frozenset({b"content-encoding", b"content-length", b"content-md5", b"content-digest"})


class _DecodedBody:
    """An OriginBody over another."""

    __slots__ = ("_body", "_decoder", "_out", "trailers")

    def __init__(self, body: OriginBody, decoder: Decoder) -> None:
        self._body = body
        self.trailers = body.trailers
        self._decoder = decoder
        self._out = self._decode()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._out

    async def _decode(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._body:
                for piece in self._decoder.decode(chunk):
                    yield piece
            self._decoder.finish()
        except TooLarge as error:
            raise UpstreamMalformed(str(error), "http_response_body_size") from error
        except DecodingError as error:
            raise UpstreamMalformed(str(error), "http_response_content_coding") from error

    async def aclose(self) -> None:
        await self._body.aclose()


def make_readable(response: OriginResponse, rules: EsiRules) -> None:
    """Decode the content of a response that is to be assembled. Iterating it raises UpstreamMalformed for what can't be decoded or is too large.

    Raises UpstreamMalformed for a coding that we do not know.
    """
    coding = joined(response.fields, b"content-encoding")
    if coding is None or response.body is None:
        return
    try:
        decoder = decoder_for(coding, max_bytes=rules.max_page_bytes)
    except DecodingError as error:
        raise UpstreamMalformed(f"a page to be assembled: {error}", "http_response_content_coding") from error
    response.body = _DecodedBody(response.body, decoder)
    response.length = None
    response.fields = [field for field in response.fields if field[0] not in _OF_THE_CODED_FORM]


def with_lifetime(fields: Fields, ttl: float, policy: CachePolicy, *, personal: bool) -> Fields:
    """fields with the lifetime that the include gives, unless they forbid keeping or are for one visitor. A word to us alone: browsers hear what the fragment says.

    personal: the request carried a cookie or credentials. Then only a lifetime of its own says that a response is for all; ttl may replace that one.
    """
    said = Section(fields)
    directives = governing_directives(said, policy.targeted_fields, surrogate_control=policy.surrogate_control)
    if b"set-cookie" in said or directives.flags & _FORBID:
        return fields
    if personal and not (directives.numbers or b"expires" in said):
        return fields
    return [*[field for field in fields if field[0] != _OURS], (_OURS, b"max-age=%d" % ttl)]
