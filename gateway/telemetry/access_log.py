"""One line per request, JSON or text.

Never in it: cookies, credentials, values of query parameters (unless the site says so), whole client addresses (unless the site says so). What is the same for every hit
of a stored response is rendered once and kept on its facts; a line then costs less than a microsecond.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
from collections.abc import Callable
from time import gmtime, strftime
from typing import TYPE_CHECKING, Literal, TypeVar

import orjson

from gateway.semantics.message import Fields, Request
from gateway.semantics.trace_context import trace_of

if TYPE_CHECKING:
    from gateway.telemetry.account import Told

__all__ = ["AccessLog"]

_MEMO = 4_096
_Key = TypeVar("_Key")


class AccessLog:
    """Renders lines and hands them to write.

    form: json or text. mask_query: names of parameters only. client_address: whole, last octets zeroed (IPv4 /24, IPv6 /48), keyed hash, or nothing.
    """

    def __init__(
        self,
        write: Callable[[bytes], None],
        *,
        form: Literal["json", "text"] = "json",
        mask_query: bool = True,
        client_address: Literal["full", "truncate", "hmac", "none"] = "truncate",
        address_key: bytes = b"",
    ) -> None:
        self._write = write
        self._json = form == "json"
        self._mask_query = mask_query
        self._address = client_address
        self._key = address_key
        self._second = -1
        self._stamp = b""
        self._moment = -1
        self._opening = b""
        self._targets: dict[bytes, bytes] = {}
        self._texts: dict[bytes, bytes] = {}
        self._clients: dict[str, bytes] = {}
        self._worker = os.getpid()

    def line(self, request: Request, told: Told, now: float, seconds: float, octets: int, *, complete: bool) -> None:
        """Log one request. now: epoch seconds; seconds: how long it took; octets: content sent; complete: to its end."""
        head = self.head_part(request.fields, request.host, request.scheme, request.version)
        self.parts(
            self.client_part(request.client), request.method, request.target, head, told, now, seconds, octets, complete=complete
        )

    def parts(
        self,
        client: bytes,
        method: bytes,
        target: bytes,
        head: bytes,
        told: Told,
        now: float,
        seconds: float,
        octets: int,
        *,
        complete: bool = True,
    ) -> None:
        """The same from parts that were rendered before: client_part, head_part."""
        second = int(now)
        if second != self._second:
            self._second = second
            self._stamp = strftime("%Y-%m-%dT%H:%M:%S", gmtime(second)).encode("ascii")
        where = self._targets.get(target) or self._target(target)
        tail = told.facts.log_tail
        if tail is None:
            tail = told.facts.log_tail = self._tail(told)
        if self._json:
            self._write(
                b'{"time":"%b.%03dZ","duration_ms":%.3f,"bytes":%d,"complete":%b,"method":"%b",%b%b%b%b'
                % (
                    self._stamp,
                    (now - second) * 1000,
                    seconds * 1000,
                    octets,
                    b"true" if complete else b"false",
                    method,
                    where,
                    client,
                    head,
                    tail,
                )
            )
        else:
            self._write(
                b'%b.%03dZ %b "%b %b" %b%d %.3fms%b\n'
                % (
                    self._stamp,
                    (now - second) * 1000,
                    client,
                    method,
                    where,
                    tail,
                    octets,
                    seconds * 1000,
                    b"" if complete else b" cut short",
                )
            )

    def ready(self, client: bytes, target: bytes, head: bytes, told: Told, now: float, seconds: float, octets: int) -> None:
        """The same for a GET answered in full from memory, where all but the time is known: the line of the hot lane."""
        facts = told.facts
        tail = facts.log_ready
        if tail is None or not self._json:
            self.parts(client, b"GET", target, head, told, now, seconds, octets)
            if self._json and facts.owns_target:
                assert facts.log_tail is not None
                facts.log_ready = (
                    b',"bytes":%d,"complete":true,"method":"GET",%b' % (octets, self._target(target)),
                    facts.log_tail,
                )
            return
        moment = int(now * 1000)
        if moment != self._moment:
            self._moment = moment
            self._opening = b'{"time":"%b.%03dZ","duration_ms":' % (
                strftime("%Y-%m-%dT%H:%M:%S", gmtime(moment // 1000)).encode("ascii"),
                moment % 1000,
            )
        self._write(b"".join((self._opening, b"%.3f" % (seconds * 1000), tail[0], client, head, tail[1])))

    def client_part(self, chain: str) -> bytes:
        """What a line says of the client. chain: addresses as X-Forwarded-For has them, the client first."""
        return self._clients.get(chain) or self._client(chain)

    def head_part(self, fields: Fields, host: bytes, scheme: bytes, version: bytes) -> bytes:
        """What a line says of the header section: host, browser, the host it came from, protocol."""
        if not self._json:
            return b""
        agent = referer = context = None
        for name, value in fields:
            if name == b"user-agent":
                agent = value
            elif name == b"referer":
                referer = value
            elif name == b"traceparent":
                context = trace_of(fields)
        return b'"host":%b,"user_agent":%b,"referer_host":%b,"protocol":"HTTP/%b","scheme":"%b",%b' % (
            self._text(host),
            b"null" if agent is None else self._text(agent),
            b"null" if referer is None else self._text(_host_of(referer)),
            version,
            scheme,
            b"" if context is None else b'"trace_id":"%b",' % context.trace_id,
        )

    def _tail(self, told: Told) -> bytes:
        """What is the same each time this response is sent."""
        facts = told.facts
        if not self._json:
            return f"{told.status} {facts.outcome} {facts.route or '-'} ".encode()
        includes = {"includes": facts.includes, "includes_failed": facts.includes_failed} if facts.includes else {}
        return (
            orjson.dumps(
                {
                    "status": told.status,
                    "cache": facts.outcome,
                    "detail": facts.detail,
                    "stale": facts.stale,
                    "ttl": facts.ttl,
                    "stored": facts.stored,
                    "collapsed": facts.collapsed,
                    "route": facts.route,
                    "origin": facts.origin,
                    "origin_status": facts.fwd_status,
                    "origin_ms": round(facts.origin_time * 1000, 3),
                    "request_id": facts.request_id,
                    "worker": self._worker,
                    **includes,
                }
            )[1:]
            + b"\n"
        )

    def _client(self, chain: str) -> bytes:
        address = chain.partition(",")[0].strip()
        shown = ""
        if self._address == "full":
            shown = address
        elif self._address == "hmac":
            shown = hmac.new(self._key, address.encode("latin-1"), hashlib.sha256).hexdigest()[:16]
        elif self._address == "truncate":
            shown = _truncated(address)
        part = b'"client":%b,' % orjson.dumps(shown) if self._json else shown.encode() or b"-"
        return _remember(self._clients, chain, part)

    def _target(self, target: bytes) -> bytes:
        path, mark, query = target.partition(b"?")
        if mark and self._mask_query:
            query = b"&".join(one.partition(b"=")[0] for one in query.split(b"&"))
        if self._json:
            text = b'"path":%b,"query":%b,' % (orjson.dumps(path.decode("latin-1")), orjson.dumps(query.decode("latin-1")))
        else:
            text = path + mark + query
        return _remember(self._targets, target, text)

    def _text(self, value: bytes) -> bytes:
        return self._texts.get(value) or _remember(self._texts, value, orjson.dumps(value[:512].decode("latin-1")))


def _remember(memo: dict[_Key, bytes], key: _Key, value: bytes) -> bytes:
    if len(memo) >= _MEMO:
        memo.clear()
    memo[key] = value
    return value


def _truncated(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    return str(ipaddress.ip_network((parsed, 24 if parsed.version == 4 else 48), strict=False).network_address)


def _host_of(url: bytes) -> bytes:
    """Host of a Referer; the rest of it may hold anything."""
    return url.partition(b"://")[2].partition(b"/")[0].rpartition(b"@")[2]
