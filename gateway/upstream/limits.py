"""How long and how much: every bound the upstream client keeps, in one value.

It decides nothing; connection, parser and pool read their numbers here. Times are lengths in seconds. Where a line says
"0: none" the bound can be switched off; the others can't, because without them one origin could hold a process.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["OriginLimits"]

_MAY_BE_ZERO = frozenset(
    {
        "continue_timeout",
        "first_byte_timeout",
        "unsafe_first_byte_timeout",
        "idle_timeout",
        "keepalive_timeout",
        "max_waiting",
        "max_interim",
        "total_timeout",
    }
)


@dataclass(frozen=True, slots=True)
class OriginLimits:
    """Bounds for one origin. Raises ValueError, naming every fault at once, when a number makes no sense."""

    connect_timeout: float = 5.0
    """TCP and TLS together, all addresses of the origin together, DNS apart."""
    first_byte_timeout: float = 10.0
    """From the last byte of the request to the complete response head, begun again by each 1xx. 0: none.

    It covers the whole head, so that an origin that drips a head byte by byte is cut here (nginx restarts its clock on each read).
    """
    unsafe_first_byte_timeout: float = 60.0
    """The same after a method that is not safe (RFC 9110 §9.2.1): saving, importing and sending take longer than showing. 0: none."""
    idle_timeout: float = 30.0
    """Between two reads of a body, while the reader has room; and for one stalled write of a request body. 0: none."""
    total_timeout: float = 3600.0
    """Head and body of one exchange, a slow reader's time included. Long, because a download that progresses is no fault. 0: none."""
    continue_timeout: float = 1.0
    """How long `Expect: 100-continue` waits before the body is sent anyway. RFC 9110 §10.1.1."""
    keepalive_timeout: float = 15.0
    """How long an unused connection is kept. Below the usual origin's 60 s (Varnish) and 75 s (nginx); 0: never kept."""
    queue_timeout: float = 5.0
    """How long an exchange waits for a connection when all are in use."""
    dns_timeout: float = 2.0
    """How long a connect waits for a fresh answer of the resolver when an old good one is known; twice that when not."""
    dns_ttl: float = 30.0
    """Age at which an answer is asked for again (getaddrinfo doesn't tell the record's own TTL)."""
    dns_keep: float = 24 * 3600.0
    """How long the last good answer serves while the resolver fails."""

    max_connections: int = 256
    max_waiting: int = 1000
    max_head_bytes: int = 65536
    max_fields: int = 200
    max_interim: int = 20
    """1xx responses before a final one."""
    max_chunk_line_bytes: int = 1024
    """Chunk size and extensions of one chunk."""
    max_trailer_bytes: int = 16384
    window_bytes: int = 262144
    """Content held for a slow reader before the origin is held back. One read of the transport (256 KB) may come on top."""

    def __post_init__(self) -> None:
        problems = []
        for name in self.__slots__:
            value = getattr(self, name)
            if value < 0 or (value == 0 and name not in _MAY_BE_ZERO):
                problems.append(f"{name}: expected {'>= 0' if name in _MAY_BE_ZERO else '> 0'}, got {value!r}")
        if problems:
            raise ValueError("; ".join(problems))
