"""The gateway's own edges: the socket it listens on, what it tells the origin, who may purge, and what it lets people see."""

from __future__ import annotations

from typing import Literal

from gateway.settings.units import (
    Bytes,
    CidrNetwork,
    Count,
    FieldName,
    ListenHost,
    Pseudonym,
    Seconds,
    Secret,
    Section,
    Switch,
    leaf,
)

__all__ = ["Admin", "Debug", "Limits", "Log", "Metrics", "Proxy", "Purge", "Server", "Tls"]


class Limits(Section):
    """What a client may cost before it is refused: the bounds that uvicorn does not have."""

    header_bytes: Bytes = leaf(32768, "Longest request head; more is 431.", unit="bytes", ge=1024, le=2**20)
    header_count: Count = leaf(128, "Most field lines in a request head; more is 431.", unit="fields", ge=8, le=10_000)
    url_bytes: Bytes = leaf(16384, "Longest request target; more is 414.", unit="bytes", ge=128, le=2**20)
    header_timeout: Seconds = leaf(
        8.0,
        "Longest time from the first byte of a request to the end of its head, and for the first one to come at all; then 408.",
        unit="seconds",
        gt=0,
        le=600,
    )
    body_timeout: Seconds = leaf(30.0, "Longest silence in a request body; then 408.", unit="seconds", gt=0, le=3600)
    body_min_rate: Count = leaf(
        500,
        "Slowest average at which a request body may come, once 10 seconds have passed. 0 sets no limit.",
        unit="bytes per second",
        ge=0,
        le=2**30,
    )
    body_bytes: Bytes = leaf(0, "Longest request body; more is 413. 0 sets no limit.", unit="bytes", ge=0, le=2**50)
    trailer_bytes: Bytes = leaf(8192, "Longest trailer section of a chunked request body.", unit="bytes", ge=0, le=2**20)
    chunk_extension_bytes: Bytes = leaf(4096, "Chunk extensions of one request body, all together.", unit="bytes", ge=0, le=2**20)
    write_timeout: Seconds = leaf(
        30.0, "Longest time without progress towards a client that does not read.", unit="seconds", gt=0, le=3600
    )


class Tls(Section):
    """TLS on the port that the gateway listens on. None without a certificate."""

    certificates: tuple[str, ...] = leaf(
        (),
        "PEM files, each with a certificate and those that lead from it to its authority. The name that a client asks for chooses; the first serves all others.",
        max_length=256,
    )
    keys: tuple[str, ...] = leaf(
        (), "PEM files with their keys, in the same order. Empty when each stands in its certificate's file.", max_length=256
    )
    key_password: Secret | None = leaf(None, "Password of the keys that have one.")
    min_version: Literal["1.2", "1.3"] = leaf("1.2", "The oldest version of TLS that is spoken.")
    client_ca: str = leaf(
        "",
        "PEM file of the authorities that sign clients' certificates; then every client must show one. Empty asks for none.",
        max_length=4096,
    )
    check_interval: Seconds = leaf(
        5.0,
        "Time between two looks at the files; what has changed is loaded at the second look. 0 never looks.",
        unit="seconds",
        ge=0,
        le=86400,
    )


class Server(Section):
    """Where the gateway listens and how it stops."""

    host: ListenHost = leaf("127.0.0.1", "Address to listen on; 0.0.0.0 or :: for every interface.")
    port: Count = leaf(8080, "Port to listen on; 0 takes a free one and logs which.", ge=0, le=65535)
    workers: Count = leaf(
        1,
        "Processes that serve. More than one needs Redis (`redis.url`).",
        unit="processes",
        ge=1,
        le=256,
    )
    max_connections: Count = leaf(
        10_000, "Client connections at once; more are answered 503.", unit="connections", ge=1, le=1_000_000
    )
    max_connections_per_client: Count = leaf(
        0,
        "Of those, connections of one client address (an IPv6 /64); more are answered 429. Trusted proxies are exempt. 0 sets no limit.",
        unit="connections",
        ge=0,
        le=1_000_000,
    )
    backlog: Count = leaf(2048, "Connections that the kernel keeps waiting to be accepted.", unit="connections", ge=1, le=65535)
    keepalive_timeout: Seconds = leaf(
        75.0, "How long a connection may stay silent between two requests.", unit="seconds", gt=0, le=3600
    )
    drain_delay: Seconds = leaf(
        0.0,
        "After SIGTERM: how long to serve on while saying 'not ready', for a load balancer to notice.",
        unit="seconds",
        ge=0,
        le=600,
    )
    drain_timeout: Seconds = leaf(
        25.0, "After that: how long what runs may take to finish. Kubernetes kills after 30.", unit="seconds", ge=0, le=3600
    )
    watchdog: Seconds = leaf(
        1.5,
        "How long a worker's event loop may stand still before the worker is killed and replaced; time without a processor does not count. 0 never does.",
        unit="seconds",
        ge=0,
        le=600,
    )
    max_rss: Bytes = leaf(
        0,
        "Resident memory at which a worker is replaced, after its successor serves. 0 sets no limit.",
        unit="bytes",
        ge=0,
        le=2**50,
    )
    fast_lane: Switch = leaf(True, "Whether hits are answered in the protocol, without a task. Off only to look for a fault.")
    limits: Limits = leaf(Limits(), "What a client may cost.")
    tls: Tls = leaf(Tls(), "Certificates and keys.")


class Proxy(Section):
    """What the gateway believes of those in front of it, and tells those behind it."""

    trusted_proxies: tuple[CidrNetwork, ...] = leaf(
        (), "Networks whose X-Forwarded-* and Forwarded are believed. Anybody else's are replaced."
    )
    via: Pseudonym = leaf("weft", "Our name in Via.")
    forwarded: Switch = leaf(True, "Whether the origin gets Forwarded and X-Forwarded-For, -Proto and -Host.")
    request_id_header: FieldName = leaf(
        "x-request-id", "Field that carries the request id to the origin, and to the client on a page of an error of ours."
    )
    max_request_buffer: Bytes = leaf(
        65536, "How far reading a request body may run ahead of the origin.", unit="bytes", ge=4096, le=2**26
    )


class Purge(Section):
    """Who may take stored responses out, and how."""

    tokens: tuple[Secret, ...] = leaf(
        (),
        "Bearer tokens that may purge; list the old and the new one while you change them. None turns purging off.",
        max_length=16,
    )
    method: Switch = leaf(True, "Whether the PURGE method is accepted, beside POST /_weft/purge.")
    soft_grace: Seconds = leaf(
        60.0,
        "How long a softly purged response may still be served while one request refreshes it.",
        unit="seconds",
        ge=0,
        le=86400,
    )


class Admin(Section):
    """Who may have the settings read anew."""

    tokens: tuple[Secret, ...] = leaf(
        (),
        "Bearer tokens for POST /_weft/reload; list the old and the new one while you change them. None turns it off; SIGHUP works in any case.",
        max_length=16,
    )


class Debug(Section):
    """What the gateway says about itself on a response."""

    tokens: tuple[Secret, ...] = leaf(
        (), "Tokens that may see debug headers, sent in Weft-Debug. None shows them to nobody.", max_length=16
    )
    server_timing: Literal["token", "always", "never"] = leaf(
        "token", "Who gets Server-Timing: requests with a debug token, all, or none."
    )


class Log(Section):
    """What is written for each request, and what is left out."""

    access: Literal["json", "text", "off"] = leaf(
        "json", "Form of the access log: a JSON object a line, a line for people, or none."
    )
    level: Literal["debug", "info", "warning", "error"] = leaf("info", "The least level that is written.")
    file: str = leaf("", "File that log lines are appended to; empty means standard output.", max_length=4096)
    mask_query: Switch = leaf(True, "Whether query values are left out of the log; the names stay.")
    client_address: Literal["truncate", "full", "hmac", "none"] = leaf(
        "truncate", "The client's address in the log: cut to /24 or /48, whole, as a keyed hash, or not at all."
    )
    address_key: Secret | None = leaf(None, "Key for hmac; not set takes a new one at each start.")


class Metrics(Section):
    """Prometheus figures at /_weft/metrics."""

    enabled: Switch = leaf(True, "Whether there are any.")
    allow: tuple[CidrNetwork, ...] = leaf(
        ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10"),
        "Networks that may read them; anybody else gets 404.",
    )
