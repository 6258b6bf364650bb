"""The cart: a small value that lives in a cookie, `slug.count~slug.count`. No session, no store, no clock.

What a client sends is only ever looked up, never believed: unknown products are dropped, counts are bounded, nonsense is an empty cart.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.demo.catalogue import Catalogue, Product

__all__ = ["COOKIE", "Line", "Summary", "decode_basket", "encode_basket", "lines_of", "summary_of", "with_more", "without"]

COOKIE = "basket"
MAX_LINES = 24
"""Distinct products; keeps the cookie under a kilobyte."""
MAX_COUNT = 9
"""Of one product."""

Basket = dict[str, int]


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the cart; `total` in cents."""

    product: Product
    count: int

    @property
    def total(self) -> int:
        """Price times count."""
        return self.product.price * self.count


@dataclass(frozen=True, slots=True)
class Summary:
    """The cart in a word: how many things, and their price in cents."""

    count: int
    total: int


def decode_basket(cookie: str, catalogue: Catalogue) -> Basket:
    """Slugs and counts of the products that exist. Never raises."""
    basket: Basket = {}
    for part in cookie[:4096].split("~"):
        slug, _, count = part.rpartition(".")
        number = int(count[:4]) if count.isascii() and count.isdigit() else 0
        if number and slug in catalogue.products and len(basket) < MAX_LINES:
            basket[slug] = min(MAX_COUNT, number)
    return basket


def encode_basket(basket: Basket) -> str:
    """The value of the cookie; only characters that need no quoting (RFC 6265 §4.1.1)."""
    return "~".join(f"{slug}.{count}" for slug, count in basket.items())


def with_more(basket: Basket, slug: str, count: int) -> Basket:
    """The basket with count more of a product, within the bounds; a full basket stays as it is."""
    if slug not in basket and len(basket) >= MAX_LINES:
        return basket
    return basket | {slug: max(1, min(MAX_COUNT, basket.get(slug, 0) + count))}


def without(basket: Basket, slug: str) -> Basket:
    """The basket without a product."""
    return {other: count for other, count in basket.items() if other != slug}


def lines_of(basket: Basket, catalogue: Catalogue) -> list[Line]:
    """The rows to show, in the order in which they were added."""
    return [Line(catalogue.products[slug], count) for slug, count in basket.items()]


def summary_of(lines: list[Line]) -> Summary | None:
    """What the header says of the cart; None of an empty one."""
    return Summary(sum(line.count for line in lines), sum(line.total for line in lines)) if lines else None
