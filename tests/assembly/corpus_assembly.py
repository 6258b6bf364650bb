"""A conformance corpus of assembly, as data: a page, what its includes bring, what comes of it. Sections are ESI 1.0's (W3C NOTE of 4 August 2001),
Akamai's (ESI Developer's Guide), or ours (DESIGN §4, issue 3).

Each case is played in several orders of arrival, and with the page in any cuts: what comes of it is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from fragments.assembly import DEFAULT_BUDGET, Budget

__all__ = ["CASES", "Case"]


class Case(NamedTuple):
    """One page.

    answers     content by URL; "!reason" where there is none. URLs that are not in it fail
    gets        the page; "!reason": it fails
    outcomes    of its holes, in the order in which they were met; None: not judged
    asked       URLs asked for, in any order; None: not judged
    dropped     URLs whose answer nobody wants any more, where answers arrive in turn
    fields      of the request
    problems    words that what was met while it ran has, one each
    """

    id: str
    section: str
    page: str
    gets: str
    answers: Mapping[str, str] = {}
    outcomes: str | None = None
    asked: str | None = None
    dropped: str | None = None
    lenient: bool = False
    target: str = "/page"
    fields: Mapping[str, str] = {}
    budget: Budget = DEFAULT_BUDGET
    problems: tuple[str, ...] = ()


OK = {"/a": "A", "/b": "B", "/c": "C", "/d": "D"}
BAD = {"/bad": "!status_500", "/bad2": "!deadline"}
BOTH = {**OK, **BAD}

INCLUDE_A = '<esi:include src="/a"/>'
INCLUDE_BAD = '<esi:include src="/bad"/>'


def wrapped(attempt: str, otherwise: str) -> str:
    return f"<esi:try><esi:attempt>{attempt}</esi:attempt><esi:except>{otherwise}</esi:except></esi:try>"


def assigned(name: str, value: str) -> str:
    return f'<esi:assign name="{name}" value="{value}"/>'


def said(name: str) -> str:
    return f'<esi:vars name="$({name})"/>'


LADDER = (
    Case("include", "3.1", f"1{INCLUDE_A}2", "1A2", OK, "src", "/a"),
    Case("include-nothing", "3.1", "1<esi:include src='/e'/>2", "12", {"/e": ""}, "src"),
    Case("includes-in-order", "3.1", "<esi:include src='/b'/>-<esi:include src='/a'/>", "B-A", OK, "src src", "/a /b"),
    Case("one-url-twice", "3.1", f"{INCLUDE_A}{INCLUDE_A}", "AA", OK, "src src", "/a /a"),
    Case("alt-not-asked", "3.1", "<esi:include src='/a' alt='/b'/>", "A", OK, "src", "/a"),
    Case("alt", "3.1", "<esi:include src='/bad' alt='/b'/>", "B", BOTH, "alt", "/bad /b"),
    Case("alt-fails-too", "3.1", "1<esi:include src='/bad' alt='/bad2'/>2", "!deadline", BOTH, "failed", "/bad /bad2"),
    Case("alt-before-body", "ours", "<esi:include src='/bad' alt='/b'>own</esi:include>", "B", BOTH, "alt"),
    Case("body-after-alt", "ours", "<esi:include src='/bad' alt='/bad2'>own</esi:include>", "own", BOTH, "fallback"),
    Case("body", "ours", "<esi:include src='/bad'>own</esi:include>", "own", BAD, "fallback"),
    Case("body-not-used", "ours", "<esi:include src='/a'>own</esi:include>", "A", OK, "src"),
    Case(
        "body-before-onerror", "ours", "<esi:include src='/bad' onerror='continue'>own</esi:include>", "own", BAD, "fallback"
    ),
    Case("body-includes", "ours", "<esi:include src='/bad'>[<esi:include src='/b'/>]</esi:include>", "[B]", BOTH, "fallback src"),
    Case("body-fails", "ours", f"<esi:include src='/bad'>[{INCLUDE_BAD}]</esi:include>", "!status_500", BAD, "failed failed"),
    Case(
        "body-fails-onerror",
        "ours",
        f"1<esi:include src='/bad' onerror='continue'>[{INCLUDE_BAD}]</esi:include>2",
        "12",
        BAD,
        "nothing failed",
    ),
    Case("body-that-is-blank", "ours", "1<esi:include src='/bad'> \n </esi:include>2", "!status_500", BAD, "failed"),
    Case(
        "body-in-body",
        "ours",
        "<esi:include src='/bad'>1<esi:include src='/bad2'>2</esi:include>3</esi:include>",
        "123",
        BAD,
        "fallback fallback",
    ),
    Case("onerror", "3.1", "1<esi:include src='/bad' onerror='continue'/>2", "12", BAD, "nothing"),
    Case("onerror-of-another-word", "3.1", "1<esi:include src='/bad' onerror='stop'/>2", "!status_500", BAD, "failed"),
    Case("fails", "3.1", f"1{INCLUDE_BAD}2", "!status_500", BAD, "failed"),
    Case("fails-after-others", "3.1", f"1{INCLUDE_A}2{INCLUDE_BAD}", "!status_500", BOTH),
    Case("unknown", "ours", "<esi:include src='/none'/>", "!no_such_fragment", {}, "failed"),
    Case("lenient", "ours", f"1{INCLUDE_BAD}2", "12", BAD, "nothing", lenient=True),
    Case("lenient-alt-first", "ours", "<esi:include src='/bad' alt='/b'/>", "B", BOTH, "alt", lenient=True),
    Case("lenient-required", "ours", "<esi:include src='/bad' required='true'/>", "!status_500", BAD, "failed", lenient=True),
    Case("lenient-required-no", "ours", "1<esi:include src='/bad' required='no'/>2", "12", BAD, "nothing", lenient=True),
    Case("required-and-alt", "ours", "<esi:include src='/bad' alt='/b' required='yes'/>", "B", BOTH, "alt", lenient=True),
    Case("required-and-there", "ours", "<esi:include src='/a' required='true'/>", "A", OK, "src", lenient=True),
    Case("variable-in-src", "4", f"{assigned('n', chr(39) + 'a' + chr(39))}<esi:include src='/$(n)'/>", "A", OK, "src", "/a"),
    Case(
        "variable-in-alt",
        "4",
        assigned("n", "'b'") + "<esi:include src='/bad' alt='/$(n)'/>" + assigned("n", "'c'"),
        "B",
        BOTH,
        "alt",
        "/bad /b",
    ),
    Case(
        "query-in-src",
        "4",
        "<esi:include src='/s?q=$(QUERY_STRING{q})'/>",
        "found",
        {"/s?q=a%26b%3Dc%2Fd": "found"},
        target="/page?q=a%26b%3Dc/d",
    ),
    Case("whole-query-in-src", "ours", "<esi:include src='/s?$(QUERY_STRING)'/>", "found", {"/s?a=1&b=x%20y/%3C%23": "found"},
         target="/page?a=1&b=x%20y/<#"),
    Case("whole-query-in-a-path", "ours", "<esi:include src='/s/$(QUERY_STRING)'/>", "found", {"/s/a%3Fx": "found"}, target="/page?a?x"),
    *(Case(f"step-by-a-value-{name}", "ours", f"<esi:include src='{src}' alt='/b'/>", "B", {**OK, "/s/../x": "no"}, "alt", "/b", target=f"/page?q={value}")
      for name, src, value in (
          ("up", "/s/$(QUERY_STRING{q})/x", ".."), ("here", "/s/$(QUERY_STRING{q})/x", "."), ("half", "/s/.$(QUERY_STRING{q})/x", "."),
          ("far", "/s/$(QUERY_STRING{q})", "..%2F..%2Fadmin"), ("back", "/s/$(QUERY_STRING{q})", "..%5Cx"),
          ("encoded", "/s/$url_encode($(QUERY_STRING{q}))/x", ".."))),
    Case("step-by-a-value-twice-coded", "ours", "<esi:include src='/s/$(QUERY_STRING)'/>", "found", {"/s/%252e%252e": "found"}, target="/page?%2e%2e"),
    Case("step-by-the-path", "ours", "<esi:include src='$(REQUEST_PATH)?z' onerror='continue'/>", "", {}, "nothing", "", target="/a/%2E%2e/b"),
    Case("step-by-a-value-in-alt", "ours", "<esi:include src='/bad' alt='/s/$(QUERY_STRING{q})/x'>own</esi:include>", "own", BAD, "fallback", "/bad",
         target="/page?q=.."),
    Case("step-of-the-authors", "ours", "<esi:include src='../$(QUERY_STRING{q})'/>", "found", {"../a": "found"}, target="/page?q=a"),
    Case("step-behind-a-question-mark", "ours", "<esi:include src='/s?$(QUERY_STRING{q})'/>", "found", {"/s?..": "found"}, target="/page?q=.."),
    Case("two-queries", "ours", "<esi:include src='/s?$(QUERY_STRING{a})&amp;$(QUERY_STRING)'/>", "found", {"/s?1&a=1": "found"},
         target="/page?a=1"),
    Case("path-in-src", "ours", "<esi:include src='$(REQUEST_PATH)?z'/>", "found", {"/a/b%20c?z": "found"}, target="/a/b%20c"),
    Case("path-that-names-a-host", "ours", "<esi:include src='$(REQUEST_PATH)?z'/>", "found", {"/%2Fevil.test/x?z": "found"},
         target="//evil.test/x"),
    Case("path-within-src", "ours", "<esi:include src='/menu?at=$(REQUEST_PATH)'/>", "found", {"/menu?at=%2Fa%2Fb": "found"}, target="/a/b"),
    Case("host-in-src", "ours", "<esi:include src='http://$(HTTP_COOKIE{h})/x' onerror='continue'/>", "", {}, asked="http://evil.test%2Fx%3F/x",
         fields={"Cookie": "h=evil.test/x?"}),
    Case("output-is-not-parsed", "ours", INCLUDE_A, "<esi:include src='/b'/>", {"/a": "<esi:include src='/b'/>", "/b": "B"}, "src"),
    Case("many", "3.1", "".join(f"<esi:include src='/n{n}'/>," for n in range(100)), ",".join(map(str, range(100))) + ",",
         {f"/n{n}": str(n) for n in range(100)}),
)  # fmt: skip

ATTEMPTS = (
    Case("attempt", "3.4", wrapped(f"[{INCLUDE_A}]", "except"), "[A]", OK, "src", "/a"),
    Case("except", "3.4", f"1{wrapped(f'[{INCLUDE_A}{INCLUDE_BAD}]', 'except')}2", "1except2", BOTH, "dropped failed"),
    Case("except-is-not-run", "3.4", wrapped(INCLUDE_A, "<esi:include src='/b'/>"), "A", OK, "src", "/a"),
    Case("except-includes", "3.4", wrapped(INCLUDE_BAD, INCLUDE_A), "A", BOTH, "failed src"),
    Case("except-fails", "3.4", f"1{wrapped(INCLUDE_BAD, INCLUDE_BAD)}2", "!status_500", BAD, "failed failed"),
    Case("except-is-missing", "3.4", f"1<esi:try><esi:attempt>{INCLUDE_BAD}</esi:attempt></esi:try>2", "12", BAD),
    Case("attempt-without-includes", "3.4", wrapped("1", "2"), "1"),
    Case("attempt-is-empty", "3.4", f"1{wrapped('', 'no')}2", "12"),
    Case("alt-in-attempt", "3.4", wrapped("<esi:include src='/bad' alt='/b'/>", "no"), "B", BOTH, "alt"),
    Case("body-in-attempt", "ours", wrapped("<esi:include src='/bad'>own</esi:include>", "no"), "own", BAD, "fallback"),
    Case(
        "body-in-attempt-fails",
        "ours",
        wrapped(f"<esi:include src='/bad'>{INCLUDE_BAD}</esi:include>", "yes"),
        "yes",
        BAD,
        "failed failed",
    ),
    Case("onerror-in-attempt", "3.4", wrapped("1<esi:include src='/bad' onerror='continue'/>2", "no"), "12", BAD, "nothing"),
    Case("lenient-in-attempt", "ours", wrapped(INCLUDE_BAD, "yes"), "yes", BAD, "failed", lenient=True),
    Case("lenient-in-except", "ours", f"1{wrapped(INCLUDE_BAD, '[' + INCLUDE_BAD + ']')}2", "1[]2", BAD, "failed nothing", lenient=True),
    Case("required-in-attempt", "ours", wrapped("<esi:include src='/bad' required='true'/>", "yes"), "yes", BAD, "failed"),
    Case(
        "nested", "3.4", wrapped(f"1{wrapped(INCLUDE_BAD, '2')}3{INCLUDE_A}", "no"), "123A", BOTH, "failed src"
    ),
    Case("nested-fails-outside", "3.4", wrapped(f"{wrapped(INCLUDE_A, 'no')}{INCLUDE_BAD}", "yes"), "yes", BOTH, "dropped failed"),
    Case("except-fails-into-the-outer", "3.4", wrapped(wrapped(INCLUDE_BAD, INCLUDE_BAD), "outer"), "outer", BAD),
    Case("nested-in-except", "3.4", wrapped(INCLUDE_BAD, wrapped(INCLUDE_BAD, "inner")), "inner", BAD),
    Case("two-failures", "3.4", wrapped(f"{INCLUDE_BAD}<esi:include src='/bad2'/>", "once"), "once", BAD),
    Case(
        "dropped-are-told",
        "ours",
        wrapped(f"{INCLUDE_BAD}{INCLUDE_A}<esi:include src='/b'/>", "no"),
        "no",
        BOTH,
        "failed dropped dropped",
        "/bad /a /b",
        "/a /b",
    ),
    Case(
        "dropped-in-inner-sections",
        "ours",
        wrapped(f"{INCLUDE_BAD}{wrapped(INCLUDE_A, 'x')}<esi:include src='/bad2'><esi:include src='/b'/></esi:include>", "no"),
        "no",
        BOTH,
        dropped="/a /bad2",
    ),
    Case(
        "dropped-of-a-page",
        "ours",
        f"{INCLUDE_BAD}{INCLUDE_A}<esi:include src='/b'/>",
        "!status_500",
        BOTH,
        "failed dropped dropped",
        "/bad /a /b",
        "/a /b",
    ),
    Case(
        "assigned-in-attempt", "Akamai", wrapped(assigned("x", "1") + INCLUDE_A, "") + said("x"), "A1", OK
    ),
    Case(
        "assigned-in-a-failed-attempt",
        "ours",
        assigned("x", "0") + wrapped(assigned("x", "1") + INCLUDE_BAD, said("x")) + said("x"),
        "00",
        BAD,
    ),
    Case("assigned-in-except", "Akamai", wrapped(INCLUDE_BAD, assigned("x", "2")) + said("x"), "2", BAD),
    Case(
        "assigned-in-nested-attempts",
        "Akamai",
        wrapped(wrapped(INCLUDE_BAD, assigned("x", "3")) + INCLUDE_A, assigned("x", "4")) + said("x"),
        "A3",
        BOTH,
    ),
    Case(
        "src-of-what-was-assigned-in-an-attempt",
        "ours",
        wrapped(assigned("x", "'b'") + INCLUDE_BAD, assigned("x", "'c'")) + "<esi:include src='/$(x)'/>",
        "C",
        BOTH,
        "failed src",
        "/bad /c",
    ),
    Case("in-vars", "3.7", f"<esi:vars>{wrapped('$(HTTP_HOST)', 'no')}</esi:vars>", "shop.test"),
)  # fmt: skip

EVALS = (
    Case("eval", "Akamai", "1<esi:eval src='/e'/>2", "1<b>2", {"/e": "<b>"}, "src"),
    Case("eval-is-run", "Akamai", "<esi:eval src='/e'/>", "[A]", {**OK, "/e": f"[{INCLUDE_A}]"}, "src src", "/e /a"),
    Case("eval-reads", "Akamai", f"{assigned('x', '7')}<esi:eval src='/e'/>", "7", {"/e": said("x")}),
    Case("eval-assigns", "Akamai", f"<esi:eval src='/e'/>{said('x')}", "7", {"/e": assigned("x", "7")}),
    Case(
        "eval-assigns-what-an-include-needs",
        "Akamai",
        "<esi:eval src='/e'/><esi:include src='/$(x)'/>",
        "B",
        {**OK, "/e": assigned("x", "'b'")},
        asked="/e /b",
    ),
    Case("eval-alt", "Akamai", "<esi:eval src='/bad' alt='/e'/>" + said("x"), "5", {**BAD, "/e": assigned("x", "5")}, "alt"),
    Case("eval-onerror", "Akamai", "1<esi:eval src='/bad' onerror='continue'/>2", "12", BAD, "nothing"),
    Case("eval-fails", "Akamai", "1<esi:eval src='/bad'/>2", "!status_500", BAD, "failed"),
    Case("eval-lenient", "ours", "1<esi:eval src='/bad'/>2", "12", BAD, "nothing", lenient=True),
    Case("eval-in-attempt", "Akamai", wrapped("<esi:eval src='/bad'/>", "no"), "no", BAD),
    Case(
        "eval-in-attempt-assigns", "ours", wrapped("<esi:eval src='/e'/>", "no") + said("x"), "1", {"/e": assigned("x", "1")}
    ),
    Case(
        "eval-of-a-failing-include",
        "ours",
        wrapped("<esi:eval src='/e'/>", "no"),
        "no",
        {**BAD, "/e": f"yes{INCLUDE_BAD}"},
    ),
    Case("eval-in-foreach", "Akamai", "<esi:foreach collection='[1,2]'><esi:eval src='/e'/></esi:foreach>", "(1)(2)",
         {"/e": f"({said('item')})"}),
    Case("eval-twice", "Akamai", "<esi:eval src='/e'/><esi:eval src='/e'/>", "12",
         {"/e": "<esi:assign name='n' value='$(n|0)+1'/>" + said("n")}),
    Case("eval-of-evals", "Akamai", "1<esi:eval src='/e'/>4", "1234", {"/e": "2<esi:eval src='/f'/>", "/f": "3"}),
    Case("eval-sees-functions", "Akamai", "<esi:function name='f'><esi:return value='9'/></esi:function><esi:eval src='/e'/>", "9",
         {"/e": "<esi:vars>$f()</esi:vars>"}),
    Case("eval-brings-functions", "ours", "<esi:eval src='/e'/>", "8",
         {"/e": "<esi:function name='f'><esi:return value='8'/></esi:function><esi:vars>$f()</esi:vars>"}),
    Case("eval-keeps-its-functions", "ours",
         "<esi:function name='f'><esi:return value='1'/></esi:function><esi:eval src='/e'/><esi:vars>$f()</esi:vars>", "81",
         {"/e": "<esi:function name='f'><esi:return value='8'/></esi:function><esi:vars>$f()</esi:vars>"}),
    Case("eval-broken-markup", "ours", "1<esi:eval src='/e'/>2", "1x2", {"/e": "<esi:nope>x"}, problems=("nope",)),
    Case("eval-in-a-script", "ours", "<script>f('<esi:eval src='/e'/>')</script>", r"<script>f('\x27\x3c')</script>",
         {"/e": "<esi:vars>$(HTTP_COOKIE{a})</esi:vars>"}, fields={"Cookie": "a='<"}),
)  # fmt: skip

FLOW = (
    Case("choose-first", "3.3", "<esi:choose><esi:when test='1==1'>1</esi:when><esi:when test='1==1'>2</esi:when></esi:choose>", "1"),
    Case("choose-second", "3.3", "<esi:choose><esi:when test='1==2'>1</esi:when><esi:when test='2==2'>2</esi:when></esi:choose>", "2"),
    Case("choose-otherwise", "3.3", "<esi:choose><esi:when test='1==2'>1</esi:when><esi:otherwise>3</esi:otherwise></esi:choose>", "3"),
    Case("choose-none", "3.3", "a<esi:choose><esi:when test='1==2'>1</esi:when></esi:choose>b", "ab"),
    Case("choose-bad-test", "ours", "<esi:choose><esi:when test='1=='>1</esi:when><esi:when test='1==1'>2</esi:when></esi:choose>", "2"),
    Case("choose-asks-only-for-what-it-takes", "3.3",
         f"<esi:choose><esi:when test='1==2'>{INCLUDE_A}</esi:when><esi:otherwise><esi:include src='/b'/></esi:otherwise></esi:choose>",
         "B", OK, "src", "/b"),
    Case("choose-assigns", "Akamai",
         f"<esi:choose><esi:when test='1==1'>{assigned('x', '1')}</esi:when></esi:choose>{said('x')}", "1"),
    Case("choose-sees-what-was-assigned", "Akamai",
         f"{assigned('x', '2')}<esi:choose><esi:when test='$(x)==2'>yes</esi:when></esi:choose>", "yes"),
    Case("matchname", "Akamai",
         "<esi:choose><esi:when test=\"'abc-12' matches '([a-z]+)-([0-9]+)'\" matchname='m'>"
         "<esi:vars>$(m{1})/$(m{2})</esi:vars></esi:when></esi:choose>", "abc/12"),
    Case("matches", "Akamai",
         "<esi:choose><esi:when test=\"'abc' matches 'b(.)'\"><esi:vars>$(MATCHES{1})</esi:vars></esi:when></esi:choose>", "c"),
    Case("foreach", "Akamai", "<esi:foreach collection='[1,2,3]'>" + said("item") + ",</esi:foreach>", "1,2,3,"),
    Case("foreach-item", "Akamai", "<esi:foreach item='n' collection='[1,2]'>" + said("n") + "</esi:foreach>", "12"),
    Case("foreach-nothing", "Akamai", "1<esi:foreach collection='[]'>x</esi:foreach>2", "12"),
    Case("foreach-undefined", "Akamai", "1<esi:foreach collection='$(nope)'>x</esi:foreach>2", "12"),
    Case("foreach-dictionary", "Akamai",
         "<esi:foreach collection=\"{'a': 1, 'b': 2}\">" + "<esi:vars>$(item{0})=$(item{1});</esi:vars></esi:foreach>", "a=1;b=2;"),
    Case("foreach-includes", "Akamai", "<esi:foreach collection=\"['a','b']\"><esi:include src='/$(item)'/>,</esi:foreach>", "A,B,", OK,
         "src src", "/a /b"),
    Case("foreach-nested", "Akamai",
         "<esi:foreach item='i' collection='[1,2]'><esi:foreach item='j' collection='[1,2]'><esi:vars>$(i)$(j) </esi:vars>"
         "</esi:foreach></esi:foreach>", "11 12 21 22 "),
    Case("foreach-item-stays", "ours", "<esi:foreach collection='[1,2]'>x</esi:foreach>" + said("item"), "xx2"),
    Case("break", "Akamai", "<esi:foreach collection='[1,2,3]'>a<esi:break/>b</esi:foreach>c", "ac"),
    Case("break-in-choose", "Akamai",
         "<esi:foreach collection='[1,2,3]'>" + said("item") + "<esi:choose><esi:when test='$(item)==2'><esi:break/></esi:when>"
         "</esi:choose>,</esi:foreach>!", "1,2!"),
    Case("break-leaves-the-innermost", "Akamai",
         "<esi:foreach item='i' collection='[1,2]'><esi:foreach item='j' collection='[1,2]'>" + said("j") + "<esi:break/></esi:foreach>"
         + said("i") + "</esi:foreach>", "1112"),
    Case("break-in-attempt", "ours",
         "<esi:foreach collection='[1,2,3]'>" + wrapped(INCLUDE_A + "<esi:break/>", "no") + "x</esi:foreach>y", "Ay", OK),
    Case("break-in-except", "ours",
         "<esi:foreach collection='[1,2,3]'>" + wrapped(INCLUDE_BAD, "<esi:break/>") + "x</esi:foreach>y", "y", BAD),
    Case("break-in-a-failed-attempt", "ours",
         "<esi:foreach collection='[1,2]'>" + wrapped(INCLUDE_BAD + "<esi:break/>", "no") + "x</esi:foreach>y", "noxnoxy", BAD),
    Case("break-of-a-loop-in-attempt", "ours",
         "<esi:foreach item='i' collection='[1,2]'>" + wrapped("<esi:foreach collection='[1,2]'><esi:break/></esi:foreach>a", "no")
         + "x</esi:foreach>y", "axaxy"),
    Case("break-in-a-body", "ours",
         "<esi:foreach collection='[1,2]'><esi:include src='/bad'>own<esi:break/></esi:include>x</esi:foreach>y", "ownxownxy", BAD),
    Case("break-outside", "ours", "a<esi:break/>b", "ab"),
    Case("break-in-inline", "ours",
         "<esi:foreach collection='[1]'><esi:inline name='i'>1<esi:break/>2</esi:inline></esi:foreach><esi:include src='i'/>x", "12x"),
)  # fmt: skip

VARIABLES = (
    Case("assign", "Akamai", assigned("x", "'<b>'") + said("x"), "<b>"),
    Case("assign-long", "Akamai", "<esi:assign name='x'>1 + 2</esi:assign>" + said("x"), "3"),
    Case("assign-again", "Akamai", assigned("x", "1") + assigned("x", "$(x)+1") + said("x"), "2"),
    Case("assign-bad-name", "ours", assigned("x-y", "1") + said("x"), ""),
    Case("undefined", "4.2", "[" + said("x") + "]", "[]"),
    Case("default", "4.3", "<esi:vars>$(x|none)</esi:vars>", "none"),
    Case("list-item", "Akamai", assigned("l", "[1,2,3]") + "<esi:vars>$(l{0})$(l{2})$(l{-1})[$(l{3})]</esi:vars>", "133[]"),
    Case("list-item-set", "Akamai", assigned("l", "[1,2,3]") + assigned("l{1}", "9") + said("l"), "[1, 9, 3]"),
    Case("list-item-appended", "Akamai", assigned("l", "[1]") + assigned("l{1}", "2") + said("l"), "[1, 2]"),
    Case("list-item-beyond", "ours", assigned("l", "[1]") + assigned("l{5}", "2") + said("l"), "[1]"),
    Case("list-item-of-a-sign", "ours", assigned("l", "[1]") + assigned("l{'²'}", "2") + said("l"), "[1]"),
    Case("list-item-read-of-a-sign", "ours", assigned("l", "[1]") + assigned("k", "'²'") + "<esi:vars>[$(l{$(k)})]</esi:vars>", "[]"),
    Case("list-item-read-of-signs", "ours", assigned("l", "[1]") + "<esi:vars>[$(l{'--0'})]</esi:vars>", "[]"),
    Case("list-item-of-a-long-number", "ours",
         assigned("l", "[1]") + assigned("k", f"'{'9' * 5000}'") + "<esi:vars>[$(l{$(k)})]</esi:vars>" + assigned("l{$(k)}", "2"), "[]"),
    Case("list-item-of-true", "ours", assigned("l", "[1,2]") + assigned("l{$(HTTP_ACCEPT_LANGUAGE{en})}", "9") + said("l"), "[1, 2]",
         fields={"Accept-Language": "en"}),
    Case("dictionary-item", "Akamai", assigned("d", "{'a': 1}") + "<esi:vars>$(d{a})[$(d{b})]</esi:vars>", "1[]"),
    Case("dictionary-item-set", "Akamai", assigned("d", "{'a': 1}") + assigned("d{'b'}", "2") + said("d"), "{a: 1, b: 2}"),
    Case("dictionary-made-by-an-item", "ours", assigned("d{'b'}", "2") + said("d"), "{b: 2}"),
    Case("dictionary-item-computed", "Akamai", assigned("k", "'z'") + assigned("d{$(k)}", "1") + said("d"), "{z: 1}"),
    Case("a-copy-is-its-own", "ours",
         assigned("l", "[1,2]") + assigned("m", "$(l)") + assigned("l{0}", "9") + said("l") + said("m"), "[9, 2][1, 2]"),
    Case("cookie", "4.1", "<esi:vars>$(HTTP_COOKIE{a})</esi:vars>", "1&lt;2", fields={"Cookie": "b=2; a=1<2"}),
    Case("cookie-assigned-stays-tainted", "ours", assigned("x", "$(HTTP_COOKIE{a})") + said("x"), "&lt;", fields={"Cookie": "a=<"}),
    Case("cookie-in-a-list-stays-tainted", "ours", assigned("x", "['b', $(HTTP_COOKIE{a})]") + said("x"), "[b, &lt;]",
         fields={"Cookie": "a=<"}),
    Case("cookie-through-a-function-stays-tainted", "ours",
         "<esi:function name='f'><esi:return value='$(ARGS{0})'/></esi:function><esi:vars>$f($(HTTP_COOKIE{a}))</esi:vars>", "&lt;",
         fields={"Cookie": "a=<"}),
    Case("cookie-as-a-key-stays-tainted", "ours", assigned("d{$(HTTP_COOKIE{a})}", "1") + said("d"), "{&lt;: 1}",
         fields={"Cookie": "a=<"}),
    Case("cookie-through-foreach-stays-tainted", "ours",
         "<esi:foreach collection=\"$string_split($(HTTP_COOKIE{a}), ',')\">" + said("item") + "</esi:foreach>", "&lt;&gt;",
         fields={"Cookie": "a=<,>"}),
    Case("cookie-key-through-foreach-stays-tainted", "ours",
         assigned("d{$(HTTP_COOKIE{a})}", "1") + "<esi:foreach collection='$(d)'><esi:vars>$(item{0})</esi:vars></esi:foreach>", "&lt;",
         fields={"Cookie": "a=<"}),
    Case("matches-of-a-cookie-stay-tainted", "ours",
         "<esi:choose><esi:when test=\"$(HTTP_COOKIE{a}) matches '(.)'\" matchname='m'><esi:vars>$(m{1})</esi:vars></esi:when></esi:choose>",
         "&lt;", fields={"Cookie": "a=<"}),
    Case("a-variable-hides-the-request", "ours", assigned("HTTP_HOST", "'mine'") + said("HTTP_HOST"), "mine"),
    Case("authorization-is-none", "ours", "<esi:vars>[$(HTTP_AUTHORIZATION)$(HTTP_HEADER{authorization})$(HTTP_HEADER{Authorization})]</esi:vars>",
         "[]", fields={"Authorization": "Basic x"}),
    Case("script-within-one-text", "ours", "<esi:vars><script>a='$(HTTP_COOKIE{a})'</script><p>$(HTTP_COOKIE{a})</esi:vars>",
         r"<script>a='\x27\x3c'</script><p>&#39;&lt;", fields={"Cookie": "a='<"}),
    Case("html-before-script-within-one-text", "ours", "<esi:vars><p>$(HTTP_COOKIE{a})<script>a='$(HTTP_COOKIE{a})'</esi:vars>",
         r"<p>&#39;&lt;<script>a='\x27\x3c'", fields={"Cookie": "a='<"}),
    Case("a-value-without-quotes", "ours", "<esi:vars><p title=$(HTTP_COOKIE{a}) id=b></esi:vars>", "<p title=a%20onclick%3Db%3E id=b>",
         fields={"Cookie": "a=a onclick=b>"}),
    Case("a-field-by-a-computed-name", "ours", "<esi:vars>[$(HTTP_HEADER{$(QUERY_STRING{n})})]</esi:vars>", "[1]", target="/?n=X-One",
         fields={"X-One": "1"}),
    Case("script-around-elements", "ours",
         "<script>a='" + said("HTTP_COOKIE{a}") + "'</script>" + said("HTTP_COOKIE{a}"), r"<script>a='\x27'</script>&#39;",
         fields={"Cookie": "a='"}),
)  # fmt: skip

FUNCTIONS = (
    Case("function", "Akamai", "<esi:function name='f'><esi:return value='$(ARGS{0})+1'/></esi:function><esi:vars>$f(2)</esi:vars>", "3"),
    Case("function-in-an-expression", "Akamai",
         "<esi:function name='f'><esi:return value='$(ARGS{0})*2'/></esi:function>" + assigned("x", "$f(2)+$f(3)") + said("x"), "10"),
    Case("function-writes-nothing", "ours",
         "<esi:function name='f'>text<esi:return value='1'/></esi:function>[<esi:vars>$f()</esi:vars>]", "[1]"),
    Case("function-without-return", "ours", "<esi:function name='f'>text</esi:function>[<esi:vars>$f()</esi:vars>]", "[]"),
    Case("function-returns-from-foreach", "Akamai",
         "<esi:function name='f'><esi:foreach collection='[1,2]'><esi:return value='$(item)'/></esi:foreach></esi:function>"
         "<esi:vars>$f()</esi:vars>", "1"),
    Case("function-returns-from-attempt", "ours",
         "<esi:function name='f'>" + wrapped("<esi:return value='1'/>", "<esi:return value='2'/>")
         + "</esi:function><esi:vars>$f()$f()</esi:vars>", "11"),
    Case("function-has-variables-of-its-own", "ours",
         "<esi:function name='f'>" + assigned("x", "2") + "<esi:return value='$(x)'/></esi:function>" + assigned("x", "1")
         + "<esi:vars>$f()$(x)</esi:vars>", "21"),
    Case("function-sees-the-page", "ours",
         "<esi:function name='f'><esi:return value='$(x)'/></esi:function>" + assigned("x", "1") + "<esi:vars>$f()</esi:vars>", "1"),
    Case("function-recursive", "Akamai",
         "<esi:function name='f'><esi:choose><esi:when test='$(ARGS{0}) &lt;= 1'><esi:return value='1'/></esi:when><esi:otherwise>"
         "<esi:return value='$(ARGS{0})*$f($(ARGS{0})-1)'/></esi:otherwise></esi:choose></esi:function><esi:vars>$f(10)</esi:vars>",
         "3628800"),
    Case("function-without-end", "ours",
         "1<esi:function name='f'><esi:return value='$f()'/></esi:function><esi:vars>$f()</esi:vars>", "!budget_spent",
         problems=("inside each other",)),
    Case("function-without-end-lenient", "ours",
         f"1<esi:function name='f'><esi:return value='$f()'/></esi:function><esi:vars>$f()</esi:vars>2{INCLUDE_A}", "12A", OK,
         lenient=True, problems=("inside each other",)),
    Case("function-without-end-in-attempt", "ours",
         "<esi:function name='f'><esi:return value='$f()'/></esi:function>" + wrapped("<esi:vars>$f()</esi:vars>", "no"), "no",
         problems=("inside each other",)),
    Case("function-twice", "ours",
         "<esi:function name='f'><esi:return value='1'/></esi:function><esi:vars>$f()</esi:vars>"
         "<esi:function name='f'><esi:return value='2'/></esi:function><esi:vars>$f()</esi:vars>", "11"),
    Case("function-includes-nothing", "ours",
         f"<esi:function name='f'>{INCLUDE_A}<esi:return value='1'/></esi:function><esi:vars>$f()</esi:vars>", "1", OK, "", ""),
    Case("return-outside", "ours", "1<esi:return value='1'/>2", "12"),
    Case("return-in-inline-of-a-function", "ours",
         "<esi:function name='f'><esi:inline name='i'>x<esi:return value='1'/></esi:inline></esi:function><esi:include src='i'/>", "x"),
)  # fmt: skip

INLINES = (
    Case("inline", "3.2", "<esi:inline name='i'>own</esi:inline>[<esi:include src='i'/>]", "[own]", {}, "", ""),
    Case("inline-is-not-shown", "3.2", "1<esi:inline name='i'>own</esi:inline>2", "12"),
    Case("inline-twice", "3.2", "<esi:inline name='i'>x</esi:inline><esi:include src='i'/><esi:include src='i'/>", "xx"),
    Case("inline-runs", "ours", f"<esi:inline name='i'>[{INCLUDE_A}]</esi:inline><esi:include src='i'/>", "[A]", OK),
    Case("inline-by-a-variable", "ours", "<esi:inline name='i1'>x</esi:inline>" + assigned("n", "1") + "<esi:include src='i$(n)'/>", "x"),
    Case("inline-of-the-same-name", "ours",
         "<esi:inline name='i'>1</esi:inline><esi:include src='i'/><esi:inline name='i'>2</esi:inline><esi:include src='i'/>", "11"),
    Case("inline-comes-first", "ours", "<esi:include src='i'/><esi:inline name='i'>own</esi:inline>", "F", {"i": "F"}, "src", "i"),
    Case("inline-in-inline", "ours",
         "<esi:inline name='i'>1</esi:inline><esi:inline name='j'><esi:include src='i'/>2</esi:inline><esi:include src='j'/>", "12"),
    Case("inline-of-itself", "ours", "<esi:inline name='i'>1<esi:include src='i'/></esi:inline><esi:include src='i'/>", "1F", {"i": "F"},
         "src", "i"),
    Case("inline-as-alt", "ours", "<esi:inline name='i'>own</esi:inline><esi:include src='/bad' alt='i'/>", "own", BAD, "alt", "/bad"),
    Case("inline-as-alt-fails", "ours",
         f"<esi:inline name='i'>own{INCLUDE_BAD}</esi:inline>1<esi:include src='/bad' alt='i'>body</esi:include>2", "1body2", BAD),
    Case("inline-in-attempt", "ours", f"<esi:inline name='i'>{INCLUDE_BAD}</esi:inline>" + wrapped("<esi:include src='i'/>", "no"), "no", BAD),
    Case("inline-sees-variables", "ours",
         "<esi:inline name='i'><esi:vars>$(x)</esi:vars></esi:inline>" + assigned("x", "1") + "<esi:include src='i'/>" + assigned("x", "2")
         + "<esi:include src='i'/>", "12"),
    Case("inline-in-a-branch-not-taken", "ours",
         "<esi:choose><esi:when test='1==2'><esi:inline name='i'>own</esi:inline></esi:when></esi:choose><esi:include src='i'/>", "own"),
    Case("inline-not-seen-by-eval", "ours", "<esi:inline name='i'>own</esi:inline><esi:eval src='/e'/>", "F",
         {"/e": "<esi:include src='i'/>", "i": "F"}),
    Case("inline-does-not-open-a-script", "ours",
         "<esi:inline name='i'><script></esi:inline>" + said("HTTP_COOKIE{a}"), "&lt;", fields={"Cookie": "a=<"}),
)  # fmt: skip

STEPS = Budget(steps=300)
OCTETS = Budget(octets=100)
HOLES = Budget(holes=2)
BOMB = "<esi:foreach item='i' collection='[1..100]'><esi:foreach item='j' collection='[1..100]'>x</esi:foreach></esi:foreach>"
SILENT_BOMB = BOMB.replace("x<", assigned("x", "1") + "<")

BUDGETS = (
    Case("steps", "ours", f"1{BOMB}2", "!budget_spent", budget=STEPS, problems=("steps",)),
    Case("steps-in-attempt", "ours", wrapped(BOMB, "no"), "no", budget=STEPS, problems=("steps",)),
    Case("octets", "ours", f"1{BOMB}2", "!budget_spent", budget=OCTETS, problems=("octets",)),
    Case("octets-in-attempt", "ours", wrapped(BOMB, "no"), "no", budget=OCTETS, problems=("octets",)),
    Case("octets-of-the-page-itself", "ours", "x" * 500, "x" * 500, budget=OCTETS),
    Case("octets-in-a-branch-of-a-loop", "ours",
         "<esi:foreach collection='[1..50]'><esi:choose><esi:when test='1==1'>" + "x" * 50 + "</esi:when></esi:choose></esi:foreach>",
         "!budget_spent", budget=OCTETS, problems=("octets",)),
    Case("octets-in-an-attempt-of-a-loop", "ours",
         "<esi:foreach collection='[1..50]'>" + wrapped("x" * 50, "") + "</esi:foreach>", "x" * 100, budget=OCTETS, problems=("octets",)),
    Case("octets-in-a-body-of-a-loop", "ours",
         f"<esi:foreach collection='[1..5]'><esi:include src='/bad'>{'x' * 50}</esi:include></esi:foreach>",
         "!budget_spent", BAD, budget=OCTETS, problems=("octets",)),
    Case("octets-of-inlines", "ours",
         "<esi:inline name='a'>" + "x" * 40 + "</esi:inline><esi:inline name='b'>" + "<esi:include src='a'/>" * 10
         + "</esi:inline><esi:include src='b'/>", "!budget_spent", budget=OCTETS, problems=("octets",)),
    Case("octets-lenient-in-inlines", "ours",
         "<esi:inline name='a'>" + "x" * 60 + "</esi:inline>" + "<esi:include src='a'/>" * 10 + "end", "x" * 60 + "end",
         budget=OCTETS, lenient=True, problems=("octets",)),
    Case("holes", "ours", f"{INCLUDE_A}{INCLUDE_A}{INCLUDE_A}", "!too_many_includes", OK, budget=HOLES),
    Case("holes-lenient", "ours", f"{INCLUDE_A}{INCLUDE_A}[{INCLUDE_A}]", "AA[]", OK, "src src nothing", "/a /a", budget=HOLES, lenient=True),
    Case("holes-alt-is-not-asked", "ours", f"{INCLUDE_A}{INCLUDE_A}<esi:include src='/b' alt='/c' onerror='continue'/>", "AA", OK,
         "src src nothing", "/a /a", budget=HOLES),
    Case("holes-body", "ours", f"{INCLUDE_A}{INCLUDE_A}<esi:include src='/b'>own</esi:include>", "AAown", OK, "src src fallback",
         budget=HOLES),
    Case("holes-in-attempt", "ours", f"{INCLUDE_A}{INCLUDE_A}{wrapped(INCLUDE_A, 'no')}", "AAno", OK, budget=HOLES),
    Case("holes-evals", "ours", "<esi:eval src='/e'/>", "!too_many_includes", {"/e": "<esi:eval src='/e'/>"}, asked="/e /e", budget=HOLES),
    Case("holes-evals-lenient", "ours", "<esi:eval src='/e'/>", "xx", {"/e": "x<esi:eval src='/e'/>"}, asked="/e /e", budget=HOLES,
         lenient=True),
    Case("steps-of-an-eval", "ours", "1<esi:eval src='/e'/>2", "!budget_spent", {"/e": "x" * 5_000}, budget=STEPS, problems=("steps",)),
    Case("steps-of-an-eval-lenient", "ours", "1<esi:eval src='/e'/>2", "12", {"/e": "x" * 5_000}, budget=STEPS, lenient=True, problems=("steps",)),
    Case("steps-of-an-eval-in-attempt", "ours", wrapped("1<esi:eval src='/e'/>2", "no") + "3", "no3", {"/e": "x" * 5_000}, budget=STEPS,
         problems=("steps",)),
    Case("steps-lenient", "ours", f"1{SILENT_BOMB}2{INCLUDE_A}" + said("HTTP_HOST") + "3", "12A3", OK, budget=STEPS, lenient=True,
         problems=("steps",)),
    Case("functions", "ours",
         "<esi:function name='f'><esi:choose><esi:when test='$(ARGS{0})==0'><esi:return value='0'/></esi:when></esi:choose>"
         "<esi:return value='$f($(ARGS{0})-1)'/></esi:function><esi:vars>$f(31)</esi:vars>", "0"),
)  # fmt: skip

CASES = (*LADDER, *ATTEMPTS, *EVALS, *FLOW, *VARIABLES, *FUNCTIONS, *INLINES, *BUDGETS)
