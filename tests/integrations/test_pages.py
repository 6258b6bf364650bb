"""The pages of docs/integrations/: every file has its page, and what they show works."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

FOLDER = Path(__file__).parents[2] / "docs/integrations"
PAGES = sorted(page for page in FOLDER.glob("*.md") if page.name != "README.md")


def blocks(page: Path, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def test_the_index_has_every_file_and_every_page():
    linked = set(re.findall(r"\]\(([\w.-]+)\)", (FOLDER / "README.md").read_text("utf-8")))
    assert linked == {file.name for file in FOLDER.iterdir() if file.is_file()} - {"README.md"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_on_a_page_is_python(page):
    for block in blocks(page, "python"):
        ast.parse(block)


def test_the_template_of_the_jinja_page_makes_the_page_that_it_promises(render):
    (text,) = blocks(FOLDER / "jinja.md", "html")
    html, fields = render(text, product=SimpleNamespace(id=7))
    assert '<header><esi:include src="/cart" onerror="continue" maxwait="300"/></header>' in html
    assert '<esi:include src="/recommendations/7" alt="/recommendations/none"><a href="/all">' in html
    assert fields["Surrogate-Key"] == "products product-7"
