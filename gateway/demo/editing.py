"""The editor's door: change a product, then purge its tag and see the page follow.

POST /admin/products/<slug> with `Authorization: Bearer <token>` and a form or JSON object of name, price (euros) and stock.
It says which tags the change touches; telling a cache is the caller's business.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.demo.answers import PRIVATE
from gateway.demo.catalogue import Catalogue
from gateway.demo.posted import read_posted

__all__ = ["create_editing"]

MAX_PRICE = Decimal(100_000)
MAX_STOCK = 9_999
MAX_NAME = 80


def create_editing(catalogue: Catalogue, token: str, clock: Callable[[], float]) -> list[Route]:
    """The editing routes; none without a token, so that a forgotten setting opens nothing."""
    if not token:
        return []

    async def edit(request: Request) -> Response:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
            return _say({"error": "a bearer token is needed"}, 401, {"www-authenticate": "Bearer"})
        slug = request.path_params["slug"]
        if slug not in catalogue.products:
            raise HTTPException(404)
        asked = await read_posted(request)
        problems: list[str] = [f"{name}: unknown" for name in asked.keys() - {"name", "price", "stock"}]
        name = _name(asked, problems)
        price = _price(asked, problems)
        stock = _stock(asked, problems)
        if not asked:
            problems.append("give at least one of name, price, stock")
        if problems:
            return _say({"errors": sorted(problems)}, 400)
        product = catalogue.revise(slug, clock(), name=name, price=price, stock=stock)
        return _say(
            {
                "slug": slug,
                "name": product.name,
                "price": product.price / 100,
                "stock": product.stock,
                "url": f"/p/{slug}",
                # The first reaches every page that shows the product; the others also lists whose order may change.
                "tags": [f"product-{slug}", f"category-{product.category}", "catalogue"],
            }
        )

    return [Route("/admin/products/{slug}", edit, methods=["POST"])]


def _name(asked: dict[str, str], problems: list[str]) -> str | None:
    if "name" not in asked:
        return None
    name = " ".join(asked["name"].split())
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        problems.append(f"name: expected 1 to {MAX_NAME} printable characters")
    return name


def _price(asked: dict[str, str], problems: list[str]) -> int | None:
    """Cents from euros."""
    if "price" not in asked:
        return None
    try:
        euros = Decimal(asked["price"])
        if euros.is_finite() and 0 <= euros <= MAX_PRICE:
            return int((euros * 100).to_integral_value())
    except InvalidOperation:
        pass
    problems.append(f"price: expected euros from 0 to {MAX_PRICE}")
    return None


def _stock(asked: dict[str, str], problems: list[str]) -> int | None:
    if "stock" not in asked:
        return None
    text = asked["stock"]
    if text.isascii() and text.isdigit() and int(text[:6]) <= MAX_STOCK:
        return int(text[:6])
    problems.append(f"stock: expected a whole number from 0 to {MAX_STOCK}")
    return None


def _say(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(content, status, {"cache-control": PRIVATE, **(headers or {})})
