"""Content codings undone piece by piece and within bounds (RFC 9110 §8.4.1): for compressed parents and fragments that have to be read.

    octets as they come ──▶ steps of 16 KiB ──▶ one coding or two ──▶ count ──▶ chunks of at most 64 KiB

Everything is counted before it is handed on, so a bomb is met when it exceeds the bound and not when it is unpacked. What is held
meanwhile is a chunk, a step, and what the coding itself needs to look back into:

    gzip, deflate   32 KiB
    zstd            8 MiB, the window that a sender may use (RFC 9659; a frame that asks for more is refused), and one block of 128 KiB
    br              16 MiB, if the sender says so (RFC 7932 §9.1: no larger window is let in)

Stricter than browsers: what follows the end of a stream is an error and not left away. As lenient as they are in one thing: content without
any octet decodes to nothing, though no coding would write nothing (origins do answer so). Never decides whether content should be read.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Protocol

import brotli
import zstandard

from gateway.semantics.fields import split_list

__all__ = ["MAX_CHUNK", "MAX_CODINGS", "Decoder", "DecodingError", "TooLarge", "Undecodable", "UnknownCoding", "decoder_for"]

MAX_CHUNK = 64 << 10
"""Octets of the longest chunk."""

MAX_CODINGS = 2
"""Codings that may lie over each other. Nobody has a use for two; some have them by accident."""

_STEP = 16 << 10  # zlib and brotli copy what they could not take yet, for each chunk they give
_BROTLI_LIMIT = 16 << 10  # its buffer grows in blocks and ends above its limit: this makes 32 KiB
_MAX_WINDOW = 8 << 20
_MAX_BLOCK = 128 << 10  # RFC 8878 §3.1.1.2.4


class DecodingError(ValueError):
    """Content can't be read."""


class UnknownCoding(DecodingError):
    """coding is none of gzip, x-gzip, deflate, br, zstd and identity, or too many of them."""

    def __init__(self, coding: bytes) -> None:
        super().__init__(f"no content coding of ours: {coding.decode('latin-1')}")
        self.coding = coding


class Undecodable(DecodingError):
    """The content is not what its coding says: corrupt, incomplete, or more than that."""


class TooLarge(DecodingError):
    """The content exceeds a bound."""


class _Codec(Protocol):
    """One coding being undone."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """All that data, following what came before, makes readable. To be used up before the next call."""

    def is_complete(self) -> bool:
        """Whether the content may end here. Asked only when there was some."""


class _Identity:
    def feed(self, data: bytes) -> Iterator[bytes]:
        yield data

    def is_complete(self) -> bool:
        return True


class _Gzip:
    """One member after the other. RFC 1952 §2.2."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(16 + zlib.MAX_WBITS)

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._member.eof:
                self._member = zlib.decompressobj(16 + zlib.MAX_WBITS)
            yield from _inflate(self._member, data)
            data = self._member.unused_data

    def is_complete(self) -> bool:
        return self._member.eof


class _Deflate:
    """The zlib format, or what many send in its place: the bare blocks (RFC 9110 §8.4.1.2).

    The first octet tells them apart. Its low half is 8 in a zlib header; in a bare block it would mean a stored one with its padding not
    zero, which no compressor writes.
    """

    def __init__(self) -> None:
        self._stream: zlib._Decompress | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._stream is None:
            self._stream = zlib.decompressobj(zlib.MAX_WBITS if data[0] & 0x0F == 8 else -zlib.MAX_WBITS)
        elif self._stream.eof:
            raise Undecodable("deflate: something follows the end")
        yield from _inflate(self._stream, data)
        if self._stream.unused_data:
            raise Undecodable("deflate: something follows the end")

    def is_complete(self) -> bool:
        return self._stream is not None and self._stream.eof


def _inflate(stream: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    """What data makes readable, up to the end of the stream; unused_data says what followed it."""
    full = False
    while (data or full) and not stream.eof:
        chunk = stream.decompress(data, MAX_CHUNK)
        if chunk:
            yield chunk
        data = stream.unconsumed_tail
        full = len(chunk) == MAX_CHUNK  # all input may be taken and output yet to come


class _Brotli:
    def __init__(self) -> None:
        self._stream = brotli.Decompressor()

    def feed(self, data: bytes) -> Iterator[bytes]:
        chunk = self._stream.process(data, output_buffer_limit=_BROTLI_LIMIT)
        while chunk or not self._stream.can_accept_more_data():
            yield chunk
            chunk = self._stream.process(b"", output_buffer_limit=_BROTLI_LIMIT)

    def is_complete(self) -> bool:
        finished: bool = self._stream.is_finished()
        return finished


class _Zstd:
    """One frame after the other, given to the decoder block by block: it has no bound on what it returns, but a block has one.

    frame = head block … [checksum]; skippable frame = magic number, length, that many octets. RFC 8878 §3.1.
    """

    def __init__(self) -> None:
        self._decoder = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW)
        self._frame: zstandard.ZstdDecompressionObj | None = None  # None between frames
        self._checksum = 0  # octets of it after the last block
        self._held = bytearray()
        self._skip = 0  # octets of a skippable frame that are still to come

    def feed(self, data: bytes) -> Iterator[bytes]:
        held = self._held
        held += data
        while held:
            if self._skip:
                passed = min(self._skip, len(held))
                del held[:passed]
                self._skip -= passed
                continue
            size, is_last = self._measure_head() if self._frame is None else self._measure_block()
            if not size or len(held) < size:
                return
            unit = bytes(held[:size])
            del held[:size]
            if self._frame is None:
                if is_last:  # a skippable frame
                    self._skip = int.from_bytes(unit[4:], "little")
                    continue
                self._frame = self._decoder.decompressobj()
            chunk = self._frame.decompress(unit)
            if is_last:
                if not self._frame.eof:
                    raise Undecodable("zstd: a frame without an end")
                self._frame = None
            yield chunk

    def is_complete(self) -> bool:
        return self._frame is None and not self._held and not self._skip

    def _measure_head(self) -> tuple[int, bool]:
        """Octets of the head of a frame (§3.1.1.1), and whether it is a skippable one; 0 when that is not known yet."""
        held = self._held
        if held[0] >> 4 == 5 and b"\x2a\x4d\x18".startswith(held[1:4]):
            return (8 if len(held) >= 4 else 0), True
        if not b"\x28\xb5\x2f\xfd".startswith(held[:4]):
            raise Undecodable("zstd: no frame begins here")
        if len(held) < 5:
            return 0, False
        descriptor = held[4]
        self._checksum = descriptor & 4
        single = descriptor >> 5 & 1
        return 6 - single + (0, 1, 2, 4)[descriptor & 3] + (single, 2, 4, 8)[descriptor >> 6], False

    def _measure_block(self) -> tuple[int, bool]:
        """Octets of the block that comes with its head (§3.1.1.2) and, behind the last, the checksum; whether it is the last."""
        if len(self._held) < 3:
            return 0, False
        head = int.from_bytes(self._held[:3], "little")
        size = head >> 3
        if size > _MAX_BLOCK:
            raise Undecodable("zstd: a block is too large")
        is_last = bool(head & 1)
        return 3 + (1 if head >> 1 & 3 == 1 else size) + (
            self._checksum if is_last else 0
        ), is_last  # type 1: one octet, repeated


_CODECS: dict[bytes, type[_Codec]] = {
    b"": _Identity,
    b"identity": _Identity,
    b"gzip": _Gzip,
    b"x-gzip": _Gzip,  # RFC 9110 §8.4.1.3
    b"deflate": _Deflate,
    b"br": _Brotli,
    b"zstd": _Zstd,
}


class _Stage:
    """A codec that speaks our errors only."""

    def __init__(self, coding: bytes) -> None:
        codec = _CODECS.get(coding.lower())
        if codec is None:
            raise UnknownCoding(coding)
        self._coding = coding.decode()
        self._codec = codec()
        self._begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """In chunks of any length."""
        self._begun = True
        try:
            yield from self._codec.feed(data)
        except (zlib.error, brotli.error, zstandard.ZstdError) as fault:
            raise Undecodable(f"{self._coding}: {fault}") from fault

    def finish(self) -> None:
        """Nothing comes any more."""
        if self._begun and not self._codec.is_complete():
            raise Undecodable(f"{self._coding}: the content is incomplete")


class Decoder:
    """codings undone, the last one first: they are named in the order in which they were applied, as `Content-Encoding` does.

    max_bytes: of the decoded content. max_ratio: decoded octets per octet that came; up to MAX_CHUNK it does not matter.
    Raises UnknownCoding.
    """

    def __init__(self, *codings: bytes, max_bytes: int, max_ratio: int | None = None) -> None:
        if len(codings) > MAX_CODINGS:
            raise UnknownCoding(b", ".join(codings))
        self._stages = [_Stage(coding) for coding in reversed(codings)] or [_Stage(b"identity")]
        self._max_bytes = max_bytes
        self._max_ratio = max_ratio
        self._between = 0
        self._came = 0
        self._made = 0
        self._fault: DecodingError | None = None

    def decode(self, data: bytes) -> Iterator[bytes]:
        """What data, following what came before, makes readable, in chunks up to MAX_CHUNK. To be used up before the next call.

        Raises Undecodable and TooLarge as soon as they are known, and again whenever asked again.
        """
        if self._fault is not None:
            raise self._fault
        try:
            for step in _cut(data, _STEP):
                self._came += len(step)
                for chunk in self._through(step):
                    self._count(len(chunk))
                    yield from _cut(chunk, MAX_CHUNK)
        except DecodingError as fault:
            self._fault = fault
            raise

    def finish(self) -> None:
        """Nothing comes any more. Raises Undecodable when something is missing, or what was wrong before."""
        if self._fault is not None:
            raise self._fault
        for stage in self._stages:
            stage.finish()

    def _through(self, step: bytes) -> Iterator[bytes]:
        first, *rest = self._stages
        if not rest:
            yield from first.feed(step)
            return
        for chunk in first.feed(step):
            self._between += len(chunk)
            if self._between > 2 * self._max_bytes + MAX_CHUNK:  # longer than the content is possible, without end is not
                raise TooLarge(f"between two codings there are more than twice {self._max_bytes} bytes")
            for part in _cut(chunk, _STEP):
                yield from rest[0].feed(part)

    def _count(self, length: int) -> None:
        self._made += length
        if self._made > self._max_bytes:
            raise TooLarge(f"decoded, there are more than {self._max_bytes} bytes")
        if self._max_ratio is not None and self._made > max(MAX_CHUNK, self._max_ratio * self._came):
            raise TooLarge(f"decoded, there are more than {self._max_ratio} bytes for each that came")


def decoder_for(content_encoding: bytes, *, max_bytes: int, max_ratio: int | None = None) -> Decoder:
    """A decoder for the value of `Content-Encoding`; b"" where there is none. `identity` in it means nothing.

    Raises UnknownCoding, also for more than MAX_CODINGS.
    """
    codings = [coding for coding in split_list(content_encoding) if coding.lower() != b"identity"]
    if len(codings) > MAX_CODINGS:
        raise UnknownCoding(content_encoding)
    return Decoder(*codings, max_bytes=max_bytes, max_ratio=max_ratio)


def _cut(data: bytes, size: int) -> Iterator[bytes]:
    """data in parts of at most size octets; itself when it is short, nothing when it is empty."""
    if len(data) <= size:
        if data:
            yield data
        return
    for at in range(0, len(data), size):
        yield data[at : at + size]
