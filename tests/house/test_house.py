"""The house rules that no tool keeps: what the wheel holds, what names are public, what the cores may ask for, what the README promises."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("fragments", "gateway", "profiles")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def files_of_the_project() -> list[Path]:
    """What git holds, or would hold: no ignored file. In an unpacked archive without git, everything outside dot-folders."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
    )
    if listed.returncode == 0:
        return [ROOT / name for name in sorted(set(listed.stdout.split("\0"))) if name and (ROOT / name).is_file()]
    found = (file for file in ROOT.rglob("*") if file.is_file() and file.suffix != ".pyc")
    return sorted(file for file in found if not any(part.startswith(".") for part in file.relative_to(ROOT).parts[:-1]))


# ── The wheel ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

DATA = {".css", ".html", ".jinja", ".js", ".svg", ".txt", ".typed", ".webp", ".woff2", ".xml"}
"""Kinds of files beside .py that a package may ship."""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> list[str]:
    """Names in a wheel built from what git holds."""
    pytest.importorskip("hatchling")
    target = tmp_path_factory.mktemp("wheel")
    # No index, no isolation: hatchling is in the lock file, nothing is downloaded.
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        target,
        ROOT,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = target.glob("*.whl")
    assert built.name.startswith(f"weft_gateway-{PROJECT['project']['version']}-py3-none-any")
    with zipfile.ZipFile(built) as archive:
        return archive.namelist()


def test_the_wheel_holds_our_packages_whole_and_nothing_else(wheel):
    held = {name for name in wheel if ".dist-info/" not in name}
    expected = {
        file.relative_to(ROOT).as_posix() for file in files_of_the_project() if file.relative_to(ROOT).parts[0] in PACKAGES
    }
    assert held == expected
    strange = [name for name in held if Path(name).suffix not in DATA | {".py"}]
    assert not strange


def test_the_wheel_carries_licence_command_and_type_marker(wheel):
    about = {name.partition(".dist-info/")[2] for name in wheel if ".dist-info/" in name}
    assert {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"} == about
    assert {f"{package}/py.typed" for package in PACKAGES} < set(wheel)


# ── Names ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def modules() -> list[str]:
    found = []
    for package in PACKAGES:
        found.append(package)
        found += [each.name for each in pkgutil.walk_packages([str(ROOT / package)], f"{package}.")]
    return sorted(found)


@pytest.mark.parametrize("name", modules())
def test_a_module_with_content_lists_its_public_names(name):
    """`__all__` is sorted, and what it names is there. That it is complete, the next test shows."""
    tree = ast.parse(Path(importlib.util.find_spec(name).origin).read_text("utf-8"))
    if not any(isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) for node in tree.body):
        return
    module = importlib.import_module(name)
    public = list(module.__all__)
    assert len(set(public)) == len(public)
    assert not [each for each in public if not hasattr(module, each) or each.startswith("_")]


def test_what_others_import_from_a_module_is_public():
    """A name imported from another module of ours stands in that module's `__all__`."""
    wrong = []
    for file in files_of_the_project():
        if file.suffix != ".py" or file.relative_to(ROOT).parts[0] not in PACKAGES:
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.level == 0 and node.module.split(".")[0] in PACKAGES:
                module = importlib.import_module(node.module)
                public = getattr(module, "__all__", None)
                for alias in node.names:
                    is_module = (
                        importlib.util.find_spec(f"{node.module}.{alias.name}") is not None
                        if hasattr(module, "__path__")
                        else False
                    )
                    if not is_module and (public is None or alias.name not in public):
                        wrong.append(f"{file.relative_to(ROOT)}: {node.module}.{alias.name}")
    assert not wrong


def test_no_module_is_named_after_one_of_the_standard_library():
    """At the top level: `profiles` is fine, `profile` would shadow."""
    assert not set(PACKAGES) & sys.stdlib_module_names


# ── Cores ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def core_files() -> list[Path]:
    """The modules that pyproject.toml's contract 'pure-cores' names."""
    (contract,) = [each for each in PROJECT["tool"]["importlinter"]["contracts"] if each["id"] == "pure-cores"]
    found = []
    for name in contract["source_modules"]:
        place = ROOT.joinpath(*name.split("."))
        found += sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    return found


IMPURE_CALLS = re.compile(r"(^|\.)(now|utcnow|today|urandom|getrandom|uuid1|uuid4|open|print|input|system|getenv)$")


@pytest.mark.parametrize("file", core_files(), ids=lambda file: file.relative_to(ROOT).as_posix())
def test_a_core_asks_for_no_clock_no_randomness_no_io(file):
    """What import-linter can't see: a clock inside datetime, randomness inside os or uuid, a file."""
    wrong = [
        f"line {node.lineno}: {ast.unparse(node.func)}()"
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call) and IMPURE_CALLS.search(ast.unparse(node.func))
    ]
    assert not wrong


# ── What git holds ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

# Written in two halves, so that this file does not name them.
FOREIGN = (
    "/wo" + "rk/",
    "/ro" + "ot/",
    "file" + "://",
    "pypi." + "org",
    "pythonhosted." + "org",
    "registry.npm" + "js",
    "deb." + "debian.org",
)


def test_no_file_holds_a_path_of_one_machine_or_the_address_of_a_registry():
    wrong = []
    for file in files_of_the_project():
        try:
            text = file.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        wrong += [f"{file.relative_to(ROOT)}: {word}" for word in FOREIGN if word in text]
    assert not wrong


def test_lock_files_pin_every_version_and_hold_nothing_else():
    for file in (ROOT / "locks").glob("*.txt"):
        lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
        assert lines
        assert not [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line)], file.name


def test_lock_files_hold_every_dependency():
    def names(requirements) -> set[str]:
        return {re.match(r"[\w.-]+", each)[0].lower().replace("_", "-") for each in requirements}

    base, extras = names(PROJECT["project"]["dependencies"]), PROJECT["project"]["optional-dependencies"]
    wanted = {
        "base": base,
        "dev": base | names(extras["test"]) | names(extras["dev"]),
        "load": base | names(extras["load"]),
        "cms": base | names(extras["cms"]),
    }
    for lock, needed in wanted.items():
        assert needed <= names((ROOT / f"locks/{lock}.txt").read_text().splitlines()[1:]), lock


# ── Words and deeds ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands_in(page: Path) -> list[str]:
    """Lines of console blocks that begin with make or weft; a prompt before them is allowed."""
    blocks = re.findall(r"^```(?:console|sh|shell|bash)\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    lines = [line.strip().removeprefix("$ ") for block in blocks for line in block.splitlines()]
    return [line for line in lines if re.match(r"(make|(\.venv/bin/)?weft) ", line)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_in_the_docs_exists(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    missing = []
    for line in commands_in(page):
        program, word = line.split()[:2]
        if program == "make":
            if word not in targets and not re.fullmatch(r"[A-Z]+=.*", word):
                missing.append(line)
        elif not word.startswith("-") and not knows_command(word):
            missing.append(line)
    assert not missing


def knows_command(word: str) -> bool:
    return (
        subprocess.run([sys.executable, "-m", "gateway", word, "--help"], cwd=ROOT, capture_output=True, check=False).returncode
        == 0
    )


def test_every_target_of_the_makefile_says_what_it_does():
    text = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    explained = dict(re.findall(r"^([a-z-]+):.*?## (.+)$", text, re.MULTILINE))
    assert set(phony.split()) == set(explained)


def test_the_changelog_tells_of_this_version_or_what_is_to_come():
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert headings[0] == "Unreleased"
