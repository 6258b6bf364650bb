"""May this response be stored (RFC 9111 §3)? RULES, read top to bottom: each names its section, and every "no" is a reason that people see.

    judge() ──▶ Stored(…what the entry needs…)  or  NotStored(reason)

`weft explain` walks the same rules and says each step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import NamedTuple
from urllib.parse import urljoin

from gateway.cache.freshness import (
    HEURISTIC_STATUS,
    CachePolicy,
    StaleWindows,
    freshness_lifetime,
    initial_age,
    is_explicit,
    stale_windows,
)
from gateway.cache.targeted import Directives, governing_directives
from gateway.cache.variant import ANY, VaryNames, parse_vary
from gateway.semantics.message import Fields, Section
from gateway.semantics.ranges import parse_content_range

__all__ = ["RULES", "Case", "Judgement", "NotStored", "Reason", "Rule", "Stored", "decide", "judge", "steps"]


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
    ABOUT_REQUEST = "about-request"
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

_UNDERSTOOD = frozenset(
    {200, 203, 204, 206, 300, 301, 302, 303, 304, 307, 308, 400, 404, 405, 410, 414, 451, 500, 501, 502, 503, 504}
)
"""Status codes whose caching requirements this cache implements. RFC 9111 §5.2.2.3."""


_ABOUT_REQUEST = frozenset({412, 416, 417, 431})
"""Status codes that speak of request fields which are not in the key: precondition, range, expectation, size of the header section."""


class Case:
    """A response and all that bears on whether it may be stored.

    url             (scheme, host, target) of the request
    asked           request fields, the client's or those that the origin got: asked is only what is the same in both
    said            response fields
    has_body        the request had content
    no_store        the client asks for nothing to be stored, and the site lets it
    length          declared octets of the response's content, None when unknown
    held            it is stored already and confirmed just now: its size and place were judged when it came
    Times in epoch seconds.
    """

    __slots__ = (
        "_terms",
        "asked",
        "directives",
        "has_body",
        "held",
        "length",
        "method",
        "no_store",
        "policy",
        "request_time",
        "response_time",
        "said",
        "status",
        "url",
        "vary",
    )

    def __init__(
        self,
        method: bytes,
        url: tuple[bytes, bytes, bytes],
        asked: Section,
        status: int,
        said: Section,
        policy: CachePolicy,
        *,
        request_time: float,
        response_time: float,
        has_body: bool = False,
        no_store: bool = False,
        length: int | None = None,
        held: bool = False,
    ) -> None:
        self.method = method
        self.url = url
        self.asked = asked
        self.status = status
        self.said = said
        self.policy = policy
        self.request_time = request_time
        self.response_time = response_time
        self.has_body = has_body
        self.no_store = no_store
        self.length = length
        self.held = held
        self.directives = governing_directives(said, policy.targeted_fields, surrogate_control=policy.surrogate_control)
        self.vary = parse_vary(said)
        self._terms: Stored | None = None

    @property
    def terms(self) -> Stored:
        """On what terms it would be stored. Made when first asked for: most refusals need none."""
        terms = self._terms
        if terms is None:
            said, directives, policy = self.said, self.directives, self.policy
            age, date = initial_age(said, self.request_time, self.response_time)
            terms = self._terms = Stored(
                directives,
                born=self.response_time - age,
                date=date,
                lifetime=freshness_lifetime(self.status, said, directives, date, policy),
                windows=stale_windows(directives, policy),
                explicit=is_explicit(directives, said),
                vary=self.vary,
            )
        return terms


class Rule(NamedTuple):
    """One reason not to store.

    section     where it comes from: a section of an RFC, or a setting of ours
    wish        what a response must be to pass, for people
    stops       whether it stops here
    """

    reason: Reason
    section: str
    wish: str
    stops: Callable[[Case], bool]


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
    held: bool = False,
) -> Judgement:
    """Whether and on which terms to store the response to a request: `decide` on a Case of these. Never raises."""
    return decide(
        Case(
            method,
            url,
            Section(sent),
            status,
            Section(fields),
            policy,
            request_time=request_time,
            response_time=response_time,
            has_body=has_body,
            held=held,
        )
    )


def decide(case: Case) -> Judgement:
    """Walk the rules. Never raises."""
    for reason, _section, _wish, stops in RULES:
        if stops(case):
            return NotStored(reason)
    return case.terms


def steps(case: Case) -> Iterator[tuple[Rule, bool]]:
    """What decide does, told step by step: each rule that is asked, and whether it stops. The last one that stops ends it."""
    for rule in RULES:
        stopped = rule.stops(case)
        yield rule, stopped
        if stopped:
            return


def _is_misplaced(case: Case) -> bool:
    """A part that can't be put in its place: multipart, or without a readable Content-Range."""
    return case.status == 206 and not case.held and parse_content_range(case.said.get(b"content-range")) is None


def _has_long_tags(case: Case) -> bool:
    for name in case.policy.tag_fields:
        if name in case.said and len(case.said.joined(name) or b"") > case.policy.tag_bytes:
            return True
    return False


def _is_useless(case: Case) -> bool:
    """Never fresh, or to be validated before each use."""
    terms = case.terms
    return terms.lifetime <= 0 or terms.validate


def _cannot_be_used_again(case: Case) -> bool:
    """Neither fresh at any time, nor to be validated, nor allowed stale by the response itself."""
    if not _is_useless(case) or b"etag" in case.said or b"last-modified" in case.said:
        return False
    return case.terms.validate or not {"stale-while-revalidate", "stale-if-error"} & case.directives.numbers.keys()


def _is_told(case: Case) -> bool:
    """The response itself says that it may be used for others for a while."""
    return case.terms.explicit and case.terms.lifetime > 0


def _gives_own_cookie(case: Case) -> bool:
    """It sets a cookie, and nothing says that everybody is meant to have it."""
    if case.policy.store_cookies or b"set-cookie" not in case.said or _is_for_all(case.directives):
        return False
    return not _is_told(case) or b"cookie" in case.asked


def _is_guessed_for_cookie(case: Case) -> bool:
    """The request carried a cookie, and how long the response is fresh would be our guess.

    `Vary: Cookie` does not make up for it: others would not get it, but the one who has it would meet his own old page again after each of his
    clicks. Wagtail's and Django's pages are such.
    """
    return b"cookie" in case.asked and not _is_told(case)


RULES = (
    Rule(
        Reason.REQUEST_NO_STORE,
        "RFC 9111 §5.2.1.5",
        "the request does not say no-store",
        lambda case: case.no_store,
    ),
    Rule(
        Reason.TOO_LARGE,
        "cache.max_object_bytes",
        "the declared length is not above cache.max_object_bytes",
        lambda case: case.length is not None and case.length > case.policy.max_object_bytes,
    ),
    Rule(
        Reason.BAD_RANGE,
        "RFC 9111 §3.3",
        "a part (206) is one part and says where it belongs",
        _is_misplaced,
    ),
    Rule(  # half of the tags would make half of the purges miss it
        Reason.TAGS_TOO_LONG,
        "cache.tag_bytes",
        "no tag field is longer than cache.tag_bytes",
        _has_long_tags,
    ),
    Rule(
        Reason.METHOD,
        "RFC 9111 §3, RFC 9110 §9.3.3",
        "the method is GET, or POST whose 200 names the same URL in Content-Location",
        lambda case: case.method != b"GET" and not (case.method == b"POST" and case.status == 200 and _is_about_itself(case)),
    ),
    Rule(  # content of GET has no meaning, but an origin may act on it: it is not in the key
        Reason.REQUEST_BODY,
        "RFC 9110 §9.3.1",
        "a GET had no content",
        lambda case: case.has_body and case.method == b"GET",
    ),
    Rule(
        Reason.NOT_FINAL,
        "RFC 9111 §3",
        "the status is final, and not 304",
        lambda case: case.status < 200 or case.status == 304,
    ),
    Rule(  # stored, one client's Range or long header section would make a page an error for everybody
        Reason.ABOUT_REQUEST,
        "RFC 9110 §15.5",
        "the status does not speak of fields of this one request (412, 416, 417, 431)",
        lambda case: case.status in _ABOUT_REQUEST,
    ),
    Rule(
        Reason.NOT_UNDERSTOOD,
        "RFC 9111 §5.2.2.3",
        "a status that must-understand speaks of is one this cache knows",
        lambda case: "must-understand" in case.directives.flags and case.status not in _UNDERSTOOD,
    ),
    Rule(  # with must-understand, and understood, no-store is to be ignored
        Reason.NO_STORE,
        "RFC 9111 §5.2.2.5",
        "the response does not say no-store, unless with must-understand",
        lambda case: "no-store" in case.directives.flags and "must-understand" not in case.directives.flags,
    ),
    Rule(
        Reason.PRIVATE,
        "RFC 9111 §5.2.2.7",
        "the response does not say private",
        lambda case: "private" in case.directives.flags,
    ),
    Rule(
        Reason.AUTHORIZATION,
        "RFC 9111 §3.5",
        "a request with Authorization got a response that says it is for shared caches",
        lambda case: b"authorization" in case.asked and not _is_shared(case.directives),
    ),
    Rule(  # storing it is allowed, and useless
        Reason.VARY_STAR,
        "RFC 9111 §4.1",
        "Vary does not hold *",
        lambda case: case.vary == ANY,
    ),
    Rule(  # an error kept only to be validated helps nobody
        Reason.SERVER_ERROR,
        "RFC 9111 §4.2",
        "a server error has a lifetime",
        lambda case: case.status >= 500 and _is_useless(case),
    ),
    Rule(
        Reason.NO_FRESHNESS,
        "RFC 9111 §3",
        "it states its freshness, or is public, or its status is one that is cacheable without a word",
        lambda case: not (case.status in HEURISTIC_STATUS or case.terms.explicit or "public" in case.directives.flags),
    ),
    Rule(
        Reason.NO_FRESHNESS,
        "RFC 9111 §3, §4.2",
        "it is fresh for a while, or can be validated, or says that it may be stale",
        _cannot_be_used_again,
    ),
    Rule(
        Reason.NO_FRESHNESS,
        "RFC 9110 §9.3.3",
        "a response to POST states its lifetime",
        lambda case: case.method == b"POST" and not case.terms.explicit,
    ),
    # Made for one visitor, by cookies? RFC 9111 §7.3 leaves that to the origin; we lean to the safe side. Explicit freshness is the origin's word that a
    # response may be shared. Where it is missing, or was said in the presence of a cookie together with a new one, it is not taken for granted.
    Rule(
        Reason.SET_COOKIE,
        "RFC 9111 §7.3, docs/decisions/0003-cookies.md",
        "it sets no cookie, or says that it is for all",
        _gives_own_cookie,
    ),
    Rule(
        Reason.COOKIE,
        "RFC 9111 §7.3, docs/decisions/0003-cookies.md",
        "the request carried no cookie, or the response says how long it may be shared",
        _is_guessed_for_cookie,
    ),
)
"""In this order: the first that stops gives the reason."""


def _is_for_all(directives: Directives) -> bool:
    """It is addressed to shared caches."""
    return directives.targeted or "public" in directives.flags or "s-maxage" in directives.numbers


def _is_shared(directives: Directives) -> bool:
    """It may answer requests with Authorization. RFC 9111 §3.5; must-revalidate is among the words there, and says nothing of cookies."""
    return _is_for_all(directives) or "must-revalidate" in directives.flags


def _is_about_itself(case: Case) -> bool:
    """`Content-Location` names the very URL that was asked."""
    location = case.said.get(b"content-location")
    if location is None:
        return False
    own = b"%s://%s%s" % case.url
    return urljoin(own.decode("latin-1"), location.decode("latin-1")) == own.decode("latin-1")
