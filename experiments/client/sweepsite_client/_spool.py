"""Points that wait until the site can be reached."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from typing import Any, BinaryIO

try:
    import fcntl
except ImportError:  # Windows: no runner shares the spool there, so no lock is needed
    fcntl = None  # type: ignore[assignment]

POINTS_AT_ONCE, MAX_IN_MEMORY = 500, 10_000
MAX_SPOOL = 32 << 20

Points = list[dict[str, Any]]


class PointSpool:
    """Waiting points: JSON lines in a file that the runner reads too, or in memory
    without a path or disk space. The sender renames the file first, under a lock."""

    def __init__(self, path: str) -> None:
        self._path, self._own = path, f"{path}.{os.getpid()}.sending"
        self._points: Points = []
        self._unkept: Points = []  # newer than those in the file

    def add(self, points: Points) -> bool:
        """False if some are lost, as too many wait. OSError: all are in memory."""
        self.note(len(points))
        self._unkept += points
        lost = self._unkept[MAX_IN_MEMORY:]
        del self._unkept[MAX_IN_MEMORY:]
        if self._path:
            self._write_unkept()
        return not lost

    def _write_unkept(self) -> None:
        lines = "".join(json.dumps(point) + "\n" for point in self._unkept).encode()
        with locked(f"{self._path}.lock"), open(self._path, "ab", 0) as file:
            if (end := file.tell()) >= MAX_SPOOL:
                return
            if file.write(lines) < len(lines):
                file.truncate(end)  # half a line would spoil the next one
                raise OSError("no room on the disk")
        self.note(-len(self._unkept))
        self._unkept = []

    def note(self, change: int) -> None:
        """Count points that are lost, or only in memory, for the runner: by the size of
        a file, which can grow on a full disk."""
        if self._path and change:
            with contextlib.suppress(OSError), locked(f"{self._path}.client") as file:
                file.truncate(max(0, file.tell() + change))

    def peek(self) -> Points:
        """The oldest points."""
        if not self._points and self._path:
            with contextlib.suppress(OSError):
                if not os.path.exists(self._own):
                    os.stat(self._path)  # usually nothing waits: no lock is needed
                    with locked(f"{self._path}.lock"):
                        os.rename(self._path, self._own)
                self._points = _points_in(self._own)
                if not self._points:
                    os.unlink(self._own)
        in_file = self._points or os.path.exists(self._own)
        return (self._points if in_file else self._unkept)[:POINTS_AT_ONCE]

    def drop(self, count: int) -> None:
        """Remove delivered points; a file only with its last one, so none is lost."""
        waiting = self._points or self._unkept
        del waiting[:count]
        if waiting is self._unkept:
            self.note(-count)
        elif not waiting:
            with contextlib.suppress(OSError):
                os.unlink(self._own)


@contextlib.contextmanager
def locked(path: str) -> Iterator[BinaryIO]:
    with open(path, "ab") as file, contextlib.ExitStack() as stack:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
            stack.callback(fcntl.flock, file, fcntl.LOCK_UN)  # a fork has it open too
        yield file


def _points_in(path: str) -> Points:
    """The points of a spool; an incomplete line is left out."""
    points: Points = []
    with open(path, "rb") as file:
        for line in file:
            with contextlib.suppress(ValueError):
                points.append(json.loads(line.decode("utf-8")))
    return points
