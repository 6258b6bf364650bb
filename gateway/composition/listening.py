"""`[server]`: what a client may cost."""

from __future__ import annotations

from gateway.listener.limits import Limits
from gateway.settings import Settings

__all__ = ["build_limits"]


def build_limits(settings: Settings) -> Limits:
    """The listener's bounds."""
    server, limits = settings.server, settings.server.limits
    return Limits(
        header_bytes=limits.header_bytes,
        header_count=limits.header_count,
        url_bytes=limits.url_bytes,
        header_timeout=limits.header_timeout,
        body_timeout=limits.body_timeout,
        body_min_rate=limits.body_min_rate,
        body_bytes=limits.body_bytes,
        write_timeout=limits.write_timeout,
        trailer_bytes=limits.trailer_bytes,
        chunk_overhead_bytes=limits.chunk_extension_bytes + limits.trailer_bytes,
        keepalive_timeout=server.keepalive_timeout,
        max_connections=server.max_connections,
        request_buffer=settings.proxy.max_request_buffer,
    )
