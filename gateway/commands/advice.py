"""What is legal in the settings and may still not be meant. Each line says what follows from it; none stops the gateway."""

from __future__ import annotations

import ipaddress
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from gateway.listener.certificates import Keyring
from gateway.settings import Network, Secret, Settings, Upstream

__all__ = ["about_certificates", "advice"]

SHORTEST_TOKEN = 16
LONGEST_WAIT = 0.5
EXPIRES_SOON = 14
"""Days. Certificates of 90 days are renewed with 30 left."""
_EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104 - named to warn of them
_INSIDE = (".internal", ".local", ".lan", ".localhost", ".test", ".cluster.local", ".svc", ".home.arpa")
"""Endings of names that public DNS does not give out, or that only mean something inside a network."""


def advice(settings: Settings) -> Iterator[str]:
    """All of it, one line each. Looks at files that are named, asks no network."""
    yield from _about_access(settings)
    yield from _about_origins(settings)
    yield from _about_redis(settings)
    yield from _about_the_cache(settings)


def _about_access(settings: Settings) -> Iterator[str]:
    if not settings.purge.tokens:
        yield "purge.tokens is empty: nobody can purge"
    for name, tokens in (("purge.tokens", settings.purge.tokens), ("debug.tokens", settings.debug.tokens)):
        yield from _about_tokens(name, tokens)
    if settings.server.host in _EVERYWHERE and not settings.proxy.trusted_proxies:
        yield (
            f"server.host is {settings.server.host} and proxy.trusted_proxies is empty: "
            "behind a load balancer, every visitor will seem to come from its address"
        )
    if any(_is_everybody(network) for network in settings.proxy.trusted_proxies):
        yield "proxy.trusted_proxies holds everybody: any client can claim any address, host and scheme"
    if settings.metrics.enabled and any(_is_everybody(network) for network in settings.metrics.allow):
        yield "metrics.allow holds everybody: anybody can read /_weft/metrics"
    if settings.debug.server_timing == "always":
        yield "debug.server_timing is always: anybody can tell a hit from a miss, and what the origin takes"
    if settings.log.access != "off" and settings.log.client_address == "full":
        yield "log.client_address is full: the access log holds personal data"


def _about_tokens(name: str, tokens: tuple[Secret, ...]) -> Iterator[str]:
    for index, token in enumerate(tokens):
        if len(token.reveal()) < SHORTEST_TOKEN:
            yield f"{name}[{index}] is shorter than {SHORTEST_TOKEN} characters: it can be guessed"


def about_certificates(keyring: Keyring, now: float) -> Iterator[str]:
    """What visitors will be warned of, and who else can pose as this site. now: epoch seconds."""
    for file, certificate in keyring.held:
        days = (certificate.not_after - now) / 86_400
        if days < 0:
            yield f"{file} has expired {-days:.0f} days ago: browsers will turn visitors away"
        elif days < EXPIRES_SOON:
            yield f"{file} expires in {days:.0f} days"
        if certificate.not_before > now:
            yield f"{file} is not valid yet: browsers will turn visitors away"
        if not certificate.names:
            yield f"{file} names no host (subject alternative names): browsers will turn visitors away"
    for file in keyring.key_files:
        if Path(file).stat().st_mode & stat.S_IROTH:
            yield f"{file} holds a key and can be read by everybody on this machine"


def _about_origins(settings: Settings) -> Iterator[str]:
    named = {route.origin for route in settings.routes}
    if settings.upstream.url:
        yield from _about_origin("upstream", settings.upstream, settings)
    for name, origin in settings.origins.items():
        yield from _about_origin(f"origins.{name}", origin, settings)
        if name not in named:
            yield f"origins.{name} is named by no route: it will get no request"


def _about_origin(name: str, origin: Upstream, settings: Settings) -> Iterator[str]:
    yield from _about_server(f"{name}.url", origin.url, settings)
    for index, server in enumerate(origin.servers):
        yield from _about_server(f"{name}.servers[{index}]", server, settings)
    if any(url.startswith("https:") for url in (origin.url, *origin.servers)) and not origin.tls_verify:
        yield f"{name}.tls_verify is false: anybody on the way can be the origin"
    if origin.tls_ca_file and not Path(origin.tls_ca_file).is_file():
        yield f"{name}.tls_ca_file: there is no file {origin.tls_ca_file}; the gateway will not start with it"


def _about_server(name: str, address: str, settings: Settings) -> Iterator[str]:
    url = urlsplit(address)
    host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
    if url.scheme == "http" and _is_public(host):
        yield f"{name} is plain http to {host}: pages and cookies travel readable, and can be changed on the way"
    if (
        port == settings.server.port
        and _is_loopback(host)
        and (settings.server.host in _EVERYWHERE or _is_loopback(settings.server.host))
    ):
        yield f"{name} is where the gateway itself listens: every request would come back to it"


def _about_redis(settings: Settings) -> Iterator[str]:
    redis = settings.redis
    scheme, _, place = redis.url.partition("://")
    hosts = [urlsplit(f"//{host}").hostname or "" for host in (*place.partition("/")[0].split(","), *redis.sentinels)]
    if scheme == "redis" and (public := [host for host in hosts if _is_public(host)]):
        yield f"redis.url is without TLS, and {public[0]} may be far: pages travel readable, and can be changed on the way"
    if scheme == "rediss" and not redis.tls_verify:
        yield "redis.tls_verify is false: anybody on the way can be Redis"
    for name in ("tls_ca_file", "tls_cert_file", "tls_key_file"):
        if (file := getattr(redis, name)) and not Path(file).is_file():
            yield f"redis.{name}: there is no file {file}; the gateway will not start with it"
    if redis.url and redis.password is None and not all(_is_loopback(host) for host in hosts):
        yield "redis.password is not set: whoever reaches Redis can put pages into the cache"
    if redis.url and redis.timeout > LONGEST_WAIT:
        yield f"redis.timeout is {redis.timeout:g} seconds: while Redis is slow, each page that is not in memory waits so long"


def _about_the_cache(settings: Settings) -> Iterator[str]:
    if settings.cache.mode == "bypass":
        yield "cache.mode is bypass: nothing is cached but where a route says standard"
    if settings.cache.store_cookies:
        yield "cache.store_cookies is true: pages that set a cookie and call themselves public are stored, and later visitors get no cookie"
    rules = [("query", settings.query)] + [
        (f"routes[{n}].query", route.query) for n, route in enumerate(settings.routes) if route.query
    ]
    for name, query in rules:
        if query.mode in {"keep", "drop"} and not query.names:
            effect = "no parameter is left" if query.mode == "keep" else "nothing is dropped"
            yield f"{name}.mode is {query.mode} and {name}.names is empty: {effect}"


def _is_everybody(network: Network) -> bool:
    return network.prefixlen == 0


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_public(host: str) -> bool:
    """Whether an address or name is likely reached over other people's networks. A name without a dot is a neighbour's."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." in host and not host.endswith(_INSIDE)
    return address.is_global
