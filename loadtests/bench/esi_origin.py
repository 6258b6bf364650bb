"""The origin behind esi_peers.py: uvicorn on 127.0.0.1, pages of about 10 KB with six includes. Everything may be kept for an hour, but for the last page.

/page      six includes of the same for all            /choose    the same six, chosen by a cookie among eight sets
/cookie    the last of the six varies by Cookie        /written   the same six, and a cookie's value in the text
/frag/N    fragments, 311 octets                       /vary      a fragment that says which cookie it saw, Vary: Cookie

esi_origin.py [PORT]
"""

import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

HOLES = 6
FRAGMENT = b"<div>" + b"f" * 300 + b"</div>"


def page(holes: list[bytes]) -> bytes:
    """Text, hole, text, hole, …: as in the issue's yardstick."""
    return b"<html><body>" + b"".join(b"<p>" + b"lorem ipsum " * 125 + b"</p>\n" + hole for hole in holes) + b"</body></html>"


def include(url: str) -> bytes:
    """One hole."""
    return f'<esi:include src="{url}"/>'.encode()


def chosen(hole: int) -> bytes:
    """One hole whose content depends on a cookie."""
    whens = b"".join(
        f"<esi:when test=\"$(HTTP_COOKIE{{'set'}}) == '{letter}'\">".encode() + include(f"/frag/{letter}{hole}") + b"</esi:when>"
        for letter in "abcdefgh"
    )
    return b"<esi:choose>" + whens + b"<esi:otherwise>" + include(f"/frag/{hole}") + b"</esi:otherwise></esi:choose>"


PLAIN_HOLES = [include(f"/frag/{hole}") for hole in range(HOLES)]
PAGES = {
    "/page": page(PLAIN_HOLES),
    "/choose": page([chosen(0), *PLAIN_HOLES[1:]]),
    "/cookie": page([*PLAIN_HOLES[:-1], include("/vary")]),
    "/written": page([b"<esi:vars>$(HTTP_COOKIE{'v'})</esi:vars>" + PLAIN_HOLES[0], *PLAIN_HOLES[1:]]),
}


async def app(scope: MutableMapping[str, Any], _receive: object, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    """ASGI 3."""
    if scope["type"] != "http":
        return
    path: str = scope["path"]
    body = PAGES.get(path, FRAGMENT)
    headers = [(b"cache-control", b"max-age=3600"), (b"content-type", b"text/html")]
    if path in PAGES:
        headers.append((b"surrogate-control", b'content="ESI/1.0"'))
    elif path == "/vary":
        seen = b"; ".join(value for name, value in scope["headers"] if name == b"cookie")
        body = b"<div>" + seen + b"f" * (300 - len(seen)) + b"</div>"
        headers.append((b"vary", b"Cookie"))
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 9100
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)
