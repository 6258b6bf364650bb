"""Issue 4, mark 8: a fleet under load, and every minute something breaks.

    make chaos                                          ten minutes
    make chaos SECONDS=3600 SEED=7
    python loadtests/chaos --seconds 120 --every 10 --only frozen

Faults come in a random order that SEED repeats, each once before any comes again. A line for each as it goes, a table and a verdict at the end; exit code 1 when the promise was
not kept. Needs redis-server.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import shutil
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import uvloop
from faults import ALL, Fault, Stage
from fleet import Fleet, fleet
from judge import Judge, Period
from load import Load
from pages import CACHEABLE

CALM_BEFORE = 0.25
"""Share of the time between faults that passes before the first."""
SHARE = 0.4
"""Of the time between faults that one may last; the rest is for coming back, and for looking whether all is well."""


def in_random_order(faults: list[Fault], dice: random.Random) -> Iterator[Fault]:
    """For ever; each once before any comes again."""
    while True:
        yield from dice.sample(faults, len(faults))


async def play(fault: Fault, stage: Stage, every: float) -> None:
    """One fault and the calm after it."""
    began = time.monotonic()
    act = fault.act(stage)
    try:
        await anext(act)
        await asyncio.sleep(max(0.0, min(fault.lasts, every * SHARE) - (time.monotonic() - began)))
        await anext(act, None)
    except (RuntimeError, OSError) as error:
        stage.load.judge.breaches.append(f"{fault.name}: {error}")
        for gateway in stage.fleet.gateways:
            gateway.write_settings()
    stage.period.ended = time.monotonic()
    await asyncio.sleep(max(0.0, every - (time.monotonic() - began)))
    stage.load.check()


def row(judge: Judge, period: Period) -> str:
    """A line of the table."""
    asked = sum(times for kind, times in period.asked.items() if kind in CACHEABLE)
    failed = [failure for failure in period.failures if failure.kind in CACHEABLE]
    explained = sum(map(judge.is_explained, period.failures))
    lasted = period.ended - max(judge.began, period.begun)
    return (
        f"{max(0.0, period.begun - judge.began):6.0f} {lasted:6.1f}  {period.name:42.42} {sum(period.asked.values()):8} {asked:9} {len(failed):6} "
        f"{explained:9} {len(period.failures) - explained:11} {period.slowest:8.2f} {period.slowest_kind:6.6} {period.lag:6.2f}"
    )


HEADING = "  from  lasts  fault                                      requests cacheable failed explained unexplained         slowest    lag"
READING = """\
seconds; failed: of the cacheable ones; explained, unexplained: failures of all kinds; slowest: of the cacheable ones; lag: how late this program itself was"""


async def run(parts: Fleet, judge: Judge, faults: list[Fault], wishes: argparse.Namespace) -> None:
    """Load and faults, for as long as they are to go on."""
    load = Load(parts, judge, wishes.rate, wishes.seed)
    await load.warm_up()
    print(
        f"warm; {len(faults)} faults, one every {wishes.every:g} s for {wishes.seconds:g} s, seed {wishes.seed}\n{HEADING}",
        flush=True,
    )
    judge.began = judge.now.ended = time.monotonic()
    load.start()
    dice = random.Random(wishes.seed)
    order = in_random_order(faults, dice)
    await asyncio.sleep(wishes.every * CALM_BEFORE)
    print(row(judge, judge.now), flush=True)
    for fault in islice(order, max(1, round(wishes.seconds / wishes.every))):
        period = judge.begin(fault.name, time.monotonic(), fault.excuses, fault.explains)
        await play(fault, Stage(parts, load, period, dice), wishes.every)
        print(row(judge, period), flush=True)
    judge.begin("the end", time.monotonic(), [], STOPPING)
    await load.end()
    load.count_posts()


STARTING = (r"^listening$", r"^worker ready$", r"^redis_state")
"""Filling the caches is more than a machine of two cores does in time."""
STOPPING = (r"^stopping$", r"^draining$", r"^worker left$")


async def main(wishes: argparse.Namespace) -> int:
    """All of it; the exit code."""
    faults = [fault for fault in ALL if re.search(wishes.only, fault.name)]
    if not faults:
        raise SystemExit(f"no fault is called {wishes.only!r}; there are:\n  " + "\n  ".join(fault.name for fault in ALL))
    judge = Judge(time.monotonic())
    judge.now.explains = STARTING
    async with fleet(wishes.gateways, wishes.workers, judge.lines.append) as parts:
        await run(parts, judge, faults, wishes)
        codes = await parts.end()
    judge.breaches += [f"a gateway's exit code was {code}" for code in codes if code]
    warm = min(150.0, wishes.seconds / 4)
    if wishes.log is not None:
        wishes.log.write_text(
            "".join(f"{line.at - judge.began:8.2f} {line.gateway:6} {line.text}\n" for line in judge.lines), encoding="utf-8"
        )
    broken = judge.verdict(warm)
    asked, good = judge.cacheable()
    print(f"\n{HEADING}")
    for period in judge.periods[:-1]:
        print(row(judge, period))
    print(READING)
    failures = [failure for period in judge.periods for failure in period.failures]
    print(
        f"cacheable: {good} of {asked} answered well, {good / max(1, asked):.4%}; all kinds: {len(failures)} failures, {len(judge.unexplained_failures())} unexplained"
    )
    print(
        f"log: {len(judge.lines)} lines, {len(judge.unexplained_lines())} unexplained; {sum(gateway.access_lines for gateway in parts.gateways)} lines of access log"
    )
    print(
        f"the machine was crowded {len(judge.crowded)} of {time.monotonic() - judge.began:.0f} s: that Redis seemed slow then is no fault of anybody"
    )
    print("\n".join(judge.told_sizes(warm)))
    for each in broken:
        print(f"  NOT KEPT: {each}")
    print("kept" if not broken else f"not kept: {len(broken)} breach(es); again with SEED={wishes.seed}")
    return 1 if broken else 0


def wishes_of(words: list[str]) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long faults go on")
    parser.add_argument("--every", type=float, default=60.0, help="seconds from one fault to the next")
    parser.add_argument("--seed", type=int, default=None, help="what the order and the load are drawn from; else a new one")
    parser.add_argument("--only", default="", help="faults whose name has this regular expression in it")
    parser.add_argument("--log", type=Path, help="file for all that the gateways have logged")
    parser.add_argument("--gateways", type=int, default=2, choices=(1, 2, 3, 4))
    parser.add_argument("--workers", type=int, default=2, help="of each gateway")
    parser.add_argument("--rate", type=float, default=300.0, help="requests a second of all readers")
    wishes = parser.parse_args(words)
    if wishes.seed is None:
        wishes.seed = random.randrange(1_000_000)
    return wishes


if __name__ == "__main__":
    if shutil.which("redis-server") is None:
        raise SystemExit("chaos needs redis-server (Debian: apt-get install redis-server)")
    sys.exit(uvloop.run(main(wishes_of(sys.argv[1:]))))
