"""The listener's protocol, and the hot lane in it. uvicorn takes this class by its `http=` parameter.

When a complete request head without content has been read, the flow is asked for an answer from memory. With one, head and content go to the transport:
no task, no ASGI scope, no copy of the content. Without one the request gets a task, and goes to the traffic as it is. Everything Weft does works without
this file on any ASGI server, but for what ASGI has no words for: 1xx responses and tunnels (docs/decisions/0002-lanes.md).
"""

from __future__ import annotations

import re
from functools import partial
from math import inf
from time import monotonic

from gateway.flow.page import STEERING
from gateway.flow.rate_limits import RateLimits, client_key
from gateway.flow.response import Response
from gateway.listener.connection import PROBE
from gateway.listener.cycle import JOIN_UP_TO, Cycle
from gateway.listener.edge import State
from gateway.listener.head import Head
from gateway.listener.reading import ReadingConnection
from gateway.semantics.message import Request
from gateway.telemetry.spans import Tracer

__all__ = ["EdgeProtocol"]

_LINGERS = int(State.LINGER)  # an enumeration's members are slow to look up
_TARGET = re.compile(rb"/[A-Za-z0-9\-._~%!$&'()*+,;=:@/?]*")
"""What RFC 3986 has in a path and a query. Whatever else is asked for, llhttp decides."""


class EdgeProtocol(ReadingConnection):
    """A connection that answers: at once where memory suffices, else by a cycle, each in its turn."""

    def data_received(self, data: bytes) -> None:
        if not self.state and not self.reading and not self.pending:  # whatever data holds, it begins with a head
            if self.lane and not self.write_paused and not self.last_request:
                end = data.find(b"\r\n")
                head = self.heads.get(data[end:])
                if head is not None and data[:5] == b"GET /" and data[end - 9 : end] == b" HTTP/1.1":
                    started = monotonic()
                    target = data[4 : end - 9]
                    if head.is_plain:
                        now = started + self.edge.clock.offset
                        response = self.edge.page.ready_now(self.scheme, head.host, target, head.accept, now)
                        if response is None and self.edge.page.admission.is_full and not target.startswith(self.edge.control):
                            shedding = self.edge.page.shedding
                            response = shedding.refuse_ready(self.scheme, head.host, target, head.fields, now)
                        if (
                            response is not None
                            and (self.edge.tracer is None or not self._is_drawn(self.edge.tracer))
                            and (not self.edge.counts_hits or self._has_token(head, target, now))
                        ):
                            self._send_ready(head, target, response, now, started)
                            return
                    limits = self.limits
                    if len(target) <= limits.url_bytes and len(data) <= limits.header_bytes and _TARGET.fullmatch(target):
                        self._read_known(head, target, started)
                        return
            self._parse(data, alone=True)
        elif self.state < _LINGERS:
            self._parse(data, alone=False)
        elif self.tunnel is not None:
            self.tunnel.feed(data)

    def _is_drawn(self, tracer: Tracer) -> bool:
        """A trace is begun for the request in hand: it goes the long way."""
        self.drawn = tracer.draws()
        return self.drawn

    def _send_ready(self, head: Head, target: bytes, response: Response, now: float, started: float) -> None:
        """The hot lane: a header section seen before, and an answer rendered earlier in this second.

        target has not been validated: nothing is stored under one that the parser would refuse.
        """
        body = response.body or b""
        if not head.keep_alive or self.edge.draining:
            self.last_request = True
            self.transport.write(b"".join((response.head, b"connection: close\r\n\r\n", body)))  # type: ignore[arg-type]
            self.transport.close()
        elif response.length is None or response.length <= JOIN_UP_TO:
            self.transport.write(b"".join((response.head, b"\r\n", body)))  # type: ignore[arg-type]
        else:
            self.transport.writelines((response.head, b"\r\n", body))  # type: ignore[arg-type]
        if started > self.edge.lag.late_at:
            self._rest()
        self.deadline = now + self.limits.keepalive_timeout
        self.edge.account.tell_ready(self.client_part, target, head, response, now, started, response.length or 0)

    def _rest(self) -> None:
        """This turn of the loop has been long: read nothing more in it.

        libuv goes on polling while more than a thousand sockets are ready, up to 48 times, and until it is done no timer and no task has its turn. With 3,000
        connections a turn took 3 s so, and takes 0.4 s now: loadtests/bench/overload.py.
        """
        if self.transport.is_closing():
            return
        self.transport.pause_reading()
        if not self.edge.resting:
            self.loop.call_soon(self.edge.wake)
        self.edge.resting.append(self)

    def read_on(self) -> None:
        """After a rest."""
        if self.state is State.IDLE:
            self._resume_reading()

    def _has_token(self, head: Head, target: bytes, now: float) -> bool:
        """Whether the limits that count hits let one more pass; if not, the long way says so."""
        limits = self.edge.rate_limits
        assert limits is not None
        return limits.passes(b"GET", head.host, target, head.fields, client_key(self.peer), now)

    def _read_known(self, head: Head, target: bytes, started: float) -> None:
        """A request whose header section was read before, under the same limits: what llhttp would make of it."""
        request = Request(b"GET", target, head.host, head.fields, scheme=self.scheme, client=self.peer)
        request.section = head.section
        self.url, self.fields = target, head.fields
        self.started = started
        self.keep_alive = head.keep_alive
        self.request = request
        self._dispatch(request)

    def _remember_head(self, data: bytes) -> None:
        """data was one request, whole and alone: its header section need not be read again."""
        request = self.last_read
        if (
            request is None
            or request.method != b"GET"
            or request.length is not None  # 0: no content, yet it goes on to the origin
            or request.has_body
            or request.version != b"1.1"
            or request.expect is not None
            or b"traceparent" in request.section  # no two of these are alike
        ):
            return
        end = data.find(b"\r\n")
        # The first blank line must be the last: what comes after one is content or another request, and no part of this header section.
        if data[:5] == b"GET /" and data.find(b"\r\n\r\n") == len(data) - 4:
            self.heads.remember(data[end:], Head(request, STEERING, keep_alive=self.keep_alive))

    # ------------------------------------------------------------------------------------------------ in turn

    def _dispatch(self, request: Request) -> None:
        """Answer at once, or start a cycle, or wait for the one before."""
        if self.cycle is not None or self.waiting or self.write_paused:
            self.waiting.append((request, self.keep_alive))
            self.transport.pause_reading()
            return
        self._answer(request, keep_alive=self.keep_alive)

    def _answer(self, request: Request, *, keep_alive: bool) -> None:
        edge = self.edge
        if self.last_request:
            return
        if edge.draining:
            keep_alive = False
        if edge.tracer is not None:
            edge.tracer.begin(request, drawn=self.drawn)
            self.drawn = False
        if not request.has_body and not request.target.startswith(edge.control):
            now = edge.clock()
            page = edge.page
            response = page.answer_now(request, now) if edge.fast_lane or edge.rate_limits is not None else None
            if edge.rate_limits is not None:
                refusal = self._over_limit(request, response, edge.rate_limits, now)
                response = refusal or (response if edge.fast_lane else None)
            if response is None and edge.fast_lane and page.admission.is_full:
                response = page.shedding.answer_now(request, now)
            if response is not None:
                self._send_now(request, response, now, keep_alive=keep_alive)
                return
            if not page.admission.coming:
                self.loop.call_soon(page.admission.arrive)
            page.admission.coming += 1
        self.state = State.BUSY
        if request is self.request and self.incoming is not None:
            self._time_body()
        else:
            self.deadline = edge.clock() + PROBE if self.half_closed else inf
        request.interim = partial(self.send_interim, request)
        direct = (
            edge.fast_lane
            and edge.carry is not None
            and request.method != b"PURGE"
            and not request.target.startswith(edge.control)
        )
        cycle = self.cycle = Cycle(self, request, self.app, keep_alive=keep_alive, direct=direct)
        cycle.task = self.loop.create_task(cycle.run())
        self.server_state.tasks.add(cycle.task)
        cycle.task.add_done_callback(self.server_state.tasks.discard)

    def _over_limit(self, request: Request, response: Response | None, limits: RateLimits, now: float) -> Response | None:
        """The answer that there were too many requests, None when there were not. response: what memory has for this one."""
        refusal = limits.refusal(request, now) if response is None else limits.refusal_of_hit(request, now)
        return None if refusal is None else self.edge.page.refuse(request, refusal)

    def _send_now(self, request: Request, response: Response, now: float, *, keep_alive: bool) -> None:
        """The hot answer: everything is at hand."""
        head, body = response.head, response.body
        if keep_alive:
            ending = b"\r\n" if request.version == b"1.1" else b"connection: keep-alive\r\n\r\n"
        else:
            ending = b"connection: close\r\n\r\n"
        if body is None:
            octets = 0
            self.transport.write(head + ending)
        else:
            octets = len(body)  # type: ignore[arg-type]  # answer_now gives bytes or None
            if octets <= JOIN_UP_TO:
                self.transport.write(b"".join((head, ending, body)))  # type: ignore[arg-type]
            else:
                self.transport.writelines((head, ending, body))  # type: ignore[arg-type]
        self.edge.account.tell(request, response, now, self.started, octets)
        if request.trace is not None and self.edge.tracer is not None:
            self.edge.tracer.report(request, self.started, response.status, response.facts)
        if self.request is request:
            self.request = None
        if keep_alive:
            self.state = State.IDLE
            self.deadline = now + self.limits.keepalive_timeout
        else:
            self.last_request = True
            self.transport.close()

    def end_cycle(self, cycle: Cycle, *, clean: bool) -> None:
        """A cycle is over: on to the next request, or close."""
        if self.cycle is cycle:
            self.cycle = None
        body = self.bodies.pop(cycle.request, None)
        if self.lost or self.state >= State.LINGER:
            return
        if not clean:
            if cycle.started and not cycle.finished:
                self.cut_short(visibly=not cycle.says_its_end)
            else:
                self.transport.close()
            return
        if body is not None and not body.complete:
            self._linger()  # answered before the content was read: it is not read to the end. RFC 9112 §9.3
            return
        if not cycle.keep_alive or self.last_request:
            self.last_request = True
            self.transport.close()
            return
        if self.request is cycle.request:
            self.request = None
        self.state = State.HEAD if self.reading else State.IDLE
        self.deadline = self._patience()
        self._next()

    def _next(self) -> None:
        """Requests that came before their turn (pipelining, RFC 9112 §9.3.2); after the last of them, what else has come."""
        while self.waiting and self.cycle is None and not self.write_paused and not self.lost:
            request, keep_alive = self.waiting.popleft()
            self._answer(request, keep_alive=keep_alive and not (self.half_closed and not self.waiting))
        if self.waiting or self.write_paused or self.lost or self.last_request:
            return
        if self.cycle is not None:
            if self.upgrade_rest is None:
                self._resume_reading()
        elif self.refusal is not None:
            self._refuse(self.refusal)
        elif self.half_closed:
            self.transport.close()
        else:
            self._resume_reading()
            if self.upgrade_rest is not None:  # no switch: what stands behind the request is the next one
                rest, self.upgrade_rest = self.upgrade_rest, None
                self._feed_rest(rest)
