"""`[redis]`: which servers, spoken to how."""

from __future__ import annotations

import ssl
from pathlib import Path

from gateway.errors import SettingsError
from gateway.redis_link import Address, Cluster, Credentials, NodeRules, OneServer, RedisLink, SentinelMaster, Topology
from gateway.settings import Redis, Secret, Settings

__all__ = ["build_redis_link"]

_PORT = 6379
_SENTINEL_PORT = 26379


def build_redis_link(settings: Settings) -> RedisLink | None:
    """The link that the settings describe, None when they have no Redis. Raises SettingsError when a file of TLS can't be read."""
    return RedisLink(_topology(settings.redis)) if settings.redis.url else None


def _topology(redis: Redis) -> Topology:
    scheme, _, place = redis.url.partition("://")
    hosts, _, database = place.partition("/")
    rules = NodeRules(
        timeout=redis.timeout,
        connect_timeout=redis.connect_timeout,
        max_connections=redis.max_connections,
        failures=redis.failures,
        credentials=_credentials(redis.username, redis.password),
        database=int(database or 0),
        tls=_tls(redis) if scheme == "rediss" else None,
    )
    if redis.sentinels:
        sentinels = [_address(text, _SENTINEL_PORT) for text in redis.sentinels]
        return SentinelMaster(sentinels, hosts, rules, _credentials(redis.sentinel_username, redis.sentinel_password))
    addresses = [_address(text, _PORT) for text in hosts.split(",")]
    return Cluster(addresses, rules) if redis.cluster else OneServer(addresses[0], rules)


def _address(text: str, default_port: int) -> Address:
    host, colon, port = text.rpartition(":")
    if not colon or "]" in port:  # no port; the colon was one of an address in brackets
        return Address(text.strip("[]"), default_port)
    return Address(host.strip("[]"), int(port))


def _credentials(username: str, password: Secret | None) -> Credentials:
    return Credentials(username, password.reveal() if password is not None else "")


def _tls(redis: Redis) -> ssl.SSLContext:
    problems = []
    for name in ("tls_ca_file", "tls_cert_file", "tls_key_file"):
        file = getattr(redis, name)
        try:
            if file:
                Path(file).read_bytes()
        except OSError as error:
            problems.append(f"redis.{name}: can't read {file}: {error.strerror}")
    if problems:
        raise SettingsError(problems)
    name = "tls_ca_file"
    try:
        context = ssl.create_default_context(cafile=redis.tls_ca_file or None)
        name = "tls_cert_file"
        if redis.tls_cert_file:
            context.load_cert_chain(redis.tls_cert_file, redis.tls_key_file or None)
    except ssl.SSLError as error:
        what = "no PEM file that OpenSSL can use" if name == "tls_ca_file" else "no certificate with a key that belongs to it"
        raise SettingsError([f"redis.{name}: {what} ({error.reason or 'no detail'})"]) from None
    if not redis.tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
