"""Field lines of a head or a trailer section, read strictly. RFC 9112 §5, RFC 9110 §5.5.

    field-line  = field-name ":" OWS field-value OWS CRLF
    field-name  = 1*tchar                        a blank in it or after it is refused (§5.1), so is obs-fold (§5.2)
    field-value = HTAB / SP / %x21-7E / %x80-FF  no other control characters, no bare CR or LF

It decides about spelling only; what a field means is for others.
"""

from __future__ import annotations

import re
from typing import NoReturn

from gateway.errors import UpstreamMalformed
from gateway.semantics.message import Fields

__all__ = ["parse_field_lines"]

_LINE = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*")
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE_BYTES = bytes(byte for byte in range(256) if byte == 0x09 or (byte >= 0x20 and byte != 0x7F))

# Names already found good, as spelled by the origin → in lower case. A trick: one look-up instead of a match and a new string for each line,
# a third of the cost of a head (loadtests/bench/upstream_cost.py --parser). Bounded, so that an origin of random names can't fill the memory.
_known: dict[bytes, bytes] = {}
_MAX_KNOWN = 1024
_MAX_KNOWN_LENGTH = 64


def parse_field_lines(block: bytes, start: int, max_fields: int) -> Fields:
    """Read the fields of block from start on; names come in lower case. Every line in it ends with CRLF.

    Raises UpstreamMalformed, which quotes the faulty line's name but never its value (it may be a cookie).
    """
    section = block[start:]
    lines = section.split(b"\r\n")
    del lines[-1]  # what follows the last CRLF
    if len(lines) > max_fields:
        raise UpstreamMalformed(f"more than {max_fields} fields", "http_response_header_section_size")
    # As many CR and LF as the split found pairs, in turn, and nothing else that is not allowed in a value: then none stands alone.
    if section.translate(None, _VALUE_BYTES) != b"\r\n" * len(lines):
        _refuse(lines)
    fields = []
    for line in lines:
        raw, colon, value = line.partition(b":")
        name = _known.get(raw)
        if name is None or not colon:
            name = _check_name(raw, colon, lines)
        fields.append((name, value.strip(b" \t")))
    return fields


def _check_name(raw: bytes, colon: bytes, lines: list[bytes]) -> bytes:
    if not colon or _NAME.fullmatch(raw) is None:
        _refuse(lines)
    name = raw.lower()
    if len(raw) <= _MAX_KNOWN_LENGTH and len(_known) < _MAX_KNOWN:
        _known[raw] = name
    return name


def _refuse(lines: list[bytes]) -> NoReturn:
    for number, line in enumerate(lines, 1):
        if _LINE.fullmatch(line) is None:
            what = "obs-fold" if line[:1] in {b" ", b"\t"} else "field line expected"
            raise UpstreamMalformed(f"{what}, line {number}: {line.partition(b':')[0][:40]!r}")
    raise UpstreamMalformed("field section does not end with CRLF")
