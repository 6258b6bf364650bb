"""What the shop sells: 240 products in eight categories, and the journal.

Everything follows from the words in `goods.py` and a hash of each product's slug, so two starts, two processes and two machines
have the same shop. The one thing that changes is what an editor changes (`Catalogue.revise`); the clock is an argument there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, TypeVar

from gateway.demo.goods import CATEGORIES, COLOURS, Category, Colour, Kind
from gateway.demo.journal import POSTS, Post

__all__ = ["RELEASED", "SORTS", "Catalogue", "Product", "build_catalogue"]

OPENED = 1_704_067_200
"""2024-01-01: no product is older. The youngest is from the end of 2025."""

RELEASED = 1_767_225_600
"""2026-01-01: when drawings, texts and templates last changed, and so the earliest `Last-Modified` of a page. Raise it with them."""

_TWO_YEARS = 2 * 365 * 86_400

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Product:
    """One thing one can buy.

    price      euro cents
    rating     0.0 to 5.0, one decimal
    updated    epoch seconds of the last edit
    related    slugs, best first
    """

    slug: str
    name: str
    category: str
    kind: Kind
    colour: Colour
    material: str
    price: int
    rating: float
    reviews: int
    stock: int
    description: str
    tags: tuple[str, ...]
    related: tuple[str, ...]
    updated: int

    @property
    def words(self) -> str:
        """What a search looks at, folded."""
        return " ".join((self.name, self.category, self.colour.name, self.material, *self.tags, self.description)).casefold()


SORTS: dict[str, tuple[str, Callable[[Product], Any]]] = {
    "popular": ("Most loved", lambda product: (-product.rating * product.reviews, product.slug)),
    "rating": ("Best rated", lambda product: (-product.rating, -product.reviews, product.slug)),
    "price-low": ("Price, low to high", lambda product: (product.price, product.slug)),
    "price-high": ("Price, high to low", lambda product: (-product.price, product.slug)),
    "new": ("Newest", lambda product: (-product.updated, product.slug)),
}
"""Orders a list may be shown in: label and sort key. The first is the default; the slug breaks every tie."""


class Catalogue:
    """Products, categories and posts by slug, in shop order."""

    def __init__(self, categories: tuple[Category, ...], products: list[Product], posts: tuple[Post, ...]) -> None:
        self.categories = {category.slug: category for category in categories}
        self.products = {product.slug: product for product in products}
        self.posts = {post.slug: post for post in posts}

    @property
    def updated(self) -> int:
        """Epoch seconds of the newest edit of anything, RELEASED when there was none."""
        return max(RELEASED, *(product.updated for product in self.products.values()))

    def shelf(self, category: str, sort: str) -> list[Product]:
        """All products of a category, in one of SORTS."""
        found = [product for product in self.products.values() if product.category == category]
        return sorted(found, key=SORTS[sort][1])

    def featured(self) -> list[Product]:
        """The best loved product of each category: what the home page shows."""
        return [self.shelf(slug, "popular")[0] for slug in self.categories]

    def newest(self, count: int) -> list[Product]:
        """The latest additions, newest first."""
        return sorted(self.products.values(), key=SORTS["new"][1])[:count]

    def search(self, query: str) -> list[Product]:
        """Products in which every word of the query occurs; those with a word in the name come first. No words, no products."""
        words = query.casefold().split()
        if not words:
            return []
        found = [product for product in self.products.values() if _has_all(product.words, words)]
        return sorted(
            found, key=lambda product: (-sum(word in product.name.casefold() for word in words), -product.rating, product.slug)
        )

    def revise(
        self, slug: str, now: float, *, name: str | None = None, price: int | None = None, stock: int | None = None
    ) -> Product:
        """Edit a product in place and return it. KeyError when there is no such product.

        now: epoch seconds. Two edits within one second still get different times, so that `Last-Modified` alone can tell them apart.
        """
        old = self.products[slug]
        new = replace(
            old,
            name=old.name if name is None else name,
            price=old.price if price is None else price,
            stock=old.stock if stock is None else stock,
            updated=max(int(now), old.updated + 1, RELEASED + 1),
        )
        self.products[slug] = new
        return new


def build_catalogue() -> Catalogue:
    """The shop as it is on every first day."""
    products = [
        _make(category, kind, line, place)
        for category in CATEGORIES
        for line in category.lines
        for place, kind in enumerate(category.kinds)
    ]
    return Catalogue(CATEGORIES, products, POSTS)


def _has_all(text: str, words: list[str]) -> bool:
    return all(word in text for word in words)


def _make(category: Category, kind: Kind, line: str, place: int) -> Product:
    slug = _slug(line, kind)
    # Stepping through the colours, not drawing lots: neighbours on a shelf differ.
    colour = COLOURS[(category.lines.index(line) * 3 + place * 5 + len(category.slug)) % len(COLOURS)]
    material = _choose(category.materials, slug, "material")
    # From 0.7 to 1.45 of the middle price, and every third one ends in .50, so that it does not look computed.
    euros = round(kind.price * (70 + _number(slug, "price", 76)) / 100)
    opener = _choose(category.openers, slug, "opener")
    closer = _choose(category.closers, slug, "closer")
    tags = {_choose(category.tags, slug, "tag"), _choose(category.tags, slug, "other tag")}
    return Product(
        slug=slug,
        name=f"{line} {kind.noun}",
        category=category.slug,
        kind=kind,
        colour=colour,
        material=material,
        price=euros * 100 + (50 if _number(slug, "cents", 3) == 0 else 0),
        rating=(36 + _number(slug, "rating", 14)) / 10,
        reviews=3 + _number(slug, "reviews", 240),
        stock=max(0, _number(slug, "stock", 64) - 4),
        description=f"{opener} {kind.detail} {closer}",
        tags=tuple(sorted(tags)),
        related=_related(category, line, place),
        updated=OPENED + _number(slug, "updated", _TWO_YEARS),
    )


def _related(category: Category, line: str, place: int) -> tuple[str, ...]:
    """The other kinds of the same line, then the same kind of the next two lines."""
    at = category.lines.index(line)
    same_line = [_slug(line, kind) for kind in category.kinds if kind is not category.kinds[place]]
    same_kind = [_slug(category.lines[(at + step) % len(category.lines)], category.kinds[place]) for step in (1, 2)]
    return (*same_line, *same_kind)


def _slug(line: str, kind: Kind) -> str:
    return f"{line} {kind.noun}".lower().replace(" ", "-")


def _number(slug: str, what: str, below: int) -> int:
    """An arbitrary number in [0, below) that depends on its arguments only. Python's own hash() differs from start to start."""
    digest = blake2b(f"{what}\0{slug}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) % below


def _choose(options: tuple[T, ...], slug: str, what: str) -> T:
    return options[_number(slug, what, len(options))]
