"""Other settings in a running gateway: in this process (`site`), where every request can be watched, and in a real one (`start_gateway`)."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest
import uvloop

from tests.support.fixtures import *  # noqa: F403
from tests.support.in_process import Client, Reply, Setup

TOKEN = "an-admin-token"


class Answer:
    """What came, fields by name."""

    def __init__(self, status, fields, body):
        self.status = status
        self.fields = {name.decode(): value.decode("latin-1") for name, value in fields}
        self.text = body.decode()

    def __getitem__(self, name):
        return self.fields.get(name, "")

    @property
    def outcome(self):
        """hit, or why not."""
        _, _, words = self["cache-status"].partition("; ")
        return words.partition(";")[0].removeprefix("fwd=")


class Site:
    """A gateway in this process, its origin, and settings that change."""

    def __init__(self, setup, settings, file):
        self.file = file
        self.setup = setup
        self.gateway = setup.gateway
        self.origin = setup.origin
        self.settings = settings

    def page(self, target, body="page", *lines, cache="max-age=600"):
        fields = [(b"content-type", b"text/html")]
        if cache:
            fields.append((b"cache-control", cache.encode()))
        for line in lines:
            name, _, value = line.partition(":")
            fields.append((name.strip().lower().encode(), value.strip().encode()))
        self.origin.replies[target.encode()] = Reply(200, fields, body.encode())

    def asked(self, target):
        return len(self.origin.heard[target.encode()])

    async def closes(self, origin):
        """Wait until the gateway has closed all connections to a scripted origin: at once, not when they have been idle for 15 s."""
        async with asyncio.timeout(10):
            while origin.open_connections():
                await asyncio.sleep(0.005)

    async def connect(self):
        return await Client.connect(self.setup.port)

    async def get(self, target, *lines, client=None, method="GET"):
        own = client or await self.connect()
        fields = [(b"host", b"shop.test")]
        for line in lines:
            name, _, value = line.partition(":")
            fields.append((name.strip().lower().encode(), value.strip().encode()))
        try:
            return Answer(*await own.ask(method.encode(), target.encode(), fields))
        finally:
            if client is None:
                await own.aclose()

    async def reload(self, text=None, **changes):
        """text: what the file says from now on; changes: names with __ for dots, beside those so far."""
        if text is not None:
            self.file.write_text(text, "utf-8")
        self.settings = self.settings | {name.replace("__", "."): value for name, value in changes.items()}
        await self.setup.reload(self.settings)

    async def under_load(self, work, targets=("/stored", "/passed")):
        """Do work while clients ask on and on, each on a connection of its own; what their answers were. Work begins once all have had one."""
        self.page("/stored", "stored")
        self.page("/passed", "passed", cache="no-store")
        seen, done = Counter(), asyncio.Event()
        served = [asyncio.Event() for _ in range(4)]

        async def client(number):
            own = await self.connect()
            while not done.is_set():
                for target in targets:
                    if not own.is_open:
                        await own.aclose()
                        own = await self.connect()
                    answer = await self.get(target, client=own)
                    seen[answer.status, answer.text] += 1
                served[number].set()
                await asyncio.sleep(0)
            await own.aclose()

        clients = [asyncio.ensure_future(client(number)) for number in range(4)]
        await asyncio.gather(*(event.wait() for event in served))
        await work()
        for event in served:
            event.clear()
        await asyncio.wait(
            [asyncio.ensure_future(asyncio.gather(*(event.wait() for event in served))), *clients],
            return_when=asyncio.FIRST_COMPLETED,
        )
        done.set()
        await asyncio.gather(*clients)
        return seen


@pytest.fixture
def run(tmp_path):
    """run(test, text=…, kind=…, **settings): the coroutine function test, given a Site whose file says text, with these settings beside it."""
    file = tmp_path / "weft.toml"
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:

        def run(test, text="", *, kind="lane", **settings):
            file.write_text(text, "utf-8")
            flags = {name.replace("__", "."): value for name, value in settings.items()}

            async def whole():
                setup = await Setup.start(kind, time.time(), flags, file)
                try:
                    async with asyncio.timeout(60):
                        await test(Site(setup, flags, file))
                finally:
                    await setup.aclose()

            runner.run(whole())

        yield run
