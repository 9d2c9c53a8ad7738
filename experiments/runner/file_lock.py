"""Locks in files, for processes of one host; heartbeats continue during a wait."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from experiments.runner.heartbeat import PreparationHeartbeat

logger = logging.getLogger(__name__)

MAX_NAME_LENGTH = 60


class LockWait:
    """How an attempt waits for another attempt's lock. `name` is shown to those that
    wait for its own; `words` say what it waits for, with {} for the holder's name."""

    def __init__(
        self, heartbeat: PreparationHeartbeat, *, words: str, name: str
    ) -> None:
        self.heartbeat = heartbeat
        self.name = name
        self._words = words

    def turn(self, holder: str) -> None:
        """One look further: says for whom the attempt waits. Raises as
        PreparationHeartbeat.show."""
        self.heartbeat.enter(self._words.format(holder or "another trial"))
        self.heartbeat.show()
        self.heartbeat.wait()


class FileLock:
    """A lock that ends with the process that holds it.

    The file stays: a lock on a file that another process has removed locks nothing.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self, waiting: LockWait) -> None:
        """Wait for an exclusive lock."""
        while not self.try_alone():
            waiting.turn(self._holder())
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"trial {waiting.name}".encode()[:MAX_NAME_LENGTH], 0)

    def share(self, waiting: LockWait) -> None:
        """Wait for a shared lock."""
        while not self._try(fcntl.LOCK_SH):
            waiting.turn(self._holder())

    def try_alone(self) -> bool:
        """Get an exclusive lock if no other process has one now."""
        return self._try(fcntl.LOCK_EX)

    def release(self) -> None:
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._fd)

    def _try(self, kind: int) -> bool:
        try:
            fcntl.flock(self._fd, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _holder(self) -> str:
        text = os.pread(self._fd, MAX_NAME_LENGTH, 0).decode("utf-8", "replace")
        return "".join(letter for letter in text if letter.isprintable())


def in_use_lock(folder: Path) -> Path:
    """The lock that all share who use the folder without changing it."""
    return folder.with_suffix(".use")


@contextmanager
def held(path: Path, waiting: LockWait) -> Iterator[None]:
    """Hold an exclusive lock on a file."""
    lock = FileLock(path)
    try:
        lock.take(waiting)
        yield
    finally:
        lock.close()


@contextmanager
def shared(path: Path, waiting: LockWait) -> Iterator[None]:
    """Hold a shared lock on a file."""
    lock = FileLock(path)
    try:
        lock.share(waiting)
        yield
    finally:
        lock.close()


def removed_alone(folder: Path, remove: Callable[[], bool]) -> bool:
    """Call `remove` under the exclusive lock beside the folder, and return its result.

    False if the lock is in use and, with a warning, if the removal fails.
    """
    lock = FileLock(folder.with_suffix(".lock"))
    try:
        return lock.try_alone() and remove()
    except OSError as problem:
        logger.warning("%s could not be removed: %s", folder, problem)
        return False
    finally:
        lock.close()
