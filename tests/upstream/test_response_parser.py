"""The parser alone: every input whole, byte by byte, and cut at every position; Hypothesis and h11 for the rest."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import h11
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.errors import UpstreamError, UpstreamMalformed
from gateway.upstream.limits import OriginLimits
from gateway.upstream.response_head import parse_response_head
from gateway.upstream.response_parser import ResponseParser
from tests.upstream.corpus import BAD, GOOD, Bad, Good

LIMITS = OriginLimits()
EVERY_CUT = 600  # longer inputs are cut at every position of their beginning and end only


def read(parts: Iterable[bytes], method: bytes) -> tuple[object, ...]:
    """What comes of these bytes and the end of the connection after them, as one comparable value."""
    parser = ResponseParser(method, LIMITS)
    content, surplus, interims = b"", b"", []
    try:
        for part in parts:
            if parser.ended:
                surplus += part
                continue
            content += parser.feed(part)
            interims += [head.status for head in parser.interims]
            parser.interims.clear()
        parser.feed_eof()
    except UpstreamError as error:
        return type(error), error.reason
    assert parser.ended
    assert parser.head is not None
    return (parser.head.status, parser.head.fields, content, parser.trailers, tuple(interims), parser.surplus + surplus)


def every_cut(data: bytes) -> Iterable[tuple[bytes, bytes]]:
    places = range(len(data) + 1)
    for at in places if len(data) <= EVERY_CUT else (*places[:200], *places[-200:]):
        yield data[:at], data[at:]


@pytest.mark.parametrize("bad", BAD, ids=lambda case: case.id)
class TestAMalformedResponseIsRefused:
    def test_whole(self, bad: Bad) -> None:
        assert read([bad.sent] if bad.sent else [], bad.method) == (bad.error, bad.reason)

    def test_byte_by_byte(self, bad: Bad) -> None:
        assert read((bad.sent[at : at + 1] for at in range(len(bad.sent))), bad.method) == (bad.error, bad.reason)

    def test_cut_at_every_position(self, bad: Bad) -> None:
        for parts in every_cut(bad.sent):
            assert read([part for part in parts if part], bad.method) == (bad.error, bad.reason), parts


@pytest.mark.parametrize("good", GOOD, ids=lambda case: case.id)
class TestAnOddButRightResponseIsRead:
    def test_whole(self, good: Good) -> None:
        status, _, content, trailers, interims, surplus = read([good.sent], good.method)
        assert (status, content, trailers, interims, surplus) == (
            good.status,
            good.content,
            good.trailers,
            good.interims,
            good.surplus,
        )

    def test_in_any_pieces_it_is_the_same(self, good: Good) -> None:
        whole = read([good.sent], good.method)
        assert read((good.sent[at : at + 1] for at in range(len(good.sent))), good.method) == whole
        for parts in every_cut(good.sent):
            assert read([part for part in parts if part], good.method) == whole, parts

    def test_whether_the_connection_may_be_used_again_is_known(self, good: Good) -> None:
        parser = ResponseParser(good.method, LIMITS)
        parser.feed(good.sent)
        assert parser.head is not None
        assert (parser.head.keep_alive and parser.ended and not parser.surplus) is good.reusable


def test_equal_repeated_lengths_become_one_field() -> None:
    """RFC 9110 §8.6: who accepts them replaces them, so that the next reader can't read them otherwise."""
    for lines in (b"A: 1\r\nContent-Length: 2\r\nB: 1\r\nContent-Length: 2\r\n", b"A: 1\r\nContent-Length: 2 , 02\r\nB: 1\r\n"):
        parser = ResponseParser(b"GET", LIMITS)
        parser.feed(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\nok")
        assert parser.head is not None
        assert parser.head.fields == [(b"a", b"1"), (b"content-length", b"2"), (b"b", b"1")]


def test_a_lone_line_feed_is_refused_before_the_head_is_complete() -> None:
    """Else an origin that writes LF only would cost a timeout instead of an error."""
    parser = ResponseParser(b"GET", LIMITS)
    with pytest.raises(UpstreamMalformed, match="bare LF"):
        parser.feed(b"HTTP/1.1 200 OK\nContent-Len")


def test_an_error_never_quotes_a_value() -> None:
    with pytest.raises(UpstreamMalformed) as caught:
        parse_response_head(b"HTTP/1.1 200 OK\r\nSet-Cookie : sid=secret\r\n", LIMITS)
    assert "secret" not in str(caught.value)
    assert "Set-Cookie" in str(caught.value)


def test_the_known_names_are_bounded() -> None:
    """An origin that sends a new field name each time can't fill our memory."""
    from gateway.upstream import field_lines  # noqa: PLC0415

    for number in range(2000):
        parse_response_head(b"HTTP/1.1 200 OK\r\nX-%d: a\r\n" % number, LIMITS)
    assert len(field_lines._known) <= field_lines._MAX_KNOWN


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"timeout=5", 5.0),
        (b"timeout=5, max=100", 5.0),
        (b"max=100,Timeout=7", 7.0),
        (b"max=1", None),
        (b"timeout=x", None),
        (b"notimeout=5", None),
    ],
)
def test_keep_alive_tells_how_long_the_origin_waits(value: bytes, seconds: float | None) -> None:
    parser = ResponseParser(b"GET", LIMITS)
    parser.feed(b"HTTP/1.1 204 No\r\nKeep-Alive: " + value + b"\r\n\r\n")
    assert parser.head is not None
    assert parser.head.idle_limit == seconds


# ── h11 as the second opinion ──────────────────────────────────────────────────────────────────────────────────────────────────

names = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789-_!#$%&'*+.^`|~", min_size=1, max_size=12).map(
    lambda text: "X" + text
)
values_ = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=20)
fields_ = st.lists(st.tuples(names, values_), max_size=8)
bodies = st.lists(st.binary(min_size=1, max_size=40), max_size=6)
cuts = st.lists(st.integers(0, 2000), max_size=12)


def h11_client(method: bytes = b"GET") -> h11.Connection:
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method=method, target="/", headers=[("host", "a")]))
    connection.send(h11.EndOfMessage())
    return connection


def h11_server(method: bytes = b"GET") -> h11.Connection:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(method + b" / HTTP/1.1\r\nHost: a\r\n\r\n")
    connection.next_event()
    connection.next_event()
    return connection


def cut(data: bytes, at: list[int]) -> list[bytes]:
    places = sorted({min(place, len(data)) for place in at} | {0, len(data)})
    return [data[begin:end] for begin, end in pairwise(places)]


@settings(max_examples=300, deadline=None)
@given(st.integers(200, 599), fields_, bodies, st.booleans(), fields_, cuts)
@example(200, [], [b"0\r\n\r\n"], True, [], [60])
def test_what_h11_writes_we_read(
    status: int, fields: list, body: list[bytes], chunked: bool, trailers: list, at: list[int]
) -> None:
    writer = h11_server()
    no_body = status in {204, 304}
    headers = [*fields, ("transfer-encoding", "chunked") if chunked else ("content-length", str(sum(map(len, body))))]
    headers = fields if no_body else headers
    sent = writer.send(h11.Response(status_code=status, headers=headers, reason="R"))
    for part in () if no_body else body:
        sent += writer.send(h11.Data(data=part))
    sent += writer.send(h11.EndOfMessage(headers=trailers if chunked and not no_body else []))

    got_status, got_fields, content, got_trailers, _, surplus = read(cut(sent, at), b"GET")
    assert got_status == status
    assert content == b"".join(() if no_body else body)
    assert surplus == b""
    expected = [(name.lower().encode(), value.encode()) for name, value in fields]
    assert [field for field in got_fields if field[0].startswith(b"x")] == expected
    if chunked and not no_body:
        assert got_trailers == [(name.lower().encode(), value.encode()) for name, value in trailers]


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from([case.sent for case in (*BAD, *GOOD) if len(case.sent) < 400]),
    st.lists(
        st.tuples(
            st.integers(0, 400), st.sampled_from([b"", b"\r", b"\n", b"\r\n", b" ", b"\0", b":", b"0", b"f", b";", b"\xff"])
        ),
        max_size=3,
    ),
    cuts,
)
def test_mutants_never_crash_us_nor_read_differently_in_pieces(sent: bytes, mutations: list, at: list[int]) -> None:
    """Whatever comes: our own error or a response, and the same one however it is cut."""
    for place, replacement in mutations:
        sent = sent[:place] + replacement + sent[place + 1 :]
    whole = read([sent] if sent else [], b"GET")
    assert read([part for part in cut(sent, at) if part], b"GET")[0] == whole[0]


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from([case.sent for case in GOOD if len(case.sent) < 400 and case.method == b"GET"]),
    st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=2)), max_size=3),
)
def test_what_we_accept_h11_does_not_read_otherwise(sent: bytes, mutations: list) -> None:
    """Where both accept a message, both see the same content: nobody can smuggle between us and a reader as careful as h11."""
    for place, replacement in mutations:
        sent = sent[:place] + replacement + sent[place + 1 :]
    ours = read([sent] if sent else [], b"GET")
    if not isinstance(ours[0], int):
        return
    reader = h11_client()
    reader.receive_data(sent)
    theirs, status = b"", 0
    try:
        while True:
            event = reader.next_event()
            if event is h11.NEED_DATA:
                reader.receive_data(b"")
                continue
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                theirs += event.data
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed) or event is h11.PAUSED:
                break
    except h11.RemoteProtocolError:
        return  # stricter than we are
    if status:
        assert (ours[0], ours[2]) == (status, theirs)
