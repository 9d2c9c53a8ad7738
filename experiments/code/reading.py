"""Reading and comparing stored code as text. Files are anybody's, so all is bounded."""

from __future__ import annotations

import difflib
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from experiments import storage
from experiments.models import CodeSnapshot

MAX_BYTES, MAX_LINES = 1_000_000, 5_000
MAX_LINE_LENGTH = 1_000
# Comparing takes the square of this, in the worst case some seconds.
MAX_COMPARED_LINES = 2_000
MAX_DIFFERENCE_LINES = 5_000
MAX_CHANGED_FILES = 200
# For all files of a page; the file that passes this is still finished.
MAX_SECONDS = 5.0
TOO_MUCH = "left out, as there is too much"
TOO_LONG = f"not compared: all files together took longer than {MAX_SECONDS:g} seconds"
BINARY = "not a text"


@dataclass(frozen=True)
class SourceFile:
    """``note``: what is left out, and why. ``count``: all of its lines."""

    path: str
    lines: Sequence[str]
    count: int = 0
    note: str = ""


@dataclass(frozen=True)
class FileDifference:
    """``kind``: added, removed or changed. ``lines`` as difflib writes them."""

    path: str
    kind: str
    lines: Sequence[str] = ()
    note: str = ""

    @property
    def marked(self) -> list[tuple[str, str]]:
        """Each line with its kind: added, removed, place or same."""
        kinds = {"+": "added", "-": "removed", "@": "place"}
        return [(kinds.get(line[:1], "same"), line) for line in self.lines]


def source_file(snapshot: CodeSnapshot, path: str) -> SourceFile | None:
    """A file of the snapshot; None if it has no such file."""
    if path not in {file["path"] for file in snapshot.files}:
        return None
    with _archive(snapshot) as archive:
        lines, note = _text(archive, path)
    shown = [line[:MAX_LINE_LENGTH] for line in lines[:MAX_LINES]]
    if len(shown) < len(lines):
        note = f"the first {MAX_LINES:,} of {len(lines):,} lines are shown"
    elif any(len(line) > MAX_LINE_LENGTH for line in lines):
        note = f"lines are cut after {MAX_LINE_LENGTH:,} characters"
    return SourceFile(path, shown, len(lines), note)


def source_text(snapshot: CodeSnapshot, path: str) -> str:
    """The whole text of a file of the snapshot; empty for what is not a text."""
    with _archive(snapshot) as archive:
        return "\n".join(_text(archive, path)[0])


def differences(
    before: CodeSnapshot, after: CodeSnapshot
) -> tuple[list[FileDifference], int]:
    """The files that differ, by path; and how many more there are beyond a limit."""
    with _archive(before) as old, _archive(after) as new:
        marks = _marks(old), _marks(new)
        paths = sorted(
            path
            for path in {*marks[0], *marks[1]}
            if marks[0].get(path) != marks[1].get(path)
        )
        shown = paths[:MAX_CHANGED_FILES]
        return list(_compared(old, new, shown)), len(paths) - len(shown)


def _compared(
    old: zipfile.ZipFile, new: zipfile.ZipFile, paths: Sequence[str]
) -> Iterator[FileDifference]:
    names = set(old.namelist()), set(new.namelist())
    room, started = MAX_DIFFERENCE_LINES, time.monotonic()
    for path in paths:
        kind = "changed"
        if path not in names[0] or path not in names[1]:
            kind = "removed" if path in names[0] else "added"
        is_late = time.monotonic() - started > MAX_SECONDS
        if room <= 0 or is_late:
            yield FileDifference(path, kind, note=TOO_LONG if is_late else TOO_MUCH)
            continue
        texts = [_text(each, path) for each in (old, new)]
        note = next((note for _, note in texts if note), "")
        if any(len(lines) > MAX_COMPARED_LINES for lines, _ in texts):
            note = f"more than {MAX_COMPARED_LINES:,} lines, which are not compared"
        lines = () if note else _unified(texts[0][0], texts[1][0], room)
        room -= len(lines)
        yield FileDifference(path, kind, lines, note)


def _unified(before: Sequence[str], after: Sequence[str], room: int) -> list[str]:
    """Without the two lines that name the files."""
    found = difflib.unified_diff(before, after, lineterm="")
    return [line[:MAX_LINE_LENGTH] for line in islice(found, 2, room + 2)]


def _archive(snapshot: CodeSnapshot) -> zipfile.ZipFile:
    return zipfile.ZipFile(storage.code_path(snapshot.digest))


def _marks(archive: zipfile.ZipFile) -> Mapping[str, tuple[int, int]]:
    return {info.filename: (info.file_size, info.CRC) for info in archive.infolist()}


def _text(archive: zipfile.ZipFile, path: str) -> tuple[list[str], str]:
    """The lines, or why there are none. A file that is not there is empty."""
    try:
        info = archive.getinfo(path)
    except KeyError:
        return [], ""
    if info.file_size > MAX_BYTES:
        return [], f"too large to show: {info.file_size:,} bytes"
    content = archive.read(path)
    if b"\0" in content:
        return [], BINARY
    try:
        return content.decode("utf-8-sig").splitlines(), ""
    except UnicodeDecodeError:
        return [], BINARY
