"""A tag's octets → its name and attributes. What is not well formed is read as it was probably meant, with a problem noted."""

from __future__ import annotations

import re

from fragments.esi.elements import ELEMENTS, Element
from fragments.esi.errors import WARNING, Place, ProblemList

__all__ = ["Tag", "decode_entities", "read_tag"]

_NAME = re.compile(rb"</?esi:([^\s/>=\"']*)")
_BETWEEN = re.compile(rb"[\s/]*")
_ATTRIBUTE = re.compile(rb"([^\s=/\"']+)(?:\s*(=)\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'][^\s]*)?))?")
_STRAY = re.compile(rb"[=\"']+")
_ENTITY = re.compile(r"&(?:#([0-9]{1,7})|#[xX]([0-9a-fA-F]{1,6})|(amp|lt|gt|quot|apos));")
_ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}


class Tag:
    """A start or end tag of ESI. end: octets up to behind its `>`. is_closed: `<esi:…/>`."""

    __slots__ = ("attributes", "end", "is_closed", "is_end", "name", "place")

    def __init__(self, name: str, attributes: dict[str, str], place: Place, end: int, *, is_end: bool, is_closed: bool) -> None:
        self.name = name
        self.attributes = attributes
        self.place = place
        self.end = end
        self.is_end = is_end
        self.is_closed = is_closed


def _character(match: re.Match[str]) -> str:
    if match[3]:
        return _ENTITIES[match[3]]
    code = int(match[1]) if match[1] else int(match[2], 16)
    return chr(code) if 0 < code < 0xD800 or 0xDFFF < code < 0x110000 else match[0]


def decode_entities(text: str) -> str:
    """The five entities of XML, and numeric ones; what is none of these stays. XML 1.0 §4.6."""
    return _ENTITY.sub(_character, text) if "&" in text else text


def _place_within(data: bytes, offset: int, place: Place) -> Place:
    """The place of an octet of the tag."""
    lines = data.count(b"\n", 0, offset)
    column = offset - data.rfind(b"\n", 0, offset) if lines else place.column + offset
    return Place(place.offset + offset, place.line + lines, column)


def read_tag(data: bytes, place: Place, problems: ProblemList, max_attributes: int) -> Tag:
    """A whole tag, from `<` to `>`. Attributes that its element does not know are left out. Never raises."""
    end = place.offset + len(data)
    match = _NAME.match(data)
    assert match is not None
    name = match[1].decode("utf-8", "surrogateescape")
    if data.startswith(b"</"):
        return Tag(name, {}, place, end, is_end=True, is_closed=False)
    body = data[:-1].rstrip()
    is_closed = body.endswith(b"/")
    if is_closed:
        body = body[:-1]
    element = ELEMENTS.get(name)
    attributes = {} if element is None else _read_attributes(body, match.end(), name, element, place, problems, max_attributes)
    return Tag(name, attributes, place, end, is_end=False, is_closed=is_closed)


def _read_attributes(
    body: bytes,
    at: int,
    name: str,
    element: Element,
    place: Place,
    problems: ProblemList,
    max_attributes: int,
) -> dict[str, str]:
    attributes: dict[str, str] = {}
    seen: set[str] = set()

    def report(code: str, message: str, start: int, end: int) -> None:
        if not problems.is_full:
            problems.add(code, message, _place_within(body, start, place), place.offset + end, WARNING)

    while True:
        between = _BETWEEN.match(body, at)
        assert between is not None
        at = between.end()
        if at >= len(body):
            return attributes
        match = _ATTRIBUTE.match(body, at)
        if match is None:
            stray = _STRAY.match(body, at)
            assert stray is not None
            report("bad-attribute", f"{stray[0].decode()} in <esi:{name}> belongs to no attribute", at, stray.end())
            at = stray.end()
            continue
        start, at = at, match.end()
        if len(seen) >= max_attributes:
            report(
                "too-many-attributes",
                f"<esi:{name}> has more than {max_attributes} attributes: the rest is ignored",
                start,
                len(body),
            )
            return attributes
        attribute = match[1].decode("utf-8", "surrogateescape")
        quoted = match[3] if match[3] is not None else match[4]
        if attribute in seen:
            report("duplicate-attribute", f"{attribute} of <esi:{name}> is given twice: the first counts", start, at)
            continue
        seen.add(attribute)
        if not element.knows(attribute):
            report("unknown-attribute", f"<esi:{name}> has no attribute {attribute}: it is ignored", start, at)
            continue
        if quoted is None:
            if match[2] is None or match[5] is None:
                report("missing-value", f"{attribute} of <esi:{name}> has no value: it is taken as empty", start, at)
            else:
                report("unquoted-attribute", f"{attribute} of <esi:{name}> has no quotes", start, at)
        value = quoted if quoted is not None else (match[5] or b"")
        attributes[attribute] = decode_entities(value.decode("utf-8", "surrogateescape"))
