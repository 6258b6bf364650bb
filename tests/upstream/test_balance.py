"""Several servers behind one name, on fakes with a hand-turned clock; whole gateways with several servers are in tests/overload/."""

from __future__ import annotations

import asyncio

import pytest

from gateway.breaker import BreakerSettings
from gateway.errors import UpstreamError, UpstreamRefused, UpstreamReset, UpstreamTimeout
from gateway.upstream.balance import BalancedOrigin
from gateway.upstream.health import GuardedOrigin
from gateway.upstream.origin import OriginRequest, OriginResponse
from gateway.upstream.retry_budget import RetryBudget
from tests.upstream.scripted import Run

REFUSED = UpstreamRefused("no")


class Body:
    """Content that only notes whether it was given up."""

    closed = False

    async def aclose(self) -> None:
        self.closed = True


class FakeServer:
    """Answers as told: a status, an error to raise, or an event to wait for first."""

    def __init__(self, mood: object = 200) -> None:
        self.mood = mood
        self.asked = 0
        self.bodies: list[Body] = []

    async def exchange(self, request: OriginRequest) -> OriginResponse:
        self.asked += 1
        if isinstance(self.mood, BaseException):
            raise self.mood
        if isinstance(self.mood, asyncio.Event):
            await self.mood.wait()
        self.bodies.append(Body())
        return OriginResponse(self.mood if isinstance(self.mood, int) else 200, [], body=self.bodies[-1])

    async def aclose(self) -> None:
        pass


class Several:
    """A balanced origin, its servers, and the time."""

    def __init__(self, *moods: object, budget: float | None = None, max_ejected: float = 1.0) -> None:
        self.now = 1000.0
        self.servers = [FakeServer(mood) for mood in moods]
        members = [
            GuardedOrigin(server, f"cms{number}", breaker=BreakerSettings(), server_errors=True, clock=lambda: self.now)
            for number, server in enumerate(self.servers)
        ]
        made = RetryBudget(budget) if budget is not None else None
        self.origin = BalancedOrigin(members, max_ejected=max_ejected, budget=made, clock=lambda: self.now)

    async def ask(self, times: int = 1, method: bytes = b"GET") -> list[int | str]:
        results: list[int | str] = []
        for _ in range(times):
            try:
                results.append((await self.origin.exchange(OriginRequest(method, b"/", []))).status)
            except UpstreamError as error:
                results.append(error.reason)
        return results

    def asked(self) -> list[int]:
        return [server.asked for server in self.servers]


def test_the_one_with_the_least_to_do_is_asked(run: Run) -> None:
    async def scenario() -> None:
        gate = asyncio.Event()
        several = Several(gate, 200, 200)
        slow = [asyncio.ensure_future(several.ask(1)) for _ in range(3)]
        await asyncio.sleep(0)
        held = several.servers[0].asked
        assert held == 1
        await several.ask(10)
        assert several.servers[0].asked == held
        gate.set()
        await asyncio.gather(*slow)
        await several.ask(3)
        assert several.servers[0].asked == held + 1

    run(scenario())


def test_a_visitor_pays_for_no_probe_of_a_server_that_is_still_ill(run: Run) -> None:
    """B12: five errors, and none while it is tried again and again; back with the first probe that succeeds."""

    async def scenario() -> None:
        several = Several(200, 500, 200)
        outcomes = await several.ask(100)
        assert outcomes.count(500) == 5
        for _ in range(20):
            several.now += 5
            assert await several.ask(6) == [200] * 6
        assert several.servers[1].asked > 5
        assert several.servers[1].bodies[-1].closed
        several.servers[1].mood = 200
        several.now += 20
        before = several.servers[1].asked
        assert await several.ask(30) == [200] * 30
        assert several.servers[1].asked - before == 10

    run(scenario())


def test_an_unsafe_request_is_no_probe_while_another_server_is_well(run: Run) -> None:
    async def scenario() -> None:
        several = Several(200, 500)
        await several.ask(20)
        several.now += 20
        asked = several.servers[1].asked
        assert await several.ask(10, b"POST") == [200] * 10
        assert several.servers[1].asked == asked

    run(scenario())


@pytest.mark.parametrize("failure", [REFUSED, UpstreamTimeout("no", "connection_timeout"), UpstreamTimeout("no", "dns_timeout")])
def test_what_could_not_be_sent_goes_to_another_server_even_a_post(run: Run, failure: UpstreamError) -> None:
    async def scenario() -> None:
        several = Several(failure, 200)
        assert await several.ask(10, b"POST") == [200] * 10
        assert several.origin.moves == 5  # then it is left out

    run(scenario())


@pytest.mark.parametrize("failure", [UpstreamReset("gone"), UpstreamTimeout("late")])
def test_what_was_sent_is_sent_to_nobody_else(run: Run, failure: UpstreamError) -> None:
    async def scenario() -> None:
        several = Several(failure, 200)
        assert (await several.ask(2)).count(200) == 1
        assert several.asked() == [1, 1]

    run(scenario())


def test_moves_stop_when_the_budget_is_spent(run: Run) -> None:
    async def scenario() -> None:
        several = Several(REFUSED, REFUSED, REFUSED, 200, budget=0.0)
        outcomes = await several.ask(4)
        assert outcomes.count("connection_refused") == 3
        assert several.asked() == [1, 1, 1, 1]
        assert several.origin.counters()["retries_withheld"] == 3
        assert several.origin.moves == 0

    run(scenario())


@pytest.mark.parametrize(("share", "out"), [(0.0, 1), (0.5, 2), (0.7, 2), (1.0, 3)])
def test_at_most_a_share_is_left_out(run: Run, share: float, out: int) -> None:
    """And one at least, but never all. When more are ill than that, all are asked: those thought ill may answer by now."""

    async def scenario() -> None:
        several = Several(*[500] * out, *[200] * (4 - out), max_ejected=share)
        await several.ask(100)
        asked = several.asked()
        assert await several.ask(40) == [200] * 40
        assert several.asked()[:out] == asked[:out]
        assert several.origin.panics == 0
        several.servers[out].mood = 500
        outcomes = await several.ask(80)
        assert several.origin.panics > 0
        assert outcomes.count(500) > 5

    run(scenario())


def test_the_state_is_that_of_all_servers(run: Run) -> None:
    async def scenario() -> None:
        several = Several(200, REFUSED)
        assert several.origin.state == "closed"
        await several.ask(20)
        assert (several.origin.state, several.origin.is_available()) == ("partly", True)
        several.servers[0].mood = REFUSED
        await several.ask(20)
        assert (several.origin.state, several.origin.is_available()) == ("open", False)

    run(scenario())
