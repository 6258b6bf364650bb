"""What an inquiry found about a page that is made of pieces: whether it is one or why not, what it includes, what became of that, faults of its markup.

The destinations are those that the weaver finds, what memory has is what the next request would get.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from gateway.app import Gateway
from gateway.commands.markup import Found, survey
from gateway.errors import UpstreamError
from gateway.flow.assembly.inclusion import Inclusion
from gateway.flow.recognise import Visit
from gateway.semantics.decoding import DecodingError, decoder_for
from gateway.semantics.message import Fields, Section, first, joined
from gateway.telemetry.trace import TraceNode

__all__ = ["about_assembly"]

Memory = Callable[[Visit], Found]
"""What would be done with a request: its plan in words."""


def about_assembly(
    gateway: Gateway, visit: Visit, status: int, fields: Fields, octets: bytes, trace: TraceNode, memory: Memory
) -> Found:
    """The section `assembly`. status, fields, octets: of the origin's response, as it came; trace: how the answer came to be."""
    rules = visit.route.esi
    said = Section(fields)
    why_not = rules.why_not(status, said)
    if not why_not and not rules.has_markup(said):
        why_not = 'only its nonce is made anew: it has no Surrogate-Control: content="ESI/1.0", and esi.mode is auto'
    page, unread = _readable(octets, fields, rules.max_page_bytes)
    media_type = (first(fields, b"content-type") or b"").decode("latin-1")
    return {
        "assembled": not why_not,
        "why_not": why_not,
        "stripped": bool(why_not) and rules.strip,
        "unread": unread,
        "markup": survey(page, media_type),
        "includes": [_include(gateway, visit, node, 1, memory) for node in trace.children],
        "met": [] if why_not else [problem for problem in trace.problems if not problem.startswith("line ")],
        "response": {},
    }


def _readable(octets: bytes, fields: Fields, max_bytes: int) -> tuple[bytes, str]:
    """The content, decoded; and what stands in the way of that."""
    coding = joined(fields, b"content-encoding")
    if coding is None:
        return octets, ""
    try:
        decoder = decoder_for(coding, max_bytes=max_bytes)
        page = b"".join(decoder.decode(octets))
        decoder.finish()
    except DecodingError as error:
        return b"", str(error)
    return page, ""


def _include(gateway: Gateway, parent: Visit, node: TraceNode, depth: int, memory: Memory) -> Found:
    """One request for a page, and those for what came."""
    about: Found = {
        "url": node.url,
        "rung": node.rung,
        "outcome": node.outcome,
        "cache": node.cache,
        "status": node.status,
        "octets": node.octets,
        "reason": node.reason,
        "goes": "",
        "now": "",
        "includes": [],
    }
    weaver = gateway.page.weaver
    if weaver.slots is not None and (place := weaver.slot_at(parent, node.url)) is not None:
        slot = weaver.slots.find(place.target)
        if slot is None:
            return about | {"goes": "nowhere: the gateway has no slot of this name"}
        return about | {"goes": f"to slot {slot.name} of this gateway, without a request", "now": "is kept or made anew here"}
    try:
        visit = gateway.page.weaver.visit_of(parent, node.url, Inclusion(depth, monotonic()))
    except UpstreamError as error:
        return about | {"goes": f"nowhere: {error}"}
    scheme, host, target = visit.key
    about["goes"] = f"to {scheme.decode('ascii')}://{(host + target).decode('latin-1')}, by route {visit.route.name}"
    about["now"] = memory(visit)["text"]
    about["includes"] = [_include(gateway, visit, child, depth + 1, memory) for child in node.children]
    return about
