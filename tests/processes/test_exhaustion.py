"""What a process runs out of: file descriptors, and readers of what it prints."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.unblocking import Unblocking
from tests.support.raw_client import RawClient
from tests.support.scripted_origin import ScriptedOrigin, answer, ok

ROOT = Path(__file__).parents[2]
ACTIVATED = str(Path(__file__).with_name("activated.py"))
FEW = 256


def get(path: str) -> bytes:
    return b"GET " + path.encode() + b" HTTP/1.1\r\nHost: exhaustion.test\r\n\r\n"


def test_without_descriptors_accepting_pauses_and_who_is_in_goes_on(serve, origin: ScriptedOrigin, path: str) -> None:
    origin.script(path, answer(ok(b"page", b"Cache-Control: max-age=600")))
    gateway = serve(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (FEW, FEW)))
    gateway.ask(get(path))
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(gateway.connect()) for _ in range(FEW + 44)]
        for client in clients[:100]:
            client.send(get(path))
            assert client.response().body == b"page"
        gateway.until(lambda: gateway.events("accepting pauses"))
        for client in clients[:100]:
            client.send(get(path))
            assert client.response().body == b"page", "who is in does not notice"
        for client in clients[:100]:
            client.close()
        for client in clients[100:]:
            client.send(get(path))
            assert client.response().body == b"page", "who waited is served once others have left"
    assert len(gateway.events("accepting pauses")) == 1, "once, however long it takes"
    assert gateway.events("accepting again")
    assert not gateway.events("worker replaced")
    assert gateway.is_well()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Bound by the test, so that it knows the port without a log."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield listener


@pytest.fixture
def full_pipe() -> Iterator[tuple[int, int]]:
    """A pipe that nobody reads, with room for one page."""
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    yield read, write
    os.close(read)
    os.close(write)


def test_nobody_waits_for_whoever_does_not_read_what_we_print(
    shared_origin: ScriptedOrigin, listener: socket.socket, full_pipe: tuple[int, int], path: str
) -> None:
    """Standard output and standard error are full: requests, restarts and the end go on."""
    number, port = listener.fileno(), listener.getsockname()[1]
    command = [sys.executable, ACTIVATED, str(number), "serve", "--upstream", shared_origin.url, "--set", "log.level=debug"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        pass_fds=(number,),
        stdin=subprocess.DEVNULL,
        stdout=full_pipe[1],
        stderr=full_pipe[1],
    )
    try:
        for round_ in range(3):
            for count in range(60):
                with RawClient(port, timeout=60) as client:
                    client.send(get(f"{path}?{round_}{count}"))
                    assert client.response().status == 200
            before = children(process.pid)
            process.send_signal(signal.SIGHUP)
            deadline = time.monotonic() + 60
            while before & children(process.pid) or not children(process.pid):
                assert time.monotonic() < deadline, "the restart goes on"
                time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def children(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()}


class TestUnblocking:
    @pytest.fixture(params=["pipe", "somebody else's pipe", "socket"])
    def ends(self, request, monkeypatch) -> Iterator[tuple[int, int]]:
        if request.param == "socket":
            one, other = socket.socketpair()
            read, write = one.detach(), other.detach()
        else:
            read, write = os.pipe()
            fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
        if request.param == "somebody else's pipe":

            def refuse(*_: object) -> int:
                raise PermissionError

            monkeypatch.setattr("gateway.unblocking.os.open", refuse)
        yield read, write
        os.close(read)
        os.close(write)

    @pytest.fixture
    def lines_to(self) -> Iterator[Callable[..., Unblocking]]:
        """Unblocking(…), closed with the test."""
        with contextlib.ExitStack() as stack:

            def lines_to(fd: int, **options: int) -> Unblocking:
                return stack.enter_context(contextlib.closing(Unblocking(fd, **options)))

            yield lines_to

    def test_nothing_is_lost_or_cut_while_there_is_room(self, ends: tuple[int, int], lines_to) -> None:
        read, write = ends
        os.set_blocking(read, False)
        out = lines_to(write, backlog=1 << 20)
        lines = [b"%06d %s\n" % (number, b"x" * (number % 300)) for number in range(3000)]
        for line in lines:
            out.write(line)
        assert out.is_behind
        heard = b""
        while out.is_behind or not heard.endswith(lines[-1]):
            with contextlib.suppress(BlockingIOError):
                heard += os.read(read, 65_536)
            out.flush()
        assert heard == b"".join(lines)
        assert out.dropped == 0

    def test_what_has_no_room_is_counted(self, ends: tuple[int, int], lines_to) -> None:
        read, write = ends
        os.set_blocking(read, False)
        out = lines_to(write, backlog=1000)
        sent = 20_000
        for _ in range(sent):
            out.write(b"0123456789abcdef0123456789abcdef\n")
        heard = b""
        while out.is_behind:
            heard += os.read(read, 1 << 20)
            out.flush()
        with contextlib.suppress(BlockingIOError):
            heard += os.read(read, 1 << 20)
        assert out.dropped > 0
        assert heard.count(b"\n") + out.dropped == sent

    def test_others_who_have_it_may_still_wait(self, ends: tuple[int, int], lines_to) -> None:
        lines_to(ends[1]).write(b"x\n")
        assert os.get_blocking(ends[1])

    def test_the_end_is_not_waited_for(self, ends: tuple[int, int], lines_to) -> None:
        out = lines_to(ends[1], backlog=10 << 20)
        for _ in range(40_000):
            out.write(b"0123456789abcdef0123456789abcdef\n")
        out.settle(within=0.01)
        assert out.is_behind

    def test_a_reader_who_is_gone(self, lines_to) -> None:
        read, write = os.pipe()
        os.close(read)
        out = lines_to(write)
        out.write(b"x\n")
        assert (out.dropped, out.is_behind) == (1, False)
        os.close(write)

    def test_a_file_is_appended_to_where_it_stands(self, tmp_path: Path, lines_to) -> None:
        with (tmp_path / "log").open("wb") as file:
            file.write(b"before\n")
            file.flush()
            lines_to(file.fileno()).write(b"after\n")
        assert (tmp_path / "log").read_bytes() == b"before\nafter\n"
