"""Signals of the runner, and its one place to wait.

Signals arrive as bytes on a socket pair, so one `wait` wakes for a signal, for output
of the training process and for the courier's news alike, without polling.
"""

from __future__ import annotations

import contextlib
import selectors
import signal
import socket
from collections.abc import Iterator
from types import FrameType


class Signals:
    """Counts what the worker asks for, and waits."""

    def __init__(self) -> None:
        self.terminations = 0
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._reader, selectors.EVENT_READ)

    def install(self) -> None:
        """Handle signals from here on.

        SIGINT is swallowed: Ctrl-C in a terminal is the top supervisor's business. It
        gets a handler rather than SIG_IGN, which the training process would inherit.
        """
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._count)
        for number in (signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, _swallow)

    def wake(self) -> None:
        """End the present or the next `wait`; may be called from any thread."""
        with contextlib.suppress(BlockingIOError):
            self._writer.send(b"\0")

    def wait(self, seconds: float | None) -> set[int]:
        """Wait for a signal, a wake-up or watched files; returns the ready ones."""
        patience = None if seconds is None else max(0.0, seconds)
        ready = {key.fd for key, _ in self._selector.select(patience)}
        if self._reader.fileno() in ready:
            self._drain()
            ready.discard(self._reader.fileno())
        return ready

    @contextlib.contextmanager
    def watching(self, fd: int) -> Iterator[None]:
        """Have `wait` look at this file too."""
        self._selector.register(fd, selectors.EVENT_READ)
        try:
            yield
        finally:
            self.forget(fd)

    def forget(self, fd: int) -> None:
        """Stop looking at this file; harmless when it is not watched."""
        with contextlib.suppress(KeyError):
            self._selector.unregister(fd)

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._reader.recv(4096):
                pass

    def _count(self, _number: int, _frame: FrameType | None) -> None:
        self.terminations += 1


def _swallow(_number: int, _frame: FrameType | None) -> None:
    """A handler that only lets the wake-up byte be written."""
