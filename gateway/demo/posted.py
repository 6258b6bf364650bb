"""What a browser posts: is it from one of our own pages, and what does it say.

Starlette reads forms only with python-multipart installed; urlencoded ones need no more than the standard library.
"""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request

__all__ = ["MAX_BODY", "PostError", "is_same_site", "read_posted"]

MAX_BODY = 64 * 1024
"""Bytes. The largest form of the shop has a few hundred."""


class PostError(Exception):
    """The body can't be used; `status` is what to answer with."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def is_same_site(request: Request) -> bool:
    """Tell whether one of our own pages sent this, or something that is no browser at all.

    Browsers say so in Sec-Fetch-Site. They leave it out on plain HTTP outside of localhost; there Origin is compared with the host the
    client asked for, which a proxy may have moved to X-Forwarded-Host. (A foreign page can't set either of the two.)
    Neither field: curl and its like, which carry no cookies of a visitor and so can't be tricked.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = request.headers.get("origin")
    if origin is None:
        return True
    hosts = {request.headers.get("host"), request.headers.get("x-forwarded-host")}
    return urlsplit(origin).netloc in hosts


async def read_posted(request: Request) -> dict[str, str]:
    """The names and values of a urlencoded form or a flat JSON object, values as text; the last of equal names wins.

    Raises PostError: 413 too long, 415 another type, 400 not what it says.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise PostError(413, "too long")
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if media == "application/x-www-form-urlencoded":
            return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100))
        if media == "application/json":
            found = json.loads(body)
            if not isinstance(found, dict):
                raise PostError(400, "expected a JSON object")
            return {name: value if isinstance(value, str) else json.dumps(value) for name, value in found.items()}
    except (ValueError, RecursionError) as error:
        raise PostError(400, "not readable") from error
    raise PostError(415, "expected application/x-www-form-urlencoded or application/json")
