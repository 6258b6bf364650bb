"""The store in memory: the contract; its bound, its counts and its tags against a model; and that a scan does not empty it."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.cache.entry import Entry
from gateway.cache.memory_store import MAX_FREQUENCY, MemoryStore
from gateway.cache.purges import Ledger, Verdict
from gateway.cache.store import Store
from tests.caching.entries import key, make_entry
from tests.caching.store_contract import StoreContract, held


class TestMemoryStore(StoreContract):
    def make(self, max_bytes: int) -> Store:
        return MemoryStore(max_bytes)


# ── Bounds ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_forms_of_one_url_are_bounded():
    """Otherwise one client could fill the store with one page."""
    store = MemoryStore(10 << 20, max_variants=3)
    forms = [make_entry("/a", vary=(b"x",), nominated=(b"%d" % number,)) for number in range(10)]
    for entry in forms:
        store.put(entry)
    assert [entry for entry in forms if held(store, entry)] == forms[-3:]


def test_a_response_that_is_renewed_keeps_its_standing():
    store = MemoryStore(40_000)
    entry = make_entry("/a", body=b"x" * 1_000)
    store.put(entry)
    entry.frequency = 2
    renewed = make_entry("/a", body=b"y" * 1_000)
    store.put(renewed)
    assert renewed.frequency == 2
    for number in range(100):
        store.put(make_entry(f"/{number}", body=b"x" * 1_000))
    assert held(store, renewed)


def use(entry: Entry) -> None:
    """What a hit does (flow/page.py)."""
    if entry.frequency < MAX_FREQUENCY:
        entry.frequency += 1


def test_a_scan_of_what_is_used_once_does_not_evict_what_is_used():
    """A thousand pages used twice, then fifty thousand that nobody asks for again, through a store that holds two thousand."""
    hot = [make_entry(f"/hot/{number}") for number in range(1_000)]
    store = MemoryStore(2_000 * hot[0].cost)
    for entry in hot:
        store.put(entry)
        use(entry)
        use(entry)
    for number in range(50_000):
        store.put(make_entry(f"/cold/{number}"))
    assert sum(held(store, entry) for entry in hot) == 1_000


def test_what_was_once_evicted_and_comes_back_is_kept_longer():
    """The ghosts of S3-FIFO."""
    store = MemoryStore(100 * make_entry("/0000").cost)
    for number in range(200):
        store.put(make_entry(f"/{number:04}"))
    again = make_entry("/0010")
    store.put(again)
    for number in range(300, 380):
        store.put(make_entry(f"/{number:04}"))
    assert held(store, again)


def test_entries_under_a_prefix():
    store = MemoryStore(10 << 20)
    for path, host in (("/a/1", "shop.test"), ("/a/2", "shop.test"), ("/b", "shop.test"), ("/a/1", "other.test")):
        store.put(make_entry(path, host=host))
    found = {(entry.key[1], entry.key[2]) for entry in store.entries_under((b"", b"", b"/a"))}
    assert found == {(b"shop.test", b"/a/1"), (b"shop.test", b"/a/2"), (b"other.test", b"/a/1")}
    assert len(list(store.entries_under((b"http", b"shop.test", b"/a/")))) == 2
    walk = store.entries_under((b"", b"", b"/"))
    next(walk)
    for entry in list(store.entries_under((b"", b"", b"/"))):
        store.drop(entry)
    assert len(list(walk)) <= 1, "it may be interrupted between any two"


# ── Against a model ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

LIMIT = 30_000
paths = st.sampled_from([f"/{letter}" for letter in "abcdefgh"])
tags = st.sets(st.sampled_from([b"t", b"u", b"group:v"]), max_size=3).map(lambda names: tuple(sorted(names)))
forms = st.sampled_from([((), ()), ((b"x",), (b"1",)), ((b"x",), (b"2",)), ((b"y",), (None,))])


class StoreAgainstModel(RuleBasedStateMachine):
    """The model: every entry that was put, and which of them may still be there. A cache may forget; it may not make up, and it may not miscount."""

    @initialize()
    def begin(self):
        self.store = MemoryStore(LIMIT, max_variants=3)
        self.ledger = Ledger()
        self.newest: dict[tuple, Entry] = {}
        self.gone: set[Entry] = set()
        self.purged: dict[bytes, set[Entry]] = {}

    def entries(self) -> list[Entry]:
        return list(self.store.entries_under((b"", b"", b"/")))

    @rule(path=paths, form=forms, size=st.sampled_from([0, 500, 2_000, 9_000, 20_000]), tags=tags)
    def put(self, path, form, size, tags):
        entry = make_entry(path, body=b"x" * size, tags=tags, vary=form[0], nominated=form[1], stamp=self.ledger.sequence)
        name = (entry.key, *form)
        if name in self.newest:
            self.gone.add(self.newest[name])
        self.newest[name] = entry
        self.store.put(entry)

    @rule(data=st.data())
    def drop(self, data):
        if self.newest:
            entry = data.draw(st.sampled_from(list(self.newest.values())))
            self.store.drop(entry)
            self.gone.add(entry)

    @rule(data=st.data())
    def use_one(self, data):
        if entries := self.entries():
            use(data.draw(st.sampled_from(entries)))

    @rule(data=st.data(), octets=st.integers(1, 5_000))
    def grow(self, data, octets):
        if self.newest:
            self.store.grow(data.draw(st.sampled_from(list(self.newest.values()))), octets)

    @rule(tag=st.sampled_from([b"t", b"u", b"group:v"]))
    def purge(self, tag):
        self.ledger.purge(("tag", tag), Verdict.SOFT)
        self.store.forget_count(tag)
        self.purged.setdefault(tag, set()).update(self.entries())

    @invariant()
    def the_bound_holds_and_bytes_are_what_entries_cost(self):
        entries = self.entries()
        assert self.store.used_bytes == sum(entry.cost for entry in entries) <= LIMIT
        assert len(self.store) == len(entries)

    @invariant()
    def nothing_is_given_that_was_dropped_or_replaced(self):
        for entry in self.entries():
            assert entry not in self.gone
            assert self.newest[entry.key, entry.vary, entry.nominated] is entry
            assert held(self.store, entry)

    @invariant()
    def no_shelf_is_empty_and_none_has_too_many_forms(self):
        for path in "abcdefgh":
            shelf = self.store.shelf(key(f"/{path}"))
            if shelf is not None:
                entries = list(shelf.entries())
                assert 1 <= len(entries) <= 3
                assert all(shelf.groups.values())
                plain = shelf.groups.get((), {}).get(())
                assert shelf.sole is (plain if len(entries) == 1 else None)

    @invariant()
    def counts_of_tags_are_exact(self):
        for tag in (b"t", b"u", b"group:v"):
            expected = [entry for entry in self.entries() if tag in entry.tags and entry not in self.purged.get(tag, ())]
            assert self.store.tagged(tag) == len(expected)
            assert self.store.tag_counts().get(tag, 0) == len(expected)


TestStoreAgainstModel = StoreAgainstModel.TestCase
TestStoreAgainstModel.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
