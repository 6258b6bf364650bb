"""A worker's life, from the fork to its exit: build a gateway, serve, show a pulse, do what the parent says."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any, Literal

import orjson
import uvloop

from gateway.app import Gateway
from gateway.endpoints.trace import show, summaries
from gateway.errors import SettingsError
from gateway.logs import name_speaker
from gateway.processes.channel import Channel, Message
from gateway.processes.child import Child
from gateway.processes.outcome import Outcome
from gateway.processes.server import Server, tune_collector
from gateway.processes.shipping import unpack
from gateway.settings import Settings
from gateway.telemetry.adding_up import report_of

__all__ = ["Build", "Worker", "live"]

logger = logging.getLogger(__name__)

Build = Callable[[Settings], Gateway]
"""Makes the gateway of a worker. Raises SettingsError or OSError."""

_ORPHANED = 1.0
"""Seconds for what runs, when the parent is gone."""


class Worker:
    """Runs in the worker's event loop."""

    def __init__(self, child: Child, gateway: Gateway, listener: socket.socket, *, owns_port: bool) -> None:
        self.child = child
        self.channel: Channel = child.worker_end
        self.gateway = gateway
        self.listener = listener
        self.server = _WorkerServer(gateway, shares=gateway.settings.server.workers > 1, owns_port=owns_port)
        self.server.on_started = self._tell_ready
        self.server.on_closed = lambda: self._send("closed")
        self.parent = _Parent(self._send)
        self._loop = asyncio.get_running_loop()
        self._answering: set[asyncio.Task[None]] = set()
        self._swap: Callable[[], None] | None = None
        gateway.parent = self.parent

    async def run(self) -> None:
        """Until the parent says that it is enough, or is gone."""
        self._loop.add_signal_handler(signal.SIGTERM, self._send, "leave")
        self._loop.add_reader(self.channel.fileno(), self._hear)
        await self.server.serve(sockets=[self.listener])
        self._loop.remove_reader(self.channel.fileno())
        self._send("figures", self._figures())
        while self.channel.is_full and not self.channel.ended:  # noqa: ASYNC110 - the last word, and it may be long
            await asyncio.sleep(0.01)

    def _figures(self) -> bytes:
        return orjson.dumps(report_of(self.gateway.ground.registry))

    def _tell_ready(self) -> None:
        self.child.pulse.start()
        self._send("ready")

    def _hear(self) -> None:
        for message in self.channel.receive():
            self._obey(message)
        if self.channel.ended:
            self._loop.remove_reader(self.channel.fileno())
            self._loop.remove_writer(self.channel.fileno())
            logger.error("parent is gone")
            self.parent.lose()
            self.server.most = _ORPHANED
            self._drain()

    def _obey(self, message: Message) -> None:
        match message.say:
            case "drain":
                self._drain(replaced=message.words["replaced"])
            case "crew":
                self.gateway.workers = {"up": message.words["up"], "of": message.words["of"]}
            case "abort":
                self.server.should_exit = self.server.force_exit = True
            case "answer":
                self.parent.hear(message)
            case "ask":
                task = self._loop.create_task(self._answer(message))
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)
            case "swap" if self._swap is not None:
                self._swap()
                self._swap = None
            case "forget":
                self._swap = None

    async def _answer(self, message: Message) -> None:
        number = message.words["id"]
        match message.words["what"]:
            case "prepare":
                self._send("answer", id=number, faults=await self._prepare(unpack(message.blob)))
            case "figures":
                self._send("answer", self._figures(), id=number)
            case "trace":
                name, here, page = (message.words[word] for word in ("name", "here", "page"))
                self._send("answer", id=number, told={"shown": show(self.gateway.traces, name, here, page=page)})
            case "traces":
                self._send("answer", id=number, told={"summaries": summaries(self.gateway.traces)})

    async def _prepare(self, settings: Settings) -> list[str]:
        """Build what the settings need; what keeps it from being built, in lines."""
        try:
            self._swap = await self.gateway.prepare(settings)
        except SettingsError as error:
            return error.problems
        return []

    def _drain(self, *, replaced: bool = False) -> None:
        if not self.server.should_exit:
            self.server.replaced = replaced
            self.server.should_exit = True

    def _send(self, say: str, blob: bytes = b"", **words: object) -> None:
        self.channel.send(say, blob, **words)
        if self.channel.is_full:
            self._loop.add_writer(self.channel.fileno(), self._flush)

    def _flush(self) -> None:
        self.channel.flush()
        if not self.channel.is_full or self.channel.ended:
            self._loop.remove_writer(self.channel.fileno())


class _Parent:
    """The parent, as the gateway can ask it: outcome.Parent."""

    def __init__(self, send: Callable[..., None]) -> None:
        self._send = send
        self._open: dict[int, asyncio.Future[Message]] = {}
        self._count = 0

    async def reload(self, *, dry_run: bool = False, restart: bool = False) -> Outcome:
        """See outcome.Parent."""
        reply = await self._ask("reload", dry_run=dry_run, restart=restart)
        return Outcome(*reply.words["outcome"])

    async def figures(self, own: bytes) -> list[Any]:
        """See outcome.Parent."""
        reports: list[Any] = orjson.loads((await self._ask("figures", own)).blob)
        return reports

    async def others(self, what: Literal["trace", "traces"], **words: object) -> list[dict[str, Any]]:
        """See outcome.Parent."""
        replies: list[dict[str, Any]] = (await self._ask("others", of=what, words=words)).words["replies"]
        return replies

    async def _ask(self, what: str, blob: bytes = b"", **words: object) -> Message:
        self._count += 1
        number = self._count
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._open[number] = future
        try:
            self._send("ask", blob, id=number, what=what, **words)
            return await future
        finally:
            del self._open[number]

    def hear(self, message: Message) -> None:
        """A reply."""
        future = self._open.get(message.words["id"])
        if future is not None and not future.done():
            future.set_result(message)

    def lose(self) -> None:
        """It is gone."""
        for future in self._open.values():
            if not future.done():
                future.set_exception(ConnectionError("the parent is gone"))


class _WorkerServer(Server):
    """Signals are the parent's to hear."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def live(child: Child, build: Build, settings: Settings, listener: socket.socket, *, owns_port: bool) -> int:
    """A whole life; the exit code. What keeps it from starting goes to the parent in lines, as `weft check` would print it."""
    name_speaker(f"worker {child.slot}")
    try:
        gateway = build(settings)
    except SettingsError as error:
        return _fail(child, str(error))
    except OSError as error:
        return _fail(child, f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
    tune_collector()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_serve(child, gateway, listener, owns_port=owns_port))
        except OSError as error:
            return _fail(child, f"{error.strerror or error}")
    return 0


async def _serve(child: Child, gateway: Gateway, listener: socket.socket, *, owns_port: bool) -> None:
    await Worker(child, gateway, listener, owns_port=owns_port).run()


def _fail(child: Child, cause: str) -> int:
    child.worker_end.send("failed", cause=cause)
    return 1
