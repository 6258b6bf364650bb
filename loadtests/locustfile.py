"""The load tests of the demo shop: people, scenarios, and a verdict by budget.

    locust -f loadtests/locustfile.py --host http://127.0.0.1:8080 --scenario calm --headless -u 20 -r 10 -t 20s
    python loadtests/run.py                the same, with a shop and a gateway of its own

The exit code is 1 when the scenario's budget is broken. See loadtests/README.md.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from budgets import BUDGETS, Tally
from locust import events
from locust.env import Environment
from scenarios import SCENARIOS, people
from users.browsing import Browser
from users.buying import Buyer
from users.editing import Editor
from users.searching import Searcher

__all__ = ["Browser", "Buyer", "Editor", "Searcher"]

tally = Tally()


@events.init_command_line_parser.add_listener
def add_arguments(parser: ArgumentParser) -> None:
    """`--scenario`."""
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), default="calm", help="who comes, and what must be kept")


@events.init.add_listener
def choose(environment: Environment, **_more: object) -> None:
    """Only those whom the scenario names."""
    chosen = environment.parsed_options.scenario if environment.parsed_options else "calm"
    environment.user_classes = people(chosen)


@events.request.add_listener
def note(response: Any, exception: BaseException | None, context: dict[str, Any], name: str, **_more: object) -> None:
    """Count each answer."""
    if context.get("control"):  # the gateway's own paths are no traffic
        if exception is not None:
            tally.failed[f"{name}: {exception}"] += 1
        return
    headers = getattr(response, "headers", None) or {}
    failure = f"{name}: {exception}" if exception is not None else ""
    tally.note(context.get("page"), headers.get("Cache-Status"), failure)


@events.quitting.add_listener
def judge(environment: Environment, **_more: object) -> None:
    """Print what the cache did, and whether the budget was kept."""
    scenario = environment.parsed_options.scenario if environment.parsed_options else "calm"
    broken = tally.broken(BUDGETS[scenario])
    print(
        f"\n{scenario}: {tally.requests} requests, {tally.failed.total()} failed; {tally.hit_share:.1%} of shared pages asked for again were hits",
        file=sys.stderr,
    )
    print(f"  first    {dict(tally.first.most_common())}", file=sys.stderr)
    print(f"  shared   {dict(tally.shared.most_common())}\n  private  {dict(tally.private.most_common())}", file=sys.stderr)
    for line in broken:
        print(f"  broken   {line}", file=sys.stderr)
    print(f"  budget   {'broken' if broken else 'kept'}", file=sys.stderr)
    environment.process_exit_code = 1 if broken else 0
