"""A real `weft serve` with two workers and a settings file that changes: over HTTP, under load, refused and taken."""

from __future__ import annotations

import json
import os
import socket
import stat

import pytest

from tests.support.raw_client import Response
from tests.support.scripted_origin import answer, ok
from tests.support.visitors import Visitors

OLD, NEW = "the-old-admin-token", "the-new-admin-token"
# More than one worker needs Redis in the settings; whether it answers must not matter here.
TWO = {"server.workers": 2, "redis.url": "redis://127.0.0.1:1", "log.access": "off"}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "weft.toml"


@pytest.fixture
def write(file):
    """write(text): what the file says from now on, beside the token."""

    def write(text="", token=f'["{OLD}"]'):
        file.write_text(f"[admin]\ntokens = {token}\n{text}", "utf-8")

    return write


@pytest.fixture
def gateway(start_gateway, file, write):
    write()
    gateway = start_gateway(TWO, config=file)
    gateway.until(lambda: len(gateway.events("worker ready")) == 2)
    return gateway


@pytest.fixture
def reload(gateway):
    """reload(query): (status, what it says)."""

    def reload(query="", token=OLD):
        head = f"POST /_weft/reload{query} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n"
        response: Response = gateway.ask(head.encode())
        return response.status, json.loads(response.body)

    return reload


@pytest.fixture
def outcomes(gateway, path):
    """The outcomes that a page has on many connections, so on both workers."""

    def outcomes(lines=b""):
        request = f"GET {path} HTTP/1.1\r\nHost: a\r\n".encode() + lines + b"\r\n"
        return {gateway.ask(request).value(b"cache-status").split(b"; ")[1] for _ in range(20)}

    return outcomes


BYPASS = '[cache]\nmode = "bypass"\n'


def test_new_settings_hold_in_all_workers_from_the_answer_on_and_what_is_stored_stays(
    gateway, write, reload, outcomes, origin, path
):
    origin.script(path, answer(ok(b"page", b"Cache-Control: max-age=600")))
    outcomes()
    asked = len(origin.received_at(path))
    assert asked <= 2
    write(BYPASS)
    change = {"path": "cache.mode", "old": "'standard'", "new": "'bypass'", "effect": "live"}
    assert reload() == (200, {"status": "done", "generation": 2, "changes": [change], "faults": [], "restarted": False})
    assert outcomes() == {b"fwd=bypass"}
    write()
    assert reload()[1]["generation"] == 3
    asked = len(origin.received_at(path))
    assert outcomes() == {b"hit"}
    assert len(origin.received_at(path)) == asked


def test_a_dry_run_shows_and_does_nothing(gateway, write, reload, outcomes, origin, path):
    origin.script(path, answer(ok(b"page", b"Cache-Control: max-age=600")))
    outcomes()
    write(BYPASS)
    status, told = reload("?dry_run=1")
    assert (status, told["generation"], [change["path"] for change in told["changes"]]) == (200, 1, ["cache.mode"])
    assert outcomes() == {b"hit"}


FAULTY = """
[cache]
defult_ttl = 60
mode = "sometimes"
[upstream]
connect_timeout = -1
"""


def test_settings_with_faults_are_refused_with_all_of_them_and_the_old_ones_go_on(
    gateway, write, reload, outcomes, origin, path, file
):
    origin.script(path, answer(ok(b"page", b"Cache-Control: max-age=600")))
    outcomes()
    for query in ("", "?dry_run=1", "?restart=1"):
        write(FAULTY)
        status, told = reload(query)
        assert (status, told["status"], told["generation"]) == (422, "refused", 1)
        assert {fault.partition(": ")[0] for fault in told["faults"]} == {
            "cache.defult_ttl",
            "cache.mode",
            "upstream.connect_timeout",
        }
        assert outcomes() == {b"hit"}
    write(BYPASS)
    assert reload()[0] == 200
    assert outcomes() == {b"fwd=bypass"}


def as_missing(file):
    file.unlink()


def as_a_folder(file):
    file.unlink()
    file.mkdir()


def as_what_nobody_can_read(file):
    """A socket: not even root opens it."""
    file.unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(file.parent, os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{here}/{file.name}")  # a path as long as it likes
        os.close(here)
    assert stat.S_ISSOCK(file.stat().st_mode)


def as_no_text(file):
    file.write_bytes(b"\xff\xfe\x00nothing")


def as_no_toml(file):
    file.write_text("[admin\n", "utf-8")


@pytest.mark.parametrize("spoil", [as_missing, as_a_folder, as_what_nobody_can_read, as_no_text, as_no_toml])
def test_a_file_that_can_not_be_read_is_refused(gateway, reload, file, write, spoil):
    spoil(file)
    status, told = reload()
    assert (status, told["generation"]) == (422, 1)
    (fault,) = told["faults"]
    assert file.name in fault
    assert gateway.is_well()
    if file.is_dir():
        file.rmdir()
    elif file.exists():
        file.unlink()
    write()
    assert reload()[0] == 200
    assert len(gateway.events("settings refused")) == 1


def test_a_template_that_can_not_be_used_is_refused_by_the_workers(gateway, write, reload, tmp_path):
    slot = f'[templates]\ndirectory = "{tmp_path}"\n[slots.hero]\ntemplate = "hero.html"\n'
    request = b"GET /_weft/slots/hero HTTP/1.1\r\nHost: a\r\n\r\n"
    (tmp_path / "hero.html").write_text("{% if %}", "utf-8")
    write(slot)
    status, told = reload()
    assert (status, told["status"], told["generation"]) == (422, "failed", 1)
    assert told["faults"]
    assert all("slots.hero.template" in fault for fault in told["faults"])
    assert gateway.ask(request).status == 404
    (tmp_path / "hero.html").write_text("hero", "utf-8")
    assert reload()[0] == 200
    assert {gateway.ask(request).body for _ in range(10)} == {b"hero"}


def test_what_needs_more_than_a_reload_is_named_as_long_as_it_waits(gateway, write, reload):
    write("[server]\nbacklog = 100\n[redis]\nprefix = 'other'\n")
    for generation in (2, 3):
        status, told = reload()
        assert (status, told["generation"]) == (200, generation)
        assert {change["path"]: change["effect"] for change in told["changes"]} == {
            "server.backlog": "start",
            "redis.prefix": "workers",
        }
    assert reload("?restart=1")[1]["restarted"]
    gateway.until(lambda: gateway.events("workers replaced"))
    assert [change["path"] for change in reload()[1]["changes"]] == ["server.backlog"]


def test_fifty_reloads_in_a_row_under_load(gateway, write, reload, origin, path):
    origin.script(path, answer(ok(b"page", b"Cache-Control: max-age=600")))
    with Visitors(gateway.port, [path, f"{path}/passed"]) as visitors:
        visitors.answers(50)
        for number in range(50):
            write(f"[upstream]\nidle_timeout = {20 + number}\n[proxy]\nvia = 'via{number}'\n[cache]\ndefault_ttl = {number}\n")
            assert reload()[0] == 200
        visitors.answers(50)
    assert not visitors.failed
    assert len(origin.received_at(path)) <= 2
    assert [told["generation"] for told in gateway.events("settings taken")] == list(range(2, 52))


def test_a_restart_over_http_replaces_the_workers_and_nobody_notices(gateway, write, reload, outcomes, origin, path):
    origin.script(path, answer(ok(b"page", b"Cache-Control: max-age=600")))
    before = set(gateway.workers())
    with Visitors(gateway.port, [path]) as visitors:
        visitors.answers(20)
        write(BYPASS)
        status, told = reload("?restart=1")
        assert (status, told["restarted"], told["generation"]) == (200, True, 2)
        gateway.until(lambda: not before & set(gateway.workers()))
        visitors.answers(20)
    assert not visitors.failed
    assert outcomes() == {b"fwd=bypass"}


def test_a_token_is_changed_by_the_reload_that_it_authorises(gateway, write, reload):
    write(token=f'["{NEW}"]')
    assert reload(token=NEW)[0] == 401
    status, told = reload(token=OLD)
    assert (status, told["changes"]) == (200, [{"path": "admin.tokens", "old": "***", "new": "(changed)", "effect": "live"}])
    assert [reload(token=token)[0] for token in (OLD, NEW)] == [401, 200]
    assert OLD not in gateway.log()
    assert NEW not in gateway.log()
