"""Compressed copies of what is stored: the same meaning in other octets (RFC 9110 §8.4, §12.5.3)."""

from __future__ import annotations

import gzip
import hashlib

import brotli
import pytest
import zstandard

from gateway.flow.deliver import MAX_INLINE
from gateway.semantics.message import Fields, first, values
from tests.support.fakes import COMPRESSION, Answer, Stage

TEXT = b"<p>the same words again and again</p>\n" * 40

DECODERS = {
    b"gzip": gzip.decompress,
    b"br": brotli.decompress,
    b"zstd": lambda octets: zstandard.ZstdDecompressor().decompress(octets),
}


@pytest.fixture
def stage(stage_of) -> Stage:
    return stage_of(compression=COMPRESSION)


def serve(stage: Stage, *fields: tuple[bytes, bytes], body: bytes = TEXT, length: bool = True) -> None:
    """What the origin answers whatever it is asked."""
    base: Fields = [(b"content-type", b"text/html"), (b"cache-control", b"max-age=60"), (b"etag", b'"a"')]
    names = {name for name, _ in fields}
    stage.origin.respond = lambda asked: Answer(
        200, [field for field in base if field[0] not in names] + list(fields), body, length=length
    )


def get(stage: Stage, accept: str | None, *fields: tuple[bytes, bytes], method: str = "GET", url: str = "/page"):
    asked = list(fields) if accept is None else [(b"accept-encoding", accept.encode()), *fields]
    response, body = stage.run(stage.ask(method, url, asked))
    return response, response.fields(), body


@pytest.mark.parametrize("coding", sorted(DECODERS))
def test_a_client_gets_the_coding_it_accepts(stage, coding):
    """RFC 9110 §12.5.3: Content-Encoding, a weak tag (§8.8.1), Vary (§12.5.5); decoded it is what the origin sent."""
    serve(stage)
    get(stage, None)
    for _ in range(2):
        response, fields, body = get(stage, coding.decode())
        assert response.status == 200
        assert first(fields, b"content-encoding") == coding
        assert first(fields, b"etag") == b'W/"a"'
        assert values(fields, b"vary") == [b"Accept-Encoding"]
        assert first(fields, b"content-length") == b"%d" % len(body)
        assert len(body) < len(TEXT) / 5
        assert DECODERS[coding](body) == TEXT
    assert len(stage.origin.exchanges) == 1


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("gzip, br, zstd", b"zstd"),
        ("gzip, br", b"br"),
        ("gzip;q=1, br;q=0.9", b"gzip"),
        ("zstd;q=0, *", b"br"),
        ("*", b"zstd"),
        ("x-gzip", b"gzip"),
        ("GZIP", b"gzip"),
        ("deflate", None),
        ("identity", None),
        ("gzip;q=0.5, identity;q=0.8", None),
        ("gzip;q=0, identity", None),
        ("", None),
        (None, None),
    ],
)
def test_the_clients_weights_go_before_our_order(stage, accept, coding):
    """RFC 9110 §12.4.2, §12.5.3."""
    serve(stage)
    get(stage, None)
    _, fields, body = get(stage, accept)
    assert first(fields, b"content-encoding") == coding
    assert values(fields, b"vary") == [b"Accept-Encoding"], "the plain form depends on it just as much"
    assert (DECODERS[coding](body) if coding else body) == TEXT
    assert first(fields, b"etag") == (b'W/"a"' if coding else b'"a"')


def test_the_origin_is_asked_for_the_plain_form(stage):
    """We compress once, for all."""
    serve(stage)
    get(stage, "gzip, br")
    assert values(stage.origin.exchanges[0].asked.fields, b"accept-encoding") == [b"identity"]


def test_the_first_answer_says_already_that_it_varies(stage):
    serve(stage)
    _, fields, body = get(stage, "br")
    assert values(fields, b"vary") == [b"Accept-Encoding"]
    assert (brotli.decompress(body) if first(fields, b"content-encoding") else body) == TEXT


@pytest.mark.parametrize("accept", ["gzip", "br", "zstd", None])
@pytest.mark.parametrize("known", [b'"a"', b'W/"a"'])
def test_a_client_with_any_form_is_told_that_it_still_holds(stage, accept, known):
    """RFC 9110 §8.8.3.2: If-None-Match compares weakly, across codings."""
    serve(stage)
    get(stage, None)
    response, fields, body = get(stage, accept, (b"if-none-match", known))
    assert (response.status, body) == (304, b"")
    assert values(fields, b"vary") == [b"Accept-Encoding"]
    assert first(fields, b"content-encoding") is None
    assert first(fields, b"content-length") is None


def test_a_weak_tag_gets_no_part_of_the_plain_form(stage):
    """RFC 9110 §13.1.5: If-Range with what was given with a compressed copy never matches; ranges are of the plain form."""
    serve(stage)
    get(stage, None)
    response, fields, body = get(stage, "gzip", (b"range", b"bytes=0-9"))
    assert (response.status, body, first(fields, b"content-encoding"), first(fields, b"etag")) == (206, TEXT[:10], None, b'"a"')
    response, _, body = get(stage, "gzip", (b"range", b"bytes=0-9"), (b"if-range", b'W/"a"'))
    assert (response.status, body) == (200, TEXT)


def test_head_tells_of_the_form_that_get_would_give(stage):
    """RFC 9110 §9.3.2."""
    serve(stage)
    get(stage, None)
    _, of_get, body = get(stage, "gzip")
    response, of_head, nothing = get(stage, "gzip", method="HEAD")
    assert (response.status, nothing) == (200, b"")
    assert [field for field in of_head if field[0] != b"age"] == [field for field in of_get if field[0] != b"age"]
    assert first(of_head, b"content-length") == b"%d" % len(body)


@pytest.mark.parametrize(
    "fields",
    [
        [(b"cache-control", b"max-age=60, no-transform")],
        [(b"content-type", b"image/png")],
        [(b"content-type", b"")],
        [(b"content-encoding", b"gzip")],
    ],
)
def test_what_must_or_should_stay_as_it_is_stays(stage, fields):
    """RFC 9111 §5.2.2.6: no-transform; a picture gets no smaller; what is coded is coded."""
    serve(stage, *fields)
    for _ in range(2):
        _, got, body = get(stage, "gzip, br, zstd")
        assert body == TEXT
        assert first(got, b"etag") == b'"a"'
        assert values(got, b"vary") == []


def test_short_content_is_not_worth_it(stage):
    """cache.compress.min_bytes, also where nobody said how long it would be."""
    serve(stage, body=TEXT[:100])
    for _ in range(2):
        _, fields, body = get(stage, "gzip")
        assert (body, first(fields, b"content-encoding")) == (TEXT[:100], None)
    serve(stage, body=TEXT[:100], length=False)
    for _ in range(2):
        _, fields, body = get(stage, "gzip", url="/unknown")
        assert (body, first(fields, b"content-encoding")) == (TEXT[:100], None)


def test_what_gets_no_smaller_is_sent_as_it_is(stage):
    noise = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(20))
    serve(stage, body=noise)
    for _ in range(2):
        _, fields, body = get(stage, "gzip")
        assert (body, first(fields, b"content-encoding")) == (noise, None)


def test_a_digest_of_the_plain_form_is_not_sent_with_another(stage):
    """RFC 9530: Content-Digest and Repr-Digest are of the octets sent."""
    serve(stage, (b"content-digest", b"sha-256=:x:"), (b"repr-digest", b"sha-256=:x:"), (b"accept-ranges", b"bytes"))
    get(stage, None)
    _, plain, _ = get(stage, None)
    _, coded, _ = get(stage, "gzip")
    for name in (b"content-digest", b"repr-digest", b"accept-ranges"):
        assert first(plain, name) is not None
        assert first(coded, name) is None


def test_an_origins_own_vary_stays_beside_ours(stage):
    serve(stage, (b"vary", b"Accept-Language"))
    get(stage, None)
    _, fields, _ = get(stage, "gzip")
    assert values(fields, b"vary") == [b"Accept-Language", b"Accept-Encoding"]
    serve(stage, (b"vary", b"accept-encoding, X-A"))
    get(stage, None, url="/other")
    _, fields, _ = get(stage, "gzip", url="/other")
    assert values(fields, b"vary") == [b"accept-encoding, X-A"]


def test_clients_with_other_codings_share_one_stored_response(stage):
    serve(stage, (b"vary", b"Accept-Encoding"))
    for accept in (None, "gzip", "br", "zstd", "gzip, br", "deflate"):
        _, fields, body = get(stage, accept)
        coding = first(fields, b"content-encoding")
        assert (DECODERS[coding](body) if coding else body) == TEXT
    assert len(stage.origin.exchanges) == 1
    assert len(stage.store) == 1


def test_compressed_copies_survive_a_confirmation(stage):
    serve(stage)
    get(stage, None)
    get(stage, "gzip")
    stage.clock.turn(61)
    stage.origin.respond = lambda asked: Answer(304, [(b"etag", b'"a"'), (b"cache-control", b"max-age=60")])
    _, fields, body = get(stage, "gzip")
    assert first(fields, b"content-encoding") == b"gzip"
    assert DECODERS[b"gzip"](body) == TEXT


def test_a_large_body_is_compressed_beside_the_loop_and_arrives_whole(stage):
    large = TEXT * (MAX_INLINE // len(TEXT) + 2)
    serve(stage, body=large)
    get(stage, None)
    for _ in range(2):
        _, fields, body = get(stage, "br")
        assert first(fields, b"content-encoding") == b"br"
        assert DECODERS[b"br"](body) == large
    _, fields, body = get(stage, None)
    assert (first(fields, b"content-encoding"), body) == (None, large)


def test_compressed_copies_count_as_memory(stage):
    serve(stage)
    get(stage, None)
    before = stage.store.used_bytes
    _, _, body = get(stage, "gzip")
    assert stage.store.used_bytes == before + len(body)
