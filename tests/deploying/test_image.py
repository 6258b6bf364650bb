"""The Dockerfile. No image is built here; what its steps name is there, and what it runs does what it is for."""

from __future__ import annotations

import fnmatch
import json
import re
import subprocess
import sys

import pytest

from gateway.settings import load
from tests.support.deploy_files import ROOT, check_settings, dockerfile, image_environment
from tests.support.redis_server import free_port


def of(instruction: str) -> list[str]:
    return [words for each, words in dockerfile() if each == instruction]


def is_sent_to_the_builder(name: str) -> bool:
    """By .dockerignore, as far as ours goes: the last line that matches decides."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            pattern = line.removeprefix("!")
            if fnmatch.fnmatch(name, pattern) or name.startswith(f"{pattern}/"):
                sent = line.startswith("!")
    return sent


def test_what_is_copied_is_there_and_is_sent_to_the_builder():
    copied = [source for words in of("COPY") if not words.startswith("--from") for source in words.split()[:-1]]
    assert {"gateway", "fragments", "profiles", "locks/base.txt"} <= set(copied)
    assert not [source for source in copied if not (ROOT / source).exists() or not is_sent_to_the_builder(source)]
    assert not is_sent_to_the_builder("tests")
    assert not is_sent_to_the_builder(".git")


def test_it_runs_as_nobody_in_particular_and_names_itself_by_number():
    """Kubernetes can tell that a user is not root by a number only."""
    (user,) = of("USER")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    steps = [instruction for instruction, _ in dockerfile()]
    assert steps.index("USER") < steps.index("ENTRYPOINT")


def test_the_last_stage_installs_nothing():
    steps = dockerfile()
    last = max(index for index, (instruction, _) in enumerate(steps) if instruction == "FROM")
    ran = " ".join(words for instruction, words in steps[last:] if instruction == "RUN")
    assert "weft check" in ran
    assert not re.search(r"\b(apt-get|pip|gcc|curl)\b", ran)


def test_the_gateway_would_start_with_what_the_image_sets():
    (words,) = [words for words in of("RUN") if "weft check" in words]
    given = dict(re.findall(r"(WEFT_\w+)=(\S+)", words))
    environment = image_environment()
    done = check_settings({**environment, **given})
    assert done.returncode == 0, done.stderr
    server = load(None, {**environment, **given}).server
    assert (server.host, str(server.port)) == ("0.0.0.0", of("EXPOSE")[0])


def test_it_is_stopped_by_the_signal_that_drains():
    assert of("STOPSIGNAL") == ["SIGTERM"]
    assert json.loads(of("ENTRYPOINT")[0]) + json.loads(of("CMD")[0]) == ["weft", "serve"]


@pytest.fixture
def health_check():
    """The command of HEALTHCHECK; its exit code for a port."""
    (words,) = of("HEALTHCHECK")
    program, *arguments = json.loads(words.partition(" CMD ")[2])
    assert program == "python"

    def check(port: int) -> int:
        env = {**image_environment(), "WEFT_SERVER__PORT": str(port)}
        return subprocess.run([sys.executable, *arguments], env=env, capture_output=True, timeout=30, check=False).returncode

    return check


def test_the_health_check_passes_while_the_gateway_is_well(gateway, health_check):
    assert health_check(gateway.port) == 0


def test_the_health_check_fails_where_nobody_listens(health_check):
    assert health_check(free_port()) == 1


def test_the_health_check_fails_on_an_answer_that_is_not_200(origin, health_check):
    """The scripted origin answers everything, this path too: with another status here."""
    origin.script(
        "/_weft/health/live", lambda peer, _: peer.send(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
    )
    assert health_check(int(origin.url.rpartition(":")[2])) == 1


def test_the_sums_of_times_in_its_comment_are_right():
    """docker stop --time: what the gateway takes at its defaults, and 5 s for the process to go."""
    server = load(None, {"WEFT_UPSTREAM__URL": "http://origin:8000"}).server
    text = (ROOT / "Dockerfile").read_text("utf-8")
    assert f"docker stop --time {server.drain_delay + server.drain_timeout + 5:.0f}" in text
