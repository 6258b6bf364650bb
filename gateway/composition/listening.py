"""`[server]`: what a client may cost, and what the gateway shows it of itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.composition.gauges import Figure
from gateway.errors import SettingsError
from gateway.listener.certificates import CertificateFault, Keyring, Pair
from gateway.listener.limits import Limits
from gateway.settings import Settings

__all__ = ["build_keyring", "build_limits", "figures_of_tls"]


def build_limits(settings: Settings) -> Limits:
    """The listener's bounds."""
    server, limits = settings.server, settings.server.limits
    return Limits(
        header_bytes=limits.header_bytes,
        header_count=limits.header_count,
        url_bytes=limits.url_bytes,
        header_timeout=limits.header_timeout,
        body_timeout=limits.body_timeout,
        body_min_rate=limits.body_min_rate,
        body_bytes=limits.body_bytes,
        write_timeout=limits.write_timeout,
        trailer_bytes=limits.trailer_bytes,
        chunk_overhead_bytes=limits.chunk_extension_bytes + limits.trailer_bytes,
        keepalive_timeout=server.keepalive_timeout,
        max_connections=server.max_connections,
        max_connections_per_client=server.max_connections_per_client,
        request_buffer=settings.proxy.max_request_buffer,
    )


def build_keyring(settings: Settings) -> Keyring | None:
    """Certificates and keys, read; None when TLS is not spoken. Raises SettingsError."""
    tls = settings.server.tls
    if not tls.certificates:
        return None
    pairs = [Pair(*files) for files in zip(tls.certificates, tls.keys or tls.certificates, strict=True)]
    password = tls.key_password.reveal() if tls.key_password else ""
    try:
        return Keyring(pairs, password=password, min_version=tls.min_version, client_ca=tls.client_ca)
    except CertificateFault as fault:
        leaf = "client_ca"
        if fault.index is not None:
            leaf = f"{'certificates' if fault.file == tls.certificates[fault.index] else 'keys'}[{fault.index}]"
        raise SettingsError([f"server.tls.{leaf}: {fault.file}: {fault.reason}"]) from None


def figures_of_tls(handshakes: Mapping[tuple[str, bool], int], keyring: Keyring | None, now: float) -> Iterator[Figure]:
    """Handshakes by (version, resumed), and how long certificates last. now: epoch seconds."""
    for (spoken, resumed), count in list(handshakes.items()):
        labels = {"version": spoken, "resumed": "yes" if resumed else "no"}
        yield "weft_tls_handshakes", "TLS handshakes that were completed.", labels, count, "counter"
    for file, certificate in keyring.held if keyring is not None else ():
        text = "Seconds until the certificate in use expires."
        yield "weft_tls_certificate_expiry_seconds", text, {"certificate": file}, certificate.not_after - now, "min"
