"""A part of a site: a host and what is below a path."""

from __future__ import annotations

import posixpath
from urllib.parse import unquote_to_bytes

__all__ = ["Scope", "plain_path"]


class Scope:
    """host: exact, `*.suffix`, or b"" for any, lower case; path: a prefix that ends at a segment."""

    __slots__ = ("_path_slash", "host", "is_all", "path")

    def __init__(self, host: bytes, path: bytes) -> None:
        self.host = host
        self.path = path
        self.is_all = not host and path == b"/"
        self._path_slash = path if path.endswith(b"/") else path + b"/"

    def takes(self, host: bytes, target: bytes) -> bool:
        """Whether a request for host and target is for this part."""
        if self.host and not self._is_host(host):
            return False
        path = target.partition(b"?")[0]
        return path.startswith(self._path_slash) or path == self.path

    def _is_host(self, host: bytes) -> bool:
        name = host.partition(b":")[0] if not host.startswith(b"[") else host
        if self.host.startswith(b"*."):
            return name.endswith(self.host[1:])
        return self.host in (name, host)


def plain_path(target: bytes) -> bytes:
    """The path as many servers read it: escapes undone, `//` and dot segments resolved."""
    path = target.partition(b"?")[0]
    if b"%" not in path and b"//" not in path and b"/." not in path:
        return path
    plain = posixpath.normpath(unquote_to_bytes(path))
    return b"/" + plain.lstrip(b"/") + (b"/" if path.endswith(b"/") and plain != b"/" else b"")
