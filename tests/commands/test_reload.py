"""`weft reload`, against a running gateway."""

from __future__ import annotations

import pytest

TOKEN = "an-admin-token-of-some-length"


@pytest.fixture
def file(tmp_path):
    return tmp_path / "weft.toml"


@pytest.fixture
def write(file, origin):
    """write(text): what the file says from now on."""

    def write(text="", tokens=f'["{TOKEN}"]'):
        file.write_text(f'[upstream]\nurl = "{origin.url}"\n[admin]\ntokens = {tokens}\n{text}', "utf-8")

    write()
    return write


@pytest.fixture
def gateway(start_gateway, file, write):
    return start_gateway({"log.access": "off"}, config=file)


@pytest.fixture
def reload(weft, gateway, file):
    def run(*arguments):
        return weft("reload", "--gateway", f"http://127.0.0.1:{gateway.port}", "--config", str(file), *arguments)

    return run


def test_it_says_what_has_changed_and_what_waits(reload, write):
    write("[cache]\ndefault_ttl = 60\n[server]\nbacklog = 99\n")
    outcome = reload("--dry-run")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines() == [
        "2 changes; nothing has been put into force:",
        "  server.backlog: 2048 -> 99   waits for a new start",
        "  cache.default_ttl: 0.0 -> 60.0",
    ]
    outcome = reload()
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines() == [
        "Generation 2, 2 changes:",
        "  server.backlog: 2048 -> 99   waits for a new start",
        "  cache.default_ttl: 0.0 -> 60.0",
    ]
    assert reload().out.splitlines() == ["Generation 3, 1 change:", "  server.backlog: 2048 -> 99   waits for a new start"]


def test_nothing_has_changed(reload):
    assert (reload().out, reload("--dry-run").out) == ("Generation 2, 0 changes.\n", "0 changes.\n")


def test_a_restart(reload, gateway):
    (before,) = gateway.workers()
    outcome = reload("--restart")
    assert (outcome.code, outcome.out) == (0, "Generation 2, 0 changes; new workers take over one by one.\n")
    gateway.until(lambda: before not in gateway.workers())


def test_faults_are_printed_and_nothing_changes(weft, write, gateway, monkeypatch):
    """As the gateway tells them: the command has not read the file."""
    monkeypatch.setenv("WEFT_ADMIN_TOKEN", TOKEN)
    write("[cache]\nmode = 'sometimes'\ndefault_ttl = -1\n")
    outcome = weft("reload", "--gateway", f"http://127.0.0.1:{gateway.port}")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.splitlines() == [
        "2 problems, so the settings in force go on:",
        "  cache.mode: expected one of 'standard', 'bypass', got 'sometimes' (weft.toml)",
        "  cache.default_ttl: expected >= 0 seconds, got -1 (weft.toml)",
    ]
    assert gateway.is_well()


def test_the_token_may_stand_in_the_file_in_a_file_of_its_own_or_in_the_environment(
    reload, weft, gateway, file, tmp_path, monkeypatch
):
    assert reload().code == 0
    own = tmp_path / "token"
    own.write_text(f"{TOKEN}\n", "utf-8")
    address = ("--gateway", f"http://127.0.0.1:{gateway.port}")
    assert weft("reload", *address, "--token-file", str(own)).code == 0
    monkeypatch.setenv("WEFT_ADMIN_TOKEN", TOKEN)
    assert weft("reload", *address).code == 0
    monkeypatch.setenv("WEFT_ADMIN_TOKEN", "wrong")
    outcome = weft("reload", *address)
    assert (outcome.code, outcome.err) == (
        1,
        f"weft reload: {address[1]} refused, 401: expected Authorization: Bearer with one of admin.tokens\n",
    )


def test_a_new_first_token_is_brought_in_by_the_old_one(reload, write):
    """The file lists the new one first; the gateway knows only the old one until this very reload."""
    write(tokens=f'["brand-new", "{TOKEN}"]')
    assert reload().code == 0
    write(tokens='["brand-new"]')
    assert [reload().code for _ in range(2)] == [0, 0]


def test_wrong_calls(weft, tmp_path, monkeypatch):
    outcome = weft("reload")
    assert (outcome.code, outcome.err) == (
        2,
        "weft reload: no token: give --token-file, WEFT_ADMIN_TOKEN, or --config with admin.tokens\n",
    )
    missing = tmp_path / "none"
    outcome = weft("reload", "--token-file", str(missing))
    assert (outcome.code, outcome.err) == (2, f"weft reload: --token-file {missing}: No such file or directory\n")
    broken = tmp_path / "broken.toml"
    broken.write_text("[", "utf-8")
    assert weft("reload", "--config", str(broken)).code == 1
    monkeypatch.setenv("WEFT_ADMIN_TOKEN", TOKEN)
    outcome = weft("reload", "--gateway", "http://127.0.0.1:1")
    assert outcome.code == 1
    assert outcome.err.startswith("weft reload: http://127.0.0.1:1 can't be asked: ")


def test_who_answers_there_may_be_no_gateway(weft, origin, monkeypatch):
    monkeypatch.setenv("WEFT_ADMIN_TOKEN", TOKEN)
    outcome = weft("reload", "--gateway", origin.url)
    assert (outcome.code, outcome.out) == (1, "")
    assert "is no Weft gateway" in outcome.err
