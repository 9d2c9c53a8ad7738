"""Metric points that the training process could not deliver itself.

The client appends JSON lines to the spool and sends them with its next report. The
runner sends what has waited for long, and everything once the process has ended. The
sender first renames the file, under a lock held only for that moment, so nothing is
lost. If both send a point, the site stores it once.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import logging
import os
import stat
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from experiments.runner.errors import Refused, Stop
from experiments.runner.site import Site

logger = logging.getLogger(__name__)

POINTS_AT_ONCE = 500
MAX_LINE_LENGTH = 16 * 1024
MAX_REFUSED = 20
QUIET_SECONDS = 15.0
MAX_LOCK_SECONDS, LOCK_PAUSE = 2.0, 0.01
NON_FINITE = frozenset({"NaN", "Infinity", "-Infinity"})
MAX_SPOOL, MAX_IN_MEMORY = 32 << 20, 10_000


class SpoolSender:
    """Sends a spool of one attempt, batch by batch; usable from two threads.

    `collected`: its points are the runner's own findings.
    """

    def __init__(self, spool: Path, site: Site, *, collected: bool = False) -> None:
        self.dropped = 0
        # The names among collected points that the script reports itself.
        self.reported: set[str] = set()
        # Why the site refused points, by name; the site has the full account.
        self.refused: dict[str, str] = {}
        self.stop: Stop | None = None
        self._spool = spool
        self._own = spool.with_name(f"{spool.name}.runner.sending")
        self._site = site
        self._collected = collected
        self._offset = 0
        self._current: Path | None = None
        self._guard = threading.Lock()

    def send_forgotten(self) -> None:
        """While training runs: send what the client has not touched for a while.

        Raises SiteError; the points stay in the spool.
        """
        with self._guard:
            if self._current is None and _is_quiet(self._spool):
                with _locked(self._spool, seconds=0) as is_free:
                    if is_free:
                        self._claim()
            if self._current is not None:
                self._send_batch(self._current)

    def send_next(self) -> bool:
        """Send one batch, whoever may still write; False when nothing is left.

        Raises SiteError; the same batch is then sent again by the next call.
        """
        with self._guard:
            if self._current is None:
                self._current = self._oldest()
            if self._current is None and self._spool.exists():
                # Who keeps it for longer does not write.
                with _locked(self._spool, seconds=MAX_LOCK_SECONDS):
                    self._claim()
            if self._current is None:
                return False
            self._send_batch(self._current)
            return True

    def _oldest(self) -> Path | None:
        """A file that a client or the runner had begun to send."""
        found = self._spool.parent.glob(f"{self._spool.name}.*.sending")
        return min(found, default=None, key=lambda path: path.stat().st_mtime)

    def _claim(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.rename(self._spool, self._own)
            self._current = self._own

    def _send_batch(self, path: Path) -> None:
        with path.open("rb") as file:
            file.seek(self._offset)
            points, ended = self._read_points(file)
            reached = file.tell()
        if points:
            self._deliver(points)
        self._offset = reached
        if ended:
            path.unlink()
            self._current, self._offset = None, 0

    def _read_points(self, file: BinaryIO) -> tuple[list[dict[str, object]], bool]:
        points: list[dict[str, object]] = []
        for _ in range(POINTS_AT_ONCE):
            line = file.readline(MAX_LINE_LENGTH)
            if not line:
                return points, True
            if point := _point(line):
                points.append(point)
            elif line.strip():
                self.dropped += 1
        return points, False

    def _deliver(self, points: Sequence[Mapping[str, object]]) -> None:
        try:
            reply = self._site.send_points(points, collected=self._collected)
        except Refused as problem:
            logger.warning("%d spooled points were refused: %s", len(points), problem)
            self.dropped += len(points)
            return
        self.stop = reply.stop or self.stop
        self.reported |= set(reply.reported)
        room = MAX_REFUSED - len(self.refused)
        self.refused |= dict(islice(reply.refused.items(), room))


class SpoolWriter:
    """Adds the runner's own points to a spool; what the disk does not take waits in
    memory."""

    def __init__(self, spool: Path) -> None:
        self._lost = 0
        self._spool = spool
        self._waiting: list[str] = []

    @property
    def lost(self) -> int:
        """Points that are not in the spool now."""
        return self._lost + len(self._waiting)

    def add(self, points: Iterable[Mapping[str, object]]) -> None:
        self._waiting += (json.dumps(point) + "\n" for point in points)
        try:
            with _locked(self._spool, seconds=MAX_LOCK_SECONDS):
                self._write()
        except OSError as problem:
            logger.warning("collected points wait in memory: %s", problem)
        self._lost += len(self._waiting[MAX_IN_MEMORY:])
        del self._waiting[MAX_IN_MEMORY:]

    def _write(self) -> None:
        data = "".join(self._waiting).encode()
        with _own_file(self._spool) as file:
            end = file.seek(0, os.SEEK_END)
            if end + len(data) > MAX_SPOOL:
                raise OSError("too many points wait")
            if file.write(data) < len(data):
                # Half a line would spoil the next one.
                file.truncate(end)
                raise OSError("no room on the disk")
        self._waiting.clear()


def _own_file(path: Path) -> io.FileIO:
    """Open it to add to it. The script can write in its folder: a link, a pipe or
    another name of a file elsewhere is an OSError."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
    file = io.FileIO(os.open(path, flags, 0o600), "ab")
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        file.close()
        raise OSError(f"{path} is not a plain file")
    return file


@contextlib.contextmanager
def _locked(spool: Path, *, seconds: float) -> Iterator[bool]:
    """The lock that the client takes too; both hold it only for microseconds. False:
    somebody keeps it, such as a fork of a process that was killed just then."""
    lock = os.open(f"{spool}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield _take(lock, seconds=seconds)
        # Closing alone would not free it, if there was a fork meanwhile.
        fcntl.flock(lock, fcntl.LOCK_UN)
    finally:
        os.close(lock)


def _take(lock: int, *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(LOCK_PAUSE)


def _is_quiet(spool: Path) -> bool:
    try:
        # If the clock was set back, the file's time is in the future.
        return abs(time.time() - spool.stat().st_mtime) > QUIET_SECONDS
    except FileNotFoundError:
        return False


def _point(line: bytes) -> dict[str, object] | None:
    """One point, or None for a line that is not one. NaN literals become texts."""
    try:
        point = json.loads(line, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    if not isinstance(point, dict) or not isinstance(point.get("name"), str):
        return None
    if not isinstance(point.get("step"), int) or not _is_value(point.get("value")):
        return None
    return {
        key: point[key] for key in ("name", "step", "value", "time") if key in point
    }


def _is_value(value: object) -> bool:
    return value in NON_FINITE if isinstance(value, str) else _is_number(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
