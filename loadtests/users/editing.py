"""An editor: changes a price, purges its tag, and looks. What is shown after a purge must be the new price, for good: old content that comes back is a failure."""

from __future__ import annotations

import itertools
import os

from locust import between, tag, task

from users.shop import SHOP, Visitor

__all__ = ["Editor"]

_numbers = itertools.count()


class Editor(Visitor):
    """Needs WEFT_ADMIN_TOKEN (the shop's) and WEFT_PURGE_TOKEN (the gateway's); without them there are no editors. Each has products of their own."""

    wait_time = between(1.0, 2.0)
    weight = 1

    def on_start(self) -> None:
        """Take every tenth product."""
        super().on_start()
        self.mine = itertools.cycle(SHOP.products[next(_numbers) % 10 :: 10])
        self.prices = itertools.count(1_000)

    @tag("edit")
    @task
    def change_a_price(self) -> None:
        """A hard purge: the next answer is new, and so is the one after it."""
        path, cents = next(self.mine), next(self.prices)
        shown = f"€{cents // 100}.{cents % 100:02d}"
        tags = self._edit(path, f"{cents / 100:.2f}")
        if tags and self._purge(tags[0]):
            for _ in range(2):
                self.get(path, "/p/PRODUCT (after a purge)", must_hold=shown)

    def _edit(self, path: str, price: str) -> list[str]:
        """The tags that the change touches, [] when it failed."""
        with self.client.post(
            f"/admin/products/{path.removeprefix('/p/')}",
            name="/admin/products/PRODUCT",
            json={"price": price},
            headers={"Authorization": f"Bearer {os.environ['WEFT_ADMIN_TOKEN']}"},
            context={"page": None},
            catch_response=True,
        ) as response:
            if response.status_code != 200:
                response.failure(f"status {response.status_code}")
                return []
            return [str(each) for each in response.json()["tags"]]

    def _purge(self, key: str) -> bool:
        with self.client.post(
            "/_weft/purge",
            name="/_weft/purge",
            json={"tags": [key], "hard": True},
            headers={"Authorization": f"Bearer {os.environ['WEFT_PURGE_TOKEN']}"},
            context={"control": True},
            catch_response=True,
        ) as response:
            if response.status_code != 200:
                response.failure(f"status {response.status_code}")
            return bool(response.status_code == 200)
