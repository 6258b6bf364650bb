"""The port to an origin: one exchange, nothing else.

An adapter owns connections, timeouts and framing. It never looks at caching, never follows redirects, never retries: the flow does. The one
exception is the keep-alive race (RFC 9112 §9.3.1): an idempotent request without a touched body, on a kept connection that closed
before a byte came, is sent once more on a new one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Protocol

from gateway.semantics.message import Fields, Section

__all__ = ["Interim", "Origin", "OriginBody", "OriginRequest", "OriginResponse", "Tunnel"]

Interim = Callable[[int, Fields], None]
"""Called with status and fields of each 1xx response (not 101), in order, before the final response."""


class OriginRequest:
    """What to ask.

    target          origin-form, or b"*"
    fields          complete but for framing: the caller has removed hop-by-hop fields and put Host in; the adapter
                    adds Content-Length or Transfer-Encoding (from `length` and `body`) and nothing else
    body            content to stream, or None; pulled only as fast as the origin reads
    length          octets of body when known; None with a body means chunked
    upgrade         value for `Upgrade` (with `Connection: Upgrade`) when the client wants to switch protocols
    interim         where 1xx responses go; None drops them
    trailers        trailer fields to send after a chunked body; filled by the time the body iterator ends
    """

    __slots__ = ("body", "fields", "interim", "length", "method", "target", "trailers", "upgrade")

    def __init__(
        self,
        method: bytes,
        target: bytes,
        fields: Fields,
        *,
        body: AsyncIterator[bytes] | None = None,
        length: int | None = None,
        upgrade: bytes | None = None,
        interim: Interim | None = None,
        trailers: Fields | None = None,
    ) -> None:
        self.method = method
        self.target = target
        self.fields = fields
        self.body = body
        self.length = length
        self.upgrade = upgrade
        self.interim = interim
        self.trailers = trailers


class OriginBody(Protocol):
    """The content of a response, read once, as it comes.

    Iterating raises UpstreamTruncated, UpstreamMalformed or UpstreamTimeout when it does not end as declared. A reader
    that is slow slows the origin down (nothing is buffered beyond a fixed window).
    """

    trailers: Fields
    """Trailer fields, complete once the iteration has ended."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None:
        """Give up: the connection is dropped unless the body had ended. May be called at any time and more than once."""


class Tunnel(Protocol):
    """A connection after 101 Switching Protocols: bytes both ways, no framing."""

    async def read(self) -> bytes:
        """Some bytes, b"" at the end."""

    async def write(self, data: bytes) -> None:
        """Hand over all of data; returns when there is room for more."""

    async def aclose(self) -> None:
        """Drop the connection."""


class OriginResponse:
    """What came back: a final response (status 200..599, or 101 with a tunnel).

    fields          names in lower case, wire order, hop-by-hop fields and framing included as received
    body            None when there can be none (HEAD, 204, 304, 101)
    length          declared octets of body, None when unknown (chunked or until close)
    request_time    epoch seconds when the request was begun, response_time when the head was complete (RFC 9111 §4.2.3)
    """

    __slots__ = ("_section", "body", "fields", "length", "reason", "request_time", "response_time", "status", "tunnel")

    def __init__(
        self,
        status: int,
        fields: Fields,
        *,
        reason: bytes = b"",
        body: OriginBody | None = None,
        length: int | None = None,
        request_time: float = 0.0,
        response_time: float = 0.0,
        tunnel: Tunnel | None = None,
    ) -> None:
        self.status = status
        self.fields = fields
        self.reason = reason
        self.body = body
        self.length = length
        self.request_time = request_time
        self.response_time = response_time
        self.tunnel = tunnel
        self._section: Section | None = None

    @property
    def section(self) -> Section:
        """The fields as they are now, for who has many questions."""
        section = self._section
        if section is None or section.fields is not self.fields:  # somebody on the way has put others in their place
            section = self._section = Section(self.fields)
        return section


class Origin(Protocol):
    """One origin server, or several behind one name. May be used by any number of tasks at once."""

    async def exchange(self, request: OriginRequest) -> OriginResponse:
        """Send and return once the response head is complete.

        Raises UpstreamError and nothing else (asyncio.CancelledError aside, upon which the connection is dropped).
        An error with `retryable` set means that nothing of a response had come and nothing was acted upon that the adapter knows of.
        """

    async def aclose(self) -> None:
        """Close idle connections and refuse new exchanges."""
