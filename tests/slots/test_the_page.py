"""docs/slots.md says what is so."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from fragments import catalogue, sandbox
from gateway.settings.slots import Slot

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/slots.md").read_text("utf-8")


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    return found


def rows(heading: str) -> dict[str, str]:
    """Of the table whose first column is called so: its first cell, and the rest of the line."""
    _, _, rest = PAGE.partition(f"| {heading} |")
    lines = rest.partition("\n\n")[0].splitlines()[2:]
    return dict(line.removeprefix("| ").removesuffix(" |").split(" | ", 1) for line in lines)


def words(text: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", text))


def test_the_example_gives_what_the_page_shows(open_face):
    settings = block("toml").partition("\n\n")[2]
    face = open_face(settings, {"hero.html": block("jinja")})
    command, *shown = block("console").splitlines()
    (target,) = re.findall(r"http://[^/]+(/[^']+)'", command)
    (line,) = re.findall(r"-H '([^']+)'", command)
    expected = "\n".join(shown)
    assert face.get(target, line).text == expected
    (include,) = re.findall(r"`(<esi:include [^`]*\?[^`]*/>)`", PAGE.partition("## What a slot says")[0])
    face.page("/", include)
    assert face.get("/", line).text == expected
    assert face.get("/", "Accept-Language: nl").text.startswith("<h2>Welcome</h2>")


def test_every_setting_need_and_scope_is_there_and_no_other():
    assert {name.strip("`") for name in rows("setting")} == set(Slot.model_fields)
    assert {name.strip("`") for name in rows("need")} == set(catalogue.NEEDS)
    assert {name.strip("`") for name in rows("a slot of scope")} == {"public", "audience", "visitor"}


def test_every_reason_is_there_and_no_other():
    said = set()
    for name in ("catalogue", "sandbox"):
        tree = ast.parse((ROOT / f"fragments/{name}.py").read_text("utf-8"))
        texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        said |= {text for text in texts if re.fullmatch(r"slot_[a-z_]+", text)}
    assert {name.strip("`") for name in rows("slot fails with")} == said


@pytest.mark.parametrize("kind", ["filters", "tests", "functions"])
def test_what_templates_may_use_is_listed_whole(kind):
    environment = sandbox.SlotEnvironment()
    known = {"filters": environment.filters, "tests": environment.tests, "functions": environment.globals}[kind]
    assert words(rows("listed")[kind]) == {name for name in known if not name.startswith("_")}


def test_methods_and_limits_are_those_of_the_code():
    methods = dict(sandbox._METHODS)
    assert words(rows("listed")["methods of texts"]) == methods[str]
    assert words(rows("listed")["methods of tables and lists"]) == methods[dict] | methods[list]
    for number in (f"{catalogue.STEPS:,} steps", f"{sandbox.MAX_ITEMS:,} values", f"{sandbox._MAX_BITS} bits"):
        assert number in PAGE
    assert f"{catalogue.MAX_SOURCE // 1024} KiB" in PAGE
