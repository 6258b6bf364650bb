"""Whether our three package names are ours alone.

`gateway`, `fragments` and `profiles` are plain words. Another distribution may ship a package of the same name, and then which one is
imported depends on the order of installation or of sys.path, and half of each may lie on disk.
"""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import gateway

__all__ = ["DISTRIBUTION", "NAMES", "second_owners"]

DISTRIBUTION = "weft-gateway"
NAMES = ("gateway", "fragments", "profiles")


def second_owners(
    *,
    path: Sequence[str] | None = None,
    home: Path | None = None,
    providers: Mapping[str, Sequence[str]] | None = None,
) -> Iterator[str]:
    """A line for each other owner of one of our names; none when all is well.

    path        where Python looks for packages (default: sys.path)
    home        the folder that holds the package `gateway` that is running
    providers   top-level name → installed distributions that hold it (default: what importlib.metadata says)
    """
    home = home or Path(gateway.__file__).resolve().parent.parent
    providers = importlib.metadata.packages_distributions() if providers is None else providers
    for name in NAMES:
        for other in sorted({each for each in providers.get(name, ()) if _normal(each) != DISTRIBUTION}):
            yield f"{name}: the distribution {other} installs a package of this name too; uninstall it, or give Weft an environment of its own"
        yield from _other_folders(name, sys.path if path is None else path, home)


def _other_folders(name: str, path: Sequence[str], home: Path) -> Iterator[str]:
    """Regular packages and modules of this name elsewhere. A folder without __init__.py shadows nothing (PEP 420)."""
    seen = {home}
    ours_reached = False
    for entry in path:
        folder = Path(entry or ".").resolve()
        ours_reached = ours_reached or folder == home
        if folder in seen:
            continue
        seen.add(folder)
        for file in (folder / name / "__init__.py", folder / f"{name}.py"):
            if file.is_file():
                effect = "comes after ours on sys.path" if ours_reached else f"comes before ours, in {home}, on sys.path"
                yield f"{name}: {file} {effect}; remove it, or run from another folder"


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
