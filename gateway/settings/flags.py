"""The command line's part in the settings: the same arguments for every command that reads them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from gateway.settings.layers import SHORT_FLAGS
from gateway.settings.loading import Loaded, read
from gateway.settings.shape import show_path

__all__ = ["add_settings_arguments", "config_file", "read_arguments"]

_HELP = {
    "upstream": ("URL", "the origin, http://HOST[:PORT]"),
    "host": ("HOST", "address to listen on"),
    "port": ("PORT", "port to listen on, 0 for a free one"),
    "workers": ("N", "processes that serve"),
}


def add_settings_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --config, the short flags and --set. Nothing is checked here: `read_arguments` names all faults together."""
    group = parser.add_argument_group(
        "settings", "They go before the environment (WEFT_…), which goes before the file. See docs/settings.md."
    )
    group.add_argument("--config", metavar="FILE", type=Path, help="a TOML file (default: what WEFT_CONFIG names, else none)")
    for name, path in SHORT_FLAGS.items():
        metavar, text = _HELP[name]
        group.add_argument(f"--{name}", metavar=metavar, help=f"{text} ({show_path(path)})")
    group.add_argument(
        "--set", metavar="NAME=VALUE", action="append", type=_assignment, help="any setting, as in cache.default_ttl=60"
    )


def read_arguments(namespace: argparse.Namespace, env: Mapping[str, str]) -> Loaded:
    """Read the settings as this command line asks. Raises SettingsError with every fault."""
    flags: dict[str, object] = {name: getattr(namespace, name, None) for name in SHORT_FLAGS}
    return read(config_file(namespace, env), env, flags | dict(getattr(namespace, "set", None) or []))


def config_file(namespace: argparse.Namespace, env: Mapping[str, str]) -> Path | None:
    """The file to read: --config, else WEFT_CONFIG, else none. A weft.toml that happens to lie there is not read."""
    given: Path | None = getattr(namespace, "config", None)
    return given or (Path(env["WEFT_CONFIG"]) if env.get("WEFT_CONFIG") else None)


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    return name.strip(), value.strip()
