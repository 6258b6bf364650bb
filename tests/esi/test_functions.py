"""The library of functions. Each has an example, which is run; what examples can't show stands below."""

from __future__ import annotations

import pytest

from fragments.esi.expressions import parse_expression
from fragments.esi.functions import FUNCTIONS, UNSUPPORTED_FUNCTIONS
from fragments.esi.values import Encoded, Tainted, Value, text_of
from tests.esi.surroundings import FACTS, Surroundings


def value_of(text: str) -> Value:
    return parse_expression(text).evaluate(Surroundings())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_example_of_a_function_is_true(name):
    example = FUNCTIONS[name].example
    assert f"${name}(" in example.expression
    assert text_of(value_of(example.expression)) == example.text


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_says_what_it_does_in_one_line(name):
    summary = FUNCTIONS[name].summary
    assert summary.endswith(".")
    assert "\n" not in summary


def test_what_is_supported_and_what_is_not_are_different_functions():
    assert not FUNCTIONS.keys() & UNSUPPORTED_FUNCTIONS.keys()
    assert all(UNSUPPORTED_FUNCTIONS.values())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$len($(NO))", 0),
        ("$len([1, 2])", 2),
        ("$len({'a': 1})", 1),
        ("$len(1234)", 4),
        ("$lower(12)", "12"),
        ("$upper(true)", "TRUE"),
        ("$substr('abcdef', 2)", "cdef"),
        ("$substr('abcdef', -2)", "ef"),
        ("$substr('abcdef', 1, -1)", "bcde"),
        ("$substr('abcdef', -9, 2)", "ab"),
        ("$substr('abcdef', 9)", ""),
        ("$substr('abcdef', 2, 0)", ""),
        ("$substr('abcdef', '2', '1')", "c"),
        ("$substr('abcdef', 'x')", None),
        ("$substr('abcdef', 1, 'x')", None),
        ("$substr([1], 0)", None),
        ("$index('abc', 'x')", -1),
        ("$index($(NO), 'x')", None),
        ("$rindex('abc', 'x')", -1),
        ("$replace('aaa', 'a', 'b')", "bbb"),
        ("$replace('aaa', 'a', 'b', 2)", "bba"),
        ("$replace('aaa', '', 'b')", "aaa"),
        ("$replace('aaa', 'a', $(NO))", None),
        ("$replace('aaa', 'a', 'b', 'x')", None),
        ("$strip('--a-', '-')", "a"),
        ("$strip([1])", None),
        ("$string_split('a b')", ["a", "b"]),
        ("$string_split('a')", ["a"]),
        ("$string_split('abc', '')", None),
        ("$string_split('a,b,c', ',', 0)", ["a,b,c"]),
        ("$string_split('a,b', ',', 'x')", None),
        ("$reverse([1, 2])", [2, 1]),
        ("$reverse($(NO))", None),
        ("$join(['a', ['b']])", "a [b]"),
        ("$join([], ',')", ""),
        ("$join('ab', ',')", None),
        ("$join(['a'], [1])", None),
        ("$list_delitem([1, 2], -1)", [1]),
        ("$list_delitem([1, 2], 2)", [1, 2]),
        ("$list_delitem('ab', 0)", None),
        ("$list_delitem([1], 'x')", None),
        ("$range(2, 1)", []),
        ("$range('a', 1)", None),
        (f"$range('{10**30}', '{10**30}')", None),
        ("$int('x')", None),
        ("$int('1.5')", None),
        ("$int(true)", 1),
        ("$int([1])", None),
        ("$int('99999999999999999999')", None),
        ("$int('9999999999999999999999')", None),
        ("$bool('x')", True),
        ("$bool($(NO))", False),
        ("$exists($(nothing))", False),
        ("$exists(0)", True),
        ("$exists(false)", True),
        ("$is_empty($(NO))", True),
        ("$is_empty([])", True),
        ("$is_empty(0)", False),
        ("$min('3', 2)", 2),
        ("$min(1, 'x')", None),
        ("$max([])", None),
        ("$abs('x')", None),
        ("$rand()", 50_000_000),
        ("$rand(0)", None),
        ("$rand('x')", None),
        ("$str($(NO))", ""),
        ("$html_encode('\"&')", "&quot;&amp;"),
        ("$html_encode([1])", None),
        ("$html_decode('&amp;lt;&eacute;&#x41;')", "&lt;éA"),
        ("$url_encode('~-_.')", "~-_."),
        ("$url_decode('%zz%C3%A9')", "%zzé"),
        ("$url_decode($(NO))", None),
        ("$base64_decode('-_-_')", "\udcfb\udcff\udcbf"),
        ("$base64_decode('a')", None),
        ("$base64_decode('é')", None),
        ("$base64_decode('YQ==')", "a"),
        ("$http_time(0)", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("$http_time()", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("$http_time('x')", None),
        ("$http_time(-1)", None),
        ("$http_time(253402300800)", None),
        ("$strftime(784111777, '%A %a %B %b %d %e %F %H %I %j %m %M %p %s %S %T %u %w %y %Y %z %Z %% %Q %')",
         "Sunday Sun November Nov 06  6 1994-11-06 08 08 310 11 49 AM 784111777 37 08:49:37 7 0 94 1994 +0000 GMT % %Q %"),
        ("$strftime(43200, '%I %p')", "12 PM"),
        ("$strftime(0, '%I %p')", "12 AM"),
        ("$strftime('x', '%Y')", None),
        ("$strftime(0, [1])", None),
    ],
)  # fmt: skip
def test_a_function_yields_this(text, value):
    found = value_of(text)
    assert (found, type(found)) == (value, type(value))


def test_base64_and_url_encoding_keep_octets_that_are_no_utf_8(monkeypatch):
    monkeypatch.setitem(FACTS, "octets", "\udcff\udcfe")
    assert value_of("$base64_encode($(octets))") == "//4="
    assert value_of("$base64_decode($base64_encode($(octets)))") == "\udcff\udcfe"
    assert value_of("$url_encode($(octets))") == "%FF%FE"
    assert value_of("$url_decode('%FF%FE')") == "\udcff\udcfe"


EVIL = "$(HTTP_COOKIE{evil})"
KEEPING = [
    f"$lower({EVIL})",
    f"$upper({EVIL})",
    f"$substr({EVIL}, 1)",
    f"$substr({EVIL}, 0, 1)",
    f"$replace({EVIL}, 'b', 'c')",
    f"$replace({EVIL}, 'z', 'c')",
    f"$replace({EVIL}, '', 'c')",
    f"$replace('abc', 'b', {EVIL})",
    f"$strip({EVIL})",
    f"$lstrip({EVIL}, '<')",
    f"$rstrip({EVIL}, '>')",
    f"$reverse({EVIL})",
    f"$join([{EVIL}], ',')",
    f"$join(['a', 'b'], {EVIL})",
    f"$join(['a', [{EVIL}]], ',')",
    f"$join($string_split({EVIL}, 'b'), '')",
    f"$join($reverse([1, {EVIL}]))",
    f"$join($list_delitem([1, {EVIL}], 0))",
    f"$str({EVIL})",
    f"$str([{EVIL}])",
    f"$html_decode({EVIL})",
    f"$url_decode({EVIL})",
    "$base64_decode($(HTTP_COOKIE{n}) + 'QUI')",
    f"$base64_decode($base64_encode({EVIL}))",
    f"$url_decode($substr($url_encode({EVIL}), 0))",
    f"$convert_to_unicode({EVIL})",
    f"$convert_from_unicode({EVIL})",
    f"$strftime(0, {EVIL})",
]


@pytest.mark.parametrize("text", KEEPING)
def test_what_is_made_of_request_text_is_tainted(text):
    value = value_of(text)
    assert isinstance(value, str)
    assert isinstance(value, Tainted)


def test_the_list_above_has_every_function_whose_result_may_hold_its_argument():
    yielding_no_text_of_theirs = {
        "len",
        "index",
        "rindex",
        "int",
        "bool",
        "exists",
        "is_empty",
        "min",
        "max",
        "abs",
        "rand",
        "range",
    }
    without_arguments = {"dollar", "dquote", "squote", "time", "http_time"}
    encoding = {"html_encode", "url_encode", "base64_encode", "digest_md5_hex"}
    kept = {name for name in FUNCTIONS if any(f"${name}(" in text for text in KEEPING)}
    assert kept | yielding_no_text_of_theirs | without_arguments | encoding == FUNCTIONS.keys()


@pytest.mark.parametrize("name", ["html_encode", "url_encode", "base64_encode", "digest_md5_hex"])
def test_what_was_encoded_is_known_as_such(name):
    assert isinstance(value_of(f"${name}({EVIL})"), Encoded)
    assert type(value_of(f"${name}('<')")) is str
    assert isinstance(value_of(f"'a' + $lower(${name}({EVIL}))"), Encoded)
