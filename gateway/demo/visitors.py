"""A crowd on demand: a bounded burst of visits, so that there is something to see.

It knows paths and a callable that visits one; what a visit is (a call into the flow, a request over a socket) is the caller's business.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

from gateway.demo.catalogue import Catalogue

__all__ = ["Burst", "Visit", "popular_paths", "run_burst"]

Visit = Callable[[str], Awaitable[object]]
"""Ask for one path and read the answer. May raise; the crowd does not mind."""


@dataclass(frozen=True, slots=True)
class Burst:
    """How big a crowd is: `visits` in all, spread over `seconds`, never more than `at_once` under way; after `patience` more seconds it goes home."""

    visits: int = 200
    seconds: float = 5.0
    at_once: int = 20
    patience: float = 10.0


def popular_paths(catalogue: Catalogue) -> list[str]:
    """Every page of the shop, the most visited first."""
    shelves = [f"/c/{slug}" for slug in catalogue.categories]
    posts = [f"/blog/{slug}" for slug in catalogue.posts]
    loved = zip_longest(
        *([f"/p/{product.slug}" for product in catalogue.shelf(slug, "popular")] for slug in catalogue.categories)
    )
    products = [path for path in chain.from_iterable(loved) if path]
    return ["/", *shelves[:4], *products[:12], "/blog", *shelves[4:], *posts[:3], *products[12:], *posts[3:]]


async def run_burst(visit: Visit, paths: Sequence[str], burst: Burst, chance: Callable[[], float] = random.random) -> int:
    """Send the crowd; returns how many visits succeeded.

    paths       the most popular first: a few get most of the visits, the long tail gets the rest, as on any site
    chance      numbers in [0, 1)
    """
    seats = asyncio.Semaphore(burst.at_once)
    pleased = 0

    async def one(path: str) -> None:
        nonlocal pleased
        async with seats:
            # A visit that fails shows among the gateway's errors; here it is one visitor less.
            with contextlib.suppress(Exception):
                await visit(path)
                pleased += 1

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(burst.seconds + burst.patience), asyncio.TaskGroup() as crowd:
            for _ in range(burst.visits):
                crowd.create_task(one(paths[int(len(paths) * chance() ** 4)]))
                await asyncio.sleep(burst.seconds / burst.visits)
    return pleased
