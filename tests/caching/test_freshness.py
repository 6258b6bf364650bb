"""Age, lifetime, and how long a response may be stale (RFC 9111 §4.2, RFC 5861)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cache.freshness import CachePolicy, freshness_lifetime, initial_age, is_explicit, stale_windows
from gateway.cache.targeted import governing_directives
from gateway.semantics.cache_control import MAX_DELTA
from gateway.semantics.dates import format_date
from gateway.semantics.message import Section

NOW = 1_800_000_000.0
POLICY = CachePolicy()
TARGETED = POLICY.targeted_fields


def fields_of(*lines: str):
    """Field lines; {+60} is the HTTP-date of a minute from now."""
    fields = []
    for line in lines:
        name, _, value = line.partition(": ")
        for word in ("{+60}", "{+0}", "{-60}", "{-1000}", "{-5000}", "{+100}"):
            value = value.replace(word, format_date(NOW + int(word[1:-1])).decode())
        fields.append((name.lower().encode(), value.encode()))
    return fields


# ── Age ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("lines", "took", "age"),
    [
        (["Date: {+0}"], 0, 0),
        (["Date: {+0}"], 7, 7),  # response_delay
        (["Date: {-60}"], 0, 60),  # apparent_age
        (["Date: {-60}"], 7, 60),
        (["Date: {+0}", "Age: 30"], 7, 37),  # corrected_age_value
        (["Date: {-60}", "Age: 30"], 7, 60),
        (["Date: {-60}", "Age: 90"], 7, 97),
        (["Date: {+100}"], 0, 0),  # the origin's clock is ahead
        (["Date: {+100}", "Age: 30"], 0, 30),
        ([], 7, 7),  # no Date: as if made on arrival
        (["Date: then"], 7, 7),
        (["Date: then", "Age: 30"], 0, 30),
        (["Age: 30", "Age: 60"], 0, 30),  # §5.1: the first of several
        (["Age: 30, 60"], 0, 30),
        (["Age: 0, 60"], 0, 0),
        (["Age: x, 60"], 0, 0),
        (["Age: , 60"], 0, 0),
        (["Age: -1"], 0, 0),
        (["Age: 1.5"], 0, 0),
        (["Age: 30s"], 0, 0),
        (["Age: s30"], 0, 0),
        (["Age: +30"], 0, 0),
        (["Age: 0030"], 0, 30),
        (["Age: 2147483648"], 0, MAX_DELTA),
        (["Age: 99999999999999999999"], 0, MAX_DELTA),
        (["Age: "], 0, 0),
    ],
)
def test_how_old_a_response_is_on_arrival(lines, took, age):
    """RFC 9111 §4.2.3, §5.1: what can't be read of Age is ignored."""
    assert initial_age(Section(fields_of(*lines)), NOW - took, NOW)[0] == age


@pytest.mark.parametrize(
    ("line", "date"), [("Date: {-60}", NOW - 60), ("Date: {+100}", NOW + 100), ("Date: then", NOW), ("X: y", NOW)]
)
def test_the_date_that_counts(line, date):
    assert initial_age(Section(fields_of(line)), NOW, NOW)[1] == date


@given(st.binary(max_size=30), st.binary(max_size=30), st.floats(0, 1_000))
def test_no_octets_make_a_response_younger_than_the_time_it_took(date, age, took):
    assert initial_age(Section([(b"date", date), (b"age", age)]), NOW - took, NOW)[0] >= NOW - (NOW - took)


# ── Lifetime ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def lifetime(*lines: str, status: int = 200, date: float = NOW, policy: CachePolicy = POLICY) -> float:
    fields = fields_of(*lines)
    return freshness_lifetime(status, Section(fields), governing_directives(Section(fields), TARGETED), date, policy)


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        (["Cache-Control: max-age=60"], 60),
        (["Cache-Control: s-maxage=70, max-age=60"], 70),
        (["Cache-Control: max-age=60, s-maxage=0"], 0),
        (["Cache-Control: max-age=60", "Expires: {-60}"], 60),
        (["Cache-Control: max-age=0", "Expires: {+60}"], 0),
        (['Cache-Control: max-age="60"'], 60),
        (["Cache-Control: MAX-AGE=60"], 60),
        (["Cache-Control: max-age=2147483648"], MAX_DELTA),
        (["Cache-Control: max-age=99999999999999999999"], MAX_DELTA),
        (["Cache-Control: max-age=-1"], 0),
        (["Cache-Control: max-age=1.5", "Expires: {+60}"], 0),  # malformed: stale (§4.2.1)
        (["Cache-Control: max-age", "Expires: {+60}"], 0),
        (["Cache-Control: max-age=60, max-age=90"], 60),
        (["Cache-Control: s-maxage=x, max-age=60"], 0),
        (["Cache-Control: public", "Expires: {+60}"], 60),
        (["Expires: {+60}"], 60),
        (["Expires: {-60}"], 0),
        (["Expires: {+0}"], 0),
        (["Expires: 0"], 0),
        (["Expires: never"], 0),
        (["Expires: ", "Last-Modified: {-1000}"], 0),  # invalid means in the past (§5.3), not absent
        (["Expires: Fri, 31 Dec 9999 23:59:59 GMT"], MAX_DELTA),
        (["CDN-Cache-Control: max-age=30", "Cache-Control: max-age=60", "Expires: {+60}"], 30),
        (["CDN-Cache-Control: public", "Expires: {+60}"], 0),  # RFC 9213 §2.2: Expires is unseen
        (["Surrogate-Control: max-age=40", "Cache-Control: max-age=60"], 40),
        (["Last-Modified: {-1000}"], 100),
        (["Last-Modified: {+0}"], 0),
        (["Last-Modified: {+60}"], 0),
        (["Last-Modified: then"], 0),
        (["Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT"], 86_400),  # never more than heuristic_max
        ([], 0),
        (["Cache-Control: no-transform", "Last-Modified: {-1000}"], 100),
    ],
)
def test_how_long_a_response_is_fresh(lines, seconds):
    """RFC 9111 §4.2.1, §4.2.2, §5.3."""
    assert lifetime(*lines) == seconds


def test_expires_counts_from_date():
    assert lifetime("Expires: {+60}", date=NOW + 40) == 20
    assert lifetime("Expires: {+60}", date=NOW - 40) == 100


@pytest.mark.parametrize("status", [200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501])
def test_a_status_that_is_cacheable_without_a_word(status):
    """RFC 9110 §15.1."""
    assert lifetime("Last-Modified: {-1000}", status=status) == 100


@pytest.mark.parametrize("status", [201, 202, 299, 302, 303, 307, 400, 401, 403, 418, 429, 500, 502, 503, 504, 599])
def test_any_other_needs_one(status):
    assert lifetime("Last-Modified: {-1000}", status=status) == 0
    assert lifetime("Last-Modified: {-1000}", "Cache-Control: public", status=status) == 100


def test_the_sites_own_guesses():
    generous = CachePolicy(default_ttl=30.0, heuristic_fraction=0.5, heuristic_max=400.0)
    assert lifetime("Last-Modified: {-60}", policy=generous) == 30.0
    assert lifetime("Last-Modified: {-5000}", policy=generous) == 400.0
    assert lifetime(policy=generous) == 30.0
    assert lifetime(policy=generous, status=302) == 0.0
    assert lifetime("Cache-Control: max-age=0", policy=generous) == 0.0


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["Cache-Control: max-age=0"], True),
        (["Cache-Control: s-maxage=0"], True),
        (["Expires: 0"], True),
        (["CDN-Cache-Control: max-age=1"], True),
        (["CDN-Cache-Control: public", "Expires: {+60}"], False),
        (["Cache-Control: public", "Last-Modified: {-1000}"], False),
        ([], False),
    ],
)
def test_whether_the_response_itself_says_so(lines, expected):
    fields = fields_of(*lines)
    assert is_explicit(governing_directives(Section(fields), TARGETED), Section(fields)) is expected


# ── Staleness ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

OWN = CachePolicy(stale_while_revalidate=5.0, stale_if_error=9.0)


@pytest.mark.parametrize(
    ("control", "windows"),
    [
        # (while it is revalidated, when the origin fails, on a client's wish)
        ("max-age=1", (5, 9, True)),
        ("max-age=1, stale-while-revalidate=60", (60, 9, True)),
        ("max-age=1, stale-if-error=70", (5, 70, True)),
        ("max-age=1, stale-while-revalidate=0, stale-if-error=0", (0, 0, True)),
        ("max-age=1, stale-while-revalidate=x", (0, 9, True)),
        ("max-age=1, stale-while-revalidate", (0, 9, True)),
        ("s-maxage=1", (0, 0, False)),  # implies proxy-revalidate (§5.2.2.10)
        ("s-maxage=1, stale-while-revalidate=60", (60, 0, False)),
        ("s-maxage=1, stale-if-error=70", (0, 70, False)),
        ("max-age=1, must-revalidate, stale-while-revalidate=60, stale-if-error=70", (0, 0, False)),
        ("max-age=1, proxy-revalidate, stale-if-error=70", (0, 0, False)),
        ("no-cache, stale-if-error=70", (0, 0, False)),
        ('max-age=1, no-cache="x"', (5, 9, True)),
    ],
)
def test_how_long_it_may_be_stale(control, windows):
    """RFC 9111 §4.2.4, §5.2.2.2, §5.2.2.8, §5.2.2.10; RFC 5861 §3, §4."""
    found = stale_windows(governing_directives(Section(fields_of(f"Cache-Control: {control}")), TARGETED), OWN)
    assert (found.while_revalidate, found.if_error, found.on_request) == windows


def test_a_targeted_s_maxage_is_just_a_lifetime():
    found = stale_windows(governing_directives(Section(fields_of("CDN-Cache-Control: s-maxage=1")), TARGETED), OWN)
    assert (found.while_revalidate, found.if_error, found.on_request) == (5, 9, True)
