"""The head of one HTTP/1 response: what it says, and how the end of its body is found. RFC 9112 §4, §5, §6.3, §9.3.

Strict on purpose. What two readers could understand in two ways (RFC 9112 §11.1, §11.2) is refused, not repaired. The one repair is the
one RFC 9110 §8.6 offers: equal repeated lengths become one. It never sees content and never looks at the clock.
"""

from __future__ import annotations

import re
from enum import Enum

from gateway.errors import UpstreamMalformed
from gateway.semantics.message import Fields
from gateway.upstream.field_lines import parse_field_lines
from gateway.upstream.limits import OriginLimits

__all__ = [
    "CHUNKED",
    "CLOSE",
    "FIRST_FINAL",
    "LENGTH",
    "NONE",
    "SWITCHING_PROTOCOLS",
    "TUNNEL",
    "Framing",
    "ResponseHead",
    "parse_response_head",
    "plan_framing",
]

# RFC 9112 §4: HTTP-version SP status-code SP [ reason-phrase ]. The second SP may be missing when there is no reason: many servers do
# that and no reader can mistake it. A version above 1.1 is allowed to be read as 1.1 by RFC 9110 §2.5; we refuse it, because no such
# version exists.
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?")

SWITCHING_PROTOCOLS = 101
FIRST_FINAL = 200
_NO_BODY = frozenset({204, 304})

_FRAMING_FIELDS = frozenset({b"content-length", b"transfer-encoding", b"connection", b"keep-alive"})
_LENGTH = re.compile(rb"[0-9]{1,18}")
_KEEP_ALIVE_TIMEOUT = re.compile(rb"(?:^|[,\s])timeout=([0-9]{1,6})(?:$|[,\s])", re.IGNORECASE)


# Status lines already read: `HTTP/1.1 200 OK` is nearly all of them. Bounded; see field_lines._known.
_known: dict[bytes, tuple[int, int, bytes]] = {}
_MAX_KNOWN = 256
_MAX_KNOWN_LENGTH = 64


class Framing(Enum):
    """How the end of a body is found. RFC 9112 §6.3."""

    NONE = "none"
    LENGTH = "length"
    CHUNKED = "chunked"
    CLOSE = "close"
    TUNNEL = "tunnel"


# Enum members by name cost 0.2 µs each in 3.11 (EnumType.__getattr__), a global 0.01: these are for the per-response path.
NONE, LENGTH, CHUNKED, CLOSE, TUNNEL = Framing


class ResponseHead:
    """A response head, checked.

    fields      names in lower case, values without surrounding blanks, order of the wire
    framing     Framing; length is None unless LENGTH, or declared by a response that can't have a body
    keep_alive  False when the connection must not be used again whatever follows. RFC 9112 §9.3
    idle_limit  seconds the origin promised to keep an idle connection (`Keep-Alive: timeout=`), None when it did not say
    """

    __slots__ = ("fields", "framing", "idle_limit", "keep_alive", "length", "minor", "reason", "status")

    def __init__(self, minor: int, status: int, reason: bytes, fields: Fields) -> None:
        self.minor = minor
        self.status = status
        self.reason = reason
        self.fields = fields
        self.framing = NONE
        self.length: int | None = None
        self.keep_alive = minor == 1
        self.idle_limit: float | None = None


def parse_response_head(block: bytes, limits: OriginLimits) -> ResponseHead:
    """Status line and fields, without the empty line that ended them but with the CRLF of the last line.

    Raises UpstreamMalformed. RFC 9112 §4, §5.
    """
    line_end = block.find(b"\r\n")
    status_line = block[:line_end]
    minor, status, reason = _known.get(status_line) or _parse_status_line(status_line)
    return ResponseHead(minor, status, reason, parse_field_lines(block, line_end + 2, limits.max_fields))


def _parse_status_line(line: bytes) -> tuple[int, int, bytes]:
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise UpstreamMalformed(f"status line expected, got {line[:80]!r}")
    parsed = (1 if match[1] == b"1" else 0, int(match[2]), match[3] or b"")
    if len(line) <= _MAX_KNOWN_LENGTH and len(_known) < _MAX_KNOWN:
        _known[line] = parsed
    return parsed


def plan_framing(head: ResponseHead, method: bytes, *, upgrade: bytes | None = None) -> None:
    """Fill in framing, length, keep_alive and idle_limit of a head.

    method is that of the request, upgrade what the request offered to switch to. Raises UpstreamMalformed. RFC 9112 §6.3, in its order.
    """
    chunked = _read_framing_fields(head)
    status = head.status
    if status == SWITCHING_PROTOCOLS:
        _check_upgrade(head, upgrade)
        head.framing = TUNNEL
        head.keep_alive = False
    elif method == b"HEAD" or status < FIRST_FINAL or status in _NO_BODY:
        head.framing = NONE
    elif chunked:
        head.framing = CHUNKED
    elif head.length is not None:
        head.framing = LENGTH
    else:
        head.framing = CLOSE
        head.keep_alive = False


def _read_framing_fields(head: ResponseHead) -> bool:
    """Read length, persistence and whether the body is chunked (the answer) from the fields."""
    length: int | None = None
    chunked = repeated = False
    options = b""
    for name, value in head.fields:
        if name not in _FRAMING_FIELDS:
            continue
        if name == b"content-length":
            repeated = length is not None or b"," in value
            length = _read_length(value, length)
        elif name == b"transfer-encoding":
            # Any other coding, or chunked twice, can't be undone by us and must not be guessed. RFC 9112 §6.1, §6.3 item 4.
            if chunked or value.lower() != b"chunked":
                raise UpstreamMalformed(f"transfer coding not supported: {value[:80]!r}", "http_response_transfer_coding")
            chunked = True
        elif name == b"connection":
            options = options + b"," + value if options else value
        elif (found := _KEEP_ALIVE_TIMEOUT.search(value)) is not None:
            head.idle_limit = float(found[1])
    if chunked and length is not None:
        raise UpstreamMalformed(
            "both Transfer-Encoding and Content-Length"
        )  # "ought to be handled as an error": RFC 9112 §6.3 item 3
    if chunked and head.minor == 0:
        raise UpstreamMalformed("Transfer-Encoding in an HTTP/1.0 response")  # "as if the framing is faulty": RFC 9112 §6.1
    head.length = length
    if repeated:
        _unite_lengths(head)
    if options:
        named = {option.strip(b" \t") for option in options.lower().split(b",")}
        head.keep_alive = b"close" not in named and (head.minor == 1 or b"keep-alive" in named)
    return chunked


def _read_length(value: bytes, known: int | None) -> int:
    length = known
    for part in value.split(b",") if b"," in value else (value,):
        digits = part.strip(b" \t")
        if _LENGTH.fullmatch(digits) is None:
            raise UpstreamMalformed(f"Content-Length is no number: {value[:80]!r}")
        found = int(digits)
        if length is not None and found != length:
            raise UpstreamMalformed("two different values of Content-Length")
        length = found
    return length or 0


def _unite_lengths(head: ResponseHead) -> None:
    """Make one of equal repeats (`5, 5` or two lines), so that nobody after us reads them otherwise. RFC 9110 §8.6."""
    place = next(index for index, (name, _) in enumerate(head.fields) if name == b"content-length")
    kept = [field for field in head.fields if field[0] != b"content-length"]
    kept.insert(place, (b"content-length", b"%d" % (head.length or 0)))
    head.fields = kept


def _check_upgrade(head: ResponseHead, upgrade: bytes | None) -> None:
    """Refuse a switch that nobody asked for, or to something else. RFC 9110 §7.8."""
    if upgrade is None:
        raise UpstreamMalformed("101 without a request to upgrade", "http_upgrade_failed")
    offered = {token.strip(b" \t") for token in upgrade.lower().split(b",")}
    chosen = {token.strip(b" \t") for name, value in head.fields if name == b"upgrade" for token in value.lower().split(b",")}
    if not chosen or not chosen <= offered:
        raise UpstreamMalformed(f"101 to something not offered: {sorted(chosen)!r}"[:160], "http_upgrade_failed")
