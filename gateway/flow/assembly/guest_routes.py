"""Routes to foreign hosts that pages include from: made when first needed, one for each host, with the site's cache rules."""

from __future__ import annotations

from collections import OrderedDict

from gateway.cache.freshness import CachePolicy
from gateway.flow.assembly.inclusion import GUEST
from gateway.flow.assembly.rules import EsiRules
from gateway.flow.routes import Compression, Route
from gateway.upstream.guests import GuestOrigins, parse_authority
from gateway.upstream.origin import OriginRequest, OriginResponse

__all__ = ["GuestRoutes"]

_MAX_ROUTES = 256


class _GuestOrigin:
    """The Origin port to one host, looked up for each exchange: an idle one may have been closed to make room."""

    __slots__ = ("_authority", "_origins", "_scheme")

    def __init__(self, origins: GuestOrigins, scheme: bytes, authority: bytes) -> None:
        self._origins = origins
        self._scheme = scheme
        self._authority = authority

    async def exchange(self, request: OriginRequest) -> OriginResponse:
        """See Origin.exchange. NotAllowed when the host has no address that may be asked."""
        return await self._origins.origin_for(self._scheme, self._authority).exchange(request)

    async def aclose(self) -> None:
        """Nothing of its own to close."""


class GuestRoutes:
    """weave.Guests over GuestOrigins."""

    def __init__(self, origins: GuestOrigins, policy: CachePolicy, esi: EsiRules) -> None:
        self.origins = origins
        self._policy = policy
        self._esi = esi
        self._routes: OrderedDict[tuple[bytes, bytes], Route] = OrderedDict()

    def route_for(self, scheme: bytes, authority: bytes) -> Route:
        """The route to a foreign host. Raises NotAllowed for one that is not listed, before anything is asked or kept."""
        name = (scheme, authority)
        route = self._routes.get(name)
        if route is None:
            self.origins.origin_for(scheme, authority)
            place = parse_authority(scheme, authority).authority
            route = self._routes[name] = Route(
                f"{GUEST}{place}",
                _GuestOrigin(self.origins, scheme, authority),
                self._policy,
                Compression((), {}, (), 0),
                origin_name=f"{GUEST}{place}",
                host=place,
                host_header=place,
                authority=place,
                esi=self._esi,
                tells_client=False,
            )
            if len(self._routes) > _MAX_ROUTES:
                self._routes.popitem(last=False)
        return route
