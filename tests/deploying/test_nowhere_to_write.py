"""faults.md D8: a read-only file system, no temporary folder, a uid that no password file knows. A container, a pod and a unit are such places."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.elsewhere import SERVE, bare_environment
from tests.support.scripted_origin import answer, ok

UNKNOWN = "54321"
# Every mount is made read-only, in a mount namespace of its own; /dev/null and its like can be written all the same.
READ_ONLY = """
mount --make-rprivate /
for place in $(cut -d ' ' -f 5 /proc/self/mountinfo); do
    mount -o remount,bind,ro "$place" 2> /dev/null
done
for place in / /tmp "$PLACE"; do
    if touch "$place/weft-may-write" 2> /dev/null; then echo "$place can be written" >&2; exit 3; fi
done
exec "$@"
"""
# To read, as the owner of this checkout could; to write, no.
STRANGER = [
    "setpriv",
    "--reuid",
    UNKNOWN,
    "--regid",
    UNKNOWN,
    "--clear-groups",
    "--no-new-privs",
    "--inh-caps=-all,+dac_read_search",
    "--ambient-caps=-all,+dac_read_search",
    "--bounding-set=-all,+dac_read_search",
]


def confined(*command: str) -> list[str]:
    """command, with nothing that it may write and a uid without a name."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "setpriv", "mount"))):
        pytest.skip("needs root, and util-linux")
    return ["unshare", "--mount", "sh", "-c", READ_ONLY, "sh", *STRANGER, *command]


@pytest.fixture
def place(tmp_path) -> dict[str, str]:
    env = bare_environment(HOME="/nonexistent", PYTHONDONTWRITEBYTECODE="1", PLACE=str(tmp_path))
    return {name: value for name, value in env.items() if not name.startswith("COV")}  # there is no place for its figures


def test_it_serves_and_caches_with_nothing_to_write_and_an_unknown_uid(origin, start_elsewhere, place, path):
    origin.script(path, answer(ok(b"hello", b"Cache-Control: max-age=60")))
    gateway = start_elsewhere(confined(*SERVE, "--upstream", origin.url, "--port", "0", "--set", "log.access=text"), place)
    status = [
        line
        for line in Path(f"/proc/{gateway.workers()[0]}/status").read_text("utf-8").splitlines()
        if line[:4] in {"Uid:", "CapE"}
    ]
    assert [line.split()[1] for line in status] == [UNKNOWN, "0000000000000004"]
    for outcome in (b"fwd=uri-miss", b"hit"):
        response = gateway.ask(b"GET %s HTTP/1.1\r\nHost: weft.test\r\nConnection: close\r\n\r\n" % path.encode())
        assert (response.status, response.body) == (200, b"hello")
        assert outcome in dict(response.fields)[b"cache-status"]
    assert "Traceback" not in gateway.log()
    assert "WARN" not in gateway.log().upper()


def test_what_it_may_not_write_is_named(place):
    command = confined(*SERVE, "--upstream", "http://127.0.0.1:1", "--port", "0", "--set", "log.file=/nowhere/access.log")
    done = subprocess.run(command, env=place, cwd="/", capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "log.file: can't be used: /nowhere/access.log" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_weft_check_needs_nothing_to_write_either(place):
    command = confined(*SERVE[:-1], "check", "--upstream", "http://127.0.0.1:1")
    done = subprocess.run(command, env=place, cwd="/", capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
