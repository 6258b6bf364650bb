"""The process's own log, on standard error: one line per event, values beside it, no sentences to parse. The access log is elsewhere (telemetry/)."""

from __future__ import annotations

import logging
import os
import sys
from datetime import UTC, datetime
from typing import Literal

import orjson

from gateway.unblocking import Unblocking

__all__ = ["go_on_logging", "log_dropped", "name_speaker", "set_up_logging"]

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        values = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "time": moment,
            "level": record.levelname.lower(),
            "from": _speaker,
            "pid": record.process,
            "logger": record.name,
            "event": record.getMessage(),
            **values,
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        values = " ".join(f"{name}={value}" for name, value in vars(record).items() if name not in _STANDARD)
        moment = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        line = f"{moment} {record.levelname.lower():7} {_speaker}: {record.getMessage()} {values}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


_speaker = "weft"


def name_speaker(speaker: str) -> None:
    """Who says what this process logs from now on: `parent`, `worker 1`."""
    global _speaker  # noqa: PLW0603 - it is a property of the process, as its pid is
    _speaker = speaker


class _Handler(logging.Handler):
    """To standard error, and never waits for whoever reads it."""

    def emit(self, record: logging.LogRecord) -> None:
        if _lines is not None:
            _lines.write(f"{self.format(record)}\n".encode("utf-8", "replace"))

    def flush(self) -> None:
        if _lines is not None:
            _lines.settle()


_lines: Unblocking | None = None
_told = 0


def log_dropped() -> int:
    """Lines of this process that had no room, because the reader of standard error is behind."""
    return _lines.dropped if _lines is not None else 0


def go_on_logging() -> None:
    """Write what waits, as far as it goes; to be called now and then."""
    global _told
    if _lines is None:
        return
    _lines.flush()
    if _lines.dropped > _told and not _lines.is_behind:
        count, _told = _lines.dropped - _told, _lines.dropped
        logging.getLogger(__name__).warning("log lines dropped", extra={"count": count})


def set_up_logging(level: str, form: Literal["json", "text"]) -> None:
    """Send all loggers to standard error in that form. uvicorn's own lines repeat ours, so only its warnings are kept."""
    global _lines  # noqa: PLW0603 - as _speaker
    if _lines is None and sys.stderr is not None:  # None: it was closed before we started
        _lines = Unblocking(2)
        os.register_at_fork(after_in_child=_lines.forget)
    handler = _Handler()
    handler.setFormatter(_Json() if form == "json" else _Text())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
