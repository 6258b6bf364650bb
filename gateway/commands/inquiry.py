"""What the cache makes of one request, found out by doing it: a gateway that listens nowhere, the origin's real answer, and the steps that serve.

    recognise ─▶ look ─▶ answer (the origin is overheard) ─▶ the rules, step by step ─▶ look again

What is found is plain values, as JSON can hold them; `telling` makes text of them. Nothing here decides anything by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

from gateway.app import Gateway, build
from gateway.cache.entry import Entry
from gateway.cache.freshness import LifetimeSource, find_lifetime
from gateway.cache.key import key_text
from gateway.cache.plan import Ask, Plan, Refuse, Reuse
from gateway.cache.policy import Case, NotStored, Reason, Stored, decide, steps
from gateway.cache.variant import nominated_values
from gateway.commands.markup import Found
from gateway.commands.pieces import about_assembly
from gateway.errors import UpstreamError
from gateway.flow.deliver import wants_part_of, why_not_compressed
from gateway.flow.recognise import Visit
from gateway.flow.response import Response
from gateway.semantics.cache_control import MAX_DELTA
from gateway.semantics.conditional import CONDITIONAL
from gateway.semantics.message import Fields, Request, first, joined
from gateway.semantics.negotiation import preferred_coding
from gateway.settings import Settings
from gateway.telemetry.trace import TraceNode
from gateway.upstream.origin import Origin, OriginBody, OriginRequest, OriginResponse

__all__ = ["Found", "inquire"]

SAFE = (b"GET", b"HEAD", b"OPTIONS")
_MOST_KEPT = 64 * 2**20
_TIMED = (Reason.NO_FRESHNESS, Reason.SERVER_ERROR, Reason.SET_COOKIE, Reason.COOKIE)
"""Reasons that were given with the freshness in view."""


class _Overheard:
    """An origin whose first exchange can be looked at: that of the page. Those of its includes follow.

    fields, octets: of the response as it came; what is kept of octets is bounded.
    """

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.asked: OriginRequest | None = None
        self.answered: OriginResponse | None = None
        self.error: UpstreamError | None = None
        self.fields: Fields = []
        self.octets = bytearray()

    async def exchange(self, request: OriginRequest) -> OriginResponse:
        """Origin.exchange."""
        if self.asked is not None:
            return await self.origin.exchange(request)
        self.asked = request
        try:
            answered = await self.origin.exchange(request)
        except UpstreamError as error:
            self.error = error
            raise
        self.answered, self.fields = answered, list(answered.fields)  # a page to be assembled is decoded: its fields change
        if answered.body is not None:
            answered.body = _OverheardBody(answered.body, self.octets)
        return answered

    async def aclose(self) -> None:
        """Origin.aclose."""
        await self.origin.aclose()


class _OverheardBody:
    """The content of a response, of which a copy is kept."""

    def __init__(self, body: OriginBody, copy: bytearray) -> None:
        self._body = body
        self._copy = copy
        self.trailers = body.trailers

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._body:
            if len(self._copy) < _MOST_KEPT:
                self._copy += chunk
            yield chunk

    async def aclose(self) -> None:
        """OriginBody.aclose."""
        await self._body.aclose()


async def inquire(settings: Settings, request: Request, *, fetch: bool = True, patience: float = 30.0) -> Found:
    """Find out: sections by name, in the order of the way; one that a request does not get to is missing. Raises BadRequest when it can't be routed.

    fetch: whether the origin may be asked; a method that could change something is never sent. patience: seconds for the content.
    """
    silent = settings.model_copy(update={"log": settings.log.model_copy(update={"access": "off"})})
    gateway = build(silent)
    try:
        return await _inquire(gateway, settings, request, fetch=fetch, patience=patience)
    finally:
        await gateway.aclose()


async def _inquire(gateway: Gateway, settings: Settings, request: Request, *, fetch: bool, patience: float) -> Found:
    page = gateway.page
    visit = page.recognise(request)
    route = visit.route
    found: Found = {
        "request": {"method": _text(request.method), "url": key_text((request.scheme, request.host, request.target))},
        "key": _key(visit),
        "route": _route(gateway, settings, visit),
        "wishes": list(_wishes(visit)),
        "first": _what_is_done(gateway, visit),
    }
    if request.method not in SAFE:
        return found | {"unasked": "a request that could change something there is not sent"}
    if not fetch or found["first"]["plan"] == "refuse":
        return found
    overheard = route.origin = _Overheard(route.origin)
    trace = TraceNode(_text(request.target))
    response = await page.answer(request, trace)
    content_type = first(overheard.fields, b"content-type") or b""
    may_hold_markup = route.esi.suits(content_type) and not content_type.startswith(b"text/event-stream")
    try:
        async with asyncio.timeout(patience):
            octets = await _read(response, whole=response.facts.stored or may_hold_markup)
    except TimeoutError:
        octets = None
    if overheard.asked is not None:
        asked = overheard.asked
        found["asked"] = {"method": _text(asked.method), "target": _text(asked.target), "fields": _pairs(asked.fields)}
    if overheard.error is not None:
        found["error"] = {"status": overheard.error.status, "reason": overheard.error.reason, "message": str(overheard.error)}
    if overheard.asked is not None and overheard.answered is not None:
        found |= _about_the_answer(gateway, visit, overheard.asked, overheard.answered, overheard.fields, octets)
        if request.method == b"GET":
            about = about_assembly(
                gateway,
                visit,
                overheard.answered.status,
                overheard.fields,
                bytes(overheard.octets),
                trace,
                lambda include: _what_is_done(gateway, include),
            )
            names = (b"cache-control", b"vary", b"etag", b"content-encoding")
            about["response"] = {_text(name): _text(value) for name, value in response.fields() if name in names}
            found["assembly"] = about
    if "verdict" in found:
        status = first(response.fields(), b"cache-status")
        found["verdict"] |= {"status": response.status, "cache_status": _text(status or b"")}
    found["second"] = _what_is_done(gateway, page.recognise(request))
    return found


async def _read(response: Response, *, whole: bool) -> int:
    """Read the content to its end when that is wanted (it is being stored, or assembled), else close it; octets read."""
    body = response.body
    if body is None or isinstance(body, bytes):
        return len(body or b"")
    octets = 0
    try:
        if whole:
            async for chunk in body:
                octets += len(chunk)
    except UpstreamError:
        pass  # cut short: nothing is stored then, and the second look says so
    finally:
        await body.aclose()
    return octets


# ── Before the origin is asked ───────────────────────────────────────────────────────────────────────────────────────────────────


def _key(visit: Visit) -> Found:
    scheme, host, target = visit.key
    query = visit.route.query
    given = visit.request.target
    note = ""
    if query.changes:
        rule = f"query.mode {query.mode}{', sorted' if query.sort else ''}"
        note = f"{rule}: unchanged" if target == given else f"{rule}: was {_text(given)}"
    return {"text": key_text(visit.key), "scheme": _text(scheme), "host": _text(host), "target": _text(target), "query": note}


def _route(gateway: Gateway, settings: Settings, visit: Visit) -> Found:
    route, routes = visit.route, gateway.routes
    suited = [each for each in routes.all if each.takes(visit.request.host, visit.request.target)]
    if len(routes.all) == 1:
        why = "the only route"
    elif len(suited) == 1:
        why = f"the only one of {len(routes.all)} routes that takes this host and path"
    else:
        why = f"the most specific of {len(suited)} routes that take it: {', '.join(each.name for each in suited)}"
    origin = settings.origins.get(route.origin_name, settings.upstream)
    return {
        "name": route.name,
        "place": route.place,
        "why": why,
        "origin": route.origin_name,
        "url": origin.url,
        "bypass": route.bypass,
    }


def _wishes(visit: Visit) -> Iterator[Found]:
    """What the request itself says about caching, each with its section and what it means here."""
    fields = visit.request.fields
    if not visit.route.policy.request_directives and joined(fields, b"cache-control") is not None:
        yield _wish("Cache-Control", "cache.request_directives", "is not looked at: request_directives is off")
    yield from _directives(visit.ask, by_pragma=joined(fields, b"cache-control") is None)
    if visit.ask.authorized:
        yield _wish("Authorization", "RFC 9111 §3.5", "only a response that says it is for shared caches may be stored or reused")
    if first(fields, b"cookie") is not None:
        yield _wish(
            "Cookie",
            "RFC 9111 §7.3, docs/decisions/0003-cookies.md",
            "nothing is stored for it on a guess, nor with a new cookie",
        )
    for name in sorted({name for name, _ in fields if name in CONDITIONAL}):
        yield _wish(_text(name).title(), "RFC 9111 §4.3.2", "is answered here from what is stored, and not passed on")
    if first(fields, b"range") is not None:
        yield _wish("Range", "RFC 9111 §3.3", "is answered from what is stored; else it is passed on, and the part is stored")


def _directives(ask: Ask, *, by_pragma: bool) -> Iterator[Found]:
    if ask.no_cache and by_pragma:
        yield _wish("Pragma: no-cache", "RFC 9111 §5.4", "the origin is asked, whatever is stored")
    elif ask.no_cache:
        yield _wish("no-cache", "RFC 9111 §5.2.1.4", "the origin is asked, whatever is stored")
    if ask.max_age is not None:
        yield _wish(f"max-age={ask.max_age}", "RFC 9111 §5.2.1.1", f"nothing older than {ask.max_age} s is reused")
    if ask.max_stale is not None:
        limit = "however stale" if ask.max_stale == MAX_DELTA else f"up to {ask.max_stale} s stale"
        yield _wish("max-stale", "RFC 9111 §5.2.1.2", f"what is stored may be {limit}, where it allows that")
    if ask.min_fresh is not None:
        yield _wish(f"min-fresh={ask.min_fresh}", "RFC 9111 §5.2.1.3", f"it must be fresh for {ask.min_fresh} s more")
    if ask.no_store:
        yield _wish("no-store", "RFC 9111 §5.2.1.5", "the response is not stored")
    if ask.only_if_cached:
        yield _wish("only-if-cached", "RFC 9111 §5.2.1.7", "the origin is not asked: 504 when nothing stored suits")


def _wish(wish: str, section: str, meaning: str) -> Found:
    return {"wish": wish, "section": section, "meaning": meaning}


def _what_is_done(gateway: Gateway, visit: Visit) -> Found:
    """The plan for a request, as Page.answer makes it."""
    request, now = visit.request, gateway.clock()
    if request.method not in (b"GET", b"HEAD"):
        safe = request.method in SAFE
        after = "" if safe else "; when it succeeds, what is stored for this URL is invalid (RFC 9111 §4.4)"
        return {"plan": "forward", "reason": "method", "text": f"goes to the origin as it is{after}"}
    if visit.route.bypass:
        return {"plan": "forward", "reason": "bypass", "text": "goes to the origin as it is: cache.mode is bypass on this route"}
    shelf = gateway.store.shelf(visit.key)
    held = sum(1 for _ in shelf.entries()) if shelf is not None else 0
    entry, decision = gateway.page.lookup.look(visit, now)
    return _plan(decision, entry, request, now) | {"held": held}


def _plan(decision: Plan, entry: Entry | None, request: Request, now: float) -> Found:
    if isinstance(decision, Refuse):
        return {"plan": "refuse", "reason": "only-if-cached", "text": "504: only-if-cached, and nothing stored suits"}
    if isinstance(decision, Reuse) and not wants_part_of(decision.entry, request, now):
        return {
            "plan": "forward",
            "reason": "partial",
            "text": "goes to the origin: what is stored is a part, and not the one wanted",
        }
    if isinstance(decision, Reuse):
        return _reuse(decision, now)
    reason = decision.reason.value
    text = {
        "uri-miss": "goes to the origin: nothing is stored under this key",
        "vary-miss": "goes to the origin: what is stored under this key is for other values of what Vary names",
        "stale": "goes to the origin: what is stored is stale",
        "request": "goes to the origin: the request does not accept what is stored",
    }.get(reason, "goes to the origin")
    validated = entry is not None and bool(entry.etag or entry.modified)
    return {"plan": "forward", "reason": reason, "text": text + (", with a condition: a 304 renews it" if validated else "")}


def _reuse(decision: Reuse, now: float) -> Found:
    entry = decision.entry
    left = entry.fresh_until - now
    if not decision.stale:
        text = f"is answered from memory: fresh for another {_seconds(left)}"
    elif decision.refresh:
        text = f"is answered from memory, {_seconds(-left)} stale, while one request renews it (RFC 5861 §3)"
    else:
        text = f"is answered from memory, {_seconds(-left)} stale"
    return {"plan": "reuse", "reason": "hit", "text": text, "ttl": round(left, 1), "age": entry.age(now)}


# ── What came, and what becomes of it ────────────────────────────────────────────────────────────────────────────────────────────


def _about_the_answer(
    gateway: Gateway, visit: Visit, asked: OriginRequest, answered: OriginResponse, came: Fields, octets: int | None
) -> Found:
    took = answered.response_time - answered.request_time
    about: Found = {"answered": {"status": answered.status, "seconds": round(took, 4), "fields": _pairs(came), "octets": octets}}
    if visit.route.bypass or visit.request.method != b"GET":
        why = (
            "the route bypasses the cache" if visit.route.bypass else f"a response to {_text(visit.request.method)} is passed on"
        )
        return about | {
            "verdict": {"stored": False, "reason": "bypass" if visit.route.bypass else "method", "text": f"Not stored: {why}."}
        }
    case = gateway.forwarder.case_of(visit, answered)
    judgement = decide(case)
    about["governing"] = list(_governing(case))
    about["rules"] = [
        {"rule": rule.wish, "section": rule.section, "verdict": "stop" if stopped else "pass", "reason": rule.reason.value}
        for rule, stopped in steps(case)
    ]
    if isinstance(judgement, Stored) or judgement.reason in _TIMED:
        about["freshness"] = _freshness(case)
    if isinstance(judgement, NotStored):
        rule = about["rules"][-1]
        text = f"Not stored: {judgement.reason.value} ({rule['section']})."
        return about | {"verdict": {"stored": False, "reason": judgement.reason.value, "text": text}}
    return about | _about_the_stored(gateway, visit, asked, case, judgement)


def _about_the_stored(gateway: Gateway, visit: Visit, asked: OriginRequest, case: Case, terms: Stored) -> Found:
    entry, _ = gateway.page.lookup.look(visit, gateway.clock())
    about: Found = {
        "vary": [
            {"field": _text(name), "value": None if value is None else _text(value)}
            for name, value in zip(terms.vary, nominated_values(terms.vary, asked.fields), strict=True)
        ]
    }
    if entry is None:
        return about | {
            "verdict": {
                "stored": False,
                "reason": "not-whole",
                "text": "Not stored: the content did not come whole, or was too large.",
            }
        }
    about["tags"] = [_text(tag) for tag in entry.tags]
    about["compression"] = _compression(visit, case, entry, terms)
    left = max(0.0, terms.lifetime - (case.response_time - terms.born))
    if terms.validate:
        how = "and validated before each use"
    elif left:
        how = f"for {_seconds(left)}"
    else:
        how = "stale from the start, to be validated"
    text = f"Stored {how}, under {key_text(visit.key)}."
    return about | {"verdict": {"stored": True, "reason": "", "text": text, "bytes": entry.cost}}


def _governing(case: Case) -> Iterator[Found]:
    """Each field that may govern, in order of precedence, and what became of it. RFC 9213 §2.2."""
    source = case.directives.source
    names = [*case.policy.targeted_fields, *([b"surrogate-control"] if case.policy.surrogate_control else []), b"cache-control"]
    passed = False
    for name in names:
        value = case.said.joined(name)
        if name == source:
            verdict, passed = "governs", True
        elif value is None:
            verdict = "absent"
        elif passed:
            verdict = f"not looked at: {_text(source)} goes first (RFC 9213 §2.2)"
        else:
            verdict = "passed over: empty, malformed, or nothing in it about storing"
        yield {"field": _text(name), "value": None if value is None else _text(value), "verdict": verdict}
    if not source:
        yield {"field": "", "value": None, "verdict": "none governs: the response says nothing"}


def _freshness(case: Case) -> Found:
    terms, policy, directives = case.terms, case.policy, case.directives
    age = max(0.0, case.response_time - terms.born)
    told = case.said.get(b"age")
    lifetime, source = find_lifetime(case.status, case.said, directives, terms.date, policy)
    field = _text(directives.source)
    sources = {
        LifetimeSource.S_MAXAGE: f"s-maxage in {field} (RFC 9111 §4.2.1)",
        LifetimeSource.MAX_AGE: f"max-age in {field} (RFC 9111 §4.2.1)",
        LifetimeSource.EXPIRES: "Expires less Date (RFC 9111 §4.2.1)",
        LifetimeSource.STATUS: f"nothing is said, and a {case.status} may not be guessed (RFC 9110 §15.1)",
        LifetimeSource.HEURISTIC: f"nothing is said: {policy.heuristic_fraction:.0%} of the time since Last-Modified (RFC 9111 §4.2.2)",
        LifetimeSource.DEFAULT: "nothing is said: cache.default_ttl",
    }
    windows = terms.windows
    return {
        "age": round(age, 3),
        "age_from": f"{'Date' if told is None else f'Age {_text(told)}, Date'} and the time it took (RFC 9111 §4.2.3)",
        "lifetime": round(lifetime, 3),
        "lifetime_from": sources[source],
        "validate": terms.validate,
        "stale_while_revalidate": windows.while_revalidate,
        "stale_while_revalidate_from": _window_source(case, "stale-while-revalidate"),
        "stale_if_error": windows.if_error,
        "stale_if_error_from": _window_source(case, "stale-if-error"),
        "stale_on_request": windows.on_request,
    }


def _window_source(case: Case, name: str) -> str:
    """Where a stale window comes from. RFC 9111 §4.2.4, RFC 5861."""
    forbidden = sorted(case.directives.flags & {"must-revalidate", "proxy-revalidate", "no-cache"})
    if forbidden:
        return f"forbidden by {forbidden[0]} (RFC 9111 §4.2.4)"
    if name in case.directives.numbers:
        return f"{name} in {_text(case.directives.source)} (RFC 5861 {'§3' if name.endswith('revalidate') else '§4'})"
    if "s-maxage" in case.directives.numbers and not case.directives.targeted:
        return "s-maxage forbids what is not said (RFC 9111 §5.2.2.10)"
    return f"cache.{name.replace('-', '_')}"


def _compression(visit: Visit, case: Case, entry: Entry, terms: Stored) -> Found:
    compression = visit.route.compression
    why_not = why_not_compressed(entry.status, case.said, len(entry.body), compression, transform=terms.transform)
    coding = None if why_not else preferred_coding(first(visit.request.fields, b"accept-encoding"), compression.codings)
    return {
        "codings": [] if why_not else [_text(each) for each in compression.codings],
        "why_not": why_not,
        "for_this_request": None if coding is None else _text(coding),
        "octets": len(entry.body),
    }


def _pairs(fields: Fields) -> list[list[str]]:
    return [[_text(name), _text(value)] for name, value in fields]


def _text(octets: bytes) -> str:
    return octets.decode("latin-1")


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s".replace(".0 s", " s")
