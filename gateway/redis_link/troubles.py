"""What can be wrong with Redis, in one word each, and which of it says that the server as a whole can't be used.

The breaker counts what a PING would notice too. The rest comes at once, so there is nobody to protect from waiting: a full server still reads,
a replica too, and a cluster without some slots still has the others.
"""

from __future__ import annotations

from enum import Enum

from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    InvalidResponse,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from gateway.errors import RedisUnavailable

__all__ = ["COUNTED", "Trouble", "trouble_of", "unavailable"]


class Trouble(Enum):
    """The value is RedisUnavailable.reason and the word in logs and metrics."""

    BREAKER_OPEN = "breaker_open"  # not asked: it failed just now
    TIMEOUT = "timeout"  # no answer, or no connection, within the budget
    CONNECTION = "connection"  # refused, reset, closed, no such name, TLS failed
    PROTOCOL = "protocol"  # what came was not RESP, or no answer to what was asked
    AUTHENTICATION = "authentication"  # NOAUTH, WRONGPASS
    LOADING = "loading"  # it has started and reads its file
    BUSY = "busy"  # a script of somebody's blocks it
    PERMISSION = "permission"  # NOPERM: the ACL lacks a command or a key
    FULL = "full"  # OOM: writes fail, reads go on
    WRITES_REFUSED = "writes_refused"  # MISCONF, NOREPLICAS: the same for other causes
    READ_ONLY = "read_only"  # it has become a replica
    MOVED = "moved"  # a cluster's slot is elsewhere, or on its way
    CLUSTER_DOWN = "cluster_down"  # CLUSTERDOWN, MASTERDOWN, a slot that nobody has
    NO_MASTER = "no_master"  # no sentinel answers, or none knows the service
    POOL = "pool"  # all connections were in use for the whole budget
    LATE = "late"  # this process was too busy to look at the answer in time
    COMMAND = "command"  # any other error: somebody else's value under our key, an unknown command
    CLOSED = "closed"  # the gateway is closing


COUNTED = frozenset(
    {Trouble.TIMEOUT, Trouble.CONNECTION, Trouble.PROTOCOL, Trouble.AUTHENTICATION, Trouble.LOADING, Trouble.BUSY}
)
"""What the breaker counts."""

_BY_KIND: tuple[tuple[type[Exception], Trouble], ...] = (  # the more particular first: redis-py's tree is deep
    (BusyLoadingError, Trouble.LOADING),
    (AuthenticationError, Trouble.AUTHENTICATION),
    (NoPermissionError, Trouble.PERMISSION),
    (OutOfMemoryError, Trouble.FULL),
    (ReadOnlyError, Trouble.READ_ONLY),
    (ClusterDownError, Trouble.CLUSTER_DOWN),
    (AskError, Trouble.MOVED),
    (TryAgainError, Trouble.MOVED),
    (InvalidResponse, Trouble.PROTOCOL),
    (RedisTimeoutError, Trouble.TIMEOUT),
    (RedisConnectionError, Trouble.CONNECTION),
    (OSError, Trouble.CONNECTION),
)
_BY_WORD = {"BUSY": Trouble.BUSY, "MISCONF": Trouble.WRITES_REFUSED, "NOREPLICAS": Trouble.WRITES_REFUSED}


def trouble_of(error: Exception) -> Trouble:
    """The word for what redis-py, the parser or the network raised. Anything it doesn't know came of bytes that make no sense."""
    if isinstance(error, ResponseError) and (word := str(error).partition(" ")[0]) in _BY_WORD:
        return _BY_WORD[word]
    for kind, trouble in _BY_KIND:
        if isinstance(error, kind):
            return trouble
    return Trouble.COMMAND if isinstance(error, RedisError) else Trouble.PROTOCOL


def unavailable(trouble: Trouble, message: str) -> RedisUnavailable:
    """An error to raise. message: without keys, values or credentials."""
    return RedisUnavailable(message, trouble.value)
