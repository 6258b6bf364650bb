"""The Jinja2 extension as a site imports it, and a page rendered with it."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest
from jinja2 import DictLoader, Environment

from gateway.flow.assembly.rules import CAPABILITY

# The WordPress plugin needs PHP to be run (apt-get install php-cli), which nothing else here does: where there is none, its tests are left out.
collect_ignore = [] if shutil.which("php") else ["test_wordpress.py"]

FILE = Path(__file__).parents[2] / "docs/integrations/weft_jinja.py"


@pytest.fixture(scope="session")
def weft_jinja():
    spec = importlib.util.spec_from_file_location("weft_jinja", FILE)
    module = sys.modules["weft_jinja"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["weft_jinja"]


@pytest.fixture
def render(weft_jinja):
    """render(template, gateway=True, **variables) → the page, and the fields for its header section."""

    def run(text: str, *, gateway: bool = True, asynchronous: bool = False, **variables) -> tuple[str, dict[str, str]]:
        environment = Environment(
            autoescape=True, loader=DictLoader({"page": text}), extensions=[weft_jinja.WeftExtension], enable_async=asynchronous
        )
        page = weft_jinja.WeftPage(CAPABILITY[1].decode() if gateway else None)
        return environment.get_template("page").render(weft=page, **variables), page.fields()

    return run
