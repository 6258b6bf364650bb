"""The catch-all: everything that is not ours goes through the flow. Plain ASGI, so that it runs on any server.

On our own server the request comes ready made, with 1xx responses and tunnels, by `carry` or in the scope's extensions; elsewhere it is made from the scope.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from time import monotonic
from typing import Any, Protocol

from gateway.cache.key import key_text
from gateway.clock import Clock
from gateway.endpoints.asgi_request import Incoming, Receive, request_of, until_departure
from gateway.errors import BadRequest, UpstreamError
from gateway.flow.page import Page
from gateway.flow.rate_limits import RateLimits
from gateway.flow.response import Response
from gateway.listener.cycle import Message, ResponseCutShort
from gateway.listener.limits import Limits
from gateway.listener.proxies import TrustedProxies
from gateway.listener.tunnel import ClientTunnel, relay_tunnel
from gateway.semantics.message import Request
from gateway.semantics.trace_context import trace_of
from gateway.telemetry.account import Account
from gateway.telemetry.spans import Tracer
from gateway.telemetry.trace import TraceNode
from gateway.telemetry.traces import Trace, Traces, encode_includes, shown_target

__all__ = ["Traffic"]

logger = logging.getLogger(__name__)

_MOST_PROBLEMS = 8
"""Faults of a page's markup that the debug header lists."""

Send = Callable[[Message], Awaitable[None]]


class Way(Protocol):
    """How an answer gets to its client. Our own server's is a listener.cycle.Cycle.

    answer      takes a head and a content that is at hand; None: there is only `send`
    tunnel      switches protocols; None: can't be done
    trailers    `send` knows trailers
    """

    @property
    def answer(self) -> Callable[[bytes, bytes], None] | None: ...

    @property
    def tunnel(self) -> Callable[[bytes], ClientTunnel] | None: ...

    @property
    def trailers(self) -> bool: ...

    @property
    def send(self) -> Send: ...


class _Plain:
    """What ASGI has words for, and no more."""

    answer = tunnel = None

    def __init__(self, send: Send, *, trailers: bool) -> None:
        self.send = send
        self.trailers = trailers


class Traffic:
    """An ASGI application.

    may_debug: whether a token opens the debug header; timing: who gets Server-Timing; traces: where those of a token's holder are kept, below `trace_path`. limits: for requests of other servers.
    """

    def __init__(
        self,
        page: Page,
        account: Account,
        clock: Clock,
        proxies: TrustedProxies,
        may_debug: Callable[[bytes], bool],
        timing: str,
        traces: Traces,
        trace_path: str,
        *,
        rate_limits: RateLimits | None = None,
        tracer: Tracer | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.page = page
        self.account = account
        self.clock = clock
        self.proxies = proxies
        self.may_debug = may_debug
        self.timing = timing
        self.traces = traces
        self.trace_path = trace_path
        self.rate_limits = rate_limits
        self.tracer = tracer
        self.limits = limits or Limits()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """One HTTP request. WebSockets reach us as HTTP on our own server; elsewhere they are refused by closing."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1013, "reason": "WebSockets pass through Weft's own server only"})
            return
        ours = scope.get("extensions", {}).get("weft")
        if ours is not None:
            await self.carry(ours["request"], ours["cycle"], ours["started"])
            return
        started = monotonic()
        incoming = Incoming(receive, self.limits.body_bytes)
        try:
            request = await request_of(scope, incoming, self.proxies, self.limits)
        except ResponseCutShort:
            return  # nobody is there any more
        except BadRequest as error:
            self.account.metrics.refuse(error.reason)
            request = Request(scope["method"].encode("latin-1"), scope.get("raw_path") or b"/", b"", scope["headers"])
            await self._send(request, self.page.refuse(request, error), send, started)
            return
        if self.tracer is not None:
            self.tracer.begin(request)
        way = _Plain(send, trailers="http.response.trailers" in (scope.get("extensions") or {}))
        try:
            await until_departure(self.carry(request, way, started), incoming, has_body=request.has_body)
        except BadRequest as error:  # of its content, before there was an answer
            self.account.metrics.refuse(error.reason)
            await self._send(request, self.page.refuse(request, error), send, started)

    async def carry(self, request: Request, way: Way, started: float) -> None:
        """One request, answered on its way. started: monotonic seconds at its complete head."""
        if self.rate_limits is not None and (request.has_body or way.answer is None):  # else the listener has asked already
            refused = self._over_limit(request, self.rate_limits)
            if refused is not None:
                await self._pass_on(request, refused, way, started)
                return
        token = request.section.get(b"weft-debug")
        debug = token is not None and self.may_debug(token)
        if debug or request.trace is not None:
            await self._follow(request, way, started, debug=debug)
        else:
            response = await self.page.answer(request)
            await self._pass_on(request, response, way, started)

    async def _follow(self, request: Request, way: Way, started: float, *, debug: bool) -> None:
        """Carry a request of which somebody wants to know how it came to its answer: the holder of a token, or who follows its trace."""
        url = f"{request.scheme.decode('latin-1')}://{request.host.decode('latin-1')}{shown_target(request.target)}"
        trace = self.traces.begin(request.method.decode("latin-1"), url, self.clock()) if debug else None
        root = trace.root if trace is not None else TraceNode(url)
        if request.trace is not None:
            root.context = trace_of(request.fields)
        response, error = None, "client_left"
        try:
            response = await self.page.answer(request, root)
            await self._pass_on(request, response, way, started, trace)
            error = ""
        except ResponseCutShort:
            error = "cut_short"
            raise
        finally:
            if trace is not None:
                trace.close()
            if self.tracer is not None and request.trace is not None:
                status, facts = (response.status, response.facts) if response is not None else (0, None)
                self.tracer.report(request, started, status, facts, root, error)

    def _over_limit(self, request: Request, limits: RateLimits) -> Response | None:
        now = self.clock()
        is_hit = self.page.answer_now(request, now) is not None
        refusal = limits.refusal_of_hit(request, now) if is_hit else limits.refusal(request, now)
        return None if refusal is None else self.page.refuse(request, refusal)

    async def _pass_on(
        self,
        request: Request,
        response: Response,
        way: Way,
        started: float,
        trace: Trace | None = None,
    ) -> None:
        """trace: of a token's holder."""
        if response.tunnel is not None:
            await self._switch(request, response, way.tunnel, started)
            return
        if trace is not None or (self.timing == "always" and response.facts.outcome != "hit"):
            self._explain(request, response, trace)
        answer, body = way.answer, response.body
        if answer is not None and (body is None or isinstance(body, bytes)):
            answer(response.head, body or b"")
            self.account.tell(request, response, self.clock(), started, len(body or b""))
            if trace is not None:
                trace.head_sent()
                trace.finish(response.facts, response.status, len(body or b""), complete=True)
            return
        await self._send(request, response, way.send, started, trailers=way.trailers, trace=trace)

    def _explain(self, request: Request, response: Response, trace: Trace | None) -> None:
        """Server-Timing, and for the holder of a token what decided."""
        facts = response.facts
        if self.timing != "never":
            timing = f"cache;desc={facts.outcome}"
            if facts.origin_time:
                timing += f", origin;dur={facts.origin_time * 1000:.1f}"
            response.add(b"server-timing", timing.encode("ascii"))
        if trace is None:
            return
        response.add(b"weft-trace", f"{self.trace_path}{trace.id}".encode("ascii"))
        if trace.root.children:
            response.add(b"weft-includes", encode_includes(trace.root))
        try:
            visit = self.page.recognise(request)
        except BadRequest:
            return  # refused before it had a key
        entry, _ = self.page.lookup.look(visit, self.clock())
        lines = [
            f"key={key_text(visit.key)}",
            f"route={facts.route}",
            f"outcome={facts.outcome}",
            f"detail={facts.detail or '-'}",
        ]
        if entry is not None:
            tags = b" ".join(entry.tags).decode("latin-1") or "-"
            vary = b", ".join(entry.vary).decode("latin-1") or "-"
            lines += [
                f"ttl={entry.fresh_until - self.clock():.1f}",
                f"lifetime={entry.lifetime:.0f}",
                f"vary={vary}",
                f"tags={tags}",
                f"bytes={entry.cost}",
            ]
            problems = entry.program.problems if entry.program is not None else ()
            if problems:
                shown = ",".join(f"{problem.code}@{problem.line}:{problem.column}" for problem in problems[:_MOST_PROBLEMS])
                lines.append(f"problems={len(problems)} {shown}")
        response.add(b"weft-debug", "; ".join(lines).encode("latin-1", "replace"))

    async def _send(
        self,
        request: Request,
        response: Response,
        send: Send,
        started: float,
        *,
        trailers: bool = False,
        trace: Trace | None = None,
    ) -> None:
        """trailers: the server can send them."""
        body = response.body
        octets, complete = 0, False
        streams = body is not None and not isinstance(body, bytes)
        trails = trailers and streams and response.trailers is not None and response.length is None
        try:
            await send(
                {
                    "type": "http.response.start",
                    "status": response.status,
                    "headers": response.fields(),
                    "trailers": trails,
                }
            )
            if trace is not None:
                trace.head_sent()
            if body is None or isinstance(body, bytes):
                octets = len(body or b"")
                await send({"type": "http.response.body", "body": body or b""})
            else:
                await send(
                    {"type": "http.response.body", "body": b"", "more_body": True}
                )  # the head goes now: content may take its time
                async for chunk in body:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                    octets += len(chunk)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                if trails:
                    await send({"type": "http.response.trailers", "headers": response.trailers})
            complete = True
        except UpstreamError as error:
            logger.warning("response cut short", extra={"route": response.facts.route, "reason": error.reason})
            response.facts.detail = error.reason
            raise ResponseCutShort(str(error)) from error
        finally:
            if streams:
                await body.aclose()  # type: ignore[union-attr]
            self.account.tell(request, response, self.clock(), started, octets, complete=complete)
            if trace is not None:
                trace.finish(response.facts, response.status, octets, complete=complete)

    async def _switch(
        self, request: Request, response: Response, tunnel: Callable[[bytes], ClientTunnel] | None, started: float
    ) -> None:
        assert response.tunnel is not None
        if tunnel is None:
            await response.tunnel.aclose()
            raise ResponseCutShort("this server can't switch protocols")
        lines = response.block + b"".join(b"%s: %s\r\n" % field for field in response.trailers or ())
        client = tunnel(b"HTTP/1.1 101 Switching Protocols\r\n" + lines)
        _, down = await relay_tunnel(client, response.tunnel)
        self.account.tell(request, response, self.clock(), started, down)
