"""A running gateway as a command meets it: where it listens, how it is asked, what kept it from answering."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from gateway.settings import Settings, load

__all__ = ["Told", "Unanswered", "add_gateway_arguments", "address_of", "ask", "own_settings"]

_DEFAULT = "http://127.0.0.1:8080"
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - where a listener on every interface is reached


class Told(NamedTuple):
    """A gateway's answer."""

    status: int
    words: dict[str, Any]


class Unanswered(Exception):
    """There is no gateway there, or it can't be reached."""


def add_gateway_arguments(parser: argparse.ArgumentParser) -> None:
    """Where it is."""
    parser.add_argument("--gateway", metavar="URL", help=f"default: server.host and server.port of --config, else {_DEFAULT}")
    parser.add_argument(
        "--config", metavar="FILE", type=Path, help="the gateway's TOML file (default: what WEFT_CONFIG names, else none)"
    )


def own_settings(namespace: argparse.Namespace, env: Mapping[str, str]) -> Settings | None:
    """The gateway's own settings, when they were named. Raises SettingsError."""
    file = namespace.config or (Path(env["WEFT_CONFIG"]) if env.get("WEFT_CONFIG") else None)
    return load(file, env) if file is not None else None


def address_of(namespace: argparse.Namespace, settings: Settings | None) -> str:
    """Where to ask, as an URL without a slash at its end."""
    if namespace.gateway:
        return str(namespace.gateway).rstrip("/")
    if settings is None:
        return _DEFAULT
    host = settings.server.host
    host = _EVERYWHERE.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{host}:{settings.server.port}"


def ask(address: str, path: str, token: str, *, json: object = None, timeout: float = 30) -> Told:
    """POST to one of its control paths. timeout: seconds of silence. Raises Unanswered."""
    try:
        answer = httpx.post(
            address + path, json=json, headers={"authorization": f"Bearer {token}"}, trust_env=False, timeout=timeout
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unanswered(f"{address} can't be asked: {error}") from error
    try:
        words: Any = answer.json()
    except ValueError:
        words = None
    if not isinstance(words, dict):  # somebody else answers there
        raise Unanswered(f"{address} answered {answer.status_code} and is no Weft gateway, or does not let /_weft/ through")
    return Told(answer.status_code, words)
