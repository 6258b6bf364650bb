"""Weft for other ASGI servers, such as those that speak HTTP/2: `granian --interface asgi --factory gateway.asgi:create_app`.

Settings come from the file that WEFT_CONFIG names and from WEFT_… variables. Of `[server]`, only what concerns no socket holds here (docs/http2.md).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from gateway.app import build
from gateway.errors import SettingsError
from gateway.logs import set_up_logging
from gateway.settings import load

__all__ = ["create_app"]


def create_app() -> Any:
    """An ASGI 3 application. Whoever runs it has to run its lifespan. Raises SystemExit with every fault of the settings."""
    try:
        settings = load(Path(os.environ["WEFT_CONFIG"]) if os.environ.get("WEFT_CONFIG") else None, os.environ)
        set_up_logging(settings.log.level, "text" if settings.log.access == "text" else "json")
        return build(settings).app
    except SettingsError as error:
        raise SystemExit(str(error)) from None
