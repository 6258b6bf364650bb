"""`Cache-Status` (RFC 9211): one member, saying what this cache did and why."""

from __future__ import annotations

__all__ = ["encode_hit", "encode_member"]


def encode_hit(name: bytes, ttl: int, detail: bytes = b"") -> bytes:
    """A member for an answer from the cache. ttl: remaining freshness in seconds, negative when stale. §2.1, §2.4."""
    if detail:
        return b"%s; hit; ttl=%d; detail=%s" % (name, ttl, detail)
    return b"%s; hit; ttl=%d" % (name, ttl)


def encode_member(
    name: bytes,
    reason: str,
    *,
    fwd_status: int | None = None,
    ttl: int | None = None,
    stored: bool = False,
    collapsed: bool = False,
    detail: str = "",
) -> bytes:
    """A member for an answer that needed the origin. reason: a token of §2.2. fwd_status: only where it differs from what is sent (§2.3)."""
    parts = [name, b"fwd=" + reason.encode("ascii")]
    if fwd_status is not None:
        parts.append(b"fwd-status=%d" % fwd_status)
    if ttl is not None:
        parts.append(b"ttl=%d" % ttl)
    if stored:
        parts.append(b"stored")
    if collapsed:
        parts.append(b"collapsed")
    if detail:
        parts.append(b"detail=" + detail.encode("ascii"))
    return b"; ".join(parts)
