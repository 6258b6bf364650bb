"""`weft esi check`: what it says of a page is what the gateway makes of it."""

from __future__ import annotations

import io
import json
import sys

import pytest

PAGE = """<html>
<esi:include src="/head" name="head"/>
<esi:choose>
  <esi:when test="$(HTTP_COOKIE{group}) == 'gold'"><esi:include src="/gold?q=$(QUERY_STRING{q})" maxwait="300"/></esi:when>
  <esi:otherwise><esi:try><esi:attempt><esi:include src="/plain" alt="/plainer"/></esi:attempt>
  <esi:except>none</esi:except></esi:try></esi:otherwise>
</esi:choose>
<esi:include src="/foot" onerror="continue">&copy;</esi:include>
</html>
"""


@pytest.fixture
def page(tmp_path):
    """page(text) → the path of a file that holds it."""

    def write(text: str | bytes, name: str = "page.html") -> str:
        file = tmp_path / name
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(file)

    return write


@pytest.fixture
def found(weft, page):
    """found(text) → what is found in a page, as JSON has it."""

    def run(text: str | bytes, *arguments: str, code: int = 0) -> dict:
        outcome = weft("esi", "check", page(text), "--json", *arguments)
        assert (outcome.code, outcome.err) == (code, "")
        (one,) = json.loads(outcome.out)["pages"]
        return one

    return run


def test_a_page_without_faults_is_told_in_short(weft, page):
    file = page(PAGE)
    outcome = weft("esi", "check", file)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines() == [
        f"{file}: 10 ESI elements, 4 includes",
        "  2:1: include /head; else as esi.on_failure says",
        "  4:52: include /gold?q=$(QUERY_STRING{q}) maxwait='300' in choose; else as esi.on_failure says",
        "  5:40: include /plain in attempt in choose; else alt /plainer, then the try's except",
        "  8:1: include /foot; else its own body, then nothing",
        "  reads: HTTP_COOKIE{group}, QUERY_STRING{q} (where it does, the page is for one visitor: private, no-store)",
    ]


def test_a_fault_has_file_line_column_severity_code_and_sentence_and_exit_code_1(weft, page):
    file = page('<p>\n ü<esi:when>\n<esi:choose><esi:when test="$(A">x</esi:when></esi:choose>')
    outcome = weft("esi", "check", file, "--quiet")
    assert outcome.code == 1
    first, second = outcome.out.splitlines()
    assert first.startswith(f"{file}:2:4: error: misplaced-element: <esi:when>")
    assert second.startswith(f"{file}:3:13: error: bad-expression: expected ')'")


@pytest.mark.parametrize(("text", "severity"), [("<esi:debug/>", "unsupported"), ("<esi:include src=/a/>", "warning")])
def test_what_is_no_error_fails_only_when_asked_to_be_strict(found, text, severity):
    (problem,) = found(text)["problems"]
    assert problem["severity"] == severity
    found(text, "--strict", code=1)


@pytest.mark.parametrize(
    ("attributes", "otherwise"),
    [
        ("", ["as esi.on_failure says"]),
        ("onerror='continue'", ["nothing"]),
        ("required='yes'", ["the page fails"]),
        ("alt='/b' onerror='continue'", ["alt /b", "nothing"]),
    ],
)
def test_it_says_what_becomes_of_an_include_that_fails(found, attributes, otherwise):
    (include,) = found(f"<esi:include src='/a' {attributes}/>")["includes"]
    assert include["otherwise"] == otherwise


def test_every_file_is_looked_at_and_one_bad_page_is_enough(weft, page):
    good, bad = page(PAGE, "good.html"), page("</esi:try>", "bad.html")
    outcome = weft("esi", "check", good, bad, "--json")
    assert outcome.code == 1
    pages = {each["file"]: each for each in json.loads(outcome.out)["pages"]}
    assert not pages[good]["problems"]
    assert [problem["code"] for problem in pages[bad]["problems"]] == ["stray-end-tag"]


def test_a_file_that_can_not_be_read_is_exit_2_and_the_others_are_told(weft, page, tmp_path):
    outcome = weft("esi", "check", str(tmp_path / "none.html"), page(PAGE))
    assert outcome.code == 2
    assert outcome.err == f"weft esi check: {tmp_path / 'none.html'}: No such file or directory\n"
    assert "4 includes" in outcome.out


def test_a_dash_is_standard_input(weft, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"<esi:include src='/a'/>")))
    outcome = weft("esi", "check", "-")
    assert outcome.code == 0
    assert outcome.out.startswith("stdin: 1 ESI element, 1 include\n  1:1: include /a;")


def test_a_page_without_esi_says_so(weft, page):
    file = page("<p>plain</p>")
    assert weft("esi", "check", file).out == f"{file}: no ESI in it\n"


def test_octets_that_are_no_text_do_no_harm(weft, page, found):
    """A page is octets; what is no UTF-8 is shown as what it is."""
    text = b"<esi:include src='/\xff'/><esi:\xfe/>"
    outcome = weft("esi", "check", page(text))
    assert outcome.code == 1
    assert "include /\\udcff" in outcome.out
    assert found(text, code=1)["includes"][0]["src"] == "/\udcff"


@pytest.mark.parametrize(
    ("text", "variables", "personal", "vary"),
    [
        ("$(HTTP_COOKIE)", ["HTTP_COOKIE"], True, []),
        ("$(HTTP_COOKIE{$(a)})", ["HTTP_COOKIE{…}"], True, []),
        ("$(REMOTE_ADDR)", ["REMOTE_ADDR"], True, []),
        ("$(CSRF_TOKEN)", ["CSRF_TOKEN"], True, []),
        ("$(HTTP_HEADER{Cookie})", ["HTTP_HEADER{Cookie}"], True, []),
        ("$(HTTP_ACCEPT_LANGUAGE{de})", ["HTTP_ACCEPT_LANGUAGE{de}"], False, ["accept-language"]),
        ("$(HTTP_HEADER{X-Plan})", ["HTTP_HEADER{X-Plan}"], False, ["x-plan"]),
        ("$(QUERY_STRING{a}) $(HTTP_HOST) $(REQUEST_PATH)", ["HTTP_HOST", "QUERY_STRING{a}", "REQUEST_PATH"], False, []),
    ],
)
def test_it_says_what_follows_from_the_variables_that_are_read(found, text, variables, personal, vary):
    told = found(f"<esi:vars>{text}</esi:vars>")
    assert (told["variables"], told["personal"], told["vary"]) == (variables, personal, vary)


def test_a_variable_that_nothing_sets_is_told(weft, page):
    """It yields nothing; often it is no variable at all, but jQuery inside of vars."""
    file = page(
        "<esi:assign name='seen' value='1'/><esi:foreach collection='[1]' item='i'>"
        "<esi:vars>$(seen)$(i)$(document)</esi:vars></esi:foreach>"
    )
    assert weft("esi", "check", file).out.splitlines()[-1] == "  never set in this page: document"


def test_the_type_decides_how_a_page_is_read_and_comes_from_the_name(weft, page, found):
    assert found("<esi:vars/>")["type"] == "text/html"
    assert found("<esi:vars/>", "--type", "application/json")["type"] == "application/json"
    outcome = weft("esi", "check", page("<esi:vars/>", "feed.xml"), "--json")
    assert json.loads(outcome.out)["pages"][0]["type"] in {"text/xml", "application/xml"}


def test_without_a_file_it_says_how_it_is_used(weft):
    assert weft("esi").code == 2
    assert weft("esi", "check").code == 2
