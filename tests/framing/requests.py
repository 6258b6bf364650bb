"""Requests that must be refused. Each is data: id, section, the octets, and what comes of it.

status    what the answer may be; () when the connection may only be closed
reaches   whether the head may have reached the origin before the fault showed itself; it is then never complete there
eof       the client closes its sending side after the last octet

In every case the connection is closed, and no request for `/hidden` ever reaches the origin.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["HOST", "MALFORMED", "Malformed"]

_BAD = frozenset({400})


@dataclass(frozen=True)
class Malformed:
    id: str
    section: str
    sent: bytes
    status: frozenset[int] = _BAD
    reaches: bool = False
    eof: bool = False


HOST = b"Host: framing.test\r\n"
GET = b"GET /seen HTTP/1.1\r\n" + HOST
POST = b"POST /seen HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
END = b"\r\n"
HIDDEN = b"GET /hidden HTTP/1.1\r\n" + HOST + b"\r\n"
EMPTY_CHUNKED = b"0\r\n\r\n"


def _line(request_line: bytes, fields: bytes = HOST) -> bytes:
    return request_line + END + fields + END


def _statuses(*found: int) -> frozenset[int]:
    return frozenset(found)


def _length(name: str, *lines: bytes) -> Malformed:
    """With a wrong length, all of the rest is a request for somebody else."""
    fields = b"".join(line + END for line in lines)
    return Malformed(f"length-{name}", "RFC 9112 §6.3", POST + fields + END + b"hello" + HIDDEN)


def _coding(name: str, *lines: bytes, version: bytes = b"HTTP/1.1") -> Malformed:
    fields = b"".join(line + END for line in lines)
    sent = b"POST /seen " + version + END + HOST + fields + END + EMPTY_CHUNKED + HIDDEN
    return Malformed(f"coding-{name}", "RFC 9112 §6.1", sent, _statuses(400, 501))


def _field(name: str, line: bytes, section: str = "RFC 9112 §5.1") -> Malformed:
    return Malformed(f"field-{name}", section, GET + line + END + HIDDEN)


def _host(name: str, *fields: bytes) -> Malformed:
    return Malformed(f"host-{name}", "RFC 9112 §3.2", _line(b"GET /seen HTTP/1.1", b"".join(one + END for one in fields)))


def _target(name: str, target: bytes, section: str = "RFC 9112 §3.2", method: bytes = b"GET", *statuses: int) -> Malformed:
    return Malformed(f"target-{name}", section, _line(method + b" " + target + b" HTTP/1.1"), _statuses(*(statuses or (400,))))


def _version(name: str, version: bytes, *statuses: int) -> Malformed:
    return Malformed(f"version-{name}", "RFC 9112 §2.3", _line(b"GET /seen " + version), _statuses(*(statuses or (400, 505))))


def _chunk(name: str, content: bytes, *statuses: int) -> Malformed:
    return Malformed(f"chunk-{name}", "RFC 9112 §7.1", CHUNKED + content + HIDDEN, _statuses(*(statuses or (400,))), reaches=True)


def _cut(name: str, sent: bytes, *, reaches: bool = False) -> Malformed:
    return Malformed(f"cut-{name}", "RFC 9112 §8", sent, _statuses(400, 408), reaches=reaches, eof=True)


MALFORMED = [
    # ── Content-Length ───────────────────────────────────────────────────────────────────────────────────────────────────────────
    _length("two-that-differ", b"Content-Length: 5", b"Content-Length: 6"),
    _length(
        "two-that-agree", b"Content-Length: 5", b"Content-Length: 5"
    ),  # may be joined (§6.3 item 5); refusing is the stricter choice
    _length("list-that-differs", b"Content-Length: 5, 6"),
    _length("list-that-agrees", b"Content-Length: 5, 5"),
    _length("list-with-hole", b"Content-Length: 5,"),
    _length("plus", b"Content-Length: +5"),
    _length("minus", b"Content-Length: -5"),
    _length("hex", b"Content-Length: 0x5"),
    _length("word", b"Content-Length: five"),
    _length("empty", b"Content-Length:"),
    _length("blank-inside", b"Content-Length: 5 5"),
    _length("underscore", b"Content-Length: 5_0"),
    _length("fraction", b"Content-Length: 5.0"),
    _length("exponent", b"Content-Length: 5e0"),
    _length("semicolon", b"Content-Length: 5;"),
    _length("arabic-digit", "Content-Length: ٥".encode()),
    _length("fullwidth-digit", "Content-Length: ５".encode()),
    _length("vertical-tab", b"Content-Length: \x0b5"),
    _length("overflow-64", b"Content-Length: 18446744073709551621"),  # 2^64 + 5
    _length("forty-digits", b"Content-Length: " + b"9" * 40),
    _length("with-chunked", b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    _length("after-chunked", b"Transfer-Encoding: chunked", b"Content-Length: 5"),
    _length("zero-with-chunked", b"Content-Length: 0", b"Transfer-Encoding: chunked"),
    _length("on-get-minus", b"Content-Length: -1"),
    # ── Transfer-Encoding ────────────────────────────────────────────────────────────────────────────────────────────────────────
    _coding("gzip", b"Transfer-Encoding: gzip"),
    _coding("identity", b"Transfer-Encoding: identity"),
    _coding("xchunked", b"Transfer-Encoding: xchunked"),
    _coding("chunkedx", b"Transfer-Encoding: chunkedx"),
    _coding("chunked-twice", b"Transfer-Encoding: chunked, chunked"),
    _coding("chunked-on-two-lines", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    _coding("identity-then-chunked", b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked"),
    _coding("chunked-then-identity", b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"),
    _coding("chunked-not-last", b"Transfer-Encoding: chunked, gzip"),
    _coding("gzip-chunked", b"Transfer-Encoding: gzip, chunked"),
    _coding("quoted", b'Transfer-Encoding: "chunked"'),
    _coding("parameter", b"Transfer-Encoding: chunked;x=y"),
    _coding("empty", b"Transfer-Encoding:"),
    _coding("comma-first", b"Transfer-Encoding: ,chunked"),
    _coding("comma-last", b"Transfer-Encoding: chunked,"),
    _coding("vertical-tab-before", b"Transfer-Encoding: \x0bchunked"),
    _coding("vertical-tab-after", b"Transfer-Encoding: chunked\x0b"),
    _coding("nul-after", b"Transfer-Encoding: chunked\0"),
    _coding(
        "long-s", "Transfer-Encoding: chunKed".replace("K", "\u212a").encode()
    ),  # KELVIN SIGN, a k to those who lower-case too far
    _coding("blank-before-colon", b"Transfer-Encoding : chunked"),
    _coding("tab-before-colon", b"Transfer-Encoding\t: chunked"),
    _coding("folded", b"Transfer-Encoding:\r\n chunked"),
    _coding("behind-a-fold", b"X-A: b\r\n Transfer-Encoding: chunked"),
    _coding("behind-a-bare-cr", b"X-A: b\rTransfer-Encoding: chunked"),
    _coding("behind-a-bare-lf", b"X-A: b\nTransfer-Encoding: chunked"),
    _coding("in-http-1.0", b"Transfer-Encoding: chunked", version=b"HTTP/1.0"),
    _coding("in-http-1.0-kept-alive", b"Transfer-Encoding: chunked", b"Connection: keep-alive", version=b"HTTP/1.0"),
    _coding("in-http-1.0-with-length", b"Transfer-Encoding: chunked", b"Content-Length: 5", version=b"HTTP/1.0"),
    # ── Field lines ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
    _field("folded", b"X-A: one\r\n two\r\n", "RFC 9112 §5.2"),
    _field("folded-with-tab", b"X-A: one\r\n\ttwo\r\n", "RFC 9112 §5.2"),
    _field("folded-empty", b"X-A: one\r\n \r\n", "RFC 9112 §5.2"),
    _field("bare-cr-in-value", b"X-A: one\rX-B: two\r\n", "RFC 9112 §2.2"),
    _field("bare-cr-last-in-value", b"X-A: one\r\r\n", "RFC 9112 §2.2"),
    _field("bare-lf", b"X-A: one\nX-B: two\r\n", "RFC 9112 §2.2"),
    _field("nul-in-name", b"X-\0A: one\r\n"),
    _field("nul-in-value", b"X-A: o\0ne\r\n", "RFC 9110 §5.5"),
    _field("bell-in-value", b"X-A: o\x07ne\r\n", "RFC 9110 §5.5"),
    _field("vertical-tab-in-value", b"X-A: o\x0bne\r\n", "RFC 9110 §5.5"),
    _field("form-feed-in-value", b"X-A: o\x0cne\r\n", "RFC 9110 §5.5"),
    _field("escape-in-value", b"X-A: o\x1bne\r\n", "RFC 9110 §5.5"),
    _field("delete-in-value", b"X-A: o\x7fne\r\n", "RFC 9110 §5.5"),
    _field("control-in-name", b"X-\x01A: one\r\n"),
    _field("blank-in-name", b"X A: one\r\n"),
    _field("blank-before-colon", b"X-A : one\r\n"),
    _field("tab-before-colon", b"X-A\t: one\r\n"),
    _field("empty-name", b": one\r\n"),
    _field("no-colon", b"X-A\r\n"),
    _field("only-a-colon", b":\r\n"),
    _field("quote-in-name", b'X"A: one\r\n'),
    _field("parenthesis-in-name", b"X(A): one\r\n"),
    _field("comma-in-name", b"X,A: one\r\n"),
    _field("brace-in-name", b"X{A}: one\r\n"),
    _field("slash-in-name", b"X/A: one\r\n"),
    _field("at-in-name", b"X@A: one\r\n"),
    _field("8-bit-name", "X-Ä: one\r\n".encode()),
    Malformed("field-blank-before-first", "RFC 9112 §2.2", b"GET /seen HTTP/1.1\r\n " + HOST + b"\r\n" + HIDDEN),
    Malformed("field-blank-line-then-more", "RFC 9112 §2.2", b"GET /seen HTTP/1.1\r\n \r\n" + HOST + b"\r\n"),
    Malformed("field-all-bare-lf", "RFC 9112 §2.2", (GET + END).replace(b"\r", b"")),
    Malformed("field-all-bare-cr", "RFC 9112 §2.2", (GET + END).replace(b"\n", b"")),
    Malformed("field-empty-line-bare-lf", "RFC 9112 §2.2", GET + b"\n" + HIDDEN),
    Malformed("field-empty-line-cr-x", "RFC 9112 §2.2", GET + b"\rX" + HIDDEN),
    # ── Host ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
    _host("none"),
    _host("two", b"Host: framing.test", b"Host: framing.test"),
    _host("two-that-differ", b"Host: framing.test", b"host: other.test"),
    _host("list", b"Host: framing.test, other.test"),
    _host("empty", b"Host:"),
    _host("user", b"Host: user@framing.test"),
    _host("blank", b"Host: framing test"),
    _host("port-word", b"Host: framing.test:http"),
    _host("port-too-high", b"Host: framing.test:65536"),
    _host("port-twice", b"Host: framing.test:80:80"),
    _host("port-only", b"Host: :80"),
    _host("path", b"Host: framing.test/x"),
    _host("query", b"Host: framing.test?x"),
    _host("fragment", b"Host: framing.test#x"),
    _host("url", b"Host: http://framing.test"),
    _host("quoted", b'Host: "framing.test"'),
    _host("backslash", b"Host: framing.test\\x"),
    _host("markup", b"Host: <b>.test"),
    _host("8-bit", "Host: främing.test".encode()),
    _host("bracket-open", b"Host: [::1"),
    _host("bracket-word", b"Host: [framing]"),
    _host("blank-before-colon", b"Host : framing.test"),
    # ── Request line ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
    _target("fragment", b"/seen#part"),
    _target("8-bit", "/seen-ä".encode()),
    _target("blank", b"/seen /more"),
    _target("nul", b"/seen\0"),
    _target("control", b"/seen\x01"),
    _target("delete", b"/seen\x7f"),
    _target("tab", b"/seen\tmore"),
    _target("bare-cr", b"/seen\rmore"),
    _target("relative", b"seen"),
    _target("empty", b""),
    _target("asterisk-for-get", b"*", "RFC 9112 §3.2.4"),
    _target("authority", b"framing.test:80", "RFC 9112 §3.2.3"),
    _target("connect", b"framing.test:80", "RFC 9112 §3.2.3", b"CONNECT", 400, 405, 501),
    _target("connect-path", b"/seen", "RFC 9112 §3.2.3", b"CONNECT", 400, 405, 501),
    _target("absolute-ftp", b"ftp://framing.test/seen", "RFC 9112 §3.2.2"),
    _target("absolute-user", b"http://user@framing.test/seen", "RFC 9112 §3.2.2"),
    _target("absolute-no-host", b"http:///seen", "RFC 9112 §3.2.2"),
    _target("absolute-bad-port", b"http://framing.test:x/seen", "RFC 9112 §3.2.2"),
    _target("absolute-fragment", b"http://framing.test/seen#part", "RFC 9112 §3.2.2"),
    Malformed("target-absolute-without-host-field", "RFC 9112 §3.2", b"GET http://framing.test/seen HTTP/1.1\r\n\r\n"),
    Malformed("target-absolute-bad-host-field", "RFC 9112 §3.2", b"GET http://framing.test/seen HTTP/1.1\r\nHost: a@b\r\n\r\n"),
    _version("0.9-with-fields", b"HTTP/0.9"),
    _version("1.2", b"HTTP/1.2"),  # §2.5 of RFC 9110 would read it as 1.1; llhttp can't, and nobody sends it
    _version("2.0", b"HTTP/2.0", 505),
    _version("3.0", b"HTTP/3.0", 505),
    _version("lower-case", b"http/1.1"),
    _version("two-digits", b"HTTP/1.10"),
    _version("leading-zero", b"HTTP/01.1"),
    _version("no-minor", b"HTTP/1"),
    _version("no-dot", b"HTTP/11"),
    _version("comma", b"HTTP/1,1"),
    _version("blank-inside", b"HTTP/ 1.1"),
    _version("blank-after", b"HTTP/1.1 "),
    _version("none", b"HTTP"),
    _version("another-protocol", b"FTP/1.1"),
    _version("rtsp-method", b"ICE/1.0"),
    Malformed("method-lower-case", "RFC 9110 §9.1", _line(b"get /seen HTTP/1.1"), _statuses(400, 501)),
    Malformed("method-unknown", "RFC 9110 §9.1", _line(b"WEAVE /seen HTTP/1.1"), _statuses(501)),
    Malformed("method-of-rtsp", "RFC 9110 §9.1", _line(b"DESCRIBE /seen RTSP/1.0"), _statuses(400, 501)),
    Malformed("method-of-icecast", "RFC 9110 §9.1", _line(b"SOURCE /seen ICE/1.0"), _statuses(400, 501)),
    Malformed("method-no-token", "RFC 9110 §9.1", _line(b"G(T /seen HTTP/1.1"), _statuses(400, 501)),
    Malformed("method-nul", "RFC 9110 §9.1", _line(b"G\0T /seen HTTP/1.1"), _statuses(400, 501)),
    Malformed("method-blank-before", "RFC 9112 §3", _line(b" GET /seen HTTP/1.1"), _statuses(400, 501)),
    Malformed("method-tab-after", "RFC 9112 §3", _line(b"GET\t/seen HTTP/1.1"), _statuses(400, 501)),
    Malformed("method-alone", "RFC 9112 §3", _line(b"GET"), _statuses(400, 501)),
    # ── Not HTTP/1 ───────────────────────────────────────────────────────────────────────────────────────────────────────────────
    Malformed("other-http-0.9", "RFC 9112 §2.3", b"GET /seen\r\n" + HOST + END, _statuses(400, 505)),
    Malformed("other-http2-preface", "RFC 9113 §3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", _statuses(400, 501, 505)),
    Malformed("other-http2-frame", "RFC 9113 §4.1", b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18)),
    Malformed("other-tls-hello", "RFC 8446 §4.1.2", bytes.fromhex("1603010200010001fc0303") + bytes(range(200))),
    Malformed("other-ssl2-hello", "RFC 9112 §3", bytes.fromhex("802e0100020015000000100100800200800600400400800700c0")),
    Malformed("other-response", "RFC 9112 §3", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", _statuses(400, 501)),
    Malformed("other-socks5", "RFC 1928 §3", b"\x05\x01\x00"),
    Malformed("other-all-octets", "RFC 9112 §3", bytes(range(256)) * 4),
    Malformed("other-high-octets", "RFC 9112 §3", bytes(range(128, 256)) * 8),
    Malformed("other-proxy-protocol", "RFC 9112 §3", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + GET + END, _statuses(400, 501)),
    # ── Chunks ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────
    _chunk("size-word", b"xyz\r\nhello\r\n0\r\n\r\n"),
    _chunk("size-empty", b"\r\nhello\r\n0\r\n\r\n"),
    _chunk("size-0x", b"0x5\r\nhello\r\n0\r\n\r\n"),
    _chunk("size-plus", b"+5\r\nhello\r\n0\r\n\r\n"),
    _chunk("size-minus", b"-5\r\nhello\r\n0\r\n\r\n"),
    _chunk("size-underscore", b"0_5\r\nhello\r\n0\r\n\r\n"),
    _chunk("size-blank-before", b" 5\r\nhello\r\n0\r\n\r\n"),
    _chunk("size-blank-after", b"5 \r\nhello\r\n0\r\n\r\n"),
    _chunk("size-comma", b"5,5\r\nhello\r\n0\r\n\r\n"),
    _chunk("size-17-digits", b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    _chunk("size-bare-lf", b"5\nhello\r\n0\r\n\r\n"),
    _chunk("size-bare-cr", b"5\rhello\r\n0\r\n\r\n"),
    _chunk("size-nul", b"5\0\r\nhello\r\n0\r\n\r\n"),
    _chunk("all-bare-lf", b"5\nhello\n0\n\n"),
    _chunk("extension-nul", b"5;a\0b\r\nhello\r\n0\r\n\r\n"),
    _chunk("extension-bare-cr", b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    _chunk("extension-bare-lf", b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
    _chunk("extension-1-mb", b"5;" + b"a" * (1 << 20) + b"\r\nhello\r\n0\r\n\r\n", 400, 413, 431),
    _chunk("extensions-1-mb-together", (b"1;" + b"a" * 1000 + b"\r\nx\r\n") * 1000 + b"0\r\n\r\n", 400, 413, 431),
    _chunk("data-too-long", b"5\r\nhello!\r\n0\r\n\r\n"),
    _chunk("data-without-crlf", b"5\r\nhello0\r\n\r\n"),
    _chunk("data-then-xx", b"5\r\nhelloXX0\r\n\r\n"),
    _chunk("data-then-bare-lf", b"5\r\nhello\n0\r\n\r\n"),
    _chunk("data-then-bare-cr", b"5\r\nhello\r0\r\n\r\n"),
    _chunk("last-bare-lf", b"5\r\nhello\r\n0\n\n"),
    _chunk("end-bare-lf", b"5\r\nhello\r\n0\r\n\n"),
    _chunk("trailer-folded", b"0\r\nX-A: one\r\n two\r\n\r\n"),
    _chunk("trailer-bare-lf", b"0\r\nX-A: one\n\r\n"),
    _chunk("trailer-nul", b"0\r\nX-A: o\0ne\r\n\r\n"),
    _chunk("trailer-blank-before-colon", b"0\r\nX-A : one\r\n\r\n"),
    _chunk("trailer-no-colon", b"0\r\nX-A\r\n\r\n"),
    _chunk("trailer-content-length", b"0\r\nContent-Length: 5\r\n\r\n"),
    _chunk("trailer-transfer-encoding", b"0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    _chunk("trailers-2-mb", b"0\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 1000) for n in range(2000)) + END, 400, 413, 431),
    _chunk("trailer-2-mb", b"0\r\nX-A: " + b"a" * (2 << 20) + b"\r\n\r\n", 400, 413, 431),
    _chunk("trailers-many", b"0\r\n" + b"A: b\r\n" * 5000 + END, 400, 413, 431),
    # ── Limits ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────
    Malformed("limit-target-20-kb", "RFC 9110 §15.5.15", _line(b"GET /seen?" + b"a" * 20_000 + b" HTTP/1.1"), _statuses(414)),
    Malformed(
        "limit-target-128-kb", "RFC 9110 §15.5.15", _line(b"GET /seen?" + b"a" * 131_072 + b" HTTP/1.1"), _statuses(414, 431)
    ),
    Malformed("limit-target-endless", "RFC 9110 §15.5.15", b"GET /seen?" + b"a" * (4 << 20), _statuses(414)),
    Malformed("limit-field-64-kb", "RFC 6585 §5", GET + b"X-A: " + b"a" * 65_536 + END + END, _statuses(431)),
    Malformed("limit-field-256-kb", "RFC 6585 §5", GET + b"X-A: " + b"a" * 262_144 + END + END, _statuses(431)),
    Malformed("limit-field-endless", "RFC 6585 §5", GET + b"X-A: " + b"a" * (4 << 20), _statuses(431)),
    Malformed("limit-name-endless", "RFC 6585 §5", GET + b"X" * (4 << 20), _statuses(431)),
    Malformed("limit-fields-endless", "RFC 6585 §5", GET + b"X-Aaaaaaaa: bbbbbbbbbbbbbbbb\r\n" * 100_000, _statuses(431)),
    Malformed("limit-fields-5000", "RFC 6585 §5", GET + b"".join(b"X-%d: a\r\n" % n for n in range(5000)) + END, _statuses(431)),
    Malformed(
        "limit-fields-200-short", "RFC 6585 §5", GET + b"".join(b"X-%d: a\r\n" % n for n in range(200)) + END, _statuses(431)
    ),
    Malformed("limit-cookie-bomb", "RFC 6585 §5", GET + b"Cookie: a=" + b"b" * 65_536 + END + END, _statuses(431)),
    Malformed("limit-empty-lines-endless", "RFC 9112 §2.2", b"\r\n" * 100_000, _statuses(400, 408, 414, 431)),
    Malformed("limit-method-endless", "RFC 9112 §3", b"G" * 100_000, _statuses(400, 501)),
    # ── Expect ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────
    Malformed("expect-other", "RFC 9110 §10.1.1", POST + b"Content-Length: 5\r\nExpect: 200-ok\r\n\r\nhello", _statuses(417)),
    Malformed(
        "expect-two", "RFC 9110 §10.1.1", POST + b"Content-Length: 5\r\nExpect: 100-continue, x\r\n\r\nhello", _statuses(417)
    ),
    Malformed("expect-on-get", "RFC 9110 §10.1.1", GET + b"Expect: something\r\n\r\n", _statuses(417)),
    # ── Smuggling: what one reader takes for content, another takes for a request. RFC 9112 §11.2 ────────────────────────────────
    Malformed(
        "smuggle-cl-te", "RFC 9112 §11.2", POST + b"Content-Length: 44\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN
    ),
    Malformed(
        "smuggle-te-cl",
        "RFC 9112 §11.2",
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n2c\r\n" + HIDDEN + b"\r\n0\r\n\r\n",
    ),
    Malformed(
        "smuggle-te-te",
        "RFC 9112 §11.2",
        POST + b"Transfer-Encoding: chunked\r\nTransfer-encoding: cow\r\n\r\n0\r\n\r\n" + HIDDEN,
        _statuses(400, 501),
    ),
    Malformed("smuggle-cl-zero-body", "RFC 9112 §11.2", GET + b"Content-Length: 0, 44\r\n\r\n" + HIDDEN),
    Malformed("smuggle-chunk-length-tricks", "RFC 9112 §11.2", CHUNKED + b"5;\n\r\nhello\r\n0\r\n\r\n" + HIDDEN, reaches=True),
    Malformed("smuggle-space-before-field", "RFC 9112 §11.2", POST + b" Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN),
    Malformed("smuggle-host-in-line", "RFC 9112 §11.2", _line(b"GET /seen HTTP/1.1\r\nX: y\nHost: other.test")),
    # ── The end before the end ───────────────────────────────────────────────────────────────────────────────────────────────────
    _cut("in-the-request-line", b"GET /seen HT"),
    _cut("after-the-request-line", b"GET /seen HTTP/1.1\r\n"),
    _cut("in-the-fields", GET + b"X-A: b"),
    _cut("before-the-empty-line", GET),
    _cut("before-the-content", POST + b"Content-Length: 5\r\n\r\n", reaches=True),
    _cut("in-the-content", POST + b"Content-Length: 5\r\n\r\nhel", reaches=True),
    _cut("before-a-chunk", CHUNKED, reaches=True),
    _cut("in-a-chunk", CHUNKED + b"5\r\nhel", reaches=True),
    _cut("after-a-chunk", CHUNKED + b"5\r\nhello\r\n", reaches=True),
    _cut("after-the-last-chunk", CHUNKED + b"5\r\nhello\r\n0\r\n", reaches=True),
    _cut("in-the-trailers", CHUNKED + b"5\r\nhello\r\n0\r\nX-A: b\r\n", reaches=True),
]
