"""The folder of one attempt on the worker's disk, and sizes in words."""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

logger = logging.getLogger(__name__)

# A socket's path has at most 107 characters; multiprocessing's add 32 to the folder's.
MAX_SCRATCH_LENGTH = 70

# To open a folder for what is in it, without the right to list it.
PASSED = os.O_DIRECTORY | getattr(os, "O_PATH", os.O_RDONLY)

UNITS = ("bytes", "kB", "MB", "GB", "TB")


class Inside:
    """A path in an attempt's folder."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, folder: AttemptFolder, owner: object) -> Path:
        return folder.root / self._name


@dataclass(frozen=True)
class AttemptFolder:
    """`<home>/attempts/<attempt>/` and the names inside it."""

    root: Path

    # The training process's working folder, with the code's copy.
    work = Inside("work")
    # Files in here are kept as artifacts.
    outputs = Inside("work/outputs")
    # The outputs of an earlier attempt, read-only.
    resume = Inside("resume")
    # The copy of an output during its upload.
    shipping = Inside("shipping")
    # Programs that come first on the training process's PATH.
    programs = Inside("bin")
    log = Inside("log")
    # How the training ended, until the site knows it.
    end = Inside("end.json")
    # What the training process and the runner write for each other.
    notes = Inside("notes")
    # Reports that the training process could not deliver, as JSON lines.
    spool = Inside("notes/spool.jsonl")
    # Points that were collected, or that stand-ins report, as JSON lines.
    collected = Inside("notes/collected.jsonl")
    # Exists once the script has used the client, which notices a stop request. Its size
    # is the number of points that the client could neither send nor keep.
    client = Inside("notes/spool.jsonl.client")
    # Written by the client when it sees a stop request: the reason, or an empty line if
    # the script continues anyway.
    stop_seen = Inside("notes/spool.jsonl.seen")
    # Written by the runner when it asks the training process to stop.
    stop = Inside("notes/spool.jsonl.stop")

    @classmethod
    def of(cls, home: Path, attempt: str) -> AttemptFolder:
        return cls(home.absolute() / "attempts" / attempt)

    @property
    def scratch(self) -> Path:
        """For temporary files. Sockets in it need a short path."""
        inside = self.root / "tmp"
        if len(os.fsencode(inside)) <= MAX_SCRATCH_LENGTH:
            return inside
        name = hashlib.sha256(os.fsencode(self.root.parent)).hexdigest()[:12]
        return Path(tempfile.gettempdir(), f"sweepsite-trials-{name}", self.root.name)

    def lost_points(self) -> int:
        """How many points are lost, now that the training has ended."""
        try:
            return self.client.stat().st_size
        except FileNotFoundError:
            return 0

    def touch(self) -> None:
        """Mark it as in use: the cleanup removes old folders, and a training may run
        for weeks without a new file in here."""
        with contextlib.suppress(OSError):
            os.utime(self.root)

    def create(self) -> None:
        """Make the folder anew, without what an earlier try left in it."""
        self.remove()
        for folder in (self.work, self.notes, self.scratch):
            folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.mkdir()
        self.root.chmod(0o700)
        status = self.scratch.parent.lstat()
        if stat.S_ISLNK(status.st_mode) or status.st_uid != os.getuid():
            raise PermissionError(f"{self.scratch.parent} belongs to another user")

    def remove(self) -> None:
        """Remove the folder. Raises OSError for what belongs to another user."""
        for folder in {self.root, self.scratch}:
            _remove(folder)

    def discard(self) -> None:
        """Remove the folder as far as possible."""
        try:
            self.remove()
        except OSError as problem:
            logger.warning("%s could not be removed: %s", self.root, problem)


def kept_ends(home: Path) -> list[AttemptFolder]:
    """The attempts that have ended on this worker, and whose end the site may not know
    yet."""
    found = home.absolute().glob("attempts/*/end.json")
    return [AttemptFolder(path.parent) for path in found]


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except PermissionError:
        # A script may leave folders without permissions.
        _permit(folder)
        shutil.rmtree(folder)


def _permit(folder: Path) -> None:
    """Give the owner every right to a folder and the folders in it."""
    folder.chmod(stat.S_IRWXU)
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _permit(Path(entry.path))


def open_unlinked(path: Path, *, top: Path) -> io.BufferedReader:
    """Open a file below `top`. Raises OSError if a link is on the way."""
    *folders, name = path.relative_to(top).parts
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    place = os.open(top, PASSED)
    try:
        for folder in folders:
            inside = os.open(folder, PASSED | os.O_NOFOLLOW, dir_fd=place)
            os.close(place)
            place = inside
        return open(os.open(name, flags, dir_fd=place), "rb")
    finally:
        os.close(place)


def size_in_words(count: int) -> str:
    """A number of bytes in words: "812 bytes", "64 kB", "3.2 MB"."""
    size = float(count)
    unit = 0
    while size >= 1000 and unit < len(UNITS) - 1:
        size /= 1000
        unit += 1
    if unit == 0:
        return "1 byte" if count == 1 else f"{count} bytes"
    digits = f"{size:.1f}".removesuffix(".0")
    return f"{digits} {UNITS[unit]}"
