"""A conformance corpus of assembled pages, as data: a site, who asks for what, what comes, what the site was asked. See site.py for how steps are written.

Sections: ESI 1.0 (W3C NOTE of 4 August 2001), Edge (Edge Architecture Specification, W3C NOTE of 4 August 2001), RFC 9110, RFC 9111, or ours.
A first answer may stream, and then nobody may keep it; most cases ask twice, since the second answer is made of what is in memory.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from typing import Any, NamedTuple

import brotli
import zstandard

from gateway.upstream.origin import OriginRequest
from tests.assembly.site import GUEST, Table
from tests.support.fakes import Answer

__all__ = ["CASES", "Case", "include", "page", "part"]


class Case(NamedTuple):
    """A site and what happens. esi: what its routes say of ESI."""

    id: str
    section: str
    table: Table
    steps: tuple[str | Table, ...]
    esi: Mapping[str, Any] = {}


ESI = 'Surrogate-Control: content="ESI/1.0"'
FRESH = "Cache-Control: max-age=600"


def page(body: str, *fields: str, control: str = FRESH, status: int = 200, kind: str = "text/html") -> str:
    """A page that asks to be assembled."""
    return " | ".join(filter(None, [str(status), f"Content-Type: {kind}", ESI, control, *fields, f"«{body}»"]))


def part(body: str, *fields: str, control: str = FRESH, status: int = 200, kind: str = "text/html") -> str:
    """A fragment, or a page that does not ask for anything."""
    return " | ".join(filter(None, [str(status), f"Content-Type: {kind}", control, *fields, f"«{body}»"]))


def include(src: str = "/a", more: str = "", body: str = "") -> str:
    return f"<esi:include src='{src}' {more}>{body}</esi:include>" if body else f"<esi:include src='{src}' {more}/>"


def coded(coding: str, body: str, *, esi: bool = False, fields: tuple[tuple[bytes, bytes], ...] = ()) -> Answer:
    octets = {
        "gzip": gzip.compress,
        "br": brotli.compress,
        "zstd": lambda octets: zstandard.ZstdCompressor().compress(octets),
    }[coding](body.encode("latin-1"))
    own = [(b"content-type", b"text/html"), (b"content-encoding", coding.encode()), (b"cache-control", b"max-age=600"), *fields]
    if esi:
        own.append((b"surrogate-control", b'content="ESI/1.0"'))
    return Answer(200, own, octets)


A = {"/a": part("A")}
ONE_A = {"/": page(f"1{include()}2"), **A}
GET, GOT = "GET /", "200 | «1A2»"

WHEN = (
    Case("asks", "Edge §2.3", ONE_A, (GET, f"{GOT} | -Surrogate-Control")),
    Case("asks-twice", "Edge §2.3", ONE_A, (GET, GOT, GET, "200 | -Surrogate-Control | «1A2»", "asked / 1", "asked /a 1")),
    Case("does-not-ask", "Edge §2.3", {"/": part(f"1{include()}2")}, (GET, f"200 | «1{include()}2»", "asked /a 0")),
    Case("asks-among-others", "Edge §2.3",
         {"/": part(f"1{include()}2", 'Surrogate-Control: max-age=60, content="ESI/1.0 X/2"'), **A}, (GET, GOT)),
    Case("asks-in-upper-case", "Edge §2.3", {"/": part(f"1{include()}2", 'Surrogate-Control: CONTENT = "ESI/1.0"'), **A}, (GET, GOT)),
    Case("asks-for-another-version", "Edge §2.3", {"/": part("<esi:vars>x</esi:vars>", 'Surrogate-Control: content="ESI/2.0"')},
         (GET, "200 | «<esi:vars>x</esi:vars>»")),
    Case("asks-for-something-else", "Edge §2.3", {"/": part("<esi:vars>x</esi:vars>", 'Surrogate-Control: content="SSI/1.0"')},
         (GET, "200 | -Surrogate-Control | «<esi:vars>x</esi:vars>»")),
    Case("asks-without-quotes", "Edge §2.3", {"/": part("<esi:vars>x</esi:vars>", "Surrogate-Control: content=ESI/1.0")},
         (GET, "200 | «<esi:vars>x</esi:vars>»")),
    Case("always", "ours", {"/": part(f"1{include()}2"), **A}, (GET, GOT, GET, GOT), {"mode": "always"}),
    Case("always-fragments-too", "ours", {"/": part(f"1{include()}2"), "/a": part(include("/b")), "/b": part("A")}, (GET, GOT),
         {"mode": "always"}),
    Case("off", "ours", ONE_A, (GET, f"200 | -Surrogate-Control | «1{include()}2»", "told / | -Surrogate-Capability"), {"mode": "off"}),
    Case("type-plain", "ours", {"/": page(f"1{include()}2", kind="text/plain"), **A}, (GET, GOT)),
    Case("type-with-charset", "ours", {"/": page(f"1{include()}2", kind="Text/HTML; charset=utf-8"), **A},
         (GET, "200 | Content-Type: Text/HTML; charset=utf-8 | «1A2»")),
    Case("type-json", "ours", {"/": page(f'{{"a": "{include()}"}}', kind="application/json"), **A}, (GET, '200 | «{"a": "A"}»')),
    Case("type-javascript", "ours", {"/": page(f"a='{include()}'", kind="application/javascript"), **A}, (GET, "200 | «a='A'»")),
    Case("type-xml", "ours", {"/": page(f"<x>{include()}</x>", kind="application/xml"), **A}, (GET, "200 | «<x>A</x>»")),
    Case("type-picture", "ours", {"/": page("<esi:vars>x</esi:vars>", kind="image/png")}, (GET, "200 | «<esi:vars>x</esi:vars>»")),
    Case("type-unknown", "ours", {"/": f"200 | {ESI} | {FRESH} | «<esi:vars>x</esi:vars>»"}, (GET, "200 | «<esi:vars>x</esi:vars>»")),
    Case("type-of-the-sites-own", "ours", {"/": page(f"1{include()}2", kind="application/x-own"), **A}, (GET, GOT),
         {"types": ["application/x-own"]}),
    Case("status-404", "ours", {"/": page(f"no {include()}", status=404), **A}, (GET, "404 | «no A»", GET, "404 | -ETag | «no A»")),
    Case("status-500", "ours", {"/": page(f"no {include()}", status=500), **A}, (GET, "500 | «no A»")),
    Case("status-302", "ours", {"/": page(f"to {include()}", "Location: /b", status=302), **A}, (GET, "302 | Location: /b | «to A»")),
    Case("status-204", "ours", {"/": f"204 | {ESI} | {FRESH}"}, (GET, "204 | -Surrogate-Control")),
    Case("post", "ours", {"/": page(f"1{include()}2"), **A},
         ("POST / | «q»", GOT, "told / | «q»", "asked /a 1", "told /a | -Content-Length | -Content-Type", "asked /a 0")),
    Case("uncacheable", "ours", {"/": page(f"1{include()}2", control="Cache-Control: no-store"), **A},
         (GET, "200 | Cache-Control: private, no-store | «1A2»", GET, GOT, "asked / 2", "asked /a 1")),
    Case("no-markup", "ours", {"/": page("plain")}, (GET, "200 | «plain»", GET, "200 | «plain»")),
    Case("no-content", "ours", {"/": page("")}, (GET, "200 | «»", GET, "200 | «»")),
    Case("capability", "Edge §3.1", ONE_A,
         (GET, GOT, 'told / | Surrogate-Capability: weft="Surrogate/1.0 ESI/1.0"', 'told /a | Surrogate-Capability: weft="Surrogate/1.0 ESI/1.0"')),
    Case("capability-of-a-client", "Edge §3.1", ONE_A,
         ('GET / | Surrogate-Capability: evil="ESI/1.0"', GOT, 'told / | Surrogate-Capability: weft="Surrogate/1.0 ESI/1.0"')),
    Case("capability-of-a-client-off", "Edge §3.1", ONE_A,
         ('GET / | Surrogate-Capability: evil="ESI/1.0"', "200", "told / | -Surrogate-Capability"), {"mode": "off"}),
    Case("range-of-a-page", "ours", {"/": page(f"1{include()}2", 'ETag: "t"'), **A},
         ("GET / | Range: bytes=0-0", "200", "GET / | Range: bytes=1-1", "206 | Content-Range: bytes 1-1/3 | «A»")),
    Case("part-of-a-page", "ours",
         {"/": lambda asked: page(f"1{include()}2", status=206) if (b"range", b"bytes=0-2") in asked.fields else page(f"1{include()}2"), **A},
         ("GET / | Range: bytes=0-2", "200 | «1A2»")),
)  # fmt: skip

CODED = (
    *(Case(f"page-in-{coding}", "ours", {"/": coded(coding, f"1{include()}2", esi=True), **A},
           (GET, "200 | -Content-Encoding | «1A2»", GET, "200 | -Content-Encoding | «1A2»", "asked / 1")) for coding in ("gzip", "br", "zstd")),
    *(Case(f"fragment-in-{coding}", "ours", {"/": page(f"1{include()}2"), "/a": coded(coding, "A")},
           (GET, GOT, GET, GOT)) for coding in ("gzip", "br", "zstd")),
    Case("fragment-in-gzip-not-kept", "ours",
         {"/": page(f"1{include()}2"), "/a": coded("gzip", "A", fields=((b"cache-control", b"no-store"),))}, (GET, GOT)),
    Case("fragment-in-gzip-in-memory", "ours", {"/": page(f"1{include()}2"), "/a": coded("gzip", "A")},
         ("GET /a | Accept-Encoding: gzip", "200 | Content-Encoding: gzip", GET, GOT, GET, GOT)),
    Case("fragment-in-gzip-asked-for", "ours", {"/": page(f"1{include()}2"), **A},
         ("GET / | Accept-Encoding: gzip", GOT, "told /a | Accept-Encoding: identity")),
    Case("page-in-an-unknown-coding", "ours",
         {"/": page(f"1{include()}2", "Content-Encoding: x-own")}, (GET, "502 | -Content-Encoding")),
    Case("page-that-is-no-gzip", "ours", {"/": page(f"1{include()}2", "Content-Encoding: gzip")}, (GET, "502 | -Content-Encoding")),
    Case("fragment-that-is-no-gzip", "ours", {"/": page(f"1{include(more='onerror=continue')}2"), "/a": part("A", "Content-Encoding: gzip")},
         (GET, "200 | «12»")),
    Case("page-that-is-a-bomb", "ours", {"/": coded("gzip", "x" * 100_000, esi=True)}, (GET, "cut 200"), {"max_page_bytes": 70_000}),
    Case("page-that-is-a-small-bomb", "ours", {"/": coded("br", "x" * 60_000, esi=True)}, (GET, "cut 200"), {"max_page_bytes": 50_000}),
    Case("fragment-that-is-a-bomb", "ours", {"/": page(f"1{include(more='onerror=continue')}2"), "/a": coded("zstd", "x" * 100_000)},
         (GET, "200 | «12»"), {"max_fragment_bytes": 50_000}),
)  # fmt: skip

NESTED = (
    Case("nested", "ESI 1.0 §3.1", {"/": page(f"1{include()}2"), "/a": page(f"[{include('/b')}]"), "/b": part("B")},
         (GET, "200 | «1[B]2»", GET, "200 | «1[B]2»", "asked /a 1", "asked /b 1")),
    Case("nested-does-not-ask", "ours", {"/": page(f"1{include()}2"), "/a": part(include("/b"))}, (GET, f"200 | «1{include('/b')}2»", "asked /b 0")),
    Case("nested-by-dca", "Akamai", {"/": page(f"1{include(more='dca=esi')}2"), "/a": part(f"[{include('/b')}]"), "/b": part("B")},
         (GET, "200 | «1[B]2»", GET, "200 | «1[B]2»", "asked /a 1")),
    Case("nested-by-dca-here-only", "Akamai",
         {"/": page(f"{include(more='dca=esi')}|{include()}"), "/a": part(f"[{include('/b')}]"), "/b": part("B")},
         (GET, f"200 | «[B]|[{include('/b')}]»", GET, f"200 | «[B]|[{include('/b')}]»", "GET /a", f"200 | «[{include('/b')}]»")),
    Case("nested-by-dca-not-text", "ours", {"/": page(f"1{include(more='dca=esi')}2"), "/a": part("<esi:vars>x</esi:vars>", kind="image/png")},
         (GET, "200 | «1<esi:vars>x</esi:vars>2»")),
    Case("nested-relative", "RFC 3986 §5",
         {"/x/": page(include("y/part")), "/x/y/part": page(include("deep")), "/x/y/deep": part("B")}, ("GET /x/", "200 | «B»")),
    Case("nested-has-its-own-request", "ours",
         {"/": page(include("/a?n=2")), "/a": page("<esi:vars>$(QUERY_STRING{n}) $(REQUEST_PATH)</esi:vars>")}, ("GET /?n=1", "200 | «2 /a»")),
    Case("nested-fails-inside", "ESI 1.0 §3.1",
         {"/": page(f"1{include(more='onerror=continue')}2"), "/a": page(f"[{include('/b')}]"), "/b": part("no", status=500)}, (GET, "200 | «12»")),
    Case("nested-catches-inside", "ours",
         {"/": page(f"1{include()}2"), "/a": page("[" + include("/b", "onerror=continue") + "]"), "/b": part("no", status=500)}, (GET, "200 | «1[]2»")),
    Case("nested-of-itself", "ours", {"/": page("x" + include("/", "onerror=continue"))}, (GET, "200 | «xxxxxx»", "asked / 1")),
    Case("nested-of-each-other", "ours",
         {"/": page("1" + include("/a", "onerror=continue")), "/a": page("2" + include("/", "onerror=continue"))},
         (GET, "200 | «121212»", GET, "200 | «121212»")),
    Case("nested-too-deep", "ours", {"/": page(include("/a", "onerror=continue")), "/a": page("2" + include("/b")), "/b": part("3")},
         (GET, "200 | «»"), {"max_depth": 1}),
    Case("nested-as-deep-as-may-be", "ours", {"/": page(include("/a")), "/a": page("2" + include("/b")), "/b": part("3")}, (GET, "200 | «23»"),
         {"max_depth": 2}),
    Case("depth-is-no-clients", "ours", {"/": page(f"1{include()}2"), **A},
         ("GET / | Via: 1.1 a | X-Esi-Depth: 9 | Weft-Depth: 9", GOT, "told /a | -X-Esi-Depth")),
    Case("too-many-includes", "ours", {"/": page(f"1{include()}{include()}{include()}2"), **A}, (GET, "502"), {"max_includes": 2}),
    Case("too-many-includes-lenient", "ours", {"/": page(f"1{include()}{include()}{include()}2"), **A}, (GET, "200 | «1AA2»", GET, "200 | «1AA2»"),
         {"max_includes": 2, "lenient": True}),
    Case("too-many-includes-inside", "ours",
         {"/": page(include("/n?1") + include("/n?2"), control="Cache-Control: no-store"), "/n": page(include() * 3), **A},
         (GET, "200 | «AAA»"), {"max_includes": 5, "lenient": True}),
)  # fmt: skip

HOSTS = (
    Case("absolute-own-host", "ours", {"/": page(f"1{include('http://shop.test/a')}2"), **A}, (GET, GOT, GET, GOT, "asked /a 1")),
    Case("absolute-own-host-upper-case", "ours", {"/": page(f"1{include('HTTP://SHOP.TEST:80/a')}2"), **A}, (GET, GOT)),
    Case("absolute-without-scheme", "ours", {"/": page(f"1{include('//shop.test/a')}2"), **A}, (GET, GOT)),
    Case("absolute-host-of-a-route", "ours", {"/": page(f"1{include('http://other.test/a')}2"), **A}, (GET, GOT, "told /a | Host: other.test")),
    Case("fragment-identifier-is-no-part", "ours", {"/": page(f"1{include('/a#x')}2"), **A}, (GET, GOT)),
    Case("absolute-not-listed", "ours", {"/": page(include("http://evil.test/a"))}, (GET, "502")),
    Case("absolute-not-listed-onerror", "ours", {"/": page(f"1{include('http://evil.test/a', 'onerror=continue')}2")}, (GET, "200 | «12»")),
    Case("absolute-private", "ours", {"/": page(f"1{include('http://127.0.0.1/a', 'onerror=continue')}2")}, (GET, "200 | «12»")),
    Case("host-by-a-cookie", "ours", {"/": page(f"1{include('http://$(HTTP_COOKIE{h})/a', 'onerror=continue')}2"), f"http://{GUEST}/a": part("A")},
         ("GET / | Cookie: h=evil.test", "200 | «12»", f"GET / | Cookie: h=evil.test#@{GUEST}", "200 | «12»")),
    *(Case(f"no-http-{name}", "ours", {"/": page(f"1{include(url, 'onerror=continue')}2")}, (GET, "200 | «12»"))
      for name, url in {"file": "file" + ":///etc/passwd", "ftp": "ftp://shop.test/a", "data": "data:text/html,x", "user": "http://shop.test@evil.test/a",
                        "port": "http://shop.test:1/a", "bad-port": "http://shop.test:x/a", "bracket": "http://[/a", "backslash": "/\\\\evil.test/a",
                        "empty-host": "http:///a"}.items()),
    Case("ours-is-none", "ours", {"/": page(f"1{include('/_weft/metrics', 'onerror=continue')}2")}, (GET, "200 | «12»", "asked /_weft/metrics 0")),
    *(Case(f"ours-is-none-{name}", "ours", {"/": page(f"1{include(url, 'onerror=continue')}2")}, (GET, "200", f"asked {url} 0"))
      for name, url in {"dots": "/x/../_weft/metrics", "double": "//shop.test/_weft/metrics"}.items()),
    Case("guest", "ours", {"/": page(f"1{include(f'http://{GUEST}/a')}2"), f"http://{GUEST}/a": part("A")},
         ("GET / | Cookie: id=1 | Authorization: Basic x | Accept-Language: de | User-Agent: x", "200 | «1A2»",
          f"told http://{GUEST}/a | Host: {GUEST} | Accept-Language: de | -Cookie | -Authorization | -User-Agent | -X-Forwarded-For | -Forwarded | -Referer")),
    Case("guest-is-kept", "ours", {"/": page(f"1{include(f'http://{GUEST}/a')}2"), f"http://{GUEST}/a": part("A")},
         (GET, GOT, GET, GOT, f"asked http://{GUEST}/a 1")),
    Case("guest-page-asks-the-site", "ours",
         {"/": page(include(f"http://{GUEST}/a")), f"http://{GUEST}/a": page(include("http://shop.test/b")), "/b": part("B")},
         ("GET / | Cookie: id=1", "200 | «B»", "told /b | -Cookie")),
    Case("guest-page-is-relative-to-itself", "ours",
         {"/": page(include(f"http://{GUEST}/a/")), f"http://{GUEST}/a/": page(include("b")), f"http://{GUEST}/a/b": part("B")}, (GET, "200 | «B»")),
    Case("guest-cookies-stay-away", "ours",
         {"/": page(f"1{include(f'http://{GUEST}/a')}2"), f"http://{GUEST}/a": part("A", "Set-Cookie: id=evil")}, (GET, "200 | -Set-Cookie | «1A2»")),
)  # fmt: skip

FIELDS = (
    Case("fields-to-a-fragment", "ours", ONE_A,
         (('GET / | Accept-Language: de | Cookie: id=1 | User-Agent: x | X-Own: 1 | Referer: /r | Accept: image/png | If-None-Match: "x" | '
          "If-Modified-Since: {-60} | Range: bytes=0-0 | Cache-Control: no-cache | Origin: http://x | X-Forwarded-Host: evil"), "200",
          ("told /a | Accept-Language: de | Cookie: id=1 | User-Agent: x | Host: shop.test | -X-Own | -Accept | -If-None-Match | -If-Modified-Since | -Range | "
          "-Origin | X-Forwarded-Host: shop.test"))),
    Case("fields-the-site-allows", "ours", ONE_A, ("GET / | X-Own: 1 | Cookie: id=1", "200", "told /a | X-Own: 1 | -Cookie"),
         {"request_fields": ["x-own"]}),
    Case("fields-back", "ours",
         {"/": page(f"1{include()}2", "X-Page: 1"), "/a": part("A", "X-Part: 1", "Set-Cookie: id=1", "Location: /x", "Content-Language: de")},
         (GET, "200 | X-Page: 1 | -X-Part | -Set-Cookie | -Location | -Content-Language | «1A2»", GET, "200 | X-Page: 1 | -X-Part | -Set-Cookie")),
    Case("cookies-from", "ours",
         {"/": page(f"1{include('/in/a')}{include('/b')}2"), "/in/a": part("A", "Set-Cookie: a=1", "Set-Cookie: b=2", control="Cache-Control: no-store"),
          "/b": part("B", "Set-Cookie: c=3", control="Cache-Control: no-store")},
         (GET, "200 | Set-Cookie: a=1 | Set-Cookie: b=2 | Cache-Control: private, no-store | «1AB2»"), {"cookies_from": ["/in/"]}),
    Case("cookies-from-none", "ours", {"/": page(f"1{include('/in/a')}2"), "/in/a": part("A", "Set-Cookie: a=1", control="Cache-Control: no-store")},
         (GET, "200 | -Set-Cookie | «1A2»")),
    Case("cookies-from-by-an-absolute-url", "ours",
         {"/": page(f"1{include('http://shop.test/in/a')}2"), "/in/a": part("A", "Set-Cookie: a=1", control="Cache-Control: no-store")},
         (GET, "200 | Set-Cookie: a=1 | «1A2»"), {"cookies_from": ["/in/"]}),
    Case("cookies-from-not-by-dots", "ours",
         {"/": page(f"1{include('/in/../out/a')}2"), "/out/a": part("A", "Set-Cookie: a=1", control="Cache-Control: no-store")},
         (GET, "200 | -Set-Cookie | «1A2»"), {"cookies_from": ["/in/"]}),
    Case("cookies-from-of-a-guest", "ours",
         {"/": page(f"1{include(f'http://{GUEST}/in/a')}2"), f"http://{GUEST}/in/a": part("A", "Set-Cookie: a=1", control="Cache-Control: no-store")},
         (GET, "200 | -Set-Cookie | «1A2»"), {"cookies_from": ["/in/"]}),
    Case("cookies-from-a-page-inside", "ours",
         {"/": page(f"1{include('/in/a')}2"), "/in/a": page(include("/in/b"), control="Cache-Control: no-store"),
          "/in/b": part("A", "Set-Cookie: b=1", control="Cache-Control: no-store")},
         (GET, "200 | Set-Cookie: b=1 | «1A2»"), {"cookies_from": ["/in/"]}),
    Case("cookies-from-a-failed-fragment", "ours",
         {"/": page(f"1{include('/in/a', 'onerror=continue')}2"), "/in/a": part("A", "Set-Cookie: a=1", status=500)},
         (GET, "200 | -Set-Cookie | «12»"), {"cookies_from": ["/in/"]}),
    Case("cookies-from-a-dropped-fragment", "ours",
         {"/": page(f"1<esi:try><esi:attempt>{include('/in/a')}{include('/b')}</esi:attempt><esi:except>no</esi:except></esi:try>2"),
          "/in/a": part("A", "Set-Cookie: a=1", control="Cache-Control: no-store"), "/b": "slow 500 | «»"},
         (GET, "200 | «1no2»"), {"cookies_from": ["/in/"]}),
    Case("cookie-of-the-page", "ours", {"/": page(f"1{include()}2", "Set-Cookie: p=1", control="Cache-Control: private"), **A},
         (GET, "200 | Set-Cookie: p=1 | Cache-Control: private, no-store | «1A2»")),
    Case("setheader", "Akamai", {"/": page(include(more="setheader='X-Own: $(HTTP_COOKIE{a})'")), **A},
         ("GET / | Cookie: a=1", "200 | «A»", "told /a | X-Own: 1")),
    Case("setheader-replaces", "Akamai", {"/": page(include(more="setheader='User-Agent: mine'")), **A},
         ("GET / | User-Agent: x", "200 | «A»", "told /a | User-Agent: mine")),
    Case("setheader-is-one-line", "ours", {"/": page(include(more="setheader='X-Own: $url_decode($(QUERY_STRING{a}))'")), **A},
         ("GET /?a=1%250d%250aX-Evil:%25202", "200 | «A»", "told /a | -X-Evil")),
    Case("setheader-may-not", "ours", {"/": page(include(more="setheader='Host: evil.test'") + include(more="setheader='Cookie: a=1'")), **A},
         (GET, "200 | «AA»", "told /a | Host: shop.test | -Cookie")),
    Case("appendheader", "Akamai", {"/": page(include(more="appendheader='X-Own: 1'")), **A}, (GET, "200 | «A»", "told /a | X-Own: 1")),
    Case("removeheader", "Akamai", {"/": page(include(more="removeheader='User-Agent'")), **A},
         ("GET / | User-Agent: x", "200 | «A»", "told /a | -User-Agent")),
    Case("method-post", "Akamai", {"/": page(include(more="method=POST entity='a=$(QUERY_STRING{q})'")), "/a": part("P")},
         ("GET /?q=1%26b", "200 | «P»", "told /a | Content-Type: application/x-www-form-urlencoded | «a=1&b»", "GET /?q=2", "200 | «P»", "asked /a 2")),
    Case("entity-without-post", "ours", {"/": page(include(more="entity='a=1'")), **A}, (GET, "200 | «A»", "told /a | -Content-Type")),
)  # fmt: skip


def fails(
    name: str, brings: Any, outcome: str = "502", *, esi: Mapping[str, Any] | None = None, wait: tuple[str, ...] = ()
) -> list[Case]:
    """What becomes of the page, by the rung that there is."""
    table = {"/b": part("B"), "/a": brings}
    rules = esi or {}
    return [
        Case(f"{name}-at-first", "ESI 1.0 §3.1", {"/": page(include()), **table}, (GET, *wait, f"{outcome} | -ETag"), rules),
        Case(f"{name}-later", "ESI 1.0 §3.1", {"/": page(f"1{include()}2"), **table}, (GET, *wait, "cut 200 | «1»"), rules),
        Case(f"{name}-onerror", "ESI 1.0 §3.1", {"/": page(f"1{include(more='onerror=continue')}2"), **table}, (GET, *wait, "200 | «12»"), rules),
        Case(f"{name}-alt", "ESI 1.0 §3.1", {"/": page(f"1{include(more='alt=/b')}2"), **table}, (GET, *wait, "200 | «1B2»"), rules),
        Case(f"{name}-body", "ours", {"/": page(f"1{include(body='own')}2"), **table}, (GET, *wait, "200 | «1own2»"), rules),
        Case(f"{name}-attempt", "ESI 1.0 §3.4",
             {"/": page(f"1<esi:try><esi:attempt>x{include()}</esi:attempt><esi:except>{include('/b')}</esi:except></esi:try>2"), **table},
             (GET, *wait, "200 | «1B2»"), rules),
        Case(f"{name}-lenient", "ours", {"/": page(f"1{include()}2"), **table}, (GET, *wait, "200 | «12»"), {**rules, "lenient": True}),
        Case(f"{name}-lenient-required", "ours", {"/": page(include(more="required=true")), **table}, (GET, *wait, outcome),
             {**rules, "lenient": True}),
        Case(f"{name}-eval", "Akamai", {"/": page("1<esi:eval src='/a' onerror='continue'/>2"), **table}, (GET, *wait, "200 | «12»"), rules),
    ]  # fmt: skip


FAILURES = (
    *fails("status-500", part("NO", status=500)),
    *fails("status-404", part("NO", status=404)),
    *fails("status-403-kept", part("NO", status=403)),
    *fails("redirect", part("NO", "Location: http://127.0.0.1/secret", status=302)),
    *fails("redirect-own", part("NO", "Location: /b", status=301)),
    *fails("refused", "refused"),
    *fails("reset", "reset"),
    *fails("timeout", "timeout"),
    *fails("breaker", "unavailable", "502"),
    *fails("truncated", "broken " + part("NO")),
    *fails("truncated-not-kept", "broken " + part("NO", control="Cache-Control: no-store")),
    *fails("too-large", part("N" * 2_000), esi={"max_fragment_bytes": 1_000}),
    *fails("too-large-not-kept", part("N" * 2_000, control="Cache-Control: no-store"), esi={"max_fragment_bytes": 1_000}),
    *fails("hangs", "hangs", "504", wait=("+5 s",)),
    *fails("hangs-in-the-middle", lambda asked: "hangs", "504", wait=("+5 s",)),
    *fails("no-host", "hangs", "504", wait=("+5 s",)),
)  # fmt: skip
FAILURES = tuple(case for case in FAILURES if not case.id.startswith(("no-host", "hangs-in-the-middle")))

LATER = (
    Case("cut-keeps-what-was-whole", "ours", {"/": page(f"1{include('/b')}2{include()}3"), "/a": part("no", status=500), "/b": part("B")},
         (GET, "cut 200")),
    Case("cut-is-not-kept", "ours", {"/": page(f"1{include()}2"), "/a": part("no", status=500, control="Cache-Control: no-store")},
         (GET, "cut 200 | «1»", A, "+5 s", GET, GOT)),
    Case("page-breaks-off", "ours", {"/": "broken " + page(f"1{include()}2"), **A}, (GET, "cut 200")),
    Case("page-breaks-off-and-is-not-kept", "ours", {"/": "broken " + page(f"1{include()}2"), **A},
         (GET, "cut 200", {"/": page(f"3{include()}4")}, GET, "200 | «3A4»")),
    Case("page-comes-slowly", "ours", {"/": "slow " + page("x" * 50 + include() + "y" * 50), **A},
         (GET, "200 | «" + "x" * 50 + "» …", "+1 s", "200 | «" + "x" * 50 + "A" + "y" * 50 + "»")),
    Case("first-octet-does-not-wait", "ours", {"/": page(f"1{include()}2"), "/a": "slow " + part("AA")}, (GET, "200 | «1» …", "+1 s", "200 | «1AA2»")),
    Case("what-stands-later-is-asked-for-at-once", "ours", {"/": page(f"1{include()}{include('/b')}"), "/a": "slow " + part("AA"), "/b": part("B")},
         (GET, "200 | «1» …", "asked /b 1", "+1 s", "200 | «1AAB»")),
    Case("fragment-is-taken-whole", "ours", {"/": page(f"1{include()}2"), "/a": "slow " + part("AA", control="Cache-Control: no-store")},
         (GET, "200 | «1» …", "+1 s", "200 | «1AA2»")),
    Case("maxwait", "Akamai", {"/": page(f"1{include(more='maxwait=100 onerror=continue')}2"), "/a": "hangs"}, (GET, "200 | «1» …", "+0.2 s", "200 | «12»")),
    Case("maxwait-with-a-unit", "Akamai", {"/": page(f"1{include(more='maxwait=1s onerror=continue')}2"), "/a": "hangs"},
         (GET, "200 | «1» …", "+0.5 s", "200 | «1» …", "+0.6 s", "200 | «12»")),
    Case("maxwait-is-no-longer-than-the-page-has", "ours", {"/": page(f"1{include(more='maxwait=60s onerror=continue')}2"), "/a": "hangs"},
         (GET, "200 | «1» …", "+2.1 s", "200 | «12»")),
    Case("alt-has-time-left", "ours", {"/": page(f"1{include(more='alt=/b')}2"), "/a": "hangs", "/b": "slow " + part("BB")},
         (GET, "200 | «1» …", "+1.1 s", "200 | «1» …", "+0.6 s", "200 | «1BB2»")),
    Case("attempt-waits-for-all-of-it", "ESI 1.0 §3.4",
         {"/": page(f"1<esi:try><esi:attempt>{include('/b')}{include()}</esi:attempt><esi:except>no</esi:except></esi:try>2"), "/a": "hangs", "/b": part("B")},
         (GET, "200 | «1» …", "+3 s", "200 | «1no2»")),
    Case("stale-stands-in", "RFC 5861 §4",
         {"/": page(f"1{include()}2"), "/a": part("A", control="Cache-Control: max-age=10, stale-if-error=600")},
         (GET, GOT, "+30 s", {"/a": part("no", status=503)}, GET, "200 | «1A2»")),
    Case("stale-before-alt", "RFC 5861 §4",
         {"/": page(f"1{include(more='alt=/b')}2"), "/a": part("A", control="Cache-Control: max-age=10, stale-if-error=600"), "/b": part("B")},
         (GET, GOT, "+30 s", {"/a": "refused"}, GET, GOT)),
    Case("stale-while-revalidate", "RFC 5861 §3",
         {"/": page(f"1{include()}2"), "/a": part("A", control="Cache-Control: max-age=10, stale-while-revalidate=600")},
         (GET, GOT, "+30 s", {"/a": part("B")}, GET, "200 | «1A2»", "asked /a 2", GET, "200 | «1B2»")),
    Case("must-revalidate", "RFC 9111 §5.2.2.2",
         {"/": page(f"1{include()}2"), "/a": part("A", control="Cache-Control: max-age=10, must-revalidate")},
         (GET, GOT, "+30 s", {"/a": "refused"}, GET, "cut 200 | «1»")),
)  # fmt: skip


def control(first: str, second: str, says: str, *more: str) -> tuple[Table, tuple[str | Table, ...]]:
    return {"/": page(f"1{include()}2", control=first), "/a": part("A", control=second)}, (
        GET,
        GOT,
        GET,
        " | ".join([f"200 | {says}", *more, "«1A2»"]),
    )


PRIVATE = "Cache-Control: private, no-store"

SAYS = (
    Case("lifetime-of-the-page", "RFC 9111 §5.2.2.1", *control("Cache-Control: max-age=60", "Cache-Control: max-age=600", "Cache-Control: max-age=60")),
    Case("lifetime-of-the-fragment", "RFC 9111 §5.2.2.1", *control("Cache-Control: max-age=600", "Cache-Control: max-age=60", "Cache-Control: max-age=60")),
    Case("lifetime-s-maxage", "RFC 9111 §5.2.2.10",
         *control("Cache-Control: max-age=60, s-maxage=300", "Cache-Control: max-age=600", "Cache-Control: max-age=60, s-maxage=300")),
    Case("lifetime-for-us-only", "RFC 9213", *control("Cache-Control: max-age=60", "CDN-Cache-Control: max-age=600", "Cache-Control: max-age=0")),
    Case("lifetime-surrogate", "Edge §2.2", {"/": part(f"1{include()}2", 'Surrogate-Control: max-age=600, content="ESI/1.0"', control=""), **A},
         (GET, GOT, GET, "200 | Cache-Control: max-age=0 | «1A2»", "asked / 1")),
    Case("lifetime-goes-down", "RFC 9111 §4.2.3", ONE_A, (GET, GOT, "+100 s", GET, "200 | Cache-Control: max-age=500 | -Age | -Expires | «1A2»")),
    Case("lifetime-expires", "RFC 9111 §5.3", *control("Expires: {+60}", "Cache-Control: max-age=600", "Cache-Control: max-age=60", "-Expires")),
    Case("lifetime-over", "RFC 9111 §4.2", {"/": page(f"1{include()}2"), "/a": part("A", control="Cache-Control: max-age=60")},
         (GET, GOT, "+100 s", {"/a": part("B")}, GET, "200 | «1B2»", "asked / 1", "asked /a 2")),
    Case("private-fragment", "RFC 9111 §5.2.2.7", *control(FRESH, "Cache-Control: private, max-age=60", PRIVATE)),
    Case("private-page", "RFC 9111 §5.2.2.7", *control("Cache-Control: private, max-age=60", FRESH, PRIVATE)),
    Case("no-store-fragment", "RFC 9111 §5.2.2.5", *control(FRESH, "Cache-Control: no-store", PRIVATE)),
    Case("no-cache-fragment", "RFC 9111 §5.2.2.4", *control(FRESH, "Cache-Control: no-cache", PRIVATE)),
    Case("must-revalidate-is-kept", "RFC 9111 §5.2.2.2", *control(FRESH, "Cache-Control: max-age=60, must-revalidate", "Cache-Control: max-age=60, must-revalidate")),
    Case("vary-on-cookie", "RFC 9110 §12.5.5",
         {"/": page(f"1{include()}2"), "/a": part("A", "Vary: Cookie")}, (GET, GOT, GET, f"200 | {PRIVATE} | -ETag | «1A2»")),
    Case("vary-union", "RFC 9110 §12.5.5", {"/": page(f"1{include()}2", "Vary: X-One"), "/a": part("A", "Vary: X-Two, Accept-Language")},
         (GET, GOT, GET, "200 | Vary: accept-language, x-one, x-two | «1A2»")),
    Case("vary-by-a-variable", "ours", {"/": page("<esi:vars>$(HTTP_ACCEPT_LANGUAGE{de})</esi:vars>")},
         ("GET / | Accept-Language: de", "200 | «true»", "GET / | Accept-Language: de", f"200 | Vary: accept-language | {FRESH} | «true»",
          "GET / | Accept-Language: en", "200 | Vary: accept-language | «false»", "asked / 1")),
    Case("vary-by-a-field-that-is-missing", "ours", {"/": page("[<esi:vars>$(HTTP_X_OWN)</esi:vars>]")},
         (GET, "200 | «[]»", GET, "200 | Vary: x-own | «[]»", "GET / | X-Own: 1", "200 | Vary: x-own | «[1]»")),
    Case("vary-by-a-computed-name", "RFC 9110 §5.1", {"/": page("[<esi:vars>$(HTTP_HEADER{$(QUERY_STRING{n})})</esi:vars>]")},
         ("GET /?n=X-One | X-One: 1", "200 | «[1]»", "GET /?n=X-One | X-One: 1", "200 | Vary: x-one | «[1]»",
          "GET /?n=a%0d%0aX-Evil:1", "200 | «[]»", "GET /?n=a%0d%0aX-Evil:1", "200 | -Vary | -X-Evil | «[]»",
          "GET /?n=%E2%82%AC", "200 | «[]»", "GET /?n=%E2%82%AC", "200 | -Vary | «[]»", "GET /?n=*", "200 | «[]»", "GET /?n=*", "200 | -Vary | «[]»")),
    Case("cookie-by-a-variable", "ours", {"/": page("[<esi:vars>$(HTTP_COOKIE{a})</esi:vars>]")},
         (GET, "200 | «[]»", GET, f"200 | {PRIVATE} | -ETag | «[]»", "GET / | Cookie: a=1", f"200 | {PRIVATE} | -ETag | «[1]»", "asked / 1")),
    Case("cookie-in-a-test", "ours",
         {"/": page("<esi:choose><esi:when test=\"$(HTTP_COOKIE{a})=='1'\">one</esi:when><esi:otherwise>none</esi:otherwise></esi:choose>")},
         ("GET / | Cookie: a=1", "200 | «one»", GET, f"200 | {PRIVATE} | «none»", "GET / | Cookie: a=1", f"200 | {PRIVATE} | «one»", "asked / 1")),
    Case("cookie-in-a-fragments-page", "ours", {"/": page(f"1{include()}2"), "/a": page("[<esi:vars>$(HTTP_COOKIE{a})</esi:vars>]")},
         ("GET / | Cookie: a=1", "200 | «1[1]2»", GET, f"200 | {PRIVATE} | «1[]2»", "GET / | Cookie: a=2", f"200 | {PRIVATE} | «1[2]2»")),
    Case("cookie-in-an-address", "ours", {"/": page(include("/a?$(HTTP_COOKIE{a})")), "/a": lambda asked: part(asked.target.decode())},
         ("GET / | Cookie: a=1", f"200 | {PRIVATE} | «/a?1»", "GET / | Cookie: a=2", f"200 | {PRIVATE} | «/a?2»", "GET / | Cookie: a=1", f"200 | {PRIVATE} | «/a?1»")),
    Case("address-by-a-variable", "ours", {"/": page("<esi:vars>$(REMOTE_ADDR)</esi:vars>")}, (GET, "200 | «192.0.2.7»", GET, f"200 | {PRIVATE} | «192.0.2.7»")),
    Case("query-is-in-the-key", "ours", {"/": page("<esi:vars>$(QUERY_STRING{a})</esi:vars>")},
         ("GET /?a=1", "200 | «1»", "GET /?a=1", f"200 | {FRESH} | -Vary | «1»", "GET /?a=2", "200 | «2»", "asked /?a=1 1")),
    Case("cookies-the-site-does-not-allow", "ours", {"/": page("[<esi:vars>$(HTTP_COOKIE{a})$(HTTP_COOKIE{b})/$(HTTP_COOKIE)</esi:vars>]")},
         ("GET / | Cookie: a=1; b=2", "200 | «[2/b=2]»"), {"cookies": ["b"]}),
    Case("etag", "RFC 9110 §8.8.3", {"/": page(f"1{include()}2", 'ETag: "page"', "Last-Modified: {-600}"), **A},
         (GET, "200 | -ETag | -Last-Modified", GET, "200 | ETag: {etag} | -Last-Modified | «1A2»")),
    Case("etag-304", "RFC 9110 §13.1.2", ONE_A, (GET, GOT, GET, "200 | ETag: {etag}", "GET / | If-None-Match: {etag}", f"304 | ETag: {{etag}} | {FRESH} | «»")),
    Case("etag-304-weak", "RFC 9110 §8.8.3.2", ONE_A, (GET, GOT, GET, "200 | ETag: {etag}", 'GET / | If-None-Match: "x", W/{etag}', "304")),
    Case("etag-of-the-template-means-nothing", "ours", {"/": page(f"1{include()}2", 'ETag: "page"'), **A},
         (GET, "200", 'GET / | If-None-Match: "page"', GOT)),
    Case("etag-changes-with-a-fragment", "ours", {"/": page(f"1{include()}2"), "/a": part("A", control="Cache-Control: max-age=60")},
         (GET, GOT, GET, "200 | ETag: {etag}", "+61 s", {"/a": part("B")}, "GET / | If-None-Match: {etag}", "200 | «1B2»")),
    Case("etag-stays-when-a-fragment-does", "ours", {"/": page(f"{include()}2"), "/a": part("A", control="Cache-Control: max-age=60")},
         (GET, "200", GET, "200 | ETag: {etag}", "+61 s", "GET / | If-None-Match: {etag}", "304")),
    Case("modified-since-means-nothing", "ours", {"/": page(f"1{include()}2", "Last-Modified: {-600}"), **A}, (GET, "200", "GET / | If-Modified-Since: {+60}", GOT)),
    Case("head", "RFC 9110 §9.3.2", ONE_A, (GET, GOT, "HEAD /", f"200 | Content-Length: 3 | {FRESH} | ETag: {{etag}} | «»", GET, "200 | ETag: {etag} | «1A2»")),
    Case("head-not-in-memory", "RFC 9110 §9.3.2", ONE_A, ("HEAD /", "200 | -Content-Length | -ETag | «»")),
    Case("range", "RFC 9110 §14.2", ONE_A, (GET, GOT, "GET / | Range: bytes=1-", "206 | Content-Range: bytes 1-2/3 | Content-Length: 2 | «A2»")),
    Case("range-if-range", "RFC 9110 §13.1.5", ONE_A,
         (GET, GOT, GET, "200 | ETag: {etag}", "GET / | Range: bytes=1- | If-Range: {etag}", "206 | «A2»", 'GET / | Range: bytes=1- | If-Range: "x"', GOT)),
    Case("range-not-satisfiable", "RFC 9110 §15.5.17", ONE_A, (GET, GOT, "GET / | Range: bytes=9-", "416 | Content-Range: bytes */3")),
    Case("range-of-a-private-page", "ours", {"/": page("<esi:vars>$(HTTP_COOKIE{a})</esi:vars>")},
         ("GET / | Cookie: a=xyz", "200", "GET / | Cookie: a=xyz | Range: bytes=1-", "200 | «xyz»")),
    Case("streams-say-nothing", "ours", ONE_A, (GET, f"200 | {PRIVATE} | -ETag | -Content-Length | -Age | «1A2»")),
    Case("missing-is-not-for-keeps", "ours", {"/": page(f"1{include(more='onerror=continue')}2"), "/a": part("no", status=500)},
         (GET, "200 | «12»", GET, f"200 | {PRIVATE} | -ETag | «12»")),
    Case("body-is-not-for-keeps", "ours", {"/": page(f"{include(body='own')}2"), "/a": part("no", status=500)}, (GET, f"200 | {PRIVATE} | -ETag | «own2»")),
    Case("dates", "RFC 9110 §6.6.1", {"/": page(f"1{include()}2"), **A}, (GET, GOT, "+30 s", GET, "200 | Date: {+0} | -Age")),
    Case("digests-of-the-template-go", "ours", {"/": page(f"1{include()}2", "Content-MD5: x", "Content-Digest: x", "Repr-Digest: x", "Accept-Ranges: bytes"), **A},
         (GET, "200 | -Content-MD5 | -Content-Digest | -Repr-Digest | -Accept-Ranges", GET, "200 | -Content-MD5 | -Content-Digest | -Repr-Digest")),
    Case("authorization", "RFC 9111 §3.5", {"/": page(f"1{include()}2", control="Cache-Control: public, max-age=600"), **A},
         ("GET / | Authorization: Basic x", GOT, "GET / | Authorization: Basic x", GOT, "asked /a 2", "asked / 1")),
)  # fmt: skip

PURGES = (
    *(Case(f"purge-{kind}-tag-of-a-fragment", "ours",
           {"/": page(f"1{include()}2", "Surrogate-Key: page"), "/a": part("A", "Surrogate-Key: part")},
           (GET, GOT, GET, GOT, GET, GOT, {"/a": part("B", "Surrogate-Key: part")}, f"purge {kind} tag part ──▶ 1", GET, "200 | «1B2»", "asked / 1", "asked /a 2",
            GET, "200 | «1B2»")) for kind in ("hard",)),
    Case("purge-soft-tag-of-a-fragment", "ours",
         {"/": page(f"1{include()}2", "Surrogate-Key: page"), "/a": part("A", "Surrogate-Key: part")},
         (GET, GOT, GET, GOT, {"/a": part("B", "Surrogate-Key: part")}, "purge soft tag part ──▶ 1", GET, "200", "asked /a 2", GET, "200 | «1B2»")),
    Case("purge-url-of-a-fragment", "ours", ONE_A, (GET, GOT, GET, GOT, {"/a": part("B")}, "purge hard url /a", GET, "200 | «1B2»", GET, "200 | «1B2»")),
    Case("purge-tag-of-the-page", "ours", {"/": page(f"1{include()}2", "Surrogate-Key: page"), **A},
         (GET, GOT, GET, GOT, {"/": page(f"3{include()}4")}, "purge hard tag page ──▶ 1", GET, "200 | «3A4»", "asked /a 1")),
    Case("purge-all", "ours", ONE_A, (GET, GOT, GET, GOT, {"/": page(f"3{include()}4"), "/a": part("B")}, "purge hard all", GET, "200 | «3B4»")),
    Case("purge-changes-the-etag", "ours", ONE_A,
         (GET, GOT, GET, "200 | ETag: {etag}", {"/a": part("B")}, "purge hard url /a", "GET / | If-None-Match: {etag}", "200 | «1B2»")),
    Case("purge-of-a-nested-fragment", "ours", {"/": page(f"1{include()}2"), "/a": page(include("/b")), "/b": part("B", "Surrogate-Key: deep")},
         (GET, "200 | «1B2»", GET, "200 | «1B2»", {"/b": part("C")}, "purge hard tag deep", GET, "200 | «1C2»", GET, "200 | «1C2»")),
    Case("purge-of-an-alt", "ours", {"/": page(f"1{include(more='alt=/b')}2"), "/a": part("no", status=404), "/b": part("B", "Surrogate-Key: b")},
         (GET, "200 | «1B2»", GET, "200 | «1B2»", {"/b": part("C")}, "purge hard tag b", GET, "200 | «1C2»")),
    Case("post-invalidates-a-fragment", "RFC 9111 §4.4", ONE_A,
         (GET, GOT, GET, GOT, "POST /a | «x»", "200", {"/a": part("B")}, GET, "200 | «1B2»")),
)  # fmt: skip

KEEPING = (
    Case("ttl", "Akamai", {"/": page(f"1{include(more='ttl=60s')}2"), "/a": part("A", control="")},
         (GET, GOT, GET, GOT, "asked /a 1", "+61 s", GET, GOT, "asked /a 1")),
    Case("ttl-is-shorter", "Akamai", {"/": page(f"1{include(more='ttl=10s')}2"), **A}, (GET, GOT, "+11 s", GET, GOT, "asked /a 2")),
    Case("ttl-does-not-keep-what-is-private", "ours", {"/": page(f"1{include(more='ttl=1h')}2"), "/a": part("A", control="Cache-Control: private")},
         (GET, GOT, GET, GOT, "asked /a 2")),
    Case("ttl-does-not-keep-what-must-not-be", "ours", {"/": page(f"1{include(more='ttl=1h')}2"), "/a": part("A", control="Cache-Control: no-store")},
         (GET, GOT, GET, GOT, "asked /a 2")),
    Case("ttl-does-not-keep-what-sets-cookies", "ours", {"/": page(f"1{include(more='ttl=1h')}2"), "/a": part("A", "Set-Cookie: a=1", control="")},
         (GET, GOT, GET, GOT, "asked /a 2")),
    Case("ttl-does-not-keep-what-a-targeted-field-forbids", "ours",
         {"/": page(f"1{include(more='ttl=1h')}2"), "/a": part("A", "CDN-Cache-Control: no-store")}, (GET, GOT, GET, GOT, "asked /a 2")),
    Case("ttl-with-a-visitors-cookie", "ours", {"/": page(f"1{include(more='ttl=1h')}2"), "/a": lambda asked: part(cookie_of(asked), control="")},
         ("GET / | Cookie: a=1", "200 | «1a=12»", "GET / | Cookie: a=2", "200 | «1a=22»")),
    Case("no-store", "Akamai", {"/": page(f"1{include(more='no-store=on')}2"), **A}, (GET, GOT, GET, f"200 | {PRIVATE} | «1A2»", "asked /a 2")),
    Case("no-store-keeps-nothing", "Akamai", {"/": page(f"1{include(more='no-store=on')}2"), **A}, (GET, GOT, "GET /a", "200 | «A»", "asked /a 2")),
    Case("one-fetch-for-one-address", "ours", {"/": page(include() * 3), **A}, (GET, "200 | «AAA»", "asked /a 1")),
    Case("a-fragment-a-visitor-asked-for-is-there", "ours", ONE_A, ("GET /a", "200 | «A»", GET, GOT, "asked /a 1")),
)  # fmt: skip


def cookie_of(asked: OriginRequest) -> str:
    return next((value.decode("latin-1") for name, value in asked.fields if name == b"cookie"), "-")


def personal(*fields: str, control: str) -> Any:
    return lambda asked: part(f"[{cookie_of(asked)}]", *fields, control=control)


VISITORS = ("GET / | Cookie: id=anna", "200 | «1[id=anna]2»", "GET / | Cookie: id=ben", "200 | «1[id=ben]2»")
NOBODY = (GET, "200 | «1[-]2»")

PERSONAL = (
    *(Case(f"personal-{name}", "ours", {"/": page(f"1{include()}2"), "/a": personal(*fields, control=control)}, (*VISITORS, *NOBODY, *VISITORS, *NOBODY))
      for name, control, fields in (
          ("private", "Cache-Control: private, max-age=60", ()), ("no-store", "Cache-Control: no-store", ()), ("unsaid", "", ()),
          ("no-cache", "Cache-Control: no-cache", ()), ("vary", FRESH, ("Vary: Cookie",)),           ("vary-star", FRESH, ("Vary: *",)))),
    Case("personal-nested", "ours", {"/": page(f"1{include('/n')}2"), "/n": page(include()), "/a": personal(control="Cache-Control: private")},
         (*VISITORS, *NOBODY, *VISITORS)),
    Case("personal-by-dca", "ours", {"/": page(f"1{include(more='dca=esi')}2"), "/a": personal(control="Cache-Control: private")}, (*VISITORS, *NOBODY, *VISITORS)),
    Case("personal-page", "ours", {"/": personal(ESI, control="Cache-Control: private")},
         ("GET / | Cookie: id=anna", "200 | «[id=anna]»", "GET / | Cookie: id=ben", "200 | «[id=ben]»")),
    Case("personal-eval", "ours", {"/": page("1<esi:eval src='/a'/>2"), "/a": personal(control="Cache-Control: private")}, (*VISITORS, *NOBODY, *VISITORS)),
    Case("personal-in-alt", "ours", {"/": page(f"1{include('/no', 'alt=/a')}2"), "/a": personal("Vary: Cookie", control=FRESH)}, (*VISITORS, *NOBODY, *VISITORS)),
    Case("personal-beside-public", "ours", {"/": page(f"1{include()}2{include('/b')}"), "/a": personal("Vary: Cookie", control=FRESH), "/b": part("B")},
         ("GET / | Cookie: id=anna", "200 | «1[id=anna]2B»", "GET / | Cookie: id=ben", f"200 | {PRIVATE} | «1[id=ben]2B»", GET, f"200 | {PRIVATE} | «1[-]2B»",
          "GET / | Cookie: id=anna", f"200 | {PRIVATE} | «1[id=anna]2B»", "asked /b 1", "asked / 1", "asked /a 3")),
    Case("personal-cut-off", "ours", {"/": page(f"1{include()}2"), "/a": lambda asked: "broken " + personal("Vary: Cookie", control=FRESH)(asked)},
         ("GET / | Cookie: id=anna", "cut 200 | «1»", "GET / | Cookie: id=ben", "cut 200 | «1»")),
    Case("personal-304", "ours", {"/": page(f"{include()}2"), "/a": personal("Vary: Cookie", 'ETag: "same"', control=FRESH)},
         ('GET / | Cookie: id=anna | If-None-Match: "same"', "200 | -ETag | «[id=anna]2»", 'GET / | Cookie: id=ben | If-None-Match: "same"', "200 | -ETag | «[id=ben]2»")),
    Case("authorization-of-a-visitor", "RFC 9111 §3.5",
         {"/": page(f"1{include()}2", control="Cache-Control: public, max-age=600"),
          "/a": lambda asked: part("secret" if any(name == b"authorization" for name, _ in asked.fields) else "open")},
         ("GET / | Authorization: Basic x", "200 | «1secret2»", GET, "200 | «1open2»", "GET / | Authorization: Basic x", "200 | «1secret2»", GET, "200 | «1open2»")),
)  # fmt: skip

EVIL = "%3Cesi:include%20src=%22/b%22/%3E%22'%3C/script%3E"
ECHO = "<esi:vars>$(QUERY_STRING{q})</esi:vars>"

ESCAPED = (
    Case("escaped-in-html", "ours", {"/": page(f"<p title='{ECHO}'>")},
         (f"GET /?q={EVIL}", "200 | «<p title='&lt;esi:include src=&quot;/b&quot;/&gt;&quot;&#39;&lt;/script&gt;'>»", "asked /b 0")),
    Case("escaped-in-a-script", "ours", {"/": page(f"<script>a='{ECHO}'</script>")},
         (f"GET /?q={EVIL}", r"200 | «<script>a='\x3cesi\x3ainclude src\x3d\x22\x2fb\x22\x2f\x3e\x22\x27\x3c\x2fscript\x3e'</script>»")),
    Case("escaped-in-json", "ours", {"/": page(f'{{"a": "{ECHO}"}}', kind="application/json")},
         (f"GET /?q={EVIL}", '200 | «{"a": "' + r"\u003cesi:include src=\u0022/b\u0022/\u003e\u0022'\u003c/script\u003e" + '"}»')),
    Case("escaped-in-javascript", "ours", {"/": page(f"a='{ECHO}'", kind="text/javascript")}, ("GET /?q='%3C", r"200 | «a='\x27\x3c'»")),
    Case("escaped-in-xml", "ours", {"/": page(f"<x>{ECHO}</x>", kind="application/rss+xml")}, ("GET /?q=%3C%26", "200 | «<x>&lt;&amp;</x>»"),
         {"types": ["application/rss+xml"]}),
    Case("escaped-in-an-address", "ours", {"/": page(include("/a?x=$(QUERY_STRING{q})")), "/a?x=1%262%2F3": part("A")}, ("GET /?q=1%262/3", "200 | «A»")),
    Case("escaped-in-a-path", "ours", {"/": page(include("/a/$(QUERY_STRING{q})", "onerror=continue")), "/b": part("B")},
         ("GET /?q=../b", "200 | «»", "asked /b 0", "asked /a/..%2Fb 0", "GET /?q=..b", "200 | «»", "asked /a/..b 1")),
    Case("escaped-in-a-path-of-dots", "ours", {"/x/": page(include("/x/y/$(QUERY_STRING{q})/c", "onerror=continue")), "/x/c": part("C")},
         ("GET /x/?q=..", "200 | «»", "asked /x/c 0")),
    Case("escaped-on-a-cold-page", "ours", {"/": "slow " + page(f"<p>{ECHO}</p>{'x' * 50}")}, (f"GET /?q={EVIL}", "200 …", "+1 s", "200", "asked /b 0")),
    *(Case(f"no-markup-by-a-{name}", "ours", {place: page(f"1<esi:vars>$({variable})</esi:vars>2")},
           (asks, f"200 | «1{before}&lt;esi:vars&gt;x&lt;/esi:vars&gt;2»", asks, f"200 | «1{before}&lt;esi:vars&gt;x&lt;/esi:vars&gt;2»"))
      for name, variable, asks, place, before in (
          ("query", "QUERY_STRING", "GET /?<esi:vars>x</esi:vars>", "/", ""), ("cookie", "HTTP_COOKIE{a}", "GET / | Cookie: a=<esi:vars>x</esi:vars>", "/", ""),
          ("field", "HTTP_X_OWN", "GET / | X-Own: <esi:vars>x</esi:vars>", "/", ""),
          ("path", "REQUEST_PATH", "GET /<esi:vars>x</esi:vars>", "/<esi:vars>x</esi:vars>", "/"))),
    Case("no-markup-by-a-fragment", "ours", {"/": page(f"1{include()}2"), "/a": part(include("/b"))}, (GET, "200", "asked /b 0", GET, "200", "asked /b 0")),
    Case("no-markup-by-two-halves", "ours", {"/": page(f"<esi:vars>$(QUERY_STRING{{q}})</esi:vars>{include('/a')}"), "/a": part(":include src='/b'/>")},
         ("GET /?q=%3Cesi", "200 | «&lt;esi:include src='/b'/>»", "asked /b 0")),
    Case("markup-by-eval-is-meant", "Akamai", {"/": page("1<esi:eval src='/a'/>2"), "/a": part(include("/b")), "/b": part("B")}, (GET, "200 | «1B2»")),
    Case("eval-escapes-too", "ours", {"/": page("<esi:eval src='/a'/>"), "/a": part(ECHO)}, ("GET /?q=%3C", "200 | «&lt;»")),
    Case("eval-of-a-page-that-echoes", "ours", {"/": page("<esi:eval src='/a?$(QUERY_STRING)'/>"), "/a": page(ECHO), "/b": part("B")},
         (f"GET /?q={EVIL}", "200", "asked /b 0")),
)  # fmt: skip

CASES = (*WHEN, *CODED, *NESTED, *HOSTS, *FIELDS, *FAILURES, *LATER, *SAYS, *PURGES, *KEEPING, *PERSONAL, *ESCAPED)
