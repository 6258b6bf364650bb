"""fragments.assembly by its public face: the corpus, and any program at all against an interpreter that does one thing after the other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fragments.assembly import Assembler, Budget, Fragment
from fragments.esi.compiler import compile_page
from tests.assembly.corpus_assembly import CASES, INCLUDE_A, INCLUDE_BAD, Case, assigned, said, wrapped
from tests.assembly.player import Came, Choose, Play, environment_of, in_turn, last_come, play, text_of
from tests.assembly.sequential import answers_of, interpret, markup_of, programs

ORDERS: dict[str, Choose] = {
    "in turn": in_turn,
    "last come, first served": last_come,
    "from the middle": lambda count: count // 2,
}


def came_of(case: Case, choose: Choose) -> Came:
    return play(
        case.page,
        case.answers,
        choose=choose,
        environment=environment_of(case.target, case.fields),
        lenient=case.lenient,
        budget=case.budget,
    )


def judge(case: Case, came: Came) -> None:
    if case.gets.startswith("!"):
        assert came.failure == case.gets[1:], came
    else:
        assert (came.failure, came.text) == ("", case.gets), came
    if case.asked is not None and not came.failure:
        assert sorted(came.asked) == sorted(case.asked.split()), came
    assert len(came.problems) >= len(case.problems), came
    for word in case.problems:
        assert any(word in problem for problem in came.problems), came
    if not case.problems:
        assert not came.problems


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_page_comes_out_as_it_should_whatever_the_order_of_answers(case: Case, order: str):
    came = came_of(case, ORDERS[order])
    judge(case, came)
    if case.outcomes is not None and order == "in turn":
        assert " ".join(came.outcomes) == case.outcomes
    if case.dropped is not None and order == "in turn":
        assert sorted(came.dropped) == sorted(case.dropped.split())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_page_comes_out_the_same_when_it_comes_octet_by_octet(case: Case):
    """Each answer arrives as soon as it can, so that most of the page is not there yet."""
    player = Play(
        case.answers.get,
        environment=environment_of(case.target, case.fields),
        lenient=case.lenient,
        budget=case.budget,
    )
    for octet in case.page.encode():
        player.feed(bytes([octet]))
        player.look()
        while player.open and not player.assembler.failure:
            player.supply(0)
            player.look()
    player.close()
    judge(case, player.play_out(in_turn))


def test_ids_of_the_corpus_are_its_own():
    assert len({case.id for case in CASES}) == len(CASES)


# ── Any program ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

orders = st.lists(st.integers(0, 1_000), min_size=1, max_size=12)


def by(numbers: list[int]) -> Choose:
    """An order of arrival, from numbers."""
    turns = itertools.cycle(numbers)
    return lambda count: next(turns) % count


def check_against(expected: Any, came: Came) -> None:
    if expected.failed:
        assert came.failure
        assert expected.text.startswith(came.text), "content that comes after what failed"
    else:
        assert (came.failure, came.text) == ("", expected.text)


@settings(max_examples=300)
@given(program=programs, failing=st.frozensets(st.integers(0, 9)), order=orders, lenient=st.booleans())
def test_any_program_gives_what_it_gives_when_one_thing_is_done_after_the_other(program, failing, order, lenient):
    answers = answers_of(program, failing)
    expected = interpret(program.page, answers, lenient=lenient)
    came = play(markup_of(program.page), answers, choose=by(order), lenient=lenient)
    check_against(expected, came)


@settings(max_examples=200)
@given(
    program=programs,
    failing=st.frozensets(st.integers(0, 9)),
    order=orders,
    lenient=st.booleans(),
    cuts=st.lists(st.integers(0, 400), max_size=6),
    acts=st.lists(st.booleans(), min_size=1, max_size=20),
)
def test_any_program_in_any_cuts_gives_the_same(program, failing, order, lenient, cuts, acts):
    """Answers arrive between the pieces of the page, drained or not."""
    answers = answers_of(program, failing)
    octets = markup_of(program.page).encode()
    expected = interpret(program.page, answers, lenient=lenient)
    player = Play(answers, lenient=lenient)
    choose, turns = by(order), itertools.cycle(acts)
    for chunk in cut(octets, cuts):
        player.feed(chunk)
        player.look()
        while next(turns) and player.open and not player.assembler.failure:
            player.supply(choose(len(player.open)))
            if next(turns):
                player.look()
    player.close()
    check_against(expected, player.play_out(choose))


def cut(octets: bytes, places: list[int]) -> Iterator[bytes]:
    ends = sorted({min(place, len(octets)) for place in places})
    for start, stop in itertools.pairwise([0, *ends, len(octets)]):
        yield octets[start:stop]


# ── What is handed out, and when ─────────────────────────────────────────────────────────────────────────────────────────────────


def begin(page: str, **how: Any) -> Assembler:
    assembler = Assembler(environment_of(), **how)
    assembler.run(compile_page(page.encode()))
    return assembler


def test_all_includes_that_can_be_reached_are_asked_for_at_once():
    assembler = begin(
        f"{INCLUDE_A}{wrapped('<esi:include src=/b />', 'x')}<esi:foreach collection='[1,2]'><esi:include src='/c'/></esi:foreach>"
    )
    assert [hole.url for hole in assembler.needs()] == ["/a", "/b", "/c", "/c"]
    assert assembler.needs() == []


def test_alt_is_asked_for_when_src_has_failed_and_not_before():
    assembler = begin("<esi:include src='/a' alt='/b'/>")
    (hole,) = assembler.needs()
    assembler.supply(hole, Fragment.failed("status_500"))
    assert [(each.url, each.stage) for each in assembler.needs()] == [("/b", "alt")]
    assert hole.reasons == ["status_500"]


def test_what_comes_before_a_hole_goes_out_while_it_is_open():
    assembler = begin(f"1{INCLUDE_A}2<esi:include src='/b'/>3")
    first, second = assembler.needs()
    assert text_of(assembler.drain()) == "1"
    assembler.supply(second, Fragment(b"B"))
    assert assembler.drain() == []
    assembler.supply(first, Fragment(b"A"))
    assert text_of(assembler.drain()) == "A2B3"
    assert assembler.finished


def test_a_try_is_settled_when_the_last_answer_within_arrives():
    assembler = begin(f"1{wrapped(INCLUDE_A + 'x<esi:include src=/b />', 'no')}2")
    first, second = assembler.needs()
    assembler.supply(first, Fragment(b"A"))
    assert text_of(assembler.drain()) == "1", "nothing of the attempt may go out before all of it is sure"
    assembler.supply(second, Fragment.failed("reset"))
    assert text_of(assembler.drain()) == "no2"


def test_a_try_is_settled_though_output_has_not_reached_it():
    """Its except is asked for as soon as the attempt has failed, not when its turn to be written comes."""
    assembler = begin(f"{INCLUDE_A}{wrapped(INCLUDE_BAD, '<esi:include src=/b />')}")
    _, bad = assembler.needs()
    assembler.supply(bad, Fragment.failed("reset"))
    assert [hole.url for hole in assembler.needs()] == ["/b"]


def test_an_attempt_that_has_failed_does_not_wait_for_the_rest_of_it():
    assembler = begin(wrapped(INCLUDE_BAD + INCLUDE_A, "no"))
    bad, other = assembler.needs()
    assembler.supply(bad, Fragment.failed("reset"))
    assert assembler.finished is False
    assert text_of(assembler.drain()) == "no"
    assert assembler.finished
    assert assembler.dropped == [other]


def test_an_answer_to_a_dropped_hole_changes_nothing():
    assembler = begin(wrapped(INCLUDE_BAD + INCLUDE_A, "no"))
    bad, other = assembler.needs()
    assembler.supply(bad, Fragment.failed("reset"))
    assembler.supply(other, Fragment(b"A"))
    assert text_of(assembler.drain()) == "no"
    assert other.outcome == "dropped"


def test_a_second_answer_changes_nothing():
    assembler = begin(f"{INCLUDE_A}{INCLUDE_BAD}")
    first, _ = assembler.needs()
    assembler.supply(first, Fragment(b"A"))
    assembler.supply(first, Fragment(b"other"))
    assembler.supply(first, Fragment.failed("reset"))
    assert text_of(assembler.drain()) == "A"


def test_holes_of_a_dropped_part_are_not_asked_for():
    """The attempt fails while it runs: what it would have needed is not handed out."""
    assembler = begin(wrapped(INCLUDE_A * 3, "no"), budget=Budget(holes=2))
    assert assembler.needs() == []
    assert text_of(assembler.drain()) == "no"


def test_what_follows_an_eval_waits_for_it_and_what_precedes_it_does_not():
    assembler = begin("1<esi:include src='/a'/><esi:eval src='/e'/><esi:include src='/b'/>")
    needs = assembler.needs()
    assert [hole.url for hole in needs] == ["/a", "/e"]
    assert text_of(assembler.drain()) == "1"
    assembler.supply(needs[1], Fragment(b"<esi:include src='/c'/>"))
    assert [hole.url for hole in assembler.needs()] == ["/c", "/b"]


def test_a_try_that_assigns_makes_what_follows_wait_and_another_does_not():
    waits = begin(wrapped(assigned("x", "1") + INCLUDE_A, "") + "<esi:include src='/b'/>")
    assert [hole.url for hole in waits.needs()] == ["/a"]
    runs_on = begin(wrapped(INCLUDE_A, "") + "<esi:include src='/b'/>")
    assert [hole.url for hole in runs_on.needs()] == ["/a", "/b"]


def test_a_failed_page_gives_nothing_more():
    assembler = begin(f"1{INCLUDE_A}2{INCLUDE_BAD}3")
    first, bad = assembler.needs()
    assembler.supply(bad, Fragment.failed("reset"))
    assembler.supply(first, Fragment(b"A"))
    assert assembler.failure == "reset"
    assert assembler.drain() == []
    assert not assembler.finished
    assert assembler.needs() == []


def test_a_page_that_has_not_ended_is_not_finished():
    player = Play({}.get)
    player.feed(b"<p>")
    player.look()
    assert player.text == "<p>"
    assert not player.assembler.settled
    player.close()
    assert player.assembler.finished


def test_the_same_static_text_is_handed_out_as_the_same_object_each_time():
    """Its compressed form is kept on it."""
    program = compile_page(f"<p>{INCLUDE_A}</p>".encode())
    seen = []
    for _ in range(2):
        assembler = Assembler(environment_of())
        assembler.run(program)
        (hole,) = assembler.needs()
        assembler.supply(hole, Fragment(b"A"))
        seen.append(assembler.drain())
    assert seen[0][0] is seen[1][0]
    assert seen[0][2] is seen[1][2]


def test_the_fragment_that_was_supplied_is_handed_out():
    assembler = begin(INCLUDE_A)
    (hole,) = assembler.needs()
    fragment = Fragment(b"A", source="mine")
    assembler.supply(hole, fragment)
    assert assembler.drain() == [fragment]


def test_a_program_is_not_changed_by_running_it():
    page = (
        assigned("l", "[1,2]")
        + assigned("l{0}", "$(l{0})+1")
        + said("l")
        + "<esi:foreach collection='$(l)'>"
        + assigned("l", "0")
        + "</esi:foreach>"
    )
    program = compile_page(page.encode())
    texts = []
    for _ in range(3):
        assembler = Assembler(environment_of())
        assembler.run(program)
        texts.append(text_of(assembler.drain()))
    assert texts == ["[2, 2]"] * 3
