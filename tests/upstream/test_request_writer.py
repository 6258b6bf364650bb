"""What goes out: framing is ours alone, and nothing a caller hands in can end a line."""

from __future__ import annotations

import pytest

from gateway.upstream.origin import OriginRequest
from gateway.upstream.request_writer import encode_chunk_line, encode_request_head, encode_trailers
from tests.upstream.scripted import get, pieces


def test_a_get_goes_out_as_given() -> None:
    request = OriginRequest(b"GET", b"/a?b=c", [(b"host", b"h"), (b"x-a", b""), (b"cookie", "schön".encode())])
    assert encode_request_head(request) == b"GET /a?b=c HTTP/1.1\r\nhost: h\r\nx-a: \r\ncookie: sch\xc3\xb6n\r\n\r\n"


@pytest.mark.parametrize(
    ("method", "more", "line"),
    [
        (b"GET", {}, None),
        (b"DELETE", {}, None),
        (b"POST", {}, b"content-length: 0"),
        (b"PUT", {}, b"content-length: 0"),
        (b"PATCH", {}, b"content-length: 0"),
        (b"GET", {"length": 0}, b"content-length: 0"),
        (b"POST", {"body": True, "length": 5}, b"content-length: 5"),
        (b"POST", {"body": True}, b"transfer-encoding: chunked"),
        (b"GET", {"body": True}, b"transfer-encoding: chunked"),
    ],
)
def test_framing_follows_body_and_length(method: bytes, more: dict, line: bytes | None) -> None:
    """RFC 9112 §6, RFC 9110 §8.6."""
    if more.get("body"):
        more = more | {"body": pieces()}
    lines = encode_request_head(get(method=method, **more)).split(b"\r\n")
    assert [found for found in lines if found.startswith((b"content-", b"transfer-"))] == ([line] if line else [])


def test_an_upgrade_brings_its_two_fields() -> None:
    """RFC 9110 §7.8."""
    head = encode_request_head(get(upgrade=b"websocket"))
    assert b"\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n" in head


@pytest.mark.parametrize(
    "request_",
    [
        OriginRequest(b"GET", b"/ HTTP/1.1\r\nx: y\r\n\r\n", []),
        OriginRequest(b"GET", b"/a b", []),
        OriginRequest(b"GET", b"/a\nb", []),
        OriginRequest(b"GET", b"/a\0b", []),
        OriginRequest(b"GET", b"", []),
        OriginRequest(b"GE T", b"/", []),
        OriginRequest(b"GET\r\n", b"/", []),
        OriginRequest(b"", b"/", []),
        OriginRequest(b"CONNECT", b"/", []),
        OriginRequest(b"GET", b"/", [(b"a", b"b\r\nc: d")]),
        OriginRequest(b"GET", b"/", [(b"a", b"b\nc: d")]),
        OriginRequest(b"GET", b"/", [(b"a", b"b\r\n\r\nGET / HTTP/1.1")]),
        OriginRequest(b"GET", b"/", [(b"a", b"b\rc")]),
        OriginRequest(b"GET", b"/", [(b"a", b"b\0c")]),
        OriginRequest(b"GET", b"/", [(b"a\r\nb", b"c")]),
        OriginRequest(b"GET", b"/", [(b"a: b\r\nc", b"d")]),
        OriginRequest(b"GET", b"/", [(b"a b", b"c")]),
        OriginRequest(b"GET", b"/", [(b"a:", b"c")]),
        OriginRequest(b"GET", b"/", [(b"", b"c")]),
        OriginRequest(b"GET", b"/", [(b"content-length", b"5")]),
        OriginRequest(b"GET", b"/", [(b"Content-Length", b"5")]),
        OriginRequest(b"GET", b"/", [(b"transfer-encoding", b"chunked")]),
        OriginRequest(b"POST", b"/", [], length=5),
        OriginRequest(b"POST", b"/", [], length=-1),
        OriginRequest(b"GET", b"/", [], upgrade=b"x\r\ny: z"),
    ],
    ids=lambda request: repr((request.method, request.target, request.fields, request.length)),
)
def test_what_could_end_a_line_or_frame_twice_is_a_programming_error(request_: OriginRequest) -> None:
    with pytest.raises(ValueError):
        encode_request_head(request_)


def test_a_refusal_names_the_field_and_never_its_value() -> None:
    with pytest.raises(ValueError, match="'cookie'") as caught:
        encode_request_head(get(fields=[(b"cookie", b"secret\n")]))
    assert "secret" not in str(caught.value)


def test_chunks_and_trailers() -> None:
    """RFC 9112 §7.1."""
    assert encode_chunk_line(255) == b"ff\r\n"
    assert encode_trailers(None) == b"\r\n"
    assert encode_trailers([(b"x-sum", b"1")]) == b"x-sum: 1\r\n\r\n"
    for fault in [(b"a", b"b\r\nc: d"), (b"a\n", b"b"), (b"a b", b"c")]:
        with pytest.raises(ValueError):
            encode_trailers([fault])
