"""Functions that encode and decode. What encodes makes request text safe to show (Encoded); what decodes undoes that (Tainted)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from html import unescape
from urllib.parse import quote, unquote_to_bytes

from fragments.esi.functions.builtin import BuiltinFunction, scalar
from fragments.esi.values import Value, encoded, kin, tainted_again

__all__ = ["ENCODINGS"]

_MARKUP = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


def _encoding(encode: Callable[[str], str]) -> Callable[[Value], Value]:
    def work(value: Value) -> Value:
        text = scalar(value)
        return None if text is None else encoded(encode(str(text)), value)

    return work


def _decoding(decode: Callable[[str], str | None]) -> Callable[[Value], Value]:
    def work(value: Value) -> Value:
        text = scalar(value)
        decoded = None if text is None else decode(text)
        return None if decoded is None else tainted_again(decoded, value)

    return work


def _base64_decode(text: str) -> str | None:
    """With or without padding, of either alphabet."""
    plain = text.strip().rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return _text(base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True))
    except (binascii.Error, ValueError):
        return None


def _same(value: Value) -> Value:
    text = scalar(value)
    return None if text is None else kin(text, value)


ENCODINGS = (
    BuiltinFunction(
        "html_encode",
        _encoding(lambda text: text.translate(_MARKUP)),
        (1, 1),
        "The text as it is written in HTML.",
        ("$html_encode('<b>')", "&lt;b&gt;"),
    ),
    BuiltinFunction(
        "html_decode",
        _decoding(unescape),
        (1, 1),
        "The text that HTML shows.",
        ("$html_decode('&lt;b&gt;')", "<b>"),
        effort=32,
    ),
    BuiltinFunction(
        "url_encode",
        _encoding(lambda text: quote(text, safe="", errors="surrogateescape")),
        (1, 1),
        "The text as one value in a URL.",
        ("$url_encode('a b/é')", "a%20b%2F%C3%A9"),
    ),
    BuiltinFunction(
        "url_decode",
        _decoding(lambda text: _text(unquote_to_bytes(_octets(text)))),
        (1, 1),
        "The text that was a value in a URL; + stays +.",
        ("$url_decode('a%20b%2Fc+d')", "a b/c+d"),
    ),
    BuiltinFunction(
        "base64_encode",
        _encoding(lambda text: base64.b64encode(_octets(text)).decode("ascii")),
        (1, 1),
        "The text in base64.",
        ("$base64_encode('hello')", "aGVsbG8="),
    ),
    BuiltinFunction(
        "base64_decode",
        _decoding(_base64_decode),
        (1, 1),
        "The text that was in base64, of either alphabet, padded or not; undefined if it was not.",
        ("$base64_decode('aGVsbG8')", "hello"),
    ),
    BuiltinFunction(
        "digest_md5_hex",
        _encoding(lambda text: hashlib.md5(_octets(text), usedforsecurity=False).hexdigest()),
        (1, 1),
        "The MD5 digest of the text, in 32 hexadecimal digits.",
        ("$digest_md5_hex('abc')", "900150983cd24fb0d6963f7d28e17f72"),
    ),
    BuiltinFunction(
        "convert_to_unicode", _same, (1, 1), "The text as it is: ours is Unicode.", ("$convert_to_unicode('é')", "é")
    ),
    BuiltinFunction("convert_from_unicode", _same, (1, 1), "The text as it is.", ("$convert_from_unicode('é')", "é")),
)
