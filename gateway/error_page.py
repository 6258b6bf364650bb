"""The pages of our own errors: what happened, in words for the visitor, with the id under which the operator finds it. Never an address or a trace."""

from __future__ import annotations

from http import HTTPStatus

import orjson

from fragments.render import render
from gateway.semantics.negotiation import weighted

__all__ = ["error_page"]

_TEXTS = {
    "header_bytes": "The request's header section is larger than this server accepts.",
    "header_count": "The request has more header fields than this server accepts.",
    "url_bytes": "The address is longer than this server accepts.",
    "connection_refused": "The site's server could not be reached. It may be restarting; please try again in a moment.",
    "destination_unavailable": "The site's server has been failing and is being given a rest. Please try again in a moment.",
    "connection_limit_reached": "The site's server has more to do than it can take. Please try again in a moment.",
    "connection_terminated": "The site's server closed the connection before it had answered.",
    "http_protocol_error": "The site's server gave an answer that could not be understood.",
    "only_if_cached": "Only a stored copy was asked for, and there is none.",
    "no_route": "No site is configured for this address.",
    "overloaded": "The site has more visitors just now than it can serve. Please try again in a moment.",
    "rate_limited": "There were more requests from you than this site allows. Please wait a moment.",
    "loop_detected": "The request came back to this server again and again.",
}
_BY_STATUS = {
    400: "The request could not be understood.",
    408: "The request took too long to arrive.",
    413: "The content is larger than this server accepts.",
    417: "The request expects something that this server can't promise.",
    501: "This server does not do what the request asks for.",
    502: "The site's server did not give a usable answer.",
    503: "The site can't answer just now. Please try again in a moment.",
    504: "The site's server took too long to answer. Please try again in a moment.",
}


def error_page(status: int, reason: str, request_id: str, accept: bytes | None) -> tuple[bytes, bytes]:
    """(media type, content): HTML where a browser asks, JSON where a program asks for it, else plain text."""
    title = HTTPStatus(status).phrase
    text = _TEXTS.get(reason) or _BY_STATUS.get(status) or f"{title}."
    form = _preferred_form(accept)
    if form == "html":
        return b"text/html; charset=utf-8", render(
            "error.html", status=status, title=title, text=text, request_id=request_id
        ).encode()
    if form == "json":
        return b"application/problem+json", orjson.dumps(
            {"status": status, "title": title, "detail": text, "reason": reason, "request_id": request_id}
        )
    return b"text/plain; charset=utf-8", f"{status} {title}\n{text}\nrequest id: {request_id}\n".encode()


def _preferred_form(accept: bytes | None) -> str:
    weights = dict(weighted(accept or b""))
    html = weights.get(b"text/html", 0.0)
    json = max((weights.get(kind, 0.0) for kind in (b"application/json", b"application/problem+json")), default=0.0)
    if html and html >= json:
        return "html"
    return "json" if json else "text"
