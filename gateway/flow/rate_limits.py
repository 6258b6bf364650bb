"""How often one client may ask: limits by address or by a key that requests carry, for the whole site or a part of it, for all requests or for those that memory can't answer.

    a request ─▶ limits whose part of the site it is for ─▶ a key for each ─▶ all have a token? ─▶ take one of each
                                                                            └▶ the first that has none: 429, and none is taken

Counting is per process. Keys that could be secrets are hashed with a salt of this process before they are kept; nothing here writes a key anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address
from math import ceil

from gateway.errors import GatewayError
from gateway.flow.buckets import Buckets, Key
from gateway.flow.scope import Scope, plain_path
from gateway.semantics.message import Fields, Request, first, values

__all__ = ["Limit", "RateLimited", "RateLimits", "client_key"]

_PREFIX = 8
"""Octets of an IPv6 address that are one client: a /64 is what one line gets, and all its addresses are its to choose."""


class RateLimited(GatewayError):
    """More requests than a limit allows. retry_after: seconds, whole; policy, state: values of RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-10)."""

    status = 429
    fault = "downstream"
    reason = "rate_limited"

    def __init__(self, limit: Limit, wait: float) -> None:
        super().__init__(f"more requests than {limit.name} allows")
        self.retry_after = max(1, ceil(wait))
        self.policy = b'"%s";q=%d;w=%d' % (
            limit.label,
            limit.buckets.burst,
            max(1, ceil(limit.buckets.burst / limit.buckets.rate)),
        )
        self.state = b'"%s";r=0;t=%d' % (limit.label, self.retry_after)


class Limit:
    """One of them. host: exact, `*.suffix` or "" for any; path: a prefix that ends at a segment; methods: () for all.

    per         `address`, `header:NAME` or `cookie:NAME`; who sends no such header or cookie is counted by address, or leaving it out would be the way around
    everything  it counts hits too
    """

    __slots__ = ("_cookie", "_header", "_methods", "_scope", "buckets", "everything", "label", "name", "refused")

    def __init__(
        self,
        name: str,
        buckets: Buckets,
        *,
        per: str = "address",
        everything: bool = False,
        host: str = "",
        path: str = "/",
        methods: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.label = name.encode("ascii")
        self.buckets = buckets
        self.everything = everything
        self.refused = 0
        kind, _, field = per.partition(":")
        self._header = field.lower().encode("ascii") if kind == "header" else b""
        self._cookie = field.encode("ascii") + b"=" if kind == "cookie" else b""
        self._scope = Scope(host.lower().encode("ascii"), path.encode("ascii"))
        self._methods = frozenset(method.encode("ascii") for method in methods)

    def concerns(self, method: bytes, host: bytes, target: bytes) -> bool:
        """Whether it is about such a request, however its path is spelled."""
        if self._methods and method not in self._methods:
            return False
        scope = self._scope
        return scope.is_all or scope.takes(host, target) or scope.takes(host, plain_path(target))

    def key(self, fields: Fields, client: Key, salt: bytes) -> Key:
        """Whose bucket it is."""
        value = None
        if self._header:
            value = first(fields, self._header)
        elif self._cookie:
            value = _cookie_value(fields, self._cookie)
        return client if value is None else blake2b(value, digest_size=16, key=salt).digest()


class RateLimits:
    """All limits of the site. exempt: methods that are ours. salt: random octets, for hashing."""

    def __init__(self, limits: Sequence[Limit], salt: bytes, exempt: frozenset[bytes] = frozenset()) -> None:
        self.all = tuple(limits)
        self.everything = tuple(limit for limit in limits if limit.everything)
        self.salt = salt
        self._exempt = exempt

    def passes(self, method: bytes, host: bytes, target: bytes, fields: Fields, client: Key, now: float) -> bool:
        """For a hit: whether the limits that count hits have a token for it. If so, they are taken."""
        return self._take(self.everything, method, host, target, fields, client, now) is None

    def refusal(self, request: Request, now: float) -> RateLimited | None:
        """For a request that memory can't answer: None when all limits let it pass."""
        client = client_key(request.client.partition(",")[0])
        found = self._take(self.all, request.method, request.host, request.target, request.fields, client, now)
        return None if found is None else self._refused(*found)

    def refusal_of_hit(self, request: Request, now: float) -> RateLimited | None:
        """The same for one that memory can answer."""
        client = client_key(request.client.partition(",")[0])
        found = self._take(self.everything, request.method, request.host, request.target, request.fields, client, now)
        return None if found is None else self._refused(*found)

    def _refused(self, limit: Limit, wait: float) -> RateLimited:
        limit.refused += 1
        return RateLimited(limit, wait)

    def _take(
        self, limits: Sequence[Limit], method: bytes, host: bytes, target: bytes, fields: Fields, client: Key, now: float
    ) -> tuple[Limit, float] | None:
        """Take a token of each; None when there was one. Else the limit that has none, and for how long."""
        if method in self._exempt:
            return None
        taken = []
        for limit in limits:
            if limit.concerns(method, host, target):
                key = limit.key(fields, client, self.salt)
                wait = limit.buckets.wait(key, now)
                if wait > 0:
                    return limit, wait
                taken.append((limit.buckets, key))
        for buckets, key in taken:
            buckets.take(key, now)
        return None


@lru_cache(maxsize=4_096)
def client_key(address: str) -> Key:
    """What counts as one client: an IPv4 address, or the /64 of an IPv6 one. What is no address stands for itself."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return parsed.packed
    mapped = parsed.ipv4_mapped
    return parsed.packed[:_PREFIX] if mapped is None else mapped.packed


def _cookie_value(fields: Fields, start: bytes) -> bytes | None:
    """start: the cookie's name and `=`. The first of that name counts. RFC 6265 §5.4."""
    for line in values(fields, b"cookie"):
        for pair in line.split(b";"):
            found = pair.strip()
            if found.startswith(start):
                return found[len(start) :]
    return None
