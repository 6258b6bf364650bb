"""Text → expression → value; and text with variables in it."""

from __future__ import annotations

import sys
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fragments.esi.errors import EsiError, EsiLimit
from fragments.esi.expression_parser import MAX_LENGTH
from fragments.esi.expressions import Expression, Interpolation, match_groups, parse_expression, parse_interpolation
from fragments.esi.functions import FUNCTIONS
from fragments.esi.values import MAX_ITEMS, MAX_TEXT, Tainted, Value, text_of
from tests.esi.corpus_language import EXPRESSIONS, INTERPOLATIONS, WRONG_EXPRESSIONS, Said, Wrong, Yields
from tests.esi.surroundings import FACTS, Surroundings

OF_THE_PAGE = ("twice", "first", "gone")


def value_of(text: str, surroundings: Surroundings | None = None) -> Value:
    return parse_expression(text, functions=OF_THE_PAGE).evaluate(surroundings or Surroundings())


def shown(interpolation: Interpolation) -> str:
    scope = Surroundings()
    return "".join(part if isinstance(part, str) else text_of(part.evaluate(scope)) for part in interpolation.parts)


# ── The corpus ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("corpus", [EXPRESSIONS, INTERPOLATIONS])
def test_no_two_cases_have_one_id(corpus):
    assert len({case.id for case in corpus}) == len(corpus)


@pytest.mark.parametrize("case", EXPRESSIONS, ids=lambda case: case.id)
def test_an_expression_yields_this_value(case: Yields):
    value = value_of(case.expression)
    assert (None if value is None else text_of(value)) == case.text


@pytest.mark.parametrize("case", EXPRESSIONS, ids=lambda case: case.id)
def test_white_space_around_an_expression_means_nothing(case: Yields):
    assert value_of(f" \n{case.expression}\t ") == value_of(case.expression)
    assert value_of(f"( {case.expression} )") == value_of(case.expression)


@pytest.mark.parametrize("case", WRONG_EXPRESSIONS, ids=lambda case: case.expression[:20])
def test_a_wrong_expression_says_what_and_where(case: Wrong):
    with pytest.raises(EsiError) as caught:
        parse_expression(case.expression)
    assert (caught.value.code, caught.value.offset) == (case.code, case.offset)
    assert case.message in caught.value.message


@pytest.mark.parametrize("case", INTERPOLATIONS, ids=lambda case: case.id)
def test_text_is_shown_with_its_variables(case: Said):
    interpolation = parse_interpolation(case.text, functions=OF_THE_PAGE)
    assert shown(interpolation) == case.shown
    assert len(interpolation.parts) == case.parts
    assert (interpolation.constant is None) == any(isinstance(part, Expression) for part in interpolation.parts)
    if interpolation.constant is not None:
        assert interpolation.constant == case.text


@pytest.mark.parametrize(
    ("text", "code", "offset"),
    [
        ("a $upper() b", "bad-expression", 2),
        ("a $upper('x' b", "bad-expression", 13),
        ("ab $set_redirect('/x')", "unsupported", 3),
    ],
)
def test_a_known_function_that_is_called_wrongly_in_text_is_an_error(text, code, offset):
    with pytest.raises(EsiError) as caught:
        parse_interpolation(text)
    assert (caught.value.code, caught.value.offset) == (code, offset)


# ── What an expression says of itself ────────────────────────────────────────────────────────────────────────────────────────────


def test_an_expression_tells_what_it_reads():
    expression = parse_expression("$(A{x}) == 'a' & $(B|$(C{$(D)})) != $lower($(A)) | [$(E{'y'})] has 1")
    assert expression.reads == {"A", "B", "C", "D", "E"}
    assert expression.whole == {"A", "B", "D"}
    assert expression.items == {("A", "x"), ("C", "*"), ("E", "y")}
    assert not expression.constant


def test_an_interpolation_tells_what_it_reads():
    interpolation = parse_interpolation("a $(A{x}) $lower($(B)) $(C d) $")
    assert interpolation.reads == {"A", "B"}
    assert interpolation.whole == {"B"}
    assert interpolation.items == {("A", "x")}
    assert interpolation.constant is None


@pytest.mark.parametrize(
    ("text", "constant"),
    [
        ("1 + 2 == 'x'", True),
        ("$lower('A')", True),
        ("$strftime(0, '%Y')", True),
        ("$(A)", False),
        ("$time()", False),
        ("$rand(2)", False),
        ("$http_time()", False),
        ("$first(1)", False),
        ("[1, $lower($(A{b}))]", False),
    ],
)
def test_an_expression_is_constant_when_it_yields_the_same_for_all_and_always(text, constant):
    assert parse_expression(text, functions=OF_THE_PAGE).constant is constant


def test_a_scope_is_asked_for_nothing_else():
    scope = Surroundings()
    value_of("$(HTTP_COOKIE{group}) == 'Basic' & $(HTTP_HOST) has 'x'", scope)
    assert scope.asked == ["HTTP_COOKIE{group}"]
    scope = Surroundings()
    value_of("$(HTTP_COOKIE{group}) == 'Advanced' | $(HTTP_HOST) has 'x'", scope)
    assert scope.asked == ["HTTP_COOKIE{group}"]
    scope = Surroundings()
    value_of("$(HTTP_HOST|$(count))", scope)
    assert scope.asked == ["HTTP_HOST"]


def test_the_last_match_can_be_asked_for_its_groups():
    expression = parse_expression(r"$(yes) & $(HTTP_HOST) matches_i '''(\w+)\.(EX)'''")
    scope = Surroundings()
    assert expression.evaluate(scope) is True
    assert expression.match is not None
    groups = match_groups(
        expression.match.pattern(scope), expression.match.subject(scope), ignore_case=expression.match.ignore_case
    )
    assert groups == ["shop.ex", "shop", "ex"]
    assert parse_expression("1 == 1").match is None


# ── Trust ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "tainted"),
    [
        ("$(HTTP_COOKIE{evil})", True),
        ("'a' + $(HTTP_COOKIE{evil})", True),
        ("1 + $(HTTP_COOKIE{n})", True),
        ("$(NO_SUCH|$(HTTP_COOKIE{evil}))", True),
        ("$(NO_SUCH|'mine')", False),
        ("$str([1, [$(HTTP_COOKIE{evil})]])", True),
        ("$str({'a': $(HTTP_COOKIE{evil})})", True),
        ("$str({$(HTTP_COOKIE{evil}): 1})", True),
        ("$first([$(HTTP_COOKIE{evil})] + ['a'])", True),
        ("$html_encode($(HTTP_COOKIE{evil}))", False),
        ("$html_decode($html_encode($(HTTP_COOKIE{evil})))", True),
        ("$html_decode('x' + $html_encode($(HTTP_COOKIE{evil})))", True),
        ("$html_decode('&lt;')", False),
        ("'mine' + 1", False),
    ],
)
def test_text_of_the_request_stays_tainted(text, tainted):
    value = text_of(value_of(text))
    assert isinstance(value, Tainted) is tainted


# ── Budgets ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        "1 == 1",
        "!1",
        "1 & 1",
        "0 | 1",
        "1 + 1",
        "2 * 3",
        "-$(count)",
        "[1]",
        "{1: 2}",
        "[1..2]",
        "$lower('A')",
        "$time()",
        "$first(1)",
        "'a' matches 'a'",
    ],
)
def test_every_operator_and_call_costs_something(text):
    scope = Surroundings()
    value_of(text, scope)
    assert scope.spent >= 1
    with pytest.raises(EsiLimit):
        value_of(text, Surroundings(steps=0))


def test_large_texts_cost_more(monkeypatch):
    monkeypatch.setitem(FACTS, "large", "a" * 60_000)
    for text in (
        "$(large) == $(large)",
        "$(large) has 'b'",
        "$lower($(large))",
        "$(large) matches '(a|b)*c'",
        "$first($(large))",
    ):
        scope = Surroundings()
        value_of(text, scope)
        assert scope.spent > 3, text


@pytest.mark.parametrize(
    "text",
    [
        "$(large) + $(large)",
        "$replace($(large), 'a', 'bb')",
        "$join([$(large), $(large)], '')",
        "$str([$(large), $(large)])",
        "$html_encode($replace($(large), 'a', '&'))",
        f"[0..{MAX_ITEMS}]",
        f"$range(1, {MAX_ITEMS + 1})",
        "[1..6000] + [1..6000]",
        "[[1..6000], [1..6000]]",
        "{'a': [1..6000], 'b': [1..6000]}",
        "$string_split($(large), 'a')",
        "9223372036854775807 + 2",
        "4294967296 * 4294967296",
        "-9223372036854775807 - 2",
        "[" * 33 + "]" * 33,
    ],
)
def test_what_would_become_too_large_is_a_limit(text, monkeypatch):
    monkeypatch.setitem(FACTS, "large", "a" * 40_000)
    expression = parse_expression(text)
    with pytest.raises(EsiLimit):
        expression.evaluate(Surroundings())


def test_the_largest_are_allowed(monkeypatch):
    monkeypatch.setitem(FACTS, "half", "a" * (MAX_TEXT // 2))
    assert len(value_of(f"[1..{MAX_ITEMS}]")) == MAX_ITEMS
    assert value_of("9223372036854775807 + 1") == 2**63
    assert len(value_of("$(half) + $(half)")) == MAX_TEXT


@pytest.mark.parametrize("operator", [" + ", " - ", " * ", " & ", " | "])
def test_a_long_chain_is_no_depth(operator):
    text = operator.join(["1"] * (MAX_LENGTH // (len(operator) + 1)))
    assert value_of(text) is not None
    assert value_of("!" * 10_001 + "1") is False
    assert value_of("-" * 10_001 + "1") == -1


def test_the_deepest_nesting_can_be_evaluated():
    assert value_of("(" * 64 + "1" + ")" * 64) == 1
    assert value_of("$lower(" * 64 + "A" + ")" * 64) == "a"
    assert value_of("$(NO|" * 63 + "$(HTTP_HOST)" + ")" * 63) == "shop.example"


@pytest.mark.parametrize(
    "unit",
    ["$(a ", "$(a{", "$(a{$(a|", "$(a|'", "$(a|\"'", "$(a|'''", "$( ", "$foo(", "$(a{'b'}|$(", "$(a" + " " * 50, "'$(a|\\"],
)
def test_text_that_looks_like_variables_takes_work_in_proportion(unit):
    def calls(times: int) -> int:
        counted = 0

        def count(frame, event, argument) -> None:
            nonlocal counted
            counted += event in ("call", "c_call")

        text = unit * times
        sys.setprofile(count)
        try:
            parse_interpolation(text)
        finally:
            sys.setprofile(None)
        return counted

    few, many = calls(250), calls(1_000)
    assert many <= few * 4.5 + 100
    assert many <= 1_000 * len(unit) * 30


# ── Anything ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

_tokens = st.sampled_from(
    [
        *(
            "$(HTTP_HOST)",
            "$(HTTP_COOKIE{n})",
            "$(list)",
            "$(NO)",
            "$(NO|1)",
            "'a'",
            '"b"',
            "1",
            "0",
            "-",
            "true",
            "word",
            "[",
            "]",
            "{",
            "}",
            ":",
            ",",
        ),
        *(
            "(",
            ")",
            "..",
            "==",
            "!=",
            "<",
            ">=",
            "=",
            "!",
            "&",
            "|",
            "+",
            "*",
            "/",
            "%",
            "has",
            "has_i",
            "matches",
            "matches_i",
            "$",
            "$(",
            "|",
            " ",
        ),
        *(f"${name}(" for name in FUNCTIONS),
        *("$first(", "$gone(", "'", "'''", "\\", "é", "\udc80", "99999999999", "'\udc80'"),
    ]
)


def attempt(parse, text: str):
    """What it becomes, or the error."""
    try:
        return parse(text, functions=OF_THE_PAGE)
    except EsiError as wrong:
        return wrong


@given(st.lists(_tokens, max_size=15).map("".join) | st.text(max_size=20))
@example("$strftime(99999999999999999, '%')")
@example("'\udc80' matches '\udc80'")
@example("$url_encode('\udc80')")
def test_any_text_is_an_expression_or_an_error_with_a_place(text: str):
    found = attempt(parse_expression, text)
    if isinstance(found, EsiError):
        assert 0 <= found.offset <= len(text)
        assert found.message
        return
    with suppress(EsiLimit):
        assert text_of(found.evaluate(Surroundings())) is not None


@given(st.lists(_tokens | st.text(max_size=4), max_size=15).map("".join))
def test_any_text_can_be_shown_or_calls_a_known_function_wrongly(text: str):
    found = attempt(parse_interpolation, text)
    if isinstance(found, EsiError):
        assert 0 <= found.offset <= len(text)
        assert any(f"${name}(" in text for name in (*FUNCTIONS, *OF_THE_PAGE))
        return
    rest = text
    for part in found.parts:
        if isinstance(part, str):
            assert part in rest
            rest = rest[rest.index(part) + len(part) :]


@given(st.integers(-100, 100), st.integers(-100, 100), st.sampled_from("+-*/%"))
def test_arithmetic_is_that_of_integers(left: int, right: int, operator: str):
    expected = {
        "+": lambda: left + right,
        "-": lambda: left - right,
        "*": lambda: left * right,
        "/": lambda: int(left / right) if right else None,
        "%": lambda: left - right * int(left / right) if right else None,
    }[operator]()
    assert value_of(f"{left} {operator} {right}") == expected
