"""Run the gateway.

With nothing but --upstream it is a complete shared cache (RFC 9111) in front of that origin.
"""

from __future__ import annotations

import argparse
import os
import sys

from gateway.app import build
from gateway.errors import SettingsError
from gateway.logs import set_up_logging
from gateway.processes.binding import bind, inherited
from gateway.processes.notify import Notifier
from gateway.processes.reloading import Reading
from gateway.processes.supervisor import Supervisor
from gateway.settings.difference import compare, in_force
from gateway.settings.flags import add_settings_arguments, read_arguments

__all__ = ["add_arguments", "run"]


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
        listener = given = inherited(os.environ)
        if listener is None:
            listener = bind(settings.server.host, settings.server.port, settings.server.backlog)
    except OSError as error:
        print(f"weft serve: {error.strerror}", file=sys.stderr)
        return 1
    reading = Reading(lambda: read_arguments(namespace, os.environ).settings, compare, in_force)
    return Supervisor(settings, build, listener, reading, Notifier(os.environ), owns_port=given is None).run()
