"""Words with systemd (or whoever started us as it does): that we are ready, reloading, stopping, well. sd_notify(3), in a few lines of our own.

Without NOTIFY_SOCKET nobody listens, and all of this does nothing.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import MutableMapping
from time import CLOCK_MONOTONIC, clock_gettime_ns

__all__ = ["Notifier"]

logger = logging.getLogger(__name__)


class Notifier:
    """env: what we were started with; its part about notifying is taken out, so that no child speaks in our name."""

    def __init__(self, env: MutableMapping[str, str]) -> None:
        self._address = env.pop("NOTIFY_SOCKET", "")
        pid, microseconds = env.pop("WATCHDOG_PID", str(os.getpid())), env.pop("WATCHDOG_USEC", "")
        self.interval = 0.0
        """Seconds after which to say again that we are well: half of what is allowed. 0 when nobody wants to know."""
        if microseconds.isdecimal() and pid == str(os.getpid()):
            self.interval = int(microseconds) / 2e6
        self._due = 0.0

    def ready(self, status: str) -> None:
        """We serve; after `reloading`: again."""
        self._say(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        """A reload begins; `ready` is its end."""
        self._say(f"RELOADING=1\nMONOTONIC_USEC={clock_gettime_ns(CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """We drain."""
        self._say("STOPPING=1")

    def status(self, status: str) -> None:
        """A line for people."""
        self._say(f"STATUS={status}")

    def well(self, now: float) -> None:
        """Say that we are, when it is time. now: monotonic seconds."""
        if self.interval and now >= self._due:
            self._due = now + self.interval
            self._say("WATCHDOG=1")

    def _say(self, words: str) -> None:
        if not self._address:
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
                end.setblocking(False)
                end.sendto(words.encode(), address)
        except BlockingIOError:
            return  # it does not read; the next word may find it awake
        except OSError as error:
            logger.warning("can't notify", extra={"reason": error.strerror})
            self._address = ""
