"""From a hole in a page to what fills it: the request that it becomes, the time that it has, the answer or why there is none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import monotonic
from typing import TYPE_CHECKING

from fragments.assembly import Assembler, Fragment, Hole
from fragments.esi.errors import EsiLimit
from fragments.esi.values import Context
from gateway.errors import UpstreamError
from gateway.flow.assembly.fetching import Fetched, fetch_fragment
from gateway.flow.assembly.inclusion import Inclusion, NotIncluded
from gateway.flow.recognise import Visit
from gateway.semantics.message import Fields, first, values
from gateway.telemetry.trace import TraceNode

if TYPE_CHECKING:
    from gateway.flow.assembly.weaver import Weaver

__all__ = ["Asking"]


class Asking:
    """For one page. context: how request text is escaped in it; streams: the page is still coming, and its includes are met one after the other."""

    def __init__(self, weaver: Weaver, visit: Visit, assembler: Assembler, context: Context) -> None:
        inclusion, rules = visit.inclusion, visit.route.esi
        self.weaver = weaver
        self.visit = visit
        self.assembler = assembler
        self.context = context
        self.rules = rules
        self.streams = False
        self.depth = inclusion.depth if inclusion is not None else 0
        self.deadline = inclusion.deadline if inclusion is not None else monotonic() + rules.deadline
        self.cookies: list[bytes] = (
            visit.set_cookies if visit.set_cookies is not None else []
        )  # those of pages inside this one too
        self._limits: dict[int, float] = {}
        self._gate: asyncio.Semaphore | None = None

    def may_set_cookie(self, hole: Hole) -> bool:
        """It is one of esi.cookies_from, of our own site, however the page spells it."""
        try:
            place = self.weaver.destination_of(self.visit, hole.url)
        except NotIncluded:
            return False
        return not place.guest and place.target.startswith(self.rules.cookies_from)

    def visit_for(self, hole: Hole) -> Visit:
        """The visit that the hole becomes. Raises UpstreamError for one that may not be asked for, EsiLimit."""
        fetch = hole.fetch
        if self.depth + 1 > self.rules.max_depth:
            raise NotIncluded(f"more than {self.rules.max_depth} includes inside each other", "too_deep")
        if hole.stage == "src" and id(hole) not in self._limits and self.visit.tally is not None:
            self.visit.tally.take(1)
        deadline = self._deadline_of(hole)
        inclusion = Inclusion(
            self.depth + 1, deadline, esi=fetch.esi, ttl=fetch.ttl, no_store=fetch.no_store, context=self.context
        )
        if not (fetch.set_fields or fetch.add_fields or fetch.drop_fields or fetch.method != "GET"):
            return self.weaver.visit_of(self.visit, hole.url, inclusion)
        return self._particular_visit(hole, inclusion)

    def _deadline_of(self, hole: Hole) -> float:
        """Monotonic seconds until which this rung of the hole may take.

        A page that is still coming, or is read slowly, must not use up the time of what it includes further down. Where there is an alt, src gets half
        of the time: else the one that hangs would leave none for the other.
        """
        now, fetch = monotonic(), hole.fetch
        limit = self._limits.get(id(hole))
        if limit is None:
            streams = self.streams and self.visit.inclusion is None
            limit = self._limits[id(hole)] = max(self.deadline, now + self.rules.deadline) if streams else self.deadline
        if hole.stage == "src" and fetch.alt is not None:
            limit = now + max(0.0, limit - now) / 2
        return limit if fetch.maxwait is None else min(limit, now + fetch.maxwait)

    def _particular_visit(self, hole: Hole, inclusion: Inclusion) -> Visit:
        """With request fields of the page's own, or a POST."""
        fetch = hole.fetch
        fields: Fields = []
        for name, text in (*fetch.set_fields, *fetch.add_fields):
            value = self.assembler.plain_text(text, hole).encode("utf-8", "surrogateescape")
            fields.append((name.encode("ascii"), bytes(octet for octet in value if octet >= 0x20 and octet != 0x7F).strip()))
        visit = self.weaver.visit_of(
            self.visit, hole.url, inclusion, fields=fields, instead={name for name, _ in fetch.set_fields}
        )
        request = visit.request
        if fetch.drop_fields:
            dropped = {name.encode("ascii") for name in fetch.drop_fields}
            request.fields = [field for field in request.fields if field[0] not in dropped]
        if fetch.method == "POST":
            entity = self.assembler.plain_text(fetch.entity, hole) if fetch.entity is not None else ""
            content = entity.encode("utf-8", "surrogateescape")
            request.method, request.has_body, request.length, request.body = b"POST", True, len(content), _one(content)
            if first(request.fields, b"content-type") is None:
                request.fields.append((b"content-type", b"application/x-www-form-urlencoded"))
        return visit

    async def fetch(self, hole: Hole) -> Fragment:
        """One include, whole, or why not. Raises nothing but CancelledError."""
        trace: TraceNode | None = hole.note
        try:
            fetched = await self._asked_before(hole) or await self._ask(hole, trace)
        except UpstreamError as error:
            fetched = Fetched(Fragment.failed(error.reason))
        except EsiLimit:
            fetched = Fetched(Fragment.failed("budget_spent"))
        except asyncio.CancelledError:
            if trace is not None:
                trace.end("", 0, 0, "not_wanted")
            raise
        if self.rules.cookies_from and not fetched.fragment.reason and self.may_set_cookie(hole):
            self.cookies += values(fetched.fields, b"set-cookie")
        if trace is not None:
            facts, fragment = fetched.facts, fetched.fragment
            if fetched.trace is not None and fetched.trace is not trace:  # asked for before the page wanted it
                trace.adopt(fetched.trace)
            trace.end(facts.outcome if facts is not None else "", fetched.status, len(fragment.body), fragment.reason)
            if facts is not None:
                trace.tell(facts)
        return fetched.fragment

    async def _asked_before(self, hole: Hole) -> Fetched | None:
        """What was asked for together with the page, when that is what the page now wants."""
        foreseen = self.visit.foreseen
        if foreseen is None or not hole.fetch.is_plain or hole.fetch.maxwait is not None or hole.stage != "src":
            return None
        task = foreseen.take(hole.url)
        if task is None:
            return None
        try:
            async with asyncio.timeout(max(0.0, self._deadline_of(hole) - monotonic())):
                return await task
        except TimeoutError:
            return Fetched(Fragment.failed("deadline"))
        except asyncio.CancelledError:
            task.cancel()
            raise

    async def _ask(self, hole: Hole, trace: TraceNode | None) -> Fetched:
        visit = self.visit_for(hole)
        visit.trace = trace
        if self._gate is None:
            self._gate = asyncio.Semaphore(self.rules.max_parallel)
        return await fetch_fragment(self.weaver.kitchen, visit, self.rules, self._gate)


async def _one(content: bytes) -> AsyncIterator[bytes]:
    yield content
