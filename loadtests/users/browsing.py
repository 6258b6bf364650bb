"""Somebody who looks around: the front page, shelves, products, now and then the blog. Everything is shared, so nearly everything should be a hit."""

from __future__ import annotations

from locust import between, tag, task

from users.shop import SHOP, Visitor

__all__ = ["Browser"]


class Browser(Visitor):
    """Most visitors are this one."""

    wait_time = between(0.5, 2.0)

    @tag("browse")
    @task(2)
    def front_page(self) -> None:
        """The page that most visits begin with."""
        self.page("/", "/")

    @tag("browse")
    @task(4)
    def shelf_and_product(self) -> None:
        """A shelf, perhaps its next page, and something on it."""
        shelf = self.popular(SHOP.shelves, 1.5)
        self.page(shelf, "/c/SHELF")
        if self.popular(["no", "yes"], 1.0) == "yes":
            self.page(f"{shelf}?page=2", "/c/SHELF?page=2")
        self.page(self.popular(SHOP.products), "/p/PRODUCT")

    @tag("browse")
    @task(2)
    def product_from_an_advertisement(self) -> None:
        """The same page under an address with tracking parameters; where the gateway drops them it is one entry."""
        self.page(f"{self.popular(SHOP.products)}?utm_source=mail&utm_campaign=week", "/p/PRODUCT?utm_…")

    @tag("browse")
    @task(1)
    def blog(self) -> None:
        """The list, and one post."""
        self.page("/blog", "/blog")
        self.page(self.popular(SHOP.posts), "/blog/POST")
