"""Stored responses as octets: what goes in comes out, and anything else is nothing."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cache.entry import Entry
from gateway.cache.envelope import Recalled, decode, encode_entry, encode_vary
from gateway.cache.freshness import StaleWindows
from gateway.cache.policy import Stored
from gateway.cache.targeted import Directives

KEY = (b"https", b"shop.test", b"/p/lamp?colour=r\xe9d")
PLACE = (1_700_000_000_000, 3)


def no_values(names):
    return ()


def entry_of(
    *,
    key=KEY,
    body=b"<p>",
    fields=None,
    vary=(),
    nominated=(),
    tags=(),
    lifetime=60.0,
    windows=(5.0, 90.0, True),
    validate=False,
    esi=False,
):
    while_revalidate, if_error, on_request = windows
    terms = Stored(
        Directives(b"", {}, frozenset()),
        born=1_000.5,
        date=1_000.0,
        lifetime=lifetime,
        windows=StaleWindows(while_revalidate, if_error, on_request=on_request),
        explicit=True,
        vary=vary,
    )
    terms.validate = validate
    entry = Entry(
        key, "shop", 200, fields or [(b"content-type", b"text/html")], body, terms, nominated=nominated, tags=tags, stamp=7
    )
    entry.esi = esi
    return entry


names = st.binary(min_size=1, max_size=20).map(lambda raw: raw.replace(b"\r", b"").replace(b"\n", b"").replace(b":", b"") or b"x")
values = st.binary(max_size=40).map(lambda raw: raw.replace(b"\r", b"").replace(b"\n", b""))


@given(
    body=st.binary(max_size=3000),
    fields=st.lists(st.tuples(names, values), min_size=1, max_size=6),
    vary=st.lists(names, max_size=3, unique=True).map(lambda some: tuple(sorted(some))),
    tags=st.lists(st.binary(min_size=1, max_size=12), max_size=4, unique=True).map(tuple),
    lifetime=st.floats(0, 1e6),
    windows=st.tuples(st.floats(0, 1e5), st.floats(0, 1e5), st.booleans()),
    esi=st.booleans(),
    is_text=st.booleans(),
    data=st.data(),
)
def test_what_goes_in_comes_out(body, fields, vary, tags, lifetime, windows, esi, is_text, data):
    nominated = tuple(data.draw(st.none() | st.binary(max_size=20)) for _ in vary)
    entry = entry_of(
        body=body, fields=fields, vary=vary, nominated=nominated, tags=tags, lifetime=lifetime, windows=windows, esi=esi
    )
    found = decode(encode_entry(entry, PLACE, is_text=is_text), KEY, lambda names: nominated, {PLACE: 42}.get)
    assert isinstance(found, Recalled)
    other = found.entry
    assert other.stamp == other.checked == 42, "its place, as this process counts"
    assert found.is_text is is_text
    same = (
        "key",
        "route",
        "status",
        "block",
        "body",
        "vary",
        "nominated",
        "tags",
        "born",
        "date",
        "lifetime",
        "explicit",
        "validate",
    )
    for name in (
        *same,
        "shared",
        "transform",
        "esi",
        "etag",
        "modified",
        "coded",
        "length",
        "stale_on_request",
        "fresh_until",
        "cost",
    ):
        assert getattr(other, name) == getattr(entry, name), name
    assert other.stale_until == pytest.approx(entry.stale_until)
    assert other.stale_error_until == pytest.approx(entry.stale_error_until)


def test_a_signpost_gives_names():
    assert decode(encode_vary(KEY, (b"accept-language", b"cookie")), KEY, no_values, lambda place: 0) == (
        b"accept-language",
        b"cookie",
    )


def test_a_place_of_which_nothing_is_known_is_a_miss():
    assert decode(encode_entry(entry_of(), PLACE, is_text=False), KEY, no_values, lambda place: None) is None


def test_another_url_s_response_is_a_miss():
    """Two digests can't be told to be equal by the one who reads: the key itself is compared."""
    octets = encode_entry(entry_of(), PLACE, is_text=False)
    assert decode(octets, (b"https", b"shop.test", b"/p/other"), no_values, lambda place: 0) is None


@given(octets=st.binary(max_size=200))
def test_junk_is_a_miss(octets):
    assert decode(octets, KEY, no_values, lambda place: 0) is None


@given(data=st.data())
def test_a_damaged_or_cut_one_is_a_miss(data):
    octets = encode_entry(entry_of(body=b"x" * 50, tags=(b"a",)), PLACE, is_text=False)
    at = data.draw(st.integers(0, len(octets) - 1))
    assert decode(octets[:at], KEY, no_values, lambda place: 0) is None
    flipped = octets[:at] + bytes([octets[at] ^ data.draw(st.integers(1, 255))]) + octets[at + 1 :]
    assert decode(flipped, KEY, no_values, lambda place: 0) is None


@pytest.mark.parametrize(
    "heading",
    [
        b"[]",
        b"{}",
        b"null",
        b'{"key": 1}',
        b'{"key": ["https", "shop.test", "/p/lamp?colour=r\\u00e9d"]}',
        b'{"key": ["https", "shop.test", "/p/lamp?colour=r\\u00e9d"], "names": 5}',
    ],
)
def test_what_another_version_wrote_is_a_miss(heading):
    """Well sealed, yet not what we know."""
    rest = len(heading).to_bytes(4, "big") + heading
    assert decode(b"wft1" + zlib.crc32(rest).to_bytes(4, "big") + rest, KEY, no_values, lambda place: 0) is None
    good = encode_entry(entry_of(), PLACE, is_text=False)
    assert decode(b"wft2" + good[4:], KEY, no_values, lambda place: 0) is None


def test_what_was_stored_for_others_is_a_miss_and_their_cookies_are_not_in_it():
    octets = encode_entry(entry_of(vary=(b"cookie",), nominated=(b"session=secret",)), PLACE, is_text=False)
    assert b"secret" not in octets
    assert decode(octets, KEY, lambda names: (b"session=other",), lambda place: 0) is None
    assert decode(octets, KEY, lambda names: (None,), lambda place: 0) is None
    found = decode(octets, KEY, lambda names: (b"session=secret",), lambda place: 0)
    assert isinstance(found, Recalled)
    assert found.entry.nominated == (b"session=secret",)
