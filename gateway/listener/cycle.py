"""One request on our own server: through ASGI, where `receive` and `send` do what they should (ASGI 3, HTTP spec 2.4), or straight to the traffic.

A response that can't be finished is cut short so that the client notices: no last chunk, fewer octets than declared, connection closed (RFC 9112 §8).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from gateway.errors import GatewayError
from gateway.flow.response import STATUS_LINE, allows_content
from gateway.semantics.dates import format_date
from gateway.semantics.fields import connection_options
from gateway.semantics.message import Request, first

if TYPE_CHECKING:
    from gateway.listener.connection import ClientConnection
    from gateway.listener.tunnel import ClientTunnel

__all__ = ["JOIN_UP_TO", "App", "Cycle", "Message", "ResponseCutShort"]

logger = logging.getLogger(__name__)

JOIN_UP_TO = 32 << 10
"""Octets up to which head and content are joined for one write; above it, copying costs more than a second segment."""

Message = MutableMapping[str, Any]
App = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]


class ResponseCutShort(GatewayError):
    """The content can't be completed after its head has gone out. The server must close the connection without pretending an end."""

    fault = "upstream"


class Cycle:
    """A request that the lane could not answer at once.

    direct: it goes to the traffic as it is, without a scope that would only be taken apart again.
    """

    __slots__ = (
        "_chunked",
        "_head",
        "_heard",
        "_left",
        "_over",
        "_released",
        "_trailers",
        "app",
        "direct",
        "finished",
        "keep_alive",
        "protocol",
        "request",
        "started",
        "task",
    )

    def __init__(self, protocol: ClientConnection, request: Request, app: App, *, keep_alive: bool, direct: bool = False) -> None:
        self.protocol = protocol
        self.request = request
        self.app = app
        self.direct = direct
        self.keep_alive = keep_alive
        self.started = False
        self.finished = False
        self.task: asyncio.Task[None] | None = None
        self._head: bytes | None = None  # written together with the first octets of the body
        self._chunked = False
        self._left: int | None = None  # octets still to come under a declared length
        self._trailers = False
        self._heard = False  # receive has told of the whole content
        self._over: asyncio.Event | None = None  # somebody waits for the end
        self._released = False  # the connection goes on without us

    @property
    def says_its_end(self) -> bool:
        """Its content has a length or is chunked: a client sees when it is not whole."""
        return self._chunked or self._left is not None

    async def run(self) -> None:
        """Call the application; always ends with the protocol's `end_cycle`."""
        clean = False
        try:
            carry = self.protocol.edge.carry
            if self.direct and carry is not None:
                await carry(self.request, self, self.protocol.started)
            else:
                await self.app(self.protocol.scope(self.request, self), self.receive, self.send)
            clean = self.finished
            if not clean and not self.started:
                logger.error("application returned without a response")
                self.protocol.write_bare(500)
        except (ResponseCutShort, OSError):
            pass  # said where it happened; the connection is closed below
        except asyncio.CancelledError:
            pass  # the client has left, or the server stops waiting
        except Exception:
            logger.exception("application failed", extra={"started": self.started})
            if not self.started:
                self.protocol.write_bare(500)
        finally:
            self._release(clean=clean)

    def answer(self, head: bytes, body: bytes) -> None:
        """`send` for a response whose content is at hand and whose head is written already: status line, fields and Content-Length.

        Raises OSError when the client is gone.
        """
        if self.protocol.lost:
            raise OSError("client has left")
        self.started = True
        if len(body) <= JOIN_UP_TO:
            self.protocol.transport.write(b"".join((head, self._ending(), body)))
        else:
            self.protocol.transport.writelines((head, self._ending(), body))
        self._end()

    @property
    def tunnel(self) -> Callable[[bytes], ClientTunnel]:
        """Switch protocols: takes the head of the 101, gives the client's end."""
        return self.protocol.open_tunnel

    @property
    def trailers(self) -> bool:
        """`send` knows trailers."""
        return True

    async def receive(self) -> Message:
        """http.request with what of the content has come; after the last, http.disconnect once the response is out.

        A client that leaves before cancels the task, and with it whoever waits here.
        """
        if not self._heard:
            body = self.protocol.incoming_of(self.request)
            chunk = b"" if body is None else await body.next_chunk()
            more = body is not None and (bool(chunk) or not body.complete)
            self._heard = not more
            return {"type": "http.request", "body": chunk, "more_body": more}
        if not self.finished:
            if self._over is None:
                self._over = asyncio.Event()
            await self._over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """http.response.start, .body, .trailers. Waits while the client's socket is full; raises OSError when it is gone."""
        protocol = self.protocol
        if protocol.lost:
            raise OSError("client has left")
        kind = message["type"]
        if kind == "http.response.start":
            self._start(message["status"], message.get("headers", ()), trailers=bool(message.get("trailers")))
        elif kind == "http.response.body":
            await self._body(message.get("body", b""), more=message.get("more_body", False))
        elif kind == "http.response.trailers":
            self._finish([b"%s: %s\r\n" % field for field in message.get("headers", ())])
        else:
            raise RuntimeError(f"unexpected ASGI message {kind}")

    def _start(self, status: int, headers: Any, *, trailers: bool) -> None:
        fields = [(name.lower(), value) for name, value in headers]
        lines = [STATUS_LINE[status], *(b"%s: %s\r\n" % field for field in fields)]
        if first(fields, b"date") is None:  # our own pages; whoever has a clock must say the time. RFC 9110 §6.6.1
            lines.append(b"date: %s\r\n" % format_date(self.protocol.edge.clock()))
        length = first(fields, b"content-length")
        head_only = self.request.method == b"HEAD" or not allows_content(status)
        said = b"close" in connection_options(fields)
        if said:
            self.keep_alive = False
        if head_only:
            self._left = 0
        elif length is not None:
            self._left = int(length)
        elif self.request.version == b"1.0":
            self.keep_alive = False  # the end of the connection is the end of the content. RFC 9112 §6.3
        else:
            self._chunked = True
            self._trailers = trailers
            lines.append(b"transfer-encoding: chunked\r\n")
        lines.append(b"\r\n" if said else self._ending())
        self._head = b"".join(lines)
        self.started = True

    def _ending(self) -> bytes:
        """The last lines of a head: what becomes of the connection, and the empty one."""
        body = self.protocol.incoming_of(self.request)
        if body is not None and not body.complete:
            self.keep_alive = False  # answered before the content has come: it may never be read to its end. RFC 9112 §9.3
        if not self.keep_alive:
            return b"connection: close\r\n\r\n"
        return b"connection: keep-alive\r\n\r\n" if self.request.version == b"1.0" else b"\r\n"

    async def _body(self, chunk: bytes, *, more: bool) -> None:
        pieces = [self._head] if self._head is not None else []
        self._head = None
        if self.request.method == b"HEAD":
            chunk = b""
        if self._left is not None and self._left < len(chunk):
            raise RuntimeError("response content longer than its Content-Length")
        if chunk:
            if self._chunked:
                pieces += [b"%x\r\n" % len(chunk), chunk, b"\r\n"]
            else:
                pieces.append(chunk)
            if self._left is not None:
                self._left -= len(chunk)
        if pieces:
            self.protocol.write(pieces)
        if not more and not self._trailers:
            self._finish([])
        elif self.protocol.write_paused:
            await self.protocol.drain()

    def _finish(self, trailers: list[bytes]) -> None:
        if self._left:
            raise RuntimeError("response content shorter than its Content-Length")
        if self._chunked:
            self.protocol.write([b"0\r\n", *trailers, b"\r\n"])
        self._end()

    def _end(self) -> None:
        self.finished = True
        if self._over is not None:
            self._over.set()
        if not self.direct:
            # An application that works on after its response (Starlette's background tasks) must not hold up the connection's next request.
            asyncio.get_running_loop().call_soon(self._release)

    def _release(self, *, clean: bool = True) -> None:
        if not self._released:
            self._released = True
            self.protocol.end_cycle(self, clean=clean)
