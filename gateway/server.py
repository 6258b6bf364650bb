"""The process that serves: listener, signals, drain. uvicorn's server runs the loop and the lifespan; when and how it stops is ours.

SIGTERM: not ready at once (and `Connection: close` on every answer), serve on for drain_delay, stop accepting, finish what runs, exit within drain_timeout.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import socket
from collections.abc import Iterator
from functools import partial

import uvicorn

from gateway.app import Gateway
from gateway.fastlane import EdgeProtocol

__all__ = ["Server", "bind", "serve", "tune_collector"]

logger = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """A uvicorn server whose connections are our protocol, and that drains."""

    def __init__(self, gateway: Gateway) -> None:
        settings = gateway.settings.server
        config = uvicorn.Config(
            gateway.app,
            http=partial(EdgeProtocol, gateway.edge),  # type: ignore[arg-type]  # called like a class
            ws="none",
            loop="uvloop",
            lifespan="on",
            backlog=settings.backlog,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
        )
        super().__init__(config)
        self.gateway = gateway

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """A signal ends the server, and nothing else: uvicorn would raise it again after the drain, and SIGTERM would then kill the process with its work done."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain. Called by uvicorn once a signal has come."""
        gateway, settings = self.gateway, self.gateway.settings.server
        gateway.draining = gateway.edge.draining = True
        logger.info("draining", extra={"delay": settings.drain_delay, "connections": len(gateway.edge.connections)})
        if settings.drain_delay:
            await asyncio.sleep(settings.drain_delay)
        await self._stop_accepting(sockets or [])
        for connection in list(gateway.edge.connections):
            connection.shutdown()
        try:
            async with asyncio.timeout(settings.drain_timeout):
                while gateway.edge.connections and not self.force_exit:
                    await asyncio.sleep(0.02)
                    gateway.sweeper.sweep()
        except TimeoutError:
            logger.warning("drain timeout", extra={"connections": len(gateway.edge.connections)})
        for connection in list(gateway.edge.connections):  # time is up, or a second Ctrl-C has come
            connection.transport.abort()
        await self.lifespan.shutdown()

    async def _stop_accepting(self, listeners: list[socket.socket]) -> None:
        """Close the listeners, but not on those whom the kernel has let in already: closing would reset their connections."""
        doors = [listener.dup() for listener in listeners]  # the loop closes its own a turn later than it is told
        for server in self.servers:
            server.close()
        for listener in listeners:
            listener.close()
        await asyncio.sleep(0.01)
        waiting = []
        for door in doors:
            door.listen(
                0
            )  # from here on the kernel lets hardly anyone in: what is left between the last accept and the close is microseconds
            with contextlib.suppress(BlockingIOError):
                while True:
                    waiting.append(door.accept()[0])
            door.close()
        loop = asyncio.get_running_loop()
        for client in waiting:
            client.setblocking(False)
            await loop.connect_accepted_socket(partial(self._protocol, loop), client)

    def _protocol(self, loop: asyncio.AbstractEventLoop) -> EdgeProtocol:
        return EdgeProtocol(self.gateway.edge, self.config, self.server_state, self.lifespan.state, loop)


def tune_collector() -> None:
    """Python's cycle collector walks everything that lives; a cache is a lot that lives. So: what start-up made is set aside, and the rest is walked less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def bind(host: str, port: int, backlog: int) -> socket.socket:
    """The listening socket. Raises OSError with host and port in its text."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(backlog)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"can't listen on {host}:{port}: {error.strerror}") from None
    return listener


async def serve(gateway: Gateway, listener: socket.socket) -> None:
    """Serve until a signal comes, then drain."""
    await Server(gateway).serve(sockets=[listener])
