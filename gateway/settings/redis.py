"""Where Redis is, how long it is waited for, and what is kept there."""

from __future__ import annotations

from gateway.settings.units import Bytes, Count, HostPort, Name, RedisUrl, Seconds, Secret, Section, Switch, leaf

__all__ = ["Redis", "RedisCache", "RedisPurges"]


class RedisCache(Section):
    """Level 2 of the cache: what one process has stored, all have."""

    enabled: Switch = leaf(True, "Whether stored responses are kept in Redis too.")
    max_object_bytes: Bytes = leaf(
        2**20,
        "Longer ones stay in the process's memory only: they take longer to carry than a timeout.",
        unit="bytes",
        ge=0,
        le=2**29,
    )
    max_ttl: Seconds = leaf(
        86400.0,
        "Longest time that anything is kept there, whatever its lifetime; what is stale but still of use counts in.",
        unit="seconds",
        ge=1,
        le=365 * 86400,
    )
    lease: Seconds = leaf(
        2.0,
        "For how long one process fetches for all before it has to say that it is still at it, which it does; after one that has died the others wait so long. "
        "0 lets each process fetch by itself.",
        unit="seconds",
        ge=0,
        le=600,
    )


class RedisPurges(Section):
    """How purges reach the other processes."""

    keep_entries: Count = leaf(
        100_000,
        "Purges that are kept for processes that were cut off. One that has missed more drops all it has.",
        unit="entries",
        ge=100,
        le=100_000_000,
    )


class Redis(Section):
    """What processes and machines share: level 2 of the cache, leases, purges (docs/redis.md)."""

    url: RedisUrl = leaf(
        "",
        "Where it listens; empty does without. With sentinels, HOST is the name of their service; "
        "with cluster, several hosts may stand there, separated by commas.",
    )
    username: str = leaf("", "Who the gateway is to Redis (ACL); empty is Redis' default user.", max_length=256)
    password: Secret | None = leaf(None, "Its password.")
    sentinels: tuple[HostPort, ...] = leaf((), "Sentinels, which are asked who leads. Without a port it is 26379.", max_length=32)
    sentinel_username: str = leaf("", "Who the gateway is to the sentinels.", max_length=256)
    sentinel_password: Secret | None = leaf(None, "The password for the sentinels, which is another than that for Redis.")
    cluster: Switch = leaf(False, "Whether it is a Redis Cluster.")
    tls_verify: Switch = leaf(True, "Whether a rediss server's certificate is checked.")
    tls_ca_file: str = leaf("", "PEM file of the authorities that may sign it; empty takes the system's.", max_length=4096)
    tls_cert_file: str = leaf("", "PEM file of the gateway's own certificate, where Redis asks for one.", max_length=4096)
    tls_key_file: str = leaf("", "PEM file of its key; empty when it is in tls_cert_file.", max_length=4096)
    prefix: Name = leaf("weft", "How every key begins. Gateways that share a cache have the same one, others another.")
    timeout: Seconds = leaf(
        0.05,
        "Longest wait for one answer, waiting for a connection and making one included. A visitor waits no longer than this.",
        unit="seconds",
        ge=0.001,
        le=10,
    )
    connect_timeout: Seconds = leaf(
        0.05, "Longest wait for a connection where no visitor waits for it.", unit="seconds", ge=0.001, le=10
    )
    max_connections: Count = leaf(16, "Connections of one process at once, to each server.", unit="connections", ge=1, le=1024)
    failures: Count = leaf(
        5,
        "Failures in a row after which it isn't asked until it answers a PING; that is tried four times a second.",
        ge=1,
        le=1000,
    )
    cache: RedisCache = leaf(RedisCache(), "Level 2 of the cache.")
    purges: RedisPurges = leaf(RedisPurges(), "How purges reach the other processes.")
