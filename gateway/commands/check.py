"""`weft check`: would the gateway start, with what, and is that what you mean? Starts nothing, asks no network.

Exit code 0 when it would start (advice doesn't change that, unless --strict), 1 when not.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Mapping

from gateway.app import build_catalogue
from gateway.commands.advice import about_certificates, advice
from gateway.commands.ownership import second_owners
from gateway.composition.listening import build_keyring
from gateway.composition.tracing import check_tracing
from gateway.errors import SettingsError
from gateway.settings import Loaded
from gateway.settings.documents import settings_page, settings_schema
from gateway.settings.flags import add_settings_arguments, config_file, read_arguments
from gateway.settings.shape import Leaf, Path, node_at, show_path

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `weft check` takes: the settings' own arguments, and what to print instead."""
    add_settings_arguments(parser)
    parser.add_argument("--strict", action="store_true", help="fail on advice too")
    parser.add_argument("--print-docs", action="store_true", help="print the page of all settings (Markdown) and do nothing else")
    parser.add_argument("--print-schema", action="store_true", help="print the JSON schema of the file and do nothing else")


def run(namespace: argparse.Namespace, env: Mapping[str, str] | None = None) -> int:
    """Print what was found, all of it; return the exit code. Never raises for what an operator can get wrong."""
    if namespace.print_docs or namespace.print_schema:
        print(settings_page() if namespace.print_docs else settings_schema(), end="")
        return 0
    env = os.environ if env is None else env
    owners = list(second_owners())
    for line in owners:
        print(f"two owners of one package name: {line}", file=sys.stderr)
    try:
        loaded = read_arguments(namespace, env)
        if loaded.settings.slots:
            build_catalogue(loaded.settings)
        keyring = build_keyring(loaded.settings)
        check_tracing(loaded.settings)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    hints = [*advice(loaded.settings), *(about_certificates(keyring, time.time()) if keyring is not None else ())]
    failed = bool(owners) or (namespace.strict and bool(hints))
    file = config_file(namespace, env)
    print(f"{'not ok' if failed else 'ok'}: {file or 'no file'}")
    for line in (*_in_force(loaded), *_summary(loaded), *(f"advice: {hint}" for hint in hints)):
        print(f"  {line}")
    return 1 if failed else 0


def _in_force(loaded: Loaded) -> Iterator[str]:
    """What is not a default, with its value and where it came from."""
    rows = [(show_path(path), _value(loaded, path), origin) for path, origin in loaded.origins.items()]
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    for name, value, origin in sorted(rows):
        yield f"{name:<{widths[0]}}  {value:<{min(widths[1], 40)}}  ({origin})"
    yield "everything else as docs/settings.md says" if rows else "every setting at its default"


def _value(loaded: Loaded, path: Path) -> str:
    value: object = loaded.settings
    for part in path:
        value = value[part] if isinstance(value, Mapping) else getattr(value, str(part))
    node = node_at(path)
    if node is not None and node.form == "listed" and isinstance(value, tuple):
        return ", ".join(route.name for route in value)
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "(empty)"
    unit = Leaf(path, node.field).unit if node is not None and node.field is not None else ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"{text} {unit}" if unit else text or "(empty)"


def _summary(loaded: Loaded) -> Iterator[str]:
    """What will happen, in words."""
    settings = loaded.settings
    host = f"[{settings.server.host}]" if ":" in settings.server.host else settings.server.host
    scheme = "https" if settings.server.tls.certificates else "http"
    yield f"listens on {scheme}://{host}:{settings.server.port}, keeps up to {settings.cache.memory.max_bytes / 2**20:g} MiB of responses in memory"
    for route in settings.routes:
        cache = settings.cache_of(route)
        yield f"route {route.name}: {route.host or '*'}{route.path} → {settings.origin_of(route).url}{', not cached' if cache.mode == 'bypass' else ''}"
    if settings.upstream.url:
        yield f"{'everything else' if settings.routes else 'everything'} → {settings.upstream.url}"
