"""A body becomes a response a cache can work with: lifetimes, validators, tags, 304.

One place builds these fields, so that no page of the shop can forget one. Nothing here knows products.
"""

from __future__ import annotations

from collections.abc import Iterable
from email.utils import formatdate, parsedate_to_datetime
from hashlib import blake2b
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

__all__ = ["BRIEF", "FOREVER", "LIST", "PAGE", "PRIVATE", "cacheable", "is_current", "is_woven", "private"]

# The browser always asks again (`max-age=0`): the answer is a 304 from the cache next door, and a purge is seen on the very next click.
PAGE = "public, max-age=0, s-maxage=300, stale-while-revalidate=600, stale-if-error=86400"
LIST = "public, max-age=0, s-maxage=60, stale-while-revalidate=300, stale-if-error=86400"
BRIEF = "public, max-age=0, s-maxage=10"
FOREVER = "public, max-age=31536000, immutable"
PRIVATE = "private, no-store"
ESI = 'content="ESI/1.0"'

_POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


def cacheable(
    request: Request,
    body: bytes,
    media: str,
    lifetime: str,
    *,
    tags: Iterable[str] = (),
    modified: float | None = None,
    status: int = HTTPStatus.OK,
    woven: bool = False,
) -> Response:
    """A response that may be shared; 304 when the client has it already.

    lifetime    the Cache-Control value: one of the constants above
    tags        surrogate keys, in order, repeated ones dropped
    modified    epoch seconds for Last-Modified
    woven       it holds ESI markup, and asks for its processing
    """
    fields = {"cache-control": lifetime, "etag": etag(body)}
    if modified is not None:
        fields["last-modified"] = formatdate(modified, usegmt=True)
    if keys := " ".join(dict.fromkeys(tags)):
        fields["surrogate-key"] = keys
    if woven:
        # No Vary: the field is between an origin and its surrogate, which passes neither it nor the markup on. (Symfony does the same.)
        fields["surrogate-control"] = ESI
    if status == HTTPStatus.OK and is_current(request, fields["etag"], modified):
        return Response(status_code=304, headers=fields)
    return _full(request, body, media, fields, status)


def is_woven(request: Request) -> bool:
    """Somebody in front of us assembles pages, and says so. Edge Architecture Specification §3.1."""
    return "ESI/1.0" in request.headers.get("surrogate-capability", "")


def private(request: Request, body: bytes, media: str = "text/html", *, status: int = 200) -> Response:
    """A response for one person, kept by nobody."""
    return _full(request, body, media, {"cache-control": PRIVATE}, status)


def etag(body: bytes) -> str:
    """A strong validator: equal bytes and only equal bytes have it in common (RFC 9110 §8.8.3)."""
    return f'"{blake2b(body, digest_size=12).hexdigest()}"'


def is_current(request: Request, tag: str, modified: float | None) -> bool:
    """Does the client hold this representation already? RFC 9110 §13.2.2: If-None-Match decides alone when it is there."""
    if request.method not in {"GET", "HEAD"}:
        return False
    asked = request.headers.getlist("if-none-match")
    if asked:
        wanted = {part.strip().removeprefix("W/") for line in asked for part in line.split(",")}
        return "*" in wanted or tag in wanted
    since = request.headers.get("if-modified-since")
    if since is None or modified is None:
        return False
    try:
        return int(modified) <= parsedate_to_datetime(since).timestamp()
    except ValueError:  # an unreadable date is as if it were absent (§13.1.3)
        return False


def _full(request: Request, body: bytes, media: str, fields: dict[str, str], status: int) -> Response:
    if media == "text/html":
        fields |= {"content-security-policy": _POLICY, "referrer-policy": "same-origin"}
    fields |= {"content-length": str(len(body)), "x-content-type-options": "nosniff"}
    # HEAD: the same fields, no content; the length is that of GET (RFC 9110 §9.3.2).
    return Response(b"" if request.method == "HEAD" else body, status_code=status, headers=fields, media_type=media)
