"""The purge ledger: which stored responses are no longer wanted, without touching one of them.

A purge writes down one number, the ledger's next sequence, beside what it names: a tag, a URL, a route, everything, or a prefix. An entry
knows the sequence at the moment its fetch *began*; a purge with a later one hits it. So a purge costs the same for one entry and for a million, it
is atomic, it also hits entries that are still on their way, and there is no index that could leak.

    entry.checked ◀── last sequence up to which we know that nothing hit it; compared with ledger.sequence on each use

Sequences are this process's own. Where several processes share a level 2 they also share a log of purges, and places in it mean the same to all: `positions`
translates between the two (positions.py).
"""

from __future__ import annotations

from collections import OrderedDict
from enum import IntEnum
from typing import TypeAlias

from gateway.cache.entry import Entry
from gateway.cache.key import Key
from gateway.cache.positions import Positions

__all__ = ["Ledger", "Scope", "Verdict", "prefix_matches"]

Scope: TypeAlias = tuple[str, object]
"""("tag", b"news") | ("url", key) | ("route", "shop") | ("group", (scheme, host, b"group:name")) | ("all", None)."""


_MAX_PASSING = 10_000


class Verdict(IntEnum):
    """What purges since the last look mean for an entry; the higher wins."""

    KEEP = 0
    SOFT = 1
    HARD = 2


class Ledger:
    """All purges so far, in bounded space.

    limit: scopes remembered one by one. Beyond it the older half is forgotten in favour of a floor: entries that were not looked at since then count as
    purged. Purging too much is safe, too little is not.
    """

    __slots__ = ("_floor", "_floor_verdict", "_passing", "_prefixes", "_scopes", "limit", "positions", "sequence")

    def __init__(self, limit: int = 100_000) -> None:
        self.limit = limit
        self.sequence = 0
        self.positions = Positions()
        self._passing: OrderedDict[Key, int] = OrderedDict()
        self._scopes: dict[Scope, tuple[int, int]] = {}  # scope → (sequence of the last purge of any kind, of the last hard one)
        self._prefixes: list[tuple[int, Key, Verdict]] = []
        self._floor = 0
        self._floor_verdict = Verdict.SOFT

    def purge(self, scope: Scope, verdict: Verdict) -> int:
        """Note a purge; returns its sequence."""
        self.sequence += 1
        _, hard = self._scopes.pop(scope, (0, 0))  # popped: so that the dictionary's order is that of the last purge
        self._scopes[scope] = (self.sequence, self.sequence if verdict is Verdict.HARD else hard)
        if len(self._scopes) > self.limit:
            self._forget_older_scopes()
        return self.sequence

    def purge_prefix(self, prefix: Key, verdict: Verdict) -> int:
        """Note a purge of every key of that scheme and host whose target begins so; an empty scheme or host stands for any."""
        self.sequence += 1
        if self._prefixes and self._prefixes[-1][1] == prefix and self._prefixes[-1][2] <= verdict:
            self._prefixes.pop()  # whatever that one hits, this one hits too: a reload purges the same prefix each time
        self._prefixes.append((self.sequence, prefix, verdict))
        if len(self._prefixes) > 1_000:  # each is compared with each entry once: keep the list short
            dropped = self._prefixes[:500]
            del self._prefixes[:500]
            self._raise_floor(dropped[-1][0], max(verdict for _, _, verdict in dropped))
        return self.sequence

    def note_passing(self, key: Key) -> int:
        """A hard purge of one URL of which nothing is stored here: noted for the case that an old copy is on its way from level 2. Returns its sequence.

        The last ten thousand of these are kept, in a place of their own: a stranger's POSTs to a million URLs must not push out what the site has purged.
        """
        self.sequence += 1
        self._passing[key] = self.sequence
        self._passing.move_to_end(key)
        if len(self._passing) > _MAX_PASSING:
            self._passing.popitem(last=False)
        return self.sequence

    def verdict(self, entry: Entry) -> Verdict:
        """The strictest purge of entry since its last look; the entry is marked as looked at."""
        since = entry.checked
        if since == self.sequence:
            return Verdict.KEEP
        entry.checked = self.sequence
        return self._judge(entry.key, entry.route, entry.tags, since)

    def is_hit(self, key: Key, route: str, tags: tuple[bytes, ...], since: int) -> bool:
        """Whether a response with these marks, whose fetch began at sequence since, has been purged meanwhile."""
        return since != self.sequence and self._judge(key, route, tags, since) is not Verdict.KEEP

    def _judge(self, key: Key, route: str, tags: tuple[bytes, ...], since: int) -> Verdict:
        if self._passing and self._passing.get(key, 0) > since:
            return Verdict.HARD
        verdict = self._floor_verdict if since < self._floor else Verdict.KEEP
        scopes: list[Scope] = [("all", None), ("route", route), ("url", key)]
        for tag in tags:
            scopes.append(("tag", tag))
            if tag.startswith(b"group:"):
                scopes.append(("group", (key[0], key[1], tag)))  # groups belong to one origin. RFC 9875 §2
        for scope in scopes:
            last, hard = self._scopes.get(scope, (0, 0))
            if last > since:
                verdict = max(verdict, Verdict.HARD if hard > since else Verdict.SOFT)
        for sequence, prefix, kind in reversed(self._prefixes):
            if sequence <= since:
                break
            if prefix_matches(prefix, key):
                verdict = max(verdict, kind)
        return verdict

    def _forget_older_scopes(self) -> None:
        older = list(self._scopes.items())[: max(1, self.limit // 2)]
        for scope, _ in older:
            del self._scopes[scope]
        last, _ = older[-1][1]
        self._raise_floor(last, Verdict.HARD if any(hard for _, (_, hard) in older) else Verdict.SOFT)

    def _raise_floor(self, sequence: int, verdict: Verdict) -> None:
        self._floor = max(self._floor, sequence)
        self._floor_verdict = max(self._floor_verdict, verdict)


def prefix_matches(prefix: Key, key: Key) -> bool:
    """Whether key lies under prefix, part by part."""
    return prefix[0] in (b"", key[0]) and prefix[1] in (b"", key[1]) and key[2].startswith(prefix[2])
