"""The origin behind the benchmarks: uvicorn on 127.0.0.1, paths that say what they give.

/plain            10 KB, max-age=3600                     /size/N           N octets, max-age=3600
/tagged/T         300 octets, tagged T, max-age=3600      /slow/S           10 KB after S seconds, max-age=3600
/private/S        10 KB after S seconds, private          /stale            10 KB, fresh for one second, stale-if-error a day
/nostore          10 KB, no-store                         /count            {"requests": n since the start}
/versioned/T      300 octets, tagged T, max-age=3600,     /publish          the next version
                  its version in X-Version

origin.py [PORT [HOST]]
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

asked: Counter[str] = Counter()
"""Requests by the first segment of their path, those for /count apart."""


async def app(scope: MutableMapping[str, Any], _receive: object, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    """ASGI 3."""
    if scope["type"] != "http":
        return
    path: str = scope["path"]
    _, kind, *rest = [*path.split("/"), ""]
    headers, body = [(b"cache-control", b"max-age=3600")], b"x" * 10_240
    if kind == "publish":
        asked["version"] += 1
        kind = "nostore"
    if kind == "count":
        headers, body = [(b"cache-control", b"no-store")], b'{"requests": %d}' % asked.total()
    else:
        asked[kind] += 1
    if kind == "size":
        body = b"y" * int(rest[0])
    elif kind == "tagged":
        body = b"z" * 300
        headers.append((b"surrogate-key", rest[0].encode()))
    elif kind == "versioned":
        body = b"v" * 300
        headers += [(b"surrogate-key", rest[0].encode()), (b"x-version", b"%d" % asked["version"])]
    elif kind == "slow":
        await asyncio.sleep(float(rest[0]))
    elif kind == "private":
        await asyncio.sleep(float(rest[0]))
        headers = [(b"cache-control", b"private")]
    elif kind == "stale":
        headers = [(b"cache-control", b"max-age=1, stale-if-error=86400")]
    elif kind == "nostore":
        headers = [(b"cache-control", b"no-store")]
    headers += [(b"content-type", b"text/html"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 9100
    uvicorn.run(app, host=sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1", port=port, log_level="warning", access_log=False)
