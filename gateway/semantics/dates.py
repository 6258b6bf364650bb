"""HTTP-date (RFC 9110 §5.6.7): three formats read, one written.

Stricter than most: what is not exactly one of the three is no date at all, so that an `Expires` nobody can read counts as
expired (RFC 9111 §5.3). Case of names and zone is forgiven, as §5.6.7 allows a recipient to be robust there.
"""

from __future__ import annotations

import calendar
import re
from datetime import date
from functools import lru_cache

__all__ = ["format_date", "parse_date"]

_DAYS = (b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun")
_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_MONTH_NUMBER = {name.lower(): number for number, name in enumerate(_MONTHS, start=1)}

_MONTH = rb"(?P<month>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_TIME = rb"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_FORMATS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rb"(?:mon|tue|wed|thu|fri|sat|sun), (?P<day>\d\d) " + _MONTH + rb" (?P<year>\d{4}) " + _TIME + rb" gmt",  # IMF-fixdate
        rb"(?:mon|tues|wednes|thurs|fri|satur|sun)day, (?P<day>\d\d)-"
        + _MONTH
        + rb"-(?P<year>\d\d) "
        + _TIME
        + rb" gmt",  # RFC 850
        rb"(?:mon|tue|wed|thu|fri|sat|sun) " + _MONTH + rb" (?P<day>[ \d]\d) " + _TIME + rb" (?P<year>\d{4})",  # asctime
    )
)
_EPOCH = date(1970, 1, 1).toordinal()
_YEARS_AHEAD = 50  # a two-digit year more than 50 years ahead lies in the past. RFC 9110 §5.6.7


def parse_date(text: bytes | None, now: float) -> float | None:
    """Epoch seconds, or None when text is missing or is no HTTP-date. Never raises.

    now: epoch seconds; decides the century of a two-digit year.
    """
    return None if text is None else _parse(text, int(1970 + now / 31_556_952))


@lru_cache(maxsize=1_024)  # the present second again and again, and the Last-Modified of what is asked for most
def _parse(text: bytes, this_year: int) -> float | None:
    for pattern in _FORMATS:
        if found := pattern.fullmatch(text):
            year = int(found["year"])
            if len(found["year"]) == 2:
                year += this_year - this_year % 100
                if year > this_year + _YEARS_AHEAD:
                    year -= 100
            parts = (year, _MONTH_NUMBER[found["month"].lower()], int(found["day"]))
            clock = (int(found["hour"]), int(found["minute"]), int(found["second"]))
            return _epoch(*parts, *clock)
    return None


def _epoch(year: int, month: int, day: int, hour: int, minute: int, second: int) -> float | None:
    """None for days and times that do not exist (a leap second does: it reads as the next one)."""
    if not (year and 1 <= day <= calendar.monthrange(year, month)[1] and hour < 24 and minute < 60 and second <= 60):
        return None
    return float(calendar.timegm((year, month, day, hour, minute, second, 0, 0, 0)))


def format_date(epoch: float) -> bytes:
    """IMF-fixdate of epoch seconds, e.g. b"Sun, 06 Nov 1994 08:49:37 GMT"."""
    return _format_second(int(epoch))


@lru_cache(maxsize=64)  # nearly every call is for the present second
def _format_second(epoch: int) -> bytes:
    days, seconds = divmod(epoch, 86_400)
    day = date.fromordinal(_EPOCH + days)
    return b"%s, %02d %s %04d %02d:%02d:%02d GMT" % (
        _DAYS[(days + 3) % 7],  # 1970-01-01 was a Thursday
        day.day,
        _MONTHS[day.month - 1],
        day.year,
        seconds // 3600,
        seconds // 60 % 60,
        seconds % 60,
    )
