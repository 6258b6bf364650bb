"""Hosts that are not the site's own: which of them a page may include from, and an Origin for each.

    scheme, authority ─▶ parse_authority ─▶ HostPatterns ─▶ the origin kept for it ─▶ GuardedOrigin ─▶ Http1Origin ─▶ Dialer
                         one spelling only   listed?         or a new one             breaker                         AddressGuard

The danger is a page (or who can write into one) that makes the gateway ask what only the gateway can reach: server-side request forgery. So a
host must be listed, and the address that it stands for must be public each time a connection is made. A spelling that two readers could
understand in two ways is refused, never repaired. It follows no redirect, which could lead anywhere: the flow takes a 3xx for a failure.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network

from gateway.breaker import BreakerSettings
from gateway.errors import UpstreamUnavailable
from gateway.upstream.addresses import OriginAddress, Resolve
from gateway.upstream.dialer import NotAllowed, build_tls
from gateway.upstream.health import GuardedOrigin
from gateway.upstream.http1_origin import Http1Origin
from gateway.upstream.limits import OriginLimits
from gateway.upstream.private_addresses import AddressGuard

__all__ = ["GuestOrigins", "HostPatterns", "NotAllowed", "parse_authority"]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_EXPECTED = "expected host[:port] or *.domain[:port]"

# Whatever is not named here is refused: user-info, backslashes, percent signs, controls, blanks, anything beyond ASCII.
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}\.?\Z){_LABEL}(?:\.{_LABEL})*\.?")
_AUTHORITY = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9_.-]{1,254}))(?::([1-9][0-9]{0,4}))?")

# Such a last label makes inet_aton, and with it getaddrinfo, read the whole as an IPv4 address: 127.1, 0x7f000001, 017700000001. WHATWG URL §3.5.
_ENDS_IN_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?")

# These go up and down, so an origin that is closed takes its share with it.
_GAUGES = frozenset({"connections_open", "connections_idle", "waiting", "state"})


class HostPatterns:
    """The hosts that a page may include from. A value: it never changes.

    patterns    `widgets.example`, `*.example.com` (what is below it, not itself), `192.0.2.7`, `[2001:db8::1]`; each with `:port` or for the scheme's
                default port only. Raises ValueError that names every fault.
    """

    __slots__ = ("_below", "_exact")

    def __init__(self, patterns: Iterable[str]) -> None:
        self._exact: set[tuple[str, int | None]] = set()
        self._below: set[tuple[str, int | None]] = set()
        problems = []
        for pattern in patterns:
            try:
                self._add(pattern)
            except ValueError as error:
                problems.append(str(error))
        if problems:
            raise ValueError("; ".join(problems))

    def allows(self, scheme: str, host: str, port: int) -> bool:
        """Return True when a page may include from there. Never raises.

        host in any spelling that parse_authority takes, IPv6 without brackets; a hostile one is never allowed.
        """
        name = _canonical_host(host)
        if name is None or scheme not in _DEFAULT_PORTS:
            return False
        ports = (port, None) if port == _DEFAULT_PORTS[scheme] else (port,)
        if any((name, each) in self._exact for each in ports):
            return True
        _, _, domain = name.partition(".")
        while domain:  # an IP address matches nothing here: _add takes no number after *.
            if any((domain, each) in self._below for each in ports):
                return True
            _, _, domain = domain.partition(".")
        return False

    def _add(self, pattern: str) -> None:
        is_wild = pattern.startswith("*.")
        try:
            host, port = _split(pattern.removeprefix("*."))
        except NotAllowed:
            hint = "" if pattern.isascii() else "; a name beyond ASCII in its xn-- form"
            raise ValueError(f"{_EXPECTED}{hint}, got {pattern!r}") from None
        if is_wild and _is_address(host):
            raise ValueError(f"expected a domain after *., got {pattern!r}")
        (self._below if is_wild else self._exact).add((host, port))


def parse_authority(scheme: bytes, authority: bytes) -> OriginAddress:
    """Read scheme and authority of an absolute URL into the one spelling: lower case, no trailing dot. Its `authority` is what belongs into `Host`.

    Raises NotAllowed for schemes other than http and https, and for whatever is not plainly `host[:port]`. RFC 3986 §3.2.
    """
    name = scheme.lower().decode("latin-1")
    if name not in _DEFAULT_PORTS:
        raise NotAllowed("a page includes by http and https only")
    host, port = _split(authority.decode("latin-1"))  # which never fails; what is not ASCII does then
    return OriginAddress(name, host, _DEFAULT_PORTS[name] if port is None else port)


@dataclass(frozen=True, slots=True)
class _Guest:
    origin: GuardedOrigin
    client: Http1Origin


class GuestOrigins:
    """An Origin for each allowed host, made when it is first asked for and kept. One event loop.

    patterns        the hosts
    limits          of each of them
    allow_private   networks whose addresses may be dialled although they are not public
    breaker, server_errors, clock   of each of them: see GuardedOrigin
    max_origins     how many are kept; for one more, the one not used for longest is closed, if nothing is under way on it
    tls_ca_file, tls_verify, retry, resolve     see Http1Origin. Raises OSError when tls_ca_file can't be read
    """

    def __init__(
        self,
        patterns: HostPatterns,
        limits: OriginLimits | None = None,
        *,
        allow_private: Sequence[IPv4Network | IPv6Network] = (),
        breaker: BreakerSettings | None = None,
        server_errors: bool = False,
        max_origins: int = 256,
        tls_ca_file: str | None = None,
        tls_verify: bool = True,
        retry: bool = True,
        clock: Callable[[], float] | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        if max_origins < 1:
            raise ValueError(f"max_origins: expected >= 1, got {max_origins}")
        self._patterns = patterns
        self._limits = limits or OriginLimits()
        self._guard = AddressGuard(allow_private)
        self._breaker = breaker
        self._server_errors = server_errors
        self._max_origins = max_origins
        self._retry = retry
        self._clock = clock
        self._resolve = resolve
        self._tls = build_tls(ca_file=tls_ca_file, verify=tls_verify)  # one for all: see Http1Origin
        self._guests: OrderedDict[OriginAddress, _Guest] = OrderedDict()  # used last: last
        self._closing: set[asyncio.Task[None]] = set()
        self._retired = False
        self._closed = False
        self._past: Counter[str] = Counter()
        self.refused = 0
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._guests)

    def origin_for(self, scheme: bytes, authority: bytes) -> GuardedOrigin:
        """Return the Origin for scheme://authority. Ask anew for each exchange: one that is kept for later may have made room meanwhile.

        Raises NotAllowed (host_not_allowed); UpstreamUnavailable when max_origins are busy (connection_limit_reached) or after aclose(). Its
        exchange() raises NotAllowed (destination_ip_prohibited) when the host has no public address; for the breaker that is a refusal like others.
        """
        if self._closed:
            raise UpstreamUnavailable("the clients of foreign hosts are closed")
        try:
            address = self._admit(scheme, authority)
        except NotAllowed:
            self.refused += 1
            raise
        guest = self._guests.get(address)
        if guest is None:
            if len(self._guests) >= self._max_origins:
                self._make_room()
            guest = self._guests[address] = self._open(address)
        else:
            self._guests.move_to_end(address)
        return guest.origin

    def counters(self) -> Mapping[str, int]:
        """Return the sums over all hosts, closed ones included, of what GuardedOrigin counts, but for `state`; and our own.

        failure_host_not_allowed: refused by name or scheme · evicted: closed to make room · members: kept now · available: of those, asked now.
        """
        total = Counter(self._past)
        for guest in self._guests.values():
            total.update(guest.origin.counters())
        del total["state"]
        if self.refused:
            total["failure_host_not_allowed"] = self.refused
        total["evicted"] = self.evicted
        total["members"] = len(self._guests)
        total["available"] = sum(guest.origin.is_available() for guest in self._guests.values())
        return dict(total)

    def retire(self) -> None:
        """See GuardedOrigin.retire: for all hosts, and for those that are still to come."""
        self._retired = True
        for guest in self._guests.values():
            guest.origin.retire()

    async def aclose(self) -> None:
        """Close idle connections to all hosts and refuse new exchanges; those under way end undisturbed."""
        self._closed = True
        for guest in self._guests.values():
            await guest.origin.aclose()
        if self._closing:
            await asyncio.wait(self._closing)

    def _admit(self, scheme: bytes, authority: bytes) -> OriginAddress:
        address = parse_authority(scheme, authority)
        if not self._patterns.allows(address.scheme, address.host, address.port):
            raise NotAllowed(f"{address} is not among the hosts that pages may include from")
        return address

    def _open(self, address: OriginAddress) -> _Guest:
        client = Http1Origin(
            address, self._limits, tls=self._tls, retry=self._retry, guard=self._guard.permits, resolve=self._resolve
        )
        guarded = GuardedOrigin(client, str(address), breaker=self._breaker, server_errors=self._server_errors, clock=self._clock)
        if self._retired:
            guarded.retire()
        return _Guest(guarded, client)

    def _make_room(self) -> None:
        address = next((each for each, guest in self._guests.items() if guest.client.is_idle), None)
        if address is None:
            raise UpstreamUnavailable(f"{len(self._guests)} foreign hosts are busy already", "connection_limit_reached")
        guest = self._guests.pop(address)
        self.evicted += 1
        self._past.update({name: count for name, count in guest.origin.counters().items() if name not in _GAUGES})
        task = asyncio.get_running_loop().create_task(guest.origin.aclose())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _split(authority: str) -> tuple[str, int | None]:
    """Return host, in its one spelling, and port. Raises NotAllowed, which doesn't repeat it: it may hold a password."""
    parts = _AUTHORITY.fullmatch(authority)
    if parts is not None:
        address, name, digits = parts.groups()
        host = _canonical_host(name if address is None else address)
        port = None if digits is None else int(digits)
        is_bracketed = address is not None
        if host is not None and is_bracketed == (":" in host) and (port is None or port <= 65535):
            return host, port
    raise NotAllowed("the include's authority is not plainly host[:port]")


def _canonical_host(host: str) -> str | None:
    """Return a name in lower case without trailing dot, an IP address as `ipaddress` writes it; None for anything else."""
    if ":" in host:
        try:
            return str(IPv6Address(host)) if "%" not in host else None
        except AddressValueError:
            return None
    if _NAME.fullmatch(host) is None:
        return None
    name = host.lower()
    if _ENDS_IN_NUMBER.fullmatch(name) is None:
        return name.removesuffix(".")
    try:
        return str(IPv4Address(name))  # four decimal numbers without leading zeros, no trailing dot
    except AddressValueError:
        return None


def _is_address(host: str) -> bool:
    """Tell of a host in its one spelling."""
    return ":" in host or _ENDS_IN_NUMBER.fullmatch(host) is not None
