"""What is wrong with slots is said before the gateway starts, all of it, with the place."""

from __future__ import annotations

import argparse

import pytest

from fragments.catalogue import Catalogue, CatalogueError, Slot
from gateway.app import build
from gateway.commands import check
from gateway.errors import SettingsError
from gateway.settings import load


@pytest.fixture
def weft_check(tmp_path, capsys, monkeypatch):
    """weft_check(settings, templates): (exit code, lines of what it said)."""
    monkeypatch.setattr(check, "second_owners", list)

    def run(settings, templates=None):
        for name, text in (templates or {}).items():
            (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        file = tmp_path / "weft.toml"
        file.write_text(settings.replace("HERE", str(tmp_path)))
        parser = argparse.ArgumentParser()
        check.add_arguments(parser)
        code = check.run(parser.parse_args(["--config", str(file), "--upstream", "http://127.0.0.1:9"]), {})
        out, err = capsys.readouterr()
        return code, (err or out).replace(str(tmp_path), "HERE").splitlines()

    return run


GOOD = """
[templates]
directory = "HERE"
[slots.hero]
template = "hero.html"
"""


def test_good_slots_are_ok(weft_check):
    code, lines = weft_check(GOOD, {"hero.html": "hello"})
    assert (code, lines[0]) == (0, "ok: HERE/weft.toml")


def test_slots_that_contradict_themselves_are_named_all_at_once(weft_check):
    code, lines = weft_check("""
        [slots.a]
        template = "a.html"
        needs = ["query", "language"]
        lifetime = 60
        [slots.b]
        template = "b.html"
        scope = "visitor"
        audience = ["language"]
        lifetime = 1
        [slots.c]
        scope = "audience"
    """)
    assert code == 1
    assert lines == [
        "6 problems in the settings:",
        "  templates.directory: required, not set",
        (
            "  slots.a.audience: expected 'language' among them, got (): needs names what differs from visitor to visitor, and scope is public: "
            "others would be shown it"
        ),
        "  slots.b.lifetime: expected 0.0 seconds, got 1.0 (weft.toml): what is for one visitor is not kept",
        "  slots.b.audience: expected nothing, got ('language',) (weft.toml): what is for one visitor is shared with nobody",
        "  slots.c.template: required, not set",
        "  slots.c.audience: expected at least one dimension, got (): scope is audience",
    ]


def test_wrong_values_are_named_with_what_was_expected(weft_check):
    code, lines = weft_check("""
        [slots.a]
        template = "a.html"
        needs = ["cookies"]
        lifetime = -1
        tags = ["two words"]
        data = {when = 2026-01-01}
        scop = "public"
    """)
    assert code == 1
    assert sorted(lines[1:]) == [
        (
            "  slots.a.data: expected a table of texts, numbers, true or false, and lists and tables of these, "
            "got {'when': datetime.date(2026, 1, 1)} (weft.toml)"
        ),
        "  slots.a.lifetime: expected >= 0 seconds, got -1 (weft.toml)",
        "  slots.a.needs[0]: expected one of 'language', 'query', 'host', 'path', got 'cookies' (weft.toml)",
        "  slots.a.scop: unknown setting (weft.toml); did you mean slots.a.scope?",
        "  slots.a.tags[0]: expected a tag of visible ASCII characters without blanks, at most 256, got 'two words' (weft.toml)",
        "  templates.directory: required, not set",
    ]


def test_constants_can_come_from_the_environment_as_json(tmp_path):
    env = {
        "WEFT_UPSTREAM__URL": "http://127.0.0.1:9",
        "WEFT_TEMPLATES__DIRECTORY": str(tmp_path),
        "WEFT_SLOTS__HERO__TEMPLATE": "hero.html",
        "WEFT_SLOTS__HERO__DATA": '{"headline": "x", "n": [1]}',
    }
    assert load(None, env).slots["hero"].data == {"headline": "x", "n": [1]}
    with pytest.raises(SettingsError, match="as JSON"):
        load(None, {**env, "WEFT_SLOTS__HERO__DATA": "{"})


def test_faulty_templates_are_named_all_at_once_each_with_slot_file_and_line(weft_check, tmp_path):
    """One file that two slots use is one fault of both."""
    (tmp_path / "templates").mkdir()
    settings = GOOD.replace("HERE", "HERE/templates")
    for name in ("gone", "outside", "shared", "bytes"):
        settings += f'[slots.{name}]\ntemplate = "{"../hero.html" if name == "outside" else f"{name}.html"}"\n'
    code, lines = weft_check(
        settings,
        {
            "templates/hero.html": "\n{% include 'shared.html' %}\n{% include 'nobody.html' %}{% include query.x %}",
            "templates/shared.html": "a\nb\n{{ oops",
            "templates/bytes.html": b"caf\xe9",
            "hero.html": "must not be read",
        },
    )
    assert code == 1
    assert lines[0] == "6 problems in the settings:"
    assert sorted(lines[1:]) == [
        "  slots.bytes.template: bytes.html: expected UTF-8 in 'bytes.html', and byte 3 is none",
        "  slots.gone.template: gone.html: expected a file that can be read, got 'gone.html': No such file or directory",
        "  slots.hero.template: hero.html, line 3: expected a file that can be read, got 'nobody.html': No such file or directory",
        "  slots.hero.template: hero.html, line 3: expected a file's name in quotes: all templates are read at the start",
        "  slots.outside.template: ../hero.html: expected a file inside the templates' directory, got '../hero.html'",
        "  slots.shared.template, slots.hero.template: shared.html, line 3: unexpected end of template, expected 'end of print statement'.",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{% foo %}", "unknown tag 'foo'"),
        ("{{ 1|attr('x') }}", "No filter named 'attr'"),
        ("{{ 1 is nonsense }}", "No test named 'nonsense'"),
        ("{{ 'x'|center(1000000000) }}", "No filter named 'center'"),
        ("{% include '/etc/passwd' %}", "inside the templates' directory"),
        ("{% include '../x' %}", "inside the templates' directory"),
        ("{% extends 'a\\\\b' %}", "inside the templates' directory"),
        ("{% import 'gone.html' as m %}", "a file that can be read"),
        ("{% include ['t.html', language] %}", "name in quotes"),
        ("{% include 't.html' ignore missing %}", "no `ignore missing`"),
        ("{% autoescape true %}{% endautoescape %}", "no `autoescape`"),
        ("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", "less nesting"),
        ("{{ 1" + "+1" * 5000 + " }}", "less nesting"),
        ("{% if 1 %}" * 900 + "{% endif %}" * 900, "less nesting"),
        ("x" * 300_000, "at most 262144 octets"),
    ],
    ids=lambda text: text[:40],
)
def test_a_template_that_can_not_be_used_is_a_fault(tmp_path, text, fault):
    (tmp_path / "t.html").write_text(text)
    with pytest.raises(CatalogueError) as error:
        Catalogue([Slot("t", "t.html")], tmp_path)
    assert len(error.value.faults) == 1
    assert fault in error.value.faults[0].message


def test_a_link_out_of_the_directory_leads_nowhere(tmp_path):
    (tmp_path / "secret.html").write_text("secret")
    inside = tmp_path / "templates"
    inside.mkdir()
    (inside / "t.html").symlink_to(tmp_path / "secret.html")
    with pytest.raises(CatalogueError, match="inside the templates' directory"):
        Catalogue([Slot("t", "t.html")], inside)


def test_a_declaration_that_would_show_one_visitor_to_others_is_refused_by_the_catalogue_too(tmp_path):
    (tmp_path / "t.html").write_text("{{ language }}")
    for slot in (Slot("t", "t.html", ("language",), 60), Slot("t", "t.html", ("language",), 60, "audience")):
        with pytest.raises(CatalogueError, match="others would be shown it"):
            Catalogue([slot], tmp_path)


def test_a_gateway_does_not_start_with_a_faulty_template(tmp_path):
    (tmp_path / "t.html").write_text("{{")
    settings = load(
        None, {}, {"upstream": "http://127.0.0.1:9", "templates.directory": str(tmp_path), "slots.t.template": "t.html"}
    )
    with pytest.raises(SettingsError, match=r"slots\.t\.template: t\.html, line 1"):
        build(settings)
