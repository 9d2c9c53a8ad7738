"""The runner's signals and its one place to wait; and what the Linux kernel offers to
keep a process tree together (no-ops on other systems)."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import selectors
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

logger = logging.getLogger(__name__)

LINUX = sys.platform.startswith("linux")
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
# Found once here: a freshly forked child should do as little as possible.
_LIBC = ctypes.CDLL(None, use_errno=True) if LINUX else None


class Signals:
    """Counts requests to terminate, and waits.

    Signals arrive as bytes on a socket pair, so one `wait` wakes without polling for a
    signal, for the training process's output and for a call of `wake`.
    """

    def __init__(self) -> None:
        self.terminations = 0
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._reader, selectors.EVENT_READ)

    def install(self) -> None:
        """Handle signals from now on.

        SIGINT is ignored: the supervisor handles Ctrl-C in a terminal. It gets a
        handler rather than SIG_IGN, which the training process would inherit.
        """
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._count)
        for number in (signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, _swallow)

    def wake(self) -> None:
        """End the current or the next `wait`; may be called from any thread."""
        with contextlib.suppress(BlockingIOError):
            self._writer.send(b"\0")

    def wait(self, seconds: float | None) -> list[int]:
        """Wait for a signal, a wake-up or watched files; returns the ready ones, on
        Linux in the order in which they became ready."""
        timeout = None if seconds is None else max(0.0, seconds)
        ready = [key.fd for key, _ in self._selector.select(timeout)]
        if self._reader.fileno() in ready:
            self._drain()
            ready.remove(self._reader.fileno())
        return ready

    @contextlib.contextmanager
    def watching(self, *fds: int) -> Iterator[None]:
        """Have `wait` watch these files too."""
        for fd in fds:
            self._selector.register(fd, selectors.EVENT_READ)
        try:
            yield
        finally:
            for fd in fds:
                self.forget(fd)

    def forget(self, fd: int) -> None:
        """Stop watching this file; does nothing if it is not watched."""
        with contextlib.suppress(KeyError):
            self._selector.unregister(fd)

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._reader.recv(4096):
                pass

    def _count(self, _number: int, _frame: FrameType | None) -> None:
        self.terminations += 1


def _swallow(_number: int, _frame: FrameType | None) -> None:
    """A handler that does nothing: the signal only has to write the wake-up byte."""


def prctl(option: int, value: int | bytes) -> bool:
    """Set an attribute of this process; False if that is not possible."""
    return _LIBC is not None and _LIBC.prctl(option, value, 0, 0, 0) == 0


def die_with_parent(number: signal.Signals) -> bool:
    """Ask for signal `number` when the parent dies; False if that is not possible."""
    return prctl(PR_SET_PDEATHSIG, number)


def adopt_orphans() -> bool:
    """Become the new parent of every descendant that loses its own."""
    return prctl(PR_SET_CHILD_SUBREAPER, 1)


def hide_memory(hidden: bool = True) -> bool:
    """Keep processes of the same user from this one's memory and environment. A copy
    of this process inherits it, a new program does not."""
    return prctl(PR_SET_DUMPABLE, int(not hidden))


def gain_no_rights() -> bool:
    """Gain none from a program with the setuid bit, for good."""
    return prctl(PR_SET_NO_NEW_PRIVS, 1)


def name_process(name: str) -> bool:
    """Set this process's name; at most 15 letters."""
    return prctl(PR_SET_NAME, name.encode())


def prefer_as_memory_victim() -> None:
    """Have the kernel end this process before the worker when memory runs out."""
    if not LINUX:
        return
    # The file is the superuser's as long as the memory is hidden.
    hide_memory(False)
    try:
        Path("/proc/self/oom_score_adj").write_text("500")
    except OSError as problem:
        logger.debug("oom_score_adj was not changed: %s", problem)
    hide_memory()


def parent_is(expected: int) -> bool:
    """Whether the parent is still the one that started us."""
    return os.getppid() == expected
