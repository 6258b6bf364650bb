"""A CSRF token that the gateway fills into pages which everybody shares: double submit, the site compares it with a cookie.

OWASP, Cross-Site Request Forgery Prevention, "Naive Double-Submit Cookie". Frameworks that sign theirs fill their forms by an include instead, whose
Set-Cookie is let through (esi.cookies_from).
"""

from __future__ import annotations

import re
from secrets import choice
from string import ascii_letters, digits

from gateway.semantics.message import Request, values

__all__ = ["Csrf", "csrf_of"]

_TOKEN = re.compile(rb"[A-Za-z0-9_-]{16,128}")
_LENGTH = 32  # letters and digits: 190 bits, and the form that Django takes for its own


class Csrf:
    """The token of one response, shared by a page and all that it includes. is_new: the visitor has no cookie with it yet; is_used: it is in the page."""

    __slots__ = ("is_new", "is_used", "token")

    def __init__(self, token: str, *, is_new: bool) -> None:
        self.token = token
        self.is_new = is_new
        self.is_used = False


def csrf_of(request: Request, cookie: str) -> Csrf:
    """The token that the visitor has, or a new one."""
    wanted = cookie.encode("ascii")
    for pair in b";".join(values(request.fields, b"cookie")).split(b";"):
        name, _, value = pair.strip().partition(b"=")
        if name == wanted and _TOKEN.fullmatch(value):
            return Csrf(value.decode("ascii"), is_new=False)
    return Csrf("".join([choice(ascii_letters + digits) for _ in range(_LENGTH)]), is_new=True)
