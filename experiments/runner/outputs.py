"""The files that a training process leaves in its outputs folder."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path

from experiments.runner.errors import Refused
from experiments.runner.folder import open_unlinked, size_in_words
from experiments.runner.outcome import AttemptOutcome
from experiments.runner.processes import FileId
from experiments.runner.site import Site

MAX_FILES = 10_000
MAX_DEPTH = 32
MAX_NAMED = 10

# If the runner did not kill the process, a file that changed less than this many
# seconds before the end may be incomplete.
RECENT = 2.0
NANO = 1e9


@dataclass(frozen=True)
class Stamp:
    """Tells a file's content from an earlier one; times in nanoseconds."""

    device: int
    inode: int
    size: int
    modified: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)

    @property
    def file(self) -> FileId:
        return self.device, self.inode


@dataclass(frozen=True)
class OutputFile:
    """A file to keep. `name` is its path below the outputs folder, with slashes.

    `moved`: it got its name after its last byte, as careful writers do.
    """

    name: str
    path: Path
    stamp: Stamp
    moved: bool = False

    @property
    def size(self) -> int:
        return self.stamp.size


@dataclass(frozen=True)
class Collection:
    """The files to upload, and a sentence for each file that is left out."""

    files: tuple[OutputFile, ...]
    left_out: tuple[str, ...]

    def in_words(self, refused: list[str]) -> str:
        """The files that are not kept, and why; "" if all are kept."""
        problems = [*self.left_out, *refused]
        if not problems:
            return ""
        named = "; ".join(problems[:MAX_NAMED])
        more = len(problems) - MAX_NAMED
        return named + (f"; and {more} more" if more > 0 else "")


def collect(folder: Path, *, limit: int) -> Collection:
    """Choose the files to keep: regular ones only, at most `limit` bytes together.

    Links are left out, since one could point at any file of the worker.
    """
    if folder.is_symlink():
        return Collection((), ("outputs is a link",))
    files: list[OutputFile] = []
    left_out: list[str] = []
    room = limit
    for name, path, status in _walk(folder, "", 0):
        problem = _problem(name, status, room=room, count=len(files), limit=limit)
        if problem:
            left_out.append(problem)
            continue
        room -= status.st_size
        moved = status.st_ctime_ns > status.st_mtime_ns
        files.append(OutputFile(name, path, Stamp.of(status), moved))
    return Collection(tuple(files), tuple(left_out))


def upload(file: OutputFile, site: Site, *, whole: bool = True) -> str:
    """Send one file; returns "" or the site's reason for refusing it.

    Raises SiteAway, or StaleAttempt.
    """
    try:
        with open_plain(file) as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
            size = content.seek(0, os.SEEK_END)
            content.seek(0)
            site.send_artifact(
                file.name, sha256=digest, file=content, size=size, whole=whole
            )
    except Refused as problem:
        return f"{file.name} ({problem.words})"
    return ""


def _walk(
    folder: Path, prefix: str, depth: int
) -> Iterator[tuple[str, Path, os.stat_result]]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        # The script has removed it or made it unreadable.
        return
    for entry in entries:
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:
            # Removed meanwhile: training may still run.
            continue
        if stat.S_ISDIR(status.st_mode) and depth < MAX_DEPTH:
            yield from _walk(Path(entry.path), f"{prefix}{entry.name}/", depth + 1)
        else:
            yield prefix + entry.name, Path(entry.path), status


def _problem(
    name: str, status: os.stat_result, *, room: int, count: int, limit: int
) -> str:
    """Why this file is left out; "" when it is kept."""
    if stat.S_ISLNK(status.st_mode):
        return f"{_printable(name)} is a link"
    if not stat.S_ISREG(status.st_mode):
        return f"{_printable(name)} is not a plain file"
    if name != _printable(name):
        return f"{_printable(name)} has characters in its name that cannot be kept"
    sized = f"{name} ({size_in_words(status.st_size)})"
    if count >= MAX_FILES:
        return f"{sized} is beyond the limit of {MAX_FILES:,} files"
    if status.st_size > room:
        return f"{sized} exceeds the limit of {size_in_words(limit)} for all outputs"
    return ""


def _printable(name: str) -> str:
    """Names are bytes on disk; mask what is not text or would disturb a page."""
    text = name.encode("utf-8", "replace").decode("utf-8")
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def open_plain(file: OutputFile) -> io.BufferedReader:
    """Open a file, but nothing through a link that has taken its place, or that of a
    folder above it, meanwhile: the script still runs, and the runner reads more files
    than a trial may."""
    outputs = file.path.parents[file.name.count("/")]
    return open_unlinked(file.path, top=outputs.parent)


def is_partial(
    file: OutputFile,
    outcome: AttemptOutcome,
    *,
    growing: Set[FileId],
    comes_whole: bool,
) -> bool:
    """Whether a part of the file may be missing or old.

    `growing` files are only written at their end, so their content is right. The same
    holds for one that `comes_whole`: it gets its name when all of it is written.
    """
    if not outcome.was_killed or file.stamp.file in growing:
        return False
    if outcome.writing is not None:
        return file.stamp.file in outcome.writing
    return not comes_whole and outcome.ended_at - file.stamp.modified / NANO < RECENT
