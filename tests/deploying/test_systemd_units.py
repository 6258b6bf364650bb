"""deploy/systemd: systemd reads the units, what they say fits the defaults, and what they take away is not needed. What is agreed on the notify socket: tests/processes/test_systemd.py.

Nothing here starts a systemd: one that believes to boot a machine empties its temporary folder.
"""

from __future__ import annotations

import mmap
import shutil
import subprocess
import sys

import pytest

from gateway.settings import load
from tests.support.deploy_files import DEPLOY
from tests.support.elsewhere import bare_environment
from tests.support.fleet import get

FOLDER = DEPLOY / "systemd"


def directives(name: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (FOLDER / name).read_text("utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            directive, _, value = line.partition("=")
            found.setdefault(directive, []).append(value)
    return found


SERVICE, SOCKET = directives("weft.service"), directives("weft.socket")
DEFAULTS = load(None, {"WEFT_UPSTREAM__URL": "http://origin:8000"})


@pytest.fixture
def units(tmp_path):
    """The units, with a program that is here."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    text = (FOLDER / "weft.service").read_text("utf-8")
    (tmp_path / "weft.service").write_text(text.replace("/opt/weft/bin/weft", "/bin/true"))
    shutil.copy(FOLDER / "weft.socket", tmp_path)
    return tmp_path


def analyse(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


def test_systemd_knows_every_word_of_them(units):
    done = analyse("verify", "--man=no", units / "weft.service", units / "weft.socket")
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_word_that_systemd_does_not_know_would_be_noticed(units):
    unit = units / "weft.service"
    unit.write_text(unit.read_text().replace("DynamicUser=yes", "DynamicUser=yes\nDynamicUsers=yes"))
    done = analyse("verify", "--man=no", unit)
    assert "DynamicUsers" in done.stderr


def test_little_is_exposed(units):
    """Of ten: what listens on the network can't have less than 1."""
    done = analyse("security", "--offline=true", "--threshold=15", units / "weft.service")
    assert done.returncode == 0, done.stdout[-200:]


def test_systemd_waits_for_as_long_as_a_gateway_drains():
    (limit,) = SERVICE["TimeoutStopSec"]
    assert float(limit) >= DEFAULTS.server.drain_delay + DEFAULTS.server.drain_timeout + 5


def test_the_watchdog_is_more_patient_than_the_gateways_own():
    assert float(SERVICE["WatchdogSec"][0]) >= 5 * DEFAULTS.server.watchdog


def test_there_are_descriptors_for_every_connection():
    needed = DEFAULTS.server.max_connections + 8 * DEFAULTS.upstream.max_connections + 50
    assert int(SERVICE["LimitNOFILE"][0]) >= needed


def test_workers_are_the_parents_business():
    assert SERVICE["KillMode"] == ["mixed"]
    assert SERVICE["OOMPolicy"] == ["continue"]
    assert SERVICE["ExecReload"] == ["/bin/kill -HUP $MAINPID"]


def test_the_socket_is_the_port_of_the_defaults():
    assert SOCKET["ListenStream"] == [str(DEFAULTS.server.port)]
    assert SOCKET["Backlog"] == [str(DEFAULTS.server.backlog)]


def test_the_secret_that_is_handed_over_is_the_one_that_is_read(tmp_path):
    (credential,), (variable,) = SERVICE["LoadCredential"], SERVICE["Environment"]
    name, _, file = variable.partition("=")
    assert file == f"%d/{credential.split(':')[0]}"
    (tmp_path / "purge-tokens").write_text("a-token-of-sixteen-and-more\n")
    settings = load(None, {"WEFT_UPSTREAM__URL": "http://origin:8000", name: file.replace("%d", str(tmp_path))})
    assert len(settings.purge.tokens) == 1


WITHOUT_NEW_CODE = """
import ctypes, mmap, sys
if ctypes.CDLL(None, use_errno=True).prctl(65, 1, 0, 0, 0):  # PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN
    sys.exit("this kernel has no MDWE")
try:
    mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)
except PermissionError:
    from gateway.__main__ import main
    sys.exit(main(sys.argv[1:]))
sys.exit("memory can be written and executed")
"""


def test_it_serves_without_memory_that_can_be_written_and_executed(start_elsewhere, origin, path):
    """MemoryDenyWriteExecute, as the kernel does it since 6.3: no part of ours makes code as it runs."""
    assert SERVICE["MemoryDenyWriteExecute"] == ["yes"]
    assert mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_WRITE | mmap.PROT_EXEC), "here it can be had"
    command = [
        sys.executable,
        "-c",
        WITHOUT_NEW_CODE,
        "serve",
        "--upstream",
        origin.url,
        "--port",
        "0",
        "--set",
        "log.access=text",
    ]
    gateway = start_elsewhere(command, bare_environment())
    assert get(gateway, path).body == f"GET {path}".encode()
