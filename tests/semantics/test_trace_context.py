"""traceparent and tracestate: read strictly, passed on as they came. W3C Trace Context §3, §4."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.semantics.trace_context import TraceContext, checked, parse_parent, parse_state, trace_of, with_trace, without_trace

TRACE, PARENT = b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331"
GOOD = b"00-%b-%b-01" % (TRACE, PARENT)


def test_a_traceparent_is_read_and_written() -> None:
    context = parse_parent(GOOD)
    assert context == TraceContext(TRACE, PARENT, 1)
    assert context.is_sampled
    assert context.encode_parent() == GOOD


@pytest.mark.parametrize(
    "value",
    [
        b"",
        GOOD.upper(),  # hexadecimal digits are small. §3.2.2
        GOOD[:-1],
        GOOD + b"0",
        GOOD + b"-00",  # version 00 ends with its flags. §4.3
        b"ff" + GOOD[2:],  # no version. §3.2.2.1
        b"0" + GOOD,
        b"00-%b-%b-01" % (b"0" * 32, PARENT),
        b"00-%b-%b-01" % (TRACE, b"0" * 16),
        b"00_" + GOOD[3:],
        GOOD + b"\n",
        b" " + GOOD,
        b"00-%b-%b-0g" % (TRACE, PARENT),
        b"cc" + GOOD[2:] + b"what follows without a dash",
    ],
)
def test_what_is_no_traceparent_says_nothing(value: bytes) -> None:
    assert parse_parent(value) is None
    assert checked([(b"a", b"b"), (b"traceparent", value), (b"tracestate", b"a=1")]) == [(b"a", b"b")]


@pytest.mark.parametrize("rest", [b"", b"-", b"-what-the-future-will-have"])
def test_a_later_version_is_read_as_far_as_it_is_known_and_written_in_ours(rest: bytes) -> None:
    context = parse_parent(b"cc" + GOOD[2:] + rest)
    assert context is not None
    assert context.encode_parent() == GOOD


@pytest.mark.parametrize(("flags", "passed"), [(b"00", b"00"), (b"01", b"01"), (b"03", b"03"), (b"ff", b"03"), (b"fc", b"00")])
def test_flags_that_nobody_knows_are_not_passed_on(flags: bytes, passed: bytes) -> None:
    """§3.2.2.5.2"""
    context = parse_parent(GOOD[:-2] + flags)
    assert context is not None
    assert context.encode_parent() == GOOD[:-2] + passed


def test_two_traceparents_say_nothing() -> None:
    assert trace_of([(b"traceparent", GOOD), (b"traceparent", GOOD)]) is None


@pytest.mark.parametrize(
    ("lines", "state"),
    [
        ([b"a=1"], b"a=1"),
        ([b"a=1,b=2", b"c=3"], b"a=1,b=2,c=3"),
        ([b" a=1 \t, ,\tb=2 ", b""], b"a=1,b=2"),
        ([b"1tenant@system=x y"], b"1tenant@system=x y"),
        ([b"a_-*/9=!\"#$%&'()*+-./:;<>?@[]^_`{|}~"], b"a_-*/9=!\"#$%&'()*+-./:;<>?@[]^_`{|}~"),
        ([b"a=1,a=2"], b""),
        ([b"A=1"], b""),
        ([b"1a=1"], b""),
        ([b"a=1,b"], b""),
        ([b"a=b=c"], b""),
        ([b"a="], b""),
        ([b"a=\xc3\xbc"], b""),
        ([b"t@1=x"], b""),
        ([b"%b=1" % (b"a" * 257)], b""),
        ([b"a=%b" % (b"x" * 257)], b""),
        ([b",".join(b"k%d=v" % n for n in range(33))], b""),
        ([b",".join(b"k%d=v" % n for n in range(32))], b",".join(b"k%d=v" % n for n in range(32))),
    ],
)
def test_a_tracestate_is_taken_whole_or_not_at_all(lines: list[bytes], state: bytes) -> None:
    assert parse_state(lines) == state


def test_a_state_that_breaks_the_grammar_leaves_the_parent() -> None:
    assert checked([(b"traceparent", GOOD), (b"tracestate", b"A=1")]) == [(b"traceparent", GOOD)]


def test_of_a_long_state_the_large_members_go_first_then_the_oldest() -> None:
    """§3.3.1.5"""
    large = b"large=" + b"x" * 200
    small = [b"k%02d=%b" % (n, b"y" * 96) for n in range(5)]
    assert parse_state([b",".join([small[0], large, *small[1:]])]) == b",".join(small)
    assert parse_state([b",".join([*small, b"last=%b" % (b"z" * 96)])]) == b",".join(small)


key = st.from_regex(r"\A[a-z][a-z0-9_\-*/]{0,20}\Z").map(str.encode)
value = st.from_regex(r"\A[!-+\--<>-~]{1,60}\Z").map(str.encode)


@given(st.dictionaries(key, value, max_size=40))
def test_whatever_is_passed_on_is_well_formed_short_and_in_order(members: dict[bytes, bytes]) -> None:
    given_members = [b"%b=%b" % pair for pair in members.items()]
    passed = parse_state([b",".join(given_members)])
    kept = passed.split(b",") if passed else []
    assert len(passed) <= 512
    assert kept == [member for member in given_members if member in set(kept)]
    assert parse_state([passed]) == passed
    if len(members) <= 32 and len(b",".join(given_members)) <= 512:
        assert kept == given_members


names = st.sampled_from([b"traceparent", b"tracestate", b"x"])
texts = st.one_of(
    st.just(GOOD), st.binary(max_size=70), st.from_regex(r"\A[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\Z").map(str.encode)
)


@given(st.lists(st.tuples(names, texts), max_size=6))
@example([(b"traceparent", GOOD), (b"tracestate", b"a=1"), (b"x", b"")])
def test_what_comes_out_is_one_context_or_none_and_all_else_is_left_alone(fields: list[tuple[bytes, bytes]]) -> None:
    result = checked(fields)
    assert without_trace(result) == without_trace(fields)
    context = trace_of(result)
    assert checked(result) == result
    if context is None:
        assert result == without_trace(fields)
    else:
        assert re.fullmatch(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[0-3]", context.encode_parent())
        assert result == with_trace(fields, context)
