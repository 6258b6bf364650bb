"""What an unsafe request that succeeded says of what is stored. RFC 9111 §4.4, RFC 9875 §3. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

from gateway.cache.key import Key, QueryRule
from gateway.flow.purge_target import Target
from gateway.semantics.message import Fields, first, joined
from gateway.semantics.structured import parse_strings

__all__ = ["invalidated_by"]


def invalidated_by(key: Key, query: QueryRule, fields: Fields) -> Iterator[Target]:
    """The groups that the response names, its URL, and what Location and Content-Location name on the same host.

    key: of the request. query: its route's rule. fields: of the response.
    """
    scheme, host, target = key
    for group in parse_strings(joined(fields, b"cache-group-invalidation") or b"") or ():
        yield ("group", (scheme, host, b"group:" + group.encode("latin-1")))
    yield ("url", key)
    base = (scheme + b"://" + host + target).decode("latin-1")
    for name in (b"location", b"content-location"):
        value = first(fields, name)
        if value is None:
            continue
        try:
            url = urlsplit(urljoin(base, value.decode("latin-1")))
        except ValueError:
            continue  # no URL: names nothing that could be stored
        if url.netloc.encode("latin-1").lower() == host:  # same origin only: else one site could empty another. §4.4
            path = (url.path or "/") + (f"?{url.query}" if url.query else "")
            yield ("url", (scheme, host, query.apply(path.encode("latin-1"))))
