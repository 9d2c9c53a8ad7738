"""A folder of training code on this machine, as files to keep in a snapshot."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

from experiments import snapshots
from experiments.models import Team, User
from experiments.runner.shared_folder import is_kept, kept_folders
from experiments.search.problems import DefinitionError, Problem
from experiments.snapshots import MOST_FILES, CodeError


def refused(sentence: str) -> DefinitionError:
    return DefinitionError([Problem("trial.code", sentence)])


def with_stored_code(
    document: Mapping[str, Any], folder: Path, team: Team, *, user: User | None
) -> dict[str, Any]:
    """The document with the files of its ``code`` folder kept as an upload."""
    try:
        snapshot = snapshots.store_files(team, read_folder(folder), user=user)
    except CodeError as error:
        raise refused(str(error)) from error
    return {
        **document,
        "trial": {**document["trial"], "code": {"upload": snapshot.digest}},
    }


def read_folder(folder: Path) -> dict[str, bytes]:
    """Relative POSIX path to content of every file that is not left out.

    Links to files are followed, links to folders are not. Raises DefinitionError for
    what is no folder, or too large.
    """
    if not folder.is_dir():
        raise refused(f"There is no folder {str(folder)!r}.")
    sizes = dict(_sizes(folder))
    _check(folder, sizes)
    try:
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(sizes)
        }
    except OSError as error:
        raise refused(f"{error.filename} cannot be read: {error.strerror}.") from error


def _sizes(folder: Path) -> Iterator[tuple[Path, int]]:
    for parent, folders, names in os.walk(folder):
        folders[:] = kept_folders(folders, top=Path(parent) == folder)
        for path in (Path(parent) / name for name in names if is_kept(name)):
            if path.is_file():
                yield path, path.stat().st_size


def _check(folder: Path, sizes: dict[Path, int]) -> None:
    """Look at names and sizes before anything is read into memory."""
    if len(sizes) > MOST_FILES:
        raise refused(
            f"{folder} has {len(sizes):,} files; at most {MOST_FILES:,} are allowed."
        )
    total, limit = sum(sizes.values()), settings.UPLOAD_LIMIT_BYTES
    if total > limit:
        largest = max(sizes, key=lambda path: sizes[path])
        raise refused(
            f"{folder} has {total / 1e6:.1f} MB of files, the largest is"
            f" {largest.relative_to(folder)}; at most {limit >> 20} MB are allowed"
            " (SWEEPSITE_UPLOAD_MB). Name a smaller folder as code."
        )
