"""A request as any ASGI server hands it over: the same rules and limits as on our own listener, and the content in the server's messages. ASGI 3, HTTP spec 2.4.

A server has its own idea of what it lets through. What llhttp refuses on our listener, before anything else sees it, is refused here.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from gateway.errors import BadRequest
from gateway.listener.cycle import Message, ResponseCutShort
from gateway.listener.head import make_request
from gateway.listener.limits import Limits
from gateway.listener.proxies import TrustedProxies
from gateway.semantics.message import Fields, Request, values
from gateway.semantics.trace_context import without_trace

__all__ = ["Incoming", "Receive", "request_of", "until_departure"]

Receive = Callable[[], Awaitable[Message]]

_VERSIONS_1 = (b"1.0", b"1.1")
_METHOD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET = re.compile(rb"[\x21-\x7e\x80-\xff]+")
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_VALUE = re.compile(rb"[^\x00\r\n]*")


class Incoming:
    """What `receive` tells of one request: its content, read once, and then that its client has left. most: octets of content, 0 for any number."""

    def __init__(self, receive: Receive, most: int = 0) -> None:
        self._receive = receive
        self._most = most
        self._first: Message | None = None
        self._is_read = asyncio.Event()

    async def has_content(self) -> bool:
        """Whether there is any, where no field says so: HTTP/2 needs no Content-Length (RFC 9113 §8.1). Raises ResponseCutShort."""
        first = self._first = await self._receive()
        if first["type"] == "http.disconnect":
            raise ResponseCutShort("the client left in the middle of its request")
        return bool(first.get("body")) or first.get("more_body", False)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        more, octets = True, 0
        while more:
            message, self._first = self._first or await self._receive(), None
            if message["type"] == "http.disconnect":
                raise ResponseCutShort("the client left in the middle of its request")
            if chunk := message.get("body", b""):
                octets += len(chunk)
                if self._most and octets > self._most:
                    raise BadRequest("the content is too large", 413, "body_bytes")
                yield chunk
            more = message.get("more_body", False)
        self._is_read.set()

    async def departure(self, *, has_body: bool) -> None:
        """Until the client has left. What it still sends is waited for by whoever reads it."""
        if has_body:
            await self._is_read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass


async def until_departure(work: Awaitable[None], incoming: Incoming, *, has_body: bool) -> None:
    """Do work, but not for a client that has left."""
    task = asyncio.ensure_future(work)

    async def watch() -> None:
        await incoming.departure(has_body=has_body)
        task.cancel()

    watcher = asyncio.ensure_future(watch())
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await task
    finally:
        watcher.cancel()


async def request_of(
    scope: MutableMapping[str, Any], incoming: Incoming, proxies: TrustedProxies, limits: Limits | None = None
) -> Request:
    """The request of an ASGI scope. Raises BadRequest, and ResponseCutShort when the client has left already. limits: None where they were kept already."""
    # No server can switch protocols for us: the request is read as one that would not like to. RFC 9110 §7.8
    fields: Fields = [(name.lower(), value) for name, value in scope["headers"] if name.lower() != b"upgrade"]
    peer = (scope.get("client") or ("", 0))[0]
    client, scheme = peer, scope.get("scheme", "http").encode("ascii")
    if proxies.trusts(peer):
        client, scheme = proxies.told(client, scheme, fields)
    if not proxies.may_trace(peer):
        fields = without_trace(fields)
    target = scope.get("raw_path") or scope["path"].encode("utf-8")
    if scope["query_string"]:
        target += b"?" + scope["query_string"]
    method, version = scope["method"].encode("latin-1"), scope["http_version"].encode("ascii")
    _check_head(method, target, fields, version)
    if limits is not None:
        _check_limits(target, scope["headers"], limits)
    request = make_request(method, target, fields, version, scheme, client)
    if limits is not None and limits.body_bytes and (request.length or 0) > limits.body_bytes:
        raise BadRequest("the content is too large", 413, "body_bytes")
    if request.length is None and version not in _VERSIONS_1:
        request.has_body = await incoming.has_content()
    if request.has_body:
        request.body = incoming.__aiter__()
    return request


def _check_head(method: bytes, target: bytes, fields: Fields, version: bytes) -> None:
    if _METHOD.fullmatch(method) is None:
        raise BadRequest("the method is no token", reason="malformed")
    if method == b"CONNECT":
        raise BadRequest("a method that this server does not know", 501, "unknown_method")
    if _TARGET.fullmatch(target) is None or (version not in _VERSIONS_1 and target[:1] != b"/" and target != b"*"):
        raise BadRequest("the request target is no path", reason="bad_target")  # :path has no authority. RFC 9113 §8.3.1
    for name, value in fields:
        if _NAME.fullmatch(name.lower()) is None or _VALUE.fullmatch(value) is None:
            raise BadRequest("a field that is none", reason="malformed")
    lengths = set(values(fields, b"content-length"))
    if len(lengths) > 1 or not all(length.isdigit() for length in lengths):
        raise BadRequest("Content-Length is no length", reason="malformed")


def _check_limits(target: bytes, fields: Fields, limits: Limits) -> None:
    if len(target) > limits.url_bytes:
        raise BadRequest("the request target is too long", 414, "url_bytes")
    if len(fields) > limits.header_count:
        raise BadRequest("too many fields", 431, "header_count")
    if len(target) + sum(len(name) + len(value) + 4 for name, value in fields) > limits.header_bytes:
        raise BadRequest("the head is too large", 431, "header_bytes")
