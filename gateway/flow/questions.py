"""Small questions around one exchange: what to ask for, whether the answer speaks of what is stored, what it is tagged with, what becomes of content that nobody wants."""

from __future__ import annotations

from gateway.cache.entry import Entry
from gateway.cache.parts import missing_range
from gateway.errors import UpstreamError
from gateway.flow.recognise import Visit
from gateway.semantics.conditional import is_strong, is_weak_match
from gateway.semantics.message import Fields, Section, first
from gateway.semantics.ranges import parse_range
from gateway.semantics.structured import parse_strings
from gateway.upstream.origin import OriginResponse

__all__ = ["conditions_of", "confirms", "discard", "is_about_template", "is_part_of_page", "tags_of"]


def is_part_of_page(visit: Visit, response: OriginResponse) -> bool:
    """A part of what is to be assembled: of no use to anybody. Asked for once more, whole; an origin that sends a part again is left to the rules of parts."""
    return not visit.whole and visit.route.esi.applies(200, response.section)


def is_about_template(visit: Visit, response: OriginResponse) -> bool:
    """A 304 that answers the client's own condition with what the origin knows: the template, or the page before it was one."""
    rules = visit.route.esi
    return not visit.whole and rules.mode != "off" and rules.has_markup(response.section)


def confirms(response: OriginResponse, entry: Entry) -> bool:
    """Whether a 304 speaks of entry: one with another entity tag does not. RFC 9111 §4.3.4; a weakness mark more or less is forgiven."""
    etag = first(response.fields, b"etag")
    return etag is None or entry.etag is None or is_weak_match(etag, entry.etag)


def conditions_of(visit: Visit, entry: Entry | None) -> Fields:
    """Preconditions and range for a fetch. RFC 9111 §4.3.1, §3.4.

    Without something stored: the client's single range goes through, since a part can be stored too; anything else is fetched whole.
    """
    wanted = visit.request.section.get(b"range") if not visit.whole else None
    if entry is None or (entry.parts is not None and wanted is not None):
        if wanted is None or parse_range(wanted) is None:
            return []
        if_range = visit.request.section.get(b"if-range")
        return [(b"range", wanted)] if if_range is None else [(b"range", wanted), (b"if-range", if_range)]
    if entry.parts is not None:
        rest = missing_range(entry.parts, entry.length)
        if rest is None:
            return []
        if is_strong(entry.etag):
            assert entry.etag is not None
            return [(b"range", rest), (b"if-range", entry.etag)]
        return [(b"range", rest)]
    conditions = []
    if entry.etag is not None:
        conditions.append((b"if-none-match", entry.etag))
    if entry.modified is not None:
        conditions.append((b"if-modified-since", entry.modified))
    return conditions


def tags_of(said: Section, tag_fields: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Surrogate keys (separated by blanks or commas) and cache groups (RFC 9875 §2) of a response, each once."""
    found: dict[bytes, None] = {}
    for name in tag_fields:
        if name in said and (value := said.joined(name)) is not None:
            found.update(dict.fromkeys(value.replace(b",", b" ").split()))
    groups = said.joined(b"cache-groups")
    if groups is not None:
        found.update(dict.fromkeys(b"group:" + group.encode("latin-1") for group in parse_strings(groups) or ()))
    return tuple(found)


async def discard(response: OriginResponse) -> None:
    """The content is not wanted: a short one is read so that the connection can be used again, a long one is dropped."""
    if response.body is None:
        return
    if response.length is not None and response.length <= 16_384:
        try:
            async for _ in response.body:
                pass
        except UpstreamError:
            return  # it broke off; nobody wanted it
    await response.body.aclose()
