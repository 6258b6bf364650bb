"""Which route a request takes: host and path → origin, with what the site wants there."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.cache.freshness import CachePolicy
from gateway.cache.key import QueryRule
from gateway.flow.assembly.rules import EsiRules
from gateway.flow.scope import Scope
from gateway.semantics.media_types import MediaTypes
from gateway.upstream.origin import Origin

__all__ = ["Compression", "Route", "Routes"]


class Compression:
    """Which stored responses are also kept compressed, and how.

    codings     in our order of preference, e.g. (b"zstd", b"br", b"gzip"); empty: not at all
    types       media types, exact or ending in /*; lower case
    """

    __slots__ = ("_types", "codings", "levels", "min_bytes")

    def __init__(self, codings: Sequence[bytes], levels: dict[bytes, int], types: Sequence[str], min_bytes: int) -> None:
        self.codings = tuple(codings)
        self.levels = levels
        self.min_bytes = min_bytes
        self._types = MediaTypes(types)

    def suits(self, content_type: bytes | None) -> bool:
        """Whether content of that type gets smaller."""
        return bool(self.codings) and self._types.have(content_type)


class Route:
    """One route, everything resolved. host: exact, `*.suffix`, or "" for any; path: a prefix that ends at a segment.

    stale_wait: seconds that a renewal may take before what is stored stands in, where it may; collapse_timeout: seconds to wait for somebody else's fetch.
    tells_client: the origin hears who asked (a guest does not). host_header: the Host that the origin is asked with, "" for the client's; authority: the origin's own, for clients that give none.
    """

    __slots__ = (
        "authority",
        "bypass",
        "collapse_timeout",
        "compression",
        "esi",
        "host_header",
        "languages",
        "name",
        "origin",
        "origin_name",
        "policy",
        "query",
        "scope",
        "stale_wait",
        "tells_client",
    )

    def __init__(
        self,
        name: str,
        origin: Origin,
        policy: CachePolicy,
        compression: Compression,
        *,
        origin_name: str = "upstream",
        host: str = "",
        path: str = "/",
        query: QueryRule | None = None,
        bypass: bool = False,
        languages: Sequence[str] = (),
        host_header: str = "",
        authority: str = "",
        stale_wait: float = 1.0,
        collapse_timeout: float = 30.0,
        esi: EsiRules | None = None,
        tells_client: bool = True,
    ) -> None:
        self.name = name
        self.origin = origin
        self.origin_name = origin_name
        self.policy = policy
        self.compression = compression
        self.scope = Scope(host.lower().encode("ascii"), path.encode("ascii"))
        self.query = query or QueryRule()
        self.bypass = bypass
        self.languages = tuple(language.encode("ascii") for language in languages)
        self.host_header = host_header.encode("ascii")
        self.authority = authority.encode("ascii")
        self.stale_wait = stale_wait
        self.collapse_timeout = collapse_timeout
        self.esi = esi or EsiRules()
        self.tells_client = tells_client

    @property
    def place(self) -> str:
        """The host and path it is for, in one word: `shop.test/blog`, `*/`."""
        return (self.scope.host or b"*").decode("ascii") + self.scope.path.decode("ascii")

    def takes(self, host: bytes, target: bytes) -> bool:
        """Whether a request for host and target goes this way."""
        return self.scope.takes(host, target)


class Routes:
    """All routes, the most specific first: exact host before wildcard before any; longer path before shorter."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.all = tuple(sorted(routes, key=_specificity, reverse=True))
        only = self.all[0] if len(self.all) == 1 else None
        self.sole = only if only is not None and not only.scope.host and only.takes(b"", b"/") else None

    def find(self, host: bytes, target: bytes) -> Route | None:
        """The route of a request; None when none takes it."""
        if self.sole is not None:
            return self.sole
        for route in self.all:
            if route.takes(host, target):
                return route
        return None


def _specificity(route: Route) -> tuple[int, int, int]:
    host = route.scope.host
    exactness = 0 if not host else 1 if host.startswith(b"*.") else 2
    return exactness, len(host), len(route.scope.path)
