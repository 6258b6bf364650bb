"""One worker as the parent sees it, and the fork that makes it."""

from __future__ import annotations

import ctypes
import faulthandler
import logging
import os
import selectors
import signal
import sys
from collections.abc import Callable, Iterable
from time import monotonic

from gateway.processes.channel import Channel
from gateway.processes.pulse import Pulse
from gateway.processes.watch import Waiting, Watch

__all__ = ["DUMP", "Child", "fork"]

logger = logging.getLogger(__name__)

DUMP = signal.SIGUSR2
"""A worker that gets this writes down where it stands, even while its loop is blocked."""

_OURS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGQUIT)
_PR_SET_PDEATHSIG = 1
_MOST_OF_STACKS = 32_768

_LIBC = ctypes.CDLL(None)


class Child:
    """slot: from 1; what metrics and log lines call it. generation: of the settings it was made from. pid: 0 until it is forked."""

    def __init__(self, slot: int, generation: int) -> None:
        self.slot = slot
        self.generation = generation
        self.pid = 0
        self.channel, self.worker_end = Channel.pair()
        self.pulse = Pulse()
        self.dump_read, self.dump_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.started = monotonic()
        self.is_ready = False
        self.has_closed = False
        """It accepts no more."""
        self.cause = ""
        """Why it could not start, as it said itself; lines."""
        self.exit_code: int | None = None
        self.told = (0, 0)
        """(workers up, workers wanted), as it has heard last."""
        self.watch = Watch()
        self.waiting = Waiting()
        self.is_given_up = False
        """It has been killed for its silence; the kernel may take its time."""
        self.dumping_until = 0.0
        """It will be given up; until then it may write down where it stands. Monotonic seconds, 0 when it is not."""
        self.deadline = float("inf")
        """Monotonic seconds at which it is killed, whatever it does."""

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal. It has not been waited for, so the pid is still its own."""
        os.kill(self.pid, number)

    def stacks(self) -> str:
        """What it wrote when asked by DUMP; "" when it is stopped, or had nothing to say yet."""
        try:
            return os.read(self.dump_read, _MOST_OF_STACKS).decode("utf-8", "replace")
        except BlockingIOError:
            return ""

    @property
    def how(self) -> str:
        """How it ended, in words."""
        code = self.exit_code or 0
        return f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"

    def forget(self) -> None:
        """It is gone: give back what it took."""
        self.channel.close()
        self.pulse.close()
        os.close(self.dump_read)


def fork(child: Child, live: Callable[[Child], int], others: Iterable[Child], selector: selectors.BaseSelector) -> None:
    """Make the process; `live` is its whole life, and gives its exit code.

    others: all children that there are; their channels are open in us, and must not be in it, or nobody would see the end of them.
    """
    signal.pthread_sigmask(
        signal.SIG_BLOCK, _OURS
    )  # or one that comes now would be handled by the parent's handlers, in the child
    try:
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        child.pid = os.fork()
        if child.pid == 0:
            _be_born(child, live, others, selector, parent)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _OURS)
    child.worker_end.close()
    os.close(child.dump_write)


def _be_born(
    child: Child, live: Callable[[Child], int], others: Iterable[Child], selector: selectors.BaseSelector, parent: int
) -> None:
    """The child's first steps. Never returns."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in _OURS:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group, and it is the parent who decides
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        if hasattr(_LIBC, "prctl"):  # Linux: nobody shall hold the port without a parent, stopped or blocked ones neither
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        selector.close()
        child.channel.close()
        os.close(child.dump_read)
        for other in others:
            if other is not child:
                other.channel.close()
                os.close(other.dump_read)
        faulthandler.enable()
        faulthandler.register(DUMP, file=child.dump_write, all_threads=True)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _OURS)
        code = live(child)
    except BaseException:
        logger.exception("worker failed", extra={"worker": child.slot})
    finally:
        logging.shutdown()
        os._exit(code)
