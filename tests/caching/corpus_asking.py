"""What a client may wish, what is served stale, and what a change makes unusable (RFC 9111 §5.2.1, §4.2.4, §4.4; RFC 5861; RFC 9875)."""

from __future__ import annotations

from tests.caching.corpus import GOOD, REQUIRED, Case, ask, stored

__all__ = ["CASES"]

FRESH = "Cache-Control: max-age=3600"
MIDDLE = f'{FRESH} | Age: 600 | ETag: "a"'
OLD = 'Cache-Control: max-age=60 | Age: 600 | ETag: "a"'


def met(name: str, wish: str, section: str, *, of: str = MIDDLE) -> Case:
    return Case(name, GOOD, section, (stored(of), ask(f"GET | {wish}", "hit 200 | Age: 600 | «one»")))


def not_met(name: str, wish: str, section: str, *, word: str = "request", of: str = MIDDLE) -> Case:
    return Case(name, REQUIRED, section, (stored(of), ask(f"GET | {wish}", f"{word} 200 | «two»", "200 | Cache-Control: no-store | «two»", told='GET | If-None-Match: "a"')))  # fmt: skip


WISHES = [
    met("request-max-age-met", "Cache-Control: max-age=1800", "RFC 9111 §5.2.1.1"),
    met("request-max-age-and-max-stale", "Cache-Control: max-age=60, max-stale=1800", "RFC 9111 §5.2.1.2"),
    met("request-min-fresh-met", "Cache-Control: min-fresh=1800", "RFC 9111 §5.2.1.3"),
    met("request-only-if-cached-met", "Cache-Control: only-if-cached", "RFC 9111 §5.2.1.7"),
    met("request-no-store-may-be-answered", "Cache-Control: no-store", "RFC 9111 §5.2.1.5"),
    met("request-pragma-beside-cache-control", "Pragma: no-cache | Cache-Control: x", "RFC 9111 §5.4"),
    met("request-max-stale", "Cache-Control: max-stale", "RFC 9111 §5.2.1.2", of=OLD),
    met("request-max-stale-enough", "Cache-Control: max-stale=1800", "RFC 9111 §5.2.1.2", of=OLD),
    not_met("request-no-cache", "Cache-Control: no-cache", "RFC 9111 §5.2.1.4"),
    not_met("request-pragma", "Pragma: no-cache", "RFC 9111 §5.4"),
    not_met("request-max-age-zero", "Cache-Control: max-age=0", "RFC 9111 §5.2.1.1"),
    not_met("request-max-age", "Cache-Control: max-age=300", "RFC 9111 §5.2.1.1"),
    not_met("request-min-fresh", "Cache-Control: min-fresh=3300", "RFC 9111 §5.2.1.3"),
    not_met("request-max-stale-too-little", "Cache-Control: max-stale=60", "RFC 9111 §5.2.1.2", word="stale", of=OLD),
    *[
        not_met(f"request-max-stale-against-{word.partition('=')[0]}", "Cache-Control: max-stale", "RFC 9111 §4.2.4", word="stale", of=f'Cache-Control: max-age=60, {word} | Age: 600 | ETag: "a"')
        for word in ("must-revalidate", "proxy-revalidate", "s-maxage=60", "no-cache")
    ],
    Case("request-only-if-cached", REQUIRED, "RFC 9111 §5.2.1.7", (ask("GET | Cache-Control: only-if-cached", "refused 504"),)),
    Case("request-only-if-cached-and-stale", REQUIRED, "RFC 9111 §5.2.1.7", (stored(OLD), ask("GET | Cache-Control: only-if-cached", "refused 504"))),
    Case("request-no-store", REQUIRED, "RFC 9111 §5.2.1.5", (
        ask("GET | Cache-Control: no-store", "uri-miss 200 | «one»", f"200 | {FRESH} | «one»"), stored(FRESH, "two"), ask("GET", "hit 200 | «two»"),
    )),
    Case("wishes-go-on", REQUIRED, "RFC 9111 §5.2", (
        ask("GET | Cache-Control: no-cache, x=1 | Pragma: no-cache", "uri-miss 200 | «one»", f"200 | {FRESH} | «one»", told="GET | Cache-Control: no-cache, x=1 | Pragma: no-cache"),
    )),
]  # fmt: skip


def stands_in(name: str, section: str, fields: str, failure: str) -> Case:
    return Case(name, GOOD, section, (stored(f"{fields} | Age: 600"), ask("GET", "stale 200 | Age: 600 | «one»", failure)))


def does_not_stand_in(name: str, section: str, fields: str, failure: str) -> Case:
    status = "502" if failure == "close" else failure[:3]
    return Case(name, REQUIRED, section, (stored(f"{fields} | Age: 600"), ask("GET", f"error {status}", failure)))


STALE = [
    Case("stale-while-revalidate", GOOD, "RFC 5861 §3", (
        stored("Cache-Control: max-age=60, stale-while-revalidate=3600 | Age: 600"),
        ask("GET", "hit 200 | Age: 600 | «one»", f"200 | {FRESH} | «two»", behind=True),
        ask("GET", "hit 200 | Age: 0 | «two»"),
    )),
    Case("stale-while-revalidate-by-304", GOOD, "RFC 5861 §3", (
        stored('Cache-Control: max-age=60, stale-while-revalidate=3600 | Age: 600 | ETag: "a"'),
        ask("GET", "hit 200 | Age: 600 | «one»", f"304 | {FRESH}", told='GET | If-None-Match: "a"', behind=True),
        ask("GET", "hit 200 | Age: 0 | «one»"),
    )),
    Case("stale-while-revalidate-is-over", REQUIRED, "RFC 5861 §3", (
        stored("Cache-Control: max-age=60, stale-while-revalidate=60 | Age: 600"), ask("GET", "stale 200 | «two»", f"200 | {FRESH} | «two»"),
    )),
    Case("stale-while-revalidate-against-must-revalidate", REQUIRED, "RFC 9111 §5.2.2.2", (
        stored("Cache-Control: max-age=60, stale-while-revalidate=3600, must-revalidate | Age: 600"), ask("GET", "stale 200 | «two»", f"200 | {FRESH} | «two»"),
    )),
    *[stands_in(f"stale-if-error-{status}", "RFC 5861 §4", "Cache-Control: max-age=60, stale-if-error=3600", f"{status} | «sorry»") for status in (500, 502, 503, 504)],
    stands_in("stale-if-error-closed", "RFC 5861 §4", "Cache-Control: max-age=60, stale-if-error=3600", "close"),
    stands_in("disconnected", "RFC 9111 §4.2.4", "Cache-Control: max-age=60", "close"),
    does_not_stand_in("stale-if-error-is-over", "RFC 5861 §4", "Cache-Control: max-age=60, stale-if-error=60", "503 | «sorry»"),
    does_not_stand_in("stale-if-error-404", "RFC 5861 §4", "Cache-Control: max-age=60, stale-if-error=3600", "404 | «gone»"),
    *[
        does_not_stand_in(f"disconnected-{word.partition('=')[0]}", "RFC 9111 §4.2.4", f'Cache-Control: max-age=60, {word} | ETag: "a"', "close")
        for word in ("must-revalidate", "proxy-revalidate", "s-maxage=60", "no-cache")
    ],
    does_not_stand_in("must-revalidate-against-stale-if-error", "RFC 9111 §5.2.2.2", "Cache-Control: max-age=60, stale-if-error=3600, must-revalidate", "503 | «sorry»"),
]  # fmt: skip


def changed(name: str, method: str, answer: str, *, kind: str = REQUIRED, at: str = "", section: str = "RFC 9111 §4.4") -> Case:
    """What is stored (under the path, or what follows it) is not used after that method had that answer."""
    return Case(name, kind, section, (
        ask(f"GET {at}".strip(), "uri-miss 200 | «one»", f"200 | {FRESH} | «one»"),
        ask(f"{method} | «x»", f"method {answer[:3]}", answer),
        ask(f"GET {at}".strip(), "uri-miss 200 | «two»", f"200 | {FRESH} | «two»"),
    ))  # fmt: skip


def unchanged(name: str, method: str, answer: str, *, at: str = "", section: str = "RFC 9111 §4.4") -> Case:
    return Case(name, GOOD, section, (
        ask(f"GET {at}".strip(), "uri-miss 200 | «one»", f"200 | {FRESH} | «one»"),
        ask(f"{method}", f"method {answer[:3]}", answer),
        ask(f"GET {at}".strip(), "hit 200 | «one»"),
    ))  # fmt: skip


CHANGES = [
    *[changed(f"changed-by-{method}", method, "204") for method in ("POST", "PUT", "DELETE", "PATCH", "PROPPATCH")],
    changed("changed-by-a-303", "POST", "303 | Location: /elsewhere"),
    changed("changed-what-location-names", "POST", "201 | Location: {path}/new", at="/new"),
    changed("changed-what-content-location-names", "POST", "200 | Content-Location: http://shop.test{path}?a=1 | «x»", at="?a=1"),
    unchanged("not-changed-by-a-failure", "POST", "500 | «x»"),
    unchanged("not-changed-by-a-refusal", "DELETE", "403 | «x»"),
    unchanged("not-changed-by-a-safe-method", "OPTIONS", "200 | «x»", section="RFC 9110 §9.2.1"),
    unchanged("not-changed-on-another-host", "POST", "201 | Location: http://other.test{path}/new", at="/new"),
    Case("changed-groups", GOOD, "RFC 9875 §3", (
        ask("GET /a", "uri-miss 200 | «one»", f'200 | {FRESH} | Cache-Groups: "of-this-case", "b" | «one»'),
        ask("GET /b", "uri-miss 200 | «other»", f'200 | {FRESH} | Cache-Groups: "of-another" | «other»'),
        ask("POST", "method 204", '204 | Cache-Group-Invalidation: "of-this-case"'),
        ask("GET /a", "uri-miss 200 | «two»", f"200 | {FRESH} | «two»"),
        ask("GET /b", "hit 200 | «other»"),
    )),
    Case("not-changed-groups-by-a-safe-method", REQUIRED, "RFC 9875 §3", (
        ask("GET /a", "uri-miss 200 | «one»", f'200 | {FRESH} | Cache-Groups: "safe" | «one»'),
        ask("GET /b", "uri-miss 200 | «other»", '200 | Cache-Control: no-store | Cache-Group-Invalidation: "safe" | «other»'),
        ask("GET /a", "hit 200 | «one»"),
    )),
    Case("post-is-not-stored", REQUIRED, "RFC 9110 §9.3.3", (
        ask("POST | «x»", "method 200 | «one»", f"200 | {FRESH} | «one»"), stored(FRESH, "two"),
    )),
    Case("post-that-says-what-get-would-bring", GOOD, "RFC 9110 §9.3.3", (
        ask("POST | «x»", "method 200 | «one»", f"200 | {FRESH} | Content-Location: {{path}} | «one»"), ask("GET", "hit 200 | «one»"),
    )),
    Case("post-is-never-answered-from-the-cache", REQUIRED, "RFC 9111 §4", (
        stored(FRESH), ask("POST | «x»", "method 200 | «two»", "200 | Cache-Control: no-store | «two»"),
    )),
    Case("get-with-content", REQUIRED, "RFC 9110 §9.3.1", (
        ask("GET | «for me»", "bypass 200 | «one»", f"200 | {FRESH} | «one»"), stored(FRESH, "two"), ask("GET | «for me»", "bypass 200 | «three»", f"200 | {FRESH} | «three»"),
    )),
    Case("overriding-fields-do-not-reach-the-origin", REQUIRED, "CWE-444", (
        ask("GET | X-Forwarded-Host: evil.test | X-Original-URL: /admin | X-HTTP-Method-Override: DELETE | Forwarded: host=evil.test", "uri-miss 200 | «one»", f"200 | {FRESH} | «one»",
            told="GET | X-Forwarded-Host: shop.test | -X-Original-URL | -X-HTTP-Method-Override"),
        ask("GET", "hit 200 | «one»"),
    )),
]  # fmt: skip

CASES = [*WISHES, *STALE, *CHANGES]
