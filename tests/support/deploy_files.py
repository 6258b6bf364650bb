"""What deploy/, compose.yaml and the Dockerfile say, as values; and what a gateway would make of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

__all__ = ["DEPLOY", "ROOT", "check_settings", "compose", "dockerfile", "image_environment", "seconds", "yaml_documents"]

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


def dockerfile() -> list[tuple[str, str]]:
    """(instruction, its words), in order; lines that go on are joined, comments left out."""
    text = "\n".join(line for line in (ROOT / "Dockerfile").read_text("utf-8").splitlines() if not line.startswith("#"))
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(words[0], words[1]) for line in lines if line for words in [line.split(None, 1)]]


def image_environment() -> dict[str, str]:
    """What ENV sets in the last stage. References to other variables are left as they stand."""
    steps = dockerfile()
    last = max(index for index, (instruction, _) in enumerate(steps) if instruction == "FROM")
    pairs = [pair for instruction, words in steps[last:] if instruction == "ENV" for pair in words.split()]
    return dict(pair.split("=", 1) for pair in pairs)


def yaml_documents(file: Path) -> list[Any]:
    """The documents of a YAML file; a name that stands twice in one mapping is a fault."""
    return [document for document in yaml.load_all(file.read_text("utf-8"), _Strict) if document is not None]


def compose(env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """compose.yaml with ${NAME:-default} filled in from env."""
    given = env or {}
    text = re.sub(
        r"\$\{(\w+):-(.*?)\}", lambda match: given.get(match[1]) or match[2], (ROOT / "compose.yaml").read_text("utf-8")
    )
    assert "$" not in text
    return yaml.load(text, _Strict)


def seconds(text: str) -> float:
    """'30s', '1m30s', '15min'."""
    units = {"ms": 0.001, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600}
    parts = re.findall(r"(\d+)([a-z]+)", text)
    assert "".join(map("".join, parts)) == text, text
    return sum(int(number) * units[unit] for number, unit in parts)


def check_settings(env: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """`weft check` in that environment, and in nothing else of ours."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("WEFT_")} | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "gateway", "check", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**ours, **env}, capture_output=True, text=True, check=False)


class _Strict(yaml.SafeLoader):
    """A name twice in one mapping is a fault, not the later value."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value if key.value != "<<"]
        assert len(set(names)) == len(names), f"a name stands twice, {node.start_mark}"
        return super().construct_mapping(node, deep)
