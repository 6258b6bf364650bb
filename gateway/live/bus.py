"""The port between the processes of one gateway: what one publishes, all hear, the publisher first."""

from __future__ import annotations

from typing import NamedTuple, Protocol, TypeAlias

__all__ = ["LOCAL", "Bus", "Delivery", "Place", "Subscriber"]

Place: TypeAlias = tuple[int, int]
"""Where a message stands in the log that all processes share; later ones are greater."""


class Delivery(NamedTuple):
    """How far a message has come. shared: there are other processes that it could go to. sent: it is in the log that they read.

    processes, reached: how many of them are known, and how many had heard it when the answer was given; this process is one of them.
    """

    shared: bool
    sent: bool
    processes: int
    reached: int

    @property
    def is_complete(self) -> bool:
        """Everyone has heard it."""
        return self.sent and self.reached >= self.processes


LOCAL = Delivery(shared=False, sent=True, processes=1, reached=1)


class Subscriber(Protocol):
    """Who hears a topic. None of these may wait or raise."""

    def hear(self, message: bytes, place: Place | None, before: object) -> object:
        """One message. It comes twice where it was published: at once, without a place, and again from the log; `before` is then what the first call returned, else None."""

    def begin(self, place: Place) -> None:
        """Everything from place on will be heard. What was before it is not known."""

    def missed(self) -> None:
        """Something was published that can't be heard any more."""


class Bus(Protocol):
    """Ordered within a topic; at least once; a subscriber that was cut off hears what it missed, or is told that it missed something."""

    @property
    def is_live(self) -> bool:
        """Whether what others publish is heard now."""

    def subscribe(self, topic: str, subscriber: Subscriber) -> None:
        """Hear a topic; before start()."""

    def announce(self, topic: str, message: bytes) -> None:
        """Tell everyone: this process at once, the others soon, whatever happens in between."""

    async def publish(self, topic: str, message: bytes) -> Delivery:
        """announce, and wait a moment for the others to hear it."""

    async def start(self) -> None:
        """Begin to hear others."""

    async def aclose(self) -> None:
        """End it."""
