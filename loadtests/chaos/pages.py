"""What the origin sends and how a client sees that it is whole, new enough and meant for it. Pure; origin and load both read it.

A body is a row of blocks, each with the path it was made for, a version, the visitor it is for, and a check sum:

    [/tagged/3/1 v17 for - 4096]0f3a...[sum 5c1e77aa]
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

__all__ = ["ANYBODY", "BRIEF", "CACHEABLE", "HOT", "LARGE", "NEEDS_ORIGIN", "TAGGED", "TAGS", "WOVEN"]
__all__ += ["Block", "blocks", "cacheable_paths", "expected", "make_block", "make_template"]

HOT, BRIEF, WOVEN, PARTS, TAGS, TAGGED, LARGE = 40, 20, 10, 8, 6, 4, 1
"""How many pages of each kind there are; TAGGED of each tag."""
ANYBODY = "-"
CACHEABLE = frozenset({"hot", "brief", "woven", "large", "slow", "storm"})
"""Kinds that are in memory or level 2, or may be stale: they are to be answered whatever happens. `slow` is read slowly, `storm` by too many at once."""
NEEDS_ORIGIN = frozenset({"tagged", "own", "miss", "filler", "post", "stream", "socket"})
"""Kinds that can't be answered without an origin: `tagged` may just have been purged."""

_BLOCK = re.compile(rb"\[(/\S*) v(\d+) for (\S+) (\d+)\]")
_SUM = re.compile(rb"\[sum ([0-9a-f]{8})\]")


@dataclass(frozen=True, slots=True)
class Block:
    """One piece of a page, found whole."""

    path: str
    version: int
    visitor: str


def make_block(path: str, version: int, visitor: str, size: int) -> bytes:
    """size: octets of filling, which differ from path to path, version to version, visitor to visitor."""
    head = f"[{path} v{version} for {visitor} {size}]".encode()
    pattern = b"%08x" % zlib.crc32(head)
    filling = (pattern * (size // 8 + 1))[:size]
    return head + filling + b"[sum %08x]" % zlib.crc32(filling)


def make_template(path: str, number: int) -> bytes:
    """A page of pieces: two shared ones, one of the visitor's own that may be missing."""
    include = '<esi:include src="/part/{}"/>'
    shared = include.format(number % PARTS) + include.format((number + 3) % PARTS)
    own = '<esi:include src="/own/part" onerror="continue"/>'
    return make_block(path, 0, ANYBODY, 2048) + f"{shared}{own}".encode() + make_block(f"{path}/end", 0, ANYBODY, 1024)


def expected(path: str) -> list[str]:
    """The paths of the blocks that a page is made of, in order; `/own/part` may be missing."""
    if not path.startswith("/woven/"):
        return [path]
    number = int(path.rsplit("/", 1)[1])
    return [path, f"/part/{number % PARTS}", f"/part/{(number + 3) % PARTS}", "/own/part", f"{path}/end"]


def blocks(body: bytes) -> list[Block]:
    """What a body is made of. Raises ValueError when it is anything but whole blocks."""
    found = []
    at = 0
    while at < len(body):
        head = _BLOCK.match(body, at)
        if head is None:
            raise ValueError(f"no block at octet {at} of {len(body)}: {body[at : at + 40]!r}")
        path, version, visitor, size = head.groups()
        end = head.end() + int(size)
        tail = _SUM.match(body, end)
        if tail is None or int(tail[1], 16) != zlib.crc32(body[head.end() : end]):
            raise ValueError(f"block of {path.decode()} at octet {at} of {len(body)} is damaged")
        found.append(Block(path.decode(), int(version), visitor.decode()))
        at = tail.end()
    return found


def cacheable_paths() -> list[str]:
    """All that is to be in the cache before anything is broken."""
    paths = [f"/hot/{number}" for number in range(HOT)] + [f"/brief/{number}" for number in range(BRIEF)]
    paths += [f"/woven/{number}" for number in range(WOVEN)] + [f"/large/{number}" for number in range(LARGE)]
    return paths + [f"/tagged/{tag}/{number}" for tag in range(TAGS) for number in range(TAGGED)]
