"""What a page shares with all that it includes, and what is its own."""

from __future__ import annotations

from secrets import token_urlsafe

from gateway.flow.assembly.csrf import csrf_of
from gateway.flow.assembly.inclusion import Tally
from gateway.flow.recognise import Visit

__all__ = ["make_nonce", "prepare"]


def prepare(visit: Visit) -> None:
    """What a page shares with all that it includes, made before the first of them is asked for."""
    rules = visit.route.esi
    if visit.tally is None:
        visit.tally = Tally(rules.max_includes)
    if visit.set_cookies is None:
        visit.set_cookies = []
    if rules.csrf_cookie and visit.csrf is None and visit.route.tells_client:  # a guest has no business with it
        visit.csrf = csrf_of(visit.request, rules.csrf_cookie)


def make_nonce(visit: Visit) -> bytes:
    """A new nonce of 128 bits, where the site has a place for one; b"" elsewhere, and for an include: the page around it has its own. CSP Level 3 §7.1."""
    return token_urlsafe(16).encode("ascii") if visit.route.esi.nonce and visit.inclusion is None else b""
