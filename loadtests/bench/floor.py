"""The floor of peers.py: uvloop, httptools and a constant. What no Python server on this stack can beat.

floor.py PORT
"""

import asyncio
import sys

import httptools
import uvloop

BODY = b"x" * 10_240
ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: %d\r\ncache-control: max-age=60\r\n\r\n" % len(BODY) + BODY
)


class Constant(asyncio.Protocol):
    """Parses a request, looks at nothing, answers the same."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        """Some octets."""
        self.parser.feed_data(data)

    def on_message_begin(self) -> None:
        """A request begins."""
        self.headers: dict[bytes, bytes] = {}

    def on_url(self, url: bytes) -> None:
        """Its target."""
        self.url = url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One of its fields."""
        self.headers[name.lower()] = value

    def on_message_complete(self) -> None:
        """It ends."""
        self.transport.write(ANSWER)


async def main(port: int) -> None:
    """Serve."""
    server = await asyncio.get_running_loop().create_server(Constant, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
