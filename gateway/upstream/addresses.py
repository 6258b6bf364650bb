"""Where an origin lives: its URL as a value, and the addresses its name stands for.

The DNS fails more often than origins do, so the last good answer is kept: asked again after `dns_ttl`, used for `dns_keep` while the resolver
fails. It never connects (dialer.py does).
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from math import inf
from urllib.parse import urlsplit

from gateway.errors import UpstreamRefused, UpstreamTimeout
from gateway.upstream.limits import OriginLimits

__all__ = ["AddressBook", "OriginAddress", "Resolve"]

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port → IP addresses as text. Raises OSError when there is no answer."""

logger = logging.getLogger(__name__)

_DEFAULT_PORTS = {"http": 80, "https": 443}
_EXPECTED = "expected http://host[:port] or https://host[:port]"
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}\.?$){_LABEL}(?:\.{_LABEL})*\.?")

# How soon a resolver that has failed is asked again.
_RETRY_AFTER = 5.0


@dataclass(frozen=True, slots=True)
class OriginAddress:
    """Scheme, host (a name or an IP address without brackets) and port."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> OriginAddress:
        """Read `http://host[:port]`; a single `/` as path is let pass. Raises ValueError that says what was expected."""
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or url != url.strip():
            raise ValueError(f"{_EXPECTED}, got {url!r}")
        if parts.username is not None or parts.password is not None:
            raise ValueError(f"{_EXPECTED}, got one with a user or password")  # which we don't repeat
        if parts.path not in {"", "/"} or parts.query or parts.fragment or "?" in url or "#" in url:
            raise ValueError(f"{_EXPECTED} without path, query and fragment, got {url!r}")
        try:
            port = parts.port
        except ValueError:
            port = 0
        if port is None:
            port = _DEFAULT_PORTS[parts.scheme]
        if not port:
            raise ValueError(f"expected a port from 1 to 65535, got {url!r}")
        if _as_ip(parts.hostname) is None and _HOST_NAME.fullmatch(parts.hostname) is None:
            raise ValueError(f"expected a host name or an IP address, got {parts.hostname!r} in {url!r}")
        return cls(parts.scheme, parts.hostname, port)

    @property
    def tls(self) -> bool:
        """True for https."""
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """What stands in `Host`: brackets around IPv6, no default port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


class AddressBook:
    """The IP addresses of one origin, as text, in the order to try them. One event loop.

    Lookups are collapsed: whoever comes while one is under way waits for the same one. resolve raises OSError when there is no answer;
    clock is monotonic; both are given by tests only.
    """

    __slots__ = (
        "_addresses",
        "_asked_again_at",
        "_clock",
        "_failure",
        "_known_at",
        "_limits",
        "_lookup",
        "_origin",
        "_resolve",
        "failures",
        "lookups",
    )

    def __init__(
        self,
        origin: OriginAddress,
        limits: OriginLimits,
        resolve: Resolve | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._origin = origin
        self._resolve = resolve or _ask_system
        self._clock = clock
        self._limits = limits
        literal = _as_ip(origin.host)
        self._addresses: tuple[str, ...] = (literal,) if literal is not None else ()
        self._known_at = inf if literal is not None else -inf
        self._asked_again_at = inf if literal is not None else -inf  # the moment from which a new answer is wanted
        self._lookup: asyncio.Task[None] | None = None
        self._failure: OSError | None = None
        self.lookups = 0
        self.failures = 0

    def lists(self, address: str) -> bool:
        """Return True while the address is one of the origin's, as far as we know.

        Asked for each connection that comes back, so it also sees to it that an old answer is renewed under traffic that never connects.
        """
        if self._clock() >= self._asked_again_at and self._lookup is None:
            self._lookup = asyncio.get_running_loop().create_task(self._ask())
        return address in self._addresses

    def prefer(self, address: str) -> None:
        """Try this one first from now on: it has answered."""
        if self._addresses and self._addresses[0] != address and address in self._addresses:
            self._addresses = (address, *(other for other in self._addresses if other != address))

    async def addresses(self) -> tuple[str, ...]:
        """Return at least one address.

        Raises UpstreamRefused (dns_error) or UpstreamTimeout (dns_timeout) when none is known.
        """
        if self._clock() < self._asked_again_at:
            return self._addresses
        known = bool(self._addresses) and self._clock() - self._known_at < self._limits.dns_keep
        if self._lookup is None:
            self._lookup = asyncio.get_running_loop().create_task(self._ask())
        lookup = self._lookup
        await asyncio.wait((lookup,), timeout=self._limits.dns_timeout * (1 if known else 2))
        if not lookup.done():
            if known:
                return self._addresses
            raise UpstreamTimeout(f"no answer from the resolver for {self._origin.host}", "dns_timeout")
        if known or self._failure is None:
            return self._addresses
        raise UpstreamRefused(f"{self._origin.host}: {self._failure}", "dns_error") from self._failure

    async def aclose(self) -> None:
        """Stop a lookup under way."""
        if self._lookup is not None:
            self._lookup.cancel()
            await asyncio.wait((self._lookup,))

    async def _ask(self) -> None:
        self.lookups += 1
        try:
            fresh = tuple(dict.fromkeys(await self._resolve(self._origin.host, self._origin.port)))
        except OSError as error:
            self.failures += 1
            self._failure = error
            if self._addresses:  # else the next exchange asks again at once: it has nothing to go by
                self._asked_again_at = self._clock() + min(_RETRY_AFTER, self._limits.dns_ttl)
                logger.warning(
                    "dns_failed host=%s error=%s known_for=%.0f", self._origin.host, error, self._clock() - self._known_at
                )
            return
        finally:
            self._lookup = None
        self._failure = None
        if set(fresh) != set(self._addresses):  # same set: keep the order that prefer() has found
            self._addresses = fresh
        self._known_at = self._clock()
        self._asked_again_at = self._known_at + self._limits.dns_ttl


async def _ask_system(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(info[4][0]) for info in found]


def _as_ip(host: str) -> str | None:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None
