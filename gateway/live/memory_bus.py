"""A bus for one process: publishing is calling."""

from __future__ import annotations

from gateway.live.bus import LOCAL, Delivery, Subscriber

__all__ = ["MemoryBus"]


class MemoryBus:
    """The Bus port without a network."""

    is_live = True

    def __init__(self) -> None:
        self._subscribers: dict[str, list[Subscriber]] = {}

    def subscribe(self, topic: str, subscriber: Subscriber) -> None:
        """Bus.subscribe."""
        self._subscribers.setdefault(topic, []).append(subscriber)

    def announce(self, topic: str, message: bytes) -> None:
        """Bus.announce."""
        for subscriber in self._subscribers.get(topic, ()):
            subscriber.hear(message, None, None)

    async def publish(self, topic: str, message: bytes) -> Delivery:
        """Bus.publish."""
        self.announce(topic, message)
        return LOCAL

    async def start(self) -> None:
        """Bus.start."""

    async def aclose(self) -> None:
        """Bus.aclose."""
