"""How long a rendering is kept, and for whom: with a hand-turned clock."""

from __future__ import annotations

import pytest

from fragments.catalogue import Catalogue, Slot
from gateway.cache.memory_store import MemoryStore
from gateway.cache.purges import Ledger, Verdict
from gateway.flow.assembly.inclusion import Destination
from gateway.flow.assembly.slots import Slots
from gateway.flow.routes import Routes
from tests.support.fakes import NOON


class Shelf:
    """Slots over a store of their own."""

    def __init__(self, folder, *slots, max_bytes=1 << 20):
        (folder / "t.html").write_text("{{ language|default('') }}{{ query.a|default('') if query is defined }}" + "x" * 1000)
        self.ledger = Ledger()
        self.store = MemoryStore(max_bytes)
        self.slots = Slots(Catalogue(slots, folder), self.store, self.ledger, Routes([]))

    def get(self, target, now=NOON, *, language="de", host=b"shop.test", **more):
        place = Destination(b"http", host, f"/_weft/slots/{target}".encode(), guest=False)
        return self.slots.answer(place, [(b"accept-language", language.encode())], now, **more)


@pytest.fixture
def shelf(tmp_path):
    return lambda *slots, **more: Shelf(tmp_path, *slots, **more)


HERO = Slot("hero", "t.html", lifetime=10, tags=("heroes",))


def test_it_is_rendered_once_in_its_lifetime(shelf):
    shelf = shelf(HERO)
    first = shelf.get("hero")
    assert shelf.get("hero", NOON + 9.9) is first
    later = shelf.get("hero", NOON + 10)
    assert later is not first
    assert later.born == NOON + 10
    assert len(shelf.store) == 1


@pytest.mark.parametrize("slot", [HERO._replace(lifetime=0), Slot("hero", "t.html", ("language",), scope="visitor")])
def test_without_a_lifetime_it_is_rendered_each_time_and_kept_nowhere(shelf, slot):
    shelf = shelf(slot)
    assert shelf.get("hero") is not shelf.get("hero")
    assert len(shelf.store) == 0


def test_once_for_each_of_its_audience_and_each_query_that_it_asks_for(shelf):
    needs = ("language", "query")
    shelf = shelf(Slot("hero", "t.html", needs, 10, "audience", ("language",)))
    found = {
        (language, query): shelf.get(f"hero?{query}", language=language) for language in ("de", "fr") for query in ("a=1", "a=2")
    }
    assert len(set(found.values())) == 4
    for (language, query), entry in found.items():
        assert entry.body.startswith(f"{language}{query[-1]}x".encode())
        assert shelf.get(f"hero?{query}", language=f"{language}, en;q=0.1") is entry
    shelf.get("hero?a=1", host=b"other.test")
    assert len(shelf.store) == 5


def test_no_client_fills_the_store_with_languages_of_its_own(shelf):
    shelf = shelf(Slot("hero", "t.html", ("language",), 10, "public", ("language",)))
    for number in range(200):
        shelf.get("hero", language=f"x-{number}")
    assert len(shelf.store) == shelf.store.max_variants
    before = len(shelf.store)
    for nonsense in ("not a language", "de_AT", "<b>", "a" * 9, "x;q=0"):
        assert shelf.get("hero", language=nonsense).nominated == (b"",)
    assert len(shelf.store) == before


def test_what_is_kept_is_bounded_with_all_else_that_is(shelf):
    shelf = shelf(Slot("hero", "t.html", ("query",), 10), max_bytes=20_000)
    for number in range(100):
        shelf.get(f"hero?a={number}")
    assert 0 < shelf.store.used_bytes <= 20_000


def test_a_purge_while_it_is_kept_has_it_rendered_anew(shelf):
    shelf = shelf(HERO, HERO._replace(name="other", tags=("others",)))
    for verdict in (Verdict.SOFT, Verdict.HARD):
        hero, other = shelf.get("hero"), shelf.get("other")
        shelf.ledger.purge(("tag", b"heroes"), verdict)
        again = shelf.get("hero")
        assert again is not hero
        assert shelf.get("hero") is again
        assert shelf.get("other") is other
    shelf.ledger.purge(("all", None), Verdict.SOFT)
    assert shelf.get("other") is not other


def test_anew_leaves_what_is_kept_alone(shelf):
    shelf = shelf(HERO)
    kept = shelf.get("hero")
    assert shelf.get("hero", anew=True) is not kept
    assert shelf.get("hero") is kept


def test_a_template_that_fails_is_told_once_for_each_place_and_without_what_was_sent(shelf, tmp_path, caplog):
    shelf = shelf(HERO)
    (tmp_path / "bad.html").write_text("\n{{ query[query.a] }}")
    slots = Slots(Catalogue([Slot("bad", "bad.html", ("query",))], tmp_path), shelf.store, shelf.ledger, Routes([]))
    for number in range(3):
        with pytest.raises(Exception, match="comes from the request"):
            slots.answer(Destination(b"http", b"h", b"/_weft/slots/bad?a=secret%d" % number, guest=False), [], NOON)
    (record,) = caplog.records
    assert (record.slot, record.reason, record.place) == ("bad", "slot_undefined", "bad.html, line 2")
    assert "secret" not in str(vars(record))
