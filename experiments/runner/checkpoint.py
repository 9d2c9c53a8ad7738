"""The outputs of an earlier attempt that a trial's next one begins with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from experiments.runner.sources import SourceError

MOST_FILES = 10_000
DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class CheckpointFile:
    """One file. `path` is relative with slashes and stays inside its folder; `size` in
    bytes."""

    path: str
    sha256: str
    size: int
    url: str


@dataclass(frozen=True)
class Checkpoint:
    """All files of attempt number `attempt` of the same trial."""

    attempt: int
    files: tuple[CheckpointFile, ...]


def read_checkpoint(value: object) -> Checkpoint | None:
    """`resume_from` of a specification; None when there is none. Raises SourceError."""
    if value is None:
        return None
    if not isinstance(value, dict) or not isinstance(value.get("files"), list):
        raise SourceError("resume_from must be null or an object with files")
    if len(value["files"]) > MOST_FILES:
        raise SourceError(f"resume_from has more than {MOST_FILES} files")
    files = tuple(_read_file(entry) for entry in value["files"])
    number = value.get("attempt")
    return Checkpoint(number if isinstance(number, int) else 0, files)


def _read_file(entry: object) -> CheckpointFile:
    if not isinstance(entry, dict):
        raise SourceError("a file of resume_from must be an object")
    path, sha256, size = entry.get("path"), entry.get("sha256"), entry.get("size")
    if not isinstance(path, str) or not _stays_inside(path):
        raise SourceError(f"resume_from names {path!r}, which lies outside its folder")
    if not isinstance(sha256, str) or not DIGEST.fullmatch(sha256):
        raise SourceError(f"sha256 of {path!r} must be 64 hexadecimal digits")
    if not isinstance(size, int) or size < 0:
        raise SourceError(f"size of {path!r} must be a number of bytes")
    url = str(entry.get("url", ""))
    return CheckpointFile(path=path, sha256=sha256, size=size, url=url)


def _stays_inside(path: str) -> bool:
    parts = PurePosixPath(path).parts
    harmless = "\0" not in path and not path.startswith("/") and ".." not in parts
    return bool(parts) and harmless
