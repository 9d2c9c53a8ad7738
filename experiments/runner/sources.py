"""Where an attempt's code, packages and earlier outputs come from, as its specification
says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeAlias

SHA256 = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")

MAX_FILES = 10_000
DIGEST = re.compile(r"[0-9a-f]{64}")


class SourceError(ValueError):
    """A source cannot be read; the sentence names the field and what is allowed."""


@dataclass(frozen=True)
class CodeSource:
    """A code snapshot: `digest` is the SHA-256 (hex) of the zip's bytes."""

    digest: str
    url: str


@dataclass(frozen=True, kw_only=True)
class GitSource:
    """A folder `path` of a git repository.

    `commit` is empty until the first attempt of the sweep has looked up `ref`; an empty
    `ref` is the repository's default branch. `allowed` are the folders of the worker's
    disk that may hold repositories.
    """

    url: str
    ref: str = ""
    commit: str = ""
    path: str = ""
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class FolderSource:
    """A folder on the worker's disk, inside one of the `allowed` ones."""

    folder: str
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Requirements:
    """Packages to install: the lines themselves, or a `file` of the code."""

    file: str = ""
    lines: tuple[str, ...] = ()


Code: TypeAlias = CodeSource | GitSource | FolderSource


def read_code(value: object) -> Code | None:
    """`code` of a specification. Raises SourceError."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise SourceError("code must be null or an object with digest and url")
    if "git" in value:
        return _git(value["git"], allowed=_texts(value, "allowed"))
    if "folder" in value:
        return FolderSource(
            folder=_text(value, "folder"), allowed=_texts(value, "allowed")
        )
    match = SHA256.fullmatch(str(value.get("digest", "")))
    if match is None:
        raise SourceError("code.digest must be a SHA-256 of 64 hexadecimal digits")
    return CodeSource(digest=match[1], url=_text(value, "url"))


def read_folders(value: object) -> tuple[str, ...]:
    """`folders` of a specification. Raises SourceError."""
    return _texts({"folders": value}, "folders")


def read_requirements(value: object) -> Requirements | None:
    """`requirements` of a specification: a file's name or a list of lines.

    Raises SourceError.
    """
    if value is None:
        return None
    if isinstance(value, str) and value:
        return Requirements(file=value)
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return Requirements(lines=tuple(value))
    raise SourceError("requirements must be null, a file's name or a list of lines")


def _git(value: object, *, allowed: tuple[str, ...]) -> GitSource:
    if not isinstance(value, dict):
        raise SourceError("code.git must be an object with a url")
    commit = _text(value, "commit", required=False)
    if commit and not COMMIT.fullmatch(commit):
        raise SourceError("code.git.commit must be empty or a whole commit id")
    return GitSource(
        url=_text(value, "url"),
        ref=_text(value, "ref", required=False),
        commit=commit,
        path=_text(value, "path", required=False),
        allowed=allowed,
    )


def _text(fields: Mapping[str, object], name: str, *, required: bool = True) -> str:
    value = fields.get(name) or ""
    if not isinstance(value, str) or "\0" in value or (required and not value):
        raise SourceError(f"code.{name} is missing; it must be a text")
    return value


def _texts(fields: Mapping[str, object], name: str) -> tuple[str, ...]:
    value = fields.get(name) or []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise SourceError(f"code.{name} must be a list of texts")
    return tuple(value)


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
    """`resume_from` of a specification. Raises SourceError."""
    if value is None:
        return None
    if not isinstance(value, dict) or not isinstance(value.get("files"), list):
        raise SourceError("resume_from must be null or an object with files")
    if len(value["files"]) > MAX_FILES:
        raise SourceError(f"resume_from has more than {MAX_FILES} files")
    files = tuple(_read_file(entry) for entry in value["files"])
    number = value.get("attempt")
    return Checkpoint(number if isinstance(number, int) else 0, files)


def _read_file(entry: object) -> CheckpointFile:
    if not isinstance(entry, dict):
        raise SourceError("a file of resume_from must be an object")
    path, sha256, size = entry.get("path"), entry.get("sha256"), entry.get("size")
    if not isinstance(path, str) or not _stays_inside(path):
        raise SourceError(f"resume_from names {path!r}, which is outside its folder")
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
