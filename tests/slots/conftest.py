"""Slots through their public face: a settings file, a directory of templates, a gateway on a real socket before an origin whose pages include them."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import time
from textwrap import dedent

import pytest
import uvloop

from tests.support.in_process import Reply, Setup, ask_once

TOKEN = "a-token-long-enough"
OWN = {"purge.tokens": [TOKEN], "debug.tokens": [TOKEN]}


class Answer:
    """What came. Fields by name in lower case."""

    def __init__(self, status, fields, body):
        self.status = status
        self.fields = {name.decode(): value.decode("latin-1") for name, value in fields}
        self.body = gzip.decompress(body) if self.fields.get("content-encoding") == "gzip" else body
        self.text = self.body.decode()

    def __getitem__(self, name):
        return self.fields.get(name)


class Face:
    """A gateway with slots, and what tests ask of it. kind: of KINDS."""

    def __init__(self, runner, folder, settings, templates, *, kind="lane", **more):
        directory = folder / "templates"
        directory.mkdir()
        for name, text in templates.items():
            (directory / name).write_text(text, "utf-8")
        file = folder / "weft.toml"
        file.write_text(f'[templates]\ndirectory = "{directory}"\n{dedent(settings)}', "utf-8")
        self.runner = runner
        self.setup = runner.run(Setup.start(kind, time.time(), {**OWN, **more}, config=file))

    def get(self, target, *lines, method="GET", body=b""):
        fields = [(b"host", b"shop.test")]
        for line in lines:
            name, _, value = line.partition(":")
            fields.append((name.strip().lower().encode(), value.strip().encode()))
        return Answer(*self.runner.run(ask_once(self.setup, method.encode(), target.encode(), fields, body)))

    def page(self, target, markup, *lines, whole=True):
        """The origin has this page. whole False: it does not say how long it is."""
        fields = [(b"content-type", b"text/html"), (b"surrogate-control", b'content="ESI/1.0"')]
        if not any(line.lower().startswith("cache-control") for line in lines):
            fields.append((b"cache-control", b"max-age=600"))
        for line in lines:
            name, _, value = line.partition(":")
            fields.append((name.strip().lower().encode(), value.strip().encode()))
        self.setup.origin.replies[target.encode()] = Reply(200, fields, markup.encode(), length=whole)

    def asked(self, target):
        """How often the origin was."""
        return len(self.setup.origin.heard[target.encode()])

    def purge(self, **wishes):
        """How many entries that hit."""
        answer = self.get("/_weft/purge", f"Authorization: Bearer {TOKEN}", method="POST", body=json.dumps(wishes).encode())
        assert answer.status == 200, answer.text
        return json.loads(answer.text)["purged"]

    def told(self, target, *lines):
        """What a token's holder is told of a page's includes, one word list each, and of its problems."""
        answer = self.get(target, f"Weft-Debug: {TOKEN}", *lines)
        includes = re.findall(r'"([^"]*)"((?:;[a-z]+=[^;,]+)*)', answer["weft-includes"] or "")
        words = {
            url: {pair.partition("=")[0]: pair.partition("=")[2] for pair in rest.split(";")[1:] if not pair.startswith("ms=")}
            for url, rest in includes
        }
        trace = json.loads(self.get(answer["weft-trace"], f"Weft-Debug: {TOKEN}").text)
        return words, [each["problem"] for each in trace["problems"]]

    def close(self):
        self.runner.run(self.setup.aclose())


@pytest.fixture
def open_face(tmp_path):
    """open_face(settings, templates, kind=…, **{"esi.nonce": …}): a gateway with these slots."""
    faces = []
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:

        def make(settings, templates, **more):
            folder = tmp_path / str(len(faces))
            folder.mkdir()
            faces.append(Face(runner, folder, settings, templates, **more))
            return faces[-1]

        yield make
        for face in faces:
            face.close()
