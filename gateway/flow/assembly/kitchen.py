"""What assembly asks of the rest of the flow: ports, and the one error that leaves it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gateway.cache.entry import Entry
from gateway.errors import GatewayError, UpstreamError
from gateway.flow.recognise import Visit
from gateway.flow.response import Response
from gateway.flow.routes import Route

__all__ = ["FragmentFailed", "Guests", "Kitchen"]


class FragmentFailed(UpstreamError):
    """A page that can't be without something that could not be had. Nothing of it was sent."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.status = 504 if reason == "deadline" else 502


class Guests(Protocol):
    """Origins of foreign hosts."""

    def route_for(self, scheme: bytes, authority: bytes) -> Route:
        """Raises UpstreamError for a host that is not listed."""


class Kitchen(Protocol):
    """What the weaver asks of the flow (page.Page is it)."""

    def fresh(self, visit: Visit, now: float) -> Entry | None:
        """A stored, whole, fresh 200 that answers visit; no await."""

    def is_wanted(self, entry: Entry, now: float) -> bool:
        """Whether purges since the last look have left it alone."""

    @property
    def clock(self) -> Callable[[], float]:
        """Epoch seconds."""

    async def attend(self, visit: Visit) -> Response:
        """The answer to visit, whatever it takes."""

    def failed(self, visit: Visit, error: GatewayError, reason: str) -> Response:
        """The answer that says that there is none."""
