"""One at a time on a host: a lock in a file, waited for with signs of life."""

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
    """How an attempt waits for another one's lock, and under which name it holds its
    own. `words` tell what it waits for, with {} for the holder's name."""

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
    """A lock that goes with the process that holds it, however that ends.

    The file stays behind, for a lock on a file that somebody else has removed locks
    nothing.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self, waiting: LockWait) -> None:
        """Hold it alone."""
        while not self.try_alone():
            waiting.turn(self._holder())
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"trial {waiting.name}".encode()[:MAX_NAME_LENGTH], 0)

    def share(self, waiting: LockWait) -> None:
        """Hold it together with others that share it."""
        while not self._try(fcntl.LOCK_SH):
            waiting.turn(self._holder())

    def try_alone(self) -> bool:
        """Hold it alone if nobody else holds it now."""
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
    """The lock that everybody shares who uses the folder without changing it."""
    return folder.with_suffix(".use")


@contextmanager
def held(path: Path, waiting: LockWait) -> Iterator[None]:
    """Hold a file's lock alone meanwhile."""
    lock = FileLock(path)
    try:
        lock.take(waiting)
        yield
    finally:
        lock.close()


@contextmanager
def shared(path: Path, waiting: LockWait) -> Iterator[None]:
    """Hold a file's lock together with others meanwhile."""
    lock = FileLock(path)
    try:
        lock.share(waiting)
        yield
    finally:
        lock.close()


def removed_alone(folder: Path, remove: Callable[[], bool]) -> bool:
    """What `remove` answers while nobody uses the folder, whose lock stands beside it.

    False where somebody does, and with a warning where it cannot be removed.
    """
    lock = FileLock(folder.with_suffix(".lock"))
    try:
        return lock.try_alone() and remove()
    except OSError as problem:
        logger.warning("%s could not be removed: %s", folder, problem)
        return False
    finally:
        lock.close()
