"""Requests and figures for this folder."""

from __future__ import annotations

import re

from tests.support.gateway_process import GatewayProcess

__all__ = ["figure", "get"]


def get(path: str, *lines: bytes) -> bytes:
    """A GET of the site."""
    return b"GET " + path.encode() + b" HTTP/1.1\r\nHost: busy.test\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def figure(gateway: GatewayProcess, name: str) -> float:
    """A figure of the metrics page by name and labels, 0 when it is not there."""
    text = gateway.ask(get("/_weft/metrics")).body.decode()
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0
