"""Somebody who buys. The basket lives in a cookie, so these pages are for one person: a hit among them would be somebody else's basket."""

from __future__ import annotations

import html

from locust import between, tag, task

from users.shop import SHOP, Visitor

__all__ = ["Buyer"]


class Buyer(Visitor):
    """Puts things in a basket and sees that it is their own."""

    wait_time = between(1.0, 3.0)

    @tag("cart")
    @task
    def buy(self) -> None:
        """A product, into the basket, out again; the basket must show just what was put in, and so must the shared page where it has a basket in it."""
        path = self.popular(SHOP.products, 1.0)
        product = path.removeprefix("/p/")
        self.page(path, "/p/PRODUCT")
        self._post("/cart/add", {"product": product, "count": "1"}, things=1)
        self.page(path, "/p/PRODUCT (with a basket)")
        self.get("/cart", "/cart", shared=False, must_hold=html.escape(SHOP.names[path]))
        self.get("/checkout", "/checkout", shared=False)
        self._post("/cart/remove", {"product": product}, things=0)

    def _post(self, path: str, form: dict[str, str], *, things: int) -> None:
        """things: in the basket from now on."""
        with self.client.post(
            path,
            name=path,
            data="&".join(f"{name}={value}" for name, value in form.items()),
            headers={"Content-Type": "application/x-www-form-urlencoded", "Origin": self.host.rstrip("/")},
            context={"page": None},
            allow_redirects=False,
            catch_response=True,
        ) as response:
            if response.status_code != 303:
                response.failure(f"status {response.status_code}")
            else:
                self.things = things
                response.success()
