"""Take stored responses out of a running gateway: POST /_weft/purge, with a token of its purge.tokens.

Soft by default: what is purged is stale at once, and may be served while one request renews it. --hard removes it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from gateway.errors import SettingsError
from gateway.settings import Settings, load

__all__ = ["add_arguments", "run"]

DEFAULT = "http://127.0.0.1:8080"
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - where a listener on every interface is reached


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
    parser.add_argument("--gateway", metavar="URL", help=f"default: server.host and server.port of --config, else {DEFAULT}")
    parser.add_argument("--token", metavar="TOKEN", help="default: WEFT_PURGE_TOKEN, else the first of purge.tokens in --config")
    parser.add_argument(
        "--config", metavar="FILE", type=Path, help="the gateway's TOML file (default: what WEFT_CONFIG names, else none)"
    )


def run(namespace: argparse.Namespace, env: Mapping[str, str] | None = None) -> int:
    """Purge and say how many stored responses it hit. 1 with one line of cause when that failed, 2 when the wish was wrong."""
    env = os.environ if env is None else env
    wishes = _wishes(namespace)
    if not wishes:
        return _complain("nothing to purge: give --url, --prefix, --tag, --route or --everything", 2)
    try:
        settings = _settings(namespace, env)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    gateway = namespace.gateway or (_address(settings) if settings else DEFAULT)
    token = (
        namespace.token
        or env.get("WEFT_PURGE_TOKEN")
        or (settings.purge.tokens[0].reveal() if settings and settings.purge.tokens else "")
    )
    if not token:
        return _complain("no token: give --token, WEFT_PURGE_TOKEN, or --config with purge.tokens", 2)
    try:
        answer = httpx.post(
            f"{gateway.rstrip('/')}/_weft/purge",
            json=wishes | {"hard": namespace.hard},
            headers={"authorization": f"Bearer {token}"},
            trust_env=False,
            timeout=30,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return _complain(f"{gateway} can't be asked: {error}", 1)
    try:
        told: Any = answer.json()
    except ValueError:  # no JSON: somebody else answers there
        return _complain(f"{gateway} answered {answer.status_code} and is no Weft gateway, or does not let /_weft/ through", 1)
    if answer.status_code not in {200, 202}:
        return _complain(f"{gateway} refused, {answer.status_code}: {told.get('error', answer.reason_phrase)}", 1)
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


def _settings(namespace: argparse.Namespace, env: Mapping[str, str]) -> Settings | None:
    """The gateway's own settings, when they were named. Raises SettingsError."""
    file = namespace.config or (Path(env["WEFT_CONFIG"]) if env.get("WEFT_CONFIG") else None)
    if file is None:
        return None
    return load(file, env)


def _address(settings: Settings) -> str:
    host = settings.server.host
    host = _EVERYWHERE.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{host}:{settings.server.port}"


def _complain(line: str, code: int) -> int:
    print(f"weft purge: {line}", file=sys.stderr)
    return code
