"""HTTP-dates: three formats read, one written (RFC 9110 §5.6.7)."""

from __future__ import annotations

import calendar
from email.utils import formatdate, parsedate_to_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.semantics.dates import format_date, parse_date

NOW = 1_800_000_000.0
MOMENT = calendar.timegm((1994, 11, 6, 8, 49, 37, 0, 0, 0))
YEAR_1 = calendar.timegm((1, 1, 1, 0, 0, 0, 0, 0, 0))
YEAR_9999 = calendar.timegm((9999, 12, 31, 23, 59, 59, 0, 0, 0))


@pytest.mark.parametrize(
    "text",
    [
        b"Sun, 06 Nov 1994 08:49:37 GMT",  # IMF-fixdate
        b"Sunday, 06-Nov-94 08:49:37 GMT",  # RFC 850
        b"Sun Nov  6 08:49:37 1994",  # asctime
        b"sun, 06 nov 1994 08:49:37 gmt",
        b"SUN NOV 06 08:49:37 1994",
        b"Mon, 06 Nov 1994 08:49:37 GMT",  # the day of the week is not checked: it says nothing new
    ],
)
def test_the_three_formats_are_read(text):
    assert parse_date(text, NOW) == MOMENT


@pytest.mark.parametrize(
    "text",
    [
        None,
        b"",
        b"0",
        b"-1",
        b"now",
        b"1994-11-06T08:49:37Z",
        b"Sun, 06 Nov 1994 08:49:37",
        b"Sun, 06 Nov 1994 08:49:37 UTC",
        b"Sun, 06 Nov 1994 08:49:37 +0000",
        b"Sun, 06 Nov 1994 08:49:37 GMT ",
        b" Sun, 06 Nov 1994 08:49:37 GMT",
        b"Sun, 6 Nov 1994 08:49:37 GMT",
        b"Sun, 06 Nov 94 08:49:37 GMT",
        b"Sun,06 Nov 1994 08:49:37 GMT",
        b"Sun, 06  Nov 1994 08:49:37 GMT",
        b"Sun, 06-Nov-1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 8:49:37 GMT",
        b"Sun, 06 Nov 1994 08.49.37 GMT",
        b"Sun, 06 Foo 1994 08:49:37 GMT",
        b"Foo, 06 Nov 1994 08:49:37 GMT",
        b"Sun, 00 Nov 1994 08:49:37 GMT",
        b"Sun, 31 Nov 1994 08:49:37 GMT",
        b"Wed, 29 Feb 2023 08:49:37 GMT",
        b"Sun, 06 Nov 0000 08:49:37 GMT",
        b"Sun, 06 Nov 1994 24:00:00 GMT",
        b"Sun, 06 Nov 1994 08:60:00 GMT",
        b"Sun, 06 Nov 1994 08:49:61 GMT",
        b"Sunday, 06-Nov-1994 08:49:37 GMT",
        b"Sun Nov 6 08:49:37 1994",
        "Sun, ٠٦ Nov 1994 08:49:37 GMT".encode(),
    ],
)
def test_anything_else_is_no_date(text):
    """RFC 9111 §5.3: an Expires that can't be read has expired."""
    assert parse_date(text, NOW) is None


def test_a_leap_second_is_the_next_second():
    assert parse_date(b"Sat, 31 Dec 2016 23:59:60 GMT", NOW) == calendar.timegm((2017, 1, 1, 0, 0, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("this_year", "two_digits", "year"),
    [
        (2027, 27, 2027),
        (2027, 77, 2077),
        (2027, 78, 1978),
        (2027, 99, 1999),
        (2027, 0, 2000),
        (2060, 10, 2010),
        (1999, 49, 1949),
        (2099, 0, 2000),
    ],
)
def test_two_digits_of_a_year_lie_at_most_fifty_years_ahead(this_year, two_digits, year):
    now = calendar.timegm((this_year, 6, 1, 0, 0, 0, 0, 0, 0))
    text = b"Tuesday, 01-Jan-%02d 00:00:00 GMT" % two_digits
    assert parse_date(text, now) == calendar.timegm((year, 1, 1, 0, 0, 0, 0, 0, 0))


@given(st.integers(0, YEAR_9999))
@example(0)
@example(951_782_400)  # 29 February 2000
@example(4_107_542_400)  # 1 March 2100: no leap year
def test_what_is_written_is_what_the_standard_library_writes_and_reads(epoch):
    text = format_date(epoch)
    assert text.decode() == formatdate(epoch, usegmt=True)
    assert parsedate_to_datetime(text.decode()).timestamp() == epoch
    assert parse_date(text, NOW) == epoch


@given(st.integers(YEAR_1, YEAR_9999))
def test_every_second_of_the_calendar_survives_the_round_trip(epoch):
    assert parse_date(format_date(epoch), NOW) == epoch


@given(st.integers(0, YEAR_9999))
def test_asctime_is_read_as_c_writes_it(epoch):
    text = format_date(epoch)  # Sun, 06 Nov 1994 08:49:37 GMT
    day, month, year, clock = text[5:7], text[8:11], text[12:16], text[17:25]
    padded = b" " + day[1:] if day[:1] == b"0" else day
    assert parse_date(b"%s %s %s %s %s" % (text[:3], month, padded, clock, year), NOW) == epoch


@given(st.binary(max_size=40), st.floats(0, 4e9))
def test_no_octets_make_it_raise(text, now):
    parse_date(text, now)


@given(st.data())
def test_a_date_with_one_octet_changed_is_a_date_or_none(data):
    text = bytearray(b"Sun, 06 Nov 1994 08:49:37 GMT")
    text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    assert parse_date(bytes(text), NOW) is None or isinstance(parse_date(bytes(text), NOW), float)


def test_a_date_cut_anywhere_is_none():
    whole = b"Sunday, 06-Nov-94 08:49:37 GMT"
    for end in range(len(whole)):
        assert parse_date(whole[:end], NOW) is None
