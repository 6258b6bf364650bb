"""`weft` with paths that do to a worker what no request can: python tests/processes/misbehaving.py serve …

/_weft/block   stands still for a minute        /_weft/spin   counts for a minute        /_weft/grow   takes 100 MB, and keeps them
/_weft/babble  sends the parent octets that are no message
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gateway import app
from gateway.__main__ import main
from gateway.commands import serve
from gateway.settings import Settings

kept: list[bytearray] = []


async def block(request: Request) -> Response:
    time.sleep(60)  # noqa: ASYNC251 - that is what it is for
    return PlainTextResponse("at last")


async def spin(request: Request) -> Response:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        sum(range(1000))
    return PlainTextResponse("at last")


async def grow(request: Request) -> Response:
    kept.append(bytearray(b"x" * 100_000_000))
    return PlainTextResponse("large")


async def babble(request: Request) -> Response:
    for number in os.listdir("/proc/self/fd"):  # noqa: PTH208 - the pair of sockets between parent and worker is the only one of its kind
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(int(number))) as end:
            if end.family == socket.AF_UNIX:
                end.send(b"\0\0\0\x07\0\0\0\0{nonsense}" * 3)
    return PlainTextResponse("said")


def build(settings: Settings) -> app.Gateway:
    paths: Sequence[Route] = [Route("/block", block), Route("/spin", spin), Route("/grow", grow), Route("/babble", babble)]
    return app.build(settings, extra_routes=paths)


if __name__ == "__main__":
    serve.build = build
    sys.exit(main())
