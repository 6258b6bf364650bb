"""The port between the processes of one gateway: what one publishes, all hear, the publisher too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

__all__ = ["Bus", "Handler"]

Handler = Callable[[bytes], None]
"""Called with each message of a topic, in the order of publication. Must not wait and must not raise."""


class Bus(Protocol):
    """Ordered within a topic; at least once; a subscriber hears what is published after it subscribed.

    An adapter between machines also promises that a subscriber that was cut off hears what it missed, or is told that it missed something (docs/decisions/0001-house.md).
    """

    def subscribe(self, topic: str, handler: Handler) -> None:
        """Hear a topic from now on."""

    async def publish(self, topic: str, message: bytes) -> None:
        """Tell everyone. Returns when this process's own subscribers have heard it."""
