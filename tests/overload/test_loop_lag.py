"""The loop's lag: what blocks the loop shows, what neighbours take does not count."""

from __future__ import annotations

import asyncio
import time

import pytest
import uvloop

from gateway.telemetry.loop_lag import LoopLag


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def runner(request):
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner


async def samples(act, count: int) -> tuple[LoopLag, list[float]]:
    """Count samples of our own lag; act is done once, after the first."""
    lag, heard = LoopLag(), []
    enough = asyncio.Event()

    def listen(own: float, _now: float) -> None:
        heard.append(own)
        if len(heard) == 1:
            asyncio.get_running_loop().call_soon(act)
        if len(heard) >= count:
            enough.set()

    lag.listeners.append(listen)
    lag.start()
    await enough.wait()
    lag.stop()
    return lag, heard


def work(seconds: float) -> None:
    """Keep the processor for so long."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_a_loop_that_works_is_late_by_its_work(runner):
    lag, heard = runner.run(samples(lambda: work(0.3), 3))
    assert max(heard) > 0.2
    assert lag.worst() >= max(heard)


def test_the_sample_after_it_is_on_its_own(runner):
    _, heard = runner.run(samples(lambda: work(0.3), 8))
    assert min(heard) < 0.2


def test_what_a_neighbour_takes_is_no_lag_of_ours(runner, monkeypatch):
    """As Linux tells it: the thread could have run for as long as the loop was late, and did not."""
    waited = [0.0]

    def wait_and_sleep() -> None:
        waited[0] += 0.3
        time.sleep(0.3)

    monkeypatch.setattr(LoopLag, "_wait_so_far", lambda _: waited[0])
    lag, heard = runner.run(samples(wait_and_sleep, 3))
    assert lag.worst() > 0.2
    assert max(heard) < 0.2
