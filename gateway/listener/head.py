"""From what the parser saw of a request head to a Request, or the reason why not. Strict where leniency has been used for request smuggling (RFC 9112 §11.2).

llhttp has already refused: bare CR and LF, NUL and other controls, blanks in or before names, obs-fold, several or malformed Content-Length,
Content-Length with Transfer-Encoding, unknown versions. Here: what takes knowledge of more than one line.
"""

from __future__ import annotations

import re
from functools import lru_cache

from gateway.errors import BadRequest
from gateway.flow.recognise import OVERRIDES
from gateway.semantics.fields import HOP_BY_HOP
from gateway.semantics.message import Fields, Request

__all__ = ["FRAMING", "NOT_IN_TRAILERS", "Head", "Heads", "host_of", "make_request"]

FRAMING = frozenset({b"host", b"content-length", b"transfer-encoding", b"expect"})

NOT_IN_TRAILERS = (
    FRAMING
    | HOP_BY_HOP
    | OVERRIDES
    | frozenset(
        b"authorization cache-control content-encoding content-range content-type cookie max-forwards range trailer via".split()
    )
)
"""What changes framing, routing, identity or the meaning of content is not taken from behind the content. RFC 9110 §6.5.1"""

_HOST = re.compile(rb"(?:[A-Za-z0-9_](?:[A-Za-z0-9_.\-]*[A-Za-z0-9_.\-])?|\[[0-9A-Fa-f:.]+\])(?::(\d{0,5}))?")
_ABSOLUTE = re.compile(rb"(https?)://([^/?#]*)(/?[^#]*)", re.IGNORECASE)
_DEFAULT_PORTS = {b"http": b":80", b"https": b":443"}


@lru_cache(maxsize=4_096)
def host_of(value: bytes, scheme: bytes) -> bytes:
    """A Host value in the spelling that keys use: lower case, without the scheme's own port. RFC 9110 §4.2.3, §7.2. Raises BadRequest."""
    found = _HOST.fullmatch(value)
    if found is None or (found[1] and int(found[1]) > 65_535):
        raise BadRequest("Host is not a host", reason="bad_host")
    host = value.lower().removesuffix(b":")  # an empty port is the scheme's own. RFC 3986 §6.2.3
    default = _DEFAULT_PORTS.get(scheme, b":80")
    return host.removesuffix(default)


def make_request(method: bytes, url: bytes, fields: Fields, version: bytes, scheme: bytes, client: str) -> Request:
    """The request of a complete head. Raises BadRequest with the status to answer.

    has_body tells whether content follows; a Content-Length of 0 announces none.
    """
    hosts = length = coding = expect = None
    for name, value in fields:
        if name in FRAMING:
            if name == b"host":
                if hosts is not None:
                    raise BadRequest("more than one Host", reason="several_hosts")
                hosts = value
            elif name == b"content-length":
                length = int(value)
            elif name == b"expect":
                expect = value
            elif name == b"transfer-encoding":
                coding = value if coding is None else coding + b"," + value
    if hosts is None and version != b"1.0":
        raise BadRequest("no Host", reason="no_host")
    host = b"" if hosts is None else host_of(hosts, scheme)
    if url[:1] != b"/":
        url, authority = _other_form(method, url)
        if authority is not None:
            host = host_of(authority, scheme)
    elif b"#" in url:
        raise BadRequest("a fragment in the request target", reason="bad_target")
    if coding is not None:
        if version == b"1.0":
            raise BadRequest("Transfer-Encoding in HTTP/1.0", reason="bad_framing")  # RFC 9112 §6.1
        if coding.lower() != b"chunked":
            raise BadRequest("a transfer coding other than chunked", 501, "unknown_transfer_coding")  # RFC 9112 §6.1
    has_body = coding is not None or bool(length)
    return Request(
        method, url, host, fields, scheme=scheme, client=client, version=version, has_body=has_body, length=length, expect=expect
    )


def _other_form(method: bytes, url: bytes) -> tuple[bytes, bytes | None]:
    """Absolute-form and asterisk-form. RFC 9112 §3.2.2, §3.2.4. The host of an absolute URI replaces Host, which must be good all the same."""
    if url == b"*" and method == b"OPTIONS":
        return url, None
    found = _ABSOLUTE.fullmatch(url)
    if found is None or not found[2] or b"@" in found[2]:
        raise BadRequest("the request target is neither a path nor a URL", reason="bad_target")
    path = found[3]
    return (path if path[:1] == b"/" else b"/" + path), found[2]


class Head:
    """What the header section of a plain GET says, apart from its request line: no content, no expectation, no upgrade.

    section: the fields, for who asks much of them. accept: Accept-Encoding; is_plain: none of the fields that make an answer from memory anything but the plain one. log_part belongs to the access log.
    """

    __slots__ = ("accept", "fields", "host", "is_plain", "keep_alive", "log_part", "scheme", "section")

    def __init__(self, request: Request, steering: frozenset[bytes], *, keep_alive: bool) -> None:
        self.scheme = request.scheme
        self.host = request.host
        self.fields = request.fields
        self.keep_alive = keep_alive
        section = self.section = request.section
        section.memory = {}
        self.is_plain = steering.isdisjoint(section)
        self.accept = section.joined(b"accept-encoding")
        self.log_part: bytes | None = None


class Heads:
    """Header sections seen lately, by their very octets: parsing is a pure function of them.

    A browser that loads a page's forty pictures sends forty times the same section under another request line, so does whatever polls, checks or measures. One parser
    (llhttp) reads each section once; equal octets need no second reading. loadtests/bench/lane_cost.py: a hit then costs a fifth of what it costs otherwise.
    """

    __slots__ = ("_heads", "get", "limit")

    def __init__(self, limit: int = 4_096) -> None:
        self.limit = limit
        self._heads: dict[bytes, Head] = {}
        self.get = self._heads.get

    def remember(self, section: bytes, head: Head) -> None:
        """section: from the CRLF that ends the request line to the blank line. The oldest goes when there are too many."""
        if len(section) > 2_048:
            return
        if len(self._heads) >= self.limit:
            del self._heads[next(iter(self._heads))]
        self._heads[section] = head
