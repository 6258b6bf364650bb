"""The listening socket: bound once, by the parent; all workers accept from it.

One socket for all, not one for each (SO_REUSEPORT): the kernel would give each its own queue, and who stands in the queue of a worker that ends is turned away.
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping

__all__ = ["bind", "inherited"]

_FIRST = 3
"""SD_LISTEN_FDS_START: the number of the first descriptor that is handed over."""


def inherited(env: MutableMapping[str, str]) -> socket.socket | None:
    """The listening socket that systemd holds for us (sd_listen_fds(3)), None when there is none. Raises OSError when it is of no use.

    Its part of env is taken out, so that no child takes it for its own.
    """
    pid, count = env.pop("LISTEN_PID", ""), env.pop("LISTEN_FDS", "")
    env.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdecimal() or count == "0":
        return None
    if count != "1":
        raise OSError(0, f"expected one socket in LISTEN_FDS, got {count}")
    listener = socket.socket(fileno=_FIRST)
    listens = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if listener.family not in (socket.AF_INET, socket.AF_INET6) or listener.type != socket.SOCK_STREAM or not listens:
        raise OSError(0, "expected a listening TCP socket in LISTEN_FDS: ListenStream= with a port")
    listener.set_inheritable(False)
    listener.setblocking(False)
    return listener


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
