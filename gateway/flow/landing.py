"""What a fetch came to, known when the head of the response is there; and one fetch that several requests wait for."""

from __future__ import annotations

import asyncio

from gateway.cache.collapse import Spool
from gateway.cache.entry import Entry
from gateway.cache.policy import Reason, Stored
from gateway.cache.variant import NominatedValues
from gateway.errors import UpstreamError
from gateway.semantics.message import Fields, Section
from gateway.upstream.origin import OriginResponse

__all__ = ["Filling", "Flight", "Landing"]


class Filling:
    """A response that may be stored and is on its way: head known, body arriving in the spool.

    fields      what is kept of the header section; kept: the same, but for what we say in it ourselves
    withheld    fields that a qualified no-cache or private names: for the client that it was fetched for, not for the store. RFC 9111 §5.2.2.4, §5.2.2.7
    extent      for a 206: (start, stop, complete length) as Content-Range has it
    esi         it is to be assembled; markup: its ESI is run, not only its nonce made anew
    purged      a purge overtook it: delivered, not kept
    entry       the stored response, once the body is whole; None until then, and when it was not stored after all
    """

    __slots__ = (
        "entry",
        "esi",
        "extent",
        "fields",
        "kept",
        "length",
        "markup",
        "nominated",
        "purged",
        "spool",
        "status",
        "tags",
        "terms",
        "withheld",
    )

    def __init__(
        self,
        status: int,
        fields: Fields,
        terms: Stored,
        *,
        nominated: NominatedValues,
        tags: tuple[bytes, ...],
        length: int | None,
        extent: tuple[int, int, int | None] | None,
        kept: Section,
        withheld: Fields,
    ) -> None:
        self.status = status
        self.fields = fields
        self.terms = terms
        self.nominated = nominated
        self.tags = tags
        self.length = length
        self.extent = extent
        self.kept = kept
        self.withheld = withheld
        self.spool = Spool()
        self.entry: Entry | None = None
        self.purged = False
        self.esi = False
        self.markup = False

    @property
    def is_stored(self) -> bool:
        """There is an entry with all of it: nobody needs to read the spool."""
        return self.entry is not None and self.spool.done


class Landing:
    """What came of a fetch. One of these, looked at in this order.

    error       no response, and nothing stored that could stand in
    entry       a stored response that the origin has just confirmed or completed, or that stands in for it (then stale says why)
    filling     a new response that may be shared
    response    the origin's response itself: where there is no filling, it is for the one who asked, and nobody else

    raised: the origin was not asked: entry came from level 2, and is in memory now.
    """

    __slots__ = ("entry", "error", "filling", "fwd_status", "origin_time", "raised", "reason", "response", "stale")

    def __init__(
        self,
        *,
        entry: Entry | None = None,
        filling: Filling | None = None,
        response: OriginResponse | None = None,
        error: UpstreamError | None = None,
        reason: Reason | None = None,
        stale: str = "",
        fwd_status: int = 0,
        origin_time: float = 0.0,
        raised: bool = False,
    ) -> None:
        self.entry = entry
        self.raised = raised
        self.filling = filling
        self.response = response
        self.error = error
        self.reason = reason
        self.stale = stale
        self.fwd_status = fwd_status
        self.origin_time = origin_time


class Flight:
    """One fetch under way. It ends once: it lands, or it crashes; whoever waits for that may leave without an effect on the others.

    stamp: the purge ledger's sequence when it began; begun: epoch seconds, the same moment. landing: what it came to, None until then. tags: of what it brings, as soon as they are known.
    claim: held while this process fetches for all that share a level 2; keeper prolongs it.
    """

    __slots__ = ("_crash", "_unwanted", "_waiters", "begun", "claim", "keeper", "landing", "stamp", "tags", "task")

    def __init__(self, stamp: int, begun: float) -> None:
        self.stamp = stamp
        self.begun = begun
        self.claim: bytes | None = None
        self.keeper: asyncio.TimerHandle | None = None
        self.tags: tuple[bytes, ...] = ()
        self.landing: Landing | None = None
        self.task: asyncio.Task[None] | None = None
        self._crash: BaseException | None = None
        self._unwanted = False
        self._waiters: list[asyncio.Future[None]] = []

    def land(self, landing: Landing) -> None:
        """The head is there, or what stands in for it."""
        self.landing = landing
        self._wake()
        if self._unwanted:
            _dispose(landing)

    def crash(self, error: BaseException) -> None:
        """It will never land. Nothing happens when it has."""
        if self.landing is None:
            self._crash = error
            self._wake()

    async def landed(self) -> Landing:
        """Wait for it. Raises what it crashed with."""
        if self.landing is None and self._crash is None:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        if self._crash is not None:
            raise self._crash
        assert self.landing is not None
        return self.landing

    def dispose(self) -> None:
        """What came, or will come, is not wanted by the one it was fetched for: close it, unless it is being stored for others."""
        self._unwanted = True
        if self.landing is not None:
            _dispose(self.landing)

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()


def _dispose(landing: Landing) -> None:
    if landing.filling is not None:
        landing.filling.spool.expect_nobody()
    elif landing.response is not None and landing.response.body is not None:
        task = asyncio.ensure_future(landing.response.body.aclose())
        _closing_tasks.add(task)
        task.add_done_callback(_closing_tasks.discard)


_closing_tasks: set[asyncio.Future[None]] = set()
