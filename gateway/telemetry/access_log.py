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

from gateway.semantics.message import Request

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
        self._targets: dict[bytes, bytes] = {}
        self._texts: dict[bytes, bytes] = {}
        self._clients: dict[str, bytes] = {}
        self._worker = b"%d" % os.getpid()

    def line(self, request: Request, told: Told, now: float, seconds: float, octets: int, *, complete: bool) -> None:
        """Log one request. now: epoch seconds; seconds: how long it took; octets: content sent; complete: to its end."""
        second = int(now)
        if second != self._second:
            self._second = second
            self._stamp = strftime("%Y-%m-%dT%H:%M:%S", gmtime(second)).encode("ascii")
        client = self._clients.get(request.client) or self._client(request.client)
        target = self._targets.get(request.target) or self._target(request.target)
        if not self._json:
            self._write(
                b'%s.%03dZ %s "%s %s" %d %d %.3fms %s\n'
                % (self._stamp, int((now - second) * 1000), client, request.method, target, told.status, octets, seconds * 1000, b"%s %s" % (told.facts.outcome.encode(), told.facts.route.encode()))
            )
            return
        agent = referer = None
        for name, value in request.fields:
            if name == b"user-agent":
                agent = value
            elif name == b"referer":
                referer = value
        tail = told.facts.log_tail
        if tail is None:
            tail = told.facts.log_tail = self._tail(told)
        self._write(
            b'{"time":"%s.%03dZ","client":%s,"method":"%s","host":%s,%s,"user_agent":%s,"referer_host":%s,"protocol":"HTTP/%s","scheme":"%s","bytes":%d,"duration_ms":%.3f,"complete":%s,%s'
            % (
                self._stamp,
                int((now - second) * 1000),
                client,
                request.method,
                self._texts.get(request.host) or self._text(request.host),
                target,
                b"null" if agent is None else self._texts.get(agent) or self._text(agent),
                b"null" if referer is None else self._text(_host_of(referer)),
                request.version,
                request.scheme,
                octets,
                seconds * 1000,
                b"true" if complete else b"false",
                tail,
            )
        )

    def _tail(self, told: Told) -> bytes:
        facts = told.facts
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
                    "worker": int(self._worker),
                }
            )[1:]
            + b"\n"
        )

    def _client(self, chain: str) -> bytes:
        """chain: addresses as X-Forwarded-For has them, the client first."""
        address = chain.partition(",")[0].strip()
        shown = ""
        if self._address == "full":
            shown = address
        elif self._address == "hmac":
            shown = hmac.new(self._key, address.encode("latin-1"), hashlib.sha256).hexdigest()[:16]
        elif self._address == "truncate":
            shown = _truncated(address)
        return _remember(self._clients, chain, orjson.dumps(shown) if self._json else shown.encode() or b"-")

    def _target(self, target: bytes) -> bytes:
        path, mark, query = target.partition(b"?")
        if mark and self._mask_query:
            query = b"&".join(one.partition(b"=")[0] for one in query.split(b"&"))
        if self._json:
            text = b'"path":' + orjson.dumps(path.decode("latin-1")) + b',"query":' + orjson.dumps(query.decode("latin-1"))
        else:
            text = path + mark + query
        return _remember(self._targets, target, text)

    def _text(self, value: bytes) -> bytes:
        return _remember(self._texts, value, orjson.dumps(value[:512].decode("latin-1")))


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
    return str(ipaddress.ip_network((parsed, 24 if parsed.version == 4 else 48), strict=False).network_address)  # noqa: PLR2004


def _host_of(url: bytes) -> bytes:
    """Host of a Referer; the rest of it may hold anything."""
    return url.partition(b"://")[2].partition(b"/")[0].rpartition(b"@")[2]

