"""Every limit that a client can run into, by name; from the settings `server.*` and `server.limits.*`. Times in seconds, sizes in octets; 0 is no limit where it says so."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """header_timeout runs from the first octet of a head to its end; body_timeout is the longest silence in a body; body_min_rate (octets per second) counts after ten seconds."""

    header_bytes: int = 32_768
    header_count: int = 128
    url_bytes: int = 16_384
    header_timeout: float = 8.0
    body_timeout: float = 30.0
    body_min_rate: int = 500
    body_bytes: int = 0
    write_timeout: float = 30.0
    trailer_bytes: int = 8_192
    chunk_overhead_bytes: int = 16_384
    keepalive_timeout: float = 75.0
    max_connections: int = 10_000
    max_connections_per_client: int = 0
    request_buffer: int = 65_536
