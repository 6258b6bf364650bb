"""The Origin port over HTTP/1.1: a pool, a dialer, and the one retry that belongs below the flow.

That retry: a kept connection that the origin closed while our request was on the way (RFC 9112 §9.3.1). It is made once, on a new
connection, when no byte of a response had come, the method is idempotent (RFC 9110 §9.2.2), and no body had been touched. A POST is never
sent twice, whatever happened to it.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from time import monotonic

from gateway.errors import UpstreamReset
from gateway.upstream.addresses import OriginAddress, Resolve
from gateway.upstream.dialer import Dialer, build_tls
from gateway.upstream.limits import OriginLimits
from gateway.upstream.origin import OriginRequest, OriginResponse
from gateway.upstream.pool import ConnectionPool
from gateway.upstream.request_writer import encode_request_head
from gateway.upstream.retry_budget import RetryBudget

__all__ = ["Http1Origin"]

_IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"})


class Http1Origin:
    """One origin server. Build it anywhere; use and close it in one event loop.

    address     OriginAddress, or a URL that it parses (ValueError when it is none)
    tls_ca_file PEM file with the authorities to trust instead of the system's
    tls_verify  False switches certificate checks off
    tls         a client context to use instead of one made from the two above: making one costs 33 ms and 0.9 MB
    retry       False switches the retry off
    budget      what retries are taken from; None: there is no end to them
    guard       see Dialer; None for an origin that the operator has named
    resolve     see Dialer
    """

    def __init__(
        self,
        address: OriginAddress | str,
        limits: OriginLimits | None = None,
        *,
        tls_ca_file: str | None = None,
        tls_verify: bool = True,
        tls: ssl.SSLContext | None = None,
        retry: bool = True,
        budget: RetryBudget | None = None,
        guard: Callable[[str], bool] | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        self._retry = retry
        self._budget = budget
        self.address = OriginAddress.parse(address) if isinstance(address, str) else address
        self.limits = limits or OriginLimits()
        if not self.address.tls:
            tls = None
        elif tls is None:
            tls = build_tls(ca_file=tls_ca_file, verify=tls_verify)
        self._dialer = Dialer(self.address, self.limits, tls, guard=guard, resolve=resolve)
        book = self._dialer.book
        self._pool = ConnectionPool(self.limits, self._dialer.dial, lambda connection: book.lists(connection.address))
        self.exchanges = 0
        self.retries = 0
        self.retries_withheld = 0

    @property
    def is_idle(self) -> bool:
        """True while no exchange is under way or waits, bodies and tunnels included."""
        held = self._pool.counters()
        return held["connections_open"] == held["connections_idle"] and not held["waiting"]

    async def exchange(self, request: OriginRequest) -> OriginResponse:
        """See Origin.exchange. Raises ValueError, before anything is sent, for a request that can't be written."""
        head = encode_request_head(request)
        self.exchanges += 1
        budget = self._budget
        if budget is not None:
            budget.note(monotonic())
        connection = self._pool.take_idle() or await self._pool.acquire()
        try:
            return await connection.exchange(request, head)
        except UpstreamReset as error:
            if not (self._retry and error.retryable and request.method in _IDEMPOTENT):
                raise
            if budget is not None and not budget.take(monotonic()):
                self.retries_withheld += 1
                raise
        self.retries += 1
        connection = await self._pool.acquire(fresh=True)
        return await connection.exchange(request, head)

    def counters(self) -> Mapping[str, int]:
        """Return plain numbers for metrics.

        exchanges: asked for · retries: sent a second time · retries_withheld: not sent so, for want of a budget · dns_lookups, dns_failures: of getaddrinfo · and those of ConnectionPool.counters.
        """
        book = self._dialer.book
        own = {
            "exchanges": self.exchanges,
            "retries": self.retries,
            "retries_withheld": self.retries_withheld,
            "dns_lookups": book.lookups,
            "dns_failures": book.failures,
        }
        return own | dict(self._pool.counters())

    def retire(self) -> None:
        """Keep no connection idle from now on; exchanges are made as before."""
        self._pool.retire()

    async def aclose(self) -> None:
        """Close idle connections and refuse new exchanges; those under way end undisturbed."""
        await self._pool.aclose()
        await self._dialer.book.aclose()
