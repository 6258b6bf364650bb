"""The shop as a cache in front of it sees it: pages, lifetimes, validators, tags; and the basket that no cache may see."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from gateway.demo.catalogue import build_catalogue
from gateway.demo.shop import create_shop

ADMIN = {"authorization": "Bearer letmein-in-tests"}
PAGES = [
    "/",
    "/c/lamps",
    "/c/lamps?page=3&sort=price-low",
    "/p/aino-desk-lamp",
    "/search?q=wool",
    "/search",
    "/blog",
    "/blog/warp-and-weft",
]
MACHINES = [
    "/api/products.json",
    "/sitemap.xml",
    "/pictures/aino-desk-lamp.svg",
    "/pictures/category-lamps.svg",
    "/static/shop.css",
    "/static/shop.js",
]
MACHINES += ["/pictures/post-warp-and-weft.svg", "/pictures/cloth.svg", "/static/mark.svg", "/robots.txt"]


@pytest.mark.parametrize("path", PAGES + MACHINES)
def test_a_shared_resource_may_be_stored_and_has_validators(shop, path):
    response = shop.get(path)
    assert response.status_code == 200
    assert response.headers["cache-control"].startswith("public, max-age=")
    assert re.fullmatch(r'"[0-9a-f]{24}"', response.headers["etag"])
    assert "vary" not in response.headers
    assert "set-cookie" not in response.headers
    assert int(response.headers["content-length"]) == len(response.content)
    if path != "/robots.txt":
        assert response.headers["last-modified"].endswith("GMT")
        assert response.headers["surrogate-key"]


@pytest.mark.parametrize("path", PAGES + MACHINES)
def test_a_client_that_has_it_gets_304_without_a_body(shop, path):
    full = shop.get(path)
    for condition in (
        {"if-none-match": full.headers["etag"]},
        {"if-none-match": f'"other", W/{full.headers["etag"]}'},
        {"if-none-match": "*"},
    ):
        response = shop.get(path, headers=condition)
        assert response.status_code == 304
        assert response.content == b""
        assert "content-type" not in response.headers
        for field in ("etag", "cache-control", "last-modified", "surrogate-key"):
            assert response.headers.get(field) == full.headers.get(field)


def test_a_date_validates_too_but_yields_to_an_etag(shop):
    modified = shop.get("/").headers["last-modified"]
    assert shop.get("/", headers={"if-modified-since": modified}).status_code == 304
    assert shop.get("/", headers={"if-modified-since": "Mon, 01 Jan 2024 00:00:00 GMT"}).status_code == 200
    assert shop.get("/", headers={"if-modified-since": "yesterday"}).status_code == 200
    assert shop.get("/", headers={"if-modified-since": modified, "if-none-match": '"other"'}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/cart", "/pictures/cloth.svg", "/no/such/page"])
def test_head_is_get_without_the_content(shop, path):
    full, head = shop.get(path), shop.ask("HEAD", path)
    assert (head.status_code, head.content) == (full.status_code, b"")
    assert head.headers["content-length"] == full.headers["content-length"]


def test_two_shops_give_the_same_bytes_whatever_the_time_it_took(client_of):
    quick, slow = client_of(create_shop(delay=0.0)), client_of(create_shop(delay=0.0004))
    for path in PAGES:
        one, other = quick.get(path), slow.get(path)
        assert one.headers["etag"] == other.headers["etag"]
        assert re.fullmatch(r"shop;dur=\d+\.\d", one.headers["server-timing"])


def test_pages_are_tagged_with_everything_they_show(shop):
    for path in PAGES:
        response = shop.get(path)
        shown = {f"product-{slug}" for slug in re.findall(r'href="/p/([a-z-]+)"', response.text)}
        assert shown <= set(response.headers["surrogate-key"].split())
    keys = shop.get("/p/aino-desk-lamp").headers["surrogate-key"].split()
    assert keys[:2] == ["product-aino-desk-lamp", "category-lamps"]
    assert shop.get("/").headers["surrogate-key"].startswith("home ")
    assert shop.get("/blog").headers["surrogate-key"] == "blog"


def test_pictures_and_versioned_files_are_kept_for_ever(shop):
    styles = re.search(r'href="(/static/shop\.css\?v=[0-9a-f]{8})"', shop.get("/").text)
    assert styles
    for path in (styles[1], "/pictures/aino-desk-lamp.svg"):
        assert "immutable" in shop.get(path).headers["cache-control"]
    assert "immutable" not in shop.get("/static/shop.css?v=old").headers["cache-control"]


class _Outline(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def all(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]


@pytest.mark.parametrize("path", [*PAGES, "/cart", "/checkout/thanks", "/nothing-here"])
def test_a_page_has_its_landmarks_and_nothing_from_elsewhere(shop, path):
    response = shop.get(path)
    outline = _Outline(response.text)
    for landmark in ("header", "main", "footer", "h1", "title"):
        assert outline.all(landmark)
    assert len(outline.all("h1")) == len(outline.all("main")) == 1
    assert all("alt" in image and image["width"] and image["height"] for image in outline.all("img"))
    addresses = [
        value for _, attributes in outline.tags for name, value in attributes.items() if name in {"href", "src", "action"}
    ]
    assert all(address.startswith(("/", "#")) and not address.startswith("//") for address in addresses)
    assert not [name for _, attributes in outline.tags for name in attributes if name.startswith("on") or name == "style"]
    assert "default-src 'none'" in response.headers["content-security-policy"]


def test_every_link_of_every_page_leads_somewhere(shop):
    seen, waiting = set(), ["/"]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        response = shop.get(path)
        assert response.status_code == 200, path
        # Products look alike: one shelf's worth of them is enough.
        if response.headers["content-type"].startswith("text/html") and (not path.startswith("/p/") or path.startswith("/p/a")):
            waiting += [found.replace("&amp;", "&") for found in re.findall(r'(?:href|src)="(/[^"#]*)"', response.text)]
    assert len([path for path in seen if path.startswith("/p/")]) == 240


def test_lists_are_paged_and_sorted(shop):
    prices = [float(price) for price in re.findall(r'class="price">€([\d.]+)', shop.get("/c/lamps?sort=price-low").text)]
    assert len(prices) == 12
    assert prices == sorted(prices)
    assert shop.get("/c/lamps?sort=nonsense").content == shop.get("/c/lamps").content
    assert len(re.findall('class="card"', shop.get("/c/lamps?page=3").text)) == 6


@pytest.mark.parametrize(
    "path", ["/nothing", "/p/none", "/c/none", "/blog/none", "/pictures/none.svg", "/static/none", "/static/console.js"]
)
def test_what_is_not_there_is_a_friendly_404_for_a_short_time(shop, path):
    response = shop.get(path)
    assert response.status_code == 404
    assert "We looked everywhere" in response.text
    assert response.headers["cache-control"] == "public, max-age=0, s-maxage=10"


@pytest.mark.parametrize("page", ["0", "4", "-1", "x", "", "²", "99999999999"])
def test_a_page_of_a_list_that_does_not_exist_is_404(shop, page):
    assert shop.get(f"/c/lamps?page={page}").status_code == 404


def test_a_wrong_method_is_405_with_allow(shop):
    response = shop.post("/p/aino-desk-lamp")
    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD"}
    assert response.headers["cache-control"] == "private, no-store"


def test_a_failure_is_a_page_that_nobody_stores(client_of):
    catalogue = build_catalogue()
    app = create_shop(catalogue=catalogue, delay=0)
    catalogue.categories.pop("lamps")  # the product's shelf is gone: a fault that the shop does not expect
    response = client_of(app).get("/p/aino-desk-lamp")
    assert response.status_code == 500
    assert "A thread broke" in response.text
    assert "Traceback" not in response.text
    assert response.headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize(
    "query", ["<script>alert(1)</script>", '" onfocus="alert(1)', "</title><b>", "'\"><img src=x onerror=alert(1)>"]
)
def test_what_is_searched_for_is_shown_but_never_run(shop, query):
    response = shop.get("/search", params={"q": query})
    assert response.status_code == 200
    assert query not in response.text
    outline = _Outline(response.text)
    assert len(outline.all("script")) == 1
    assert not [name for _, attributes in outline.tags for name in attributes if name.startswith("on")]
    assert [box["value"] for box in outline.all("input")] == [query]


def test_what_is_searched_for_is_no_template(shop):
    assert "Nothing for “{{ 7*7 }}”" in shop.get("/search", params={"q": "{{ 7*7 }}"}).text


def test_the_site_map_names_the_host_that_was_asked_or_the_one_it_was_told(shop, client_of):
    assert "<loc>http://shop.test/p/aino-desk-lamp</loc>" in shop.get("/sitemap.xml").text
    assert shop.get("/sitemap.xml").text.count("<url>") == 1 + 1 + 8 + 12 + 240
    fixed = client_of(create_shop(delay=0, public_url="https://heddle.example/"))
    assert "Sitemap: https://heddle.example/sitemap.xml" in fixed.get("/robots.txt").text


class TestCart:
    def test_a_round_trip(self, shop):
        assert "empty" in shop.get("/cart").text
        added = shop.post("/cart/add", data={"product": "anvil-teapot", "count": "2"})
        assert (added.status_code, added.headers["location"]) == (303, "/cart")
        assert added.headers["cache-control"] == "private, no-store"
        assert "HttpOnly" not in added.headers["set-cookie"]
        assert "samesite=lax" in added.headers["set-cookie"].lower()
        shop.post("/cart/add", data={"product": "ferry-tote"})
        cart = shop.get("/cart")
        assert cart.headers["cache-control"] == "private, no-store"
        assert "etag" not in cart.headers
        assert cart.headers["server-timing"].startswith("shop;dur=")
        assert "Anvil teapot" in cart.text
        assert "× 2" in cart.text
        assert "Ferry tote" in cart.text
        shop.post("/cart/remove", data={"product": "anvil-teapot"})
        assert "Anvil teapot" not in shop.get("/cart").text
        assert shop.get("/checkout").status_code == 200
        ordered = shop.post("/checkout", data={"name": "N", "street": "S", "town": "T"})
        assert (ordered.status_code, ordered.headers["location"]) == (303, "/checkout/thanks")
        assert "Thank you" in shop.get("/checkout/thanks").text
        assert "empty" in shop.get("/cart").text
        assert shop.get("/checkout").status_code == 303

    def test_a_shared_page_is_the_same_with_and_without_a_basket(self, shop):
        before = {path: shop.get(path).content for path in PAGES}
        shop.post("/cart/add", data={"product": "anvil-teapot"})
        assert {path: shop.get(path).content for path in PAGES} == before

    @pytest.mark.parametrize(
        ("fields", "status"),
        [
            ({"sec-fetch-site": "same-origin"}, 303),
            ({"sec-fetch-site": "none"}, 303),
            ({"sec-fetch-site": "cross-site"}, 403),
            ({"sec-fetch-site": "same-site"}, 403),
            ({"origin": "http://shop.test"}, 303),
            ({"origin": "https://edge.test", "x-forwarded-host": "edge.test"}, 303),
            ({"origin": "http://evil.test"}, 403),
            ({"origin": "http://shop.test.evil.test"}, 403),
            ({"origin": "null"}, 403),
            ({}, 303),
        ],
    )
    def test_a_form_of_another_site_is_not_acted_upon(self, shop, fields, status):
        for path in ("/cart/add", "/cart/remove", "/checkout"):
            response = shop.post(path, data={"product": "anvil-teapot"}, headers=fields)
            assert response.status_code == status
            assert status == 303 or "set-cookie" not in response.headers

    @pytest.mark.parametrize(
        ("form", "status"),
        [
            ({"product": "none"}, 404),
            ({}, 404),
            ({"product": "anvil-teapot", "count": "many"}, 400),
            ({"product": "anvil-teapot", "count": "9999999999"}, 303),
        ],
    )
    def test_only_products_in_sensible_numbers_go_in(self, shop, form, status):
        headers = {"content-type": "application/x-www-form-urlencoded"}
        assert shop.post("/cart/add", data=form, headers=headers).status_code == status

    def test_what_is_sold_out_does_not_go_in(self, shop):
        slug = next(product.slug for product in build_catalogue().products.values() if product.stock == 0)
        assert "Sold out" in shop.get(f"/p/{slug}").text
        assert '<form class="buy"' not in shop.get(f"/p/{slug}").text
        assert shop.post("/cart/add", data={"product": slug}).status_code == 409

    def test_bodies_of_another_kind_or_size_are_refused(self, shop):
        assert shop.post("/cart/add", content=b"x", headers={"content-type": "text/plain"}).status_code == 415
        assert shop.post("/cart/add", content=b"x").status_code == 415
        assert (
            shop.post(
                "/cart/add", content=b"x=" + b"y" * 70_000, headers={"content-type": "application/x-www-form-urlencoded"}
            ).status_code
            == 413
        )
        for body in (b"[1]", b"{", b"\xff", b"[" * 50_000):
            assert shop.post("/cart/add", content=body, headers={"content-type": "application/json"}).status_code == 400


class TestEditing:
    PATH = "/admin/products/aino-desk-lamp"

    def test_an_edit_changes_every_page_that_shows_the_product_and_their_validators(self, shop):
        pages = ["/p/aino-desk-lamp", "/p/aino-pendant", "/search?q=aino", "/api/products.json", "/c/lamps?sort=new"]
        before = {path: shop.get(path) for path in pages}
        edited = shop.post(self.PATH, data={"price": "1234.56", "name": "Aino <b>lamp</b>"}, headers=ADMIN)
        assert edited.json() == {
            "slug": "aino-desk-lamp",
            "name": "Aino <b>lamp</b>",
            "price": 1234.56,
            "stock": edited.json()["stock"],
            "url": "/p/aino-desk-lamp",
            "tags": ["product-aino-desk-lamp", "category-lamps", "catalogue"],
        }
        assert edited.headers["cache-control"] == "private, no-store"
        for path, old in before.items():
            fields = {"if-none-match": old.headers["etag"], "if-modified-since": old.headers["last-modified"]}
            assert shop.get(path, headers=fields).status_code == 200
            new = shop.get(path, headers={"if-modified-since": old.headers["last-modified"]})
            assert new.status_code == 200, path
            assert new.headers["etag"] != old.headers["etag"]
        page = shop.get("/p/aino-desk-lamp")
        assert "€1,234.56" in page.text
        assert "<b>" not in page.text
        assert page.headers["last-modified"] == "Fri, 15 Jan 2027 08:00:00 GMT"
        assert shop.get("/p/heddle-throw").status_code == 200

    def test_a_product_that_leaves_a_list_changes_the_date_of_that_list(self, shop):
        path = "/c/lamps?sort=price-low"
        old = shop.get(path)
        slug = re.findall(r'href="/p/([a-z-]+)"', old.text)[0]
        shop.post(f"/admin/products/{slug}", json={"price": 99_999}, headers=ADMIN)
        new = shop.get(path, headers={"if-modified-since": old.headers["last-modified"]})
        assert new.status_code == 200
        assert slug not in new.text

    def test_json_and_forms_are_both_understood(self, shop):
        assert shop.post(self.PATH, json={"price": 12.5, "stock": 0}, headers=ADMIN).json()["price"] == 12.5
        assert shop.post(self.PATH, data={"stock": "7"}, headers=ADMIN).json()["stock"] == 7

    @pytest.mark.parametrize(
        "fields",
        [{}, {"authorization": "Bearer wrong"}, {"authorization": "Basic letmein-in-tests"}, {"authorization": "Bearer"}],
    )
    def test_nobody_edits_without_the_token(self, shop, fields):
        response = shop.post(self.PATH, data={"price": "1"}, headers=fields)
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"

    def test_without_a_token_there_is_no_such_address(self, client_of):
        assert client_of(create_shop(delay=0)).post(self.PATH, headers={"authorization": "Bearer "}).status_code == 404

    def test_an_unknown_product_is_404(self, shop):
        assert shop.post("/admin/products/none", data={"price": "1"}, headers=ADMIN).status_code == 404

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            ({"price": "-1"}, "price"),
            ({"price": "NaN"}, "price"),
            ({"price": "Infinity"}, "price"),
            ({"price": "1e9"}, "price"),
            ({"price": "cheap"}, "price"),
            ({"stock": "-1"}, "stock"),
            ({"stock": "1.5"}, "stock"),
            ({"stock": "10000"}, "stock"),
            ({"name": "  "}, "name"),
            ({"name": "x" * 81}, "name"),
            ({"colour": "red"}, "colour"),
        ],
    )
    def test_a_bad_value_is_named_and_nothing_is_changed(self, shop, change, complaint):
        before = shop.get("/p/aino-desk-lamp").content
        response = shop.post(self.PATH, data={"price": "1", **change}, headers=ADMIN)
        assert response.status_code == 400
        assert response.json()["errors"][0].startswith(complaint)
        assert shop.get("/p/aino-desk-lamp").content == before
