"""Opening a connection: addresses in turn, TCP, TLS, one time limit over all; foreign exceptions become ours here.

    name ─▶ AddressBook ─▶ address 1 ─▶ TCP ─▶ (TLS) ─▶ Connection
                           address 2 …  each gets its share of what is left of connect_timeout

For hosts that are not ours (guests.py) a guard is asked about each address, after the DNS and before each connection, so that a name which
changes its answer meanwhile gains nothing.

Sequential, not happy eyeballs (RFC 8305): uvloop's create_connection has no happy_eyeballs_delay, and the address that answered last goes
first the next time, so a dead one costs its share once.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import Callable

from gateway.errors import UpstreamError, UpstreamRefused, UpstreamTimeout, UpstreamUnavailable
from gateway.upstream.addresses import AddressBook, OriginAddress, Resolve
from gateway.upstream.connection import Connection, Keeper
from gateway.upstream.limits import OriginLimits

__all__ = ["Dialer", "NotAllowed", "build_tls"]

# No socket to be had: our fault, which must not open the origin's breaker.
_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_UNROUTABLE = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL})


class NotAllowed(UpstreamRefused):
    """We don't connect there: a host or a scheme that isn't allowed, or a host without an address that is. Nothing was sent.

    reason      host_not_allowed, or destination_ip_prohibited (RFC 9209 §2.3.5)
    """

    reason = "host_not_allowed"
    retryable = False  # unlike other refusals: the answer would be the same

    def __init__(self, message: str, reason: str = "host_not_allowed") -> None:
        super().__init__(message, reason)


def build_tls(*, ca_file: str | None = None, verify: bool = True) -> ssl.SSLContext:
    """Return a client context: TLS 1.2 or later, HTTP/1.1 by ALPN, the system's authorities or those in ca_file.

    verify=False is for a test bench: anybody on the way can then be the origin. Raises OSError when ca_file can't be read.
    """
    context = ssl.create_default_context(cafile=ca_file)
    context.set_alpn_protocols(["http/1.1"])
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class Dialer:
    """Opens connections to one origin. `book` is its address book.

    guard       True for an IP address (text, as the resolver gave it) that may be dialled; None: all may
    resolve     instead of the system's resolver; given by tests only
    """

    __slots__ = ("_address", "_guard", "_limits", "_tls", "book")

    def __init__(
        self,
        address: OriginAddress,
        limits: OriginLimits,
        tls: ssl.SSLContext | None,
        *,
        guard: Callable[[str], bool] | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        self._address = address
        self._limits = limits
        self._tls = tls
        self._guard = guard
        self.book = AddressBook(address, limits, resolve)

    async def dial(self, keeper: Keeper) -> Connection:
        """Return an open connection.

        Raises UpstreamRefused (dns_error, connection_refused, destination_ip_unroutable, tls_certificate_error, tls_protocol_error) or
        UpstreamTimeout (dns_timeout, connection_timeout): that of the last address tried; NotAllowed (destination_ip_prohibited) when the guard
        leaves none; UpstreamUnavailable (connection_limit_reached) when this process has no socket left. Cancelled, it leaves no socket behind.
        """
        loop = asyncio.get_running_loop()
        addresses = await self.book.addresses()
        if self._guard is not None:
            addresses = tuple(filter(self._guard, addresses))
            if not addresses:
                raise NotAllowed(f"{self._address} stands for no address that may be dialled", "destination_ip_prohibited")
        deadline = loop.time() + self._limits.connect_timeout
        failure: UpstreamError | None = None
        for index, address in enumerate(addresses):
            share = (deadline - loop.time()) / (len(addresses) - index)
            if share <= 0:
                break
            try:
                connection = await self._connect(loop, keeper, address, share)
            except (UpstreamRefused, UpstreamTimeout) as error:
                failure = error
            else:
                self.book.prefer(address)
                return connection
        raise failure or UpstreamTimeout(f"{self._address}: no time left to connect", "connection_timeout")

    async def _connect(self, loop: asyncio.AbstractEventLoop, keeper: Keeper, address: str, seconds: float) -> Connection:
        connection = Connection(loop, self._limits, keeper, address)
        place = f"{self._address} at {address}"
        try:
            async with asyncio.timeout(seconds):
                await loop.create_connection(
                    lambda: connection,
                    address,
                    self._address.port,
                    ssl=self._tls,
                    server_hostname=self._address.host if self._tls is not None else None,
                )
        except BaseException as error:
            connection.close()  # it may have its transport already: cancelled between connecting and hearing of it
            if isinstance(error, TimeoutError):
                raise UpstreamTimeout(f"{place}: not connected in {seconds:.2g} s", "connection_timeout") from error
            if isinstance(error, OSError) and error.errno in _OURS:
                raise UpstreamUnavailable(f"{place}: {error}", "connection_limit_reached") from error
            if isinstance(error, OSError):
                raise UpstreamRefused(f"{place}: {error}", self._reason_of(error)) from error
            raise
        return connection

    def _reason_of(self, error: OSError) -> str:
        """Return the error type of RFC 9209 §2.3."""
        if isinstance(error, ssl.SSLCertVerificationError):
            return "tls_certificate_error"
        if isinstance(error, ssl.SSLError):
            return "tls_protocol_error"
        if error.errno in _UNROUTABLE:
            return "destination_ip_unroutable"
        if self._tls is not None and isinstance(error, (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)):
            return "tls_protocol_error"  # it took the connection and broke it in the handshake
        return "connection_refused"
