"""Parts: cut from what is stored, stored themselves, put together (RFC 9110 §14, RFC 9111 §3.3, §3.4)."""

from __future__ import annotations

import pytest

WHOLE = """
    visitor ──▶ GET /page
    origin  ◀── GET /page
    origin  ──▶ 200 | Cache-Control: max-age=60 | ETag: "a" | Last-Modified: {-5000} | «0123456789»
    visitor ◀── 200 | «0123456789»
"""


@pytest.mark.parametrize(
    ("wanted", "place", "content"),
    [
        ("bytes=0-0", "0-0", "0"),
        ("bytes=2-4", "2-4", "234"),
        ("bytes=7-", "7-9", "789"),
        ("bytes=-3", "7-9", "789"),
        ("bytes=-99", "0-9", "0123456789"),
        ("bytes=5-99", "5-9", "56789"),
        ("BYTES=0-1", "0-1", "01"),
    ],
)
def test_a_part_is_cut_from_a_stored_whole(play, wanted, place, content):
    """RFC 9110 §14.1.2, §15.3.7."""
    play(WHOLE)
    play(f"""
        visitor ──▶ GET /page | Range: {wanted}
        visitor ◀── 206 | Content-Range: bytes {place}/10 | Content-Length: {len(content)} | ETag: "a" | Cache-Status: hit | «{content}»
    """)


@pytest.mark.parametrize("wanted", ["bytes=10-", "bytes=10-20", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused(play, wanted):
    """RFC 9110 §15.5.17."""
    play(WHOLE)
    play(f"""
        visitor ──▶ GET /page | Range: {wanted}
        visitor ◀── 416 | Content-Range: bytes */10 | Content-Length: 0 | «»
    """)


@pytest.mark.parametrize("wanted", ["bytes=0-1,3-4", "bytes=4-2", "bytes=a-b", "bytes=-", "lines=0-1", "bytes 0-1"])
def test_what_is_no_single_byte_range_is_ignored(play, wanted):
    """RFC 9110 §14.2: a server may ignore Range; §14.1.1: it must, where it is invalid."""
    play(WHOLE)
    play(f"""
        visitor ──▶ GET /page | Range: {wanted}
        visitor ◀── 200 | -Content-Range | «0123456789»
    """)


@pytest.mark.parametrize(
    ("condition", "status"),
    [('"a"', 206), ('"b"', 200), ('W/"a"', 200), ("{-5000}", 206), ("{-4999}", 200), ("{-5001}", 200), ("nonsense", 200)],
)
def test_if_range_gives_the_part_only_of_what_the_client_has(play, condition, status):
    """RFC 9110 §13.1.5: strong comparison, exact date."""
    play(WHOLE)
    content = "012" if status == 206 else "0123456789"
    play(f"""
        visitor ──▶ GET /page | Range: bytes=0-2 | If-Range: {condition}
        visitor ◀── {status} | Cache-Status: hit | «{content}»
    """)


def test_a_precondition_goes_before_the_range(play):
    """RFC 9110 §13.2.2."""
    play(WHOLE)
    play("""
        visitor ──▶ GET /page | Range: bytes=0-2 | If-None-Match: "a"
        visitor ◀── 304
        visitor ──▶ GET /page | Range: bytes=90- | If-None-Match: "b"
        visitor ◀── 416
    """)


def test_no_part_is_cut_from_an_error(play):
    play("""
        visitor ──▶ GET /gone
        origin  ◀── GET /gone
        origin  ──▶ 404 | Cache-Control: max-age=60 | «not here»
        visitor ◀── 404 | «not here»
        visitor ──▶ GET /gone | Range: bytes=0-2
        visitor ◀── 404 | Cache-Status: hit | «not here»
    """)


def test_a_part_of_a_whole_that_is_on_its_way(play):
    play("""
        anna    ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 200 | Cache-Control: max-age=60 | «01234» …
        anna    ◀── 200 | «01234» …
        origin  ──▶ «56789»
        anna    ◀── 200 | «0123456789»
        ben     ──▶ GET /page | Range: bytes=3-6
        ben     ◀── 206 | Content-Range: bytes 3-6/10 | Cache-Status: hit | «3456»
    """)


def test_an_origin_that_gives_the_whole_for_a_range_is_asked_once(play):
    """RFC 9110 §14.2: it may. We have the whole then, and cut."""
    play("""
        visitor ──▶ GET /page | Range: bytes=2-4
        origin  ◀── GET /page | Range: bytes=2-4
        origin  ──▶ 200 | Cache-Control: max-age=60 | «0123456789»
        visitor ◀── 206 | Content-Range: bytes 2-4/10 | «234»
        visitor ──▶ GET /page
        visitor ◀── 200 | Cache-Status: hit | «0123456789»
    """)


# ── Storing parts ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

PART = """
    visitor ──▶ GET /page | Range: bytes=2-5
    origin  ◀── GET /page | Range: bytes=2-5
    origin  ──▶ 206 | Cache-Control: max-age=60 | ETag: "a" | Content-Range: bytes 2-5/10 | «2345»
    visitor ◀── 206 | Content-Range: bytes 2-5/10 | Content-Length: 4 | Cache-Status: fwd=uri-miss; stored | «2345»
"""


def test_a_stored_part_answers_what_lies_within(play):
    """RFC 9111 §3.3, §4."""
    play(PART)
    play("""
        visitor ──▶ GET /page | Range: bytes=3-4
        visitor ◀── 206 | Content-Range: bytes 3-4/10 | Cache-Status: hit | «34»
        visitor ──▶ GET /page | Range: bytes=2-5
        visitor ◀── 206 | Content-Range: bytes 2-5/10 | Cache-Status: hit | «2345»
        visitor ──▶ GET /page | Range: bytes=3-4 | If-Range: "a"
        visitor ◀── 206 | Cache-Status: hit | «34»
    """)


def test_a_part_never_passes_for_the_whole(play):
    """RFC 9111 §3.3: only by a range request that completes it."""
    play(PART)
    play("""
        visitor ──▶ GET /page
        origin  ◀── GET /page | -Range | -If-Range
        origin  ──▶ 200 | Cache-Control: max-age=60 | ETag: "a" | «0123456789»
        visitor ◀── 200 | -Content-Range | «0123456789»
        visitor ──▶ GET /page | Range: bytes=0-9
        visitor ◀── 206 | Cache-Status: hit | «0123456789»
    """)


def test_a_stale_part_is_not_used(play):
    play(PART)
    play("""
        +61 s
        visitor ──▶ GET /page | Range: bytes=3-4
        origin  ◀── GET /page
        origin  ──▶ 206 | Cache-Control: max-age=60 | ETag: "b" | Content-Range: bytes 3-4/10 | «xy»
        visitor ◀── 206 | ETag: "b" | «xy»
        visitor ──▶ GET /page | Range: bytes=3-4
        visitor ◀── 206 | ETag: "b" | Cache-Status: hit | «xy»
        visitor ──▶ GET /page | Range: bytes=2-3
        origin  ◀── GET /page
        origin  ──▶ 206 | Cache-Control: max-age=60 | ETag: "b" | Content-Range: bytes 2-3/10 | «wx»
        visitor ◀── 206 | «wx»
    """)


def test_parts_of_one_representation_grow_together(play):
    """RFC 9111 §3.4: the same strong validator."""
    play(PART)
    play("""
        visitor ──▶ GET /page | Range: bytes=5-7
        origin  ◀── GET /page | Range: bytes=5-7
        origin  ──▶ 206 | Cache-Control: max-age=60 | ETag: "a" | Content-Range: bytes 5-7/10 | «567»
        visitor ◀── 206 | Cache-Status: fwd=partial | Content-Range: bytes 5-7/10 | «567»
        visitor ──▶ GET /page | Range: bytes=2-7
        visitor ◀── 206 | Cache-Status: hit | «234567»
    """)


@pytest.mark.parametrize("etag", ['ETag: "b" | ', 'ETag: W/"a" | ', ""])
def test_parts_of_different_representations_do_not(play, etag):
    """RFC 9111 §3.4: without a common strong validator nothing is combined."""
    play(PART)
    play(f"""
        visitor ──▶ GET /page | Range: bytes=5-7
        origin  ◀── GET /page
        origin  ──▶ 206 | Cache-Control: max-age=60 | {etag}Content-Range: bytes 5-7/10 | «xyz»
        visitor ◀── 206 | «xyz»
        visitor ──▶ GET /page | Range: bytes=2-7
        origin  ◀── GET /page
        origin  ──▶ 206 | Cache-Control: max-age=60 | {etag}Content-Range: bytes 2-7/10 | «uvwxyz»
        visitor ◀── 206 | «uvwxyz»
    """)


def test_parts_that_make_the_whole_are_the_whole(play):
    play("""
        visitor ──▶ GET /page | Range: bytes=0-4
        origin  ◀── GET /page
        origin  ──▶ 206 | Cache-Control: max-age=60 | ETag: "a" | Content-Range: bytes 0-4/10 | «01234»
        visitor ◀── 206 | «01234»
        visitor ──▶ GET /page | Range: bytes=5-
        origin  ◀── GET /page
        origin  ──▶ 206 | Cache-Control: max-age=60 | ETag: "a" | Content-Range: bytes 5-9/10 | «56789»
        visitor ◀── 206 | «56789»
        visitor ──▶ GET /page
        visitor ◀── 200 | -Content-Range | Content-Length: 10 | Cache-Status: hit | «0123456789»
    """)


def test_who_wants_the_whole_gets_the_missing_rest_fetched(play):
    """RFC 9111 §3.4: completed with If-Range, so that it is the same representation."""
    play("""
        visitor ──▶ GET /page | Range: bytes=0-3
        origin  ◀── GET /page
        origin  ──▶ 206 | Cache-Control: max-age=60 | ETag: "a" | Content-Range: bytes 0-3/10 | «0123»
        visitor ◀── 206 | «0123»
        visitor ──▶ GET /page
        origin  ◀── GET /page | Range: bytes=4- | If-Range: "a"
        origin  ──▶ 206 | Cache-Control: max-age=60 | ETag: "a" | Content-Range: bytes 4-9/10 | «456789»
        visitor ◀── 200 | -Content-Range | Cache-Status: fwd=partial; fwd-status=206; stored | «0123456789»
        visitor ──▶ GET /page
        visitor ◀── 200 | Cache-Status: hit | «0123456789»
    """)


def test_a_rest_of_something_else_is_not_joined(play):
    play("""
        visitor ──▶ GET /page | Range: bytes=0-3
        origin  ◀── GET /page
        origin  ──▶ 206 | Cache-Control: max-age=60 | ETag: "a" | Content-Range: bytes 0-3/10 | «0123»
        visitor ◀── 206 | «0123»
        visitor ──▶ GET /page
        origin  ◀── GET /page | Range: bytes=4- | If-Range: "a"
        origin  ──▶ 206 | Cache-Control: max-age=60 | ETag: "b" | Content-Range: bytes 4-9/10 | «uvwxyz»
        origin  ◀── GET /page | -Range
        origin  ──▶ 200 | Cache-Control: max-age=60 | ETag: "b" | «qrstuvwxyz»
        visitor ◀── 200 | ETag: "b" | «qrstuvwxyz»
    """)


def test_a_rest_that_breaks_off_is_not_joined(play):
    play("""
        visitor ──▶ GET /page | Range: bytes=0-3
        origin  ◀── GET /page
        origin  ──▶ 206 | Cache-Control: max-age=60 | ETag: "a" | Content-Range: bytes 0-3/10 | «0123»
        visitor ◀── 206 | «0123»
        visitor ──▶ GET /page
        origin  ◀── GET /page
        origin  ──▶ 206 | Cache-Control: max-age=60 | ETag: "a" | Content-Range: bytes 4-9/10 | Content-Length: 6 | «45» …
        origin  ──▶ broken
        origin  ◀── GET /page | -Range
        origin  ──▶ 200 | Cache-Control: max-age=60 | ETag: "a" | «0123456789»
        visitor ◀── 200 | «0123456789»
    """)


@pytest.mark.parametrize(
    "place",
    ["", "Content-Range: bytes */10 | ", "Content-Range: nonsense | ", "Content-Type: multipart/byteranges; boundary=x | "],
)
def test_a_part_without_a_place_is_passed_on_and_forgotten(play, place):
    """RFC 9111 §3.3."""
    play(f"""
        visitor ──▶ GET /page | Range: bytes=2-5
        origin  ◀── GET /page
        origin  ──▶ 206 | Cache-Control: max-age=60 | {place}ETag: "a" | «2345»
        visitor ◀── 206 | «2345»
    """)
    assert len(play.stage.store) == 0


def test_a_part_that_is_not_as_long_as_it_says_is_not_stored(play):
    play("""
        visitor ──▶ GET /page | Range: bytes=2-5
        origin  ◀── GET /page
        origin  ──▶ 206 | Cache-Control: max-age=60 | Content-Range: bytes 2-5/10 | ETag: "a" | «23»
        visitor ◀── 206 | «23»
    """)
    assert len(play.stage.store) == 0


def test_an_unknown_length_stays_unknown(play):
    play("""
        visitor ──▶ GET /page | Range: bytes=2-5
        origin  ◀── GET /page
        origin  ──▶ 206 | Cache-Control: max-age=60 | Content-Range: bytes 2-5/* | ETag: "a" | «2345»
        visitor ◀── 206 | Content-Range: bytes 2-5/* | «2345»
        visitor ──▶ GET /page | Range: bytes=3-4
        visitor ◀── 206 | Content-Range: bytes 3-4/* | Cache-Status: hit | «34»
        visitor ──▶ GET /page | Range: bytes=-4
        origin  ◀── GET /page
        origin  ──▶ 206 | Cache-Control: max-age=60 | Content-Range: bytes 6-9/10 | ETag: "a" | «6789»
        visitor ◀── 206 | Content-Range: bytes 6-9/10 | «6789»
        visitor ──▶ GET /page | Range: bytes=4-7
        visitor ◀── 206 | Content-Range: bytes 4-7/10 | Cache-Status: hit | «4567»
    """)


def test_one_clients_if_range_does_not_answer_for_another(play):
    """Both ask for the same octets, but of different representations: each gets what it can use."""
    play("""
        anna    ──▶ GET /page | Range: bytes=0-2
        ben     ──▶ GET /page | Range: bytes=0-2 | If-Range: "old"
        origin  ◀── GET /page | Range: bytes=0-2 | -If-Range
        origin  ──▶ 206 | Cache-Control: max-age=60 | Content-Range: bytes 0-2/4 | ETag: "new" | «NEW»
        anna    ◀── 206 | «NEW»
        origin  ◀── GET /page | If-Range: "old"
        origin  ──▶ 200 | Cache-Control: max-age=60 | ETag: "new" | «NEWS»
        ben     ◀── 200 | «NEWS»
    """)


def test_who_asks_for_the_same_octets_meanwhile_shares_the_answer(play):
    play("""
        anna    ──▶ GET /page | Range: bytes=0-2
        ben     ──▶ GET /page | Range: bytes=0-2
        carla   ──▶ GET /page | Range: bytes=0-2 | If-Range: "a"
        origin  ◀── GET /page | Range: bytes=0-2
        origin  ──▶ 206 | Cache-Control: max-age=60 | Content-Range: bytes 0-2/10 | ETag: "a" | «012»
        anna    ◀── 206 | «012»
        ben     ◀── 206 | Content-Range: bytes 0-2/10 | «012»
        carla   ◀── 206 | Content-Range: bytes 0-2/10 | «012»
    """)
