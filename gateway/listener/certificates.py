"""The keyring: certificates and keys by the name that a client asks for, and how new ones take the place of old ones while connections stay.

    files ──▶ Keyring.load ──▶ one SSLContext for each pair ──▶ context: for the next handshake (it turns to its neighbours by SNI, RFC 6066 §3)
      └─ changed? ──▶ Keyring.refresh ──▶ all of them anew, or the old ones and one line in the log

A handshake that has begun goes on with what it began with.
"""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Literal, NamedTuple

from gateway.semantics.certificate import Certificate, parse_pem

__all__ = ["CertificateFault", "Held", "Keyring", "Pair"]

logger = logging.getLogger(__name__)

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_Stamp = tuple[tuple[int, int, int] | None, ...]
"""When each file was changed, its size and its number; None for one that isn't there."""


class Pair(NamedTuple):
    """Two files, or one twice."""

    certificate: str
    key: str


class Held(NamedTuple):
    """A certificate in use, and its file."""

    file: str
    certificate: Certificate


class CertificateFault(ValueError):
    """A file can't be used. file: which; index: of the pair, None when it is the authorities'."""

    def __init__(self, file: str, index: int | None, reason: str) -> None:
        super().__init__(f"{file}: {reason}")
        self.file = file
        self.index = index
        self.reason = reason


class Keyring:
    """Pairs, of which the first serves whoever names no host or one that nobody has. Raises CertificateFault.

    password: of keys that have one. client_ca: PEM file of the authorities that sign clients' certificates; without one, clients need none.
    """

    def __init__(
        self, pairs: Sequence[Pair], *, password: str = "", min_version: Literal["1.2", "1.3"] = "1.2", client_ca: str = ""
    ) -> None:
        self._pairs = tuple(pairs)
        self._password = password
        self._min_version = _VERSIONS[min_version]
        self._client_ca = client_ca
        self._hosts: dict[str, ssl.SSLContext] = {}
        self._stamp = self._pending = self._look()
        self.held: list[Held] = []
        self.context = self.load()

    @property
    def key_files(self) -> list[str]:
        """The files that keys were read from."""
        return list(dict.fromkeys(pair.key for pair in self._pairs))

    def load(self) -> ssl.SSLContext:
        """Read all files and use them from now on. Raises CertificateFault; then the old ones stay in use."""
        stamp = self._look()
        held: list[Held] = []
        hosts: dict[str, ssl.SSLContext] = {}
        contexts = []
        for index, pair in enumerate(self._pairs):
            context, certificate = self._read(index, pair)
            contexts.append(context)
            held.append(Held(pair.certificate, certificate))
            for name in certificate.names:
                hosts.setdefault(name, context)
        contexts[0].sni_callback = _by_name(hosts)
        self._hosts, self.held, self._stamp, self.context = hosts, held, stamp, contexts[0]
        return contexts[0]

    def refresh(self) -> None:
        """Load what has changed, once it has been left alone from one call to the next: a certificate and its key are two writes.

        To be called every few seconds, in a thread if files may be slow. Never raises for a file; a fault is logged once for each change.
        """
        stamp = self._look()
        if stamp == self._stamp:
            return
        if stamp != self._pending:
            self._pending = stamp
            return
        try:
            self.load()
        except CertificateFault as fault:
            self._stamp = stamp
            logger.error("certificates refused, the old ones go on", extra={"file": fault.file, "reason": fault.reason})  # noqa: TRY400 - no fault of ours
            return
        logger.info("certificates loaded", extra={"files": [pair.certificate for pair in self._pairs]})

    def _read(self, index: int, pair: Pair) -> tuple[ssl.SSLContext, Certificate]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = self._min_version
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(["http/1.1"])  # all that this listener speaks. RFC 7301
        try:
            with open(pair.certificate, "rb") as file:  # noqa: PTH123 - the path is shown as it was set
                certificate = parse_pem(file.read())
        except OSError as error:
            raise CertificateFault(pair.certificate, index, f"can't be read: {error.strerror}") from None
        except ValueError as error:
            raise CertificateFault(pair.certificate, index, str(error)) from None
        asked = False

        def tell_password() -> str:  # without this, OpenSSL would ask whoever sits at the terminal
            nonlocal asked
            asked = True
            if not self._password:
                raise _NoPasswordError
            return self._password

        try:
            context.load_cert_chain(pair.certificate, pair.key, tell_password)
        except ssl.SSLError as error:
            why = "can't be decrypted with the password that is set" if asked else _why(error)
            raise CertificateFault(pair.key, index, why) from None
        except OSError as error:  # the certificate was readable a moment ago
            raise CertificateFault(pair.key, index, f"can't be read: {error.strerror}") from None
        except _NoPasswordError:
            raise CertificateFault(pair.key, index, "has a password, and none is set") from None
        if self._client_ca:
            try:
                context.load_verify_locations(self._client_ca)
            except OSError as error:  # an SSLError is one
                why = "no PEM certificates in it" if isinstance(error, ssl.SSLError) else f"can't be read: {error.strerror}"
                raise CertificateFault(self._client_ca, None, why) from None
            context.verify_mode = ssl.CERT_REQUIRED
        return context, certificate

    def _look(self) -> _Stamp:
        files = [file for pair in self._pairs for file in pair] + ([self._client_ca] if self._client_ca else [])
        stamp: list[tuple[int, int, int] | None] = []
        for file in files:
            found = None
            with suppress(OSError, ValueError):
                status = os.stat(file)  # noqa: PTH116
                found = status.st_mtime_ns, status.st_size, status.st_ino
            stamp.append(found)
        return tuple(stamp)


class _NoPasswordError(Exception):
    """A key has a password, and there is none to try."""


def _by_name(hosts: dict[str, ssl.SSLContext]) -> Callable[[ssl.SSLObject | ssl.SSLSocket, str | None, ssl.SSLContext], None]:
    """What a context calls when a client has said whom it wants."""

    def choose(sock: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
        if name is None:
            return
        name = name.lower().removesuffix(".")
        found = hosts.get(name) or hosts.get("*." + name.partition(".")[2])  # one label for the star. RFC 9525 §6.3
        if found is not None and found is not sock.context:
            sock.context = found

    return choose


def _why(error: ssl.SSLError) -> str:
    """OpenSSL's word in ours."""
    reason: str | None = error.reason  # typeshed does without the None
    match reason:
        case "KEY_VALUES_MISMATCH":
            return "is not the key of its certificate"
        case "NO_START_LINE" | None:
            return "no PEM key in it, or none that OpenSSL can read"
        case "EE_KEY_TOO_SMALL":
            return "its key is too small to be safe"
        case other:
            return f"OpenSSL refuses it: {other.lower().replace('_', ' ')}"
