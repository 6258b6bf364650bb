"""Entries for tests, with as little as each test needs to say."""

from __future__ import annotations

from gateway.cache.entry import Entry
from gateway.cache.freshness import StaleWindows
from gateway.cache.key import Key
from gateway.cache.policy import Stored
from gateway.cache.targeted import Directives

__all__ = ["NOW", "key", "make_entry"]

NOW = 1_800_000_000.0


def key(path: str = "/page", host: str = "shop.test") -> Key:
    return (b"http", host.encode(), path.encode())


def make_entry(
    path: str = "/page",
    *,
    host: str = "shop.test",
    body: bytes = b"hello",
    tags: tuple[bytes, ...] = (),
    stamp: int = 0,
    route: str = "default",
    vary: tuple[bytes, ...] = (),
    nominated: tuple[bytes | None, ...] = (),
    lifetime: float = 60.0,
    born: float = NOW,
    revalidate: float = 0.0,
    if_error: float = 0.0,
    on_request: bool = True,
    flags: frozenset[str] = frozenset(),
    fields: tuple[tuple[bytes, bytes], ...] = ((b"content-type", b"text/plain"),),
    parts: tuple[tuple[int, bytes], ...] | None = None,
    length: int | None = None,
) -> Entry:
    """A stored response, fresh for a minute from NOW on."""
    terms = Stored(
        Directives(b"cache-control", {}, flags),
        born=born,
        date=born,
        lifetime=lifetime,
        windows=StaleWindows(revalidate, if_error, on_request=on_request),
        explicit=True,
        vary=vary,
    )
    return Entry(
        key(path, host),
        route,
        200,
        list(fields),
        body,
        terms,
        nominated=nominated,
        tags=tags,
        stamp=stamp,
        parts=parts,
        length=length,
    )
