"""ESI tags in pages that are not assembled: counted, so that somebody notices, and taken out where the site says so.

Only the tags go. What stands between them stays, but for what was meant for processors alone: the content of `<esi:comment>` has none, and that of
`<!--esi … -->` is a comment to browsers anyway.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable

from gateway.semantics.message import Fields, first
from gateway.upstream.origin import OriginBody, OriginResponse

__all__ = ["count_markup", "strip_markup"]

_TAG = re.compile(rb"</?esi:[a-z][^<>\"']*(?:\"[^\"]*\"[^<>\"']*|'[^']*'[^<>\"']*)*>")
_BEGINNING = re.compile(rb"<(?:/?(?:e(?:s(?:i(?::[^>]*)?)?)?)?)?\Z")
_HELD = 32_768
"""Octets of an unfinished tag; a longer one goes out as it is."""
_CHANGED = frozenset(
    {b"etag", b"last-modified", b"content-md5", b"content-digest", b"repr-digest", b"accept-ranges", b"content-length"}
)
"""What was said of the content with its tags."""


def count_markup(body: bytes) -> int:
    """ESI tags in a whole page."""
    return body.count(b"<esi:")


class _StrippedBody:
    """An OriginBody without ESI tags. told: called once at its end with how many there were, when there were any."""

    __slots__ = ("_body", "_out", "_told", "trailers")

    def __init__(self, body: OriginBody, told: Callable[[int], None]) -> None:
        self._body = body
        self._told = told
        self.trailers: Fields = body.trailers
        self._out = self._strip()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._out

    async def _strip(self) -> AsyncIterator[bytes]:
        held, found = b"", 0
        async for chunk in self._body:
            text, count = _TAG.subn(b"", held + chunk) if held or b"<" in chunk else (chunk, 0)
            found += count
            beginning = _BEGINNING.search(text, max(0, len(text) - _HELD))
            held = text[beginning.start() :] if beginning is not None else b""
            if ready := text[: len(text) - len(held)]:
                yield ready
        if held:
            yield held
        if found:
            self._told(found)

    async def aclose(self) -> None:
        await self._body.aclose()


def strip_markup(response: OriginResponse, told: Callable[[int], None]) -> None:
    """Have ESI tags taken out of the content of a response that is not assembled. What comes compressed is left as it is: nobody has read it."""
    if response.body is None or response.status == 206 or first(response.fields, b"content-encoding") is not None:
        return
    response.body = _StrippedBody(response.body, told)
    response.length = None
    response.fields = [field for field in response.fields if field[0] not in _CHANGED]
