"""`python -m gateway.settings docs|schema|write|fresh`: the generated pages and tables, printed, written, or compared with what is in docs/."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from gateway.settings.documents import PAGES, PAGES_WITH_TABLES, settings_page, settings_schema, with_tables

__all__ = ["main"]


def main(arguments: list[str], folder: Path) -> int:
    """Return the exit code: 1 when a page is not what the settings say, 2 when asked for something else."""
    match arguments:
        case ["docs"]:
            sys.stdout.write(settings_page())
        case ["schema"]:
            sys.stdout.write(settings_schema())
        case ["write"]:
            for name, page in PAGES.items():
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).write_text(page(), "utf-8")
            for name, tables in PAGES_WITH_TABLES.items():
                if (folder / name).exists():
                    (folder / name).write_text(with_tables((folder / name).read_text("utf-8"), tables), "utf-8")
        case ["fresh"]:
            stale = [name for name, page in PAGES.items() if not _is_fresh(folder / name, page())]
            for name in stale:
                sys.stderr.write(f"{name} is not what gateway/settings/ says: make docs\n")
            old = [name for name, tables in PAGES_WITH_TABLES.items() if not _has_fresh_tables(folder / name, tables)]
            for name in old:
                sys.stderr.write(f"{name} has tables that are not what the code says: make docs\n")
            return 1 if stale or old else 0
        case _:
            sys.stderr.write(f"{__doc__}\n")
            return 2
    return 0


def _is_fresh(file: Path, text: str) -> bool:
    return file.exists() and file.read_text("utf-8") == text


def _has_fresh_tables(file: Path, tables: Mapping[str, Callable[[], str]]) -> bool:
    """A page that is not there has no stale table."""
    return not file.exists() or with_tables(text := file.read_text("utf-8"), tables) == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path(__file__).resolve().parents[2]))
