"""Files of the data folder, copied into a backup and back, with their checksums."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from experiments.backup.rows import BackupError, Progress

# What the site cannot make again. Recordings only copy what is in the database, and
# the rest of the folder belongs to processes.
KEPT = ("secret_key", "store")
LEFT_OUT = "store/recordings/"
# Files that are written at this moment.
PARTIAL = ".part-"
BLOCK = 1 << 20


class FileFacts(NamedTuple):
    """Of a file in a backup; ``changed`` in nanoseconds since 1970."""

    size: int
    sha256: str
    changed: int


def kept_files(home: Path) -> dict[str, os.stat_result]:
    """What a backup has of the data folder, by path in it."""
    found = {}
    for path in _walk(home):
        name = path.relative_to(home).as_posix()
        if path.name.startswith(PARTIAL) or name.startswith(LEFT_OUT):
            continue
        # It may have been deleted since.
        try:
            found[name] = path.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
    return found


def is_kept(name: str) -> bool:
    """Whether a backup may name this path: one that leads elsewhere would be written
    there by a restore."""
    parts = PurePosixPath(name).parts
    return bool(parts) and parts[0] in KEPT and ".." not in parts


def _walk(home: Path) -> Iterator[Path]:
    for name in KEPT:
        if (home / name).is_file():
            yield home / name
        for folder, _, names in os.walk(home / name):
            yield from (Path(folder, each) for each in names)


def save_files(
    home: Path,
    folder: Path,
    progress: Progress,
    *,
    earlier: tuple[Path, Mapping[str, FileFacts]] | None = None,
) -> dict[str, FileFacts]:
    """Copy them into the folder. Those that an earlier backup has are linked to it, so
    that they take space once. Files that are deleted meanwhile are left out."""
    facts = kept_files(home)
    total, done, saved = sum(each.st_size for each in facts.values()), 0, {}
    for name, status in facts.items():
        progress("bytes of files", done, total)
        done += status.st_size
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if found := _linked(name, status, target, earlier):
            saved[name] = found
            continue
        try:
            saved[name] = copy_file(home / name, target)
        except FileNotFoundError:
            target.unlink(missing_ok=True)
    progress("bytes of files", total, total)
    return saved


def _linked(
    name: str,
    status: os.stat_result,
    target: Path,
    earlier: tuple[Path, Mapping[str, FileFacts]] | None,
) -> FileFacts | None:
    """The facts of the same file in the earlier backup, if it is unchanged there."""
    if earlier is None:
        return None
    folder, known = earlier
    facts = known.get(name)
    if facts is None or (facts.size, facts.changed) != (
        status.st_size,
        status.st_mtime_ns,
    ):
        return None
    try:
        if (folder / name).stat().st_size != facts.size:
            return None
        os.link(folder / name, target)
    except OSError:
        # That folder is damaged, or its file system has no links.
        return None
    return facts


def copy_file(source: Path, target: Path) -> FileFacts:
    """The checksum is of what was copied: a log may grow meanwhile."""
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as file, target.open("xb") as copy:
        changed = os.fstat(file.fileno()).st_mtime_ns
        while block := file.read(BLOCK):
            digest.update(block)
            size += copy.write(block)
    os.utime(target, ns=(changed, changed))
    return FileFacts(size, digest.hexdigest(), changed)


def check_files(
    folder: Path, facts: Mapping[str, FileFacts], progress: Progress
) -> None:
    """Raises BackupError unless each file is there as it was written."""
    total, done, wrong = sum(each.size for each in facts.values()), 0, []
    for name, expected in facts.items():
        progress("bytes of files checked", done, total)
        done += expected.size
        if checksum(folder / name) != expected.sha256:
            wrong.append(name)
    progress("bytes of files checked", total, total)
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise BackupError(
            f"Files of the backup are missing or damaged: {', '.join(wrong[:5])}{more}."
        )


def checksum(path: Path) -> str:
    """The SHA-256 of a file; empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
