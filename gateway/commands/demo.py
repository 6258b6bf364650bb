"""Run a small shop with the gateway in front of it, in one process, and say where to look.

Everything listens on this machine only, and nothing is kept when it ends: Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import secrets
import socket
import sys
from collections.abc import Iterator

import httpx
import uvicorn
import uvloop
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from gateway.app import CONTROL, Gateway, build
from gateway.commands.observatory import GatewayObservatory
from gateway.demo.catalogue import build_catalogue
from gateway.demo.console import Command, commands_to_try, create_console
from gateway.demo.shop import create_shop
from gateway.demo.visitors import popular_paths
from gateway.endpoints.trace import TraceEndpoint
from gateway.logs import set_up_logging
from gateway.processes.binding import bind
from gateway.processes.server import Server
from gateway.settings import Settings

__all__ = ["add_arguments", "run"]

HOST = "127.0.0.1"
PORT = 8080
_BASKET = "basket=anvil-teapot.2~ferry-tote.1"
ATTEMPTS = 20
"""Ports tried from PORT on, when the user has not asked for one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be changed about the demo. It reads no settings."""
    parser.add_argument(
        "--port", type=_port, help=f"port of the gateway, 0 for a free one (default {PORT}, or the next that is free)"
    )
    parser.add_argument(
        "--delay", type=_seconds, default=0.08, metavar="SECONDS", help="how long the shop takes for a page (default 0.08)"
    )
    parser.add_argument("--log", action="store_true", help="write a line for each request to standard error")
    parser.add_argument(
        "--no-color", action="store_true", help="plain text (also with NO_COLOR set, or when the output is no terminal)"
    )


def run(namespace: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM. 1 with one line of cause when it can't start."""
    with contextlib.ExitStack() as stack:
        try:
            listener = stack.enter_context(_listen(namespace.port))
            shop_listener = stack.enter_context(bind(HOST, 0, 128))
        except OSError as error:
            print(f"weft demo: {error.strerror}", file=sys.stderr)
            return 1
        set_up_logging("warning", "text")
        demo = _Demo(listener, shop_listener, delay=namespace.delay, log=namespace.log)
        plain = namespace.no_color or bool(os.environ.get("NO_COLOR")) or not sys.stdout.isatty()
        print("\n".join(demo.greeting(wished=namespace.port, plain=plain)), flush=True)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(demo.serve())
    print("\nStopped.")
    return 0


class _Demo:
    """Shop, gateway, live page, and who visits them."""

    def __init__(self, listener: socket.socket, shop_listener: socket.socket, *, delay: float, log: bool) -> None:
        self.listener = listener
        self.shop_listener = shop_listener
        self.base = _address(listener)
        self.admin_token = secrets.token_urlsafe(12)
        self.purge_token = secrets.token_urlsafe(18)
        self.debug_token = secrets.token_urlsafe(18)
        self.visits = 0
        self.catalogue = build_catalogue()
        self.shop = create_shop(catalogue=self.catalogue, delay=delay, admin_token=self.admin_token, public_url=self.base)
        self.settings = _settings(listener, _address(shop_listener), self.purge_token, self.debug_token, log=log)
        self.crowd: httpx.AsyncClient | None = None
        mount = Mount("/demo", routes=[])
        self.gateway = build(self.settings, extra_routes=[Route("/demo", _to_the_page), mount])
        self.observatory = GatewayObservatory(self.gateway)
        self.gateway.account.watcher = self.observatory
        mount.routes.extend(self._console(self.gateway))

    def _console(self, gateway: Gateway) -> list[BaseRoute]:
        console = create_console(
            self.observatory,
            self.visit,
            paths=popular_paths(self.catalogue),
            commands=self.commands(),
            is_closing=lambda: gateway.draining,
            trace=self.trace,
        )
        # Who sees the live page may purge; so they may see traces too, without a token.
        return [*console, Mount("/trace", routes=TraceEndpoint(gateway.traces, lambda _token: True).routes())]

    def commands(self) -> list[Command]:
        return commands_to_try(purge_token=self.purge_token, admin_token=self.admin_token, debug_token=self.debug_token)

    def greeting(self, *, wished: int | None, plain: bool) -> Iterator[str]:
        bold, dim, end = ("", "", "") if plain else ("\033[1m", "\033[2m", "\033[0m")
        if wished is None and not self.base.endswith(f":{PORT}"):
            yield f"Port {PORT} is taken; this one is free."
        yield ""
        yield f"  The shop, through the gateway   {bold}{self.base}/{end}"
        yield f"  What the cache does, live       {bold}{self.base}{CONTROL}/demo/{end}"
        yield ""
        yield "  Try it:"
        for title, command in self.commands():
            yield f"  {dim}# {title}{end}"
            yield f"  {command.replace('{base}', self.base)}"
        yield ""
        yield "  Ctrl-C ends it."

    async def serve(self) -> None:
        """Until a signal comes; the shop stops last, so that requests under way get their answers."""
        shop = _ShopServer(
            uvicorn.Config(self.shop, lifespan="off", log_config=None, access_log=False, server_header=False, proxy_headers=False)
        )
        serving = asyncio.create_task(shop.serve(sockets=[self.shop_listener]))
        async with httpx.AsyncClient(
            base_url=self.base, headers={"user-agent": "weft-demo-visitor"}, timeout=10, trust_env=False
        ) as self.crowd:
            await Server(self.gateway).serve(sockets=[self.listener])
        shop.should_exit = True
        await serving

    async def visit(self, path: str) -> None:
        """One visitor of the crowd: a real request, whose answer is read and thrown away. One in five has a basket, one in twenty is traced."""
        self.visits += 1
        fields = {}
        if self.visits % 5 == 0:
            fields["cookie"] = _BASKET
        if self.visits % 20 == 1:
            fields["weft-debug"] = self.debug_token
        await self._ask(path, fields)

    async def trace(self, path: str) -> str:
        """The id of a trace of a visitor who has a basket. Raises LookupError."""
        try:
            fields = await self._ask(path, {"cookie": _BASKET, "weft-debug": self.debug_token})
        except httpx.HTTPError as error:
            raise LookupError(str(error)) from error
        found: str = fields.get("weft-trace", "")
        if not found:
            raise LookupError("the gateway did not make one")
        return found.rpartition("/")[2]

    async def _ask(self, path: str, fields: dict[str, str]) -> httpx.Headers:
        assert self.crowd is not None
        async with self.crowd.stream("GET", path, headers=fields) as response:
            async for _ in response.aiter_raw():
                pass
            return response.headers


class _ShopServer(uvicorn.Server):
    """Signals are the gateway's to hear."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _to_the_page(_request: Request) -> Response:
    return RedirectResponse(f"{CONTROL}/demo/", 308)


def _settings(listener: socket.socket, shop: str, purge_token: str, debug_token: str, *, log: bool) -> Settings:
    return Settings.model_validate(
        {
            "server": {"host": HOST, "port": listener.getsockname()[1], "drain_timeout": 2.0},
            "upstream": {"url": shop},
            "cache": {"max_object_bytes": 2 << 20, "memory": {"max_bytes": 16 << 20}},  # small, so that one sees it fill
            "query": {"mode": "drop", "names": ["utm_*", "gclid", "fbclid"], "sort": True},
            "purge": {"tokens": [purge_token]},
            "debug": {"server_timing": "always", "tokens": [debug_token]},
            "log": {"access": "text", "file": "/dev/stderr"} if log else {"access": "off"},
        }
    )


def _listen(port: int | None) -> socket.socket:
    """The gateway's socket. Raises OSError."""
    if port is not None:
        return bind(HOST, port, 2_048)
    for attempt in range(PORT, PORT + ATTEMPTS):
        with contextlib.suppress(OSError):
            return bind(HOST, attempt, 2_048)
    return bind(HOST, 0, 2_048)


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()
    return f"http://{host}:{port}"


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65_535):
        raise argparse.ArgumentTypeError(f"expected 0 to 65535, got {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 60:
        raise argparse.ArgumentTypeError(f"expected 0 to 60 seconds, got {text!r}")
    return seconds
