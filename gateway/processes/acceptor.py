"""The listening socket in an event loop: connections are taken one at a time, so that workers share them evenly and a worker can stop at any moment.

uvloop's own server takes all that waits in one go: of a burst, one worker would get everything. And when descriptors run out, it closes connections
that it has no descriptor for; here they wait in the kernel's queue.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Callable

__all__ = ["Acceptor"]

logger = logging.getLogger(__name__)

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_PAUSE = 0.2
"""Seconds without accepting, when there was no descriptor for a connection."""


class Acceptor:
    """factory: makes the protocol of a connection. on_pause: called when descriptors have run out.

    at_once: connections taken in one turn of the loop; 1 where others take from the same socket.
    """

    def __init__(
        self,
        listener: socket.socket,
        factory: Callable[[], asyncio.Protocol],
        on_pause: Callable[[], None],
        *,
        at_once: int = 1,
    ) -> None:
        self._listener = listener
        self._factory = factory
        self._on_pause = on_pause
        self._at_once = at_once
        self._loop = asyncio.get_running_loop()
        self._arriving: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._is_short = False

    def start(self) -> None:
        """Begin, or go on."""
        self._timer = None
        self._loop.add_reader(self._listener.fileno(), self._turn)

    def stop(self) -> None:
        """Take no more. Who waits in the kernel's queue stays there, for others who have the socket too."""
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._listener.fileno())

    async def finish(self) -> None:
        """The end of the port, for everybody who has the socket: take those whom the kernel has let in already, and turn away whoever comes then.

        Closing alone would reset those in the queue, and leave others hanging there as long as a process is left that has the socket.
        """
        self.stop()
        with contextlib.suppress(OSError):  # a colleague was first
            self._listener.listen(0)  # from here on the kernel lets hardly anyone in: what is left is microseconds
            await asyncio.sleep(0)
            while self._take():
                pass
            self._listener.shutdown(socket.SHUT_RDWR)
        await self.settle()

    async def settle(self) -> None:
        """Wait until whoever has been taken is a connection."""
        if self._arriving:
            await asyncio.wait(self._arriving)

    def _turn(self) -> None:
        for _ in range(self._at_once):
            if not self._take():
                return

    def _take(self) -> bool:
        """Take one connection; False when none waits."""
        try:
            client, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError):
            return False
        except ConnectionError:
            return True  # it came and went
        except OSError as error:
            if error.errno == errno.EINVAL:  # a colleague has ended the port: see `finish`
                self.stop()
            elif error.errno in _EXHAUSTED:
                self._pause(error)
            else:
                raise
            return False
        if self._is_short:
            self._is_short = False
            logger.info("accepting again")
        client.setblocking(False)
        task = self._loop.create_task(self._welcome(client))
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)
        return True

    async def _welcome(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):  # gone before we could say hello
            await self._loop.connect_accepted_socket(self._factory, client)

    def _pause(self, error: OSError) -> None:
        self._on_pause()
        if not self._is_short:
            self._is_short = True
            logger.warning("accepting pauses", extra={"reason": error.strerror})
        self._loop.remove_reader(self._listener.fileno())
        self._timer = self._loop.call_later(_PAUSE, self.start)
