"""What the shop sells is the same on every start."""

from __future__ import annotations

import subprocess
import sys
from xml.dom import minidom

import pytest

from gateway.demo import basket
from gateway.demo.catalogue import RELEASED, SORTS, build_catalogue
from gateway.demo.goods import COLOURS
from gateway.demo.journal import POSTS
from gateway.demo.pictures import category_picture, cloth_picture, product_picture
from gateway.demo.shapes import SHAPES


@pytest.fixture(scope="module")
def catalogue():
    return build_catalogue()


def test_there_are_240_products_in_eight_categories_and_twelve_posts(catalogue):
    assert len(catalogue.products) == 240
    assert [len(catalogue.shelf(slug, "popular")) for slug in catalogue.categories] == [30] * 8
    assert len(catalogue.posts) == len(POSTS) == 12


def test_another_process_with_another_hash_seed_builds_the_same_catalogue(catalogue):
    command = "from gateway.demo.catalogue import build_catalogue; print(list(build_catalogue().products.values()))"
    run = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "12345"}
    )
    assert run.stdout.strip() == str(list(catalogue.products.values()))


def test_products_are_believable(catalogue):
    for product in catalogue.products.values():
        assert product.slug.replace("-", "").isalnum()
        assert product.slug == product.slug.lower()
        assert product.slug.isascii()
        assert 500 <= product.price <= 100_000
        assert 3.0 <= product.rating <= 5.0
        assert product.stock >= 0
        assert len(product.description) > 80
        assert product.updated < RELEASED
    assert {product.stock == 0 for product in catalogue.products.values()} == {True, False}


def test_related_products_exist_and_are_others(catalogue):
    for product in catalogue.products.values():
        assert len(set(product.related)) == 4
        assert product.slug not in product.related
        assert set(product.related) <= catalogue.products.keys()


def test_every_order_is_total(catalogue):
    for sort in SORTS:
        keys = [SORTS[sort][1](product) for product in catalogue.shelf("lamps", sort)]
        assert keys == sorted(keys)
        assert len(set(keys)) == len(keys)


def test_every_post_has_a_shelf_that_exists_and_they_are_in_order(catalogue):
    assert {post.category for post in POSTS} <= catalogue.categories.keys()
    dates = [post.published for post in POSTS]
    assert dates == sorted(dates, reverse=True)
    assert all(len(post.body) == 3 for post in POSTS)


def test_search_finds_by_name_first_and_needs_every_word(catalogue):
    assert catalogue.search("") == []
    assert catalogue.search("heddle THROW")[0].slug == "heddle-throw"
    assert all("plum" in product.words for product in catalogue.search("plum"))
    assert catalogue.search("heddle nonsense") == []


def test_an_edit_is_visible_in_the_time_even_when_the_clock_stands_or_runs_behind():
    catalogue = build_catalogue()
    first = catalogue.revise("heddle-throw", 0.0, price=100)
    second = catalogue.revise("heddle-throw", 0.0, price=200)
    assert RELEASED < first.updated < second.updated == catalogue.updated
    assert catalogue.revise("heddle-throw", 1.9e9, stock=1).updated == 1_900_000_000
    with pytest.raises(KeyError):
        catalogue.revise("no-such-thing", 0.0, price=1)


def test_every_picture_is_well_formed_and_has_no_foreign_parts(catalogue):
    drawn = {product.kind.drawing for product in catalogue.products.values()}
    assert drawn == SHAPES.keys()
    pictures = [product_picture(product, catalogue.categories[product.category]) for product in catalogue.products.values()]
    pictures += [
        category_picture(category, accent) for category in catalogue.categories.values() for accent in range(len(COLOURS))
    ]
    pictures.append(cloth_picture())
    for picture in pictures:
        minidom.parseString(picture)
        assert b"href" not in picture
        assert b"script" not in picture
        assert len(picture) < 64_000


class TestBasket:
    def test_what_is_encoded_is_decoded(self, catalogue):
        contents = {"heddle-throw": 2, "aino-pendant": 9}
        assert basket.encode_basket(contents) == "heddle-throw.2~aino-pendant.9"
        assert basket.decode_basket(basket.encode_basket(contents), catalogue) == contents

    @pytest.mark.parametrize(
        "cookie",
        [
            "",
            "~",
            ".",
            "nonsense",
            "heddle-throw",
            "heddle-throw.",
            "heddle-throw.0",
            "heddle-throw.-1",
            "heddle-throw.x",
            "heddle-throw.²",
            "../x.1",
        ],
    )
    def test_nonsense_is_an_empty_basket(self, catalogue, cookie):
        assert basket.decode_basket(cookie, catalogue) == {}

    def test_counts_and_lines_are_bounded(self, catalogue):
        assert basket.decode_basket("heddle-throw.999999999999", catalogue) == {"heddle-throw": 9}
        full = "~".join(f"{slug}.1" for slug in catalogue.products)
        decoded = basket.decode_basket(full, catalogue)
        assert len(decoded) == basket.MAX_LINES
        other = list(catalogue.products)[-1]
        assert basket.with_more(decoded, other, 1) == decoded
        assert len(basket.encode_basket(decoded)) < 1024

    def test_more_and_less(self, catalogue):
        contents = basket.with_more({}, "heddle-throw", 3)
        assert basket.with_more(contents, "heddle-throw", 100) == {"heddle-throw": 9}
        assert basket.without(contents, "heddle-throw") == {}
        (line,) = basket.lines_of(contents, catalogue)
        assert line.total == 3 * catalogue.products["heddle-throw"].price
