"""Say what the cache does with a URL, and by which rules: key, wishes, the origin's answer, each rule with its section, the verdict.

The same functions that serve are used, on a gateway that listens nowhere and has nothing stored. Without any settings the URL's own server is asked, as if
Weft stood in front of it. --live asks a running gateway what it makes of the request, with a token of debug.tokens.

Exit code 0 when it could be explained, 1 when the origin or the settings failed, 2 when the question was wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sys
from collections.abc import Mapping
from urllib.parse import SplitResult, quote, urlsplit

import httpx

from gateway.commands.inquiry import Found, inquire
from gateway.commands.telling import tell
from gateway.errors import BadRequest, SettingsError
from gateway.listener.head import make_request
from gateway.semantics.message import Fields, Request
from gateway.settings import Settings
from gateway.settings.flags import add_settings_arguments, config_file, read_arguments

__all__ = ["add_arguments", "run"]

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_IN_URL = "!#$%&'()*+,/:;=?@[]~"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The question, and the settings to answer it by."""
    parser.add_argument("url", metavar="URL", help="http://HOST/PATH, as a visitor would ask for it")
    parser.add_argument(
        "-H", "--header", metavar="'NAME: VALUE'", action="append", default=[], help="a request field; may be given several times"
    )
    parser.add_argument(
        "-X", "--method", default="GET", metavar="METHOD", help="request method (default GET); only safe ones are sent"
    )
    parser.add_argument("--no-fetch", action="store_true", help="ask nobody: say key, route and wishes")
    parser.add_argument("--json", action="store_true", help="print what was found as JSON")
    parser.add_argument("--live", metavar="GATEWAY", help="ask a running gateway instead, http://HOST[:PORT]")
    parser.add_argument(
        "--token",
        metavar="TOKEN",
        help="for --live: one of its debug.tokens (default: WEFT_DEBUG_TOKEN, else the first in the settings)",
    )
    add_settings_arguments(parser)


def run(namespace: argparse.Namespace, env: Mapping[str, str] | None = None) -> int:
    """Print the explanation; return the exit code. Never raises for what a user can get wrong."""
    env = os.environ if env is None else env
    try:
        request = _request(namespace.url, namespace.method, namespace.header)
    except (BadRequest, ValueError) as error:
        return _complain(f"{namespace.url}: {error}", 2)
    if namespace.live:
        return _run_live(namespace, request, env)
    try:
        settings = _settings(namespace, env)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    try:
        found = asyncio.run(inquire(settings, request, fetch=not namespace.no_fetch))
    except BadRequest as error:
        return _complain(f"{namespace.url}: {error}", 2)
    except OSError as error:  # a file of authorities that is not there
        return _complain(str(error), 1)
    print(json.dumps(found, indent=2, ensure_ascii=False) if namespace.json else tell(found), end="\n" if namespace.json else "")
    if "error" in found:
        return _complain(f"the origin {found['route']['url']} could not be asked: {found['error']['message']}", 1)
    return 0


# ── The question ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _request(url: str, method: str, headers: list[str]) -> Request:
    """The request as the gateway's listener would make it. Raises BadRequest or ValueError."""
    parts = _split(url)
    if not _NAME.fullmatch(method):
        raise ValueError(f"expected a method, got {method!r}")
    fields = [_field(header) for header in headers]
    if not any(name == b"host" for name, _ in fields):
        fields.insert(0, (b"host", _authority(parts)))
    target = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_IN_URL)
    return make_request(
        method.upper().encode("ascii"), target.encode("ascii"), fields, b"1.1", parts.scheme.encode("ascii"), "127.0.0.1"
    )


def _split(url: str) -> SplitResult:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected http://HOST/PATH or https://HOST/PATH")
    if parts.username is not None:
        raise ValueError("credentials don't belong in a URL; give them by -H 'Authorization: …'")
    _ = parts.port  # raises ValueError when it is none
    return parts


def _authority(parts: SplitResult) -> bytes:
    host = parts.netloc
    return host.encode("ascii") if host.isascii() else host.encode("idna")


def _field(header: str) -> tuple[bytes, bytes]:
    name, colon, value = header.partition(":")
    value = value.strip(" \t")
    if not colon or not _NAME.fullmatch(name) or any(ord(letter) < 32 and letter != "\t" for letter in value):
        raise ValueError(f"-H expects 'Name: value', got {header!r}")
    return name.lower().encode("ascii"), value.encode("utf-8")


def _settings(namespace: argparse.Namespace, env: Mapping[str, str]) -> Settings:
    """The settings as given; where nothing names an origin, the URL's own server. Raises SettingsError."""
    names_none = namespace.upstream is None and config_file(namespace, env) is None
    if names_none and not any(name.startswith(("WEFT_UPSTREAM", "WEFT_ORIGINS", "WEFT_ROUTES")) for name in env):
        namespace.upstream = urlsplit(namespace.url)._replace(path="", query="", fragment="").geturl()
    return read_arguments(namespace, env).settings


# ── A running gateway ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _run_live(namespace: argparse.Namespace, request: Request, env: Mapping[str, str]) -> int:
    if request.method not in (b"GET", b"HEAD"):
        return _complain("--live sends GET and HEAD only", 2)
    token = namespace.token or env.get("WEFT_DEBUG_TOKEN") or _configured_token(namespace, env)
    fields: Fields = [*request.fields, *([(b"weft-debug", token.encode())] if token else [])]
    url = namespace.live.rstrip("/") + request.target.decode("ascii")
    try:
        with (
            httpx.Client(trust_env=False, timeout=30) as client,
            client.stream(request.method.decode(), url, headers=fields) as answer,
        ):
            status, headers = answer.status_code, answer.headers
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return _complain(f"{namespace.live}: {error}", 1)
    names = ("cache-status", "age", "server-timing", "proxy-status", "x-request-id", "weft-includes", "weft-trace")
    found: Found = {
        "status": status,
        "fields": {name: headers[name] for name in names if name in headers},
        "debug": dict(part.partition("=")[::2] for part in headers.get("weft-debug", "").split("; ") if part),
    }
    if namespace.json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return 0
    print(f"{status} from {namespace.live}")
    for name, value in (*found["fields"].items(), *found["debug"].items()):
        print(f"  {name:<13} {value}")
    if not found["debug"]:
        print("  no word on key and rules: that takes one of the gateway's debug.tokens, by --token")
    return 0


def _configured_token(namespace: argparse.Namespace, env: Mapping[str, str]) -> str:
    """The first debug token of the settings, when there are settings."""
    if config_file(namespace, env) is None:
        return ""
    try:
        tokens = read_arguments(namespace, env).settings.debug.tokens
    except SettingsError:
        return ""  # asked without it: the gateway's answer says what is missing
    return tokens[0].reveal() if tokens else ""


def _complain(line: str, code: int) -> int:
    print(f"weft explain: {line}", file=sys.stderr)
    return code
