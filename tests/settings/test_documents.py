"""docs/settings.md and the JSON schema say what the tree says."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from fragments.esi.reference import TABLES
from gateway.settings import Settings, load
from gateway.settings.__main__ import main
from gateway.settings.documents import PAGES, PAGES_WITH_TABLES, with_tables
from gateway.settings.layers import env_name
from gateway.settings.shape import leaves

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", PAGES)
def test_the_page_in_docs_is_the_generated_one(name):
    assert (ROOT / name).read_text("utf-8") == PAGES[name](), "make docs"


def test_a_stale_page_is_noticed(tmp_path, capsys):
    assert main(["write"], tmp_path) == 0
    assert main(["fresh"], tmp_path) == 0
    (tmp_path / "docs/settings.md").write_text("old")
    assert main(["fresh"], tmp_path) == 1
    assert capsys.readouterr().err == "docs/settings.md is not what gateway/settings/ says: make docs\n"
    assert main([], tmp_path) == 2


@pytest.mark.parametrize("leaf", [leaf for leaf in leaves() if leaf.path[0] != "origins"], ids=lambda leaf: env_name(leaf.path))
def test_every_setting_has_a_sentence_a_row_and_a_unit_where_it_counts(leaf):
    sentence = leaf.field.description
    assert sentence
    assert re.fullmatch(r"[^a-z].*\.|(standard|all) .*\.|gzip level\.", sentence), sentence
    assert "\n" not in sentence
    page = PAGES["docs/settings.md"]()
    if leaf.path[0] != "routes":
        assert f"`{leaf.path[-1]}`<br>`{env_name(leaf.path)}`" in page
    if leaf.kind in {"int", "float"}:
        assert leaf.bounds, "a number has bounds"
    if leaf.path[-1].endswith(("_timeout", "_ttl", "cooldown", "_delay", "_grace")):
        assert leaf.unit == "seconds"
    if leaf.path[-1].endswith("_bytes"):
        assert leaf.unit == "bytes"


def test_a_table_in_a_page_written_by_hand_is_the_generated_one():
    for name, tables in PAGES_WITH_TABLES.items():
        page = (ROOT / name).read_text("utf-8")
        assert with_tables(page, tables) == page, "make docs"


def test_a_stale_table_is_noticed_and_mended(tmp_path, capsys):
    """What is written by hand around it stays."""
    page = (
        "before\n" + "\n".join(f"<!-- {name}: written by make docs --> old <!-- end of {name} -->" for name in TABLES) + "\nafter"
    )
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/esi.md").write_text(page)
    assert main(["fresh"], tmp_path) == 1
    assert "docs/esi.md has tables that are not what the code says: make docs\n" in capsys.readouterr().err
    assert main(["write"], tmp_path) == 0
    assert main(["fresh"], tmp_path) == 0
    written = (tmp_path / "docs/esi.md").read_text()
    assert written.startswith("before\n")
    assert written.endswith("\nafter")
    assert "`$digest_md5_hex`" in written
    assert " old " not in written


def test_a_page_without_the_place_of_a_table_is_an_error():
    with pytest.raises(ValueError, match="expected <!-- functions"):
        with_tables("nothing", TABLES)


def test_the_schema_knows_every_setting():
    schema = json.loads(PAGES["docs/settings.schema.json"]())
    for leaf in leaves():
        node = schema
        for part in leaf.path:
            while "$ref" in node:
                node = schema["$defs"][node["$ref"].rpartition("/")[2]]
            node = (
                node["items"]
                if isinstance(part, int)
                else node["additionalProperties"]
                if part == "<name>"
                else node["properties"][part]
            )
        assert node["description"] == leaf.field.description
        assert node.get("unit", "") == leaf.unit
        assert "ge" not in node


def test_the_defaults_on_the_page_load():
    """Every default that the page shows, written into a file, gives the default settings."""
    schema = json.loads(PAGES["docs/settings.schema.json"]())
    settings = Settings()
    for section in ("server", "cache", "purge", "log"):
        for name, entry in schema["$defs"][section.title()]["properties"].items():
            if "default" in entry:
                value = getattr(getattr(settings, section), name)
                assert entry["default"] == (list(value) if isinstance(value, tuple) else value)


@pytest.mark.parametrize("page", [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"], ids=lambda page: page.name)
def test_toml_in_the_docs_loads(page, tmp_path):
    for number, block in enumerate(re.findall(r"^```toml\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)):
        if tomllib.loads(block).keys() & set(Settings.model_fields):
            file = tmp_path / f"{number}.toml"
            file.write_text(block, "utf-8")
            load(file, {} if "[upstream]" in block else {"WEFT_UPSTREAM__URL": "http://a"})
