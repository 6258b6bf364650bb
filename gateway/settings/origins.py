"""Where pages come from: an origin, how long it is waited for, when it is left alone."""

from __future__ import annotations

from gateway.settings.units import Bytes, Count, HostHeader, OriginUrl, Ratio, RequestPath, Seconds, Section, Switch, leaf

__all__ = ["Breaker", "Health", "Upstream"]


class Breaker(Section):
    """An origin that keeps failing is left alone for a while; one request then tries whether it is back."""

    failures: Count = leaf(5, "Failures in a row that open the breaker.", ge=1, le=1000)
    cooldown: Seconds = leaf(1.0, "How long the origin is left alone the first time.", unit="seconds", gt=0, le=3600)
    cooldown_max: Seconds = leaf(
        3.0, "The longest pause; it doubles from cooldown each time the trial fails.", unit="seconds", gt=0, le=3600
    )
    count_5xx: Switch = leaf(
        False,
        "Whether a 5xx from the origin is a failure too, not only a refused connection or a timeout. "
        "With several servers it always is: another one may do better.",
    )
    max_ejected: Ratio = leaf(
        0.7,
        "Share of several servers that may be left alone at once, one at least; when more are ill, all of them are asked.",
        ge=0,
        le=1,
    )


class Health(Section):
    """Active checks: the gateway asks the origin by itself, so that recovery is noticed without a visitor waiting for it."""

    path: RequestPath = leaf("", "The path that is asked with GET, such as /healthz; empty turns the checks off.")
    interval: Seconds = leaf(5.0, "Time from one check to the next.", unit="seconds", ge=0.1, le=3600)
    timeout: Seconds = leaf(2.0, "A check without a complete answer after this time has failed.", unit="seconds", gt=0, le=60)
    unhealthy_after: Count = leaf(3, "Failed checks in a row that take the origin out.", ge=1, le=100)
    healthy_after: Count = leaf(2, "Good checks in a row that bring it back.", ge=1, le=100)


class Upstream(Section):
    """An origin server. `upstream` is the one for everything; `origins.<name>` are others, for routes that name them."""

    url: OriginUrl = leaf(
        "", "Where the origin listens: http://HOST[:PORT] or https://HOST[:PORT]. Required unless every route names an origin."
    )
    servers: tuple[OriginUrl, ...] = leaf(
        (),
        "More servers of the same origin, each like url. The one with the least to do is asked; the settings here hold for each of them.",
        max_length=64,
    )
    host_header: HostHeader = leaf("", "The Host the origin is asked with; empty passes on the client's own.")
    connect_timeout: Seconds = leaf(5.0, "Longest wait for a connection, TLS included.", unit="seconds", gt=0, le=300)
    first_byte_timeout: Seconds = leaf(
        10.0,
        "Longest wait from the end of a safe request (GET, HEAD) to the complete response head; then 504. 0 waits for ever.",
        unit="seconds",
        ge=0,
        le=3600,
    )
    unsafe_first_byte_timeout: Seconds = leaf(
        60.0,
        "The same for other methods: saving and importing take longer than showing. 0 waits for ever.",
        unit="seconds",
        ge=0,
        le=3600,
    )
    idle_timeout: Seconds = leaf(30.0, "Longest silence in a body, either way. 0 waits for ever.", unit="seconds", ge=0, le=3600)
    total_timeout: Seconds = leaf(
        3600.0, "Longest time for a whole exchange; WebSockets are exempt. 0 sets no limit.", unit="seconds", ge=0, le=86400
    )
    keepalive_timeout: Seconds = leaf(
        15.0,
        "How long an unused connection is kept; stay below what the origin allows. 0 keeps none.",
        unit="seconds",
        ge=0,
        le=3600,
    )
    max_connections: Count = leaf(256, "Connections to each server of this origin at once.", unit="connections", ge=1, le=65535)
    max_waiting: Count = leaf(
        1000, "Requests that may wait for a connection; more are answered 503 at once.", unit="requests", ge=0, le=1_000_000
    )
    queue_timeout: Seconds = leaf(5.0, "Longest wait for a free connection, then 503.", unit="seconds", gt=0, le=300)
    max_head_bytes: Bytes = leaf(
        65536, "Longest response head that is accepted from the origin.", unit="bytes", ge=1024, le=1_048_576
    )
    tls_verify: Switch = leaf(True, "Whether an https origin's certificate is checked.")
    tls_ca_file: str = leaf("", "PEM file of the authorities that may sign it; empty takes the system's.", max_length=4096)
    retry: Switch = leaf(
        True, "Whether an idempotent request is sent once more when its connection broke before any byte of the response."
    )
    retry_budget: Ratio = leaf(
        0.2,
        "Retries, and moves to another server, per request of the last ten seconds; a hundred are allowed in any case. 0 allows none.",
        ge=0,
        le=1,
    )
    breaker: Breaker = leaf(Breaker(), "When this origin is left alone.")
    health: Health = leaf(Health(), "Whether the gateway asks it by itself.")
