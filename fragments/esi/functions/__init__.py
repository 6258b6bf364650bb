"""The library of functions, under Akamai's names. FUNCTIONS is the whole of it; docs and tests are drawn from the same table.

UNSUPPORTED_FUNCTIONS are known elsewhere and not done here, each with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping

from fragments.esi.functions.builtin import BuiltinFunction
from fragments.esi.functions.encodings import ENCODINGS
from fragments.esi.functions.lists import LISTS
from fragments.esi.functions.moments import MOMENTS
from fragments.esi.functions.numbers import NUMBERS
from fragments.esi.functions.texts import TEXTS

__all__ = ["FUNCTIONS", "UNSUPPORTED_FUNCTIONS", "BuiltinFunction"]

FUNCTIONS: Mapping[str, BuiltinFunction] = {each.name: each for each in (*TEXTS, *ENCODINGS, *NUMBERS, *LISTS, *MOMENTS)}

_HEAD_IS_GONE = "the head of the response is decided before the page is assembled"

UNSUPPORTED_FUNCTIONS: Mapping[str, str] = {
    "add_cachebusting_header": _HEAD_IS_GONE,
    "add_header": _HEAD_IS_GONE,
    "set_redirect": _HEAD_IS_GONE,
    "set_response_code": _HEAD_IS_GONE,
    "bin_int": "texts hold characters, not octets",
    "digest_md5": "it yields four integers; use $digest_md5_hex",
    "last_rand": "assign what $rand yields and use that",
}
