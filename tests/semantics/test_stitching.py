"""Compressed content out of compressed pieces: every decoder finds the pieces' text in it, and no CRC is computed twice."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import subprocess
import threading
import zlib
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import brotli
import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.semantics.stitching import Piece, Stitcher, make_frame, make_piece, make_stored, make_stored_frame, stitch
from tests.support.chromium import Chromium, find_chromium

WORDS = b"<li class=offer><a href=/p/lamp>A lamp for the long evenings</a> <b>29.90</b></li>\n"

bodies = st.one_of(
    st.binary(max_size=200),
    st.builds(lambda text, times: text * times, st.binary(min_size=1, max_size=40), st.integers(1, 400)),
    st.sampled_from([b"", b"x", WORDS * 30, WORDS * 900, bytes(65_535), bytes(65_536), bytes(range(256)) * 600]),
)
makers = st.one_of(st.integers(0, 9).map(lambda level: lambda body: make_piece(body, level)), st.just(make_stored))


def unpacked(content: bytes) -> bytes:
    """The content of one gzip member that ends where the content does."""
    decoder = zlib.decompressobj(31)
    body = decoder.decompress(content)
    assert decoder.eof
    assert decoder.unused_data == b""
    return body


@given(st.lists(st.tuples(bodies, makers), max_size=12))
@example([])
@example([(b"", make_stored)])
@example([(bytes(200_000), make_stored), (b"", make_stored), (b"x" * 2000, make_stored)])
def test_the_content_is_one_gzip_member_of_all_that_the_pieces_say(made):
    """RFC 1952 §2.2."""
    content = b"".join(stitch([make(body) for body, make in made]))
    whole = b"".join(body for body, _ in made)
    assert unpacked(content) == whole
    assert gzip.decompress(content) == whole


@given(st.lists(bodies, min_size=1, max_size=12), st.booleans())
def test_the_crc_of_the_whole_comes_from_those_of_the_pieces(parts, lasting):
    """Only lengths and CRCs are there to compute it from."""
    pieces = [Piece(len(body), zlib.crc32(body), b"", lasting=lasting) for body in parts]
    trailer = stitch(pieces)[-1]
    assert int.from_bytes(trailer[-8:-4], "little") == zlib.crc32(b"".join(parts))


@pytest.mark.parametrize("length", [0, 1, 1024, 1025, 65_535, 65_536, 65_537, 131_072, 200_001])
def test_a_piece_with_tables_and_one_without_give_the_same(length):
    first = make_stored(WORDS)
    ends = {stitch([first, Piece(length, zlib.crc32(bytes(length)), b"", lasting=lasting)])[-1] for lasting in (True, False)}
    assert len(ends) == 1
    assert int.from_bytes(ends.pop()[-8:-4], "little") == zlib.crc32(WORDS + bytes(length))


def test_pieces_of_one_length_share_their_tables():
    one, other = make_piece(b"a" * 5000, 6), make_piece(b"b" * 5000, 6)
    assert one.shift is other.shift is not None
    assert make_stored(b"a" * 5000).shift is None


def test_the_length_is_that_of_the_whole_modulo_four_gibibytes():
    """RFC 1952 §2.3.1: ISIZE."""
    giant = Piece((1 << 31) + 1, 0, b"")
    assert stitch([giant, giant, make_stored(b"xyz")])[-1][-4:] == (5).to_bytes(4, "little")


def test_bodies_are_not_copied():
    pieces = [make_piece(WORDS * 50, 6), make_stored(b"Ada"), make_piece(WORDS * 9, 6)]
    _, *parts, _ = stitch(pieces)
    assert all(part is piece.deflate for part, piece in zip(parts, pieces, strict=True))


def test_a_stream_is_the_same_octets_as_the_whole():
    pieces = [make_piece(WORDS * 50, 6), make_stored(b"Ada"), make_piece(b"", 6)]
    stitcher = Stitcher()
    streamed = [stitcher.start(), *(stitcher.add(piece) for piece in pieces), stitcher.finish()]
    assert streamed == stitch(pieces)


def test_what_has_come_so_far_can_be_read_so_far():
    """A page whose last fragment is late is shown up to there."""
    stitcher, decoder = Stitcher(), zlib.decompressobj(31)
    decoder.decompress(stitcher.start())
    for body in (WORDS * 40, b"Ada", WORDS):
        assert decoder.decompress(stitcher.add(make_piece(body, 6))) == body


def test_no_piece_refers_to_another():
    """Each is decoded alone, in any order; twice the same text costs twice."""
    pieces = [make_piece(WORDS * 40, 9), make_piece(WORDS * 40, 9), make_piece(WORDS, 9)]
    for order in (pieces, pieces[::-1]):
        assert len(unpacked(b"".join(stitch(order)))) == 81 * len(WORDS)
    assert zlib.decompressobj(-15).decompress(pieces[1].deflate) == WORDS * 40


def test_what_does_not_get_smaller_is_stored():
    noise = bytes(range(256))
    assert make_piece(noise, 6).deflate == make_stored(noise).deflate
    assert len(make_stored(bytes(131_071)).deflate) == 131_071 + 3 * 5
    assert make_piece(b"", 6).deflate == make_stored(b"").deflate == b""


@pytest.mark.skipif(shutil.which("gzip") is None, reason="no gzip here")
def test_gzip_finds_nothing_wrong(tmp_path):
    file = tmp_path / "page.gz"
    file.write_bytes(b"".join(stitch(PAGE)))
    subprocess.run(["gzip", "-t", str(file)], check=True)
    assert subprocess.run(["gzip", "-dc", str(file)], check=True, capture_output=True).stdout == HTML


@given(st.lists(st.tuples(bodies, st.one_of(st.integers(1, 5), st.none())), max_size=12))
@example([(bytes(300_000), None), (b"x" * 131_072, None), (b"x" * 131_073, None)])
def test_frames_one_after_the_other_are_zstd_content(made):
    """RFC 8878 §3. Without a level: as it is."""
    content = b"".join(make_stored_frame(body) if level is None else make_frame(body, level) for body, level in made)
    reader = zstandard.ZstdDecompressor(max_window_size=8 << 20).stream_reader(io.BytesIO(content), read_across_frames=True)
    assert reader.read() == b"".join(body for body, _ in made)


@pytest.mark.parametrize("cut", [0, 1], ids=["with its header", "without"])
def test_brotli_streams_can_not_be_stitched(cut):
    """Why there is no third form. RFC 7932 §9.1."""
    pieces = []
    for body in (WORDS * 20, WORDS[::-1] * 20):
        compressor = brotli.Compressor(quality=5)
        pieces.append(compressor.process(body) + compressor.flush())
    assert brotli.decompress(pieces[0] + b"\x03") == WORDS * 20  # ends on an octet, as it should
    with pytest.raises(brotli.error):
        brotli.decompress(pieces[0] + pieces[1][cut:] + b"\x03")


# ── Real clients ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

PARTS = [
    b"<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>Stitched</title>\n<ul>",
    WORDS * 2000,  # more than a window of deflate
    b"",
    b"<h1>Good evening, Ada</h1>",
    WORDS * 3,
    b"<!-- " + b"y" * 70_000 + b" -->",  # more than a stored block
    "<p>Grüße ✓</p>".encode(),
]
MADE_NOW = {3, 5}  # for this request only
HTML = b"".join(PARTS)
PAGE = [make_stored(body) if number in MADE_NOW else make_piece(body, 6) for number, body in enumerate(PARTS)]
FRAMES = [make_stored_frame(body) if number in MADE_NOW else make_frame(body, 3) for number, body in enumerate(PARTS)]
CONTENTS = {"gzip": stitch(PAGE), "zstd": [frame for frame in FRAMES if frame]}


class _Answers(BaseHTTPRequestHandler):
    """`/gzip` and `/zstd` are the page in that coding, `/gzip/chunked` with a chunk for each of its parts."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        _, coding, *how = self.path.split("/")
        parts = CONTENTS[coding]
        self.send_response(200)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-encoding", coding)
        if how:
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for part in parts:
                if part:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.send_header("content-length", str(sum(map(len, parts))))
            self.end_headers()
            self.wfile.writelines(parts)

    def log_message(self, *_arguments):
        pass


@contextmanager
def served():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    server.handle_error = lambda *_arguments: None  # a client that hangs up is its own affair
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
@pytest.mark.parametrize("path", ["gzip", "gzip/chunked"])
def test_curl_reads_the_page(path):
    with served() as base:
        answer = subprocess.run(["curl", "-sS", "--compressed", f"{base}/{path}"], capture_output=True, check=True)
    assert answer.stdout == HTML


@pytest.mark.browser
@pytest.mark.skipif(find_chromium() is None, reason="no chromium here")
def test_chromium_shows_the_page_in_both_codings(tmp_path):
    """zstd too: it reads on after the first frame."""
    with served() as base, Chromium(tmp_path) as browser:
        for path in ("gzip", "gzip/chunked", "zstd", "zstd/chunked"):
            page = browser.open(f"{base}/{path}")
            page.wait("document.readyState === 'complete' && document.querySelector('p')")
            assert page.value("document.querySelector('h1').textContent") == "Good evening, Ada"
            assert page.value("document.querySelector('p').textContent") == "Grüße ✓"
            assert page.value("document.querySelectorAll('.offer').length") == 2003
            assert page.value(f"fetch({json.dumps('/' + path)}).then(answer => answer.text())") == HTML.decode()
            assert page.complaints == []
