"""Compressed content out of pieces that were compressed before: a page assembled for one visitor costs no compression.

Each piece is compressed once, alone. A page is its pieces in order, with a few octets before and after. Bytes that exist for one request
only go between them as they are. Never decides which coding a client gets (negotiation.py), nor what a piece is.

    gzip   header │ deflate blocks of each piece … │ empty final block, CRC-32 and length of the whole      one member, RFC 1952
    zstd   frame of each piece …                                                                           many frames, RFC 8878 §3

What no piece can do: refer to text in another. It costs size (about 5 octets a piece in gzip, 9 to 12 in zstd, and what repeats among pieces),
and is a benefit as well: a secret in one piece can't be guessed from how well it compresses beside another's text (BREACH).

**gzip.** A sync flush ends each piece on a byte, and a fresh compressor begins it, so its blocks stand anywhere in a deflate stream
(RFC 1951 §3.2.4). One member and not one per piece: after the first, Chromium 156 leaves the rest away without a word and curl 7.88
fails. The CRC of the whole comes from those of the pieces. It is linear, so "n zero octets more" is a 32 × 32 matrix over GF(2); zlib
itself tells us x^8n (it is the CRC of a single bit and n zeros). Per piece, Python 3.11 on a shared core, the bodies not touched; all of
`stitch` comes to 0.5 to 0.85 µs:

    design                          raw 100 B   1 kB     4 kB     60 kB     kept per distinct length
    4 tables of 256, array          0.43 µs     0.43     0.44     0.46      4.4 kB, 75 µs to make     ◀ above 1 kB
    zlib over n zeros               0.39 µs     0.60     1.4      20        nothing                   ◀ up to 1 kB, and for one use
    4 tables of 256, list           0.48 µs, flat ¹                         40 kB
    8 tables of 16, array           0.84 µs, flat                           1.2 kB
    3 tables of 2048, list          0.58 µs, flat ¹                         200 kB
    32 columns                      2.6 µs, flat ¹                          1.3 kB
    tables per power of two         2.7 µs ¹, grows with the length         nothing; as arrays 70 kB in all
    the CRC of the body again       0.20 µs     0.68     1.2      16        the body
    ¹ in a mix of lengths, 2.5 kB on average, tables looked up per piece: so measured, the first line is 0.50

**zstd.** Tried with Chromium 156 (fetch and navigation, whole and one frame per chunk), curl 7.88 with libzstd 1.5.4, zstd(1), and
python-zstandard's read_across_frames: all decode every frame. Some libraries did not until they were repaired, and most of them stopped after
the first frame without an error: urllib3 (pull request 3022), reqwest (2583), xh (470), .NET 11 previews (129047), aiohttp (issue 12234).
So gzip is the one to prefer where clients are programs. Firefox and Safari: not tried.

**br** has no such form. Brotli can be flushed to a byte (`Compressor.flush`), but a piece then begins with a stream header that is not a
whole number of octets (RFC 7932 §9.1), its distances count static dictionary words from the end of what came before (§8), and its
contexts and last four distances start from a state that only a stream's beginning has (§4, §7.1). Tried: brotli 1.2 refuses such a chain
with the second header and without it. "Catable" streams, which avoid all this, can't be asked of the Python binding.
"""

from __future__ import annotations

import struct
import zlib
from array import array
from collections.abc import Sequence
from functools import lru_cache

import zstandard

__all__ = ["Piece", "Stitcher", "make_frame", "make_piece", "make_stored", "make_stored_frame", "stitch"]

_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # deflate, no flags, no time, unknown system. RFC 1952 §2.3
_LAST = b"\x03\x00"  # a final block with fixed codes, and its end at once. RFC 1951 §3.2.6
_STORED = struct.Struct("<BHH")  # not final, not compressed, padded to a byte; length and its complement. §3.2.4
_MAX_STORED = 0xFFFF
_TRAILER = struct.Struct("<II")

_POLYNOMIAL = 0xEDB88320
_ONES = 0xFFFFFFFF
_ZEROS = memoryview(bytes(1 << 16))
_MAX_RUN = 1 << 10  # a longer piece that lasts has tables: the figures above
_MAX_SHARED = 1 << 10  # lengths whose tables are found again: 4.5 MB at most

_FRAME = struct.Struct("<IBI")  # magic number; single segment with a content size of 4 octets; that size. RFC 8878 §3.1.1
_MAX_BLOCK = 128 << 10  # RFC 8878 §3.1.1.2.4

Shift = tuple[Sequence[int], Sequence[int], Sequence[int], Sequence[int]]


class Piece:
    """Content as raw deflate blocks: none final, the last one ending on a byte, none referring to what stands before the piece.

    raw_length: octets before compression. crc: their CRC-32. lasting: it will be stitched often, so up to 4.4 kB are spent on stitching it
    fast; pieces of one length share them, as long as it is among the last 1024 lengths.
    """

    __slots__ = ("crc", "deflate", "raw_length", "shift")

    def __init__(self, raw_length: int, crc: int, deflate: bytes, *, lasting: bool = True) -> None:
        self.raw_length = raw_length
        self.crc = crc
        self.deflate = deflate
        self.shift = _tables(raw_length) if lasting and raw_length > _MAX_RUN else None


def make_piece(body: bytes, level: int) -> Piece:
    """body, compressed once to be stitched often. level: zlib's, 0 to 9."""
    compressor = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = compressor.compress(body) + compressor.flush(zlib.Z_SYNC_FLUSH) if body else b""
    stored = _stored_length(len(body))
    return Piece(len(body), zlib.crc32(body), packed if len(packed) < stored else _store(body))


def make_stored(body: bytes) -> Piece:
    """body as it is, for one use: a copy and a CRC."""
    return Piece(len(body), zlib.crc32(body), _store(body), lasting=False)


class Stitcher:
    """One gzip member while its pieces come. start, add for each piece in order, finish: their results in that order are the content."""

    __slots__ = ("_crc", "_length")

    def __init__(self) -> None:
        self._crc = 0
        self._length = 0

    def start(self) -> bytes:
        """What stands before the first piece."""
        return _HEADER

    def add(self, piece: Piece) -> bytes:
        """What stands for this piece: its own octets, not a copy."""
        crc = self._crc
        if (shift := piece.shift) is not None:
            a, b, c, d = shift
            self._crc = a[crc & 0xFF] ^ b[crc >> 8 & 0xFF] ^ c[crc >> 16 & 0xFF] ^ d[crc >> 24] ^ piece.crc
        else:
            self._crc = _append_zeros(crc, piece.raw_length) ^ piece.crc
        self._length += piece.raw_length
        return piece.deflate

    def finish(self) -> bytes:
        """What stands after the last piece. The length is modulo 2**32 (RFC 1952 §2.3.1)."""
        return _LAST + _TRAILER.pack(self._crc, self._length & _ONES)


def stitch(pieces: Sequence[Piece]) -> list[bytes]:
    """One gzip member of all pieces, to be written one after the other: no body is copied. Its length is the sum of theirs."""
    stitcher = Stitcher()
    parts = [stitcher.start()]
    parts += map(stitcher.add, pieces)
    parts.append(stitcher.finish())
    return parts


def make_frame(body: bytes, level: int) -> bytes:
    """body as one zstd frame; frames one after the other are zstd content. Nothing for an empty body.

    level: up to 19. Above, the window may exceed the 8 MiB that a client has to have (RFC 9659).
    """
    return zstandard.ZstdCompressor(level=level, write_content_size=True).compress(body) if body else b""


def make_stored_frame(body: bytes) -> bytes:
    """body as it is, as zstd frames of one raw block each: a copy, 12 octets per 128 KiB."""
    if len(body) <= _MAX_BLOCK:
        return _raw_frame(body) if body else b""
    return b"".join(_raw_frame(body[at : at + _MAX_BLOCK]) for at in range(0, len(body), _MAX_BLOCK))


def _raw_frame(block: bytes) -> bytes:
    size = len(block)
    return _FRAME.pack(0xFD2FB528, 0xA0, size) + (size << 3 | 1).to_bytes(3, "little") + block  # 1: last block, type raw


def _store(body: bytes) -> bytes:
    size = len(body)
    if size <= _MAX_STORED:
        return _STORED.pack(0, size, size ^ _MAX_STORED) + body if body else b""
    return b"".join(_store(body[at : at + _MAX_STORED]) for at in range(0, size, _MAX_STORED))


def _stored_length(size: int) -> int:
    return size + -(-size // _MAX_STORED) * _STORED.size


def _append_zeros(crc: int, count: int) -> int:
    """The linear part of a CRC: what crc contributes once count more octets have come. zlib inverts before and after, which is undone."""
    while count > len(_ZEROS):
        crc = zlib.crc32(_ZEROS, crc ^ _ONES) ^ _ONES
        count -= len(_ZEROS)
    return zlib.crc32(_ZEROS[:count], crc ^ _ONES) ^ _ONES


@lru_cache(_MAX_SHARED)
def _tables(count: int) -> Shift:
    """_append_zeros for one count as a table per octet of the CRC: their entries, exclusive-or'd, are the result.

    In zlib's notation bit 31 is x^0. The image of that bit is x^(8 count); that of each next bit is x times its neighbour's.
    """
    images = [_append_zeros(1 << 31, count)]
    for _ in range(31):
        last = images[-1]
        images.append(last >> 1 ^ (_POLYNOMIAL if last & 1 else 0))
    images.reverse()
    return _table(images[:8]), _table(images[8:16]), _table(images[16:24]), _table(images[24:])


def _table(images: Sequence[int]) -> Sequence[int]:
    """Sums of all subsets of images, numbered as the subset's bits."""
    sums = [0]
    for image in images:
        sums += [entry ^ image for entry in sums]
    return array("I", sums)
