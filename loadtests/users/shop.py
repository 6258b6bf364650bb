"""What every visitor knows of the shop: its addresses, learnt once from its own lists, and how a browser asks.

Nothing here is taken from the shop's code: a site of your own with a site map and the same few addresses will do.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field

from gevent.lock import BoundedSemaphore
from locust import FastHttpUser
from locust.contrib.fasthttp import FastResponse
from locust.exception import StopUser

__all__ = ["SHOP", "Visitor"]

_PLACES = re.compile(r"<loc>(?:https?://[^/<]+)?(/[^<]*)</loc>")
_BASKET = re.compile(r"data-basket-count>(\d+)<")
_FILES = re.compile(r'(?:src|href)="(/(?:pictures|static)/[^"]+)"')
_BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept": "text/html,application/xhtml+xml,*/*;q=0.8",
    "Accept-Language": "en-GB,en;q=0.7",
    "Accept-Encoding": "gzip, deflate, br",  # and no zstd: locust can't read it
}


@dataclass
class Shop:
    """Addresses by kind; words: what people search for; names: of products by address."""

    products: list[str] = field(default_factory=list)
    shelves: list[str] = field(default_factory=list)
    posts: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)


SHOP = Shop()
_learning = BoundedSemaphore()


class Visitor(FastHttpUser):
    """A browser: it keeps cookies, loads what a page needs, and asks conditionally for what it has."""

    abstract = True

    def on_start(self) -> None:
        """Come in. The first one looks around for all."""
        self.known: dict[str, str] = {}
        self.things = 0  # in the basket
        with _learning:
            if not SHOP.products:
                self._learn()

    def _learn(self) -> None:
        try:
            places = _PLACES.findall(self.get("/sitemap.xml", "/sitemap.xml").text or "")
            products = self.get("/api/products.json", "/api/products.json").json()["products"]
        except (KeyError, TypeError, ValueError) as error:
            self.environment.runner.quit()
            raise StopUser(f"{self.host} does not answer as the demo shop does") from error
        SHOP.shelves = [place for place in places if place.startswith("/c/")]
        SHOP.posts = [place for place in places if place.startswith("/blog/")]
        SHOP.words = sorted({word.lower() for product in products for word in product["name"].split() if len(word) > 3})
        random.Random(7).shuffle(SHOP.words)
        SHOP.names = {product["url"]: product["name"] for product in products}
        SHOP.products = [product["url"] for product in products if product["stock"]]

    def popular(self, places: list[str], bend: float = 3.0) -> str:
        """One of places: a few get most of the visits, the long tail gets the rest."""
        return places[int(len(places) * random.random() ** bend)]

    def get(self, path: str, name: str, *, shared: bool = True, must_hold: str = "") -> FastResponse:
        """Ask for path.

        name: its row in the table. shared: it is the same for everybody but for the basket in it, and counts for the hit ratio. must_hold: a text without
        which it has failed. A basket that the page shows must be ours.
        """
        headers = dict(_BROWSER)
        if path in self.known and not must_hold:
            headers["If-None-Match"] = self.known[path]
        with self.client.get(
            path,
            name=name,
            headers=headers,
            context={"page": path.partition("?utm_")[0] if shared else None},
            catch_response=True,
        ) as response:
            if response.status_code not in (200, 304):
                response.failure(f"status {response.status_code}")
            elif must_hold and must_hold not in (response.text or ""):
                response.failure("the content is not what it must be")
            elif set(_BASKET.findall(response.text or "")) - {str(self.things)}:
                response.failure("somebody else's basket")
            elif "ETag" in response.headers:
                self.known[path] = response.headers["ETag"]
        return response

    def page(self, path: str, name: str) -> None:
        """A shared page and the files that it names; those that the browser has are not asked for again."""
        response = self.get(path, name)
        if response.status_code == 200:
            files = [file.replace("&amp;", "&") for file in dict.fromkeys(_FILES.findall(response.text or ""))]
            for file in [file for file in files if file not in self.known][:8]:
                self.get(file, "/pictures, /static")
