"""What a run must keep to pass: shares, never times. A share means the same on a laptop and on a big machine; a number of milliseconds does not.

Tally  ◀── one `note` for each response             pure: nothing of locust here, so that a test can feed it
  └─ broken(budget) ──▶ one line for each broken promise, [] when all were kept
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

__all__ = ["BUDGETS", "Budget", "Tally", "cache_word"]

_OURS = re.compile(r"(?:^|,)\s*Weft\s*;\s*([^,]*)")


def cache_word(cache_status: str | None) -> str:
    """What the gateway says of itself in `Cache-Status`: `hit`, or the reason why it forwarded; "none" when it says nothing."""
    found = _OURS.findall(cache_status or "")
    if not found:
        return "none"
    word = str(found[-1]).partition(";")[0].strip()
    return word.removeprefix("fwd=")


@dataclass(frozen=True, slots=True)
class Budget:
    """The promises of one scenario.

    errors      largest share of requests that may fail (status, content, or broken connection)
    hits        smallest share of hits among answers to shared pages that somebody had asked for before in this run
    silent      largest share of answers without our Cache-Status
    least       fewest requests for the run to say anything at all
    """

    errors: float = 0.001
    hits: float = 0.9
    silent: float = 0.0
    least: int = 100


BUDGETS = {
    "calm": Budget(hits=0.9),
    "sale": Budget(hits=0.95),
    "newsroom": Budget(hits=0.85),
}
"""By scenario. Where editors purge, the first visitor after them misses, and so do those on every other page that shows the product."""


@dataclass(slots=True)
class Tally:
    """What came back, by outcome word.

    first       shared pages, asked for the first time in this run: an empty cache can't have them
    shared      shared pages, asked for again
    private     pages that are for one visitor
    failed      by what was wrong
    """

    first: Counter[str] = field(default_factory=Counter)
    shared: Counter[str] = field(default_factory=Counter)
    private: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    seen: set[str] = field(default_factory=set)

    def note(self, page: str | None, cache_status: str | None, failure: str = "") -> None:
        """Count one response, or its absence. page: what names a shared page, None for a private one."""
        if page is None:
            counts = self.private
        elif page in self.seen:
            counts = self.shared
        else:
            self.seen.add(page)
            counts = self.first
        counts[cache_word(cache_status)] += 1
        if failure:
            self.failed[failure] += 1

    @property
    def requests(self) -> int:
        """All of them."""
        return self.first.total() + self.shared.total() + self.private.total()

    @property
    def hit_share(self) -> float:
        """Of shared pages that were asked for again, 0 while there were none. A stale page served during its renewal is a hit."""
        return self.shared["hit"] / self.shared.total() if self.shared else 0.0

    def broken(self, budget: Budget) -> list[str]:
        """One line for each promise that was not kept."""
        lines = []
        requests = self.requests
        if requests < budget.least:
            return [f"too few requests to judge: {requests}, expected at least {budget.least}"]
        if self.failed.total() > budget.errors * requests:
            causes = "; ".join(f"{count} x {cause}" for cause, count in self.failed.most_common(3))
            lines.append(f"errors: {self.failed.total()} of {requests}, expected at most {budget.errors:.2%}: {causes}")
        if self.hit_share < budget.hits:
            lines.append(
                f"hits: {self.hit_share:.1%} of {self.shared.total()} shared pages asked for again, expected at least {budget.hits:.0%}"
            )
        silent = self.first["none"] + self.shared["none"] + self.private["none"] - self.failed.total()
        if silent > budget.silent * requests:
            lines.append(f"Cache-Status: missing {silent} times in {requests}, expected at most {budget.silent:.2%}")
        if self.private["hit"]:
            lines.append(f"privacy: {self.private['hit']} answers for one visitor came from the cache, expected none")
        return lines
