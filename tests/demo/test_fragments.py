"""The shop's pages in pieces: for whoever says that they assemble; together they are the page that everybody else gets whole."""

from __future__ import annotations

import re

import pytest

from fragments.assembly import Assembler, Fragment
from fragments.esi.compiler import compile_page
from fragments.esi.environment import Environment
from fragments.esi.program import Static
from fragments.esi.values import Context

CAPABLE = {"surrogate-capability": 'weft="Surrogate/1.0 ESI/1.0"'}
PAGES = ["/", "/c/lamps", "/c/lamps?page=2", "/p/aino-desk-lamp", "/search", "/search?q=wool", "/blog", "/blog/warp-and-weft"]
FRAGMENTS = [
    "/fragments/header",
    "/fragments/header/lamps",
    "/fragments/header/blog",
    "/fragments/footer",
    "/fragments/related/aino-desk-lamp",
]
BASKET = "anvil-teapot.2~ferry-tote.1"


def includes(text: str) -> list[str]:
    return re.findall(r'<esi:include src="([^"]*)"', text)


def assemble(shop, target: str, basket: str = "") -> tuple[bytes, list[str]]:
    """The page as an assembler would make it of what the shop says, and the URLs that it asked for."""
    fields = CAPABLE | ({"cookie": f"basket={basket}"} if basket else {})
    asked: list[str] = []

    def content(target: str) -> bytes:
        response = shop.get(target, headers=fields)
        assert response.status_code == 200
        if "surrogate-control" not in response.headers:
            return response.content
        given = [(name.encode(), value.encode()) for name, value in fields.items()]
        page = Assembler(Environment("GET", "shop.test", target, given, now=0.0, random=lambda: 0.5))
        page.run(compile_page(response.content, Context.HTML))
        while holes := page.needs():
            for hole in holes:
                asked.append(hole.url)
                page.supply(hole, Fragment(content(hole.url)))
        octets = b"".join(
            out if isinstance(out, bytes) else out.data if isinstance(out, Static) else out.body for out in page.drain()
        )
        assert page.finished
        return octets

    return content(target), asked


@pytest.mark.parametrize("target", [*PAGES, *FRAGMENTS, "/cart", "/nothing-here"])
def test_who_does_not_assemble_gets_no_markup(shop, target):
    for fields in ({}, {"surrogate-capability": 'other="Surrogate/1.0"'}):
        response = shop.get(target, headers=fields)
        assert "surrogate-control" not in response.headers
        assert "<esi:" not in response.text


@pytest.mark.parametrize("target", PAGES)
def test_who_assembles_gets_a_page_with_includes_that_asks_for_it(shop, target):
    response = shop.get(target, headers=CAPABLE)
    assert response.headers["surrogate-control"] == 'content="ESI/1.0"'
    assert includes(response.text)[-1] == "/fragments/footer"
    assert not compile_page(response.content, Context.HTML).problems
    again = shop.get(target, headers=CAPABLE | {"if-none-match": response.headers["etag"]})
    assert again.status_code == 304
    assert again.headers["surrogate-control"] == 'content="ESI/1.0"'


@pytest.mark.parametrize("target", PAGES)
def test_the_pieces_together_are_the_whole_page(shop, target):
    assert assemble(shop, target)[0] == shop.get(target).content


@pytest.mark.parametrize("target", PAGES)
def test_a_page_in_pieces_is_the_same_for_every_visitor(shop, target):
    before = [shop.get(each, headers=CAPABLE) for each in (target, *FRAGMENTS)]
    shop.cookies.set("basket", BASKET)
    after = [shop.get(each, headers=CAPABLE) for each in (target, *FRAGMENTS)]
    assert [response.content for response in after] == [response.content for response in before]
    assert {response.headers["cache-control"].partition(",")[0] for response in after} == {"public"}


@pytest.mark.parametrize("target", PAGES)
def test_the_basket_is_a_piece_of_its_own_for_who_has_one(shop, target):
    page, asked = assemble(shop, target, BASKET)
    price = 2 * shop_price(shop, "anvil-teapot") + shop_price(shop, "ferry-tote")
    assert f'aria-label="Basket, 3 things, €{price:,.2f}"' in page.decode()
    assert asked.count("/fragments/cart") == 1
    assert "/fragments/cart" not in assemble(shop, target)[1]


def shop_price(shop, slug: str) -> float:
    return float(re.search(r'class="price big">€([\d,.]+)<', shop.get(f"/p/{slug}").text)[1].replace(",", ""))


def test_the_basket_is_kept_by_nobody(shop):
    shop.cookies.set("basket", BASKET)
    for fields in ({}, CAPABLE):
        response = shop.get("/fragments/cart", headers=fields)
        assert response.headers["cache-control"] == "private, no-store"
        assert "etag" not in response.headers
    shop.cookies.set("basket", "nonsense")
    assert "hidden" in shop.get("/fragments/cart").text


@pytest.mark.parametrize("target", FRAGMENTS)
def test_other_fragments_may_be_shared_and_have_validators_and_tags(shop, target):
    response = shop.get(target, headers=CAPABLE)
    assert response.headers["cache-control"].startswith("public, max-age=0, s-maxage=")
    assert response.headers["surrogate-key"].split()[0] == target.split("/")[2]
    assert shop.get(target, headers=CAPABLE | {"if-none-match": response.headers["etag"]}).status_code == 304


def test_a_product_is_among_the_tags_of_what_shows_it_and_of_nothing_else(shop):
    page = shop.get("/p/aino-desk-lamp", headers=CAPABLE).headers["surrogate-key"].split()
    related = shop.get("/fragments/related/aino-desk-lamp")
    shown = {f"product-{slug}" for slug in re.findall(r'href="/p/([a-z-]+)"', related.text)}
    assert page == ["product-aino-desk-lamp", "category-lamps"]
    assert len(shown) == 4
    assert set(related.headers["surrogate-key"].split()) == {"related"} | shown


@pytest.mark.parametrize("target", ["/fragments/header/none", "/fragments/related/none", "/fragments/none"])
def test_a_fragment_of_something_that_is_not_there_is_404(shop, target):
    assert shop.get(target, headers=CAPABLE).status_code == 404


def test_what_is_searched_for_is_no_markup(shop):
    query = '<esi:include src="/fragments/cart"/>$(HTTP_COOKIE{basket})'
    response = shop.get("/search", params={"q": query}, headers=CAPABLE | {"cookie": f"basket={BASKET}"})
    assert includes(response.text) == ["/fragments/cart", "/fragments/footer"]  # the page's own
    page, asked = assemble(shop, f"/search?q={query.replace('$', '%24')}", BASKET)
    assert asked.count("/fragments/cart") == 1
    assert BASKET.encode() not in page


def test_robots_stay_out_of_the_pieces(shop):
    assert "Disallow: /fragments/" in shop.get("/robots.txt").text
