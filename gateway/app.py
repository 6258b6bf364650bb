"""The composition root: settings → adapters → flow → Starlette. Nothing else builds anything; below this file there are plain arguments.

gateway/composition/ makes the parts, each from its piece of the settings. Two things are put together here:

    the ground   what a process keeps: store, purges, connections, counters, clock
    the site     all that follows from one version of the settings (composition/site.py); on a reload another one takes its place

build(settings) ──▶ Gateway: .app (ASGI, for any server), .edge (for our own listener), start(), aclose(), prepare(other settings) ──▶ swap()
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from time import monotonic
from typing import Any

from starlette.routing import BaseRoute

from gateway.cache.collapse import Uncacheable
from gateway.cache.memory_store import MemoryStore
from gateway.cache.purges import Ledger, Verdict
from gateway.clock import Clock
from gateway.composition.catalogue import build_catalogue
from gateway.composition.control import CONTROL, Front, build_registry
from gateway.composition.faults import attempt
from gateway.composition.gauges import (
    Figure,
    figures_of_cache,
    figures_of_origins,
    figures_of_pages,
    figures_of_sharing,
    own_version,
)
from gateway.composition.listening import figures_of_tls
from gateway.composition.log import build_access_log, build_log_writer, suits
from gateway.composition.origins import AnyOrigin
from gateway.composition.overload import build_admission, figures_of_overload, figures_of_rate_limits, set_admission
from gateway.composition.sharing import build_sharing
from gateway.composition.site import Ground, Site
from gateway.composition.sources import Sources
from gateway.composition.succession import Succession
from gateway.composition.tracing import build_sink, figures_of_spans, set_tracer
from gateway.errors import SettingsError
from gateway.flow.assembly.loom import Loom
from gateway.flow.assembly.slots import SLOTS, Slots
from gateway.flow.forward import Forwarder
from gateway.flow.page import Page
from gateway.flow.purging import Purger
from gateway.flow.recognise import Identity
from gateway.flow.routes import Routes
from gateway.flow.second_level import SecondLevel
from gateway.listener.certificates import Keyring
from gateway.listener.edge import Edge
from gateway.listener.sweeper import Sweeper
from gateway.logs import log_dropped, set_up_logging
from gateway.processes.outcome import Parent
from gateway.settings import Memory, Settings
from gateway.telemetry.account import Account
from gateway.telemetry.line_writer import LineWriter
from gateway.telemetry.loop_lag import LoopLag
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.spans import Tracer
from gateway.telemetry.traces import Traces

__all__ = ["CONTROL", "Gateway", "build", "build_catalogue"]

_SLICE = 500
"""Stored responses that make room before the loop gets a turn, when the memory is made smaller."""


class Gateway:
    """Everything of one process, wired. Build it anywhere; start and close it in the event loop that serves. Raises SettingsError with every fault of what settings name."""

    def __init__(self, settings: Settings, *, extra_routes: Iterable[BaseRoute] = ()) -> None:
        self.clock = Clock()
        self.started = monotonic()
        self.draining = False
        self.parent: Parent | None = None
        """Who can be asked for a reload; nobody where no parent supervises."""
        self.workers = {"up": 1, "of": 1}
        """How many serve, as the parent has said last."""
        self.accept_pauses = 0
        """Times that there was no descriptor for a connection."""
        self.store = MemoryStore(settings.cache.memory.max_bytes, settings.cache.memory.max_variants)
        self.ledger = Ledger()
        self.sharing = build_sharing(settings)
        self.forwarder = Forwarder(self.store, self.ledger, Uncacheable(), Identity(), self.clock)
        self.purger = Purger(self.sharing.bus, self.ledger, self.store, Routes(()), self.forwarder.is_known)
        self.forwarder.announce = self.purger.invalidate
        if self.sharing.tier is not None:
            self.forwarder.level2 = SecondLevel(
                self.sharing.tier,
                self.store,
                self.ledger,
                self.clock,
                self.sharing.is_live,
                lease=settings.redis.cache.lease,
            )
        self.lag = LoopLag()
        self.admission = build_admission(settings, self.lag)
        self.loom = Loom()
        self.traces = Traces()
        self.metrics = Metrics()
        self.metrics.gauges.append(self._figures)
        self.writer: LineWriter | None = None
        self.account = Account(self.metrics, None)
        self.succession = Succession()
        self._address_key = secrets.token_bytes(32)
        self._look_due = 0.0  # monotonic seconds
        self._looking: asyncio.Task[None] | None = None
        self._minder: asyncio.Task[None] | None = None
        self._resizing: asyncio.Task[None] | None = None
        self._errands: set[asyncio.Task[None]] = set()
        self.sink = build_sink(settings)
        self.tracer = Tracer(self.sink) if self.sink is not None else None
        self.ground = Ground(
            self.clock,
            self.store,
            self.ledger,
            self.forwarder,
            self.purger,
            self.loom,
            self.admission,
            self.account,
            self.traces,
            build_registry(self.metrics),
            _request_ids(),
            self.readiness,
            lambda: self.parent,
            tuple(extra_routes),
            self.tracer,
        )
        self.app = Front(self.start, self.aclose)
        self.site, writer = self._made(settings, None)
        site = self.site
        self.edge = Edge(
            site.page,
            self.account,
            site.limits,
            self.clock,
            site.proxies,
            control=f"{CONTROL}/".encode(),
            fast_lane=settings.server.fast_lane,
            rate_limits=site.rate_limits,
            lag=self.lag,
            tracer=self.tracer,
        )
        self.sweeper = Sweeper(self.edge.connections, self.clock)
        self._settle(site, writer)

    @property
    def settings(self) -> Settings:
        """Those in force."""
        return self.site.settings

    @property
    def page(self) -> Page:
        """The flow."""
        return self.site.page

    @property
    def routes(self) -> Routes:
        """Where requests may go."""
        return self.site.routes

    @property
    def origins(self) -> Mapping[str, AnyOrigin]:
        """Who is asked."""
        return self.site.sources.origins

    @property
    def keyring(self) -> Keyring | None:
        """What clients are shown who speak TLS; None when the port does not speak it."""
        return self.site.keyring

    @property
    def slots(self) -> Slots | None:
        """Fragments of our own."""
        return self.site.slots

    async def start(self) -> None:
        """Begin what runs beside requests: health checks, deadlines, the clock."""
        self.succession.take_over(Sources(), self.site.sources)
        await self.sharing.start()
        self.sweeper.start()
        self.lag.start()
        if self.sink is not None:
            self.sink.start()
        self._minder = asyncio.get_running_loop().create_task(self._mind())

    async def aclose(self) -> None:
        """End it, close connections to origins, write the last log lines."""
        self.sweeper.stop()
        self.lag.stop()
        if self._minder is not None:
            self._minder.cancel()
            await asyncio.gather(self._minder, return_exceptions=True)
        await asyncio.gather(*self._errands, return_exceptions=True)
        await self.forwarder.aclose()
        await self.succession.aclose()
        for origin in self.origins.values():
            await origin.aclose()
        if self.site.sources.guests is not None:
            await self.site.sources.guests.aclose()
        await self.sharing.aclose()
        if self.sink is not None:
            await asyncio.to_thread(self.sink.close)
        if self.writer is not None:
            self.writer.flush()
            await asyncio.to_thread(self.writer.close)

    async def prepare(self, settings: Settings) -> Callable[[], None]:
        """Make everything that other settings need, and change nothing. What comes back puts it in force: at once, without waiting, and it can't fail.

        Call that in the same loop, or drop it: then it was for nothing, and that is all. Requests under way end as they began; what is stored stays
        stored. Raises SettingsError with every fault of what the settings name (templates, certificates, the log file).
        """
        site, writer = await asyncio.to_thread(self._made, settings, self.site)  # templates are compiled, files read
        return lambda: self._swap(site, writer)

    def readiness(self) -> tuple[bool, dict[str, object]]:
        """For the ready endpoint: not while draining. The state of origins is told, and changes nothing."""
        return not self.draining, {
            "draining": self.draining,
            "workers": self.workers,
            "origins": {name: origin.state for name, origin in self.origins.items()},
        }

    # ------------------------------------------------------------------------------------------------ from one site to the next

    def _made(self, settings: Settings, before: Site | None) -> tuple[Site, LineWriter | None]:
        """A site, and where its log lines go."""
        faults: list[str] = []
        site = attempt(faults, "settings", lambda: Site(settings, self.ground, before))
        writer = self.writer
        if not suits(writer, settings):
            writer = attempt(faults, "log.file", lambda: build_log_writer(settings))
        if site is None or faults:
            raise SettingsError(faults)
        return site, writer

    def _swap(self, site: Site, writer: LineWriter | None) -> None:
        """site holds from here on. No await: a request sees one version of the settings or the other."""
        before = self.site
        self._settle(site, writer, before)
        fast_lane = site.settings.server.fast_lane
        self.edge.adopt(site.page, site.limits, site.proxies, site.rate_limits, fast_lane=fast_lane)
        before.page.retire()
        if before.slots is not None or site.slots is not None:
            self.ledger.purge_prefix((b"", b"", SLOTS), Verdict.HARD)  # rendered by templates of before
        self.succession.take_over(before.sources, site.sources)
        if self._resizing is not None:
            self._resizing.cancel()
        self._resizing = self._send(self._resize(site.settings.cache.memory))

    def _settle(self, site: Site, writer: LineWriter | None, before: Site | None = None) -> None:
        """Bring the ground in line with site."""
        self.site = site
        self.purger.routes = site.routes
        self.forwarder.identity = site.identity
        if self.forwarder.level2 is not None:
            self.forwarder.level2.soft_grace = site.settings.purge.soft_grace
        set_admission(self.admission, site.settings)
        if self.tracer is not None:
            set_tracer(self.tracer, site.settings)
        self.app.adopt(site.control, site.traffic, site.purge_method)
        self.edge.carry = site.traffic.carry
        log = site.settings.log
        if before is None or writer is not self.writer or log != before.settings.log:
            self.account.log = build_access_log(site.settings, writer, self._address_key) if writer is not None else None
        if writer is not self.writer:
            former, self.writer = self.writer, writer
            if former is not None:
                if writer is not None:
                    writer.dropped += former.dropped
                former.flush()  # here, where its timer runs too
                self._send(asyncio.to_thread(former.close))
        if before is not None and (log.level, log.access) != (before.settings.log.level, before.settings.log.access):
            set_up_logging(log.level, "text" if log.access == "text" else "json")

    async def _resize(self, bounds: Memory) -> None:
        """Other bounds for the memory: what is too much goes in slices."""
        while not self.store.resize(bounds.max_bytes, bounds.max_variants, at_most=_SLICE):  # noqa: ASYNC110 - nothing is awaited: it is the others' turn
            await asyncio.sleep(0)

    def _send(self, errand: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Have it done beside requests."""
        task = asyncio.get_running_loop().create_task(errand)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)
        return task

    # ------------------------------------------------------------------------------------------------ beside requests

    async def _mind(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self.clock.follow()
            self.succession.sweep()
            self._look_at_certificates(monotonic())

    def _look_at_certificates(self, now: float) -> None:
        keyring, interval = self.keyring, self.settings.server.tls.check_interval
        if keyring is None or not interval or now < self._look_due or (self._looking is not None and not self._looking.done()):
            return
        self._look_due = now + interval
        self._looking = self._send(asyncio.to_thread(keyring.refresh))

    def _figures(self) -> Iterator[Figure]:
        yield "weft_build_info", "Version of this build.", {"version": own_version()}, 1, "max"
        yield "weft_connections", "Client connections.", {"state": "open"}, len(self.edge.connections), "gauge"
        if self.writer is not None:
            yield "weft_log_dropped", "Access log lines that had no room.", {}, self.writer.dropped, "counter"
        if self.sink is not None:
            yield from figures_of_spans(self.sink)
        text = "Times that accepting paused, for want of a descriptor."
        yield "weft_accept_pauses", text, {}, self.accept_pauses, "counter"
        text = "Lines of the process log that had no room, as nobody read them."
        yield "weft_process_log_dropped", text, {}, log_dropped(), "counter"
        yield from figures_of_tls(self.edge.handshakes, self.keyring, self.clock())
        yield from figures_of_cache(self.store, self.forwarder, self.purger)
        yield from figures_of_sharing(self.sharing, self.forwarder.level2)
        yield from figures_of_pages(self.loom)
        yield from figures_of_origins(self.origins, self.succession.past_of)
        yield from figures_of_overload(self.admission, self.lag)
        if self.site.rate_limits is not None:
            yield from figures_of_rate_limits(self.site.rate_limits)


def build(settings: Settings, *, extra_routes: Iterable[BaseRoute] = ()) -> Gateway:
    """A gateway from checked settings. extra_routes: more of our own paths, below /_weft."""
    return Gateway(settings, extra_routes=extra_routes)


def _request_ids() -> Iterator[str]:
    """Ids that are unique across processes and restarts, and cheap: a random start, then counted."""
    start = secrets.token_hex(6)
    return (f"{start}-{number:x}" for number in itertools.count(1))
