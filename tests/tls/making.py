"""Certificates for tests, made by openssl: an authority, and what it signs."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

from gateway.listener.certificates import Pair

__all__ = ["Authority", "client_context"]

_KINDS = {"ec": ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"], "rsa": ["rsa:2048"]}


class Authority:
    """Signs. folder: where its files and those of what it signs are put."""

    def __init__(self, folder: Path, name: str = "Test Authority") -> None:
        self.folder = folder
        self.file = folder / f"{name.replace(' ', '-')}.pem"
        self._key = self.file.with_suffix(".key")
        _openssl("req", "-x509", "-newkey", *_KINDS["ec"], "-nodes", "-days", "30", "-subj", f"/CN={name}",
                 "-addext", "basicConstraints=critical,CA:TRUE", "-keyout", self._key, "-out", self.file)  # fmt: skip

    def pair(self, stem: str, *names: str, days: int = 30, kind: str = "ec", password: str = "") -> Pair:
        """Write stem.pem and stem.key, for hosts or addresses. days below 0: it has expired."""
        certificate, key, asked = (self.folder / f"{stem}.{kind}" for kind in ("pem", "key", "csr"))
        _openssl("req", "-new", "-newkey", *_KINDS[kind], "-keyout", key, "-out", asked, "-subj", f"/CN={stem}",
                 *(["-passout", f"pass:{password}"] if password else ["-nodes"]))  # fmt: skip
        extensions = self.folder / f"{stem}.ext"
        kinds = [f"{'IP' if name.replace('.', '').isdigit() or ':' in name else 'DNS'}:{name}" for name in names]
        extensions.write_text(f"subjectAltName={','.join(kinds)}\n" if names else "keyUsage=digitalSignature\n")
        _openssl("x509", "-req", "-in", asked, "-CA", self.file, "-CAkey", self._key, "-days", str(days),
                 "-extfile", extensions, "-out", certificate)  # fmt: skip
        return Pair(str(certificate), str(key))


def client_context(authority: Authority | None, **versions: ssl.TLSVersion) -> ssl.SSLContext:
    """Of a client that believes authority, or anybody when it is None. versions: minimum_version, maximum_version."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for name, version in versions.items():
        setattr(context, name, version)
    if authority is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(authority.file)
    return context


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
