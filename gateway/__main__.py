"""The command: `weft serve · check · explain · esi · purge · reload · demo`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from gateway.commands import check, demo, esi, explain, purge, reload, serve

__all__ = ["main"]

_COMMANDS = {
    "serve": (serve, "run the gateway in front of an origin"),
    "check": (check, "check the settings, all of them at once"),
    "explain": (explain, "say what the cache does with a URL, and by which rules"),
    "esi": (esi, "look for faults in pages with ESI"),
    "purge": (purge, "take stored responses out of a running gateway"),
    "reload": (reload, "have a running gateway read its settings anew"),
    "demo": (demo, "run a small shop with the gateway in front of it"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code."""
    parser = argparse.ArgumentParser(prog="weft", description="An edge cache and personalisation gateway.")
    parser.add_argument("--version", action="version", version=f"weft {_version()}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (module, text) in _COMMANDS.items():
        command = commands.add_parser(
            name, help=text, description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    namespace = parser.parse_args(arguments)
    try:
        return int(namespace.run(namespace))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output is gone, as in `weft explain … | head`
        sys.stderr.close()
        return 1


def _version() -> str:
    try:
        return version("weft-gateway")
    except PackageNotFoundError:
        return "unknown"


if __name__ == "__main__":
    raise SystemExit(main())
