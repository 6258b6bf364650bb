"""Our exceptions, drawn as a tree.

    GatewayError
    ├── BadRequest              400   the client's fault: framing, syntax, limits
    ├── Overloaded              503   more to do than can be done: refused before anything was begun
    ├── UpstreamError           502   the origin's fault
    │   ├── UpstreamRefused     502   no connection: refused, unreachable, no address, TLS failed
    │   ├── UpstreamReset       502   the connection broke before the response head was complete
    │   ├── UpstreamMalformed   502   what came was not HTTP, or not what it declared
    │   ├── UpstreamTruncated   502   the body ended before its declared end
    │   ├── UpstreamTimeout     504   connect, first byte, idle or total time ran out
    │   └── UpstreamUnavailable 503   not even tried: breaker open, queue full
    ├── RedisUnavailable         -    absorbed: the page goes out without what Redis would have known
    └── SettingsError            -    at start only

Every error knows whose fault it is (`fault`), the status a client gets (`status`), the word that stands in
logs, metrics and `Proxy-Status` (`reason`, the error types of RFC 9209 §2.3 where one fits), and whether the same
request, sent again, could succeed (`retryable`: nothing of a response had come yet, so an idempotent request may be repeated).
"""

from __future__ import annotations

__all__ = [
    "BadRequest",
    "GatewayError",
    "Overloaded",
    "RedisUnavailable",
    "SettingsError",
    "UpstreamError",
    "UpstreamMalformed",
    "UpstreamRefused",
    "UpstreamReset",
    "UpstreamTimeout",
    "UpstreamTruncated",
    "UpstreamUnavailable",
]


class GatewayError(Exception):
    """Anything of ours that has gone wrong. The message is for the operator, never for the visitor."""

    status = 500
    fault = "gateway"
    reason = "proxy_internal_error"
    retryable = False


class BadRequest(GatewayError):
    """The request can't be understood or is refused as it stands."""

    fault = "downstream"
    reason = "http_request_error"

    def __init__(self, message: str, status: int = 400, reason: str = "http_request_error") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class Overloaded(GatewayError):
    """Refused to get by. retry_after: seconds after which there may be room again."""

    status = 503
    reason = "overloaded"

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UpstreamError(GatewayError):
    """The origin could not be asked, or its answer can't be passed on."""

    status = 502
    fault = "upstream"
    reason = "destination_unavailable"


class UpstreamRefused(UpstreamError):
    """No connection was made, so nothing was sent: always safe to try again."""

    reason = "connection_refused"
    retryable = True

    def __init__(self, message: str, reason: str = "connection_refused") -> None:
        super().__init__(message)
        self.reason = reason


class UpstreamReset(UpstreamError):
    """The connection broke before a complete response head had come.

    retryable is True only when it was a kept-alive connection that broke before any byte of this response:
    the usual race with an origin that closes idle connections (RFC 9112 §9.3.1).
    """

    reason = "connection_terminated"

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class UpstreamMalformed(UpstreamError):
    """The origin's answer breaks RFC 9112, a limit of ours, or its own declaration."""

    reason = "http_protocol_error"

    def __init__(self, message: str, reason: str = "http_protocol_error") -> None:
        super().__init__(message)
        self.reason = reason


class UpstreamTruncated(UpstreamError):
    """The body ended early. Raised while the body is read: the head may be on its way to the client already."""

    reason = "http_response_incomplete"


class UpstreamTimeout(UpstreamError):
    """One of the four times ran out; reason says which."""

    status = 504
    reason = "http_response_timeout"

    def __init__(self, message: str, reason: str = "http_response_timeout") -> None:
        super().__init__(message)
        self.reason = reason


class UpstreamUnavailable(UpstreamError):
    """The origin was not asked: its breaker is open, or too many are waiting for it already."""

    status = 503
    reason = "destination_unavailable"

    def __init__(self, message: str, reason: str = "destination_unavailable", retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after = retry_after


class RedisUnavailable(GatewayError):
    """Redis can't be asked, or not now, or it refuses. Never shown to a visitor: a broken level 2 is a miss. reason: a Trouble of gateway/redis_link."""

    fault = "redis"

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class SettingsError(GatewayError):
    """The settings have faults; `problems` holds one line for each, all of them at once."""

    fault = "operator"
    reason = "configuration_error"

    def __init__(self, problems: list[str]) -> None:
        count = len(problems)
        heading = f"{count} problem{'' if count == 1 else 's'} in the settings:"
        super().__init__("\n".join([heading, *(f"  {problem}" for problem in problems)]))
        self.problems = problems
