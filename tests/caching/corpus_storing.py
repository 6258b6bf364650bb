"""What is kept, and for how long (RFC 9111 §3, §4.2; RFC 9213; RFC 9110 §15.1)."""

from __future__ import annotations

from tests.caching.corpus import GOOD, REQUIRED, Case, Exchange, ask, stored

__all__ = ["CASES"]

HIT = ask("GET", "hit 200 | «one»")
MISS = ask("GET", "uri-miss 200 | «two»", "200 | Cache-Control: no-store | «two»")
STALE = ask("GET", "stale 200 | «two»", "200 | Cache-Control: no-store | «two»")
FRESH = "Cache-Control: max-age=3600"


def reused(name: str, section: str, fields: str, *, needs: tuple[str, ...] = ("max-age",), kind: str = GOOD) -> Case:
    return Case(name, kind, section, (stored(fields), HIT), needs)


def not_reused(name: str, section: str, fields: str, *, needs: tuple[str, ...] = (), second: Exchange = MISS) -> Case:
    return Case(name, REQUIRED, section, (stored(fields), second), needs)


def too_old(name: str, section: str, fields: str) -> Case:
    """Kept for a validation that it has no validator for, or not at all: either way it is not used."""
    return not_reused(name, section, fields, needs=("max-age",), second=STALE)


FRESHNESS = [
    reused("max-age", "RFC 9111 §4.2.1", FRESH, needs=()),
    reused("max-age-quoted", "RFC 9111 §5.2", 'Cache-Control: max-age="3600"'),
    reused("max-age-upper-case", "RFC 9111 §5.2", "Cache-Control: MAX-AGE=3600"),
    reused("max-age-after-unknown", "RFC 9111 §5.2.3", 'Cache-Control: x-other="a, max-age=0", y, max-age=3600'),
    reused("max-age-beyond-32-bits", "RFC 9111 §1.2.2", "Cache-Control: max-age=99999999999"),
    reused("max-age-before-expires", "RFC 9111 §5.3", f"{FRESH} | Expires: {{-60}}"),
    reused("max-age-in-a-second-line", "RFC 9110 §5.3", f"Cache-Control: public | {FRESH}"),
    reused("s-maxage-before-max-age", "RFC 9111 §5.2.2.10", "Cache-Control: max-age=1, s-maxage=3600 | Age: 60"),
    reused("expires", "RFC 9111 §5.3", "Expires: {+3600}"),
    reused("expires-rfc-850", "RFC 9110 §5.6.7", "Expires: Sunday, 06-Nov-44 08:49:37 GMT"),
    reused("expires-asctime", "RFC 9110 §5.6.7", "Expires: Sun Nov  6 08:49:37 2044"),
    reused("date-ahead-of-us", "RFC 9111 §4.2.3", f"{FRESH} | Date: {{+600}}"),
    reused("age-malformed", "RFC 9111 §5.1", f"{FRESH} | Age: 7200s"),
    reused("age-negative", "RFC 9111 §5.1", f"{FRESH} | Age: -7200"),
    reused("age-first-of-a-list", "RFC 9111 §5.1", f"{FRESH} | Age: 0, 7200"),
    reused("heuristic", "RFC 9111 §4.2.2", "Last-Modified: {-864000}"),
    reused(
        "targeted-before-cache-control", "RFC 9213 §2.2", "CDN-Cache-Control: max-age=3600 | Cache-Control: max-age=1, no-store"
    ),
    reused("targeted-with-parameters", "RFC 9213 §2.1", "CDN-Cache-Control: max-age=3600;x=1, y"),
    reused("targeted-not-a-structured-field", "RFC 9213 §2.2", f"CDN-Cache-Control: max-age=0, & | {FRESH}"),
    reused("targeted-of-another-type", "RFC 9213 §2.1", f"CDN-Cache-Control: max-age=0.5 | {FRESH}"),
    reused("targeted-empty", "RFC 9213 §2.2", f"CDN-Cache-Control: | {FRESH}"),
    reused("targeted-flag-that-is-false", "RFC 9213 §2.1", "CDN-Cache-Control: no-store=?0, max-age=3600"),
    reused("our-own-target-first", "RFC 9213 §2.2", "Weft-Cache-Control: max-age=3600 | CDN-Cache-Control: no-store"),
    reused("surrogate-control", "Edge Architecture §2.2", "Surrogate-Control: max-age=3600 | Cache-Control: no-store"),
    reused("surrogate-control-for-content-only", "Edge Architecture §2.2", f'Surrogate-Control: content="ESI/1.0" | {FRESH}'),
    too_old("max-age-passed", "RFC 9111 §4.2", f"{FRESH} | Age: 7200"),
    too_old("max-age-passed-by-date", "RFC 9111 §4.2.3", f"{FRESH} | Date: {{-7200}}"),
    too_old("s-maxage-passed", "RFC 9111 §5.2.2.10", "Cache-Control: max-age=3600, s-maxage=1 | Age: 60"),
    too_old("age-of-two-lines", "RFC 9111 §5.1", f"{FRESH} | Age: 7200 | Age: 0"),
    too_old("age-beyond-32-bits", "RFC 9111 §1.2.2", "Cache-Control: max-age=2147483647 | Age: 99999999999"),
    too_old("expires-passed", "RFC 9111 §5.3", "Expires: {+3600} | Age: 7200"),
    too_old("targeted-passed", "RFC 9213 §2.2", "CDN-Cache-Control: max-age=1 | Cache-Control: max-age=3600 | Age: 60"),
    too_old("heuristic-passed", "RFC 9111 §4.2.2", "Last-Modified: {-1000} | Age: 7200"),
    not_reused("max-age-zero", "RFC 9111 §5.2.2.1", "Cache-Control: max-age=0"),
    not_reused("max-age-malformed", "RFC 9111 §4.2.1", "Cache-Control: max-age=3600s"),
    not_reused("max-age-negative", "RFC 9111 §1.2.2", "Cache-Control: max-age=-3600"),
    not_reused("max-age-in-single-quotes", "RFC 9111 §5.2", "Cache-Control: max-age='3600'"),
    not_reused("max-age-inside-a-string", "RFC 9111 §5.2", 'Cache-Control: x="max-age=3600, y"'),
    not_reused("max-age-zero-despite-expires", "RFC 9111 §5.3", "Cache-Control: max-age=0 | Expires: {+3600}"),
    not_reused("expires-now", "RFC 9111 §5.3", "Expires: {+0}"),
    not_reused("expires-counts-from-date", "RFC 9111 §4.2.1", "Expires: {+600} | Date: {+600}"),
    not_reused("expires-zero", "RFC 9111 §5.3", "Expires: 0"),
    not_reused("expires-in-another-zone", "RFC 9111 §5.3", "Expires: Sun, 06 Nov 2044 08:49:37 CET"),
    not_reused("expires-in-iso-8601", "RFC 9111 §5.3", "Expires: 2044-11-06T08:49:37Z"),
    not_reused("nothing-said", "RFC 9111 §4.2.2", "X-Nothing: said"),
    not_reused("targeted-no-store", "RFC 9213 §2.2", f"CDN-Cache-Control: no-store | {FRESH}"),
    not_reused("targeted-hides-expires", "RFC 9213 §2.2", "CDN-Cache-Control: public | Expires: {+3600}"),
    not_reused("surrogate-control-no-store", "Edge Architecture §2.2", f"Surrogate-Control: no-store | {FRESH}"),
]

DIRECTIVES = [
    not_reused("no-store", "RFC 9111 §5.2.2.5", "Cache-Control: no-store, max-age=3600"),
    not_reused("no-store-in-a-second-line", "RFC 9111 §5.2.2.5", f"{FRESH} | Cache-Control: No-Store"),
    not_reused("private", "RFC 9111 §5.2.2.7", "Cache-Control: private, max-age=3600"),
    not_reused("vary-star", "RFC 9111 §4.1", f"{FRESH} | Vary: *"),
    not_reused("vary-star-among-others", "RFC 9111 §4.1", f"{FRESH} | Vary: Accept, * | Vary: X"),
    reused("must-understand-a-known-status", "RFC 9111 §5.2.2.3", "Cache-Control: must-understand, no-store, max-age=3600"),
    Case(
        "must-understand-an-unknown-status",
        REQUIRED,
        "RFC 9111 §5.2.2.3",
        (stored("Cache-Control: must-understand, max-age=3600", status=299), ask("GET", "uri-miss 200 | «two»", "200 | Cache-Control: no-store | «two»")),
    ),
    Case(
        "private-fields-are-for-the-first-client",
        REQUIRED,
        "RFC 9111 §5.2.2.7",
        (
            ask("GET", "uri-miss 200 | X-User: anna | «one»", '200 | Cache-Control: max-age=3600, private="x-user" | X-User: anna | «one»'),
            ask("GET", "hit 200 | -X-User | «one»"),
        ),
    ),
    Case(
        "no-cache-fields-are-for-the-first-client",
        REQUIRED,
        "RFC 9111 §5.2.2.4",
        (
            ask("GET", "uri-miss 200 | X-Once: 1 | «one»", '200 | Cache-Control: max-age=3600, no-cache="X-Once" | X-Once: 1 | «one»'),
            ask("GET", "hit 200 | -X-Once | «one»"),
        ),
    ),
    Case("set-cookie-for-all", GOOD, "RFC 9111 §7.3", (stored("Cache-Control: public, max-age=3600 | Set-Cookie: a=b"), ask("GET", "hit 200 | Set-Cookie: a=b | «one»"))),
    Case(
        "set-cookie-for-one",
        REQUIRED,
        "docs/decisions/0003-cookies.md",
        (
            ask("GET | Cookie: id=anna", "uri-miss 200 | Set-Cookie: id=a2 | «one»", f"200 | {FRESH} | Set-Cookie: id=a2 | «one»"),
            ask("GET", "uri-miss 200 | -Set-Cookie | «two»", "200 | Cache-Control: no-store | «two»"),
        ),
    ),
    Case(
        "cookie-without-a-word",
        REQUIRED,
        "docs/decisions/0003-cookies.md",
        (ask("GET | Cookie: id=anna", "uri-miss 200 | «one»", "200 | Last-Modified: {-864000} | «one»"), MISS),
    ),
    Case("cookie-and-explicit-freshness", GOOD, "RFC 9111 §7.3", (ask("GET | Cookie: id=anna", "uri-miss 200 | «one»", f"200 | {FRESH} | «one»"), ask("GET | Cookie: id=ben", "hit 200 | «one»"))),
    Case("authorization", REQUIRED, "RFC 9111 §3.5", (ask("GET | Authorization: Basic anna", "uri-miss 200 | «one»", f"200 | {FRESH} | «one»"), MISS)),
    *[
        Case(
            f"authorization-{word.partition('=')[0]}",
            GOOD,
            "RFC 9111 §3.5",
            (ask("GET | Authorization: Basic anna", "uri-miss 200 | «one»", f"200 | Cache-Control: max-age=3600, {word} | «one»"), ask("GET | Authorization: Basic ben", "hit 200 | «one»")),
        )
        for word in ("public", "s-maxage=3600", "must-revalidate")
    ],
    Case(
        "authorization-does-not-get-what-others-share",
        REQUIRED,
        "RFC 9111 §3.5",
        (stored(FRESH), ask("GET | Authorization: Basic anna", "request 200 | «for anna»", "200 | Cache-Control: private | «for anna»", told="GET | Authorization: Basic anna")),
    ),
]  # fmt: skip

STATUS = [
    *[
        Case(f"status-{status}-explicit", GOOD, "RFC 9111 §3", (stored(FRESH, status=status), ask("GET", f"hit {status} | «one»")))
        for status in (203, 301, 302, 307, 400, 403, 404, 410, 451, 500, 503, 599)
    ],
    *[
        Case(f"status-{status}-heuristic", GOOD, "RFC 9110 §15.1", (stored("Last-Modified: {-864000}", status=status), ask("GET", f"hit {status} | «one»")))
        for status in (203, 301, 308, 404, 410, 501)
    ],
    *[
        Case(f"status-{status}-needs-a-word", REQUIRED, "RFC 9111 §3", (stored('Last-Modified: {-864000} | ETag: "a"', status=status), MISS))
        for status in (201, 302, 307, 403, 500)
    ],
    *[
        Case(
            f"status-{status}-is-about-one-request",
            REQUIRED,
            "RFC 9110 §15.5",
            (ask("GET | Range: bytes=900-", f"uri-miss {status} | «no»", f"{status} | {FRESH} | «no»"), ask("GET", "uri-miss 200 | «one»", "200 | Cache-Control: no-store | «one»")),
        )
        for status in (412, 416, 417, 431)
    ],
    Case("status-204", GOOD, "RFC 9110 §15.3.5", (ask("GET", "uri-miss 204 | «»", f"204 | {FRESH}"), ask("GET", "hit 204 | -Content-Length | «»"))),
]  # fmt: skip

FIELDS = [
    Case(
        "fields-of-one-connection",
        REQUIRED,
        "RFC 9111 §3.1",
        (
            ask("GET", "uri-miss 200 | -X-Hop | -Keep-Alive | -Proxy-Authenticate | X-Stays: 1 | «one»", f"200 | {FRESH} | Connection: X-Hop | X-Hop: 1 | Keep-Alive: timeout=9 | Proxy-Authenticate: Basic | X-Stays: 1 | «one»"),
            ask("GET", "hit 200 | -X-Hop | -Keep-Alive | -Proxy-Authenticate | X-Stays: 1 | «one»"),
        ),
    ),
    Case(
        "fields-repeated-in-order",
        REQUIRED,
        "RFC 9110 §5.3",
        (ask("GET", "uri-miss 200 | Link: <a> | Link: <b> | «one»", f"200 | {FRESH} | Link: <a> | X: y | Link: <b> | «one»"), ask("GET", "hit 200 | Link: <a> | Link: <b> | «one»")),
    ),
    Case("fields-addressed-to-us", REQUIRED, "Edge Architecture §2.1", (
        ask("GET", "uri-miss 200 | -Surrogate-Control | -Weft-Cache-Control | -Surrogate-Key | -Cache-Tag | CDN-Cache-Control: max-age=5 | «one»",
            "200 | Weft-Cache-Control: max-age=3600 | Surrogate-Control: max-age=9 | Surrogate-Key: a | Cache-Tag: b | CDN-Cache-Control: max-age=5 | «one»"),
        ask("GET", "hit 200 | -Surrogate-Control | -Weft-Cache-Control | -Surrogate-Key | -Cache-Tag | CDN-Cache-Control: max-age=5 | «one»"),
    )),
    Case("fields-addressed-to-us-of-what-is-not-stored", REQUIRED, "Edge Architecture §2.1", (
        ask("GET", "uri-miss 200 | -Surrogate-Control | -Surrogate-Key | -Age | «one»", "200 | Surrogate-Control: no-store | Surrogate-Key: a | «one»"),
    )),
    Case("age-is-generated", REQUIRED, "RFC 9111 §4", (stored(f"{FRESH} | Age: 60"), ask("GET", "hit 200 | Age: 60 | «one»"))),
    Case("age-is-at-least-what-date-says", REQUIRED, "RFC 9111 §4.2.3", (stored(f"{FRESH} | Date: {{-600}}"), ask("GET", "hit 200 | Age: 600 | Date: {-600} | «one»"))),
    Case("date-is-not-renewed", REQUIRED, "RFC 9110 §6.6.1", (stored(f"{FRESH} | Date: {{-60}}"), ask("GET", "hit 200 | Date: {-60} | «one»"))),
    Case("cache-status-of-others-stands-before-ours", REQUIRED, "RFC 9211 §2", (
        ask("GET", "uri-miss 200 | «one»", f"200 | {FRESH} | Cache-Status: inner; hit | «one»"), ask("GET", "hit 200 | «one»"),
    )),
    Case("chunked-content", REQUIRED, "RFC 9112 §7.1", (
        ask("GET", "uri-miss 200 | «one»", f"200 | {FRESH} | -Content-Length | «one»"), ask("GET", "hit 200 | Content-Length: 3 | «one»"),
    )),
]  # fmt: skip

CASES = [*FRESHNESS, *DIRECTIVES, *STATUS, *FIELDS]
