"""Truth, text, sizes, and how text of a request is escaped where it goes out."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fragments.esi.errors import EsiError, EsiLimit
from fragments.esi.patterns import MAX_PATTERN, MAX_SUBJECT, cost, is_match, match_groups, require_pattern
from fragments.esi.values import (
    MAX_ITEMS,
    MAX_NESTING,
    MAX_TEXT,
    Context,
    Encoded,
    Tainted,
    bounded,
    compare,
    escape,
    is_empty,
    is_true,
    kin,
    number_of,
    subscript,
    text_of,
    weigh,
)

# ── Truth and text ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("value", [None, False, 0, "", [], {}, "false", Tainted(""), Tainted("false")])
def test_these_are_false(value):
    assert is_true(value) is False


@pytest.mark.parametrize("value", [True, 1, -1, "0", "no", "False", " ", [0], {"a": None}, Tainted("x")])
def test_these_are_true(value):
    assert is_true(value) is True


@pytest.mark.parametrize(
    ("value", "empty"), [(None, True), ("", True), ([], True), ({}, True), (0, False), (False, False), (" ", False)]
)
def test_empty_is_what_holds_nothing(value, empty):
    assert is_empty(value) is empty


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (False, "false"),
        (-5, "-5"),
        ("a", "a"),
        (["a", 1, None, ["b"]], "[a, 1, , [b]]"),
        ({"a": 1, "b": {"c": []}}, "{a: 1, b: {c: []}}"),
    ],
)
def test_a_value_as_text(value, text):
    assert text_of(value) == text
    assert not isinstance(text_of(value), Tainted)


def test_a_list_with_text_of_the_request_is_tainted_as_text():
    assert isinstance(text_of([1, {"a": [Tainted("x")]}]), Tainted)
    assert isinstance(text_of({Tainted("x"): 1}), Tainted)
    assert isinstance(text_of(["a", Encoded("x")]), Encoded)
    assert isinstance(text_of([Tainted("a"), Encoded("x")]), Tainted)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (5, 5),
        ("5", 5),
        ("+5", 5),
        ("-05", -5),
        ("1.5", 1.5),
        ("9" * 100, int("9" * 100)),
        (True, None),
        ("", None),
        ("1.", None),
        (".5", None),
        (" 1", None),
        ("1e5", None),
        ("٣", None),
        ("9" * 101, None),
        ([1], None),
        (None, None),
    ],
)
def test_what_is_a_number(value, number):
    assert number_of(value) == number
    assert type(number_of(value)) is type(number)


def test_a_part_of_a_value():
    assert subscript(["a", "b"], "1") == "b"
    assert subscript(["a", "b"], "-2") == "a"
    assert subscript(["a"], "1") is None
    assert subscript(["a"], "-2") is None
    assert subscript(["a"], "x") is None
    assert subscript({"x": 1}, "x") == 1
    assert subscript({"x": 1}, "y") is None
    assert subscript("text", "0") is None


@pytest.mark.parametrize("operator", ["==", "!=", "<", ">", "<=", ">=", "has", "has_i"])
@pytest.mark.parametrize("empty", [None, "", [], {}])
def test_nothing_compares_with_what_is_empty(operator, empty):
    """ESI 1.0 §5.1."""
    assert compare(operator, empty, empty) is False
    assert compare(operator, empty, "a") is False
    assert compare(operator, "a", empty) is False


def test_a_number_that_does_not_fit_a_float_still_compares():
    assert compare("<", "1.5", "9" * 100)
    assert compare("==", "1" + "0" * 99, 10**99)


def test_lists_compare_as_text():
    assert compare("==", ["a", 1], "[a, 1]")
    assert compare("!=", ["a"], ["b"])


# ── Sizes ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_value_is_weighed_with_all_that_is_in_it():
    assert weigh(1) == 1
    assert weigh([]) == 1
    assert weigh([1, [2, 3], {"a": []}]) == 7


def test_a_list_that_holds_itself_many_times_over_is_seen_through():
    value = [1]
    for _ in range(11):
        value = bounded([value, value])
    assert MAX_ITEMS < 2 * weigh(value) < 4 * MAX_ITEMS
    with pytest.raises(EsiLimit, match="elements"):
        bounded([value, value])


def test_nesting_has_an_end():
    value = []
    for _ in range(MAX_NESTING - 1):
        value = bounded([value])
    with pytest.raises(EsiLimit, match="deep"):
        bounded([value])


def test_bounds():
    assert bounded("a" * MAX_TEXT)
    assert bounded(2**63) == 2**63
    assert bounded(None) is None
    for value in ("a" * (MAX_TEXT + 1), 2**63 + 1, -(2**63) - 1, [0] * (MAX_ITEMS + 1)):
        with pytest.raises(EsiLimit):
            bounded(value)


def test_a_list_whose_text_would_be_too_long_is_a_limit():
    with pytest.raises(EsiLimit):
        text_of(["a" * 40_000, "b" * 40_000])


# ── Trust ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_made_of_texts_is_trusted_as_the_least_of_them():
    assert type(kin("x", "a", 1, None)) is str
    assert type(kin("x", "a", Encoded("b"))) is Encoded
    assert type(kin("x", Encoded("b"), [["c"], Tainted("d")])) is Tainted
    assert type(kin(Tainted("x"), "a")) is Tainted


# ── Escaping ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

EVIL = '<a href="x">\'&\\\n`${1}\u2028\u2029é/;</script>'


@pytest.mark.parametrize(
    ("context", "escaped"),
    [
        (Context.HTML, "&lt;a href=&quot;x&quot;&gt;&#39;&amp;\\\n`${1}\u2028\u2029é/;&lt;/script&gt;"),
        (Context.XML, "&lt;a href=&quot;x&quot;&gt;&#39;&amp;\\\n`${1}\u2028\u2029é/;&lt;/script&gt;"),
        (
            Context.SCRIPT,
            r"\x3ca href\x3d\x22x\x22\x3e\x27\x26\x5c\x0a\x60\x24\x7b1\x7d\u2028\u2029é\x2f\x3b\x3c\x2fscript\x3e",
        ),
        (Context.JSON, r"\u003ca href=\u0022x\u0022\u003e'\u0026\u005c\u000a`${1}\u2028\u2029é/;\u003c/script\u003e"),
        (Context.TEXT, EVIL),
        (
            Context.URL,
            "%3Ca%20href%3D%22x%22%3E%27%26%5C%0A%60%24%7B1%7D%E2%80%A8%E2%80%A9%C3%A9%2F%3B%3C%2Fscript%3E",
        ),
        (
            Context.QUERY,
            "%3Ca%20href=%22x%22%3E%27&%5C%0A%60$%7B1%7D%E2%80%A8%E2%80%A9%C3%A9/;%3C/script%3E",
        ),
        (
            Context.PATH,
            "%3Ca%20href=%22x%22%3E%27&%5C%0A%60$%7B1%7D%E2%80%A8%E2%80%A9%C3%A9/;%3C/script%3E",
        ),
    ],
)
def test_request_text_is_escaped_for_where_it_goes(context, escaped):
    assert escape(Tainted(EVIL), context) == escaped
    assert escape(EVIL, context) == EVIL


def test_every_context_is_tested_above():
    assert len(Context) == 8


def test_a_path_of_the_request_never_names_a_host():
    assert escape(Tainted("//evil.test/a?b"), Context.PATH) == "/%2Fevil.test/a%3Fb"


def test_what_was_encoded_is_not_encoded_twice_in_markup_and_urls():
    assert escape(Encoded("&lt;b&gt;"), Context.HTML) == "&lt;b&gt;"
    assert escape(Encoded("&lt;b&gt;"), Context.XML) == "&lt;b&gt;"
    assert escape(Encoded("a%20b"), Context.URL) == "a%20b"
    assert escape(Encoded("a+b/=="), Context.URL) == "a%2Bb%2F%3D%3D"


def test_what_was_encoded_for_html_is_still_a_stranger_in_scripts():
    """A backslash at its end would end the quotes after the next one."""
    assert escape(Encoded("a&#39;\\"), Context.SCRIPT) == r"a\x26\x2339\x3b\x5c"
    assert escape(Encoded("a\\"), Context.JSON) == r"a\u005c"


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[object] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.seen.append((tag, attrs))

    def handle_data(self, data) -> None:
        self.seen.append(data)


_texts = st.text(st.characters(codec="utf-8") | st.sampled_from("<>&\"'\\\n\r`${}/;%+=#?"), max_size=30)


@given(_texts.filter(lambda text: "\r" not in text and "\0" not in text))
def test_html_reads_back_what_was_escaped(text: str):
    reader = _Reader()
    escaped = escape(Tainted(text), Context.HTML)
    reader.feed(f"<p title=\"{escaped}\" lang='{escaped}'>")
    reader.close()
    assert reader.seen == [("p", [("title", text), ("lang", text)])]


@given(_texts)
def test_json_reads_back_what_was_escaped(text: str):
    assert json.loads(f'"{escape(Tainted(text), Context.JSON)}"') == text


@given(_texts)
def test_a_script_can_not_be_left(text: str):
    """Only letters, digits, marks without power, and escapes; and they mean the text."""
    escaped = escape(Tainted(text), Context.SCRIPT)
    assert not set(escaped) & set("<>&\"'`$(){}[]/=;+*!?#\n\r\u2028\u2029")
    assert re.sub(r"\\x(..)|\\u(....)", lambda match: chr(int(match[1] or match[2], 16)), escaped) == text


@given(_texts)
def test_a_url_stays_one_value(text: str):
    escaped = escape(Tainted(text), Context.URL)
    assert re.fullmatch(r"[A-Za-z0-9_.~:,@%-]*", escaped)
    assert unquote_to_bytes(escaped) == text.encode()


@given(_texts)
def test_a_query_stays_in_the_query(text: str):
    parts = urlsplit("https://h/p?" + escape(Tainted(text), Context.QUERY))
    assert (parts.netloc, parts.path, parts.fragment) == ("h", "/p", "")


def test_octets_that_are_no_utf_8_are_encoded_as_they_were():
    assert escape(Tainted("\udcff"), Context.URL) == "%FF"
    assert escape(Tainted("\udcff<"), Context.HTML).encode("utf-8", "surrogateescape") == b"\xff&lt;"


# ── Regular expressions ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_groups_of_a_match():
    assert match_groups(r"(\w+)@(\w+)?(!)?", "to me@home now") == ["me@home", "me", "home", ""]
    assert match_groups("x", "abc") is None
    assert match_groups("A", "abc") is None
    assert match_groups("A", "abc", ignore_case=True) == ["a"]
    assert match_groups("(", "abc") is None
    assert match_groups("", "abc") is None
    assert match_groups("a", None) is None
    assert match_groups(1, 212) == ["1"]


def test_groups_of_request_text_are_tainted():
    groups = match_groups("(a)(b)?", Tainted("a"))
    assert groups == ["a", "a", ""]
    assert all(isinstance(group, Tainted) for group in groups)
    assert not any(isinstance(group, Tainted) for group in match_groups(Tainted("(a)"), "a"))


def test_characters_are_matched_not_octets():
    assert match_groups("^.é.$", "aéü") == ["aéü"]
    assert is_match("É", "é", ignore_case=True)
    assert match_groups("b(.*)", "\udcffbc\udcff") == ["bc", "c"]


def test_only_the_beginning_of_a_long_text_is_looked_at():
    assert is_match("b", "a" * (MAX_SUBJECT - 1) + "b")
    assert not is_match("b", "a" * MAX_SUBJECT + "b")


@pytest.mark.parametrize(
    "pattern", ["(", "a{1001}", "(?=a)", r"(a)\1", "a" * (MAX_PATTERN + 1), "((a{100}){100}){100}", "(\\pL{100}){9}"]
)
def test_a_pattern_that_is_wrong_or_too_large_finds_nothing(pattern):
    with pytest.raises(EsiError) as caught:
        require_pattern(pattern, 3)
    assert (caught.value.code, caught.value.offset) == ("bad-pattern", 3)
    assert not is_match(pattern, "a")
    assert cost(pattern, "a") == 1


def test_a_search_costs_text_times_pattern():
    assert cost("a", "a") == 1
    assert cost("(a|b|c|d)*e" * 20, "a" * 8192) > 40
    assert cost("(a|b|c|d)*e" * 20, "a" * 100_000) == cost("(a|b|c|d)*e" * 20, "a" * MAX_SUBJECT)
