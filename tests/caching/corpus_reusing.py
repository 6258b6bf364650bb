"""What stored responses are used for: variants, validators, parts, codings, HEAD (RFC 9111 §4.1, §4.3; RFC 9110 §8.4, §9.3.2, §13, §14)."""

from __future__ import annotations

from tests.caching.corpus import GOOD, REQUIRED, Case, ask, stored

__all__ = ["CASES", "LONG"]

FRESH = "Cache-Control: max-age=3600"
OLD = "Cache-Control: max-age=60 | Age: 600"
LONG = "the same words again and again; " * 50

VARY = [
    Case("vary-same", GOOD, "RFC 9111 §4.1", (
        ask("GET | X-Form: a", "uri-miss 200 | «one»", f"200 | {FRESH} | Vary: X-Form | «one»"), ask("GET | X-Form: a", "hit 200 | «one»"),
    )),
    Case("vary-other", REQUIRED, "RFC 9111 §4.1", (
        ask("GET | X-Form: a", "uri-miss 200 | «one»", f"200 | {FRESH} | Vary: X-Form | «one»"),
        ask("GET | X-Form: b", "vary-miss 200 | «two»", f"200 | {FRESH} | Vary: X-Form | «two»"),
        ask("GET | X-Form: a", "hit 200 | «one»"),
        ask("GET | X-Form: b", "hit 200 | «two»"),
    )),
    Case("vary-missing-is-a-value", REQUIRED, "RFC 9111 §4.1", (
        stored(f"{FRESH} | Vary: X-Form"),
        ask("GET | X-Form:", "vary-miss 200 | «two»", f"200 | {FRESH} | Vary: X-Form | «two»"),
        ask("GET", "hit 200 | «one»"),
    )),
    Case("vary-on-two", REQUIRED, "RFC 9111 §4.1", (
        ask("GET | X-A: 1 | X-B: 2", "uri-miss 200 | «one»", f"200 | {FRESH} | Vary: X-A | Vary: x-b | «one»"),
        ask("GET | X-A: 2 | X-B: 1", "vary-miss 200 | «two»", f"200 | {FRESH} | Vary: X-B, X-A | «two»"),
        ask("GET | X-B: 2 | X-A: 1 | X-C: 3", "hit 200 | «one»"),
    )),
    Case("vary-blanks", GOOD, "RFC 9111 §4.1", (
        ask("GET | Accept: a/b, c/d", "uri-miss 200 | «one»", f"200 | {FRESH} | Vary: Accept | «one»"), ask("GET | Accept: a/b ,c/d", "hit 200 | «one»"),
    )),
    Case("vary-lines-are-one-list", GOOD, "RFC 9111 §4.1", (
        ask("GET | Accept: a/b | Accept: c/d", "uri-miss 200 | «one»", f"200 | {FRESH} | Vary: Accept | «one»"), ask("GET | Accept: a/b, c/d", "hit 200 | «one»"),
    )),
    Case("vary-order-may-matter", REQUIRED, "RFC 9111 §4.1", (
        ask("GET | X-Form: a, b", "uri-miss 200 | «one»", f"200 | {FRESH} | Vary: X-Form | «one»"),
        ask("GET | X-Form: b, a", "vary-miss 200 | «two»", "200 | Cache-Control: no-store | «two»"),
    )),
    Case("vary-language-order", GOOD, "RFC 9110 §12.5.4", (
        ask("GET | Accept-Language: de, en;q=0.5", "uri-miss 200 | «one»", f"200 | {FRESH} | Vary: Accept-Language | «one»"),
        ask("GET | Accept-Language: EN;q=0.5,DE", "hit 200 | «one»"),
    )),
    Case("vary-language-that-the-origin-has-shown", GOOD, "RFC 9110 §12.5.4", (
        ask("GET | Accept-Language: de, en;q=0.5", "uri-miss 200 | «one»", f"200 | {FRESH} | Vary: Accept-Language | Content-Language: de | «one»"),
        ask("GET | Accept-Language: de, fr;q=0.5", "hit 200 | «one»"),
    )),
    Case("vary-host", GOOD, "RFC 9111 §4.1", (stored(f"{FRESH} | Vary: Host, X-Forwarded-Proto"), ask("GET", "hit 200 | «one»"))),
    Case("query-is-part-of-the-key", REQUIRED, "RFC 9111 §2", (
        ask("GET ?a=1", "uri-miss 200 | «one»", f"200 | {FRESH} | «one»"),
        ask("GET ?a=2", "uri-miss 200 | «two»", f"200 | {FRESH} | «two»"),
        ask("GET ?a=1", "hit 200 | «one»"),
    )),
]  # fmt: skip


def confirms(name: str, condition: str, fields: str, kind: str = GOOD) -> Case:
    return Case(
        name,
        kind,
        "RFC 9111 §4.3.2",
        (stored(f"{FRESH} | {fields}"), ask(f"GET | {condition}", "hit 304 | -Content-Length | «»")),
    )


def does_not_confirm(name: str, condition: str, fields: str, section: str = "RFC 9110 §13") -> Case:
    return Case(name, REQUIRED, section, (stored(f"{FRESH} | {fields}"), ask(f"GET | {condition}", "hit 200 | «one»")))


PRECONDITIONS = [
    confirms("if-none-match", 'If-None-Match: "a"', 'ETag: "a"'),
    confirms("if-none-match-weak", 'If-None-Match: W/"a"', 'ETag: "a"'),
    confirms("if-none-match-of-a-list", 'If-None-Match: "b", "c,d" , "a"', 'ETag: "a"'),
    confirms("if-none-match-of-two-lines", 'If-None-Match: "b" | If-None-Match: "a"', 'ETag: "a"'),
    confirms("if-none-match-star", "If-None-Match: *", 'ETag: "a"'),
    confirms("if-modified-since-equal", "If-Modified-Since: {-600}", "Last-Modified: {-600}"),
    confirms("if-modified-since-later", "If-Modified-Since: {-500}", "Last-Modified: {-600}"),
    confirms("if-modified-since-and-only-date", "If-Modified-Since: {+0}", "X: y"),
    does_not_confirm("if-none-match-other", 'If-None-Match: "b"', 'ETag: "a"'),
    does_not_confirm("if-none-match-before-if-modified-since", 'If-None-Match: "b" | If-Modified-Since: {+0}', 'ETag: "a" | Last-Modified: {-600}'),
    does_not_confirm("if-modified-since-earlier", "If-Modified-Since: {-700}", "Last-Modified: {-600}"),
    does_not_confirm("if-modified-since-malformed", "If-Modified-Since: yesterday", "Last-Modified: {-600}", "RFC 9110 §13.1.3"),
    Case("a-404-is-never-not-modified", REQUIRED, "RFC 9110 §13.2.1", (
        stored(f'{FRESH} | ETag: "a"', status=404), ask('GET | If-None-Match: "a"', "hit 404 | «one»"),
    )),
    Case("a-304-tells-what-a-cache-wants-to-know", REQUIRED, "RFC 9110 §15.4.5", (
        stored(f'{FRESH} | ETag: "a" | Vary: X | Content-Location: /x | Expires: {{+60}} | Content-Type: text/x'),
        ask('GET | If-None-Match: "a"', 'hit 304 | ETag: "a" | Vary: X | Content-Location: /x | Expires: {+60} | Cache-Control: max-age=3600 | Date: {+0} | -Content-Type | «»'),
    )),
    Case("a-clients-precondition-does-not-decide-what-is-stored", REQUIRED, "RFC 9111 §4.3.1", (
        ask('GET | If-None-Match: "a"', "uri-miss 304 | «»", f'200 | {FRESH} | ETag: "a" | «one»', told="GET | -If-None-Match"),
        ask("GET", "hit 200 | «one»"),
    )),
]  # fmt: skip

VALIDATION = [
    Case("validated-by-tag", GOOD, "RFC 9111 §4.3.1", (
        stored(f'{OLD} | ETag: "a"'),
        ask("GET", "stale 200 | «one»", f'304 | {FRESH} | ETag: "a"', told='GET | If-None-Match: "a"'),
        ask("GET", "hit 200 | Cache-Control: max-age=3600 | «one»"),
    )),
    Case("validated-by-date", GOOD, "RFC 9111 §4.3.1", (
        stored(f"{OLD} | Last-Modified: {{-9000}}"), ask("GET", "stale 200 | «one»", f"304 | {FRESH}", told="GET | If-Modified-Since: {-9000}"),
        ask("GET", "hit 200 | «one»"),
    )),
    Case("a-304-updates-fields", REQUIRED, "RFC 9111 §3.2", (
        stored(f'{OLD} | ETag: "a" | X-Both: old | X-Old: 1'),
        ask("GET", "stale 200 | X-Both: new | X-New: 2 | X-Old: 1 | «one»", f"304 | {FRESH} | X-Both: new | X-New: 2"),
        ask("GET", "hit 200 | X-Both: new | X-New: 2 | X-Old: 1 | «one»"),
    )),
    Case("a-304-does-not-describe-content", REQUIRED, "RFC 9111 §3.2", (
        stored(f'{OLD} | ETag: "a"'),
        ask("GET", "stale 200 | Content-Length: 3 | -Content-Encoding | -Content-Range | «one»", f"304 | {FRESH} | Content-Encoding: gzip | Content-Range: bytes 0-0/1"),
    )),
    Case("a-304-with-another-tag", REQUIRED, "RFC 9111 §4.3.4", (
        stored(f'{OLD} | ETag: "a"'),
        ask("GET", 'stale 304 | ETag: "b" | «»', f'304 | {FRESH} | ETag: "b"', told="GET | -If-None-Match"),
    )),
    Case("a-new-response-replaces", REQUIRED, "RFC 9111 §4.3.3", (
        stored(f'{OLD} | ETag: "a" | X-Old: 1'),
        ask("GET", 'stale 200 | ETag: "b" | -X-Old | «two»', f'200 | {FRESH} | ETag: "b" | «two»'),
        ask("GET", 'hit 200 | ETag: "b" | «two»'),
    )),
    Case("a-new-response-that-is-private-ends-it", REQUIRED, "RFC 9111 §4.3.3", (
        stored(f'{OLD} | ETag: "a"'),
        ask("GET", "stale 200 | «two»", "200 | Cache-Control: private | «two»"),
        ask("GET | Cache-Control: max-stale", "uri-miss 200 | «three»", "200 | Cache-Control: private | «three»"),
    )),
    Case("no-cache-is-validated-each-time", REQUIRED, "RFC 9111 §5.2.2.4", (
        stored('Cache-Control: no-cache, max-age=3600 | ETag: "a"'),
        ask("GET", "stale 200 | «one»", '304 | Cache-Control: no-cache | ETag: "a"', told='GET | If-None-Match: "a"'),
        ask("GET | Cache-Control: max-stale", "stale 200 | «two»", "200 | Cache-Control: no-cache | «two»", told='GET | If-None-Match: "a"'),
    )),
    Case("pragma-of-a-response", GOOD, "RFC 9111 §5.4", (
        stored('Pragma: no-cache | Last-Modified: {-864000} | ETag: "a"'), ask("GET", "stale 200 | «one»", "304"),
    )),
    Case("head-from-get", GOOD, "RFC 9110 §9.3.2", (stored(FRESH), ask("HEAD", "hit 200 | Content-Length: 3 | «»"))),
    Case("head-is-not-stored", REQUIRED, "RFC 9111 §3", (
        ask("HEAD", "uri-miss 200 | Content-Length: 3 | «»", f"200 | {FRESH} | Content-Length: 3"), stored(FRESH),
    )),
    Case("head-freshens", GOOD, "RFC 9111 §4.3.5", (
        stored(f'{OLD} | ETag: "a"'),
        ask("HEAD", "stale 200 | «»", f'200 | {FRESH} | ETag: "a" | X-New: 1 | Content-Length: 3'),
        ask("GET", "hit 200 | X-New: 1 | «one»"),
    )),
    Case("head-that-differs-makes-stale", GOOD, "RFC 9111 §4.3.5", (
        stored(f'{FRESH} | ETag: "a"'),
        ask("HEAD | Cache-Control: no-cache", "request 200 | «»", f'200 | {FRESH} | ETag: "b" | Content-Length: 3'),
        ask("GET", "stale 200 | «two»", f'200 | {FRESH} | ETag: "b" | «two»'),
    )),
]  # fmt: skip

TEN = ask("GET", "uri-miss 200 | «0123456789»", f'200 | {FRESH} | ETag: "a" | «0123456789»')


def part(name: str, wanted: str, gets: str, *, kind: str = GOOD) -> Case:
    return Case(name, kind, "RFC 9110 §14", (TEN, ask(f"GET | Range: {wanted}", gets)))


RANGES = [
    part("part", "bytes=2-4", "hit 206 | Content-Range: bytes 2-4/10 | Content-Length: 3 | «234»"),
    part("part-to-the-end", "bytes=7-", "hit 206 | Content-Range: bytes 7-9/10 | «789»"),
    part("part-from-the-end", "bytes=-3", "hit 206 | Content-Range: bytes 7-9/10 | «789»"),
    part("part-beyond-the-end", "bytes=8-99", "hit 206 | Content-Range: bytes 8-9/10 | «89»"),
    part("part-that-is-not-there", "bytes=10-", "hit 416 | Content-Range: bytes */10 | «»", kind=REQUIRED),
    part("part-malformed", "bytes=4-2", "hit 200 | -Content-Range | «0123456789»", kind=REQUIRED),
    part("part-of-another-unit", "pages=1-2", "hit 200 | -Content-Range | «0123456789»", kind=REQUIRED),
    part("parts", "bytes=0-1,4-5", "hit 200 | -Content-Range | «0123456789»"),
    Case("if-range-same", GOOD, "RFC 9110 §13.1.5", (TEN, ask('GET | Range: bytes=0-1 | If-Range: "a"', "hit 206 | «01»"))),
    Case("if-range-other", REQUIRED, "RFC 9110 §13.1.5", (TEN, ask('GET | Range: bytes=0-1 | If-Range: "b"', "hit 200 | «0123456789»"))),
    Case("if-range-weak", REQUIRED, "RFC 9110 §13.1.5", (TEN, ask('GET | Range: bytes=0-1 | If-Range: W/"a"', "hit 200 | «0123456789»"))),
    Case("range-after-precondition", REQUIRED, "RFC 9110 §13.2.2", (TEN, ask('GET | Range: bytes=0-1 | If-None-Match: "a"', "hit 304 | «»"))),
    Case("stored-part", GOOD, "RFC 9111 §3.3", (
        ask("GET | Range: bytes=2-5", "uri-miss 206 | Content-Range: bytes 2-5/10 | «2345»", f'206 | {FRESH} | ETag: "a" | Content-Range: bytes 2-5/10 | «2345»'),
        ask("GET | Range: bytes=3-4", "hit 206 | Content-Range: bytes 3-4/10 | «34»"),
    )),
    Case("stored-part-is-not-the-whole", REQUIRED, "RFC 9111 §3.3", (
        ask("GET | Range: bytes=2-5", "uri-miss 206 | «2345»", f'206 | {FRESH} | ETag: "a" | Content-Range: bytes 2-5/10 | «2345»'),
        ask("GET", "partial 200 | «0123456789»", f'200 | {FRESH} | ETag: "a" | «0123456789»', told="GET | -Range"),
    )),
    Case("stored-part-is-completed", GOOD, "RFC 9111 §3.4", (
        ask("GET | Range: bytes=0-3", "uri-miss 206 | «0123»", f'206 | {FRESH} | ETag: "a" | Content-Range: bytes 0-3/10 | «0123»'),
        ask("GET", "partial 200 | -Content-Range | «0123456789»", f'206 | {FRESH} | ETag: "a" | Content-Range: bytes 4-9/10 | «456789»', told='GET | Range: bytes=4- | If-Range: "a"'),
        ask("GET", "hit 200 | «0123456789»"),
    )),
    Case("stored-parts-are-joined", GOOD, "RFC 9111 §3.4", (
        ask("GET | Range: bytes=0-4", "uri-miss 206 | «01234»", f'206 | {FRESH} | ETag: "a" | Content-Range: bytes 0-4/10 | «01234»'),
        ask("GET | Range: bytes=5-9", "partial 206 | «56789»", f'206 | {FRESH} | ETag: "a" | Content-Range: bytes 5-9/10 | «56789»'),
        ask("GET", "hit 200 | «0123456789»"),
    )),
    Case("stored-parts-of-different-things-are-not", REQUIRED, "RFC 9111 §3.4", (
        ask("GET | Range: bytes=0-4", "uri-miss 206 | «01234»", f'206 | {FRESH} | ETag: "a" | Content-Range: bytes 0-4/10 | «01234»'),
        ask("GET | Range: bytes=5-9", "partial 206 | «vwxyz»", f'206 | {FRESH} | ETag: "b" | Content-Range: bytes 5-9/10 | «vwxyz»'),
        ask("GET | Range: bytes=0-9", "partial 206 | «qrstuvwxyz»", f'206 | {FRESH} | ETag: "b" | Content-Range: bytes 0-9/10 | «qrstuvwxyz»'),
    )),
]  # fmt: skip

TEXT = f'{FRESH} | ETag: "a" | Content-Type: text/plain'


def coded(name: str, accept: str, coding: str) -> Case:
    return Case(name, GOOD, "RFC 9110 §12.5.3", (
        stored(TEXT, LONG),
        ask(f"GET | Accept-Encoding: {accept}", f'hit 200 | Content-Encoding: {coding} | ETag: W/"a" | Vary: Accept-Encoding | «{LONG}»'),
        ask(f"GET | Accept-Encoding: {accept}", f'hit 200 | Content-Encoding: {coding} | ETag: W/"a" | Vary: Accept-Encoding | «{LONG}»'),
    ))  # fmt: skip


CODINGS = [
    coded("gzip", "gzip", "gzip"),
    coded("brotli", "gzip;q=0.5, br", "br"),
    coded("coding-of-two-lines", "gzip;q=0.1 | Accept-Encoding: br", "br"),
    coded("zstd", "gzip, br, zstd", "zstd"),
    Case("identity", REQUIRED, "RFC 9110 §12.5.3", (stored(TEXT, LONG), ask("GET | Accept-Encoding: gzip;q=0", f'hit 200 | -Content-Encoding | ETag: "a" | Vary: Accept-Encoding | «{LONG}»'))),
    Case("no-transform", REQUIRED, "RFC 9111 §5.2.2.6", (
        stored('Cache-Control: max-age=3600, no-transform | ETag: "a" | Content-Type: text/plain', LONG),
        ask("GET | Accept-Encoding: gzip", f'hit 200 | -Content-Encoding | ETag: "a" | «{LONG}»'),
    )),
    Case("a-coded-copy-is-not-modified-either", GOOD, "RFC 9110 §13.1.2", (
        stored(TEXT, LONG),
        ask('GET | Accept-Encoding: gzip | If-None-Match: W/"a"', "hit 304 | Vary: Accept-Encoding | -Content-Encoding | «»"),
        ask('GET | If-None-Match: W/"a"', "hit 304 | Vary: Accept-Encoding | «»"),
    )),
    Case("a-part-is-of-the-plain-form", REQUIRED, "RFC 9110 §14.1", (
        stored(TEXT, LONG), ask("GET | Accept-Encoding: gzip | Range: bytes=0-7", "hit 206 | -Content-Encoding | «the same»"),
    )),
    Case("head-of-a-coded-copy", GOOD, "RFC 9110 §9.3.2", (
        stored(TEXT, LONG), ask("HEAD | Accept-Encoding: br", 'hit 200 | Content-Encoding: br | ETag: W/"a" | «»'),
    )),
]  # fmt: skip

CASES = [*VARY, *PRECONDITIONS, *VALIDATION, *RANGES, *CODINGS]
