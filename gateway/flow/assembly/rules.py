"""Whether a response is a page to be assembled, and what the site allows there. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from fragments.assembly import Budget
from gateway.semantics.media_types import MediaTypes
from gateway.semantics.message import Fields, Section

__all__ = ["CAPABILITY", "EsiRules", "asks_for_esi"]

CAPABILITY = (b"surrogate-capability", b'weft="Surrogate/1.0 ESI/1.0"')
"""How we say to origins that we assemble. Edge Architecture Specification §3.1."""

_CONTENT = re.compile(rb'(?:^|[,;\s])content\s*=\s*"([^"]*)"', re.IGNORECASE)


class EsiRules:
    """What a route says of ESI.

    mode            "auto": pages that ask for it; "always": every page of these types; "off"
    types           media types that are looked at, exact or ending in /*
    lenient         a page goes out without includes that can't be had
    deadline        seconds that a page's includes may take together
    max_depth, max_includes, max_parallel   of one page
    max_fragment_bytes  longer fragments are not spliced in; max_page_bytes: of a compressed page, decoded
    cookies         names that variables may read; None: all
    request_fields  what of the client's request reaches includes of our own site; others get guest_fields
    cookies_from    path prefixes of includes whose Set-Cookie reaches the client
    late            the page may stream past an include that keeps it waiting for late_after seconds
    nonce           octets that stand for a CSP nonce in pages and their header sections; b"" for none
    csrf_cookie     name of the cookie that a page's CSRF token is compared with; "" for none
    strip           ESI markup in pages that are not processed is taken out
    """

    __slots__ = (
        "_types",
        "_waits_for_word",
        "budget",
        "cookies",
        "cookies_from",
        "csrf_cookie",
        "deadline",
        "guest_fields",
        "late",
        "late_after",
        "lenient",
        "max_depth",
        "max_fragment_bytes",
        "max_includes",
        "max_page_bytes",
        "max_parallel",
        "mode",
        "nonce",
        "request_fields",
        "strip",
    )

    def __init__(
        self,
        mode: str = "auto",
        *,
        types: Sequence[str] = (
            "text/*",
            "application/xhtml+xml",
            "application/xml",
            "application/json",
            "application/javascript",
        ),
        lenient: bool = False,
        deadline: float = 2.0,
        max_depth: int = 5,
        max_includes: int = 256,
        max_parallel: int = 32,
        max_fragment_bytes: int = 4 << 20,
        max_page_bytes: int = 32 << 20,
        cookies: Collection[str] | None = None,
        request_fields: Sequence[str] = ("accept-language", "authorization", "cookie", "traceparent", "tracestate", "user-agent"),
        guest_fields: Sequence[str] = ("accept-language",),
        cookies_from: Sequence[str] = (),
        strip: bool = False,
        late: bool = False,
        late_after: float = 0.05,
        nonce: str = "",
        csrf_cookie: str = "",
    ) -> None:
        self.mode = mode
        self._types = MediaTypes(types)
        self.lenient = lenient
        self.deadline = deadline
        self.max_depth = max_depth
        self.max_includes = max_includes
        self.budget = Budget(holes=max_includes)
        self.max_parallel = max_parallel
        self.max_fragment_bytes = max_fragment_bytes
        self.max_page_bytes = max_page_bytes
        self.cookies = frozenset(cookies) if cookies is not None else None
        self.request_fields = frozenset(name.encode("ascii") for name in request_fields)
        self.guest_fields = frozenset(name.encode("ascii") for name in guest_fields)
        self.cookies_from = tuple(prefix.encode("ascii") for prefix in cookies_from)
        self.strip = strip
        self.late = late
        self.late_after = late_after
        self.nonce = nonce.encode("ascii")
        self._waits_for_word = mode == "auto" and not nonce  # only pages that ask for it are assembled
        self.csrf_cookie = csrf_cookie

    def suits(self, content_type: bytes | None) -> bool:
        """Whether content of that type is looked at."""
        return self._types.have(content_type)

    def why_not(self, status: int, said: Section, *, forced: bool = False) -> str:
        """What speaks against assembling a response, for people; "" when it is to be.

        forced: the include that brings it says dca="esi".
        """
        if self.mode == "off":
            return "esi.mode is off"
        if not (self.has_markup(said, forced=forced) or (self.nonce and self.suits(said.get(b"content-type")))):
            return 'the response has no Surrogate-Control: content="ESI/1.0", and esi.mode is auto'
        if status < 200 or status in (204, 205, 206, 304):
            return f"a {status} has no whole page"
        if not self.suits(said.get(b"content-type")):
            return "its type is none of esi.types"
        return ""

    def conceal(self, fields: Fields) -> Fields:
        """The header section of a response that is not assembled, without what stands for a nonce: whoever learns that could write scripts that run."""
        mark = self.nonce
        if not mark or not any(mark in value for _, value in fields):
            return fields
        return [(name, value.replace(b"'nonce-" + mark + b"'", b"").replace(mark, b"")) for name, value in fields]

    def has_markup(self, said: Section, *, forced: bool = False) -> bool:
        """Whether the page's ESI is run. Else only its nonce is made anew: what did not ask gains no power."""
        return forced or self.mode == "always" or asks_for_esi(said)

    def applies(self, status: int, said: Section, *, forced: bool = False) -> bool:
        """Whether to assemble a response."""
        if self.mode == "off" or (self._waits_for_word and not forced and b"surrogate-control" not in said):
            return False  # what is to be said of nearly every response
        return not self.why_not(status, said, forced=forced)


def asks_for_esi(said: Section) -> bool:
    """`Surrogate-Control: content="ESI/1.0"`. Edge Architecture Specification §2.3."""
    value = said.joined(b"surrogate-control")
    if value is None:
        return False
    return any(word.startswith(b"ESI/1.") for found in _CONTENT.findall(value) for word in found.split())
