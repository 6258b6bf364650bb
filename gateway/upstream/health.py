"""An origin that is known to be ill isn't asked: passive health (gateway/breaker.py) and active checks around any Origin.

    exchange ──▶ checks say down? ──▶ breaker open? ──▶ inner origin ──▶ counted, breaker told
                      │ yes               │ yes
                      └───────────────────┴──▶ UpstreamUnavailable(retry_after), at once

What counts as a failure is one function, counts_as_failure. This shell brings the clock and the log; it retries nothing and
changes no answer. The body of a response is not watched: an origin that truncates answers quickly, and others notice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.breaker import Breaker, BreakerSettings, BreakerState
from gateway.errors import (
    UpstreamError,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from gateway.semantics.message import Fields
from gateway.upstream.origin import Origin, OriginRequest, OriginResponse

__all__ = ["ActiveCheck", "GuardedOrigin", "counts_as_failure"]

logger = logging.getLogger(__name__)

_FIRST_SERVER_ERROR = 500
_STATE_NUMBERS = {"closed": 0, "half_open": 1, "open": 2, "down": 3}

# One line per change, but an origin that flaps writes at most this often; the line then says how many changes it stands for.
_LOG_EVERY = 10.0


@dataclass(frozen=True, slots=True)
class ActiveCheck:
    """A GET of path every interval seconds; a final status below 500 in timeout seconds is good.

    host        what stands in `Host`
    failures    bad answers in a row until the origin is down
    successes   good ones in a row until it is up again; with the defaults a recovery is noticed within 4 s
    """

    path: str
    host: str
    interval: float = 2.0
    timeout: float = 1.0
    failures: int = 3
    successes: int = 2


def counts_as_failure(error: BaseException) -> bool:
    """Return True for what speaks against the origin as a whole: no connection, or no answer in time.

    A broken or a senseless answer doesn't count: it comes at once, so there is no waiting to protect anyone from, and it often belongs to one URL. A script that
    crashes must not take the site's other pages with it.
    """
    return isinstance(error, (UpstreamRefused, UpstreamTimeout))


class GuardedOrigin:
    """An Origin around another one. Use in one event loop; start() only when there is an active check.

    name            in logs: the origin's name or URL, without credentials or query
    server_errors   True: a response of 500 to 599 counts as a failure too (it is passed on all the same)
    """

    def __init__(
        self,
        origin: Origin,
        name: str,
        *,
        breaker: BreakerSettings | None = None,
        check: ActiveCheck | None = None,
        server_errors: bool = False,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.origin = origin
        self.name = name
        self.breaker = Breaker(breaker)
        self.failures: dict[str, int] = {}
        self.exchanges = 0
        self.rejected = 0
        self._check = check
        self._server_errors = server_errors
        self._clock = clock
        self._down = False
        self._streak = 0  # checks in a row that disagree with _down
        self._checker: asyncio.Task[None] | None = None
        self._logged = self._seen = "closed"
        self._logged_at: float | None = None
        self._changes = 0
        self._log_later: asyncio.TimerHandle | None = None

    @property
    def state(self) -> str:
        """`down` when active checks fail, else the breaker's word."""
        return "down" if self._down else self.breaker.state.value

    def counters(self) -> Mapping[str, int]:
        """Return plain numbers for metrics.

        guarded_exchanges: let through · rejected_unhealthy: turned away at once · opened: closed → open · state: 0 closed, 1 half-open,
        2 open, 3 down by checks · failure_<reason>: exchanges that failed, by the error's reason · those of the inner origin, if it counts.
        """
        inner = getattr(self.origin, "counters", None)
        counted: dict[str, int] = dict(inner()) if inner is not None else {}
        counted |= {f"failure_{reason}": count for reason, count in self.failures.items()}
        counted["guarded_exchanges"] = self.exchanges
        counted["rejected_unhealthy"] = self.rejected
        counted["opened"] = self.breaker.opened
        counted["state"] = _STATE_NUMBERS[self.state]
        return counted

    def is_available(self) -> bool:
        """Return True when exchange() would ask the origin now. Changes nothing."""
        return not self._down and self.breaker.would_try(self._now())

    async def exchange(self, request: OriginRequest) -> OriginResponse:
        """See Origin.exchange. Raises UpstreamUnavailable at once while the origin is ill."""
        now = self._now()
        if self._down or not self.breaker.may_try(now):
            self.rejected += 1
            wait = self._check.interval if self._down and self._check is not None else self.breaker.retry_after(now)
            raise UpstreamUnavailable(f"{self.name} is {self.state}", retry_after=wait)
        if self.breaker.state is not _CLOSED:
            self._note_state("probe")
        return await self._ask(request, now)

    async def exchange_anyway(self, request: OriginRequest) -> OriginResponse:
        """Ask whatever the state is; the outcome is told to the breaker. For panic mode (balance.py)."""
        now = self._now()
        self.breaker.may_try(now)
        return await self._ask(request, now)

    def start(self) -> None:
        """Begin active checks, if there are any to make."""
        if self._check is not None and self._checker is None:
            self._checker = asyncio.get_running_loop().create_task(self._keep_checking(self._check))

    def retire(self) -> None:
        """Another has taken its place: no more checks, no idle connections. Who still asks gets an answer as before."""
        if self._checker is not None:
            self._checker.cancel()
        inner = getattr(self.origin, "retire", None)
        if inner is not None:
            inner()

    async def aclose(self) -> None:
        """Stop checks, close the inner origin."""
        if self._checker is not None:
            self._checker.cancel()
            await asyncio.wait((self._checker,))
            self._checker = None
        if self._log_later is not None:
            self._log_later.cancel()
            self._log_later = None
        await self.origin.aclose()

    async def _ask(self, request: OriginRequest, began: float) -> OriginResponse:
        self.exchanges += 1
        try:
            response = await self.origin.exchange(request)
        except UpstreamError as error:
            self.failures[error.reason] = self.failures.get(error.reason, 0) + 1
            if counts_as_failure(error):
                self.breaker.failed(self._now(), began)
                self._note_state(error.reason)
            else:
                self.breaker.abandoned(self._now(), began)
            raise
        except BaseException:  # cancelled, or the client's body broke: no news of the origin
            self.breaker.abandoned(self._now(), began)
            raise
        if self._server_errors and response.status >= _FIRST_SERVER_ERROR:
            self.failures["http_status"] = self.failures.get("http_status", 0) + 1
            self.breaker.failed(self._now(), began)
            self._note_state(f"status_{response.status}")
        else:
            self.breaker.succeeded(self._now(), began)
            if self._seen != "closed":
                self._note_state("answered")
        return response

    async def _keep_checking(self, check: ActiveCheck) -> None:
        while True:
            await asyncio.sleep(check.interval)
            good = await self._check_once(check)
            if good is not None:
                self._take_check(check, good=good)

    async def _check_once(self, check: ActiveCheck) -> bool | None:
        """Return None when the origin wasn't asked: all its connections were busy, which says nothing about its health."""
        fields: Fields = [(b"host", check.host.encode("ascii")), (b"user-agent", b"weft-health"), (b"connection", b"close")]
        request = OriginRequest(b"GET", check.path.encode("ascii"), fields)
        try:
            async with asyncio.timeout(check.timeout):
                response = await self.origin.exchange(request)
                if response.body is not None:
                    await response.body.aclose()
        except UpstreamUnavailable:
            return None
        except (UpstreamError, TimeoutError):
            return False
        return response.status < _FIRST_SERVER_ERROR

    def _take_check(self, check: ActiveCheck, *, good: bool) -> None:
        if good is not self._down:  # as expected: up and good, or down and bad
            self._streak = 0
            return
        self._streak += 1
        if self._streak >= (check.successes if self._down else check.failures):
            self._down = not self._down
            self._streak = 0
            self._note_state("check")

    def _note_state(self, reason: str) -> None:
        """Log a change of state, at most one line in _LOG_EVERY seconds."""
        state = self.state
        if state == self._seen:
            return
        self._seen = state
        self._changes += 1
        now = self._now()
        if self._logged_at is None or now - self._logged_at >= _LOG_EVERY:
            self._write_log(reason)
        elif self._log_later is None:
            with contextlib.suppress(RuntimeError):  # no loop: a test of the pure part
                loop = asyncio.get_running_loop()
                self._log_later = loop.call_later(_LOG_EVERY - (now - self._logged_at), self._write_log, reason)

    def _write_log(self, reason: str) -> None:
        self._log_later = None
        was, self._logged, changes, self._changes = self._logged, self._seen, self._changes, 0
        self._logged_at = self._now()
        level = logging.INFO if self._logged == "closed" else logging.WARNING
        logger.log(
            level, "origin_state origin=%s state=%s was=%s reason=%s changes=%d", self.name, self._logged, was, reason, changes
        )

    def _now(self) -> float:
        return self._clock() if self._clock is not None else asyncio.get_running_loop().time()


_CLOSED = BreakerState.CLOSED
