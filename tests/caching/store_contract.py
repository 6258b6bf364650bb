"""What every level-1 store promises (gateway/cache/store.py). An adapter joins by a class of its own:

class TestMemoryStore(StoreContract):
    def make(self, max_bytes: int) -> Store: ...
"""

from __future__ import annotations

from gateway.cache.entry import Entry
from gateway.cache.store import Store
from tests.caching.entries import key, make_entry

__all__ = ["StoreContract", "held"]

ROOMY = 10 << 20


def held(store: Store, entry: Entry) -> bool:
    """Whether the store gives this very entry for its keys."""
    shelf = store.shelf(entry.key)
    return shelf is not None and shelf.groups.get(entry.vary, {}).get(entry.nominated) is entry


class StoreContract:
    """The suite. Bounds are asked for in bytes as entries count them."""

    def make(self, max_bytes: int) -> Store:
        raise NotImplementedError

    def test_what_was_put_is_found_by_its_key(self):
        store, entry = self.make(ROOMY), make_entry("/a")
        assert store.shelf(entry.key) is None
        store.put(entry)
        assert held(store, entry)
        assert store.shelf(key("/b")) is None
        assert store.shelf(key("/a", "other.test")) is None

    def test_one_that_varies_on_nothing_stands_alone_on_its_shelf(self):
        store, entry = self.make(ROOMY), make_entry("/a")
        store.put(entry)
        assert store.shelf(entry.key).sole is entry

    def test_several_forms_stand_on_one_shelf_and_none_is_sole(self):
        store = self.make(ROOMY)
        forms = [make_entry("/a", vary=(b"cookie",), nominated=(value,)) for value in (None, b"1", b"2")]
        forms.append(make_entry("/a"))
        for entry in forms:
            store.put(entry)
        assert all(held(store, entry) for entry in forms)
        assert store.shelf(key("/a")).sole is None
        assert set(store.shelf(key("/a")).entries()) == set(forms)
        for entry in forms[:3]:
            store.drop(entry)
        assert store.shelf(key("/a")).sole is forms[3]

    def test_a_new_one_takes_the_place_of_one_with_the_same_keys(self):
        store, old, new = self.make(ROOMY), make_entry("/a", body=b"old"), make_entry("/a", body=b"new")
        store.put(old)
        store.put(new)
        assert held(store, new)
        assert list(store.shelf(key("/a")).entries()) == [new]
        assert store.shelf(key("/a")).sole is new
        assert old.body == b"old", "it stays valid for those who hold it"

    def test_what_was_dropped_is_not_found(self):
        store, entry = self.make(ROOMY), make_entry("/a")
        store.put(entry)
        store.drop(entry)
        assert store.shelf(entry.key) is None

    def test_dropping_twice_or_what_was_never_there_does_nothing(self):
        store, entry, other = self.make(ROOMY), make_entry("/a"), make_entry("/a")
        store.drop(entry)
        store.put(entry)
        store.put(other)
        store.drop(entry)
        assert held(store, other)
        store.drop(other)
        store.drop(other)
        assert store.shelf(key("/a")) is None

    def test_what_is_too_large_is_not_kept_silently(self):
        store = self.make(20_000)
        small, large = make_entry("/small"), make_entry("/large", body=b"x" * 30_000)
        store.put(small)
        store.put(large)
        assert held(store, small)
        assert store.shelf(large.key) is None

    def test_what_is_too_large_does_not_leave_its_predecessor_standing(self):
        """The predecessor is out of date."""
        store = self.make(20_000)
        store.put(make_entry("/a"))
        store.put(make_entry("/a", body=b"x" * 30_000))
        assert store.shelf(key("/a")) is None

    def test_what_is_too_large_leaves_no_trace_among_the_other_forms(self):
        store = self.make(20_000)
        other = make_entry("/a")
        store.put(other)
        store.put(make_entry("/a", vary=(b"cookie",), nominated=(b"1",), body=b"x" * 30_000))
        assert store.shelf(key("/a")).sole is other
        store.drop(other)
        assert store.shelf(key("/a")) is None

    def test_the_bound_holds_whatever_comes(self):
        store = self.make(50_000)
        entries = [make_entry(f"/{number}", body=b"x" * 1_000) for number in range(100)]
        for entry in entries:
            store.put(entry)
        kept = [entry for entry in entries if held(store, entry)]
        assert kept
        assert sum(entry.cost for entry in kept) <= 50_000

    def test_growth_counts(self):
        store = self.make(50_000)
        entries = [make_entry(f"/{number}") for number in range(10)]
        for entry in entries:
            store.put(entry)
        for entry in entries:
            store.grow(entry, 10_000)
        kept = [entry for entry in entries if held(store, entry)]
        assert sum(entry.cost for entry in kept) <= 50_000
        assert len(kept) <= 4

    def test_growth_of_what_is_not_held_does_not_count(self):
        store = self.make(50_000)
        kept, gone = make_entry("/a"), make_entry("/b")
        store.put(kept)
        store.put(gone)
        store.drop(gone)
        store.grow(gone, 1_000_000)
        assert held(store, kept)
