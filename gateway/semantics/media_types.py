"""A choice of media types, as settings write it: `text/html` for that one, `text/*` for all of that kind (RFC 9110 §8.3.1)."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["MediaTypes"]

_MEMO = 256


class MediaTypes:
    """names: lower case, exact or ending in /*."""

    __slots__ = ("_exact", "_families", "_known")

    def __init__(self, names: Sequence[str]) -> None:
        self._exact = frozenset(name.encode("ascii") for name in names if not name.endswith("/*"))
        self._families = tuple(name[:-1].encode("ascii") for name in names if name.endswith("/*"))
        self._known: dict[bytes, bool] = {}  # a site has a handful of Content-Type values; others need not fill our memory

    def have(self, content_type: bytes | None) -> bool:
        """Whether a Content-Type names one of them; parameters do not count."""
        if not content_type:
            return False
        known = self._known.get(content_type)
        if known is None:
            media = content_type.partition(b";")[0].strip().lower()
            known = media in self._exact or media.startswith(self._families)
            if len(self._known) < _MEMO:
                self._known[content_type] = known
        return known
