"""Messages between parent and worker: a line of JSON with octets behind it, over a pair of sockets. The same class at both ends; it never waits.

    length of the words (4 octets) · length of the blob (4) · words, a JSON object · blob

Only the parent may send blobs that are pickles (settings): a worker handles strangers' octets, so what it says is read as data and nothing else.
"""

from __future__ import annotations

import socket
import struct
from typing import Any, NamedTuple

import orjson

__all__ = ["Channel", "Message"]

_LENGTHS = struct.Struct("!II")


class Message(NamedTuple):
    """words: "say" tells what it is about."""

    words: dict[str, Any]
    blob: bytes

    @property
    def say(self) -> str:
        """What it is about."""
        return str(self.words["say"])


class Channel:
    """One end. ended: the other side is gone."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self._incoming = bytearray()
        self._outgoing = bytearray()
        self.ended = False

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """(the parent's end, the worker's)."""
        one, other = socket.socketpair()
        return cls(one), cls(other)

    def fileno(self) -> int:
        """For selectors and loops."""
        return self._end.fileno()

    def close(self) -> None:
        """Close this end; the other side sees it."""
        self.ended = True
        self._end.close()

    @property
    def is_full(self) -> bool:
        """Whether something waits to be written: call `flush` when the socket takes more."""
        return bool(self._outgoing)

    def send(self, say: str, blob: bytes = b"", **words: Any) -> None:
        """One message; to somebody who is gone it is lost."""
        line = orjson.dumps({"say": say, **words})
        self._outgoing += _LENGTHS.pack(len(line), len(blob)) + line + blob
        self.flush()

    def flush(self) -> None:
        """Write what waits, as far as it goes."""
        while self._outgoing and not self.ended:
            try:
                sent = self._end.send(self._outgoing)
            except BlockingIOError:
                return
            except OSError:
                self.ended = True
                return
            del self._outgoing[:sent]

    def receive(self) -> list[Message]:
        """What has come, possibly nothing. Sets `ended` at the end."""
        while not self.ended:
            try:
                data = self._end.recv(262_144)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if not data:
                self.ended = True
            self._incoming += data
        return self._messages()

    def _messages(self) -> list[Message]:
        messages, at = [], 0
        while len(self._incoming) - at >= _LENGTHS.size:
            line, blob = _LENGTHS.unpack_from(self._incoming, at)
            start = at + _LENGTHS.size
            if len(self._incoming) < start + line + blob:
                break
            at = start + line + blob
            messages.append(Message(orjson.loads(self._incoming[start : start + line]), bytes(self._incoming[start + line : at])))
        del self._incoming[:at]
        return messages
