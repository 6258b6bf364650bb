"""Pages that are made of pieces: when ESI runs, where includes may go, what one page may cost, what becomes of it when a piece can't be had."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator

from gateway.settings.units import (
    Bytes,
    CidrNetwork,
    CookieName,
    Count,
    FieldName,
    MediaType,
    PathPrefix,
    Seconds,
    Secret,
    Section,
    Switch,
    leaf,
    same_as,
)
from gateway.upstream.guests import HostPatterns

__all__ = ["Esi", "EsiOverrides"]

EsiMode = Literal["auto", "always", "off"]
OnFailure = Literal["fail", "continue"]


def _host_pattern(value: str) -> str:
    try:
        HostPatterns([value])
    except ValueError as error:
        raise ValueError(
            "a host such as widgets.example, with a port where it is not the usual one, or *.widgets.example"
        ) from error
    return value


GuestHost = Annotated[str, AfterValidator(_host_pattern)]


class Esi(Section):
    """Edge Side Includes: pages that are assembled from fragments."""

    mode: EsiMode = leaf(
        "auto",
        'When pages are assembled: auto, where they ask for it with Surrogate-Control: content="ESI/1.0"; always, every page of these types; off.',
    )
    types: tuple[MediaType, ...] = leaf(
        (
            "text/*",
            "application/xhtml+xml",
            "application/xml",
            "application/json",
            "application/ld+json",
            "application/javascript",
        ),
        "Media types of pages that are assembled.",
    )
    on_failure: OnFailure = leaf(
        "fail",
        "What becomes of a page when an include can't be had and has neither alt nor onerror=continue nor a body of its own: fail answers "
        "with an error, or cuts short what is on its way (ESI 1.0); continue leaves the place empty, unless the include says required.",
    )
    deadline: Seconds = leaf(2.0, "How long the includes of a page may take together.", unit="seconds", gt=0, le=600)
    max_depth: Count = leaf(5, "Includes inside each other.", ge=1, le=32)
    max_includes: Count = leaf(256, "Includes of one page, those of what it includes counted with them.", ge=1, le=10_000)
    max_parallel: Count = leaf(32, "Includes of one page that are asked for at the same time.", ge=1, le=1_000)
    max_fragment_bytes: Bytes = leaf(4 * 2**20, "Longer fragments are not spliced in.", unit="bytes", ge=1, le=2**30)
    max_page_bytes: Bytes = leaf(
        32 * 2**20, "How long a page that comes compressed may be when decoded.", unit="bytes", ge=1, le=2**34
    )
    cookies: tuple[CookieName, ...] | None = leaf(
        None, "Cookies that variables may read. Not set: all of them; an empty list: none."
    )
    request_fields: tuple[FieldName, ...] = leaf(
        ("accept-language", "authorization", "cookie", "traceparent", "tracestate", "user-agent"),
        "Fields of the client's request that go along with includes of the site itself.",
    )
    guest_fields: tuple[FieldName, ...] = leaf(
        ("accept-language",), "Fields of the client's request that go along with includes of the hosts in esi.hosts."
    )
    cookies_from: tuple[PathPrefix, ...] = leaf(
        (),
        "Path prefixes of includes whose Set-Cookie reaches the client; a page with such an include waits for it before its head goes out.",
    )
    late: Switch = leaf(
        False,
        "Whether a page may stream on past a slow include, whose content then follows at the end of the same response; for browsers only.",
    )
    late_after: Seconds = leaf(0.05, "How long such an include may keep the page waiting first.", unit="seconds", ge=0, le=600)
    nonce: Secret | None = leaf(
        None,
        "What the site writes in the place of a CSP nonce, in the header field and in the markup: made anew for each response. A secret: whoever "
        "knows it can write scripts that run.",
    )
    csrf_cookie: CookieName | None = leaf(
        None, "Cookie that the variable CSRF_TOKEN is compared with by the site (double submit); set where the visitor has none."
    )
    strip: Switch = leaf(False, "Whether ESI markup in pages that are not assembled is taken out before they reach a browser.")
    hosts: tuple[GuestHost, ...] = leaf(
        (), "Other hosts that pages may include from: widgets.example, widgets.example:8443, *.widgets.example. Empty: none."
    )
    allow_private: tuple[CidrNetwork, ...] = leaf(
        (), "Networks that these hosts may be in though they are not public. An include never reaches another private address."
    )


class EsiOverrides(Section):
    """What one route says differently from `esi`. A name that is not set is as `esi` says."""

    mode: EsiMode | None = same_as(Esi, "mode")
    on_failure: OnFailure | None = same_as(Esi, "on_failure")
    deadline: Seconds | None = same_as(Esi, "deadline")
    max_depth: Count | None = same_as(Esi, "max_depth")
    max_includes: Count | None = same_as(Esi, "max_includes")
    max_parallel: Count | None = same_as(Esi, "max_parallel")
    max_fragment_bytes: Bytes | None = same_as(Esi, "max_fragment_bytes")
    cookies: tuple[CookieName, ...] | None = same_as(Esi, "cookies")
    request_fields: tuple[FieldName, ...] | None = same_as(Esi, "request_fields")
    cookies_from: tuple[PathPrefix, ...] | None = same_as(Esi, "cookies_from")
    late: Switch | None = same_as(Esi, "late")
    late_after: Seconds | None = same_as(Esi, "late_after")
    nonce: Secret | None = same_as(Esi, "nonce")
    csrf_cookie: CookieName | None = same_as(Esi, "csrf_cookie")
    strip: Switch | None = same_as(Esi, "strip")

    def over(self, esi: Esi) -> Esi:
        """The route's settings: these where set, `esi` elsewhere."""
        return esi.model_copy(update=self.model_dump(exclude_none=True))
