"""`[log]`: the access log and where it goes."""

from __future__ import annotations

import os
import secrets
import sys

from gateway.settings import Settings
from gateway.telemetry.access_log import AccessLog
from gateway.telemetry.line_writer import LineWriter

__all__ = ["build_access_log", "build_log_writer"]


def build_log_writer(settings: Settings) -> LineWriter | None:
    """Where lines go; None when there are to be none."""
    if settings.log.access == "off":
        return None
    if not settings.log.file:
        return LineWriter(sys.stdout.fileno())
    return LineWriter(os.open(settings.log.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640))


def build_access_log(settings: Settings, writer: LineWriter) -> AccessLog:
    """What a line says."""
    log = settings.log
    return AccessLog(
        writer.write,
        form="text" if log.access == "text" else "json",
        mask_query=log.mask_query,
        client_address=log.client_address,
        address_key=log.address_key.reveal().encode() if log.address_key else secrets.token_bytes(32),
    )
