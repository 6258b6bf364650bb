"""Content codings undone (RFC 9110 §8.4.1): whatever the cuts, within bounds, and never half a truth."""

from __future__ import annotations

import gzip
import random
import subprocess
import sys
import textwrap
import tracemalloc
import zlib
from contextlib import suppress
from itertools import pairwise

import brotli
import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.semantics.decoding import MAX_CHUNK, Decoder, DecodingError, TooLarge, Undecodable, UnknownCoding, decoder_for

TEXT = b"".join(b"<li>%d: a lamp for the long evenings</li>\n" % number for number in range(40))
PLENTY = 1 << 30


def raw_deflate(body: bytes) -> bytes:
    return zlib.compress(body, 6, wbits=-15)


def zstd_of(body: bytes, **options) -> bytes:
    """A stream as servers write them: without its size."""
    compressor = zstandard.ZstdCompressor(**options).compressobj()
    return compressor.compress(body) + compressor.flush()


FORMS = {
    "gzip": (b"gzip", gzip.compress),
    "gzip, members": (b"x-gzip", lambda body: gzip.compress(body[:100]) + gzip.compress(b"") + gzip.compress(body[100:])),
    "gzip, named": (b"GZIP", lambda body: b"\x1f\x8b\x08\x08\0\0\0\0\0\xffpage.html\0" + gzip.compress(body, 6)[10:]),
    "deflate": (b"deflate", zlib.compress),
    "deflate, small window": (b"deflate", lambda body: zlib.compress(body, 6, wbits=9)),
    "deflate, bare": (b"Deflate", raw_deflate),
    "deflate, bare and stored": (b"deflate", lambda body: zlib.compress(body, 0, wbits=-15)),
    "br": (b"br", lambda body: brotli.compress(body, quality=4)),
    "br, small window": (b"br", lambda body: brotli.compress(body, quality=4, lgwin=10)),
    "zstd": (b"zstd", zstandard.ZstdCompressor().compress),
    "zstd, a stream": (b"zstd", zstd_of),
    "zstd, checksum": (b"zstd", lambda body: zstd_of(body, write_checksum=True)),
    "zstd, frames": (b"zstd", lambda body: zstd_of(body[:100]) + zstd_of(b"") + zstandard.ZstdCompressor().compress(body[100:])),
    "zstd, skipped": (b"zstd", lambda body: b"\x5f\x2a\x4d\x18\3\0\0\0abc" + zstd_of(body) + b"\x50\x2a\x4d\x18\0\0\0\0"),
}
each_form = pytest.mark.parametrize(("coding", "encode"), FORMS.values(), ids=FORMS)


def decoded(decoder: Decoder, *parts: bytes) -> bytes:
    chunks = [chunk for part in parts for chunk in decoder.decode(part)]
    decoder.finish()
    assert all(0 < len(chunk) <= MAX_CHUNK for chunk in chunks)
    return b"".join(chunks)


@each_form
def test_whole(coding, encode):
    assert decoded(Decoder(coding, max_bytes=len(TEXT)), encode(TEXT)) == TEXT


@each_form
def test_byte_by_byte(coding, encode):
    content = encode(TEXT)
    assert decoded(Decoder(coding, max_bytes=PLENTY), *(content[at : at + 1] for at in range(len(content)))) == TEXT


@each_form
def test_cut_everywhere(coding, encode):
    content = encode(TEXT)
    for at in range(len(content) + 1):
        assert decoded(Decoder(coding, max_bytes=PLENTY), content[:at], b"", content[at:]) == TEXT


@each_form
def test_an_end_before_the_end_is_found_wherever_it_is(coding, encode):
    content = encode(TEXT)
    may_end = {
        "gzip, members": {len(gzip.compress(TEXT[:100])), len(gzip.compress(TEXT[:100])) + len(gzip.compress(b""))},
        "zstd, frames": {len(zstd_of(TEXT[:100])), len(zstd_of(TEXT[:100])) + len(zstd_of(b""))},
        "zstd, skipped": {11, len(content) - 8},
    }
    name = next(name for name, form in FORMS.items() if form == (coding, encode))
    for at in set(range(1, len(content))) - may_end.get(name, set()):
        decoder = Decoder(coding, max_bytes=PLENTY)
        assert TEXT.startswith(b"".join(decoder.decode(content[:at])))
        with pytest.raises(Undecodable, match="incomplete"):
            decoder.finish()


@each_form
@pytest.mark.parametrize("garbage", [b"\0", b"\0" * 300, b"<!-- -->", b"\x1f", b"\x28\xb5", b"\x50"])
@pytest.mark.parametrize("together", [True, False])
def test_what_follows_the_end_is_an_error(coding, encode, garbage, together):
    decoder = Decoder(coding, max_bytes=PLENTY)
    with pytest.raises(Undecodable):
        decoded(decoder, *([encode(TEXT) + garbage] if together else [encode(TEXT), garbage]))


@each_form
def test_a_body_longer_than_a_chunk(coding, encode):
    body = random.Random(7).randbytes(300_000) + TEXT * 500
    assert decoded(Decoder(coding, max_bytes=PLENTY), encode(body)) == body
    content = encode(body)
    sevens = [content[at : at + 7777] for at in range(0, len(content), 7777)]
    assert decoded(Decoder(coding, max_bytes=PLENTY), *sevens) == body


def test_what_zlib_keeps_back_when_a_chunk_is_full_is_asked_for():
    """Bare blocks have nothing behind them: all input is taken, and the last octets are yet to come."""
    for length in range(MAX_CHUNK, MAX_CHUNK + 300):
        assert decoded(Decoder(b"deflate", max_bytes=PLENTY), raw_deflate(bytes(length))) == bytes(length)


@given(
    st.sampled_from(list(FORMS.values())),
    st.binary(max_size=300),
    st.integers(1, 2000),
    st.lists(st.integers(0, 5000), max_size=8),
)
def test_what_was_encoded_comes_back(form, seed, times, cuts):
    coding, encode = form
    body = seed * times
    content = encode(body)
    places = [0, *sorted(cuts), max(len(content), *cuts, 0)]
    parts = [content[start:stop] for start, stop in pairwise(places)]
    assert decoded(Decoder(coding, max_bytes=len(body)), *parts) == body


@given(st.sampled_from([b"gzip", b"deflate", b"br", b"zstd", b"identity"]), st.lists(st.binary(max_size=60), max_size=4))
@example(b"zstd", [b"\x28\xb5\x2f\xfd\xff" + b"\xff" * 60])
@example(b"zstd", [b"\x28\xb5\x2f\xfd\x20\x00\x07\x00\x00"])  # a block of the reserved type
@example(b"zstd", [b"\x28\xb5\x2f\xfd\x00\x00\xfd\xff\xff"])  # a block larger than any may be
@example(b"zstd", [b"\x28\xb5\x2f\xfd\x21\x09\x01\x01\x00\x00"])  # a dictionary that nobody has
@example(b"deflate", [b"\x78\xbb\0\0\0\0"])
def test_no_octets_raise_anything_else(coding, parts):
    decoder = Decoder(coding, max_bytes=1000)
    try:
        decoded(decoder, *parts)
    except DecodingError:
        with pytest.raises(DecodingError):
            decoder.finish()


@given(st.sampled_from([form for name, form in FORMS.items() if name in ("gzip", "deflate", "zstd, checksum")]), st.data())
def test_one_octet_changed_is_noticed_or_makes_no_difference(form, data):
    """Of those that carry a checksum. A few octets of their heads mean nothing to us: a time, a system."""
    coding, encode = form
    content = bytearray(encode(TEXT))
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    with suppress(Undecodable):
        assert decoded(Decoder(coding, max_bytes=PLENTY), bytes(content)) == TEXT


def test_an_error_stays():
    """What was read before it must not pass for the whole."""
    decoder = Decoder(b"deflate", max_bytes=PLENTY)
    with pytest.raises(Undecodable):
        list(decoder.decode(zlib.compress(TEXT) + b"x"))
    with pytest.raises(Undecodable, match="follows the end"):
        decoder.finish()
    with pytest.raises(Undecodable, match="follows the end"):
        list(decoder.decode(b"y"))


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"br", b"zstd", b"identity", b"", b"gzip, br"])
def test_no_octets_at_all_are_no_content(coding):
    """Origins say `Content-Encoding: gzip` on empty answers, and browsers show them empty."""
    assert decoded(decoder_for(coding, max_bytes=0)) == b""
    assert decoded(decoder_for(coding, max_bytes=0), b"", b"") == b""


# ── Which coding ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("coding", [b"identity", b"", b"Identity"])
def test_identity_is_what_it_is(coding):
    body = TEXT * 100
    assert decoded(Decoder(coding, max_bytes=len(body)), body) == body
    with pytest.raises(TooLarge):
        decoded(Decoder(coding, max_bytes=len(body) - 1), body)


@pytest.mark.parametrize("coding", [b"compress", b"x-deflate", b"gzip, br", b"zstd;q=1", b"aes128gcm", b"dcb", b"\xff"])
def test_other_codings_are_unknown(coding):
    with pytest.raises(UnknownCoding) as caught:
        Decoder(coding, max_bytes=PLENTY)
    assert caught.value.coding == coding


@pytest.mark.parametrize(
    ("field", "content"),
    [
        (b"", TEXT),
        (b"identity", TEXT),
        (b"gzip", gzip.compress(TEXT)),
        (b" , identity,gzip ,", gzip.compress(TEXT)),
        (b"gzip, br", brotli.compress(gzip.compress(TEXT))),
        (b"br, gzip", gzip.compress(brotli.compress(TEXT))),
        (b"gzip, gzip", gzip.compress(gzip.compress(TEXT))),
        (b"Deflate, identity, ZSTD", zstd_of(raw_deflate(TEXT))),
    ],
)
def test_the_coding_named_last_is_undone_first(field, content):
    """RFC 9110 §8.4: in the order in which they were applied."""
    assert decoded(decoder_for(field, max_bytes=len(TEXT)), content) == TEXT
    assert decoded(decoder_for(field, max_bytes=len(TEXT)), *(content[at : at + 1] for at in range(len(content)))) == TEXT


@pytest.mark.parametrize("field", [b"gzip, br, zstd", b"gzip, gzip, gzip", b"compress", b"gzip, compress"])
def test_more_than_two_codings_or_an_unknown_one_are_refused(field):
    with pytest.raises(UnknownCoding):
        decoder_for(field, max_bytes=PLENTY)


@pytest.mark.parametrize(
    "content",
    [
        brotli.compress(gzip.compress(TEXT)[:-1]),
        brotli.compress(gzip.compress(TEXT))[:-1],
        brotli.compress(gzip.compress(TEXT) + b"x"),
        brotli.compress(gzip.compress(TEXT)) + b"x",
        gzip.compress(brotli.compress(TEXT)),
    ],
)
def test_either_of_two_codings_may_be_wrong(content):
    with pytest.raises(Undecodable):
        decoded(decoder_for(b"gzip, br", max_bytes=PLENTY), content)


@pytest.mark.parametrize("said", [b"gzip", b"deflate", b"br", b"zstd"])
def test_content_in_another_coding_than_it_says(said):
    for coding, encode in FORMS.values():
        if said.lower() in (coding.lower(), coding.lower().removeprefix(b"x-")):
            continue
        with pytest.raises(Undecodable):
            decoded(Decoder(said, max_bytes=PLENTY), encode(TEXT))
    with pytest.raises(Undecodable):
        decoded(Decoder(said, max_bytes=PLENTY), TEXT)


# ── Bounds ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

MIB = 1 << 20


def bomb(coding: bytes, size: int = 200 * MIB) -> bytes:
    compressor = {
        b"gzip": lambda: zlib.compressobj(9, zlib.DEFLATED, 31),
        b"deflate": lambda: zlib.compressobj(9, zlib.DEFLATED, -15),
        b"zstd": lambda: zstandard.ZstdCompressor(level=1).compressobj(),
    }
    if coding == b"br":
        maker = brotli.Compressor(quality=3, lgwin=24)
        return b"".join(maker.process(bytes(MIB)) for _ in range(size // MIB)) + maker.finish()
    maker = compressor[coding]()
    return b"".join(maker.compress(bytes(MIB)) for _ in range(size // MIB)) + maker.flush()


@each_form
def test_exactly_as_much_as_allowed_and_one_octet_less(coding, encode):
    content = encode(TEXT)
    assert decoded(Decoder(coding, max_bytes=len(TEXT)), content) == TEXT
    decoder = Decoder(coding, max_bytes=len(TEXT) - 1)
    with pytest.raises(TooLarge):
        decoded(decoder, content)
    with pytest.raises(TooLarge):
        decoder.finish()


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"br", b"zstd"])
def test_a_bomb_is_met_before_it_is_unpacked(coding):
    content = bomb(coding)
    assert len(content) < 300_000
    lengths = map(len, Decoder(coding, max_bytes=10 * MIB).decode(content))
    given_out = 0
    tracemalloc.start()
    try:
        with suppress(TooLarge):
            while True:
                given_out += next(lengths)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 10 * MIB - 2 * MAX_CHUNK <= given_out <= 10 * MIB
    assert peak < 600_000


@pytest.mark.parametrize(("coding", "window"), [(b"gzip", 0), (b"deflate", 0), (b"br", 16 * MIB), (b"zstd", 8 * MIB)])
def test_the_memory_for_a_bomb_is_the_window_and_little_more(coding, window, tmp_path):
    """All 200 MiB are read, and the process is asked for its highest mark: the libraries allocate by themselves."""
    file = tmp_path / "bomb"
    file.write_bytes(bomb(coding))
    program = """
        import re, sys
        from pathlib import Path
        from gateway.semantics.decoding import Decoder
        def highest():
            return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) << 10
        content = Path(sys.argv[2]).read_bytes()
        decoder = Decoder(sys.argv[1].encode(), max_bytes=1 << 30)
        before = highest()
        total = sum(map(len, decoder.decode(content)))
        decoder.finish()
        print(total, highest() - before)
    """
    asked = [sys.executable, "-c", textwrap.dedent(program), coding.decode(), str(file)]
    total, grown = map(int, subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split())
    assert total == 200 * MIB
    assert grown < window + 2 * MIB


def test_a_frame_whose_window_is_larger_than_senders_may_use_is_refused():
    """RFC 9659. The memory would be ours."""
    for window_log, expected in ((23, True), (24, False)):
        parameters = zstandard.ZstdCompressionParameters(window_log=window_log)
        content = zstd_of(TEXT, compression_params=parameters)
        if expected:
            assert decoded(Decoder(b"zstd", max_bytes=PLENTY), content) == TEXT
        else:
            with pytest.raises(Undecodable, match="memory"):
                decoded(Decoder(b"zstd", max_bytes=PLENTY), content)


def test_a_block_larger_than_any_may_be_is_not_waited_for():
    """RFC 8878 §3.1.1.2.4. It would be held until it is whole."""
    with pytest.raises(Undecodable, match="too large"):
        list(
            Decoder(b"zstd", max_bytes=PLENTY).decode(
                b"\x28\xb5\x2f\xfd\x00\x58" + (128 << 10 << 3 | 1 << 3).to_bytes(3, "little")
            )
        )


@pytest.mark.parametrize("coding", [b"gzip", b"br", b"zstd"])
def test_more_from_an_octet_than_allowed(coding):
    """Small content may expand as it likes: 64 KiB are harmless."""
    small, large = gzip.compress(bytes(MAX_CHUNK)), bomb(coding, 4 * MIB)
    assert len(decoded(Decoder(b"gzip", max_bytes=PLENTY, max_ratio=10), small)) == MAX_CHUNK
    decoder = Decoder(coding, max_bytes=PLENTY, max_ratio=100)
    with pytest.raises(TooLarge, match="100"):
        decoded(decoder, large)
    assert len(decoded(Decoder(coding, max_bytes=PLENTY, max_ratio=10**6), large)) == 4 * MIB


def test_the_ratio_is_that_of_the_wire_and_the_content():
    """A bomb in a bomb: a thousand times a thousand."""
    content = gzip.compress(bomb(b"gzip", 64 * MIB), 9)
    assert len(content) < 1000
    with pytest.raises(TooLarge, match="2000"):
        decoded(decoder_for(b"gzip, gzip", max_bytes=PLENTY, max_ratio=2000), content)


def test_much_that_becomes_nothing_ends_too():
    """Empty members without number, in one more coding."""
    content = brotli.compress(gzip.compress(b"") * 100_000, quality=3)
    with pytest.raises(TooLarge, match="between"):
        decoded(decoder_for(b"gzip, br", max_bytes=100_000), content)
