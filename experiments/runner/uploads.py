"""Outputs on their way to the site while training runs, so that a loss costs little.

Only whole files are sent: nobody has them open for writing, they have been still for a
moment, and what is sent is a copy that was checked against both.

A thread that carries outputs to the site while training runs.

Apart from the courier: an upload may take minutes, and signs of life may not wait.

Sends an attempt's log file to the site, chunk by chunk.
"""

from __future__ import annotations

import hashlib
import io
import logging
import math
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from experiments.runner.errors import Refused, SiteAway, SiteError, StaleAttempt
from experiments.runner.folder import AttemptFolder
from experiments.runner.http import Readable
from experiments.runner.outputs import OutputFile, Stamp, collect, open_plain
from experiments.runner.processes import FileId, Writers
from experiments.runner.site import Site

logger = logging.getLogger(__name__)

# A file that is never still is sent after so many looks, if nobody has it open.
MAX_WAITS = 3
PIECE = 1 << 20


@dataclass(frozen=True)
class Snapshot:
    """The copy of a file: its bytes, from the start, their SHA-256, and its stamp."""

    content: Readable
    sha256: str
    stamp: Stamp


class OutputUploads:
    """What the site has of an attempt's outputs. For one thread at a time."""

    def __init__(
        self,
        site: Site,
        *,
        folder: AttemptFolder,
        limit: int,
        written_now: Callable[[], Writers],
    ) -> None:
        self.cancelled = threading.Event()
        self.growing: set[FileId] = set()
        self._site = site
        self._folder = folder
        self._limit = limit
        self._written_now = written_now
        self._at_site: dict[str, Stamp] = {}
        self._refused: dict[str, Stamp] = {}
        self._seen: dict[str, Stamp] = {}
        self._come_whole: set[str] = set()
        self._waits: dict[str, int] = {}

    def has(self, name: str) -> bool:
        """Whether the site has some state of this file."""
        return name in self._at_site

    def is_there(self, file: OutputFile) -> bool:
        """Whether the site has the file as it is now."""
        return self._at_site.get(file.name) == file.stamp

    def note(self, file: OutputFile) -> None:
        """The site has the file, by another way."""
        self._at_site[file.name] = file.stamp

    def comes_whole(self, file: OutputFile) -> bool:
        """Whether the script writes this file under another name and then moves it, as
        it did when another file was seen to take its place.

        Times do not always tell: the kernel's clock stands still for some milliseconds.
        """
        seen = self._seen.get(file.name)
        replaced = seen is not None and seen.file != file.stamp.file
        return file.moved or replaced or file.name in self._come_whole

    def gone(self, files: tuple[OutputFile, ...]) -> list[str]:
        """Names that the site has and the folder has no more."""
        return sorted(set(self._at_site) - {file.name for file in files})

    def forget(self, name: str) -> None:
        """Remove from the site what the script itself has removed. Raises SiteError."""
        self._site.delete_artifact(name)
        del self._at_site[name]
        # What had no room may have some now.
        self._refused.clear()

    def look(self) -> bool:
        """Send what is new and whole; True when a changed file has to wait for that.

        Raises SiteError, or OSError when the worker has no room for the copy.
        """
        files = collect(self._folder.outputs, limit=self._limit).files
        self._come_whole |= {f.name for f in files if self.comes_whole(f)}
        before, self._seen = self._seen, {file.name: file.stamp for file in files}
        for name in self.gone(files):
            if name not in before:
                self.forget(name)
        now = self._written_now()
        self.growing |= now.growing
        waiting = False
        for file in files:
            if self.cancelled.is_set():
                return False
            if self._is_known(file):
                continue
            still = before.get(file.name) == file.stamp
            if not (self._may_go(file, still, now) and self._ship(file, now)):
                self._waits[file.name] = self._waits.get(file.name, 0) + 1
                waiting = True
        return waiting

    def _is_known(self, file: OutputFile) -> bool:
        return self.is_there(file) or self._refused.get(file.name) == file.stamp

    def _may_go(self, file: OutputFile, still: bool, now: Writers) -> bool:
        patient = self._waits.get(file.name, 0) < MAX_WAITS
        return file.stamp.file not in now.changing and (still or not patient)

    def _ship(self, file: OutputFile, before: Writers) -> bool:
        """False when the file was changed while it was copied, or is gone, or when one
        that may have been writing it has ended."""
        copy = self._folder.shipping
        try:
            with copy.open("w+b") as room:
                snapshot = self._copy(file, room, before)
                if snapshot is None:
                    return False
                self._send(file, snapshot)
        finally:
            copy.unlink(missing_ok=True)
        self._waits.pop(file.name, None)
        return True

    def _copy(
        self, file: OutputFile, room: BinaryIO, before: Writers
    ) -> Snapshot | None:
        seen = hashlib.sha256()
        try:
            source = open_plain(file.path)
        except OSError:
            return None
        with source:
            # Another file may have taken its place since the look; that one will do.
            stamp = stamp_of(source)
            while piece := source.read(PIECE):
                seen.update(piece)
                room.write(piece)
            unchanged = stamp_of(source) == stamp
        now = self._written_now()
        if not unchanged or stamp.file in now.changing or not now.tells_of(before):
            return None
        room.seek(0)
        content = Cancellable(room, self.cancelled)
        return Snapshot(content, seen.hexdigest(), stamp)

    def _send(self, file: OutputFile, snapshot: Snapshot) -> None:
        try:
            self._site.send_artifact(
                file.name,
                sha256=snapshot.sha256,
                file=snapshot.content,
                size=snapshot.stamp.size,
            )
        except Refused as problem:
            logger.warning("the site refuses %s: %s", file.name, problem)
            self._refused[file.name] = snapshot.stamp
        else:
            self._at_site[file.name] = snapshot.stamp


class Cancellable:
    """A file that cannot be read any more once its sending is called off."""

    def __init__(self, file: BinaryIO, cancelled: threading.Event) -> None:
        self._file = file
        self._cancelled = cancelled

    def read(self, size: int = -1) -> bytes:
        if self._cancelled.is_set():
            raise SiteAway("the sending was called off")
        return self._file.read(size)


def stamp_of(file: io.BufferedReader) -> Stamp:
    return Stamp.of(os.fstat(file.fileno()))


# In heartbeats: every 20 s with the usual ones.
ROUND = 4
# A round ends when nothing changed waits any more, or after so many looks.
MAX_CHECKS = 10
LOOK_AGAIN = 1.0
# A pause is this many times as long as what it follows: at most a sixth of the time
# goes into uploads, however large the files are and however often they change.
PAUSE_SHARE = 5
# Seconds for an upload that was called off to notice it.
LAST_PATIENCE = 5.0
JOIN_LOOK = 0.1


class UploadThread(threading.Thread):
    """Looks again and again for outputs that are new and whole, and ships them."""

    def __init__(self, uploads: OutputUploads, *, beat_seconds: float) -> None:
        super().__init__(name="porter", daemon=True)
        self._uploads = uploads
        self._every = ROUND * beat_seconds
        self._again = min(LOOK_AGAIN, beat_seconds)
        self._looks = 0
        self._over = threading.Event()

    def run(self) -> None:
        pause = self._every
        while not self._over.wait(pause):
            pause = self._look()

    def finish(self, *, hurried: Callable[[], bool]) -> None:
        """Ship nothing more; what is under way arrives first, unless time presses."""
        self._over.set()
        give_up_at = math.inf
        while self.is_alive() and time.monotonic() < give_up_at:
            if hurried() and not self._uploads.cancelled.is_set():
                self._uploads.cancelled.set()
                give_up_at = time.monotonic() + LAST_PATIENCE
            self.join(JOIN_LOOK)
        self._uploads.cancelled.set()

    def _look(self) -> float:
        """One look; returns the seconds until the next one."""
        started = time.monotonic()
        waits = False
        try:
            waits = self._uploads.look()
        except StaleAttempt:
            # The courier hears of it as well, and it is the one to tell.
            self._over.set()
        except (SiteError, OSError) as problem:
            logger.info("outputs are kept back for now: %s", problem)
        self._looks = self._looks + 1 if waits else 0
        again = 0 < self._looks < MAX_CHECKS
        if not again:
            self._looks = 0
        took = time.monotonic() - started
        return max(self._again if again else self._every, PAUSE_SHARE * took)


MAX_CHUNK = 256 * 1024


class LogUpload:
    """Numbers the chunks of one log; usable from two threads.

    A chunk keeps its bytes until the site has taken it: had it grown before a second
    try, the site could not tell what it has already.
    """

    def __init__(self, path: Path, site: Site) -> None:
        self.dropped = 0
        self._site = site
        self._fd = os.open(path, os.O_RDONLY)
        self._sequence = 0
        self._offset = 0
        self._chunk = b""
        self._guard = threading.Lock()

    def send_next(self) -> bool:
        """Send one chunk; False when there was nothing to send.

        Raises SiteError; the next call then sends the same chunk again.
        """
        with self._guard:
            self._chunk = self._chunk or os.pread(self._fd, MAX_CHUNK, self._offset)
            if not self._chunk:
                return False
            self._deliver(self._chunk)
            self._offset += len(self._chunk)
            self._chunk = b""
            return True

    def close(self) -> None:
        os.close(self._fd)

    def _deliver(self, chunk: bytes) -> None:
        try:
            following = self._site.send_log(self._sequence, chunk)
        except Refused as problem:
            logger.warning("%s bytes of output were refused: %s", len(chunk), problem)
            self.dropped += len(chunk)
            return
        if following <= self._sequence:
            raise SiteAway(f"the site expects log chunk {following} again")
        self._sequence = following
