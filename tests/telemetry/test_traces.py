"""Traces as they grow and as they are kept: bounded, in order, without a word of the visitor; and the response field made of them."""

from __future__ import annotations

import http_sf
import pytest

from gateway.flow.response import Facts
from gateway.telemetry.trace import TraceNode
from gateway.telemetry.traces import MAX_PROBLEMS, MAX_ROWS, MAX_TEXT, Trace, Traces, encode_includes, shown_target


def finished(trace: Trace, outcome: str = "hit", *, detail: str = "", complete: bool = True) -> Trace:
    trace.finish(Facts("default", outcome, detail=detail), 200, 10, complete=complete)
    return trace


def test_the_oldest_makes_room():
    traces = Traces(3)
    made = [traces.begin("GET", f"http://shop.test/{number}", 1.0) for number in range(5)]
    assert traces.recent == made[:1:-1]
    assert [traces.find(trace.id) for trace in made] == [None, None, *made[2:]]


def test_no_two_have_an_id_in_common_and_none_can_be_guessed():
    ids = {Trace("GET", "/", 0.0).id for _ in range(1_000)}
    assert len(ids) == 1_000
    assert min(map(len, ids)) >= 22  # 16 octets of chance


def test_rows_stand_in_the_order_of_the_tree():
    trace = Trace("GET", "http://shop.test/", 0.0)
    first, second = trace.root.child("/a", "src"), trace.root.child("/b", "src")
    first.child("/a/1", "src").end("memory", 200, 1)
    first.child("/a/2", "src").end("memory", 200, 2)
    first.end("hit", 200, 3)
    second.end("uri-miss", 500, 0, "status_500")
    second.outcome = "nothing"
    rows = finished(trace).rows
    assert [(row.depth, row.url) for row in rows] == [(0, "http://shop.test/"), (1, "/a"), (2, "/a/1"), (2, "/a/2"), (1, "/b")]
    assert (rows[-1].reason, rows[-1].status, rows[-1].outcome) == ("status_500", 500, "nothing")
    assert all(0 <= row.start <= row.start + row.seconds <= rows[0].seconds for row in rows)


def test_what_is_under_way_can_be_read_and_what_is_over_changes_no_more():
    trace = Trace("GET", "/", 0.0)
    node = trace.root.child("/a", "src")
    assert [row.is_open for row in trace.rows] == [True, True]
    finished(trace)
    assert [row.is_open for row in trace.rows] == [False, True]
    kept = trace.rows
    node.end("hit", 200, 1)
    trace.close()
    assert trace.rows is kept


def test_a_request_that_ends_in_the_middle_is_not_under_way_for_ever():
    trace = Trace("GET", "/", 0.0)
    trace.close()
    assert (trace.is_open, trace.complete) == (False, False)
    assert len(trace.rows) == 1


def test_what_is_kept_of_a_trace_has_bounds_and_the_tree_is_let_go():
    trace = Trace("GET", "/" + "x" * 9_000, 0.0)
    for number in range(MAX_ROWS + 50):
        trace.root.child(f"/{number}" + "y" * 9_000, "src").problems.append("z" * 9_000)
    finished(trace)
    assert len(trace.rows) == MAX_ROWS
    assert trace.left_out == 51
    assert len(trace.problems) == MAX_PROBLEMS
    assert (
        max(len(text) for text in [row.url for row in trace.rows] + [text for pair in trace.problems for text in pair])
        == MAX_TEXT
    )
    assert trace.root.children == []


@pytest.mark.parametrize(
    ("outcome", "detail", "complete", "reason"),
    [
        ("hit", "stale", True, ""),
        ("error", "connection_refused", True, "connection_refused"),
        ("hit", "deadline", False, "deadline"),
    ],
)
def test_the_page_has_a_reason_only_when_something_went_wrong(outcome, detail, complete, reason):
    (row,) = finished(Trace("GET", "/", 0.0), outcome, detail=detail, complete=complete).rows
    assert row.reason == reason


def test_what_the_cache_did_is_told_in_the_words_of_cache_status():
    node = TraceNode("/")
    facts = Facts("default", "uri-miss", detail="purged-meanwhile")
    facts.stored = facts.collapsed = True
    node.end("uri-miss", 200, 1)
    node.tell(facts)
    assert node.detail == "stored, collapsed, purged-meanwhile"


def test_a_request_that_was_under_way_already_began_then():
    early, node = TraceNode("/a", "src"), TraceNode("/a", "src")
    early.child("/a/1", "src")
    node.adopt(early)
    assert node.started == early.started
    assert [child.url for child in node.children] == ["/a/1"]


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        (b"/page", "/page"),
        (b"/page?token=secret&q=word&flag", "/page?token=…&q=…&flag"),
        (b"/page?", "/page?"),
        (b"/page?a=b=c", "/page?a=…"),
        (b"/\xe9", "/é"),
    ],
)
def test_of_parameters_only_the_names_are_shown(target, shown):
    assert shown_target(target) == shown


class TestTheField:
    def test_it_is_a_list_of_strings_with_parameters(self):
        root = TraceNode("/")
        header = root.child("/header", "src")
        header.child('/quote"and\\slash', "src").end("memory", 200, 1)
        header.end("hit", 200, 1)
        root.child("/näh", "src").end("uri-miss", 0, 0, "deadline")
        root.child("/open", "src")
        members = http_sf.parse(encode_includes(root), tltype="list")
        assert [(url, str(about["outcome"])) for url, about in members] == [
            ("/header", "src"),
            ('/quote"and\\slash', "src"),
            ("/n%C3%A4h", "failed"),
            ("/open", "open"),
        ]
        assert [str(about.get("cache", "")) for _, about in members] == ["hit", "memory", "uri-miss", ""]
        assert members[1][1]["depth"] == 2
        assert str(members[2][1]["reason"]) == "deadline"
        assert "ms" not in members[3][1]

    def test_it_has_bounds(self):
        root = TraceNode("/")
        for _ in range(300):
            root.child("/" + "x" * 5_000, "src")
        field = encode_includes(root)
        assert len(field) < 20_000
        assert str(http_sf.parse(field, tltype="list")[-1][0]) == "more"
        assert http_sf.parse(field, tltype="list")[-1][1]["count"] == 260

    @pytest.mark.parametrize("text", ["\r\nset-cookie: a=b", "\x00", "\ud800", "a, b;c=d"])
    def test_nothing_in_a_url_or_a_reason_ends_it(self, text):
        root = TraceNode("/")
        root.child(text, "src").end("hit", 200, 1, text)
        ((_, about),) = http_sf.parse(encode_includes(root), tltype="list")
        assert set(about) == {"outcome", "cache", "reason", "ms"}
