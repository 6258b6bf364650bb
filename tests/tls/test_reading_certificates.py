"""What a certificate says of itself, read from DER. RFC 5280 §4.1."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.semantics.certificate import parse_certificate, parse_pem
from tests.tls.making import Authority


def der_of(file: str) -> bytes:
    return ssl.PEM_cert_to_DER_cert(Path(file).read_text(encoding="ascii"))


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_names_and_dates_are_what_openssl_reads(authority: Authority, kind: str) -> None:
    names = ("shop.test", "*.Shop.test", "127.0.0.1", "2001:db8::7")
    pair = authority.pair(f"names-{kind}", *names, kind=kind)
    certificate = parse_pem(Path(pair.certificate).read_bytes())
    assert certificate.names == ("shop.test", "*.shop.test", "127.0.0.1", "2001:db8::7")
    told = subprocess.run(
        ["openssl", "x509", "-in", pair.certificate, "-noout", "-dates"], check=True, capture_output=True, text=True
    )
    begin, end = (line.partition("=")[2] for line in told.stdout.splitlines())
    assert (certificate.not_before, certificate.not_after) == (ssl.cert_time_to_seconds(begin), ssl.cert_time_to_seconds(end))


@pytest.mark.parametrize("days", [-1, 1, 20_000, 100_000], ids=["over", "UTCTime", "after 2049", "beyond 2200"])
def test_the_end_is_read_in_either_form_of_time(authority: Authority, days: int) -> None:
    """Until 2049 UTCTime with two digits for the year, from 2050 on GeneralizedTime. RFC 5280 §4.1.2.5"""
    pair = authority.pair(f"days{days}", "a.test", days=days)
    certificate = parse_certificate(der_of(pair.certificate))
    assert certificate.not_after - certificate.not_before == days * 86_400


def test_the_first_of_a_chain_counts(authority: Authority) -> None:
    leaf = Path(authority.pair("chained", "chained.test").certificate).read_bytes()
    assert parse_pem(b"some text before it\n" + leaf + authority.file.read_bytes()).names == ("chained.test",)


def test_one_without_names_has_none(authority: Authority) -> None:
    assert parse_pem(Path(authority.pair("nameless").certificate).read_bytes()).names == ()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----",
        b"-----BEGIN CERTIFICATE-----\n???\n-----END CERTIFICATE-----",
    ],
)
def test_what_holds_no_certificate_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        parse_pem(text)


def test_one_cut_anywhere_is_refused(authority: Authority, weft_test) -> None:
    whole = der_of(weft_test.certificate)
    for end in range(len(whole)):
        with pytest.raises(ValueError):
            parse_certificate(whole[:end])


@given(data=st.data())
def test_whatever_comes_it_is_read_or_refused(weft_test, data: st.DataObject) -> None:
    octets = bytearray(der_of(weft_test.certificate))
    for place in data.draw(st.lists(st.integers(0, len(octets) - 1), max_size=4)):
        octets[place] = data.draw(st.integers(0, 255))
    try:
        certificate = parse_certificate(bytes(octets))
    except ValueError:
        return
    assert all(isinstance(name, str) for name in certificate.names)


@given(st.binary(max_size=64))
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(ValueError):
        parse_certificate(noise)
