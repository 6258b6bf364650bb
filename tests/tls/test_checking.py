"""What `weft check` says of certificates and keys."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import pytest

from gateway.commands import check
from gateway.commands.advice import about_certificates
from gateway.listener.certificates import Keyring, Pair
from tests.tls.making import Authority

DAY = 86_400


def advice(*pairs: Pair, now: float | None = None) -> list[str]:
    for pair in pairs:
        Path(pair.key).chmod(0o600)
    return list(about_certificates(Keyring(pairs), now or time.time()))


@pytest.fixture
def weft_check(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(check, "second_owners", list)

    def run(*settings: str) -> tuple[int, str, str]:
        parser = argparse.ArgumentParser()
        check.add_arguments(parser)
        arguments = ["--upstream", "http://127.0.0.1:9000", *(part for setting in settings for part in ("--set", setting))]
        code = check.run(parser.parse_args(arguments), {})
        return code, *capsys.readouterr()

    return run


def test_a_sound_pair_needs_no_advice(weft_test: Pair, authority: Authority) -> None:
    assert advice(weft_test, authority.pair("rsa-too", "rsa.test", kind="rsa")) == []


def test_the_end_is_foreseen_and_seen(authority: Authority) -> None:
    pair = authority.pair("ending", "ending.test", days=20)
    now = time.time()
    assert advice(pair, now=now) == []
    assert advice(pair, now=now + 10 * DAY) == [f"{pair.certificate} expires in 10 days"]
    assert advice(pair, now=now + 23 * DAY) == [f"{pair.certificate} has expired 3 days ago: browsers will turn visitors away"]
    assert advice(pair, now=now - 9 * DAY) == [f"{pair.certificate} is not valid yet: browsers will turn visitors away"]


def test_one_that_names_nobody_is_seen(authority: Authority) -> None:
    (line,) = advice(authority.pair("nobody"))
    assert "names no host" in line


def test_a_key_that_all_can_read_is_seen(authority: Authority) -> None:
    pair = authority.pair("open", "open.test")
    Path(pair.key).chmod(0o644)
    assert list(about_certificates(Keyring([pair]), time.time())) == [
        f"{pair.key} holds a key and can be read by everybody on this machine"
    ]


def test_https_is_announced(weft_check, weft_test: Pair) -> None:
    code, out, _ = weft_check(f"server.tls.certificates={weft_test.certificate}", f"server.tls.keys={weft_test.key}")
    assert code == 0
    assert "listens on https://127.0.0.1:8080" in out


def test_what_cannot_be_used_is_an_error_and_names_the_setting(weft_check, weft_test: Pair, authority: Authority) -> None:
    other = authority.pair("not-its", "weft.test")
    both = f"server.tls.certificates={weft_test.certificate},{other.certificate}"
    for settings, line in (
        (
            (both, f"server.tls.keys={weft_test.key},{weft_test.key}"),
            f"server.tls.keys[1]: {weft_test.key}: is not the key of its certificate",
        ),
        ((both,), f"server.tls.certificates[0]: {weft_test.certificate}: no PEM key in it, or none that OpenSSL can read"),
        (("server.tls.certificates=none.pem",), "server.tls.certificates[0]: none.pem: can't be read: No such file or directory"),
    ):
        code, out, err = weft_check(*settings)
        assert (code, out, err.splitlines()[1:]) == (1, "", [f"  {line}"])


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (["server.tls.certificates=a,b", "server.tls.keys=a"], "server.tls.keys: expected one for each of server.tls.certificates (2), or none"),
        (["server.tls.certificates=a,a"], "server.tls.certificates: expected each file once"),
        (["server.tls.client_ca=a"], "server.tls.certificates: required, not set"),
        (["server.tls.min_version=1.1"], "server.tls.min_version: expected one of '1.2', '1.3'"),
    ],
)  # fmt: skip
def test_settings_that_contradict_each_other_are_named(weft_check, settings: list[str], line: str) -> None:
    code, _, err = weft_check(*settings)
    assert code == 1
    assert err.splitlines()[1].strip().startswith(line)


def test_a_password_is_shown_nowhere(weft_check, authority: Authority) -> None:
    pair = authority.pair("with-password", "p.test", password="open-sesame")
    files = (f"server.tls.certificates={pair.certificate}", f"server.tls.keys={pair.key}")
    code, out, err = weft_check(*files, "server.tls.key_password=open-sesame")
    assert (code, "open-sesame" in out + err) == (0, False)
    code, out, err = weft_check(*files, "server.tls.key_password=close-sesame")
    assert (code, "close-sesame" in out + err) == (1, False)
    assert "can't be decrypted with the password that is set" in err
