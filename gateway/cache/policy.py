"""May this response be stored (RFC 9111 §3)? Read top to bottom: each rule names its section, and every "no" is a reason that people see.

    judge() ──▶ Stored(…what the entry needs…)  or  NotStored(reason)
"""

from __future__ import annotations

from enum import Enum
from urllib.parse import urljoin

from gateway.cache.freshness import CachePolicy, StaleWindows, freshness_lifetime, initial_age, is_explicit, stale_windows
from gateway.cache.targeted import Directives, governing_directives
from gateway.cache.variant import ANY, VaryNames, parse_vary
from gateway.semantics.message import Fields, first, values

__all__ = ["Judgement", "NotStored", "Reason", "Stored", "judge"]


class Reason(Enum):
    """Why a response was not stored; the value is the word in Cache-Status detail, log and metric."""

    METHOD = "method"
    NO_STORE = "no-store"
    REQUEST_NO_STORE = "request-no-store"
    PRIVATE = "private"
    NOT_UNDERSTOOD = "not-understood"
    NOT_FINAL = "not-final"
    AUTHORIZATION = "authorization"
    VARY_STAR = "vary-star"
    NO_FRESHNESS = "no-freshness"
    SET_COOKIE = "set-cookie"
    COOKIE = "cookie"
    REQUEST_BODY = "request-body"
    TOO_LARGE = "too-large"
    BAD_RANGE = "bad-range"
    TAGS_TOO_LONG = "tags-too-long"
    ROUTE_BYPASS = "route-bypass"
    SERVER_ERROR = "server-error"
    PURGED_MEANWHILE = "purged-meanwhile"


class NotStored:
    """The response is passed on and forgotten."""

    __slots__ = ("reason",)

    def __init__(self, reason: Reason) -> None:
        self.reason = reason


class Stored:
    """The response may be kept, on these terms.

    born        epoch seconds at which its age was 0 (now minus current age, whatever now is). RFC 9111 §4.2.3
    lifetime    seconds; date: epoch seconds of Date
    windows     how long it may be served stale
    validate    it must be validated before each use (no-cache)
    shared      it says that it is meant for shared caches: may answer requests with Authorization. §3.5
    explicit    the lifetime comes from the response, not from a guess
    transform   we may store it compressed (no `no-transform`)
    omit        fields that must not be stored (qualified no-cache and private)
    vary        what it varies on
    """

    __slots__ = ("born", "date", "explicit", "lifetime", "omit", "shared", "transform", "validate", "vary", "windows")

    def __init__(
        self,
        directives: Directives,
        *,
        born: float,
        date: float,
        lifetime: float,
        windows: StaleWindows,
        explicit: bool,
        vary: VaryNames,
    ) -> None:
        self.born = born
        self.date = date
        self.lifetime = lifetime
        self.windows = windows
        self.explicit = explicit
        self.vary = vary
        self.validate = "no-cache" in directives.flags
        self.shared = _is_shared(directives)
        self.transform = "no-transform" not in directives.flags
        self.omit = directives.no_cache_fields | directives.private_fields


Judgement = Stored | NotStored

_UNDERSTOOD = frozenset({200, 203, 204, 206, 300, 301, 302, 303, 304, 307, 308, 400, 404, 405, 410, 414, 451, 500, 501, 502, 503, 504})
"""Status codes whose caching requirements this cache implements. RFC 9111 §5.2.2.3."""


def judge(
    method: bytes,
    url: tuple[bytes, bytes, bytes],
    sent: Fields,
    status: int,
    fields: Fields,
    policy: CachePolicy,
    *,
    request_time: float,
    response_time: float,
    has_body: bool = False,
) -> Judgement:
    """Whether and on which terms to store the response to a request.

    url: (scheme, host, target) of the request. sent: request fields as the origin got them. Times: epoch seconds. Never raises.
    """
    directives = governing_directives(fields, policy.targeted_fields, surrogate_control=policy.surrogate_control)
    refusal = _refusal(method, url, sent, status, fields, directives, has_body=has_body)
    if refusal is not None:
        return NotStored(refusal)

    age, date = initial_age(fields, request_time, response_time)
    lifetime = freshness_lifetime(status, fields, directives, date, policy)
    explicit = is_explicit(directives, fields)
    windows = stale_windows(directives, policy)
    stored = Stored(
        directives,
        born=response_time - age,
        date=date,
        lifetime=lifetime,
        windows=windows,
        explicit=explicit,
        vary=parse_vary(fields),
    )
    reason = _useless(status, fields, stored, directives) or _personal(method, sent, fields, stored, policy)
    return NotStored(reason) if reason else stored


def _refusal(
    method: bytes, url: tuple[bytes, bytes, bytes], sent: Fields, status: int, fields: Fields, directives: Directives, *, has_body: bool
) -> Reason | None:
    """What forbids storing, whatever the freshness."""
    flags = directives.flags
    if method != b"GET" and not (method == b"POST" and status == 200 and _is_about_itself(url, fields)):  # noqa: PLR2004
        return Reason.METHOD  # §3; for POST: RFC 9110 §9.3.3
    if has_body and method == b"GET":
        return Reason.REQUEST_BODY  # content of GET has no meaning, but an origin may act on it: it is not in the key
    if status < 200 or status == 304:  # noqa: PLR2004
        return Reason.NOT_FINAL
    if "must-understand" in flags and status not in _UNDERSTOOD:
        return Reason.NOT_UNDERSTOOD  # §5.2.2.3
    if "no-store" in flags and "must-understand" not in flags:
        return Reason.NO_STORE  # §5.2.2.5; with must-understand, and understood, no-store is to be ignored
    if "private" in flags:
        return Reason.PRIVATE  # §5.2.2.7
    if first(sent, b"authorization") is not None and not _is_shared(directives):
        return Reason.AUTHORIZATION  # §3.5
    if parse_vary(fields) == ANY:
        return Reason.VARY_STAR  # §4.1: storing it is allowed, and useless
    return None


def _useless(status: int, fields: Fields, stored: Stored, directives: Directives) -> Reason | None:
    """Nothing to reuse: neither fresh at any time, nor to be validated, nor allowed stale by the response itself."""
    if stored.lifetime > 0 and not stored.validate:
        return None
    if status >= 500:  # noqa: PLR2004 - an error kept only to be validated helps nobody
        return Reason.SERVER_ERROR
    validator = first(fields, b"etag") is not None or first(fields, b"last-modified") is not None
    windows = {"stale-while-revalidate", "stale-if-error"} & directives.numbers.keys()
    return None if validator or (windows and not stored.validate) else Reason.NO_FRESHNESS


def _personal(method: bytes, sent: Fields, fields: Fields, stored: Stored, policy: CachePolicy) -> Reason | None:
    """A response that may have been made for one visitor, by cookies. RFC 9111 §7.3 leaves it to the origin; we lean to the safe side.

    Explicit freshness is the origin's word that it may be shared. Where it is missing, or was said in the presence of a cookie
    together with a new one, it is not taken for granted. docs/decisions/0003-cookies.md
    """
    if method == b"POST" and not stored.explicit:
        return Reason.NO_FRESHNESS
    carried = first(sent, b"cookie") is not None
    sets = bool(values(fields, b"set-cookie"))
    told = stored.explicit and stored.lifetime > 0
    if sets and not (stored.shared or policy.store_cookies or (told and not carried)):
        return Reason.SET_COOKIE
    if carried and not told and b"cookie" not in stored.vary:
        return Reason.COOKIE
    return None


def _is_shared(directives: Directives) -> bool:
    return directives.targeted or bool(directives.flags & {"public", "must-revalidate"}) or "s-maxage" in directives.numbers


def _is_about_itself(url: tuple[bytes, bytes, bytes], fields: Fields) -> bool:
    """`Content-Location` names the very URL that was asked."""
    location = first(fields, b"content-location")
    if location is None:
        return False
    own = b"%s://%s%s" % url
    return urljoin(own.decode("latin-1"), location.decode("latin-1")) == own.decode("latin-1")
