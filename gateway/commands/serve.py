"""Run the gateway.

With nothing but --upstream it is a complete shared cache (RFC 9111) in front of that origin.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys

import uvloop

from gateway.app import build
from gateway.errors import SettingsError
from gateway.logs import set_up_logging
from gateway.server import bind, serve, tune_collector
from gateway.settings.flags import add_settings_arguments, read_arguments

__all__ = ["add_arguments", "run"]

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The settings' own arguments."""
    add_settings_arguments(parser)


def run(namespace: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT. 1 with one line of cause when it can't start."""
    try:
        settings = read_arguments(namespace, os.environ).settings
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    set_up_logging(settings.log.level, "text" if settings.log.access == "text" else "json")
    try:
        gateway = build(settings)
        listener = bind(settings.server.host, settings.server.port, settings.server.backlog)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"weft serve: {error.strerror or error}{f': {error.filename}' if error.filename else ''}", file=sys.stderr)
        return 1
    host, port = listener.getsockname()[:2]
    origins = {
        name: ", ".join((origin.url, *origin.servers))
        for name, origin in {"upstream": settings.upstream, **settings.origins}.items()
    }
    logger.info("listening", extra={"host": host, "port": port, "origins": origins})
    tune_collector()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(serve(gateway, listener))
        except KeyboardInterrupt:
            return 0
    return 0
