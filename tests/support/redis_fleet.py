"""Several real Redis servers that know each other: a service behind sentinels, a cluster of three with a replica each or none.

with SentinelFleet("weft") as fleet:    fleet.sentinels, fleet.leader, fleet.fail_over()
with ClusterFleet() as fleet:           fleet.servers
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.redis_link import Address
from tests.support.redis_server import RedisServer, free_port, redis_program

__all__ = ["ClusterFleet", "SentinelFleet", "until"]

_PATIENCE = 30.0


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait for something outside of this process. Raises when it doesn't come."""
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        time.sleep(0.02)


class _Fleet:
    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()


class SentinelFleet(_Fleet):
    """A leader, two replicas and three sentinels that notice within half a second when the leader is gone. Good for two failovers in a row."""

    def __init__(self, service: str, *, arguments: Sequence[str] = ()) -> None:
        super().__init__()
        try:
            self.service = service
            self.servers = [self._stack.enter_context(RedisServer(arguments)) for _ in range(3)]
            first, *others = self.servers
            for replica in others:
                replica.command("REPLICAOF", "127.0.0.1", first.port)
            self._sentinels = [self._stack.enter_context(_Sentinel(service, first.port)) for _ in range(3)]
            self.sentinels = [sentinel.address for sentinel in self._sentinels]
            until(self._is_ready, "sentinels that know each other and the replicas")
        except BaseException:
            self._stack.close()
            raise

    @property
    def leader(self) -> RedisServer:
        """By the sentinels' word."""
        told = self._sentinels[0].command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.service)
        return next(server for server in self.servers if server.port == int(told[1]))

    def fail_over(self) -> None:
        """Make a replica lead; returns when a sentinel says so."""
        old = self.leader
        self._sentinels[0].command("SENTINEL", "FAILOVER", self.service)
        until(lambda: self.leader is not old, "a failover")

    def _is_ready(self) -> bool:
        for sentinel in self._sentinels:
            told = sentinel.command("SENTINEL", "MASTER", self.service)
            known = dict(zip(told[::2], told[1::2], strict=True))
            if int(known[b"num-slaves"]) < 2 or int(known[b"num-other-sentinels"]) < 2:
                return False
        return all(server.command("ROLE")[3] == b"connected" for server in self.servers[1:])


class _Sentinel(RedisServer):
    def __init__(self, service: str, leader: int) -> None:
        self._service, self._leader = service, leader
        super().__init__()

    def words(self) -> list[str]:
        """RedisServer.words. A sentinel writes what it learns into its file, so each start begins with a new one."""
        file = Path(self.folder) / "sentinel.conf"
        file.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {self.folder}\n"
            f"sentinel monitor {self._service} 127.0.0.1 {self._leader} 2\n"
            f"sentinel down-after-milliseconds {self._service} 500\n"
            f"sentinel failover-timeout {self._service} 3000\n",
            encoding="ascii",
        )
        return [redis_program(), str(file), "--sentinel"]


class ClusterFleet(_Fleet):
    """Three leaders of a third of the slots each. node_timeout: seconds after which one counts as gone."""

    def __init__(self, *, node_timeout: float = 2.0, arguments: Sequence[str] = ()) -> None:
        super().__init__()
        options = ["--cluster-enabled", "yes", "--cluster-node-timeout", str(int(node_timeout * 1000)), *arguments]
        try:
            self.servers = [self._stack.enter_context(RedisServer(options, port=_cluster_port())) for _ in range(3)]
            self.seeds: list[Address] = [server.address for server in self.servers]
            command = [str(Path(redis_program()).with_name("redis-cli")), "--cluster", "create", *map(str, self.seeds)]
            subprocess.run([*command, "--cluster-yes"], check=True, capture_output=True, timeout=_PATIENCE)
            until(
                lambda: all(b"cluster_state:ok" in server.command("CLUSTER", "INFO") for server in self.servers),
                "a cluster that is well",
            )
        except BaseException:
            self._stack.close()
            raise

    def owner_of(self, key: bytes) -> RedisServer:
        """The server that leads the key's slot."""
        slot = int(self.servers[0].command("CLUSTER", "KEYSLOT", key))
        for first, last, (_, port, *_), *_ in self.servers[0].command("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(server for server in self.servers if server.port == port)
        raise AssertionError(f"nobody has slot {slot}")


def _cluster_port() -> int:
    """A free port whose bus port, 10000 above it, is one too."""
    while (port := free_port()) > 55_000:
        pass
    return port
