"""Responses that are wrong, and ones that look odd but are right. Each is data: id, what the origin sends, what comes of it.

The parser tests feed them whole, byte by byte and cut at every position; the exchange tests send them through a socket.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.errors import UpstreamError, UpstreamMalformed, UpstreamReset, UpstreamTruncated


@dataclass(frozen=True)
class Bad:
    id: str
    sent: bytes
    error: type[UpstreamError] = UpstreamMalformed
    reason: str = "http_protocol_error"
    method: bytes = b"GET"


@dataclass(frozen=True)
class Good:
    id: str
    sent: bytes
    content: bytes = b""
    status: int = 200
    method: bytes = b"GET"
    reusable: bool = True
    surplus: bytes = b""
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    interims: tuple[int, ...] = ()


_OK = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = _OK + b"Transfer-Encoding: chunked\r\n\r\n"
_TC = "http_response_transfer_coding"
_BIG = "http_response_header_section_size"

BAD = [
    # Length. RFC 9110 §8.6, RFC 9112 §6.3
    Bad("two-lengths", _OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nokk"),
    Bad("length-list-differs", _OK + b"Content-Length: 2, 3\r\n\r\nokk"),
    Bad("length-list-empty-member", _OK + b"Content-Length: 2,\r\n\r\nok"),
    Bad("length-empty", _OK + b"Content-Length:\r\n\r\nok"),
    Bad("length-plus", _OK + b"Content-Length: +2\r\n\r\nok"),
    Bad("length-minus", _OK + b"Content-Length: -2\r\n\r\nok"),
    Bad("length-hex", _OK + b"Content-Length: 0x2\r\n\r\nok"),
    Bad("length-word", _OK + b"Content-Length: two\r\n\r\nok"),
    Bad("length-inner-blank", _OK + b"Content-Length: 1 2\r\n\r\nok"),
    Bad("length-underscore", _OK + b"Content-Length: 1_0\r\n\r\nokokokokok"),
    Bad("length-arabic-digits", _OK + "Content-Length: ٢\r\n\r\nok".encode()),
    Bad("length-huge", _OK + b"Content-Length: " + b"9" * 40 + b"\r\n\r\nok"),
    Bad("length-bad-on-head", _OK + b"Content-Length: x\r\n\r\n", method=b"HEAD"),
    # Transfer-Encoding. RFC 9112 §6.1
    Bad("te-and-length", _OK + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
    Bad("length-and-te", _OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
    Bad("te-gzip", _OK + b"Transfer-Encoding: gzip\r\n\r\nok", reason=_TC),
    Bad("te-gzip-chunked", _OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", reason=_TC),
    Bad("te-chunked-not-last", _OK + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", reason=_TC),
    Bad("te-identity", _OK + b"Transfer-Encoding: identity\r\n\r\nok", reason=_TC),
    Bad("te-chunked-twice", _OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", reason=_TC),
    Bad("te-two-lines", _OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", reason=_TC),
    Bad("te-quoted", _OK + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n', reason=_TC),
    Bad("te-parameter", _OK + b"Transfer-Encoding: chunked;x=y\r\n\r\n0\r\n\r\n", reason=_TC),
    Bad("te-xchunked", _OK + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", reason=_TC),
    Bad("te-empty", _OK + b"Transfer-Encoding:\r\n\r\nok", reason=_TC),
    Bad("te-in-http10", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    # Field lines. RFC 9112 §5
    Bad("obs-fold", _OK + b"X-A: one\r\n two\r\nContent-Length: 2\r\n\r\nok"),
    Bad("obs-fold-tab", _OK + b"X-A: one\r\n\ttwo\r\nContent-Length: 2\r\n\r\nok"),
    Bad("fold-first", _OK + b" X-A: one\r\nContent-Length: 2\r\n\r\nok"),
    Bad("blank-after-name", _OK + b"Content-Length : 2\r\n\r\nok"),
    Bad("tab-after-name", _OK + b"Content-Length\t: 2\r\n\r\nok"),
    Bad("blank-in-name", _OK + b"Content Length: 2\r\n\r\nok"),
    Bad("no-colon", _OK + b"Content-Length\r\n\r\nok"),
    Bad("no-colon-second-line", _OK + b"Content-Length: 2\r\nContent-Length\r\n\r\nok"),
    Bad("empty-name", _OK + b": 2\r\n\r\nok"),
    Bad("name-not-ascii", _OK + "Naïve: 2\r\n\r\nok".encode()),
    Bad("name-nul", _OK + b"Content-\0Length: 2\r\n\r\nok"),
    Bad("name-quote", _OK + b'X"Y: 2\r\n\r\nok'),
    Bad("value-nul", _OK + b"X-A: a\0b\r\nContent-Length: 2\r\n\r\nok"),
    Bad("value-bell", _OK + b"X-A: a\x07b\r\nContent-Length: 2\r\n\r\nok"),
    Bad("value-vertical-tab", _OK + b"X-A: a\x0bb\r\nContent-Length: 2\r\n\r\nok"),
    Bad("value-delete", _OK + b"X-A: a\x7fb\r\nContent-Length: 2\r\n\r\nok"),
    # Line ends. RFC 9112 §2.2
    Bad("bare-lf-everywhere", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
    Bad("bare-lf-status", b"HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nok"),
    Bad("bare-lf-field", _OK + b"Content-Length: 2\nX-A: b\r\n\r\nok"),
    Bad("bare-lf-end", _OK + b"Content-Length: 2\r\n\nok"),
    Bad("bare-cr-field", _OK + b"X-A: a\rX-B: b\r\nContent-Length: 2\r\n\r\nok"),
    Bad("bare-cr-and-lf-apart", _OK + b"X-A: a\rb\nc\r\nContent-Length: 2\r\n\r\nok"),
    Bad("bare-cr-everywhere", b"HTTP/1.1 200 OK\rContent-Length: 2\r\rok"),
    Bad("crcrlf", b"HTTP/1.1 200 OK\r\r\nContent-Length: 2\r\n\r\nok"),
    Bad("empty-line-first", b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    # Status line. RFC 9112 §4
    Bad("http09", b"<html>hello</html>"),
    Bad("http09-with-empty-line", b"<html>\r\n\r\nhello</html>"),
    Bad("http2-preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    Bad("http2-frame", b"\x00\x00\x12\x04\x00\x00\x00\x00\x00"),
    Bad("http2-version", b"HTTP/2.0 200 OK\r\n\r\n"),
    Bad("http2-version-short", b"HTTP/2 200\r\n\r\n"),
    Bad("http12", b"HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    Bad("http-lower", b"http/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    Bad("http-long-version", b"HTTP/1.10 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    Bad("tls-alert", b"\x15\x03\x01\x00\x02\x02\x16"),
    Bad("a-request", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    Bad("icy", b"ICY 200 OK\r\n\r\n"),
    Bad("no-status", b"HTTP/1.1\r\n\r\n"),
    Bad("status-word", b"HTTP/1.1 OK\r\n\r\n"),
    Bad("status-two-digits", b"HTTP/1.1 20 OK\r\n\r\n"),
    Bad("status-four-digits", b"HTTP/1.1 2000 OK\r\n\r\n"),
    Bad("status-099", b"HTTP/1.1 099 OK\r\n\r\n"),
    Bad("status-000", b"HTTP/1.1 000 OK\r\n\r\n"),
    Bad("status-600", b"HTTP/1.1 600 OK\r\n\r\n"),
    Bad("status-999", b"HTTP/1.1 999 OK\r\n\r\n"),
    Bad("status-signed", b"HTTP/1.1 +20 OK\r\n\r\n"),
    Bad("status-two-blanks", b"HTTP/1.1  200 OK\r\n\r\n"),
    Bad("status-tab", b"HTTP/1.1\t200 OK\r\n\r\n"),
    Bad("reason-nul", b"HTTP/1.1 200 O\0K\r\n\r\n"),
    Bad("blank-before-status-line", b" HTTP/1.1 200 OK\r\n\r\n"),
    # Limits
    Bad("head-endless-line", _OK + b"X-A: " + b"a" * 70_000, reason=_BIG),
    Bad(
        "head-endless-lines",
        _OK + b"X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 1000,
        reason=_BIG,
    ),
    Bad("head-too-long-but-complete", _OK + b"X-A: " + b"a" * 70_000 + b"\r\n\r\n", reason=_BIG),
    Bad("too-many-fields", _OK + b"A: b\r\n" * 201 + b"\r\n", reason=_BIG),
    Bad("endless-100", b"HTTP/1.1 100 Continue\r\n\r\n" * 21),
    Bad("endless-103", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 30),
    # 101 that nobody asked for. RFC 9110 §7.8
    Bad(
        "101-unasked",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
        reason="http_upgrade_failed",
    ),
    # Chunks. RFC 9112 §7.1
    Bad("chunk-size-word", _CHUNKED + b"xyz\r\nok\r\n0\r\n\r\n", reason=_TC),
    Bad("chunk-size-empty", _CHUNKED + b"\r\nok\r\n0\r\n\r\n", reason=_TC),
    Bad("chunk-size-0x", _CHUNKED + b"0x2\r\nok\r\n0\r\n\r\n", reason=_TC),
    Bad("chunk-size-plus", _CHUNKED + b"+2\r\nok\r\n0\r\n\r\n", reason=_TC),
    Bad("chunk-size-minus", _CHUNKED + b"-2\r\nok\r\n0\r\n\r\n", reason=_TC),
    Bad("chunk-size-underscore", _CHUNKED + b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n", reason=_TC),
    Bad("chunk-size-blank-before", _CHUNKED + b" 2\r\nok\r\n0\r\n\r\n", reason=_TC),
    Bad("chunk-size-blank-after", _CHUNKED + b"2 \r\nok\r\n0\r\n\r\n", reason=_TC),
    Bad("chunk-size-17-digits", _CHUNKED + b"00000000000000002\r\nok\r\n0\r\n\r\n", reason=_TC),
    Bad("chunk-size-overflow", _CHUNKED + b"ffffffffffffffff\r\nok\r\n0\r\n\r\n", reason=_TC),
    Bad("chunk-size-endless", _CHUNKED + b"2" * 2000, reason=_TC),
    Bad("chunk-extension-long", _CHUNKED + b"2;" + b"a" * 2000 + b"\r\nok\r\n0\r\n\r\n", reason=_TC),
    Bad("chunk-extension-endless", _CHUNKED + b"2;" + b"a" * 2000, reason=_TC),
    Bad("chunk-extension-nul", _CHUNKED + b"2;a\0b\r\nok\r\n0\r\n\r\n", reason=_TC),
    Bad("chunk-extension-bare-lf", _CHUNKED + b"2;a\nok\r\n0\r\n\r\n", reason=_TC),
    Bad("chunk-size-bare-lf", _CHUNKED + b"2\nok\n0\n\n", reason=_TC),
    Bad("chunk-size-bare-cr", _CHUNKED + b"2\rok\r\n0\r\n\r\n", reason=_TC),
    Bad("chunk-data-long", _CHUNKED + b"2\r\nokk\r\n0\r\n\r\n", reason=_TC),
    Bad("chunk-data-bare-lf", _CHUNKED + b"2\r\nok\n0\r\n\r\n", reason=_TC),
    Bad("chunk-data-bare-cr", _CHUNKED + b"2\r\nok\r0\r\n\r\n", reason=_TC),
    Bad("trailers-long", _CHUNKED + b"0\r\nX-A: " + b"a" * 20_000 + b"\r\n\r\n", reason="http_response_trailer_section_size"),
    Bad(
        "trailers-endless",
        _CHUNKED + b"0\r\n" + b"X-A: bbbbbbbbbbbbbbbbbbbb\r\n" * 1000,
        reason="http_response_trailer_section_size",
    ),
    Bad("trailers-many", _CHUNKED + b"0\r\n" + b"A: b\r\n" * 201 + b"\r\n", reason=_BIG),
    Bad("trailer-obs-fold", _CHUNKED + b"0\r\nX-A: b\r\n c\r\n\r\n"),
    Bad("trailer-bare-lf", _CHUNKED + b"0\r\nX-A: b\n\n"),
    Bad("trailer-junk", _CHUNKED + b"0\r\nok\r\n\r\n"),
    # The end before the end. RFC 9112 §8
    Bad("closed-at-once", b"", UpstreamReset, "connection_terminated"),
    Bad("closed-in-version", b"HTT", UpstreamReset, "connection_terminated"),
    Bad("closed-in-fields", _OK + b"Content-Le", UpstreamReset, "connection_terminated"),
    Bad("closed-before-empty-line", _OK + b"Content-Length: 2\r\n", UpstreamReset, "connection_terminated"),
    Bad("closed-after-100", b"HTTP/1.1 100 Continue\r\n\r\n", UpstreamReset, "connection_terminated"),
    Bad("closed-before-body", _OK + b"Content-Length: 2\r\n\r\n", UpstreamTruncated, "http_response_incomplete"),
    Bad("closed-in-body", _OK + b"Content-Length: 3\r\n\r\nok", UpstreamTruncated, "http_response_incomplete"),
    Bad("closed-before-chunk", _CHUNKED, UpstreamTruncated, "http_response_incomplete"),
    Bad("closed-in-chunk-size", _CHUNKED + b"2", UpstreamTruncated, "http_response_incomplete"),
    Bad("closed-in-chunk", _CHUNKED + b"3\r\nok", UpstreamTruncated, "http_response_incomplete"),
    Bad("closed-after-chunk", _CHUNKED + b"2\r\nok\r\n", UpstreamTruncated, "http_response_incomplete"),
    Bad("closed-after-last-chunk", _CHUNKED + b"2\r\nok\r\n0\r\n", UpstreamTruncated, "http_response_incomplete"),
    Bad("closed-in-trailers", _CHUNKED + b"2\r\nok\r\n0\r\nX-A: b\r\n", UpstreamTruncated, "http_response_incomplete"),
]

_SECOND = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nfor-me"

GOOD = [
    Good("length", _OK + b"Content-Length: 2\r\n\r\nok", b"ok"),
    Good("length-zero", _OK + b"Content-Length: 0\r\n\r\n"),
    Good("length-leading-zeros", _OK + b"Content-Length: 0002\r\n\r\nok", b"ok"),
    Good("length-repeated-equal", _OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    Good("length-list-equal", _OK + b"Content-Length: 2, 2\r\n\r\nok", b"ok"),
    Good("no-reason", b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok", b"ok"),
    Good("no-blank-before-missing-reason", b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    Good("reason-utf8", "HTTP/1.1 200 schön\r\nContent-Length: 2\r\n\r\nok".encode(), b"ok"),
    Good("no-fields-until-close", b"HTTP/1.1 200 OK\r\n\r\nok", b"ok", reusable=False),
    Good("value-empty", _OK + b"X-A:\r\nX-B: \t \r\nContent-Length: 2\r\n\r\nok", b"ok"),
    Good("value-utf8", _OK + "X-A: schön\r\nContent-Length: 2\r\n\r\nok".encode(), b"ok"),
    Good("value-no-blank", _OK + b"Content-Length:2\r\n\r\nok", b"ok"),
    Good("fields-at-the-limit", _OK + b"A: b\r\n" * 199 + b"Content-Length: 2\r\n\r\nok", b"ok"),
    Good("chunked", _CHUNKED + b"2\r\nok\r\n0\r\n\r\n", b"ok"),
    Good("chunked-in-capitals", _OK + b"Transfer-Encoding: Chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"ok"),
    Good("chunked-empty", _CHUNKED + b"0\r\n\r\n"),
    Good("chunked-hex-digits", _CHUNKED + b"1A\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n", b"abcdefghijklmnopqrstuvwxyz"),
    Good("chunked-leading-zeros", _CHUNKED + b"0002\r\nok\r\n0000\r\n\r\n", b"ok"),
    Good("chunked-extensions", _CHUNKED + b'1;a=b;c="d"\r\no\r\n1 ; x\r\nk\r\n0;end\r\n\r\n', b"ok"),
    Good("chunked-content-has-line-ends", _CHUNKED + b"6\r\n\r\n0\r\n\r\r\n0\r\n\r\n", b"\r\n0\r\n\r"),
    Good(
        "chunked-trailers",
        _CHUNKED + b"2\r\nok\r\n0\r\nX-Sum: 1\r\nX-Two:  2 \r\n\r\n",
        b"ok",
        trailers=[(b"x-sum", b"1"), (b"x-two", b"2")],
    ),
    Good(
        "trailers-never-frame",
        _CHUNKED + b"0\r\nContent-Length: 9\r\nTransfer-Encoding: x\r\nX-A: b\r\n\r\n",
        trailers=[(b"x-a", b"b")],
    ),
    Good("close", _OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nok", b"ok", reusable=False),
    Good("close-in-a-list", _OK + b"Connection: x, CLOSE\r\nContent-Length: 2\r\n\r\nok", b"ok", reusable=False),
    Good(
        "close-beats-keep-alive",
        _OK + b"Connection: close\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
        b"ok",
        reusable=False,
    ),
    Good("http10", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok", reusable=False),
    Good("http10-keep-alive", b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    Good("http10-until-close", b"HTTP/1.0 200 OK\r\n\r\nok", b"ok", reusable=False),
    Good("http10-keep-alive-no-length", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nok", b"ok", reusable=False),
    Good("head", _OK + b"Content-Length: 1000\r\n\r\n", method=b"HEAD"),
    Good("head-chunked", _CHUNKED, method=b"HEAD"),
    Good("204", b"HTTP/1.1 204 No Content\r\n\r\n", status=204),
    Good("304-with-length", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n", status=304),
    Good("599", b"HTTP/1.1 599 Odd\r\nContent-Length: 2\r\n\r\nok", b"ok", status=599),
    Good("100-then-final", b"HTTP/1.1 100 Continue\r\n\r\n" + _OK + b"Content-Length: 2\r\n\r\nok", b"ok", interims=(100,)),
    Good(
        "many-interims",
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 199 Odd\r\n\r\n"
        + _OK
        + b"Content-Length: 0\r\n\r\n",
        interims=(102, 103, 199),
    ),
    # A byte too much: the response stands, the connection doesn't.
    Good("surplus-after-length", _OK + b"Content-Length: 2\r\n\r\nok" + _SECOND, b"ok", surplus=_SECOND, reusable=False),
    Good("surplus-line-end", _OK + b"Content-Length: 2\r\n\r\nok\r\n", b"ok", surplus=b"\r\n", reusable=False),
    Good("surplus-after-last-chunk", _CHUNKED + b"2\r\nok\r\n0\r\n\r\n" + _SECOND, b"ok", surplus=_SECOND, reusable=False),
    Good("surplus-after-head", _OK + b"Content-Length: 2\r\n\r\nok", b"", method=b"HEAD", surplus=b"ok", reusable=False),
    Good("surplus-after-204", b"HTTP/1.1 204 No Content\r\n\r\n" + _SECOND, status=204, surplus=_SECOND, reusable=False),
    Good("surplus-after-304", b"HTTP/1.1 304 Not Modified\r\n\r\nhello", status=304, surplus=b"hello", reusable=False),
    Good(
        "204-chunked",
        b"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        status=204,
        surplus=b"0\r\n\r\n",
        reusable=False,
    ),
]
