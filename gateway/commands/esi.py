"""`weft esi check FILE…`: read pages as the gateway would, and say what is wrong with their ESI. Asks no network.

A line for each problem, as compilers have it: file, line, column (in octets), severity, code, message. Then what the page may fetch, and which
variables of the request it reads. Codes and what to do about them: docs/esi.md.

Exit code 0 when nothing is wrong (warnings and what is not supported don't count, unless --strict), 1 when something is, 2 when a file can't be read.
"""

from __future__ import annotations

import argparse
import json
import mimetypes
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from gateway.commands.markup import BROKEN, Found, survey

__all__ = ["add_arguments", "run"]

_SEVERITIES = ("error", "unsupported", "warning")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`check`, and what it takes."""
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    check = actions.add_parser(
        "check", help="look for faults in pages", description=__doc__, formatter_class=parser.formatter_class
    )
    check.add_argument("files", metavar="FILE", nargs="+", help="a page; - for standard input")
    check.add_argument("--type", metavar="TYPE", help="media type of the pages (default: by the file's name, else text/html)")
    check.add_argument("--strict", action="store_true", help="fail on warnings and on what is not supported, too")
    check.add_argument("--quiet", action="store_true", help="problems only, no summary")
    check.add_argument("--json", action="store_true", help="print what was found as JSON")


def run(namespace: argparse.Namespace) -> int:
    """Print what was found in each file; return the exit code. Never raises for what a file holds."""
    pages: list[Found] = []
    unread = False
    for name in namespace.files:
        try:
            body = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        except OSError as error:
            unread = True
            print(f"weft esi check: {name}: {error.strerror or error}", file=sys.stderr)
            continue
        media_type = namespace.type or mimetypes.guess_type(name)[0] or "text/html"
        pages.append({"file": "stdin" if name == "-" else name, "type": media_type} | survey(body, media_type))
    if namespace.json:
        print(json.dumps({"pages": pages}, indent=2, ensure_ascii=True))
    else:
        for line in (line for page in pages for line in _told(page, quiet=namespace.quiet)):
            print(line.encode("utf-8", "backslashreplace").decode())  # octets that are no UTF-8 are shown as such
    if unread:
        return 2
    counted = _SEVERITIES if namespace.strict else (BROKEN,)
    return int(any(problem["severity"] in counted for page in pages for problem in page["problems"]))


def _told(page: Found, *, quiet: bool) -> Iterator[str]:
    for problem in page["problems"]:
        yield "{file}:{line}:{column}: {severity}: {code}: {message}".format(file=page["file"], **problem)
    if quiet:
        return
    if not page["elements"]:
        yield f"{page['file']}: no ESI in it"
        return
    counts = Counter(problem["severity"] for problem in page["problems"])
    parts = [_count(page["elements"], "ESI element"), _count(len(page["includes"]), "include")]
    parts += [
        _count(counts[severity], severity) if severity != "unsupported" else f"{counts[severity]} unsupported"
        for severity in _SEVERITIES
        if counts[severity]
    ]
    yield f"{page['file']}: {', '.join(parts)}"
    for include in page["includes"]:
        yield f"  {include['line']}:{include['column']}: {_include(include)}"
    if page["variables"]:
        yield f"  reads: {', '.join(page['variables'])}{_consequence(page)}"
    if unset := [name for name, is_set in page["own"].items() if not is_set]:
        yield f"  never set in this page: {', '.join(unset)}"


def _consequence(page: Found) -> str:
    """What follows from the variables that a page reads."""
    if page["personal"]:
        return " (where it does, the page is for one visitor: private, no-store)"
    return f" (where it does, the page says Vary: {', '.join(page['vary'])})" if page["vary"] else ""


def _include(include: Found) -> str:
    where = f" in {' in '.join(reversed(include['where']))}" if include["where"] else ""
    how = "".join(f" {name}={value!r}" for name, value in include["attributes"].items())
    return f"{include['element']} {include['src']}{how}{where}; else {', then '.join(include['otherwise'])}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
