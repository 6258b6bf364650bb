"""The shop: an ordinary ASGI application that has never heard of a gateway.

It says what HTTP lets an origin say (lifetimes, validators, tags) and leaves the rest to whoever stands in front.
Two kinds of pages: shared ones, equal for everybody and never a word about the visitor, and private ones (basket, checkout), never stored.

A request that says who assembles (`Surrogate-Capability`) gets shared pages with ESI includes in them; every other one gets them whole.

    page ─▶ /fragments/header/<where> ─▶ /fragments/cart      this one for one visitor, and only for who has a basket
         ─▶ /fragments/related/<product>
         ─▶ /fragments/footer
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway.demo import answers, basket, pictures
from gateway.demo.catalogue import RELEASED, SORTS, Catalogue, Product, build_catalogue
from gateway.demo.editing import create_editing
from gateway.demo.posted import PostError, is_same_site, read_posted

__all__ = ["PER_PAGE", "create_shop"]

PER_PAGE = 12
SEARCH_RESULTS = 24
SHARES = {"header": 0.2, "related": 0.4, "footer": 0.1, "cart": 0.1}
"""Of the time that a whole page takes, what each of its pieces has in it; the basket takes its own."""

_MEDIA = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_HTML = "text/html"

_PROBLEMS = {
    403: ("That came from elsewhere", "The form was sent by another site, so we did not act on it."),
    404: ("We looked everywhere", "There is nothing at this address. It may have been sold, renamed, or never woven."),
    405: ("Not this way", "This address is real, but it does not take that kind of request."),
    409: ("Someone was faster", "This product is sold out at the moment."),
    500: ("A thread broke", "Something went wrong on our side. Trying again in a moment usually helps."),
}
_OTHER_PROBLEM = ("That did not work", "We could not make sense of this request.")

T = TypeVar("T")


def create_shop(
    *,
    catalogue: Catalogue | None = None,
    delay: float = 0.08,
    admin_token: str = "",
    public_url: str = "",
    clock: Callable[[], float] = time.time,
) -> Starlette:
    """The whole shop as an ASGI application.

    delay           seconds that each full HTML page takes, as with a real CMS; a 304 takes none
    admin_token     opens POST /admin/products/<slug>; empty: there is no such address
    public_url      scheme and host for the site map; empty: as the request says
    clock           epoch seconds, for the time of an edit
    """
    shop = _Shop(catalogue or build_catalogue(), delay, public_url)
    problems = {HTTPException: shop.refused, PostError: shop.unreadable, Exception: shop.broken}
    return Starlette(
        routes=[
            Route("/", shop.home),
            Route("/c/{slug}", shop.category),
            Route("/p/{slug}", shop.product),
            Route("/search", shop.search),
            Route("/blog", shop.blog),
            Route("/blog/{slug}", shop.post),
            Route("/fragments/header", shop.header),
            Route("/fragments/header/{here}", shop.header),
            Route("/fragments/related/{slug}", shop.related),
            Route("/fragments/footer", shop.footer),
            Route("/fragments/cart", shop.mini_cart),
            Route("/cart", shop.cart),
            Route("/cart/add", shop.add, methods=["POST"]),
            Route("/cart/remove", shop.remove, methods=["POST"]),
            Route("/checkout", shop.checkout),
            Route("/checkout", shop.order, methods=["POST"]),
            Route("/checkout/thanks", shop.thanks),
            Route("/pictures/{name}.svg", shop.picture),
            Route("/static/{name}", shop.static),
            Route("/api/products.json", shop.listing),
            Route("/robots.txt", shop.robots),
            Route("/sitemap.xml", shop.sitemap),
            *create_editing(shop.catalogue, admin_token, clock),
        ],
        exception_handlers=problems,  # type: ignore[arg-type]  # Starlette's type asks for handlers of bare Exception
    )


class _Shop:
    """The handlers, and what they share: catalogue, templates, static files. All of it is read-only but for the catalogue's edits."""

    def __init__(self, catalogue: Catalogue, delay: float, public_url: str) -> None:
        self.catalogue = catalogue
        self.delay = delay
        self.public_url = public_url.rstrip("/")
        folder = Path(__file__).parent / "static"
        self.files = {
            path.name: path.read_bytes()
            for path in folder.iterdir()
            if path.suffix in _MEDIA and path.name.split(".")[0] != "console"
        }
        self.versions = {name: answers.etag(body).strip('"')[:8] for name, body in self.files.items()}
        self.templates = Environment(
            loader=PackageLoader("gateway.demo"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self.templates.filters |= {"money": _money, "day": _day}
        self.templates.globals |= {
            "categories": list(catalogue.categories.values()),
            "delay_ms": round(delay * 1000),
            "here": "",
            "query": "",
            "woven": False,
            "cart": None,
            "static": lambda name: f"/static/{name}?v={self.versions[name]}",
        }

    # Shared pages

    async def home(self, request: Request) -> Response:
        featured, newest = self.catalogue.featured(), self.catalogue.newest(4)
        posts = list(self.catalogue.posts.values())[:3]
        values = {"featured": featured, "newest": newest, "posts": posts}
        return await self.page(
            request, "home.html", values, answers.PAGE, ("home",), (*featured, *newest), self.catalogue.updated
        )

    async def category(self, request: Request) -> Response:
        category = _found(self.catalogue.categories.get(request.path_params["slug"]))
        default = next(iter(SORTS))
        sort = request.query_params.get("sort", default)
        sort = sort if sort in SORTS else default
        everything = self.catalogue.shelf(category.slug, sort)
        pages = -(-len(everything) // PER_PAGE)
        page = _page_number(request.query_params.get("page", "1"), pages)
        shown = everything[(page - 1) * PER_PAGE : page * PER_PAGE]

        def address(page: int, sort: str) -> str:
            # Defaults are left out: one list, one address, one cache entry.
            chosen = {name: value for name, value in (("sort", sort), ("page", page)) if value not in {default, 1}}
            return f"/c/{category.slug}" + (f"?{urlencode(chosen)}" if chosen else "")

        values = {
            "category": category,
            "products": shown,
            "total": len(everything),
            "page": page,
            "pages": pages,
            "sort": sort,
            "sorts": SORTS,
            "address": address,
            "here": category.slug,
        }
        tags = (f"category-{category.slug}",)
        return await self.page(request, "category.html", values, answers.LIST, tags, shown, _newest_edit(everything))

    async def product(self, request: Request) -> Response:
        product = _found(self.catalogue.products.get(request.path_params["slug"]))
        category = self.catalogue.categories[product.category]
        related = [self.catalogue.products[slug] for slug in product.related]
        values = {"product": product, "category": category, "related": related, "here": category.slug}
        tags = (f"product-{product.slug}", f"category-{category.slug}")
        shown = [] if answers.is_woven(request) else related
        edited = _newest_edit([product, *shown])
        return await self.page(
            request, "product.html", values, answers.PAGE, tags, shown, edited, ("header", "related", "footer")
        )

    async def search(self, request: Request) -> Response:
        query = " ".join(request.query_params.get("q", "")[:80].split())
        found = self.catalogue.search(query)
        shown = found[:SEARCH_RESULTS]
        values = {"query": query, "products": shown, "total": len(found)}
        pieces = ("footer",) if query else ("header", "footer")  # what was searched for stands in the header
        return await self.page(
            request, "search.html", values, answers.LIST, ("search", "catalogue"), shown, self.catalogue.updated, pieces
        )

    async def blog(self, request: Request) -> Response:
        values = {"posts": list(self.catalogue.posts.values()), "here": "blog"}
        return await self.page(request, "blog.html", values, answers.PAGE, ("blog",), (), RELEASED)

    async def post(self, request: Request) -> Response:
        post = _found(self.catalogue.posts.get(request.path_params["slug"]))
        shelf = self.catalogue.shelf(post.category, "rating")
        values = {"post": post, "products": shelf[:4], "here": "blog"}
        tags = (f"post-{post.slug}", "blog")
        return await self.page(request, "post.html", values, answers.PAGE, tags, shelf[:4], _newest_edit(shelf))

    # Fragments: pieces of pages, for whoever assembles them

    async def header(self, request: Request) -> Response:
        here = request.path_params.get("here", "")
        if here and here not in (*self.catalogue.categories, "blog"):
            raise HTTPException(404)
        return await self.fragment(request, "header", {"here": here}, ("header",), (), RELEASED)

    async def related(self, request: Request) -> Response:
        product = _found(self.catalogue.products.get(request.path_params["slug"]))
        related = [self.catalogue.products[slug] for slug in product.related]
        return await self.fragment(request, "related", {"related": related}, ("related",), related, _newest_edit(related))

    async def footer(self, request: Request) -> Response:
        return await self.fragment(request, "footer", {}, ("footer",), (), RELEASED)

    async def mini_cart(self, request: Request) -> Response:
        started = time.perf_counter()
        response = answers.private(request, self.render("fragments/cart.html", cart=self.summary_of(request)))
        await self.dawdle(response, started, SHARES["cart"])
        return response

    # Basket: private, never stored

    async def cart(self, request: Request) -> Response:
        lines = basket.lines_of(self.basket_of(request), self.catalogue)
        return await self.own_page(request, "cart.html", {"lines": lines, "total": sum(line.total for line in lines)})

    async def add(self, request: Request) -> Response:
        form = await _own_form(request)
        product = _found(self.catalogue.products.get(form.get("product", "")))
        if product.stock == 0:
            raise HTTPException(409)
        count = form.get("count", "1")
        if not (count.isascii() and count.isdigit()):
            raise HTTPException(400)
        return _go("/cart", basket.with_more(self.basket_of(request), product.slug, int(count[:4])))

    async def remove(self, request: Request) -> Response:
        form = await _own_form(request)
        return _go("/cart", basket.without(self.basket_of(request), form.get("product", "")))

    async def checkout(self, request: Request) -> Response:
        lines = basket.lines_of(self.basket_of(request), self.catalogue)
        if not lines:
            return _go("/cart")
        values = {"done": False, "lines": lines, "total": sum(line.total for line in lines)}
        return await self.own_page(request, "checkout.html", values)

    async def order(self, request: Request) -> Response:
        await _own_form(request)  # and forgotten: this is a demonstration
        return _go("/checkout/thanks", {})

    async def thanks(self, request: Request) -> Response:
        return await self.own_page(request, "checkout.html", {"done": True})

    # Files and lists for machines

    async def picture(self, request: Request) -> Response:
        drawing = _found(self.draw(request.path_params["name"]))
        return answers.cacheable(request, drawing, "image/svg+xml", answers.FOREVER, tags=("pictures",), modified=RELEASED)

    def draw(self, name: str) -> bytes | None:
        """The picture of that name, None when there is none."""
        catalogue = self.catalogue
        if product := catalogue.products.get(name):
            return pictures.product_picture(product, catalogue.categories[product.category])
        if category := catalogue.categories.get(name.removeprefix("category-")):
            return pictures.category_picture(category)
        if post := catalogue.posts.get(name.removeprefix("post-")):
            return pictures.category_picture(catalogue.categories[post.category], accent=len(post.title))
        return pictures.cloth_picture() if name == "cloth" else None

    async def static(self, request: Request) -> Response:
        name = request.path_params["name"]
        body = _found(self.files.get(name))
        # Only the address that names this very version may be kept for ever.
        lifetime = answers.FOREVER if request.query_params.get("v") == self.versions[name] else answers.LIST
        return answers.cacheable(request, body, _MEDIA[Path(name).suffix], lifetime, tags=("static",), modified=RELEASED)

    async def listing(self, request: Request) -> Response:
        products = [
            {
                "slug": product.slug,
                "name": product.name,
                "category": product.category,
                "price": product.price / 100,
                "currency": "EUR",
                "stock": product.stock,
                "rating": product.rating,
                "url": f"/p/{product.slug}",
                "picture": f"/pictures/{product.slug}.svg",
            }
            for product in self.catalogue.products.values()
        ]
        body = json.dumps({"products": products}, ensure_ascii=False, separators=(",", ":")).encode()
        return answers.cacheable(
            request, body, "application/json", answers.LIST, tags=("catalogue",), modified=self.catalogue.updated
        )

    async def robots(self, request: Request) -> Response:
        base = self.base_of(request)
        text = f"User-agent: *\nDisallow: /cart\nDisallow: /checkout\nDisallow: /search\nDisallow: /admin/\nDisallow: /fragments/\n\nSitemap: {base}/sitemap.xml\n"
        return answers.cacheable(request, text.encode(), "text/plain", answers.PAGE)

    async def sitemap(self, request: Request) -> Response:
        catalogue = self.catalogue
        newest = _iso(catalogue.updated)
        places = [("/", newest), ("/blog", next(iter(catalogue.posts.values())).published)]
        places += [(f"/c/{slug}", newest) for slug in catalogue.categories]
        places += [(f"/blog/{post.slug}", post.published) for post in catalogue.posts.values()]
        places += [(f"/p/{product.slug}", _iso(product.updated)) for product in catalogue.products.values()]
        body = self.render("sitemap.xml", base=self.base_of(request), places=places)
        return answers.cacheable(request, body, "application/xml", answers.LIST, tags=("catalogue",), modified=catalogue.updated)

    # When it can't be done

    async def refused(self, request: Request, error: HTTPException) -> Response:
        body = self.problem(error.status_code)
        if error.status_code == HTTPStatus.NOT_FOUND and request.method in {"GET", "HEAD"}:
            return answers.cacheable(request, body, _HTML, answers.BRIEF, tags=("missing",), status=404)
        response = answers.private(request, body, status=error.status_code)
        response.headers.update(error.headers or {})
        return response

    async def unreadable(self, request: Request, error: PostError) -> Response:
        return answers.private(request, self.problem(error.status), status=error.status)

    async def broken(self, request: Request, _error: Exception) -> Response:
        return answers.private(request, self.problem(500), status=500)

    def problem(self, status: int) -> bytes:
        heading, message = _PROBLEMS.get(status, _OTHER_PROBLEM)
        return self.render("problem.html", status=status, heading=heading, message=message)

    # What they share

    def render(self, template: str, **values: object) -> bytes:
        return self.templates.get_template(template).render(**values).encode()

    async def page(
        self,
        request: Request,
        template: str,
        values: Mapping[str, object],
        lifetime: str,
        tags: Iterable[str],
        shown: Iterable[Product],
        modified: float,
        pieces: Sequence[str] = ("header", "footer"),
    ) -> Response:
        """A shared HTML page. Every product shown on it is among its tags: purging one product reaches all pages that name its price.

        modified    epoch seconds: the newest edit of anything that *could* have stood here. (A product that leaves a list changes the
                    page, too; looking only at those that are left would move Last-Modified backwards.)
        pieces      what is left out, and takes no time here, when somebody in front fills it in: keys of SHARES

        The time it took stands in Server-Timing and not in the page: equal pages stay equal bytes, and their ETag true.
        """
        started = time.perf_counter()
        woven = answers.is_woven(request)
        body = self.render(template, **values, woven=woven)
        response = answers.cacheable(request, body, _HTML, lifetime, tags=_tags(tags, shown), modified=modified, woven=woven)
        if response.status_code == HTTPStatus.OK:
            await self.dawdle(response, started, 1 - sum(SHARES[piece] for piece in pieces if woven))
        return response

    async def fragment(
        self,
        request: Request,
        name: str,
        values: Mapping[str, object],
        tags: Iterable[str],
        shown: Iterable[Product],
        modified: float,
    ) -> Response:
        """A piece of a page, the same for everybody; as `page` otherwise. It may hold includes itself: the header has the basket in it."""
        started = time.perf_counter()
        woven = answers.is_woven(request) and name == "header"
        body = self.render(f"fragments/{name}.html", **values, woven=woven)
        response = answers.cacheable(request, body, _HTML, answers.PAGE, tags=_tags(tags, shown), modified=modified, woven=woven)
        if response.status_code == HTTPStatus.OK:
            await self.dawdle(response, started, SHARES[name])
        return response

    async def own_page(self, request: Request, template: str, values: Mapping[str, object]) -> Response:
        """A page for one person; it takes the same time, and every time."""
        started = time.perf_counter()
        response = answers.private(request, self.render(template, **values, here="cart", cart=self.summary_of(request)))
        await self.dawdle(response, started)
        return response

    async def dawdle(self, response: Response, started: float, share: float = 1.0) -> None:
        """Take as long as a real CMS would, or a share of that, and say so."""
        await asyncio.sleep(self.delay * share)
        response.headers["server-timing"] = f"shop;dur={(time.perf_counter() - started) * 1000:.1f}"

    def basket_of(self, request: Request) -> dict[str, int]:
        return basket.decode_basket(request.cookies.get(basket.COOKIE, ""), self.catalogue)

    def summary_of(self, request: Request) -> basket.Summary | None:
        return basket.summary_of(basket.lines_of(self.basket_of(request), self.catalogue))

    def base_of(self, request: Request) -> str:
        return self.public_url or str(request.base_url).rstrip("/")


def _tags(tags: Iterable[str], shown: Iterable[Product]) -> list[str]:
    return [*tags, *(f"product-{product.slug}" for product in shown)]


def _found(value: T | None) -> T:
    if value is None:
        raise HTTPException(404)
    return value


async def _own_form(request: Request) -> dict[str, str]:
    """The posted form, if one of our own pages sent it."""
    if not is_same_site(request):
        raise HTTPException(403)
    return await read_posted(request)


def _go(target: str, contents: dict[str, int] | None = None) -> Response:
    """303 to a path of ours; with contents, the basket becomes them."""
    response = RedirectResponse(target, 303, headers={"cache-control": answers.PRIVATE})
    if contents:
        # Not HttpOnly: whole pages, which everybody shares, count it with a script (shop.js). It holds nothing worth stealing.
        response.set_cookie(basket.COOKIE, basket.encode_basket(contents), max_age=30 * 86_400, path="/", samesite="lax")
    elif contents is not None:
        response.delete_cookie(basket.COOKIE, path="/", samesite="lax")
    return response


def _page_number(text: str, pages: int) -> int:
    """A page that exists, or 404."""
    number = int(text[:4]) if text.isascii() and text.isdigit() else 0
    if not 1 <= number <= pages:
        raise HTTPException(404)
    return number


def _newest_edit(products: Iterable[Product]) -> int:
    return max(RELEASED, *(product.updated for product in products))


def _money(cents: int) -> str:
    return f"€{cents // 100:,}.{cents % 100:02d}"


def _day(iso: str) -> str:
    day = date.fromisoformat(iso)
    return f"{day.day} {day:%B} {day.year}"


def _iso(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).date().isoformat()
