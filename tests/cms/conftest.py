"""A site from Wagtail's own project template, Django's own server in front of SQLite, and `weft serve` in front of that.

Needs the extra `cms`; `make test-cms` runs it, `make test` does not look into this folder (norecursedirs in pyproject.toml).
The configuration and the code that the site gets are those of docs/wagtail.md, read from the page itself.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "wagtail.md").read_text("utf-8")
USER, PASSWORD = "penelope-the-editor", "a shroud for Laertes"
TOKEN = "change-me-to-something-long"
PATIENCE = 60.0

PAGES = """
from home.models import HomePage
from wagtail.models import PageViewRestriction
home = HomePage.objects.get()
about = home.add_child(instance=HomePage(title="About our looms", slug="about"))
members = home.add_child(instance=HomePage(title="Members of the guild", slug="members"))
PageViewRestriction.objects.create(page=members, restriction_type="password", password="open sesame")
for title in ("Wool", "Linen", "Silk"):
    about.add_child(instance=HomePage(title=title, slug=title.lower()))
"""


def block(kind: str, beginning: str) -> str:
    """The code block of docs/wagtail.md whose first line is that comment."""
    (found,) = re.findall(rf"^```{kind}\n(# {re.escape(beginning)}\n.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    return found


@pytest.fixture(scope="session")
def template(tmp_path_factory) -> Path:
    """`wagtail start`, migrate, a superuser, a few pages: made once, copied for each test."""
    folder = tmp_path_factory.mktemp("wagtail")
    site = folder / "site"
    subprocess.run([sys.executable, "-m", "django", "--version"], check=True, capture_output=True)
    command = [sys.executable, "-c", "from wagtail.bin.wagtail import main; main()", "start", "mysite", str(site)]
    site.mkdir()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    manage(site, "migrate", "--verbosity", "0")
    manage(
        site, "createsuperuser", "--noinput", f"--username={USER}", "--email=p@ithaca.test", DJANGO_SUPERUSER_PASSWORD=PASSWORD
    )
    manage(site, "shell", "--verbosity", "0", "--command", PAGES)
    return site


def manage(site: Path, *arguments: str, **env: str) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=site, env=os.environ | env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


class Site:
    """A running site with Weft in front. base: where visitors go. tells: whether the site has weft_cache.py of docs/wagtail.md."""

    def __init__(self, folder: Path, *, tells: bool) -> None:
        self.folder = folder
        self.tells = tells
        self.django_port, self.port = free_port(), free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.config = folder / "weft.toml"
        text = block("toml", "weft.toml").replace("http://127.0.0.1:8000", f"http://127.0.0.1:{self.django_port}")
        if tells:
            text = text.replace("default_ttl", "# default_ttl")
            (folder / "weft_cache.py").write_text(block("python", "weft_cache.py"))
            local = block("python", "settings/local.py").replace("http://127.0.0.1:8080", self.base)
            (folder / "mysite" / "settings" / "local.py").write_text(local)
        self.config.write_text(f"{text}\n[server]\nport = {self.port}\n")
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close
        env = os.environ | {"PYTHONPATH": str(ROOT)}
        self._processes = [
            self._start(folder, env, "manage.py", "runserver", "--noreload", f"127.0.0.1:{self.django_port}"),
            self._start(ROOT, env, "-m", "gateway", "serve", "--config", str(self.config)),
        ]
        await_port(self.django_port, self)
        await_port(self.port, self)

    def _start(self, folder: Path, env: dict[str, str], *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, *arguments]
        return subprocess.Popen(
            command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT
        )

    def weft(self, *arguments: str) -> str:
        """A command of ours with the site's configuration; what it printed."""
        command = [sys.executable, "-m", "gateway", *arguments, "--config", str(self.config)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def stored(self) -> int:
        """How many responses the gateway holds."""
        text = httpx.get(f"{self.base}/_weft/metrics", trust_env=False).text
        return int(float(re.search(r'^weft_cache_objects\{tier="memory"\} (\S+)$', text, re.MULTILINE)[1]))

    def log(self) -> str:
        return os.pread(self._log.fileno(), 1 << 24, 0).decode(errors="replace")

    def close(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
            process.wait(PATIENCE)
        self._log.close()


@pytest.fixture(params=[False, True], ids=["as-it-is", "with-weft_cache.py"])
def site(request, template, tmp_path) -> Iterator[Site]:
    folder = tmp_path / "site"
    shutil.copytree(template, folder)
    running = Site(folder, tells=request.param)
    yield running
    running.close()


class Person:
    """Somebody with a browser: cookies, the Origin of his own pages, and a line in the transcript for each request.

    transcript is shared by all who take part.
    """

    def __init__(self, name: str, site: Site, transcript: list[str]) -> None:
        self.name = name
        self.site = site
        self.transcript = transcript
        self.seen: list[httpx.Response] = []
        self.client = httpx.Client(base_url=site.base, trust_env=False, timeout=PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self._ask("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        """As a browser does: it says which page the form stood on."""
        return self._ask("POST", path, headers={"origin": self.site.base, "referer": self.site.base + path}, **options)

    def submit(self, page: httpx.Response, path: str = "", files: Any = None, **changes: str) -> httpx.Response:
        """Fill in the form of a page, the one that posts to path, and send it."""
        form = next(form for form in read_forms(page.text) if not path or form.action.endswith(path))
        action = form.action or page.url.path
        return self.post(action, data=form.fields | changes, files=files)

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        response = self.client.request(method, path, **options)
        self.seen.append(response)
        line = f"{self.name:<9} {method:<4} {response.request.url.raw_path.decode():<62} {response.status_code}  {response.headers['cache-status']}"
        self.transcript.append(line)
        return response

    def secrets(self) -> set[str]:
        """What nobody else may see: the person's name, the CSRF tokens and cookies that came."""
        found = {USER}
        for response in self.seen:
            found |= set(re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', response.text))
            found |= {value for value in response.cookies.values() if len(value) > 20}
        return found


@pytest.fixture
def transcript() -> Iterator[list[str]]:
    """Printed at the end, whatever happened."""
    lines: list[str] = []
    yield lines
    print("\n" + "\n".join(lines))  # noqa: T201 - for whoever runs it with -s, and for the report of a failure


# ── Forms ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Form:
    """action, method, and the fields as a browser would send them untouched."""

    def __init__(self, action: str, method: str) -> None:
        self.action = action
        self.method = method
        self.fields: dict[str, Any] = {}
        self._select = self._textarea = ""

    def begin(self, tag: str, about: dict[str, str | None]) -> None:
        name = about.get("name") or ""
        if tag == "input" and name:
            kind = about.get("type", "text")
            if kind in ("checkbox", "radio") and "checked" not in about:
                return
            if kind not in ("submit", "button", "file", "image"):
                self.fields[name] = about.get("value") or ("on" if kind == "checkbox" else "")
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and ("selected" in about or self._select not in self.fields):
            self.fields[self._select] = about.get("value") or ""
        elif tag == "textarea":
            self._textarea = name
            self.fields[name] = ""

    def text(self, data: str) -> None:
        if self._textarea:
            self.fields[self._textarea] += data.removeprefix("\n")

    def end(self, tag: str) -> None:
        if tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._textarea = ""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        about = dict(attrs)
        if tag == "form":
            self.inside = True
            self.forms.append(Form(about.get("action") or "", (about.get("method") or "get").lower()))
        elif self.inside:
            self.forms[-1].begin(tag, about)

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.forms[-1].text(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.inside = False
        elif self.inside:
            self.forms[-1].end(tag)


def read_forms(page: str) -> list[Form]:
    """The forms of a page that post."""
    reader = _Reader()
    reader.feed(page)
    return [form for form in reader.forms if form.method == "post"]


# ── Ports ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def await_port(port: int, site: Site) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert time.monotonic() < deadline, site.log()
            time.sleep(0.1)
        else:
            return
