"""`python -m gateway.settings docs|schema|write|fresh`: the generated pages, printed, written, or compared with what is in docs/."""

from __future__ import annotations

import sys
from pathlib import Path

from gateway.settings.documents import PAGES, settings_page, settings_schema

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
        case ["fresh"]:
            stale = [name for name, page in PAGES.items() if not _is_fresh(folder / name, page())]
            for name in stale:
                sys.stderr.write(f"{name} is not what gateway/settings/ says: make docs\n")
            return 1 if stale else 0
        case _:
            sys.stderr.write(f"{__doc__}\n")
            return 2
    return 0


def _is_fresh(file: Path, text: str) -> bool:
    return file.exists() and file.read_text("utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path(__file__).resolve().parents[2]))
