"""What a client prefers, in one spelling (RFC 9110 §12.5)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.semantics.negotiation import (
    best_language,
    normal_encodings,
    normal_languages,
    normal_list,
    preferred_coding,
    weighted,
)

OURS = (b"zstd", b"br", b"gzip")

languages = st.sampled_from([b"de", b"de-AT", b"en", b"en-GB", b"fr", b"*", b"zh-Hant-TW"])
qualities = st.sampled_from([b"", b";q=0", b";q=0.5", b"; q=0.9", b";Q=1", b" ; q=1.000", b";q=0.25"])
wishes = st.lists(st.tuples(languages, qualities), max_size=5)


def written(members, separator: bytes = b", ") -> bytes:
    return separator.join(name + quality for name, quality in members)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", []),
        (b"A, b;q=0.5", [(b"a", 1.0), (b"b", 0.5)]),
        (b"a ; q=0.125\t,b;Q=1.", [(b"a", 0.125), (b"b", 1.0)]),
        (b"a;q=2, b;q=-1, c;q=x, d;x=1", [(b"a", 1.0), (b"b", 1.0), (b"c", 1.0), (b"d", 1.0)]),
    ],
)
def test_weights(value, expected):
    """RFC 9110 §12.4.2."""
    assert weighted(value) == expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, None),
        (b"", None),
        (b"gzip", b"gzip"),
        (b"gzip, br", b"br"),
        (b"br;q=0.5, gzip", b"gzip"),
        (b"*", b"zstd"),
        (b"*;q=0.1, zstd;q=0", b"br"),
        (b"*;q=0", None),
        (b"x-gzip", b"gzip"),
        (b"x-gzip;q=0.1, br;q=0.2", b"br"),
        (b"deflate, compress", None),
        (b"identity", None),
        (b"identity;q=1, gzip;q=1", b"gzip"),
        (b"identity;q=1, gzip;q=0.9", None),
        (b"gzip;q=0", None),
        (b"gzip;q=0.001", b"gzip"),
    ],
)
def test_the_coding_a_client_likes_best_of_ours(accept, expected):
    """RFC 9110 §12.5.3."""
    assert preferred_coding(accept, OURS) == expected


@given(st.one_of(st.none(), st.binary(max_size=40)), st.lists(st.sampled_from(OURS), unique=True))
def test_a_coding_is_one_of_those_on_offer_and_not_refused(accept, offered):
    coding = preferred_coding(accept, offered)
    assert coding is None or coding in offered
    weights = dict(weighted(accept or b""))
    if coding is not None and coding in weights:
        assert weights[coding] > 0


@given(st.binary(max_size=60))
def test_no_octets_make_it_raise(value):
    weighted(value)
    normal_encodings(value, OURS)
    normal_languages(value)
    normal_languages(value, (b"en", b"de"))
    best_language(value)
    normal_list(value)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, b"identity"),
        (b"", b"identity"),
        (b"gzip, deflate, br", b"br, gzip"),
        (b"*", b"br, gzip"),
        (b"br;q=0, *", b"gzip"),
        (b"deflate", b"identity"),
    ],
)
def test_what_the_origin_is_told_of_codings(accept, expected):
    assert normal_encodings(accept, (b"br", b"gzip")) == expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, None),
        (b"", b""),
        (b"en", b"en"),
        (b"EN, de", b"de, en"),
        (b"de, en", b"de, en"),
        (b"en;q=0.8,de", b"de, en;q=0.8"),
        (b"de , en;q=0.80", b"de, en;q=0.8"),
        (b"de, fr;q=0", b"de"),
        (b"de, de", b"de"),
    ],
)
def test_languages_in_one_spelling(accept, expected):
    assert normal_languages(accept) == expected


@given(wishes, st.randoms(use_true_random=False))
def test_the_order_of_languages_their_case_and_their_blanks_mean_nothing(members, random):
    other = members[:]
    random.shuffle(other)
    assert normal_languages(written(members)) == normal_languages(written(other, b" ,\t").upper())


@given(wishes)
def test_one_spelling_is_its_own_spelling(members):
    once = normal_languages(written(members))
    assert normal_languages(once) == once


@given(wishes, st.lists(st.sampled_from([b"en", b"de", b"fr-CH"]), min_size=1, unique=True))
def test_a_site_that_names_its_languages_gives_one_of_them(members, site):
    assert normal_languages(written(members), site) in site


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (b"de-AT, en", b"de"),
        (b"fr, en;q=0.1", b"en"),
        (b"de-DE-1996;q=0.9, en;q=0.5", b"de"),
        (b"fr", b"en"),
        (None, b"en"),
        (b"", b"en"),
        (b"DE", b"de"),
    ],
)
def test_the_sites_language_that_suits_best(accept, expected):
    """RFC 4647 §3.4, lookup."""
    assert normal_languages(accept, (b"en", b"de")) == expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, None),
        (b"", None),
        (b"de", b"de"),
        (b"DE, en;q=0.9", b"de"),
        (b"en;q=0.9, de", b"de"),
        (b"de, en", None),
        (b"*", None),
        (b"de;q=0", None),
        (b"de, *;q=0.1", b"de"),
        (b"de, *", None),
    ],
)
def test_the_one_language_above_all_others(accept, expected):
    assert best_language(accept) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(b" a ", b"a"), (b"a, b ,c", b"a,b,c"), (b"a,b,c", b"a,b,c"), (b"a b", b"a b"), (b"", b""), (b"A", b"A")],
)
def test_blanks_around_commas_mean_nothing(value, expected):
    assert normal_list(value) == expected
