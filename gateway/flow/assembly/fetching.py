"""One include, asked for and taken in whole, or why not; and those that a page led to last time, asked for together with the page itself."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from time import monotonic

from fragments.assembly import Fragment
from gateway.cache.entry import Entry
from gateway.cache.key import Key
from gateway.errors import UpstreamError
from gateway.flow.assembly.kitchen import Kitchen
from gateway.flow.assembly.rules import EsiRules
from gateway.flow.assembly.woven import Loose, piece_of_response
from gateway.flow.recognise import Visit
from gateway.flow.response import Facts, Response
from gateway.semantics.decoding import DecodingError, TooLarge, decoder_for
from gateway.semantics.message import Fields, first
from gateway.telemetry.trace import TraceNode

__all__ = ["Fetched", "Foreseen", "Manifest", "fetch_fragment"]

_GOOD = frozenset({200, 203, 204})
_MAX_FORESEEN = 64
"""Includes of one page that are remembered."""
_MAX_PAGES = 10_000


class Fetched:
    """What an include came to. facts: of its response, None when there was none; fields: its header section; status: 0 for none; trace: the visit's."""

    __slots__ = ("facts", "fields", "fragment", "status", "trace")

    def __init__(
        self,
        fragment: Fragment,
        facts: Facts | None = None,
        fields: Fields | None = None,
        *,
        status: int = 0,
        trace: TraceNode | None = None,
    ) -> None:
        self.fragment = fragment
        self.facts = facts
        self.status = status
        self.trace = trace
        self.fields = fields or []


async def fetch_fragment(kitchen: Kitchen, visit: Visit, rules: EsiRules, gate: asyncio.Semaphore) -> Fetched:
    """Ask for what visit is about, until its deadline. Raises nothing but CancelledError."""
    assert visit.inclusion is not None
    facts: Facts | None = None
    status, trace = 0, visit.trace
    try:
        async with gate, asyncio.timeout(max(0.0, visit.inclusion.deadline - monotonic())):
            response = await kitchen.attend(visit)
            facts, status = response.facts, response.status
            fragment = await _take_in(response, rules, kitchen.clock())
            return Fetched(fragment, facts, response.fields(), status=status, trace=trace)
    except TimeoutError:
        return Fetched(Fragment.failed("deadline"), facts, status=status, trace=trace)
    except UpstreamError as error:
        return Fetched(Fragment.failed(error.reason), facts, status=status, trace=trace)


async def _take_in(response: Response, rules: EsiRules, now: float) -> Fragment:
    """The content, whole. Raises UpstreamError when it does not end as declared."""
    body = response.body
    content = body if isinstance(body, bytes) else b""
    if response.tunnel is not None:
        await response.tunnel.aclose()
    if body is not None and not isinstance(body, bytes):
        chunks, octets = [], 0
        try:
            if response.status in _GOOD:
                async for chunk in body:
                    octets += len(chunk)
                    if octets > rules.max_fragment_bytes:
                        return Fragment.failed("fragment_too_large")
                    chunks.append(chunk)
        finally:
            await body.aclose()
        content = b"".join(chunks)
    if response.status not in _GOOD:
        return Fragment.failed(response.facts.detail if response.facts.outcome == "error" else f"status_{response.status}")
    if len(content) > rules.max_fragment_bytes:
        return Fragment.failed("fragment_too_large")
    coding = first(response.fields(), b"content-encoding")
    if coding is not None:
        return _decoded(content, coding, response, rules, now)
    source = response.source
    if isinstance(source, Entry) and source.body is content:
        return Fragment(content, source)
    return Fragment(content, Loose(piece_of_response(response, now)))


def _decoded(content: bytes, coding: bytes, response: Response, rules: EsiRules, now: float) -> Fragment:
    """A fragment that comes compressed though nobody asked for that: pages need its text."""
    try:
        decoder = decoder_for(coding, max_bytes=rules.max_fragment_bytes)
        plain = b"".join(decoder.decode(content))
        decoder.finish()
    except TooLarge:
        return Fragment.failed("fragment_too_large")
    except DecodingError:
        return Fragment.failed("content_coding")
    return Fragment(plain, Loose(piece_of_response(response, now)))


class Manifest:
    """Which includes of fixed addresses each page led to when it was last assembled. Bounded; a hint, nothing more."""

    __slots__ = ("_urls",)

    def __init__(self) -> None:
        self._urls: OrderedDict[Key, tuple[str, ...]] = OrderedDict()

    def remember(self, key: Key, urls: tuple[str, ...]) -> None:
        """The page of key led to these."""
        if not urls:
            self._urls.pop(key, None)
            return
        self._urls[key] = urls[:_MAX_FORESEEN]
        self._urls.move_to_end(key)
        if len(self._urls) > _MAX_PAGES:
            self._urls.popitem(last=False)

    def of(self, key: Key) -> tuple[str, ...]:
        """Those of last time; () when nothing is known."""
        return self._urls.get(key, ())


class Foreseen:
    """Includes that were asked for together with their page, by URL. Whoever does not use them calls cancel."""

    __slots__ = ("_tasks", "adopted")

    def __init__(self, tasks: dict[str, asyncio.Task[Fetched]]) -> None:
        self._tasks = tasks
        self.adopted = False  # the page is being assembled: its weaving cancels what is left

    def take(self, url: str) -> asyncio.Task[Fetched] | None:
        """The request for url, once."""
        return self._tasks.pop(url, None)

    def cancel(self) -> None:
        """The rest is not wanted."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()
