"""Uploads outputs and the log while training runs, so that a lost worker costs little.

Only whole files are sent: no process has them open for writing, they did not change for
a moment, and what is sent is a copy that was checked against both.
"""

from __future__ import annotations

import hashlib
import io
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from experiments.runner.errors import Refused, SiteAway, SiteError, StaleAttempt
from experiments.runner.folder import AttemptFolder
from experiments.runner.http import Readable
from experiments.runner.log_marks import plain
from experiments.runner.outputs import OutputFile, Stamp, collect, open_plain
from experiments.runner.processes import FileId, Writers
from experiments.runner.site import Site

logger = logging.getLogger(__name__)

# A file that always changes is sent after this many checks, if no process has it open.
MAX_WAITS = 3
PIECE = 1 << 20

# In heartbeats: every 20 s with the usual ones.
ROUND_BEATS = 4
# A round ends when no changed file waits any more, or after this many checks.
MAX_CHECKS = 10
CHECK_AGAIN_SECONDS = 1.0
# A pause is this many times as long as the check before it, so that uploads take at
# most a sixth of the time, however large the files are and however often they change.
PAUSE_SHARE = 5
# Seconds for a cancelled upload to notice it.
MAX_CANCEL_SECONDS = 5.0
JOIN_SECONDS = 0.1

MAX_CHUNK = 256 * 1024


@dataclass(frozen=True)
class Snapshot:
    """The copy of a file: its bytes, from the start, their SHA-256, and its stamp."""

    content: Readable
    sha256: str
    stamp: Stamp


class OutputUploads:
    """Uploads an attempt's outputs and knows which the site has. Not thread-safe."""

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
        """Whether the site has any version of this file."""
        return name in self._at_site

    def is_there(self, file: OutputFile) -> bool:
        """Whether the site has the file's current version."""
        return self._at_site.get(file.name) == file.stamp

    def at_site(self) -> dict[str, Stamp]:
        """The outputs that the site has."""
        return dict(self._at_site)

    def restore(self, at_site: Mapping[str, Stamp]) -> None:
        """Continue with what an earlier process has uploaded."""
        self._at_site = dict(at_site)

    def note(self, file: OutputFile) -> None:
        """The site has got the file in another way."""
        self._at_site[file.name] = file.stamp

    def comes_whole(self, file: OutputFile) -> bool:
        """Whether the script writes this file under another name and then moves it.

        The kernel's file times have steps of some milliseconds, so a file that replaced
        another one counts as well.
        """
        seen = self._seen.get(file.name)
        replaced = seen is not None and seen.file != file.stamp.file
        return file.moved or replaced or file.name in self._come_whole

    def gone(self, files: tuple[OutputFile, ...]) -> list[str]:
        """Names that the site has and the folder no longer has."""
        return sorted(set(self._at_site) - {file.name for file in files})

    def forget(self, name: str) -> None:
        """Remove from the site what the script has removed. Raises SiteError."""
        self._site.delete_artifact(name)
        del self._at_site[name]
        # There may be room now for what was refused.
        self._refused.clear()

    def check(self) -> bool:
        """Send what is new and whole; True if a changed file has to wait.

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
            unchanged = before.get(file.name) == file.stamp
            may_go = self._may_go(file, unchanged=unchanged, now=now)
            if not (may_go and self._upload(file, now)):
                self._waits[file.name] = self._waits.get(file.name, 0) + 1
                waiting = True
        return waiting

    def _is_known(self, file: OutputFile) -> bool:
        return self.is_there(file) or self._refused.get(file.name) == file.stamp

    def _may_go(self, file: OutputFile, *, unchanged: bool, now: Writers) -> bool:
        waited = self._waits.get(file.name, 0) >= MAX_WAITS
        return file.stamp.file not in now.changing and (unchanged or waited)

    def _upload(self, file: OutputFile, before: Writers) -> bool:
        """False if the file has gone or changed during the copy, or if a process that
        may have been writing it has ended."""
        copy = self._folder.shipping
        try:
            with copy.open("w+b") as target:
                snapshot = self._copy(file, target, before)
                if snapshot is None:
                    return False
                self._send(file, snapshot)
        finally:
            copy.unlink(missing_ok=True)
        self._waits.pop(file.name, None)
        return True

    def _copy(
        self, file: OutputFile, target: BinaryIO, before: Writers
    ) -> Snapshot | None:
        seen = hashlib.sha256()
        try:
            source = open_plain(file)
        except OSError:
            return None
        with source:
            # If another file has taken its place, send that one.
            stamp = stamp_of(source)
            while piece := source.read(PIECE):
                seen.update(piece)
                target.write(piece)
            unchanged = stamp_of(source) == stamp
        now = self._written_now()
        if not unchanged or stamp.file in now.changing or not now.covers(before):
            return None
        target.seek(0)
        content = Cancellable(target, self.cancelled)
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
    """A file that cannot be read any more once its upload is cancelled."""

    def __init__(self, file: BinaryIO, cancelled: threading.Event) -> None:
        self._file = file
        self._cancelled = cancelled

    def read(self, size: int = -1) -> bytes:
        if self._cancelled.is_set():
            raise SiteAway("the upload was cancelled")
        return self._file.read(size)


def stamp_of(file: io.BufferedReader) -> Stamp:
    return Stamp.of(os.fstat(file.fileno()))


class UploadThread(threading.Thread):
    """Uploads outputs that are new and whole, again and again.

    Apart from the heartbeat's thread: an upload may take minutes.
    """

    def __init__(self, uploads: OutputUploads, *, beat_seconds: float) -> None:
        super().__init__(name="uploads", daemon=True)
        self._uploads = uploads
        self._every = ROUND_BEATS * beat_seconds
        self._again = min(CHECK_AGAIN_SECONDS, beat_seconds)
        self._checks = 0
        self._over = threading.Event()

    def run(self) -> None:
        pause = self._every
        while not self._over.wait(pause):
            pause = self._check()

    def finish(self, *, hurried: Callable[[], bool]) -> None:
        """Start no more uploads; wait for the current one, unless `hurried`."""
        self._over.set()
        give_up_at = math.inf
        while self.is_alive() and time.monotonic() < give_up_at:
            if hurried() and not self._uploads.cancelled.is_set():
                self._uploads.cancelled.set()
                give_up_at = time.monotonic() + MAX_CANCEL_SECONDS
            self.join(JOIN_SECONDS)
        self._uploads.cancelled.set()

    def _check(self) -> float:
        """Check once; returns the seconds until the next check."""
        started = time.monotonic()
        waits = False
        try:
            waits = self._uploads.check()
        except StaleAttempt:
            # The heartbeat gets the same answer and ends the attempt.
            self._over.set()
        except (SiteError, OSError) as problem:
            logger.info("outputs wait for now: %s", problem)
        self._checks = self._checks + 1 if waits else 0
        again = 0 < self._checks < MAX_CHECKS
        if not again:
            self._checks = 0
        took = time.monotonic() - started
        return max(self._again if again else self._every, PAUSE_SHARE * took)


class LogUpload:
    """Sends the chunks of one log, numbered; usable from two threads.

    A chunk keeps its bytes until the site has stored it: if it grew before a second
    try, the site could not tell which bytes it already has.
    """

    def __init__(self, path: Path, site: Site) -> None:
        # Bytes of output that the site refused, and why.
        self.lost = 0
        self.problem = ""
        self._site = site
        self._fd = os.open(path, os.O_RDONLY)
        self._sequence = 0
        self._offset = 0
        self._refused = 0
        self._chunk = b""
        self._guard = threading.Lock()

    def send_next(self) -> bool:
        """Send one chunk; False if there was nothing to send.

        Raises SiteError; the next call then sends the same chunk again.
        """
        with self._guard:
            self._chunk = self._chunk or os.pread(self._fd, MAX_CHUNK, self._offset)
            if not self._chunk:
                return False
            self._deliver(self._chunk)
            self._chunk = b""
            return True

    def close(self) -> None:
        os.close(self._fd)

    def _deliver(self, chunk: bytes) -> None:
        try:
            stored = self._site.send_log(self._sequence, chunk)
        except Refused as problem:
            logger.warning("%s bytes of output were refused: %s", len(chunk), problem)
            self.lost += len(plain(chunk))
            self.problem = problem.words
            self._refused += len(chunk)
            self._offset += len(chunk)
            return
        if stored.chunks <= self._sequence:
            raise SiteAway(f"the site expects log chunk {stored.chunks} again")
        # The site may have the chunk, or more, from an earlier process of this attempt.
        self._offset = stored.size + self._refused
        self._sequence = stored.chunks
