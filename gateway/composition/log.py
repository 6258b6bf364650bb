"""`[log]`: the access log and where it goes."""

from __future__ import annotations

import os
import sys

from gateway.settings import Settings
from gateway.telemetry.access_log import AccessLog
from gateway.telemetry.line_writer import LineWriter

__all__ = ["build_access_log", "build_log_writer", "suits"]


def build_log_writer(settings: Settings) -> LineWriter | None:
    """Where lines go; None when there are to be none."""
    if settings.log.access == "off":
        return None
    if not settings.log.file:
        return LineWriter(sys.stdout.fileno())
    return LineWriter(os.open(settings.log.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640), is_own=True)


def suits(writer: LineWriter | None, settings: Settings) -> bool:
    """Whether lines go where they should already."""
    if settings.log.access == "off":
        return writer is None
    return writer is not None and writer.writes_to(settings.log.file or sys.stdout.fileno())


def build_access_log(settings: Settings, writer: LineWriter, key: bytes) -> AccessLog:
    """What a line says. key: for addresses, where the settings have none."""
    log = settings.log
    return AccessLog(
        writer.write,
        form="text" if log.access == "text" else "json",
        mask_query=log.mask_query,
        client_address=log.client_address,
        address_key=log.address_key.reveal().encode() if log.address_key else key,
    )
