"""A bus for one process: publishing is calling."""

from __future__ import annotations

from gateway.live.bus import Handler

__all__ = ["MemoryBus"]


class MemoryBus:
    """The Bus port without a network."""

    def __init__(self) -> None:
        self._handlers: dict[str, list[Handler]] = {}

    def subscribe(self, topic: str, handler: Handler) -> None:
        """Bus.subscribe."""
        self._handlers.setdefault(topic, []).append(handler)

    async def publish(self, topic: str, message: bytes) -> None:
        """Bus.publish."""
        for handler in self._handlers.get(topic, ()):
            handler(message)
