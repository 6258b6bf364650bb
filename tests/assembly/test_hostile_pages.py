"""Pages that want too much: what they cost is bounded, counted in steps, holes, octets and calls, never by the clock; nothing but a page or a failure
comes of them.
"""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fragments.assembly import Assembler, Budget
from fragments.esi.compiler import compile_page
from tests.assembly.corpus_assembly import INCLUDE_A, INCLUDE_BAD, assigned, said, wrapped
from tests.assembly.player import Came, environment_of, in_turn, last_come, play, text_of

ANSWERS = {"/a": "A", "/bad": "!status_500"}
SMALL = Budget(steps=2_000, octets=10_000)


def foreach(body: str, collection: str = "[1..10000]") -> str:
    return f'<esi:foreach collection="{collection}">{body}</esi:foreach>'


def nested(count: int, before: str, inner: str, after: str) -> str:
    return before * count + inner + after * count


def calls_of(work: Callable[[], object]) -> int:
    """How many calls of functions, ours and built in, the work takes."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        if event in ("call", "c_call"):
            count += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


FUNCTION_OF_ITSELF = "<esi:function name='f'><esi:return value='{}'/></esi:function><esi:vars>$f(1)</esi:vars>"

BOMBS = {
    "loops": nested(8, '<esi:foreach collection="[1..10000]">', "x", "</esi:foreach>"),
    "loops of nothing": nested(8, '<esi:foreach collection="[1..10000]">', "", "</esi:foreach>"),
    "loops with branches": foreach(foreach("<esi:choose><esi:when test='1==1'>" + "x" * 1000 + "</esi:when></esi:choose>")),
    "loops with attempts": foreach(wrapped("x" * 1000, "")),
    "loops with inlines": "<esi:inline name='i'>" + "x" * 1000 + "</esi:inline>" + foreach("<esi:include src='i'/>"),
    "loops of includes": foreach("<esi:include src='/a'/>"),
    "loops of attempts that fail": foreach(wrapped(INCLUDE_BAD, INCLUDE_BAD)),
    "text doubled": assigned("x", "'xx'") + foreach(assigned("x", "$(x)+$(x)")),
    "text written again and again": assigned("x", "'" + "x" * 10_000 + "'") + foreach(said("x")),
    "text in texts": assigned("x", "'" + "x" * 10_000 + "'") + foreach(assigned("y", "$replace($(x), 'x', $(x))")),
    "list doubled": assigned("x", "[1]") + foreach(assigned("x", "$(x)+$(x)")),
    "list in itself": assigned("x", "[1]") + foreach(assigned("x", "[$(x), $(x)]")),
    "list compared": assigned("x", "[[1..9000]]") + foreach(assigned("y", "$(x)==$(x)")),
    "list in another": assigned("x", "[1..9000]") + foreach(assigned("y", "[$(x)]")),
    "list searched": assigned("x", "[[1..9000]]") + foreach(assigned("y", "$(x) has 5")),
    "list as a key": assigned("x", "[[1..9000]]") + assigned("d", "{'a': 1}") + foreach("<esi:vars>$(d{$(x)})</esi:vars>"),
    "list as a key, set": assigned("x", "[[1..9000]]") + foreach(assigned("d{$(x)}", "1")),
    "list written": assigned("x", "[1..9000]") + foreach("<esi:vars>$(x)</esi:vars>"),
    "list in an address": assigned("x", "[1..9000]") + foreach("<esi:include src='/$(x)' onerror='continue'/>"),
    "list of a function": foreach(assigned("y", "$range(1, 9000)")),
    "list given to a function": assigned("x", "[[1..9000]]") + foreach(assigned("y", "$list_delitem($(x), 5)")),
    "dictionary gone through": "".join(assigned(f"d{{'k{n}'}}", "1") for n in range(100)) + foreach(foreach("<esi:break/>", "$(d)")),
    "dictionary in itself": assigned("d", "{'a': 1}") + foreach(assigned("d{'a'}", "$(d)") + assigned("d{'b'}", "$(d)")),
    "text decoded": assigned("x", "'" + "&amp;lt;" * 1_500 + "'") + foreach(assigned("y", "$html_decode($(x))")),
    "list set item by item": assigned("x", "[1..10000]") + foreach(assigned("x{5}", "1")),
    "list grown item by item": assigned("x", "[0]") + foreach(assigned("x{$(item)}", "1")),
    "dictionary grown": foreach(assigned("d{$(item)}", "1")),
    "variables": "".join(assigned(f"x{number}", "1") for number in range(10_000)),
    "integers": assigned("x", "3") + foreach(assigned("x", "$(x)*$(x)")),
    "matches": assigned("x", "'" + "a" * 8000 + "'") + foreach(assigned("y", "$(x) matches '(a*)*b'")),
    "a long expression": foreach(assigned("y", "+".join(["1"] * 5000))),
    "a deep expression": assigned("y", "(" * 60 + "1" + ")" * 60),
    "a deeper expression": assigned("y", "(" * 5000 + "1" + ")" * 5000),
    "function of itself": FUNCTION_OF_ITSELF.format("$f($(ARGS{0}))"),
    "function of itself twice": FUNCTION_OF_ITSELF.format("$f($(ARGS{0}))+$f($(ARGS{0}))"),
    "function of itself, deep in an expression": FUNCTION_OF_ITSELF.format("(" * 55 + "$f($(ARGS{0}))" + ")" * 55),
    "function of itself in a test": "<esi:function name='f'><esi:choose><esi:when test='$f()'>x</esi:when></esi:choose></esi:function>"
    "<esi:choose><esi:when test='$f()'>x</esi:when></esi:choose>",
    "function of itself in an address": "<esi:function name='f'><esi:return value='$f()'/></esi:function>"
    "<esi:include src='/bad' alt='/$f()' onerror='continue'/>",
    "function with a loop": "<esi:function name='f'>" + foreach(foreach("x")) + "</esi:function>" + foreach("<esi:vars>$f()</esi:vars>"),
    "functions that write": "<esi:function name='f'>" + foreach("x" * 1000) + "</esi:function>" + foreach("<esi:vars>$f()</esi:vars>"),
    "eval of itself": "<esi:eval src='/self'/>",
    "eval of itself twice": "<esi:eval src='/self-twice'/>",
    "eval of itself in attempts": "<esi:eval src='/self-attempt'/>",
    "attempts deep": nested(3_000, "<esi:try><esi:attempt>", INCLUDE_BAD, "</esi:attempt><esi:except>x</esi:except></esi:try>"),
    "excepts deep": nested(
        3_000, f"<esi:try><esi:attempt>{INCLUDE_BAD}</esi:attempt><esi:except>", "x", "</esi:except></esi:try>"
    ),
    "branches deep": nested(3_000, "<esi:choose><esi:when test='1==1'>", "x", "</esi:when></esi:choose>"),
    "bodies deep": nested(3_000, "<esi:include src='/bad'>", "x", "</esi:include>"),
    "functions deep": nested(3_000, "<esi:function name='f'>", "x", "</esi:function>"),
    "inlines deep": nested(3_000, "<esi:inline name='i'>", "x", "</esi:inline>"),
    "vars deep": nested(3_000, "<esi:vars>", "$(HTTP_HOST)", "</esi:vars>"),
    "inlines of inlines": "<esi:inline name='i0'>" + "x" * 1000 + "</esi:inline>"
    + "".join(
        f"<esi:inline name='i{number}'>" + f"<esi:include src='i{number - 1}'/>" * 10 + "</esi:inline>" for number in range(1, 12)
    )
    + "<esi:include src='i11'/>",
    "a chain of inlines": "<esi:inline name='i0'>x</esi:inline>"
    + "".join(f"<esi:inline name='i{n}'><esi:include src='i{n - 1}'/></esi:inline>" for n in range(1, 5_000))
    + "<esi:include src='i4999'/>",
    "a chain of inlines with attempts": f"<esi:inline name='i0'>{INCLUDE_BAD}</esi:inline>"
    + "".join(
        f"<esi:inline name='i{n}'>{wrapped(f'<esi:include src={chr(34)}i{n - 1}{chr(34)}/>', 'x')}</esi:inline>" for n in range(1, 2_000)
    )
    + "<esi:include src='i1999'/>",
    "a chain of inlines in bodies": "<esi:inline name='i0'>x</esi:inline>"
    + "".join(
        f"<esi:inline name='i{n}'><esi:include src='/bad'><esi:include src='i{n - 1}'/></esi:include></esi:inline>" for n in range(1, 2_000)
    )
    + "<esi:include src='i1999'/>",
    "a chain of inlines as alt": "<esi:inline name='i0'>x</esi:inline>"
    + "".join(f"<esi:inline name='i{n}'><esi:include src='/bad' alt='i{n - 1}'/></esi:inline>" for n in range(1, 2_000))
    + "<esi:include src='i1999'/>",
    "inlines as alt of each other, twice": "<esi:inline name='i0'>x</esi:inline>"
    + "".join(f"<esi:inline name='i{n}'>{f'<esi:include src={chr(34)}/bad{chr(34)} alt={chr(34)}i{n - 1}{chr(34)}/>' * 2}</esi:inline>" for n in range(1, 60))
    + "<esi:include src='i59'/>",
    "an attribute of a megabyte": f"<esi:include src='/{'a' * 2**20}'/>",
    "includes without a slash": "<esi:include src='/a'>" * 10_000,
    "ends of nothing": "</esi:vars></esi:try>" * 10_000,
}  # fmt: skip

EVALS = {
    "/self": "x<esi:eval src='/self'/>",
    "/self-twice": "<esi:eval src='/self-twice'/><esi:eval src='/self-twice'/>",
    "/self-attempt": wrapped("<esi:eval src='/self-attempt'/>", "<esi:eval src='/self-attempt'/>"),
}


@pytest.mark.parametrize("lenient", [False, True], ids=["strict", "lenient"])
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_costs_no_more_than_a_page_may(name: str, lenient: bool):
    """A page, or a failure; and every one of them ends."""
    page = BOMBS[name]
    for choose in (in_turn, last_come):
        came = play(page, {**ANSWERS, **EVALS}, lenient=lenient, choose=choose, budget=SMALL)
        assert len(came.asked) <= 2 * SMALL.holes
        assert len(came.text) <= len(page) + SMALL.octets + SMALL.holes
        assert came.failure in ("", "budget_spent", "too_many_includes", "no_such_fragment", "status_500", "too_deep")


def spent_by(page: str, budget: Budget) -> tuple[int, int, Came]:
    """Steps and calls that a page takes, and what comes of it."""
    program = compile_page(page.encode())
    assembler = Assembler(environment_of(), lenient=True, budget=budget)
    calls = calls_of(lambda: assembler.run(program))
    text = text_of(assembler.drain())
    return budget.steps - assembler._steps_left, calls, Came(text, assembler.failure, (), (), (), tuple(assembler.problems))


CALLS_A_STEP = 64
OF_LOOPS = [
    name
    for name in BOMBS
    if name.startswith(("loop", "text", "list", "dict", "var", "int", "match", "function", "a long", "inlines of"))
]


@pytest.mark.parametrize("name", OF_LOOPS)
def test_a_step_is_worth_a_bounded_number_of_calls(name: str):
    """So that steps are a measure of work."""
    budget = Budget(steps=20_000)
    spent, calls, came = spent_by(BOMBS[name], budget)
    assert calls <= CALLS_A_STEP * max(spent, 1_000), came.problems


@pytest.mark.parametrize("name", OF_LOOPS)
def test_a_bomb_takes_a_bounded_amount_of_memory(name: str):
    """The default budget: 8 MiB of text, and what values may hold."""
    program = compile_page(BOMBS[name].encode())
    assembler = Assembler(environment_of(), lenient=True)
    tracemalloc.start()
    try:
        assembler.run(program)
        _, peak = tracemalloc.get_traced_memory()
        written = sum(len(part) for part in assembler.drain() if isinstance(part, bytes))
    finally:
        tracemalloc.stop()
    assert written <= 8 << 20
    assert peak <= 48 << 20


def test_of_ten_thousand_includes_as_many_are_asked_for_as_a_page_may_have():
    page = "".join(f"<esi:include src='/{number}'/>," for number in range(10_000))
    strict = play(page, lambda url: url)
    assert strict.failure == "too_many_includes"
    lenient = play(page, lambda url: url, lenient=True)
    assert len(lenient.asked) == 256
    assert lenient.text == "".join(f"/{number}," for number in range(256)) + "," * (10_000 - 256)


@pytest.mark.parametrize(
    ("unit", "answers"),
    [
        ("<esi:comment text='x'/>x", {}),
        ("<!--esi x-->x", {}),
        ("<esi:vars>x</esi:vars>x", {}),
        ("<esi:vars>$(HTTP_HOST)</esi:vars>", {}),
        (INCLUDE_A, ANSWERS),
        (wrapped(INCLUDE_BAD, "x"), ANSWERS),
        (wrapped(assigned("x", "1") + INCLUDE_BAD, INCLUDE_A), ANSWERS),
        ("<esi:include src='/bad'>own</esi:include>", ANSWERS),
        ("<esi:eval src='/e'/>", {"/e": "x"}),
        ("<esi:inline name='i'>x</esi:inline><esi:include src='i'/>", {}),
        ("<esi:choose><esi:when test='1==1'>x</esi:when></esi:choose>", {}),
    ],
    ids=["comment", "esi comment", "vars", "write", "include", "try", "try that assigns", "body", "eval", "inline", "choose"],
)
def test_twice_as_much_of_a_page_takes_twice_as_many_calls(unit: str, answers: dict[str, str]):
    budget = Budget(steps=10**7, holes=10_000)

    def work(count: int) -> Callable[[], object]:
        return lambda: play(unit * count, answers, budget=budget)

    work(10)()
    assert calls_of(work(800)) <= 2.3 * calls_of(work(400))


def test_texts_beside_each_other_are_joined_once():
    """A page whose comments leave nothing is one piece of text, copied once and not once for each of them."""
    program = compile_page(b"<esi:comment text='x'/>x" * 1_000)
    (step,) = program.steps
    assert step.data == b"x" * 1_000  # type: ignore[union-attr]
    assert program.flat is not None


# ── Anything ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

_keys = ["0", "-1", "'²'", "'٣'", "--1", "1e3", "$(q)", "$(l)", "'" + "9" * 5_000 + "'", "''", "a"]
_values = [
    "1", "-1", "'x'", "''", "[]", "{}", "[1,[2,[3]]]", "{'a': 1}", "$(q)", "$(l)", "$(d)", "$(nope)", "$(HTTP_COOKIE)", "$(HTTP_COOKIE{a})",
    "$(QUERY_STRING{q})", "$(HTTP_ACCEPT_LANGUAGE{en})", "$(HTTP_USER_AGENT{version})", "$f(1)", "$g($(q))", "$(ARGS)", "$(l)+$(l)",
    "$(q)*$(q)", "$(q)/0", "-$(q)", "$(q) matches $(q)", "$(q) matches '('", "$(q) has $(l)", "$(l) has $(q)", "$(d)==$(l)", "!$(q)",
    "$substr($(q), $(q), $(q))", "$string_split($(q), '')", "$join($(d), $(q))", "$replace($(q), '', $(q))", "$int($(q))", "$url_decode($(q))",
    "$base64_decode($(q))", "$html_decode($(q))", "$strftime($(q), $(q))", "$http_time($(q))", "$rand($(q))", "$list_delitem($(l), $(q))",
    "$index($(q), $(q))", "$digest_md5_hex($(q))", "$range($(q), 9)", "[1..$(q)]", "$lower($(l))", "$len($(d))", "$bool($(q))", "$str($(l))",
    "((1)", "1 1", "",
    *[f"$({name}{{{key}}})" for name in ("l", "d", "q", "HTTP_COOKIE", "QUERY_STRING", "HTTP_HEADER") for key in _keys[:8]],
]  # fmt: skip
_expressions = st.sampled_from(_values) | st.builds(
    "{}{}{}".format,
    st.sampled_from(_values),
    st.sampled_from(["+", "==", "<", "*", " has ", "&", "|", "%", "-"]),
    st.sampled_from(_values),
)
_names = st.sampled_from(["l", "d", "q", "x", *[f"{name}{{{key}}}" for name in ("l", "d", "q", "new") for key in _keys]])
_urls = st.sampled_from(["/a", "/bad", "/e", "/e2", "i", "/$(q)", "/$f(1)", "$(l)", "", "/x?$(QUERY_STRING)"])


def _element(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    body = st.lists(inner, max_size=3).map("".join)
    return st.one_of(
        st.builds(wrapped, body, body),
        st.builds('<esi:foreach collection="{}">{}</esi:foreach>'.format, _expressions, body),
        st.builds('<esi:choose><esi:when test="{}">{}</esi:when><esi:otherwise>{}</esi:otherwise></esi:choose>'.format, _expressions, body, body),
        st.builds("<esi:function name='{}'>{}</esi:function>".format, st.sampled_from("fg"), body),
        st.builds("<esi:inline name='{}'>{}</esi:inline>".format, st.sampled_from(["i", "/a", "/x1"]), body),
        st.builds('<esi:include src="{}">{}</esi:include>'.format, _urls, body),
        st.builds("<esi:vars>{}</esi:vars>".format, body),
        st.builds("<script>{}</script>".format, body),
        st.builds("<esi:try>{}".format, body),
    )  # fmt: skip


_leaves = st.one_of(
    st.sampled_from(["text", "<esi:break/>", "$(q)", "$(l)", "$f(1)", "<b a='$(q)'>", "<!-- ", "</esi:try>", "<esi:"]),
    st.builds('<esi:assign name="{}" value="{}"/>'.format, _names, _expressions),
    st.builds('<esi:vars name="$({})"/>'.format, st.sampled_from(["q", "l", "d", "q|none", "d{a}"])),
    st.builds('<esi:return value="{}"/>'.format, _expressions),
    st.builds('<esi:eval src="{}" onerror="continue"/>'.format, _urls),
    st.builds('<esi:include src="{}" alt="{}" onerror="continue"/>'.format, _urls, _urls),
    st.builds('<esi:include src="{}" method="POST" entity="{}" setheader="X-A: {}"/>'.format, _urls, _expressions, _expressions),
)
pages = st.lists(st.recursive(_leaves, _element, max_leaves=12), max_size=6).map("".join)
PREAMBLE = assigned("q", "$(QUERY_STRING{q})") + assigned("l", "[1,'²',$(q)]") + assigned("d", "{'a': $(q)}")


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(
    page=pages,
    brought=st.lists(pages, min_size=2, max_size=2),
    given_=st.sampled_from(["1", "-1", "%C2%B2", "%D9%A3", "a", "", "%3Cb%3E", "%00", "%FF", "9" * 30, "1" * 5_000, "(", "[1]"]),
    lenient=st.booleans(),
    late=st.booleans(),
)
def test_no_page_raises(page: str, brought: list[str], given_: str, lenient: bool, late: bool):
    answers: dict[str, Any] = {**ANSWERS, "/e": brought[0], "/e2": brought[1]}
    environment = environment_of(
        f"/page?q={given_}", {"Cookie": f"a={given_}; b=2", "Accept-Language": "en", "User-Agent": f"Mozilla/{given_[:20]}"}
    )
    came = play(
        PREAMBLE + page,
        answers,
        choose=last_come if late else in_turn,
        environment=environment,
        lenient=lenient,
        budget=Budget(steps=3_000, octets=50_000, holes=12),
    )
    assert came.failure or len(came.text) <= 50_000 + len(page) + 12 * 8_000
