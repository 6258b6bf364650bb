"""From the URL of an include to the request that answers it: whose site it is, what of the visitor's request goes along. Pure.

own site    the host that the visitor asked for, or one that a route is for: the same flow, as a call
guests      hosts that the site lists, asked directly; the visitor's cookies and credentials stay here
nobody else
"""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

from fragments.esi.values import Context
from gateway.errors import UpstreamError
from gateway.flow.assembly.rules import EsiRules
from gateway.semantics.message import Fields

__all__ = ["GUEST", "Destination", "Inclusion", "NotIncluded", "Tally", "carried_fields", "find_destination"]

GUEST = "guest:"
"""What the names of routes to foreign hosts begin with; no route of the site's has a colon."""
_FOR_ONE_HOST = frozenset({b"cookie", b"authorization"})
_MAX_URL = 8_192
_RESOLVED = re.compile(r"/(?:[^/\x00-\x20\"#<>\\^`{|}\x7f-\U0010ffff][^\x00-\x20\"#<>\\^`{|}\x7f-\U0010ffff]*)?")
"""A path and query of our own that needs neither escaping nor resolving."""


class NotIncluded(UpstreamError):
    """An include that is not asked for. reason: a word for people."""

    status = 502

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class Tally:
    """Includes that one page may still make, those of its includes among them: a tree of pages must not grow without bound."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left

    def take(self, count: int) -> None:
        """Raises NotIncluded when there are not so many left."""
        if self.left < count:
            raise NotIncluded("a page and all that it includes make more includes than one page may", "too_many_includes")
        self.left -= count


class Inclusion:
    """That a visit is made for a page, and how.

    depth       1 for what the page itself includes
    deadline    monotonic seconds at which the page needs it
    esi         process it though its response does not ask for that
    ttl         seconds for which it may be kept where its response does not forbid that; None: as the response says
    no_store    ask for it in any case, and keep nothing
    context     how request text is escaped where it will stand
    """

    __slots__ = ("context", "deadline", "depth", "esi", "no_store", "ttl")

    def __init__(
        self,
        depth: int,
        deadline: float,
        *,
        esi: bool = False,
        ttl: float | None = None,
        no_store: bool = False,
        context: Context = Context.HTML,
    ) -> None:
        self.depth = depth
        self.deadline = deadline
        self.esi = esi
        self.ttl = ttl
        self.no_store = no_store
        self.context = context


class Destination:
    """Where an include goes. guest: to a host of others, by that scheme."""

    __slots__ = ("guest", "host", "scheme", "target")

    def __init__(self, scheme: bytes, host: bytes, target: bytes, *, guest: bool) -> None:
        self.scheme = scheme
        self.host = host
        self.target = target
        self.guest = guest


def find_destination(
    url: str, scheme: bytes, host: bytes, target: bytes, own_hosts: frozenset[bytes], *, is_guest: bool = False
) -> Destination:
    """Where a reference on the page of scheme, host and target leads. own_hosts: hosts that routes are for.

    is_guest: the page is a guest's own: its relative URLs are the guest's too. What it includes of our site knows nothing of the visitor, as it does not.
    Raises NotIncluded for what is no http URL.
    """
    if len(url) > _MAX_URL:
        raise NotIncluded(f"the URL has more than {_MAX_URL} characters", "bad_url")
    if _RESOLVED.fullmatch(url) is not None and "/." not in url:  # nothing to resolve: nearly always
        return Destination(scheme, host, url.encode("ascii"), guest=is_guest)
    base = (scheme + b"://" + (host or b"localhost") + target).decode("latin-1")
    reference = "".join([letter if _is_plain(letter) else _escaped(letter) for letter in url.strip()])
    try:
        parts = urlsplit(urljoin(base, reference))
        authority = parts.netloc.lower()
        _ = parts.port
    except ValueError as error:
        raise NotIncluded(f"not a URL: {error}", "bad_url") from error
    if parts.scheme not in ("http", "https"):
        raise NotIncluded("only http and https can be included", "bad_url")
    if "@" in authority or not authority.isascii():
        raise NotIncluded("a host with a user name or with letters that are not ASCII", "bad_url")
    found_target = ((parts.path or "/") + (f"?{parts.query}" if parts.query else "")).encode("ascii")
    default = ":443" if parts.scheme == "https" else ":80"
    name = authority.removesuffix(default).encode("ascii")
    if name in own_hosts or (name == host and not is_guest):
        return Destination(scheme, name, found_target, guest=False)
    return Destination(parts.scheme.encode("ascii"), name, found_target, guest=True)


def carried_fields(fields: Fields, rules: EsiRules, *, guest: bool, same_host: bool) -> Fields:
    """What of the visitor's header section goes along. Cookies and credentials are for the host that they were sent to: same_host."""
    allowed = rules.guest_fields if guest else rules.request_fields
    if not same_host:
        allowed -= _FOR_ONE_HOST
    return [field for field in fields if field[0] in allowed]


def _is_plain(letter: str) -> bool:
    """It may stand in a URL as it is. RFC 3986 §2; everything else could make two readers see two URLs."""
    return "!" <= letter <= "~" and letter not in '"<>\\^`{|}'


def _escaped(letter: str) -> str:
    return "".join([f"%{octet:02X}" for octet in letter.encode("utf-8", "surrogateescape")])
