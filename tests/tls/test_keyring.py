"""Which certificate is shown to whom, and what becomes of new files. Handshakes are made in memory, by two of OpenSSL's ends."""

from __future__ import annotations

import logging
import shutil
import ssl
from pathlib import Path

import pytest

from gateway.listener.certificates import CertificateFault, Keyring, Pair
from gateway.semantics.certificate import parse_certificate
from tests.tls.making import Authority, client_context


def shown(keyring: Keyring, name: str | None, client: ssl.SSLContext | None = None) -> tuple[str, ...]:
    """The names of the certificate that a client gets who asks for name."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = keyring.context.wrap_bio(to_server, to_client, server_side=True)
    visitor = (client or client_context(None)).wrap_bio(to_client, to_server, server_hostname=name)
    for _ in range(4):
        for end in (visitor, server):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    der = visitor.getpeercert(binary_form=True)
    assert der is not None
    return parse_certificate(der).names


def copy(pair: Pair, onto: Pair) -> None:
    """As a renewal does: two files written anew."""
    for source, target in zip(pair, onto, strict=True):
        shutil.copyfile(source, f"{target}.new")
        Path(f"{target}.new").replace(target)


@pytest.fixture
def several(authority: Authority) -> Keyring:
    return Keyring(
        [
            authority.pair("first", "first.test", "www.first.test"),
            authority.pair("second", "second.test", "*.second.test"),
            authority.pair("third", "www.second.test", kind="rsa"),
        ]
    )


@pytest.mark.parametrize(
    ("asked", "first_name"),
    [
        ("first.test", "first.test"),
        ("second.test", "second.test"),
        ("SECOND.test", "second.test"),
        ("any.second.test", "second.test"),
        ("www.second.test", "www.second.test"),  # named in full goes before the star
        ("a.b.second.test", "first.test"),  # a star is one label
        ("unknown.test", "first.test"),
        (None, "first.test"),
    ],
)
def test_the_name_that_is_asked_for_chooses(several: Keyring, asked: str | None, first_name: str) -> None:
    assert shown(several, asked)[0] == first_name


def test_a_key_may_stand_in_its_certificates_file(authority: Authority) -> None:
    pair = authority.pair("both", "both.test")
    both = Path(pair.certificate)
    both.write_bytes(both.read_bytes() + Path(pair.key).read_bytes())
    assert shown(Keyring([Pair(str(both), str(both))]), "both.test") == ("both.test",)


def test_a_password_opens_the_keys_that_have_one(authority: Authority, weft_test: Pair) -> None:
    locked = authority.pair("locked", "locked.test", password="open-sesame")
    assert shown(Keyring([weft_test, locked], password="open-sesame"), "locked.test") == ("locked.test",)
    for password, reason in (
        ("", "has a password, and none is set"),
        ("wrong", "can't be decrypted with the password that is set"),
    ):
        with pytest.raises(CertificateFault) as caught:
            Keyring([weft_test, locked], password=password)
        assert (caught.value.index, caught.value.file, caught.value.reason) == (1, locked.key, reason)
        assert "wrong" not in str(caught.value)


def test_what_cannot_be_used_is_named(authority: Authority, weft_test: Pair, tmp_path: Path) -> None:
    other = authority.pair("other", "other.test")
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    missing = str(tmp_path / "missing.pem")
    for pair, file, reason in (
        (Pair(weft_test.certificate, other.key), other.key, "is not the key of its certificate"),
        (Pair(missing, weft_test.key), missing, "can't be read: No such file or directory"),
        (Pair(weft_test.certificate, missing), missing, "can't be read: No such file or directory"),
        (Pair(str(text), weft_test.key), str(text), "no PEM certificate in it"),
        (Pair(weft_test.certificate, str(text)), str(text), "no PEM key in it, or none that OpenSSL can read"),
    ):
        with pytest.raises(CertificateFault) as caught:
            Keyring([pair])
        assert (caught.value.file, caught.value.reason) == (file, reason)
    for authorities, reason in ((missing, "can't be read: No such file or directory"), (str(text), "no PEM certificates in it")):
        with pytest.raises(CertificateFault) as caught:
            Keyring([weft_test], client_ca=authorities)
        assert (caught.value.index, caught.value.reason) == (None, reason)


@pytest.fixture
def replaceable(authority: Authority, tmp_path: Path) -> Pair:
    pair = Pair(str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))
    copy(authority.pair("old", "old.test"), pair)
    return pair


def test_a_new_pair_is_loaded_once_it_has_been_left_alone(authority: Authority, replaceable: Pair) -> None:
    keyring = Keyring([replaceable])
    keyring.refresh()
    new = authority.pair("new", "new.test")
    copy(Pair(new.certificate, replaceable.key), Pair(replaceable.certificate, f"{replaceable.key}.kept"))
    keyring.refresh()  # the certificate is there, its key is not yet
    copy(new, replaceable)
    keyring.refresh()
    assert shown(keyring, "x.test") == ("old.test",)
    keyring.refresh()
    assert shown(keyring, "x.test") == ("new.test",)
    assert [held.certificate.names for held in keyring.held] == [("new.test",)]
    context = keyring.context
    keyring.refresh()
    assert keyring.context is context  # once


def test_a_broken_pair_is_refused_once_and_the_old_one_goes_on(
    authority: Authority, replaceable: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    keyring = Keyring([replaceable])
    Path(replaceable.certificate).write_text("half a certifica")
    with caplog.at_level(logging.INFO, "gateway.listener.certificates"):
        for _ in range(5):
            keyring.refresh()
    assert [(record.levelname, record.__dict__["file"]) for record in caplog.records] == [("ERROR", replaceable.certificate)]
    assert shown(keyring, "old.test") == ("old.test",)
    copy(authority.pair("good", "good.test"), replaceable)
    keyring.refresh()
    keyring.refresh()
    assert shown(keyring, "old.test") == ("good.test",)


def test_a_file_that_is_gone_changes_nothing(replaceable: Pair) -> None:
    keyring = Keyring([replaceable])
    Path(replaceable.key).unlink()
    for _ in range(3):
        keyring.refresh()
    assert shown(keyring, "old.test") == ("old.test",)
    with pytest.raises(CertificateFault):
        keyring.load()
    assert shown(keyring, "old.test") == ("old.test",)


def test_a_handshake_that_has_begun_goes_on_with_what_it_began_with(authority: Authority, replaceable: Pair) -> None:
    keyring = Keyring([replaceable])
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = keyring.context.wrap_bio(to_server, to_client, server_side=True)
    copy(authority.pair("late", "late.test"), replaceable)
    keyring.load()
    visitor = client_context(None).wrap_bio(to_client, to_server, server_hostname="old.test")
    for _ in range(3):
        for end in (visitor, server):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    der = visitor.getpeercert(binary_form=True)
    assert der is not None
    assert parse_certificate(der).names == ("old.test",)
