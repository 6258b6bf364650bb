"""The yardstick of miss_cost.py: a bare pass-through as one would write it, Starlette in front, httpx behind. It stores nothing and checks nothing.

passthru.py PORT UPSTREAM_PORT
"""

import sys

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_NOT_PASSED_ON = frozenset({"connection", "content-length", "transfer-encoding"})


def create(upstream: int) -> Starlette:
    """The application."""
    limits = httpx.Limits(max_connections=256, max_keepalive_connections=256)
    client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{upstream}", limits=limits, trust_env=False)

    async def carry(request: Request) -> Response:
        sent = [(name, value) for name, value in request.headers.raw if name != b"host"]
        answer = await client.request(request.method, f"{request.url.path}?{request.url.query}", headers=sent)
        kept = {name: value for name, value in answer.headers.items() if name not in _NOT_PASSED_ON}
        return Response(answer.content, answer.status_code, kept)

    return Starlette(routes=[Route("/{path:path}", carry)])


if __name__ == "__main__":
    port, origin = map(int, sys.argv[1:3])
    uvicorn.run(create(origin), host="127.0.0.1", port=port, log_level="warning", access_log=False)
