"""What serves in one event loop: accepting, and stopping in good order. uvicorn's server runs the lifespan; the listening socket and the drain are ours.

End, when everything stops: not ready at once (and `Connection: close` on every answer), serve on for drain_delay, stop accepting, finish what runs,
exit within drain_timeout. End, when another worker takes over: the same, without being unready, and the socket is left to the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import socket
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import uvicorn

from gateway.app import Gateway
from gateway.fastlane import EdgeProtocol
from gateway.listener.tls import TlsConnection
from gateway.processes.acceptor import Acceptor

__all__ = ["Server", "tune_collector"]

logger = logging.getLogger(__name__)

_AT_ONCE = 32
"""Connections taken in one turn by a worker that has no colleagues."""
_IDLE_GRACE = 0.3
"""Seconds in which a request that was on the wire when draining began may still arrive."""
_IDLE_GRACE_OF_ONE = 5.0
"""The same, when others go on: nobody waits for this worker, and a client that asks in this time hears `Connection: close` with its answer."""


class Server(uvicorn.Server):
    """A uvicorn server whose connections are our protocol, and that drains.

    shares: other processes accept from the same socket. owns_port: nobody outside holds it, so that its end is the end of the kernel's queue too.
    """

    def __init__(self, gateway: Gateway, *, shares: bool = False, owns_port: bool = True) -> None:
        settings = gateway.settings.server
        config = uvicorn.Config(
            gateway.app,
            http=_protocol_of(gateway),  # type: ignore[arg-type]  # called like a class
            ws="none",
            loop="uvloop",
            lifespan="off",  # start and end are called here: their errors are for us to tell
            backlog=settings.backlog,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
        )
        super().__init__(config)
        self.gateway = gateway
        self.shares = shares
        self.owns_port = owns_port
        self.replaced = False
        """Set with should_exit when another worker has taken over."""
        self.most: float | None = None
        """Seconds for the whole drain, when they are fewer than the settings give it."""
        self.on_started: Callable[[], None] = _nothing
        self.on_closed: Callable[[], None] = _nothing
        """Called once nothing is accepted any more."""
        self.acceptor: Acceptor | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """A signal ends the server, and nothing else: uvicorn would raise it again after the drain, and SIGTERM would then kill the process with its work done."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then accept. Raises what keeps it from starting."""
        await self.gateway.start()
        (listener,) = sockets or []
        loop = asyncio.get_running_loop()
        self.acceptor = Acceptor(
            listener, partial(self._protocol, loop), self._count_pause, at_once=1 if self.shares else _AT_ONCE
        )
        self.acceptor.start()
        self.servers = []
        self.started = True
        self.on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain. Called by uvicorn once should_exit is set."""
        gateway = self.gateway
        gateway.edge.draining = True
        logger.info("draining", extra={"replaced": self.replaced, "connections": len(gateway.edge.connections)})
        assert self.acceptor is not None
        if not self.replaced:
            gateway.draining = True
            if self.most is None:
                await self._wait(gateway.settings.server.drain_delay)
        if self.owns_port and not self.replaced:
            await self.acceptor.finish()
        else:
            self.acceptor.stop()
            await self.acceptor.settle()
        for listener in sockets or []:
            listener.close()
        self.on_closed()
        grace = _IDLE_GRACE_OF_ONE if self.replaced else _IDLE_GRACE
        for connection in list(gateway.edge.connections):
            connection.shutdown(grace)
        await self._finish()
        await gateway.aclose()

    def _count_pause(self) -> None:
        self.gateway.accept_pauses += 1

    async def _finish(self) -> None:
        """Wait for what runs, as long as it may take."""
        edge = self.gateway.edge
        try:
            async with asyncio.timeout(self.most if self.most is not None else self.gateway.settings.server.drain_timeout):
                while edge.connections and not self.force_exit:
                    await asyncio.sleep(0.02)
                    self.gateway.sweeper.sweep()
        except TimeoutError:
            logger.warning("drain timeout", extra={"connections": len(edge.connections)})
        for connection in list(edge.connections):  # time is up, or a second Ctrl-C has come
            connection.transport.abort()

    async def _wait(self, seconds: float) -> None:
        """Serve on for so long, unless somebody is in a hurry."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self.force_exit:  # noqa: ASYNC110 - set by a signal handler
                    await asyncio.sleep(0.05)

    def _protocol(self, loop: asyncio.AbstractEventLoop) -> asyncio.Protocol:
        make: Any = self.config.http_protocol_class
        return make(self.config, self.server_state, self.lifespan.state, loop)  # type: ignore[no-any-return]


def _protocol_of(gateway: Gateway) -> Callable[..., asyncio.Protocol]:
    """What makes a connection: ours, behind TLS while there are certificates; a reload may bring some."""

    def make(*arguments: Any) -> asyncio.Protocol:
        keyring = gateway.keyring
        return (
            EdgeProtocol(gateway.edge, *arguments)
            if keyring is None
            else TlsConnection(gateway.edge, keyring, EdgeProtocol, *arguments)
        )

    return make


def _nothing() -> None:
    pass


def tune_collector() -> None:
    """Python's cycle collector walks everything that lives; a cache is a lot that lives. So: what start-up made is set aside, and the rest is walked less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
