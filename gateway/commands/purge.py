"""Take stored responses out of a running gateway: POST /_weft/purge, with a token of its purge.tokens.

Soft by default: what is purged is stale at once, and may be served while one request renews it. --hard removes it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping

from gateway.commands.running import Unanswered, add_gateway_arguments, address_of, ask, own_settings
from gateway.errors import SettingsError

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to purge, where, and who may."""
    what = parser.add_argument_group("what", "At least one; they add up.")
    what.add_argument("--url", action="append", default=[], metavar="URL", help="one URL, in all its variants")
    what.add_argument(
        "--prefix", action="append", default=[], metavar="URL", help="every URL that begins so; /path for all hosts"
    )
    what.add_argument("--tag", action="extend", nargs="+", default=[], metavar="TAG", help="surrogate keys")
    what.add_argument("--route", action="append", default=[], metavar="NAME", help="everything that came through that route")
    what.add_argument("--everything", action="store_true", help="all that is stored")
    parser.add_argument("--hard", action="store_true", help="remove, rather than let it be served while it is renewed")
    parser.add_argument("--token", metavar="TOKEN", help="default: WEFT_PURGE_TOKEN, else the first of purge.tokens in --config")
    add_gateway_arguments(parser)


def run(namespace: argparse.Namespace, env: Mapping[str, str] | None = None) -> int:
    """Purge and say how many stored responses it hit. 1 with one line of cause when that failed, 2 when the wish was wrong."""
    env = os.environ if env is None else env
    wishes = _wishes(namespace)
    if not wishes:
        return _complain("nothing to purge: give --url, --prefix, --tag, --route or --everything", 2)
    try:
        settings = own_settings(namespace, env)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    gateway = address_of(namespace, settings)
    token = (
        namespace.token
        or env.get("WEFT_PURGE_TOKEN")
        or (settings.purge.tokens[0].reveal() if settings and settings.purge.tokens else "")
    )
    if not token:
        return _complain("no token: give --token, WEFT_PURGE_TOKEN, or --config with purge.tokens", 2)
    try:
        status, told = ask(gateway, "/_weft/purge", token, json=wishes | {"hard": namespace.hard})
    except Unanswered as error:
        return _complain(str(error), 1)
    if status not in {200, 202}:
        return _complain(f"{gateway} refused, {status}: {told.get('error', 'without a word')}", 1)
    count = told["purged"]
    print(f"Purged, {'hard' if namespace.hard else 'soft'}: {count} stored {'response' if count == 1 else 'responses'}.")
    if told.get("status") == "pending":
        fleet = told.get("fleet", {})
        print(
            f"Done here, and on its way: {fleet.get('reached', 1)} of {fleet.get('processes', '?')} processes have heard it. The others "
            f"{'will when they are back' if fleet.get('sent') else 'hear it when Redis is back'}."
        )
    return 0


def _wishes(namespace: argparse.Namespace) -> dict[str, object]:
    lists = {"urls": namespace.url, "prefixes": namespace.prefix, "tags": namespace.tag, "routes": namespace.route}
    wishes: dict[str, object] = {member: values for member, values in lists.items() if values}
    return wishes | ({"everything": True} if namespace.everything else {})


def _complain(line: str, code: int) -> int:
    print(f"weft purge: {line}", file=sys.stderr)
    return code
