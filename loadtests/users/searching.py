"""Somebody who searches. Words repeat as they do on any site: a few are asked for by everybody, most by few. The long tail is what misses."""

from __future__ import annotations

from locust import between, tag, task

from users.shop import SHOP, Visitor

__all__ = ["Searcher"]


class Searcher(Visitor):
    """Types a word, looks at what comes."""

    wait_time = between(1.0, 3.0)

    @tag("search")
    @task
    def search(self) -> None:
        """One word, sometimes two."""
        words = self.popular(SHOP.words)
        if self.popular(["one", "two"], 3.0) == "two":
            words += f"+{self.popular(SHOP.words)}"
        self.page(f"/search?q={words}", "/search?q=WORDS")
