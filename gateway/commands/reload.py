"""Have a running gateway read its settings anew: POST /_weft/reload, with a token of its admin.tokens.

In place, without dropping a request or a stored response; what needs new processes is named and waits for --restart, what needs a new start waits for that. Settings
with faults are refused with all of them, and the old ones go on.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from gateway.commands.running import Told, Unanswered, add_gateway_arguments, address_of, ask, own_settings
from gateway.errors import SettingsError
from gateway.settings import Settings

__all__ = ["add_arguments", "run"]

_PATIENCE = 120.0
"""Seconds for an answer: with --restart it comes once a new worker serves."""
_WAITS = {"workers": "   waits for new workers: weft reload --restart", "start": "   waits for a new start"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where, how far, and who may."""
    add_gateway_arguments(parser)
    parser.add_argument(
        "--token-file",
        metavar="FILE",
        type=Path,
        help="a token, in a file of its own (default: WEFT_ADMIN_TOKEN, else those of admin.tokens in --config, in turn)",
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")
    how.add_argument("--restart", action="store_true", help="by new workers, one after the other")


def run(namespace: argparse.Namespace, env: Mapping[str, str] | None = None) -> int:
    """Reload and print what has changed. 1 with the faults, or one line of cause, when nothing has; 2 when the wish was wrong."""
    env = os.environ if env is None else env
    try:
        settings = own_settings(namespace, env)
        tokens = _tokens(namespace, env, settings)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    except (OSError, UnicodeDecodeError) as error:
        return _complain(f"--token-file {namespace.token_file}: {getattr(error, 'strerror', None) or 'not text'}", 2)
    if not tokens:
        return _complain("no token: give --token-file, WEFT_ADMIN_TOKEN, or --config with admin.tokens", 2)
    query = "?dry_run=1" if namespace.dry_run else "?restart=1" if namespace.restart else ""
    address = address_of(namespace, settings)
    try:
        told = _ask(address, f"/_weft/reload{query}", tokens)
    except Unanswered as error:
        return _complain(str(error), 1)
    if told.status == 200:
        print("\n".join(_success(told, dry_run=namespace.dry_run)))
        return 0
    if faults := told.words.get("faults"):
        print("\n".join(_refusal(faults)), file=sys.stderr)
        return 1
    if told.words.get("status") == "busy":
        return _complain("another reload or restart is under way", 1)
    return _complain(f"{address} refused, {told.status}: {told.words.get('error', told.words.get('status', ''))}", 1)


def _tokens(namespace: argparse.Namespace, env: Mapping[str, str], settings: Settings | None) -> list[str]:
    if namespace.token_file is not None:
        file: Path = namespace.token_file
        return file.read_text("utf-8").split()[:1]
    if token := env.get("WEFT_ADMIN_TOKEN"):
        return [token]
    return [token.reveal() for token in settings.admin.tokens] if settings is not None else []


def _ask(address: str, path: str, tokens: list[str]) -> Told:
    """With each token in turn: while tokens change, the file has one already that the gateway will learn by this reload."""
    for token in tokens[:-1]:
        told = ask(address, path, token, timeout=_PATIENCE)
        if told.status != 401:
            return told
    return ask(address, path, tokens[-1], timeout=_PATIENCE)


def _success(told: Told, *, dry_run: bool) -> Iterator[str]:
    words = told.words
    changes = words["changes"]
    count = f"{len(changes)} {'change' if len(changes) == 1 else 'changes'}"
    if dry_run:
        yield f"{count}." if not changes else f"{count}; nothing has been put into force:"
    else:
        how = "; new workers take over one by one" if words["restarted"] else ""
        yield f"Generation {words['generation']}, {count}{how}{':' if changes else '.'}"
    for change in changes:
        yield f"  {change['path']}: {change['old']} -> {change['new']}{_wait(change['effect'], restarted=words['restarted'])}"


def _wait(effect: str, *, restarted: bool) -> str:
    return "" if effect == "workers" and restarted else _WAITS.get(effect, "")


def _refusal(faults: list[str]) -> Iterator[str]:
    yield f"{len(faults)} {'problem' if len(faults) == 1 else 'problems'}, so the settings in force go on:"
    for fault in faults:
        yield f"  {fault}"


def _complain(line: str, code: int) -> int:
    print(f"weft reload: {line}", file=sys.stderr)
    return code
