"""Regular expressions in a page: RE2, whose time is linear in the text whatever the pattern. No back-references, no look-around.

Patterns may be computed from the request, so their length, their size when compiled and their memory are bounded too.
"""

from __future__ import annotations

from functools import lru_cache

import re2

from fragments.esi.errors import EsiError
from fragments.esi.values import Value, is_empty, kin, text_of

__all__ = ["MAX_PATTERN", "MAX_SUBJECT", "cost", "is_match", "match_groups", "require_pattern"]

MAX_SUBJECT = 8_192
"""Characters of a text that are looked at."""
MAX_PATTERN = 1_024
"""Characters."""
_MAX_PROGRAM = 2_000
"""Instructions of the compiled pattern."""
_MAX_MEMORY = 1_048_576
"""Octets that RE2 may use for one pattern; its own default is 8 MiB."""


@lru_cache(maxsize=512)
def _compiled(pattern: str, *, ignore_case: bool) -> re2._Regexp | str:
    """The compiled pattern, or why it is none. As octets, since a request's text need not be valid UTF-8."""
    if len(pattern) > MAX_PATTERN:
        return f"a pattern has at most {MAX_PATTERN:,} characters"
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_MEMORY
    options.case_sensitive = not ignore_case
    try:
        compiled = re2.compile(pattern.encode("utf-8", "surrogateescape"), options)
    except re2.error as wrong:
        reason = wrong.args[0] if wrong.args else "not understood"
        return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
    if compiled.programsize > _MAX_PROGRAM:
        return "the pattern is too large"
    return compiled


def require_pattern(pattern: str, offset: int) -> None:
    """Raises EsiError (bad-pattern) with this offset when the pattern can't be used."""
    reason = _compiled(str(pattern), ignore_case=False)
    if isinstance(reason, str):
        raise EsiError("bad-pattern", f"bad regular expression at character {offset + 1}: {reason}", offset)


def cost(pattern: Value, subject: Value) -> int:
    """Steps that a search is worth."""
    compiled = _compiled(str(text_of(pattern)), ignore_case=False)
    size = 1 if isinstance(compiled, str) else compiled.programsize
    return 1 + min(len(text_of(subject)), MAX_SUBJECT) * size // 16_384


def match_groups(pattern: Value, subject: Value, *, ignore_case: bool = False) -> list[str] | None:
    """What the pattern finds first: the whole and the groups, "" for a group that took no part. None when it finds nothing or is no pattern.

    As with every comparison, an operand that is undefined or empty finds nothing.
    """
    if is_empty(pattern) or is_empty(subject):
        return None
    compiled = _compiled(str(text_of(pattern)), ignore_case=ignore_case)
    if isinstance(compiled, str):
        return None
    text = text_of(subject)[:MAX_SUBJECT]
    found = compiled.search(text.encode("utf-8", "surrogateescape"))
    if found is None:
        return None
    groups = [found.group(0), *(group or b"" for group in found.groups())]
    return [kin(group.decode("utf-8", "surrogateescape"), subject) for group in groups]


def is_match(pattern: Value, subject: Value, *, ignore_case: bool = False) -> bool:
    """Does the pattern find anything? As match_groups, without the groups."""
    if is_empty(pattern) or is_empty(subject):
        return False
    compiled = _compiled(str(text_of(pattern)), ignore_case=ignore_case)
    if isinstance(compiled, str):
        return False
    return compiled.search(text_of(subject)[:MAX_SUBJECT].encode("utf-8", "surrogateescape")) is not None
