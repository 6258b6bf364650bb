"""The bytes of a request: head, chunks, trailers. RFC 9112 §3, §5, §6, §7.1.

Nothing is repaired here. A name, value or target that could end a line early is our caller's fault and would be a second, smuggled
request, so it raises ValueError before a connection is touched.
"""

from __future__ import annotations

import re

from gateway.semantics.message import Fields
from gateway.upstream.origin import OriginRequest

__all__ = ["LAST_CHUNK", "encode_chunk_line", "encode_request_head", "encode_trailers"]

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET = re.compile(rb"[\x21-\x7e\x80-\xff]+")
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})

# Names (and methods) already found to be tokens that don't frame: a look-up instead of a match for each. Bounded; see field_lines._known.
_good_names: set[bytes] = set()
_MAX_KNOWN = 1024
_MAX_KNOWN_LENGTH = 64
_EXPECT_CONTENT = frozenset({b"POST", b"PUT", b"PATCH"})

LAST_CHUNK = b"0\r\n"


def encode_request_head(request: OriginRequest) -> bytes:
    """Write request line and fields, with Content-Length or Transfer-Encoding and, for an upgrade, its two fields.

    Raises ValueError when a part can't stand in a head, framing is among the caller's fields, or length and body contradict each other.
    """
    if request.method == b"CONNECT":
        raise ValueError("CONNECT is for proxies; an origin isn't asked for it")
    fields = request.fields
    if not _good_names.issuperset([name for name, _ in fields]):
        for name, _ in fields:
            _check_name(name)
    parts = [b"%b %b HTTP/1.1" % (request.method, request.target), *[b"%b: %b" % field for field in fields]]
    framing = _framing_line(request)
    if framing is not None:
        parts.append(framing)
    if request.upgrade is not None:
        parts += (b"connection: Upgrade", b"upgrade: %b" % request.upgrade)
    if request.method not in _good_names:
        _check_name(request.method)
    if _TARGET.fullmatch(request.target) is None:
        raise ValueError(f"target can't stand in a request line: {request.target.partition(b'?')[0][:80]!r}")
    ends = len(parts)
    parts.append(b"\r\n")
    head = b"\r\n".join(parts)
    if head.count(b"\n") != ends + 1 or head.count(b"\r") != ends + 1 or b"\0" in head:  # more than those that were put there
        raise ValueError(f"CR, LF or NUL in the value of {_find_fault(request)!r}")
    return head


def encode_chunk_line(size: int) -> bytes:
    """Write the line before a chunk of size octets (> 0: zero would end the body)."""
    return b"%x\r\n" % size


def encode_trailers(trailers: Fields | None) -> bytes:
    """Write trailer fields and the empty line that ends a chunked body. Raises ValueError as encode_request_head does."""
    section = b""
    for name, value in trailers or ():
        _check_name(name)
        if _can_end_a_line(value):
            raise ValueError(f"CR, LF or NUL in the value of trailer {name[:40]!r}")
        section += b"%b: %b\r\n" % (name, value)
    return section + b"\r\n"


def _framing_line(request: OriginRequest) -> bytes | None:
    length = request.length
    if length is not None and length < 0:
        raise ValueError(f"length of a body can't be {length}")
    if request.body is None:
        if length:
            raise ValueError(f"length {length} without a body")
        # "a valid Content-Length [of 0] when the method anticipates content": RFC 9110 §8.6.
        return b"content-length: 0" if length == 0 or request.method in _EXPECT_CONTENT else None
    return b"transfer-encoding: chunked" if length is None else b"content-length: %d" % length


def _can_end_a_line(text: bytes) -> bool:
    return b"\n" in text or b"\r" in text or b"\0" in text  # three times memchr: a tenth of one regular expression


def _check_name(name: bytes) -> None:
    if _TOKEN.fullmatch(name) is None:
        raise ValueError(f"no token, so no name of a field or method: {name[:40]!r}")
    if name.lower() in _FRAMING:
        raise ValueError(f"framing is the adapter's: {name!r} among the fields")
    if len(name) <= _MAX_KNOWN_LENGTH and len(_good_names) < _MAX_KNOWN:
        _good_names.add(name)


def _find_fault(request: OriginRequest) -> bytes:
    """Return the name of the faulty field, never its value: it may be a cookie."""
    return next((name for name, value in request.fields if _can_end_a_line(value)), b"upgrade")
