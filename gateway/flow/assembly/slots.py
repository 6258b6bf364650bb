"""Slots: fragments that the gateway makes itself, by URL. What is asked for over HTTP and what a page includes comes through here, so it is the same.

    /_weft/slots/NAME?query ─▶ catalogue's slot ─▶ what it needs ─▶ kept? ─▶ rendered ─▶ an Entry: content, and what it says to whom

A rendered slot is a stored response like any other: in the same store, under its URL, with the audience in the place of what `Vary` selects by, so
purges, bounds and the hot lane know it. What is for one visitor is never put there. No call waits.
"""

from __future__ import annotations

import logging
import re
from hashlib import blake2b
from urllib.parse import parse_qsl

from fragments.catalogue import Catalogue, Rendered, Slot, SlotFailed
from gateway.cache.entry import Entry
from gateway.cache.freshness import StaleWindows
from gateway.cache.key import Key
from gateway.cache.memory_store import MAX_FREQUENCY
from gateway.cache.policy import Stored
from gateway.cache.purges import Ledger, Verdict
from gateway.cache.store import Store
from gateway.cache.targeted import Directives
from gateway.cache.variant import NominatedValues, VaryNames
from gateway.flow.assembly.inclusion import Destination, NotIncluded
from gateway.flow.routes import Routes
from gateway.semantics.dates import format_date
from gateway.semantics.message import Fields, joined
from gateway.semantics.negotiation import normal_languages, weighted

__all__ = ["SLOTS", "Slots"]

logger = logging.getLogger(__name__)

SLOTS = b"/_weft/slots/"
"""Below it every name is a slot's."""

_FIELD_OF = {"language": b"accept-language"}
"""Where a dimension of the audience comes from, as caches behind us can see it."""
_TAG = re.compile(rb"[a-z]{1,8}(?:-[a-z0-9]{1,8}){0,4}")
_MAX_PARAMETERS = 100
_MAX_TOLD = 1_000


class Slots:
    """languages: the site's, best first; () when any will do. retired: other slots have taken over, and nothing more is kept. Raises nothing when built."""

    def __init__(
        self, catalogue: Catalogue, store: Store, ledger: Ledger, routes: Routes, languages: tuple[str, ...] = ()
    ) -> None:
        self.catalogue = catalogue
        self._store = store
        self._ledger = ledger
        self._routes = routes
        self._languages = tuple(language.encode("ascii") for language in languages)
        self._told: set[tuple[str, str, str]] = set()
        self.retired = False

    def find(self, target: bytes) -> Slot | None:
        """The slot of a request target; None when there is none."""
        path = target.partition(b"?")[0]
        return self.catalogue.slots.get(path[len(SLOTS) :].decode("latin-1")) if path.startswith(SLOTS) else None

    def key_for_all(self, place: Destination) -> Key | None:
        """Where a slot that is the same for everybody is kept; None for others."""
        slot = self.find(place.target)
        if slot is None or slot.audience or slot.scope != "public":
            return None
        return place.scheme, place.host, self._target(slot, place)[0]

    def answer(self, place: Destination, fields: Fields, now: float, *, anew: bool = False) -> Entry:
        """What stands at place, for who sends these fields. anew: nothing that is kept will do, and nothing is kept.

        Raises NotIncluded where nothing can, SlotFailed. now: epoch seconds.
        """
        slot = self.find(place.target)
        if slot is None:
            raise NotIncluded("the gateway has no slot of this name", "no_such_fragment")
        target, route = self._target(slot, place)
        data = self._data(slot, place.host, target, fields)
        key: Key = place.scheme, place.host, target
        vary: VaryNames = tuple(_FIELD_OF[dimension] for dimension in sorted(slot.audience))
        nominated: NominatedValues = tuple(str(data[dimension]).encode("utf-8") for dimension in sorted(slot.audience))
        keeps = slot.lifetime > 0 and slot.scope != "visitor" and not (anew or self.retired)
        if keeps and (kept := self._kept(key, vary, nominated, now)) is not None:
            return kept
        stamp = self._ledger.sequence
        rendered = self._rendered(slot, data)
        terms = _terms(rendered, vary, now)
        entry = Entry(
            key, route, 200, _fields(rendered, vary, now), rendered.body, terms,
            nominated=nominated, tags=tuple(tag.encode("ascii") for tag in rendered.tags), stamp=stamp,
        )  # fmt: skip
        if keeps:
            self._store.put(entry)
        return entry

    def _kept(self, key: Key, vary: VaryNames, nominated: NominatedValues, now: float) -> Entry | None:
        shelf = self._store.shelf(key)
        entry = shelf.groups.get(vary, {}).get(nominated) if shelf is not None else None
        if entry is None or now >= entry.fresh_until:
            return None
        if self._ledger.verdict(entry) is not Verdict.KEEP:  # nothing to be gained from a stale one: the new one is here at once
            self._store.drop(entry)
            return None
        if entry.frequency < MAX_FREQUENCY:
            entry.frequency += 1
        return entry

    def _target(self, slot: Slot, place: Destination) -> tuple[bytes, str]:
        """The part of its key that is the request target, by the rules of the route that takes it; and that route's name."""
        route = self._routes.find(place.host, place.target)
        target = route.query.apply(place.target) if route is not None else place.target
        if "query" not in slot.needs:
            target = target.partition(b"?")[0]
        return target, route.name if route is not None else ""

    def _data(self, slot: Slot, host: bytes, target: bytes, fields: Fields) -> dict[str, object]:
        """What the slot needs, or has in its audience. Raises NotIncluded."""
        path, _, query = target.decode("latin-1").partition("?")
        data: dict[str, object] = {"host": host.decode("latin-1"), "path": path}
        if "language" in (*slot.needs, *slot.audience):
            data["language"] = self._language(fields)
        if "query" in slot.needs:
            try:
                pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS, errors="replace")
            except ValueError as error:
                raise NotIncluded(f"the query has more than {_MAX_PARAMETERS} parameters", "bad_url") from error
            data["query"] = dict(reversed(pairs))  # of several with one name the first
        return data

    def _language(self, fields: Fields) -> str:
        """Of the site's languages the one that suits best; where it names none, the first that the client accepts, in lower case; "" when it says nothing."""
        accept = joined(fields, b"accept-language")
        if self._languages:
            return (normal_languages(accept, self._languages) or b"").decode("ascii")
        wishes = [(name, weight) for name, weight in weighted(accept or b"") if weight > 0 and _TAG.fullmatch(name)]
        return max(wishes, key=lambda wish: wish[1])[0].decode("ascii") if wishes else ""

    def _rendered(self, slot: Slot, data: dict[str, object]) -> Rendered:
        try:
            return self.catalogue.render(slot.name, data)
        except SlotFailed as failure:
            fault = (slot.name, failure.reason, failure.place)
            if (
                fault not in self._told and len(self._told) < _MAX_TOLD
            ):  # each place of a template once: a visitor can make it fail at will
                self._told.add(fault)
                logger.warning("slot failed", extra={"slot": slot.name, "reason": failure.reason, "place": failure.place})
            raise


def _fields(rendered: Rendered, vary: VaryNames, now: float) -> Fields:
    """The header section: what it says to browsers and to caches behind us."""
    control = {
        "public": b"public, max-age=%d" % rendered.lifetime if rendered.lifetime else b"public, no-cache",
        "audience": b"private, no-cache",  # who is alike in the audience is for us to tell
        "visitor": b"private, no-store",
    }[rendered.scope]
    fields = [
        (b"date", format_date(now)),
        (b"content-type", b"text/html; charset=utf-8"),
        (b"cache-control", control),
        (b"etag", b'"%s"' % blake2b(rendered.body, digest_size=12).hexdigest().encode("ascii")),
        (b"x-content-type-options", b"nosniff"),
    ]
    if vary:
        fields.append((b"vary", b", ".join(vary)))
    return fields


def _terms(rendered: Rendered, vary: VaryNames, now: float) -> Stored:
    flags = frozenset({"public"}) if rendered.scope == "public" else frozenset()
    return Stored(
        Directives(b"cache-control", {"max-age": int(rendered.lifetime)}, flags),
        born=now,
        date=now,
        lifetime=rendered.lifetime,
        windows=StaleWindows(0.0, 0.0, on_request=False),
        explicit=True,
        vary=vary,
    )
