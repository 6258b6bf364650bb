"""Guarded and balanced origins on a fake of our own port, with a hand-turned clock."""

from __future__ import annotations

import asyncio
import logging

import pytest

from gateway.errors import (
    UpstreamError,
    UpstreamMalformed,
    UpstreamRefused,
    UpstreamReset,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from gateway.upstream.balance import BalancedOrigin
from gateway.upstream.health import ActiveCheck, GuardedOrigin
from gateway.upstream.origin import OriginRequest, OriginResponse
from tests.upstream.scripted import OK, Peer, Run, ScriptedOrigin, ask, get, until

REFUSED = UpstreamRefused("no")


class FakeOrigin:
    """Answers as told: a status, an error to raise, or an event to wait for first. `mood` may be changed at any time."""

    def __init__(self, mood: object = 200) -> None:
        self.mood = mood
        self.asked = 0
        self.closed = False

    async def exchange(self, request: OriginRequest) -> OriginResponse:
        self.asked += 1
        if isinstance(self.mood, BaseException):
            raise self.mood
        if isinstance(self.mood, asyncio.Event):
            await self.mood.wait()
            return OriginResponse(200, [])
        return OriginResponse(self.mood, [])

    async def aclose(self) -> None:
        self.closed = True


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def guarded(mood: object = 200, **more: object) -> tuple[GuardedOrigin, FakeOrigin, Clock]:
    origin, clock = FakeOrigin(mood), Clock()
    return GuardedOrigin(origin, "cms", clock=clock, **more), origin, clock


async def outcome(origin: object) -> int | str:
    try:
        return (await origin.exchange(get())).status
    except UpstreamError as error:
        return type(error).__name__


def test_an_origin_that_is_away_is_left_alone_and_found_again_within_seconds(run: Run) -> None:
    """B5: 5 failures, then 503 at once; a probe each second and more; back with the first that succeeds."""

    async def scenario() -> None:
        guard, origin, clock = guarded(REFUSED)
        assert [await outcome(guard) for _ in range(8)] == ["UpstreamRefused"] * 5 + ["UpstreamUnavailable"] * 3
        assert (origin.asked, guard.state, guard.is_available()) == (5, "open", False)
        with pytest.raises(UpstreamUnavailable) as caught:
            await guard.exchange(get())
        assert (caught.value.status, caught.value.retry_after) == (503, 1.0)
        clock.now += 1
        assert await outcome(guard) == "UpstreamRefused"  # the probe
        origin.mood = 200
        clock.now += 2
        assert [await outcome(guard) for _ in range(3)] == [200] * 3
        assert guard.state == "closed"
        counters = guard.counters()
        assert (counters["failure_connection_refused"], counters["rejected_unhealthy"], counters["opened"]) == (6, 4, 1)
        assert (counters["guarded_exchanges"], counters["state"]) == (9, 0)

    run(scenario())


@pytest.mark.parametrize(
    ("mood", "counts"),
    [
        (REFUSED, True),
        (UpstreamTimeout("late"), True),
        (UpstreamReset("gone"), False),
        (UpstreamMalformed("junk"), False),
        (UpstreamUnavailable("full", "connection_limit_reached"), False),  # our limit, not its fault
        (ValueError("caller"), False),
        (500, False),
        (404, False),
    ],
    ids=repr,
)
def test_what_counts_as_a_failure(run: Run, mood: object, counts: bool) -> None:
    async def scenario() -> None:
        guard, origin, _ = guarded(mood)
        for _ in range(20):
            try:
                await outcome(guard)
            except ValueError as error:
                assert error is mood  # noqa: PT017
        assert origin.asked == (5 if counts else 20)

    run(scenario())


def test_server_errors_count_when_asked_for_and_are_passed_on(run: Run) -> None:
    """B12."""

    async def scenario() -> None:
        guard, _, _ = guarded(503, server_errors=True)
        assert [await outcome(guard) for _ in range(6)] == [503] * 5 + ["UpstreamUnavailable"]

    run(scenario())


def test_a_cancelled_probe_does_not_block_the_next(run: Run) -> None:
    async def scenario() -> None:
        guard, origin, clock = guarded(REFUSED)
        for _ in range(5):
            await outcome(guard)
        clock.now += 1
        origin.mood = asyncio.Event()
        probe = asyncio.create_task(guard.exchange(get()))
        await asyncio.sleep(0)
        assert await outcome(guard) == "UpstreamUnavailable"  # one at a time
        probe.cancel()
        await asyncio.wait((probe,))
        origin.mood = 200
        assert await outcome(guard) == 200

    run(scenario())


def test_state_changes_are_logged_once_and_flapping_is_summed_up(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """B16: values, one line in ten seconds at most."""
    caplog.set_level(logging.INFO, "gateway.upstream.health")

    async def scenario() -> None:
        guard, origin, clock = guarded(REFUSED)
        for _ in range(5):
            await outcome(guard)
        for flap in range(1, 31):  # every two seconds for a minute
            clock.now += 2
            origin.mood = 200 if flap % 2 else REFUSED
            for _ in range(5):
                await outcome(guard)
        await guard.aclose()
        lines = [record.getMessage() for record in caplog.records]
        assert lines[0] == "origin_state origin=cms state=open was=closed reason=connection_refused changes=1"
        assert 3 <= len(lines) <= 7
        assert all(line.startswith("origin_state origin=cms state=") for line in lines)

    run(scenario())


def test_active_checks_take_an_origin_out_and_bring_it_back(run: Run) -> None:
    checks = {"failures": 2, "successes": 2, "interval": 0.01, "timeout": 0.5}

    async def scenario() -> None:
        well = True

        async def script(peer: Peer) -> None:
            while True:
                head = await peer.request()
                await peer.send(
                    OK if well or not head.startswith(b"GET /health ") else b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"
                )

        async with ScriptedOrigin(script) as origin:
            guard = GuardedOrigin(origin.client(), "cms", check=ActiveCheck("/health", "cms.test", **checks))
            guard.start()
            assert await ask(guard) == (200, b"ok")
            well = False
            await until(lambda: guard.state == "down")
            assert await outcome(guard) == "UpstreamUnavailable"
            assert guard.counters()["state"] == 3
            well = True
            await until(lambda: guard.state == "closed")
            assert await ask(guard) == (200, b"ok")
            assert b"\r\nhost: cms.test\r\n" in next(head for head in origin.heads if b"/health" in head)
            await guard.aclose()
            assert guard.counters()["connections_open"] == 0

    run(scenario())


def test_a_check_that_hangs_is_a_bad_one(run: Run) -> None:
    async def scenario() -> None:
        guard, origin, _ = guarded(asyncio.Event(), check=ActiveCheck("/", "cms", interval=0.01, timeout=0.01, failures=1))
        guard.start()
        await until(lambda: guard.state == "down")
        await guard.aclose()
        assert origin.closed

    run(scenario())


def test_a_check_that_found_no_free_connection_says_nothing(run: Run) -> None:
    async def scenario() -> None:
        full = UpstreamUnavailable("full", "connection_limit_reached")
        guard, origin, _ = guarded(full, check=ActiveCheck("/", "cms", interval=0.001, failures=1))
        guard.start()
        await until(lambda: origin.asked > 5)
        assert guard.state == "closed"
        await guard.aclose()

    run(scenario())


# ── several servers ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def balanced(*moods: object, **more: object) -> tuple[BalancedOrigin, list[FakeOrigin], Clock]:
    clock = Clock()
    origins = [FakeOrigin(mood) for mood in moods]
    guards = [GuardedOrigin(origin, f"cms{number}", clock=clock, **more) for number, origin in enumerate(origins)]
    return BalancedOrigin(guards), origins, clock


def test_servers_take_turns(run: Run) -> None:
    async def scenario() -> None:
        balance, origins, _ = balanced(200, 200, 200)
        for _ in range(9):
            await outcome(balance)
        assert [origin.asked for origin in origins] == [3, 3, 3]

    run(scenario())


def test_one_of_three_that_answers_500_is_out_after_five_and_back_after_a_good_probe(run: Run) -> None:
    """B12: at most six errors that a visitor sees."""

    async def scenario() -> None:
        balance, origins, clock = balanced(200, 500, 200, server_errors=True)
        outcomes = [await outcome(balance) for _ in range(100)]
        assert outcomes.count(500) == 5
        origins[1].mood = 200
        clock.now += 1
        before = origins[1].asked
        assert [await outcome(balance) for _ in range(30)] == [200] * 30
        assert origins[1].asked - before >= 9

    run(scenario())


def test_a_refused_connection_goes_on_to_the_next_server(run: Run) -> None:
    """Nothing was sent, so not even a POST can be doubled."""

    async def scenario() -> None:
        balance, _, _ = balanced(REFUSED, 200)
        assert [await outcome(balance) for _ in range(20)] == [200] * 20
        only_bad, origins, _ = balanced(REFUSED, REFUSED)
        assert await outcome(only_bad) == "UpstreamRefused"
        assert [origin.asked for origin in origins] == [1, 1]

    run(scenario())


def test_what_was_sent_is_not_sent_to_another(run: Run) -> None:
    async def scenario() -> None:
        balance, origins, _ = balanced(UpstreamReset("gone"), 200)
        assert await outcome(balance) == "UpstreamReset"
        assert [origin.asked for origin in origins] == [1, 0]

    run(scenario())


def test_when_all_are_ill_all_are_tried_all_the_same(run: Run) -> None:
    """B13: panic mode."""

    async def scenario() -> None:
        balance, origins, _ = balanced(UpstreamTimeout("late"), UpstreamTimeout("late"))
        for _ in range(10):
            await outcome(balance)
        for origin in origins:
            origin.mood = 200
        assert [await outcome(balance) for _ in range(4)] == [200] * 4
        assert (balance.panics, [origin.asked for origin in origins]) == (4, [7, 7])
        assert balance.counters()["available"] == 0

    run(scenario())


def test_a_single_server_is_never_panicked_into(run: Run) -> None:
    async def scenario() -> None:
        balance, _, _ = balanced(REFUSED)
        assert [await outcome(balance) for _ in range(7)] == ["UpstreamRefused"] * 5 + ["UpstreamUnavailable"] * 2
        assert balance.panics == 0

    run(scenario())


def test_counters_are_summed_and_all_are_closed(run: Run) -> None:
    async def scenario() -> None:
        balance, origins, _ = balanced(200, 404)
        for _ in range(4):
            await outcome(balance)
        assert balance.counters()["guarded_exchanges"] == 4
        assert balance.counters()["members"] == 2
        balance.start()
        await balance.aclose()
        assert all(origin.closed for origin in origins)
        with pytest.raises(ValueError, match="at least one"):
            BalancedOrigin([])

    run(scenario())
