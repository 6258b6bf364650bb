"""In CI nothing is skipped: a hole in the tests that nobody sees is worse than a red run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SKIPPING = """
import pytest
def test_skips(): pytest.skip("no such program")
@pytest.mark.xfail(strict=True)
def test_is_expected_to_fail(): assert False
def test_passes(): pass
"""
SKIPPING_WHOLE = """
import pytest
pytest.importorskip("no_such_module_anywhere")
"""


@pytest.fixture
def outcome(tmp_path):
    shutil.copy(ROOT / "tests/conftest.py", tmp_path)
    (tmp_path / "test_one.py").write_text(SKIPPING)
    (tmp_path / "test_two.py").write_text(SKIPPING_WHOLE)

    def run(ci: str) -> tuple[int, str]:
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--continue-on-collection-errors",
            str(tmp_path),
        ]
        done = subprocess.run(command, cwd=tmp_path, env={**os.environ, "CI": ci}, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    return run


def test_a_skipped_test_fails_in_ci(outcome):
    code, text = outcome("true")
    assert code == 1
    assert "test_skips was skipped, and in CI nothing may be: Skipped: no such program" in text
    assert "test_two.py was skipped, and in CI nothing may be" in text
    assert "1 failed, 1 passed, 1 xfailed, 1 error" in text


def test_elsewhere_it_is_skipped(outcome):
    code, text = outcome("")
    assert code == 0
    assert "1 passed, 2 skipped, 1 xfailed" in text
