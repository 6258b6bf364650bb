"""The listening socket: bound once, by the parent; all workers accept from it.

One socket for all, not one for each (SO_REUSEPORT): the kernel would give each its own queue, and who stands in the queue of a worker that ends is turned away.
"""

from __future__ import annotations

import socket

__all__ = ["bind"]


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
