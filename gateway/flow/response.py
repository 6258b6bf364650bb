"""What goes back to a client: a status, a header section, content, and the facts that header, log and metrics are made from."""

from __future__ import annotations

from http import HTTPStatus

from gateway.cache.collapse import SpoolReader
from gateway.cache.entry import Entry, decode_block
from gateway.semantics.message import Fields
from gateway.upstream.origin import OriginBody, Tunnel

__all__ = ["STATUS_LINE", "Facts", "Response", "allows_content"]


def _status_line(status: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return b"HTTP/1.1 %d %s\r\n" % (status, phrase.encode("ascii"))


STATUS_LINE = {status: _status_line(status) for status in range(100, 600)}


def allows_content(status: int) -> bool:
    """Whether a response of that status can have content. RFC 9110 §6.4.1."""
    return status >= 200 and status not in (204, 304)


class Facts:
    """One request's story, told once: header, log line and metrics are views of it.

    outcome     "hit", or why it was forwarded (the tokens of RFC 9211 §2.2), or "error", "refused"
    detail      a reason, for people
    origin      name of the origin asked, "" when none was
    origin_time seconds until its response head was there
    fwd_status  its status; 0 when none came
    includes, includes_failed   of a page that was assembled
    """

    __slots__ = (
        "cell",
        "collapsed",
        "detail",
        "fwd_status",
        "includes",
        "includes_failed",
        "log_ready",
        "log_tail",
        "origin",
        "origin_time",
        "outcome",
        "owns_target",
        "request_id",
        "route",
        "stale",
        "stored",
        "ttl",
    )

    def __init__(self, route: str, outcome: str, *, detail: str = "", request_id: str = "") -> None:
        self.route = route
        self.outcome = outcome
        self.detail = detail
        self.request_id = request_id
        self.origin = ""
        self.origin_time = 0.0
        self.fwd_status = 0
        self.stored = False
        self.collapsed = False
        self.stale = False
        self.ttl = 0
        self.includes = 0
        self.includes_failed = 0
        # ---- kept here by telemetry, for responses that are sent many times
        self.cell: object = None
        self.log_tail: bytes | None = None
        self.log_ready: tuple[bytes, bytes] | None = None
        self.owns_target = False  # it is sent for one request target only, so that one may be part of what is kept


class Response:
    """A response ready to be sent on any lane.

    block       header lines without Content-Length, Transfer-Encoding, Connection
    body        content at hand, an iterable of it whose `aclose` the sender calls in any case, or None (HEAD, 204, 304)
    length      octets of the content when known; declared also where body is None for HEAD
    trailers    trailer fields, complete when the iterator has ended
    tunnel      for 101: the connection to the origin
    source      what it was made from, for a page that includes it: a stored response, what the weaver left, or None
    guards      stored responses that must still be there, and fresh, for this one to be sent once more; () for one that stands for itself
    """

    __slots__ = ("_head", "block", "body", "facts", "guards", "length", "source", "status", "trailers", "tunnel")

    def __init__(
        self,
        status: int,
        block: bytes,
        body: bytes | OriginBody | SpoolReader | None,
        facts: Facts,
        *,
        length: int | None = None,
        trailers: Fields | None = None,
        tunnel: Tunnel | None = None,
    ) -> None:
        self.status = status
        self.block = block
        self.body = body
        self.facts = facts
        self.length = len(body) if isinstance(body, bytes) else length
        self.trailers = trailers
        self.tunnel = tunnel
        self.source: object = None
        self.guards: tuple[Entry, ...] = ()
        self._head: bytes | None = None

    @property
    def head(self) -> bytes:
        """Status line, header lines and Content-Length; neither Connection nor the blank line."""
        head = self._head
        if head is None:
            head = STATUS_LINE[self.status] + self.block
            if self.length is not None and allows_content(self.status):
                head += b"content-length: %d\r\n" % self.length
            self._head = head
        return head

    def add(self, name: bytes, value: bytes) -> None:
        """One more field."""
        self.block += b"%s: %s\r\n" % (name, value)
        self._head = None

    def fields(self) -> Fields:
        """The header section as pairs, Content-Length included."""
        pairs = decode_block(self.block)
        if self.length is not None and allows_content(self.status):
            pairs.append((b"content-length", b"%d" % self.length))
        return pairs
