"""What of an X.509 certificate is read here: whom it is for, and until when. Pure; whether anybody should believe it is TLS's business (OpenSSL's).

Python's ssl tells neither of a certificate that one serves oneself, and all it takes is a walk over DER (X.690): tag, length, content, nested. RFC 5280 §4.1.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from calendar import timegm
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Certificate", "parse_certificate", "parse_pem"]

_INTEGER, _OCTETS, _OID, _UTC_TIME, _TIME, _SEQUENCE = 0x02, 0x04, 0x06, 0x17, 0x18, 0x30
_VERSION, _EXTENSIONS, _DNS_NAME, _ADDRESS = 0xA0, 0xA3, 0x82, 0x87
_ALT_NAMES = bytes((0x55, 0x1D, 0x11))  # 2.5.29.17
_PEM = re.compile(rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----(.*?)-----END (?:TRUSTED |X509 )?CERTIFICATE-----", re.DOTALL)
_MOMENTS = {
    tag: re.compile(rf"(\d{{{digits}}})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z", re.ASCII) for tag, digits in ((_UTC_TIME, 2), (_TIME, 4))
}


class Certificate(NamedTuple):
    """names: what it is for, in lower case: hosts, `*.` and a domain, addresses. not_before, not_after: epoch seconds."""

    names: tuple[str, ...]
    not_before: int
    not_after: int


def parse_pem(text: bytes) -> Certificate:
    """The first certificate of a PEM file, which by custom is the server's own. Raises ValueError."""
    found = _PEM.search(text)
    if found is None:
        raise ValueError("no PEM certificate in it")
    return parse_certificate(base64.b64decode(b"".join(found[1].split()), validate=True))


def parse_certificate(der: bytes) -> Certificate:
    """From DER. Raises ValueError for what is no certificate."""
    body = _content(next(_walk(_one(der, _SEQUENCE)), (0, b"")), _SEQUENCE)
    parts = list(_walk(body))
    if parts and parts[0][0] == _VERSION:
        del parts[0]
    # serial number, signature, issuer, validity, subject, public key; then what is optional. RFC 5280 §4.1
    if len(parts) < 6 or parts[0][0] != _INTEGER:
        raise ValueError("no certificate: parts are missing")
    moments = [_moment(tag, content) for tag, content in _walk(_content(parts[3], _SEQUENCE))]
    if len(moments) != 2:
        raise ValueError("no certificate: its validity has no two ends")
    extensions = next((content for tag, content in parts[6:] if tag == _EXTENSIONS), None)
    return Certificate(() if extensions is None else tuple(_names(extensions)), moments[0], moments[1])


def _names(extensions: bytes) -> Iterator[str]:
    """Subject alternative names. RFC 5280 §4.2.1.6."""
    for extension in _walk(_one(extensions, _SEQUENCE)):
        parts = list(_walk(_content(extension, _SEQUENCE)))
        if not parts or parts[0] != (_OID, _ALT_NAMES):
            continue
        for tag, content in _walk(_one(_content(parts[-1], _OCTETS), _SEQUENCE)):
            if tag == _DNS_NAME:
                yield content.decode("ascii").lower()
            elif tag == _ADDRESS:
                yield str(ipaddress.ip_address(content))


def _moment(tag: int, content: bytes) -> int:
    """UTCTime or GeneralizedTime → epoch seconds. RFC 5280 §4.1.2.5."""
    form = _MOMENTS.get(tag)
    found = form.fullmatch(content.decode("ascii")) if form is not None else None
    if found is None:
        raise ValueError("no certificate: a time that is none")
    year, month, day, hour, minute, second = map(int, found.groups())
    if tag == _UTC_TIME:
        year += 2000 if year < 50 else 1900
    if not (year and 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60):
        raise ValueError("no certificate: a time that is none")
    return timegm((year, month, day, hour, minute, second))


def _one(data: bytes, tag: int) -> bytes:
    """The content of the first value in data, which must have that tag."""
    return _content(next(_walk(data), (0, b"")), tag)


def _content(value: tuple[int, bytes], tag: int) -> bytes:
    if value[0] != tag:
        raise ValueError(f"no certificate: expected tag {tag:#04x}, got {value[0]:#04x}")
    return value[1]


def _walk(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(tag, content) of the values that stand in a row."""
    at = 0
    while at < len(data):
        if at + 2 > len(data):
            raise ValueError("no certificate: cut short")
        tag, length = data[at], data[at + 1]
        at += 2
        if tag & 0x1F == 0x1F:
            raise ValueError("no certificate: a tag of several octets")
        if length & 0x80:
            size = length & 0x7F
            if not 1 <= size <= 4 or at + size > len(data):
                raise ValueError("no certificate: a length that is none")
            length = int.from_bytes(data[at : at + size], "big")
            at += size
        if at + length > len(data):
            raise ValueError("no certificate: cut short")
        yield tag, data[at : at + length]
        at += length
