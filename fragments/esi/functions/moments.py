"""Functions of time, which is UTC. "Now" is the moment of the evaluation, the same in a whole page."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from fragments.esi.functions.builtin import BuiltinFunction, scalar
from fragments.esi.scope import Scope
from fragments.esi.values import Value, kin, number_of

__all__ = ["MOMENTS"]

_LAST_SECOND = 253_402_300_799
"""The end of the year 9999."""
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def _moment(seconds: Value) -> datetime | None:
    number = number_of(seconds)
    if number is None or not 0 <= number <= _LAST_SECOND:
        return None
    return datetime.fromtimestamp(int(number), UTC)


def _formatted(moment: datetime, directive: str) -> str:
    """One directive of strftime, in English whatever the machine's locale."""
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    return {
        "a": day[:3],
        "A": day,
        "b": month[:3],
        "B": month,
        "d": f"{moment.day:02}",
        "e": f"{moment.day:2}",
        "F": f"{moment.year:04}-{moment.month:02}-{moment.day:02}",
        "H": f"{moment.hour:02}",
        "I": f"{(moment.hour - 1) % 12 + 1:02}",
        "j": f"{moment.timetuple().tm_yday:03}",
        "m": f"{moment.month:02}",
        "M": f"{moment.minute:02}",
        "p": "AM" if moment.hour < 12 else "PM",
        "s": str(int(moment.timestamp())),
        "S": f"{moment.second:02}",
        "T": f"{moment.hour:02}:{moment.minute:02}:{moment.second:02}",
        "u": str(moment.isoweekday()),
        "w": str(moment.isoweekday() % 7),
        "y": f"{moment.year % 100:02}",
        "Y": f"{moment.year:04}",
        "z": "+0000",
        "Z": "GMT",
        "%": "%",
    }[directive]


_DIRECTIVE = re.compile("%([aAbBdeFHIjmMpsSTuwyYzZ%])")


def _time(scope: Scope) -> Value:
    return int(scope.now)


def _http_time(scope: Scope, seconds: Value = None) -> Value:
    return _strftime(int(scope.now) if seconds is None else seconds, "%a, %d %b %Y %H:%M:%S GMT")


def _strftime(seconds: Value, pattern: Value) -> Value:
    moment, form = _moment(seconds), scalar(pattern)
    if moment is None or form is None:
        return None
    return kin(_DIRECTIVE.sub(lambda match: _formatted(moment, match[1]), form), pattern)


MOMENTS = (
    BuiltinFunction("time", _time, (0, 0), "Now, in seconds since 1970.", ("$time()", "784111777"), pure=False),
    BuiltinFunction(
        "http_time",
        _http_time,
        (0, 1),
        "A moment (now, if not given) as in HTTP's fields.",
        ("$http_time(784111777)", "Sun, 06 Nov 1994 08:49:37 GMT"),
        pure=False,
    ),
    BuiltinFunction(
        "strftime",
        _strftime,
        (2, 2),
        "A moment in a form of one's own, with C's directives a A b B d e F H I j m M p s S T u w y Y z Z %.",
        ("$strftime(784111777, '%d.%m.%Y')", "06.11.1994"),
    ),
)
